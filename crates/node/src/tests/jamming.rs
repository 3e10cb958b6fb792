//! HTLCs that are there to fill a channel: others get through all the same.

use super::net::Net;
use crate::command::{PolicyChange, Reply};
use crate::input::{Input, PeerEvent};
use crate::ledger::Fact;
use astrape_onion::{Failure, FailurePacket, FailureSource, decode_failure};
use astrape_payment::jam::{RESOLUTION_MILLIS, Reputation};
use astrape_payment::policy::OLD_POLICY_MILLIS;
use astrape_payment::probing::{MAX_UNPAID, Unpaid};
use astrape_primitives::{ChannelKeysId, Msat};
use astrape_wire::{Message, UpdateFailHtlc};
use std::sync::Arc;

const AMOUNT: Msat = Msat(1_000_000);
/// HTLCs that the node in the middle takes in a channel.
const SLOTS: u16 = 20;
/// Those of them that are for everybody.
const FOR_ALL: usize = 16;

/// A payer, a node in the middle with few slots, a jammer and an honest node behind it; and the middle's name for its channel
/// with the honest one.
fn star() -> (Net, ChannelKeysId) {
    let mut net = Net::new(4);
    let mut config = (*net.members[1].node.config).clone();
    config.channel.max_accepted_htlcs = SLOTS;
    net.members[1].node.config = Arc::new(config);
    net.open(0, 1);
    net.open(1, 2);
    net.connect(1, 3);
    let honest = net.open(1, 3);
    (net, honest)
}

fn hold(net: &mut Net, htlcs: usize) {
    for _ in 0..htlcs {
        let invoice = net.hold_invoice(2, AMOUNT, true);
        assert!(matches!(net.pay(0, &invoice), Ok(Reply::Paying { .. })));
        net.run();
    }
}

/// Whether a payment gets through to a node, and what the middle says if it does not.
fn pay(net: &mut Net, to: usize) -> Result<(), String> {
    for member in &mut net.members {
        member.facts.clear();
    }
    let invoice = net.invoice(to, AMOUNT);
    net.pay(0, &invoice).expect("there is a way");
    net.run();
    if net.members[0].facts.iter().any(|fact| matches!(fact, Fact::PaymentSent { .. })) {
        return Ok(());
    }
    Err(net.members[1]
        .facts
        .iter()
        .find_map(|fact| match fact {
            Fact::ForwardFailed { by_us: true, reason, .. } => Some(reason.clone()),
            _ => None,
        })
        .expect("the middle has refused it"))
}

fn later(net: &mut Net, millis: u64) {
    net.now = net.now.plus(millis);
    for (who, other) in [(0, 1), (1, 0), (1, 2), (2, 1), (1, 3), (3, 1)] {
        let peer = net.id(other);
        net.input(who, Input::Peer { peer, event: PeerEvent::Heard });
    }
}

fn held(net: &Net) -> usize {
    net.members[2].facts.iter().filter(|fact| matches!(fact, Fact::InvoiceHeld { .. })).count()
}

// attack 31
#[test]
fn whoever_fills_a_channel_at_once_leaves_room_for_those_who_have_earned_it() {
    let (mut net, honest) = star();
    hold(&mut net, FOR_ALL + 3);
    assert_eq!(held(&net), FOR_ALL, "no more than what is for everybody");
    assert!(pay(&mut net, 3).is_err_and(|why| why.contains("good reputation")));
    let earned = Reputation::default().after_outgoing(Msat(1_000_000_000), true, 0, net.now);
    net.members[1].node.reputations.insert(honest, earned);
    assert_eq!(pay(&mut net, 3), Ok(()));
    assert!(pay(&mut net, 2).is_err(), "the one who holds all that has none");
}

/// Until it expires each may keep a slot for 125 to 161 blocks, for a fee of 1,100 msat.
#[test]
fn a_reputation_that_bears_one_forward_does_not_bear_a_second_beside_it() {
    let (mut net, honest) = star();
    hold(&mut net, FOR_ALL);
    let earned = Reputation::default().after_outgoing(Msat(1_300_000), true, 0, net.now);
    net.members[1].node.reputations.insert(honest, earned);
    let invoice = net.hold_invoice(3, AMOUNT, true);
    net.pay(0, &invoice).expect("there is a way");
    net.run();
    let held = net.members[3].facts.iter().filter(|fact| matches!(fact, Fact::InvoiceHeld { .. })).count();
    assert_eq!(held, 1, "it has earned enough for one");
    assert!(pay(&mut net, 3).is_err_and(|why| why.contains("good reputation")));
    let cancel = crate::Command::CancelInvoice { payment_hash: invoice.payment_hash(), earlier: None };
    assert_eq!(net.command(3, cancel), Ok(Reply::Done));
    net.run();
    assert_eq!(pay(&mut net, 3), Ok(()), "the first is gone");
}

/// A payment that fills the channel before the middle, in parts, since no channel behind it carries all. Beside one that is held, or not.
fn fills_the_channel(beside_another: bool) -> bool {
    let mut net = Net::new(4);
    net.open(0, 1);
    net.open(1, 2);
    net.open(1, 2);
    net.connect(1, 3);
    net.open(1, 3);
    let back = net.invoice(0, Msat(390_000_000));
    net.pay(1, &back).expect("there is a way");
    net.run();
    if beside_another {
        let other = net.hold_invoice(3, AMOUNT, true);
        net.pay(0, &other).expect("there is a way");
        net.run();
    }
    let invoice = net.invoice(2, Msat(900_000_000));
    net.pay(0, &invoice).expect("our own channel carries it");
    net.members[0].facts.clear();
    net.members[0].said.clear();
    net.run();
    let added =
        net.members[0].said.iter().filter(|(_, message)| matches!(message, Message::UpdateAddHtlc(_)));
    assert!(added.count() > 1, "one part cannot carry it");
    net.members[0].facts.iter().any(|fact| matches!(fact, Fact::PaymentSent { .. }))
}

// attack 31
#[test]
fn the_parts_of_one_payment_fill_a_channel_as_one_htlc_may_but_not_beside_another() {
    assert!(fills_the_channel(false));
    assert!(!fills_the_channel(true), "a fifth is kept for those who have earned it");
}

// attack 31
#[test]
fn whoever_holds_for_long_gets_no_more_and_others_do() {
    let (mut net, _) = star();
    hold(&mut net, 4);
    assert_eq!(pay(&mut net, 2), Ok(()), "for a while that is as it should be");
    later(&mut net, RESOLUTION_MILLIS + 1);
    assert!(pay(&mut net, 2).is_err_and(|why| why.contains("too long")));
    assert_eq!(pay(&mut net, 3), Ok(()));
}

// attack 31
#[test]
fn quick_forwards_earn_reputation_and_slow_ones_lose_it() {
    let (mut net, honest) = star();
    let earned = |net: &Net| {
        let reputation = net.members[1].node.reputations.get(&honest).copied().unwrap_or_default();
        reputation.earned_out.at(net.now)
    };
    pay(&mut net, 3).expect("there is room");
    pay(&mut net, 3).expect("there is room");
    let fee = Msat(1_100);
    assert_eq!(earned(&net), Msat(2 * fee.0));
    let invoice = net.hold_invoice(3, AMOUNT, true);
    net.pay(0, &invoice).expect("there is a way");
    net.run();
    later(&mut net, RESOLUTION_MILLIS);
    let cancel = crate::Command::CancelInvoice { payment_hash: invoice.payment_hash(), earlier: None };
    assert_eq!(net.command(3, cancel), Ok(Reply::Done));
    net.run();
    assert!(earned(&net) < Msat(fee.0 + 1), "{}", earned(&net));
}

/// What the middle answers first to a payment, and how long its answer is.
fn answer(net: &mut Net, amount: Msat) -> (Failure, usize) {
    let invoice = net.invoice(3, amount);
    net.members[1].said.clear();
    net.pay(0, &invoice).expect("our own channel carries it");
    let payments = net.members[0].node.payments().filter(|p| p.payment_hash == invoice.payment_hash());
    let parts = payments.flat_map(|payment| payment.parts.values());
    let secrets: Vec<_> = parts.map(|part| part.recipe.shared_secrets()).collect();
    net.run();
    let said = net.members[1].said.iter();
    let failure = said.filter_map(|(_, message)| match message {
        Message::UpdateFailHtlc(failure) => Some(failure.clone()),
        _ => None,
    });
    let UpdateFailHtlc { reason, attribution_data, .. } = failure.into_iter().next().expect("it was failed");
    let length = reason.len();
    let read = |secrets: &Vec<_>| {
        let packet = FailurePacket { reason: reason.clone(), attribution_data: attribution_data.clone() };
        match decode_failure(secrets, packet).source {
            FailureSource::Hop { index: 0, failure } => Some(failure),
            _ => None,
        }
    };
    (secrets.iter().find_map(read).expect("the middle has failed one of the first parts"), length)
}

// attack 51
#[test]
fn who_probes_a_channel_is_told_the_same_whatever_it_lacks() {
    let (mut net, honest) = star();
    // The middle has less towards the honest node than the prober has towards the middle.
    let invoice = net.invoice(3, Msat(400_000_000));
    net.pay(1, &invoice).expect("there is a way");
    net.run();
    let sendable = net.members[1].node.channel(&honest).expect("it is open").sendable();
    let (told, length) = answer(&mut net, Msat(sendable.0 + 1));
    assert_eq!(told, Failure::TemporaryChannelFailure, "it lacks a millisatoshi");
    assert_eq!(answer(&mut net, Msat(sendable.0 + 100_000_000)), (told.clone(), length), "it lacks much");
    // There is balance, and it was asked for too often.
    let of_prober = |net: &Net| {
        let mut channels = net.members[1].node.channels();
        channels.find(|(_, channel)| channel.peer() == net.id(0)).expect("it is open").0
    };
    let pair = (of_prober(&net), honest);
    let account = (0..MAX_UNPAID).fold(Unpaid::default(), |account, _| account.after_unpaid(net.now));
    net.members[1].node.unpaid.insert(pair, account);
    assert_eq!(answer(&mut net, AMOUNT), (told.clone(), length), "nobody is told how often was too often");
    net.members[1].node.unpaid.remove(&pair);
    // There is balance, and no slot.
    hold(&mut net, FOR_ALL);
    assert_eq!(answer(&mut net, AMOUNT), (told.clone(), length), "it lacks slots");
    // There is all that, and the operator does not want it.
    let (mut net, honest) = star();
    let change = PolicyChange { htlc_maximum: Some(Some(Msat(500_000))), ..PolicyChange::default() };
    let set = crate::Command::SetPolicy { channel: Some(honest), change };
    assert!(net.command(1, set).is_ok());
    later(&mut net, OLD_POLICY_MILLIS + 1_000);
    net.input(1, Input::Tick);
    assert_eq!(answer(&mut net, AMOUNT), (told, length), "it is not wanted");
}
