//! Openings in great number, out of order, under ids that are taken, and never funded.

use super::floods::{fresh_keys, open_channel};
use super::net::Net;
use super::{NOW, config, node_with, step};
use crate::command::{Command, OpenChannelCommand};
use crate::index::could_sign;
use crate::input::{CommandId, FreshKeys, Input, PeerEvent, PeerMessage, SignerAnswer};
use crate::ledger::{ChannelFact, Fact};
use crate::node::Node;
use crate::turn::{MAX_UNCONFIRMED, MAX_UNCONFIRMED_PER_PEER};
use astrape_channel::{Channel, Opening, Phase};
use astrape_primitives::{ChannelId, ChannelKeysId, FeeratePerKw, Msat, NodeId, Sat};
use astrape_wire::{Error, FundingCreated, Message, OpenChannel};
use bitcoin::absolute::LockTime;
use bitcoin::hashes::Hash as _;
use bitcoin::secp256k1::{Secp256k1, SecretKey};
use bitcoin::transaction::Version;
use bitcoin::{Amount, OutPoint, ScriptBuf, Transaction, TxIn, TxOut, Txid};
use std::collections::BTreeMap;

/// Node ids that cost an attacker nothing.
fn strangers() -> impl Iterator<Item = NodeId> {
    let secp = Secp256k1::signing_only();
    (1_u32..).map(move |number| {
        let mut secret = [3; 32];
        secret[..4].copy_from_slice(&number.to_be_bytes());
        NodeId::from_key(&SecretKey::from_slice(&secret).expect("below the order").public_key(&secp))
    })
}

/// Openings that wait, by peer.
fn waiting(node: &Node) -> BTreeMap<NodeId, usize> {
    let mut waiting = BTreeMap::new();
    for (_, channel) in node.channels() {
        *waiting.entry(channel.peer()).or_default() += 1;
    }
    waiting
}

// attack 55
// attack 56
#[test]
fn a_flood_of_openings_by_strangers_without_number_fills_a_few_places_and_no_more() {
    let mut node = node_with(config(), Vec::new());
    let keys = fresh_keys(1).keys;
    let mut number = 0_u64;
    let mut ask = |node: &mut Node, from: NodeId| {
        number += 1;
        let mut id = [0; 32];
        id[..8].copy_from_slice(&number.to_be_bytes());
        let message = OpenChannel { temporary_channel_id: ChannelId(id), ..open_channel(1) };
        let keys = FreshKeys { id: ChannelKeysId(id), keys };
        let event = PeerEvent::Message(PeerMessage::OpenChannel { message: Box::new(message), keys });
        step(node, NOW, Input::Peer { peer: from, event });
    };
    let mut most = 0;
    for (count, from) in strangers().take(500).enumerate() {
        let features = crate::config::default_features();
        step(&mut node, NOW, Input::Peer { peer: from, event: PeerEvent::Up { features } });
        for _ in 0..6 {
            ask(&mut node, from);
        }
        // Some hang up, which frees their places for the next.
        if count % 5 == 0 {
            step(&mut node, NOW, Input::Peer { peer: from, event: PeerEvent::Down });
        }
        if count % 10 != 0 {
            continue;
        }
        let waiting = waiting(&node);
        assert!(waiting.values().all(|of_peer| *of_peer <= MAX_UNCONFIRMED_PER_PEER));
        most = most.max(waiting.values().sum());
    }
    assert_eq!(most, MAX_UNCONFIRMED, "the places are all taken, and not one more");
}

// attack 55
// attack 76
#[test]
fn channels_that_are_promised_and_never_funded_leave_the_disk_as_it_was() {
    let mut net = Net::new(3);
    // An honest channel beside them, whose cheated end is still seen.
    let honest = net.open(1, 2);
    let rows = |net: &Net| net.members[1].disk.rows();
    let before = rows(&net);
    for _ in 0..2 {
        for _ in 0..MAX_UNCONFIRMED_PER_PEER {
            net.propose(0, 1);
            net.run();
        }
        assert_eq!(net.channels(1).len(), 1 + MAX_UNCONFIRMED_PER_PEER);
        assert!(rows(&net) > before);
        net.propose(0, 1);
        net.run();
        assert_eq!(net.channels(1).len(), 1 + MAX_UNCONFIRMED_PER_PEER, "no place is left");
        for _ in 0..2_017 {
            net.mine(Vec::new());
        }
        assert_eq!(net.channels(1), [honest]);
        assert_eq!(rows(&net), before, "nothing is left of them");
    }
    let open = net.members[1].node.channel(&honest).and_then(|c| c.open()).expect("open");
    let mut cheat = net.members[1].broadcast[0].clone();
    cheat.input[0].previous_output = open.funding.terms.outpoint;
    net.mine(vec![cheat]);
    let is_seen = |fact: &Fact| matches!(fact, Fact::Channel { keys, event: ChannelFact::Spent { .. }, .. } if *keys == honest);
    assert!(net.members[1].facts.iter().any(is_seen));
}

/// The first opens, and the connection is lost after some messages, again and again. What was on its way may come after all.
fn race(delivered: usize, late: bool) {
    let mut net = Net::new(2);
    for _ in 0..8 {
        net.propose(0, 1);
        let mut stale = Vec::new();
        for n in 0..delivered {
            let (from, to) = if n % 2 == 0 { (0, 1) } else { (1, 0) };
            if let Some(message) = net.intercept(from, to) {
                net.receive(to, from, &message);
                stale.push((from, to, message));
            }
        }
        net.cut(0, 1);
        net.connect(0, 1);
        if late {
            // From the connection before, as if it were of this one; each end also hears what it said itself.
            for (from, to, message) in stale {
                net.receive(to, from, &message);
                net.receive(from, to, &message);
            }
            net.cut(0, 1);
            net.connect(0, 1);
        }
    }
    net.run();
    assert_eq!(net.channels(0), [], "{delivered} {late}");
    // Who has signed for a channel waits for its funding, within bounds; all else is as if it had never been.
    let kept = net.channels(1).len();
    let most = if delivered < 3 { 0 } else { MAX_UNCONFIRMED_PER_PEER };
    assert!(kept <= most, "{kept} after {delivered} {late}");
    let is_negotiating = |(_, channel): (_, &Channel)| matches!(channel.phase, Phase::Opening(_));
    assert!(!net.members[1].node.channels().any(is_negotiating));
    assert_eq!(net.members.iter().map(|member| member.node.quarantined().count()).sum::<usize>(), 0);
    let reserved = net.members[0].node.coins().filter(|coin| coin.reserved.is_some()).count();
    assert_eq!(reserved, 0, "the opener's coins are free again");
    if delivered < 3 {
        net.open(0, 1);
        assert!(net.members[0].node.channels().any(|(_, channel)| could_sign(channel)));
    }
}

// attack 57
#[test]
fn openings_that_race_with_reconnections_leave_nothing_half_done() {
    for late in [false, true] {
        for delivered in 0..4 {
            race(delivered, late);
        }
    }
}

// attack 57
#[test]
fn openings_of_both_sides_at_once_and_a_third_connection_end_in_one_channel_each() {
    let mut net = Net::new(2);
    for _ in 0..4 {
        net.propose(0, 1);
        net.propose(1, 0);
        // A new connection comes before the old one is known to be gone.
        net.connect(0, 1);
        net.propose(0, 1);
        net.propose(1, 0);
        net.cut(0, 1);
        net.connect(0, 1);
    }
    net.propose(0, 1);
    net.propose(1, 0);
    net.run();
    assert_eq!((net.channels(0).len(), net.channels(1).len()), (2, 2));
    net.confirm(0);
    net.confirm(1);
    assert_eq!(net.members[0].node.channels().filter(|(_, channel)| channel.is_usable()).count(), 2);
}

/// The second has a channel with the first; the first opens another and names the same output as its funding.
fn named_twice(by: usize) -> (Net, ChannelKeysId, FundingCreated) {
    let mut net = Net::new(3);
    let channel = net.open(1, 0);
    let outpoint =
        net.members[1].node.channel(&channel).and_then(|c| c.open()).expect("open").funding.terms.outpoint;
    net.propose(by, 1);
    let proposal = net.intercept(by, 1).expect("proposed");
    net.receive(1, by, &proposal);
    let accept = net.intercept(1, by).expect("accepted");
    net.receive(by, 1, &accept);
    let Some(Message::FundingCreated(good)) = net.intercept(by, 1) else { panic!("funded") };
    let vout = u16::try_from(outpoint.vout).expect("few outputs");
    // It signs for whatever it names.
    let signature = net.sign_funding(by, outpoint).expect("an attacker signs anything");
    let created =
        FundingCreated { funding_txid: outpoint.txid, funding_output_index: vout, signature, ..good };
    (net, channel, created)
}

/// A channel whose opener names what does not fund it, and signs for it all the same.
fn named(fake: &Transaction, vout: u16) -> (Net, ChannelKeysId, Transaction) {
    let mut net = Net::new(2);
    net.propose(0, 1);
    let proposal = net.intercept(0, 1).expect("proposed");
    net.receive(1, 0, &proposal);
    let accept = net.intercept(1, 0).expect("accepted");
    net.receive(0, 1, &accept);
    let Some(Message::FundingCreated(good)) = net.intercept(0, 1) else { panic!("funded") };
    let mut fake = fake.clone();
    let (keys, script) = net.members[1]
        .node
        .channels()
        .find_map(|(keys, _)| {
            let real = net.members[0].node.channels().find_map(|(_, channel)| match &channel.phase {
                Phase::Opening(Opening::AwaitingFundingSigned(state)) => {
                    Some(state.tx.output[usize::try_from(state.outpoint.vout).expect("few")].clone())
                }
                _ => None,
            });
            Some((keys, real?))
        })
        .expect("both negotiate");
    for output in &mut fake.output {
        if output.value == Amount::MAX_MONEY {
            output.value = script.value;
        }
        if output.script_pubkey.is_empty() {
            output.script_pubkey = script.script_pubkey.clone();
        }
    }
    let outpoint = OutPoint { txid: fake.compute_txid(), vout: u32::from(vout) };
    let signature = net.sign_funding(0, outpoint).expect("an attacker signs anything");
    let created =
        FundingCreated { funding_txid: outpoint.txid, funding_output_index: vout, signature, ..good };
    net.receive(1, 0, &Message::FundingCreated(created));
    (net, keys, fake)
}

// attack 1
#[test]
fn a_channel_that_its_funding_does_not_fund_is_failed_and_never_used() {
    let output = |value: Amount, script: ScriptBuf| TxOut { value, script_pubkey: script };
    let other = super::net::script(66);
    // The agreed amount is written as all the money there is, the agreed script as none.
    let cases = [
        (vec![output(Amount::MAX_MONEY, other)], 0, "the wrong script"),
        (vec![output(Amount::from_sat(999_999), ScriptBuf::new())], 0, "too little"),
        (vec![output(Amount::from_sat(1_000_001), ScriptBuf::new())], 0, "too much"),
        (vec![output(Amount::MAX_MONEY, ScriptBuf::new())], 1, "an output that is not there"),
    ];
    for (outputs, vout, what) in cases {
        let input = TxIn {
            previous_output: OutPoint { txid: Txid::from_byte_array([4; 32]), vout: 0 },
            ..TxIn::default()
        };
        let tx = Transaction {
            version: Version::TWO,
            lock_time: LockTime::ZERO,
            input: vec![input],
            output: outputs,
        };
        let (mut net, keys, fake) = named(&tx, vout);
        assert!(
            net.members[1].node.channel(&keys).is_some_and(|c| c.open().is_some()),
            "{what}: it cannot know yet"
        );
        net.mine(vec![fake]);
        assert_eq!(net.times_said(1, "error"), 1, "{what}");
        for _ in 0..20 {
            net.mine(Vec::new());
        }
        net.cut(0, 1);
        net.connect(0, 1);
        net.run();
        assert_eq!(net.times_said(1, "channel_ready"), 0, "{what}");
        let channel = net.members[1].node.channel(&keys).expect("it is kept until it is forgotten");
        assert!(matches!(channel.phase, Phase::Closing(_)) && !channel.is_usable(), "{what}");
        assert!(
            !net.members[1]
                .facts
                .iter()
                .any(|fact| matches!(fact, Fact::Channel { event: ChannelFact::Ready, .. }))
        );
    }
    // The same with all as agreed.
    let input = TxIn {
        previous_output: OutPoint { txid: Txid::from_byte_array([4; 32]), vout: 0 },
        ..TxIn::default()
    };
    let outputs = vec![output(Amount::MAX_MONEY, ScriptBuf::new())];
    let tx =
        Transaction { version: Version::TWO, lock_time: LockTime::ZERO, input: vec![input], output: outputs };
    let (mut net, _, good) = named(&tx, 0);
    net.mine(vec![good]);
    for _ in 0..6 {
        net.mine(Vec::new());
    }
    assert_eq!(net.times_said(1, "channel_ready"), 1);
}

/// Before its `funding_signed` the peer knows the channel by its first name.
#[test]
fn a_funding_that_the_peer_refuses_by_the_temporary_id_ends_the_opening() {
    for name in [0, 1] {
        let mut net = Net::new(2);
        net.propose(0, 1);
        let Some(Message::OpenChannel(opened)) = net.intercept(0, 1) else { panic!("it opens") };
        net.receive(1, 0, &Message::OpenChannel(opened.clone()));
        let accepted = net.intercept(1, 0).expect("it accepts");
        net.receive(0, 1, &accepted);
        let temporary = if name == 0 { opened.temporary_channel_id } else { ChannelId([9; 32]) };
        net.receive(0, 1, &Message::Error(Error { channel_id: temporary, data: b"no".to_vec() }));
        assert_eq!(net.channels(0).len(), name);
        let coins = net.members[0].node.clone();
        assert_eq!(coins.coins().any(|coin| coin.reserved.is_some()), name == 1);
    }
}

#[test]
fn an_opening_that_the_signer_refuses_ends_and_gives_its_coins_back() {
    let mut net = Net::new(2);
    let keys = net.propose(0, 1);
    for (from, to) in [(0, 1), (1, 0)] {
        let message = net.intercept(from, to).expect("said");
        net.receive(to, from, &message);
    }
    let node = |net: &Net| net.members[0].node.clone();
    let is_set_aside = |net: &Net| node(net).coins().any(|coin| coin.reserved.is_some());
    assert!(is_set_aside(&net));
    net.input(0, Input::Signer(SignerAnswer::Refused { channel: keys }));
    assert_eq!(net.channels(0), []);
    assert!(!is_set_aside(&net), "they can be spent again");
    assert_eq!(node(&net).quarantined().count(), 0, "of what is over nobody needs to hear for ever");
    let is_told = |fact: &Fact| matches!(fact, Fact::Channel { keys: of, event: ChannelFact::NotOpened { .. }, .. } if *of == keys);
    assert!(net.members[0].facts.iter().any(is_told));
    net.connect(0, 1);
    net.open(0, 1);
}

// attack 58
#[test]
fn a_funding_txid_of_zeroes_is_answered_by_an_error_and_the_node_goes_on() {
    let mut net = Net::new(2);
    net.propose(0, 1);
    for (from, to) in [(0, 1), (1, 0)] {
        let message = net.intercept(from, to).expect("said");
        net.receive(to, from, &message);
    }
    let Some(Message::FundingCreated(good)) = net.intercept(0, 1) else { panic!("funded") };
    for vout in [0, 1, u16::MAX] {
        let txid = Txid::all_zeros();
        let signature = net.sign_funding(0, OutPoint { txid, vout: u32::from(vout) }).expect("signed");
        let zero =
            FundingCreated { funding_txid: txid, funding_output_index: vout, signature, ..good.clone() };
        net.receive(1, 0, &Message::FundingCreated(zero));
    }
    assert_eq!(net.times_said(1, "error"), 3, "one for the funding, then for ids that are unknown");
    assert_eq!((net.channels(1), net.members[1].node.quarantined().count()), (Vec::new(), 0));
    net.cut(0, 1);
    net.connect(0, 1);
    net.open(0, 1);
}

/// Otherwise the spend of the output would be told to the second channel alone, and a revoked commitment of the first would go
/// unseen.
#[test]
fn an_output_that_funds_a_channel_funds_no_other() {
    for by in [0, 2] {
        let (mut net, channel, created) = named_twice(by);
        let id = net.members[1].node.channel(&channel).expect("open").channel_id();
        net.receive(1, by, &Message::FundingCreated(created));
        assert_eq!(net.channels(1), [channel], "the new one is refused");
        let open = net.members[1].node.channel(&channel).and_then(|c| c.open()).expect("open");
        assert_eq!(open.params.channel_id, id);
        let outpoint = open.funding.terms.outpoint;
        let mut spend = net.members[1].broadcast[0].clone();
        spend.input[0].previous_output = outpoint;
        net.mine(vec![spend]);
        let told = net.members[1].facts.iter().filter(|fact| {
            matches!(fact, Fact::Channel { keys, event: ChannelFact::Spent { .. }, .. } if *keys == channel)
        });
        assert_eq!(told.count(), 1);
    }
}

// BOLT 2.defined-channel-types.2
#[test]
fn a_temporary_id_is_not_used_twice_with_a_peer() {
    let mut net = Net::new(2);
    net.open(0, 1);
    // The worst that chance can do: the same entropy for each opening.
    let node = &mut net.members[0].node;
    let peer = node.channels().next().expect("open").1.peer();
    let mut ids = Vec::new();
    for number in 0..3 {
        let keys = fresh_keys(50 + number);
        let command = OpenChannelCommand {
            peer,
            funding: Sat(100_000),
            push: Msat::ZERO,
            announce: false,
            format: None,
            feerate: Some(FeeratePerKw::FLOOR),
            keys: keys.clone(),
            change_script: super::net::script(9),
            upfront_shutdown_script: None,
            spend_reserve: false,
            accept_high_fee: false,
        };
        let command = Command::OpenChannel(Box::new(command));
        step(node, NOW, Input::Command { id: CommandId(1), command });
        ids.push(node.channel(&keys.id).expect("proposed").channel_id());
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 3);
    assert!(!ids.contains(&ChannelId::ALL));
}
