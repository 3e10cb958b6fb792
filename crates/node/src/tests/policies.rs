//! What channels ask for forwarding: changed, told, and for a while taken as it was.

use super::net::Net;
use crate::command::{Command, PolicyChange, Refusal, Reply};
use crate::input::{Input, PeerEvent};
use crate::ledger::Fact;
use astrape_invoice::Invoice;
use astrape_payment::policy::OLD_POLICY_MILLIS;
use astrape_payment::{ForwardPolicy, InboundFee, PolicyRefusal, TripEnd};
use astrape_primitives::{ChannelKeysId, CltvDelta, Msat};
use astrape_wire::{ChannelUpdate, Message};
use bitcoin::hashes::Hash as _;

const AMOUNT: Msat = Msat(5_000_000);
/// A satoshi and a hundred millionths.
const USUAL_FEE: Msat = Msat(1_500);

/// A row of three, and the names that the middle has for its channels.
fn row() -> (Net, ChannelKeysId, ChannelKeysId) {
    let mut net = Net::new(3);
    net.open(0, 1);
    let last = net.open(1, 2);
    let first = net.channels(1).into_iter().find(|keys| *keys != last).expect("two channels");
    (net, first, last)
}

fn set(net: &mut Net, channel: Option<ChannelKeysId>, change: PolicyChange) -> Result<Reply, Refusal> {
    let reply = net.command(1, Command::SetPolicy { channel, change });
    net.run();
    reply
}

/// Time goes by, and everybody hears everybody.
fn later(net: &mut Net, millis: u64) {
    net.now = net.now.plus(millis);
    for (who, other) in [(0, 1), (1, 0), (1, 2), (2, 1)] {
        let peer = net.id(other);
        net.input(who, Input::Peer { peer, event: PeerEvent::Heard });
    }
}

fn dearer() -> PolicyChange {
    PolicyChange { fee_base: Some(Msat(9_000)), ..PolicyChange::default() }
}

/// Pays, and tells the fee; none when it failed.
fn pay(net: &mut Net, invoice: &Invoice) -> Option<Msat> {
    net.members[0].facts.clear();
    net.pay(0, invoice).expect("there is a way");
    net.run();
    net.members[0].facts.iter().find_map(|fact| match fact {
        Fact::PaymentSent { fee, .. } => Some(*fee),
        _ => None,
    })
}

fn told(net: &Net, to: usize) -> ChannelUpdate {
    let to = net.id(to);
    let updates = net.members[1].said.iter().rev().filter(|(peer, _)| *peer == to);
    let mut updates = updates.filter_map(|(_, message)| match message {
        Message::ChannelUpdate(update) => Some(update.clone()),
        _ => None,
    });
    updates.next().expect("it was told")
}

#[test]
fn a_change_is_told_and_what_was_asked_before_is_taken_for_a_while() {
    let (mut net, _, last) = row();
    let old = [0; 3].map(|_| net.invoice(2, AMOUNT));
    let before = told(&net, 2);
    assert_eq!(set(&mut net, Some(last), dearer()), Ok(Reply::Done));
    let update = told(&net, 2);
    assert_eq!(update.fee_base_msat, 9_000);
    assert!(update.timestamp > before.timestamp);
    assert_eq!(pay(&mut net, &old[0]), Some(USUAL_FEE), "the payer has not heard of it");
    let new = net.invoice(2, AMOUNT);
    assert_eq!(pay(&mut net, &new), Some(Msat(9_500)));
    later(&mut net, OLD_POLICY_MILLIS - 1);
    assert_eq!(pay(&mut net, &old[1]), Some(USUAL_FEE));
    later(&mut net, 1);
    assert_eq!(pay(&mut net, &old[2]), Some(Msat(9_500)), "it hears of it by the failure");
    assert!(net.members[1].facts.iter().any(|fact| matches!(
        fact,
        Fact::ForwardFailed { by_us: true, outgoing: Some(outgoing), amount_out: AMOUNT, .. } if *outgoing == last
    )));
}

/// Pays along what the network said before, and tells the words with which the middle has failed it, and what it cost if it arrived.
fn told_of_old(net: &mut Net, old: &astrape_routing::Graph) -> (String, Option<Msat>) {
    net.graph = old.clone();
    let invoice = net.invoice(2, AMOUNT);
    let paid = pay(net, &invoice);
    (told_by_middle(net), paid)
}

fn told_by_middle(net: &Net) -> String {
    let words = net.trips.iter().rev().find_map(|trip| match &trip.end {
        TripEnd::Failed { words, .. } => Some(words.clone()),
        TripEnd::Arrived { .. } => None,
    });
    words.expect("it was tried")
}

#[test]
fn who_pays_less_than_is_asked_is_told_so_with_what_the_network_was_told_of_the_channel() {
    let mut net = Net::new(3);
    (net.announces, net.is_checked) = (true, true);
    net.open(0, 1);
    let last = net.open(1, 2);
    let old = net.graph.clone();
    set(&mut net, Some(last), dearer()).expect("it makes sense");
    later(&mut net, OLD_POLICY_MILLIS);
    let said = net.members[1].node.own_updates.get(&last).cloned().expect("it was said");
    let digest = bitcoin::secp256k1::Message::from_digest(said.0.signed_hash().to_byte_array());
    let node = &net.members[1].node;
    node.secp.verify_ecdsa(&digest, &said.0.signature, &node.config.node_id.key()).expect("it is ours");
    assert_eq!(said.0.fee_base_msat, 9_000);
    for _ in 0..2 {
        let (words, paid) = told_of_old(&mut net, &old);
        assert!(words.contains("fee_insufficient"), "each payment learns it for itself: {words}");
        assert_eq!(paid, Some(Msat(9_500)), "it pays what it was told");
    }
}

#[test]
fn while_an_update_is_not_signed_who_pays_too_little_is_told_of_a_failure_that_needs_none() {
    let mut net = Net::new(3);
    net.announces = true;
    net.open(0, 1);
    let last = net.open(1, 2);
    let old = net.graph.clone();
    set(&mut net, Some(last), dearer()).expect("it makes sense");
    later(&mut net, OLD_POLICY_MILLIS);
    let node = &mut net.members[1].node;
    let said = node.own_updates.get(&last).cloned().expect("it was said");
    assert!(said.is_signed());
    let update = ChannelUpdate { signature: crate::state::unsigned(), ..said.0 };
    node.own_updates.set(last, crate::state::OwnUpdate(update));
    node.install();
    assert!(told_of_old(&mut net, &old).0.contains("temporary_channel_failure"));
    // A crash has lost the signature: it is asked for again.
    later(&mut net, 60_000);
    net.input(1, Input::Tick);
    assert!(net.members[1].node.own_updates.get(&last).expect("it was said").is_signed());
}

// BOLT 4.failure-messages.4
#[test]
fn who_pays_too_little_over_a_private_channel_is_told_what_it_asks_by_the_alias_that_was_named() {
    let mut net = Net::new(3);
    net.is_checked = true;
    net.open(0, 1);
    let last = net.open(1, 2);
    for restarts in [false, true] {
        if restarts {
            net.restart(1);
            net.connect(0, 1);
            net.connect(1, 2);
            net.run();
            net.input(1, Input::Tick);
        }
        let cheap = net.invoice_with(2, AMOUNT, |hint| hint.fee_base_msat = 0);
        assert_eq!(pay(&mut net, &cheap), Some(USUAL_FEE));
        let words = told_by_middle(&net);
        assert!(words.contains("fee_insufficient"), "{words}");
    }
    let node = &net.members[1].node;
    let open = node.channel(&last).and_then(|channel| channel.open()).expect("it is open");
    let own = node.own_updates.get(&last).expect("the peer was told");
    let named: Vec<&ChannelUpdate> =
        node.named_updates.iter().filter(|((of, _), _)| *of == last).map(|(_, update)| update).collect();
    let [named] = named[..] else { panic!("the real id is not told of: {named:?}") };
    assert_eq!(named.short_channel_id, open.params.local_alias);
    assert_ne!(named.short_channel_id, own.0.short_channel_id, "that is the peer's name for it");
    assert_eq!((named.fee_base_msat, named.timestamp), (1_000, own.0.timestamp));
    assert_eq!(named.message_flags & ChannelUpdate::DONT_FORWARD, ChannelUpdate::DONT_FORWARD);
    assert!(named.htlc_maximum_msat < own.0.htlc_maximum_msat, "it is rounded");
    let digest = bitcoin::secp256k1::Message::from_digest(named.signed_hash().to_byte_array());
    node.secp.verify_ecdsa(&digest, &named.signature, &node.config.node_id.key()).expect("it is ours");
    assert_eq!(net.graph.channel_count(), 0, "the network is told nothing");
}

// BOLT 4.failure-messages.12
#[test]
fn a_channel_that_the_network_was_told_is_disabled_fails_as_such() {
    let mut net = Net::new(3);
    (net.announces, net.is_checked) = (true, true);
    net.open(0, 1);
    net.open(1, 2);
    let old = net.graph.clone();
    net.cut(1, 2);
    assert!(
        told_of_old(&mut net, &old).0.contains("temporary_channel_failure"),
        "it may be back in a moment"
    );
    for _ in 0..25 {
        later(&mut net, 60_000);
        net.input(1, Input::Tick);
    }
    assert!(told_of_old(&mut net, &old).0.contains("channel_disabled"));
    net.connect(1, 2);
    net.run();
    net.graph = old;
    let invoice = net.invoice(2, AMOUNT);
    assert!(pay(&mut net, &invoice).is_some());
}

#[test]
fn a_policy_and_those_before_it_survive_a_restart_and_a_reset_ends_it() {
    let (mut net, _, last) = row();
    let old = net.invoice(2, AMOUNT);
    set(&mut net, Some(last), dearer()).expect("it makes sense");
    net.restart(1);
    net.connect(0, 1);
    net.connect(1, 2);
    net.run();
    assert_eq!(net.members[1].node.policy(&last).fee_base, Msat(9_000));
    assert_eq!(pay(&mut net, &old), Some(USUAL_FEE));
    let rows = net.members[1].disk.rows();
    set(&mut net, Some(last), PolicyChange { reset: true, ..PolicyChange::default() })
        .expect("it makes sense");
    assert_eq!(*net.members[1].node.policy(&last), ForwardPolicy::default());
    assert_eq!(told(&net, 2).fee_base_msat, 1_000);
    assert_eq!(net.members[1].disk.rows(), rows, "what was asked before is still known");
    later(&mut net, OLD_POLICY_MILLIS + 60_000);
    net.input(1, Input::Tick);
    assert_eq!(net.members[1].disk.rows(), rows - 1, "and in the end nothing is");
}

#[test]
fn a_policy_that_the_operator_changes_by_an_option_is_taken_as_before_too() {
    let (mut net, _, _) = row();
    let old = net.invoice(2, AMOUNT);
    let mut config = (*net.members[1].node.config).clone();
    config.payment.forward.fee_base = Msat(7_000);
    net.members[1].node.config = std::sync::Arc::new(config);
    net.restart(1);
    net.connect(0, 1);
    net.connect(1, 2);
    net.run();
    assert_eq!(told(&net, 2).fee_base_msat, 7_000);
    assert_eq!(pay(&mut net, &old), Some(USUAL_FEE));
}

#[test]
fn a_discount_for_what_comes_in_is_told_and_given_to_what_comes_in_there_alone() {
    let (mut net, first, last) = row();
    let discount = PolicyChange { inbound_base_msat: Some(-1_000), ..PolicyChange::default() };
    set(&mut net, Some(first), discount.clone()).expect("it makes sense");
    let update = told(&net, 0);
    assert_eq!(update.extension.0[..4], [0xfd, 0xd9, 0x03, 8], "the TLV of bLIP 18");
    assert!(told(&net, 2).extension.0.is_empty());
    let cheap = net.invoice_with(2, AMOUNT, |hint| hint.fee_base_msat = 0);
    assert_eq!(pay(&mut net, &cheap), Some(Msat(500)));
    let too_cheap = net.invoice_with(2, AMOUNT, |hint| {
        (hint.fee_base_msat, hint.fee_proportional_millionths) = (0, 99);
    });
    assert_eq!(pay(&mut net, &too_cheap), Some(USUAL_FEE), "what it is told is the price without");
    // For what goes out over it, it is worth nothing.
    set(&mut net, Some(first), PolicyChange { reset: true, ..PolicyChange::default() }).expect("as before");
    set(&mut net, Some(last), discount).expect("it makes sense");
    later(&mut net, OLD_POLICY_MILLIS);
    let cheap = net.invoice_with(2, AMOUNT, |hint| hint.fee_base_msat = 0);
    assert_eq!(pay(&mut net, &cheap), Some(USUAL_FEE));
}

#[test]
fn limits_of_a_channel_are_told_and_kept() {
    let (mut net, _, last) = row();
    let limits = PolicyChange {
        htlc_minimum: Some(Msat(2_000_000)),
        htlc_maximum: Some(Some(Msat(3_000_000))),
        cltv_expiry_delta: Some(CltvDelta(99)),
        ..PolicyChange::default()
    };
    set(&mut net, Some(last), limits).expect("it makes sense");
    later(&mut net, OLD_POLICY_MILLIS);
    let update = told(&net, 2);
    let limits = (update.htlc_minimum_msat, update.htlc_maximum_msat, update.cltv_expiry_delta);
    assert_eq!(limits, (Msat(2_000_000), Msat(3_000_000), CltvDelta(99)));
    for (amount, passes) in [(1_999_999, false), (2_000_000, true), (3_000_000, true), (3_000_001, false)] {
        let invoice = net.invoice(2, Msat(amount));
        assert_eq!(pay(&mut net, &invoice).is_some(), passes, "{amount}");
    }
}

// BOLT 4.failure-messages.4
#[test]
fn what_the_next_peer_takes_no_htlc_as_small_as_is_below_the_minimum_that_was_told() {
    let mut net = Net::new(3);
    let mut config = (*net.members[2].node.config).clone();
    config.channel.htlc_minimum = Msat(50_000);
    net.members[2].node.config = std::sync::Arc::new(config);
    net.open(0, 1);
    net.open(1, 2);
    assert_eq!(told(&net, 2).htlc_minimum_msat, Msat(50_000));
    let invoice = net.invoice(2, Msat(49_999));
    assert_eq!(pay(&mut net, &invoice), None);
    let failed = net.members[1].facts.iter().find_map(|fact| match fact {
        Fact::ForwardFailed { reason, .. } => Some(reason.clone()),
        _ => None,
    });
    assert!(failed.is_some_and(|reason| reason.contains("amount_below_minimum")));
    let invoice = net.invoice(2, Msat(50_000));
    assert!(pay(&mut net, &invoice).is_some());
}

#[test]
fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let (mut net, first, last) = row();
    let unknown = ChannelKeysId([9; 32]);
    assert_eq!(set(&mut net, Some(unknown), dearer()), Err(Refusal::NoSuchChannel));
    let no_time = PolicyChange { cltv_expiry_delta: Some(CltvDelta(3)), ..dearer() };
    let refused = Refusal::Policy(PolicyRefusal::CltvExpiryDelta(3));
    assert_eq!(set(&mut net, Some(last), no_time.clone()), Err(refused.clone()));
    assert_eq!(set(&mut net, None, no_time), Err(refused));
    let more_than_one_holds = PolicyChange { htlc_minimum: Some(Msat(1_000_000_001)), ..dearer() };
    assert!(matches!(set(&mut net, None, more_than_one_holds), Err(Refusal::Policy(_))));
    for keys in [first, last] {
        assert_eq!(*net.members[1].node.policy(&keys), ForwardPolicy::default());
    }
    assert_eq!(set(&mut net, None, dearer()), Ok(Reply::Done), "all at once");
    for keys in [first, last] {
        assert_eq!(net.members[1].node.policy(&keys).fee_base, Msat(9_000));
        assert_eq!(net.members[1].node.policy(&keys).inbound, InboundFee::default());
    }
    let opening = net.propose(1, 2);
    assert_eq!(set(&mut net, Some(opening), dearer()), Err(Refusal::ForwardsNothing), "it is not funded");
}
