//! `channel_announcement`: what is believed.

use crate::kit::{
    CAPACITY, Net, Outcome, TIP, channel, channel_message, funding, heard, node, peer, scid, signed_channel,
    update,
};
use astrape_primitives::{ClaimedId, Height, NodeId, ShortChannelId};
use astrape_routing::gossip::{ChainAnswer, FundingOutput, Ignored, Output};
use astrape_wire::{ChannelAnnouncement, Extension};
use bitcoin::secp256k1::ecdsa::Signature;

fn ignored(why: Ignored) -> Outcome {
    Outcome::Ignored(why)
}

#[test]
fn a_channel_is_taken_once_its_funding_is_found() {
    let mut net = Net::new();
    assert_eq!(net.hear(channel(1, 2, scid(900))), Outcome::Taken(vec![Output::AskChain(scid(900))]));
    assert!(net.gossip.graph().channel(scid(900)).is_none(), "not before the chain has answered");
    net.answer(scid(900), &ChainAnswer::Unspent(funding(1, 2, scid(900))));
    let known = net.gossip.graph().channel(scid(900)).expect("taken");
    assert_eq!(known.capacity, Some(CAPACITY));
    assert_eq!(net.hear(channel(1, 2, scid(900))), ignored(Ignored::Known));
}

// BOLT 7.the-channel_announcement-message.16
// BOLT 7.the-channel_announcement-message.24
#[test]
fn each_of_the_four_signatures_must_hold() {
    let good = signed_channel(channel_message(1, 2, scid(900)), 1, 2);
    let other: Signature = signed_channel(channel_message(1, 2, scid(901)), 1, 2).node_signature_1;
    let forged = [
        ChannelAnnouncement { node_signature_1: other, ..good.clone() },
        ChannelAnnouncement { node_signature_2: other, ..good.clone() },
        ChannelAnnouncement { bitcoin_signature_1: other, ..good.clone() },
        ChannelAnnouncement { bitcoin_signature_2: other, ..good.clone() },
    ];
    let mut net = Net::new();
    for message in forged {
        assert!(matches!(net.hear(heard(message)), Outcome::Fault(_)));
        assert_eq!(net.gossip.waiting_count(), 0);
    }
    assert!(matches!(net.hear(heard(good)), Outcome::Taken(_)));
}

// BOLT 7.the-channel_announcement-message.16
#[test]
fn signatures_cover_what_follows_the_known_fields() {
    let mut longer = channel_message(1, 2, scid(900));
    longer.extension = Extension(vec![1, 2, 3]);
    let signed = signed_channel(longer, 1, 2);
    let mut net = Net::new();
    let cut = ChannelAnnouncement { extension: Extension(Vec::new()), ..signed.clone() };
    assert!(matches!(net.hear(heard(cut)), Outcome::Fault(_)));
    assert!(matches!(net.hear(heard(signed)), Outcome::Taken(_)));
}

#[test]
fn a_node_that_can_be_none_has_signed_nothing() {
    // 33 bytes that are no point, of an order that suits.
    let (first, last) = (ClaimedId::from_bytes([0; 33]), ClaimedId::from_bytes([0xff; 33]));
    let good = signed_channel(channel_message(1, 2, scid(900)), 1, 2);
    let mut net = Net::new();
    for message in [
        ChannelAnnouncement { node_id_1: first, ..good.clone() },
        ChannelAnnouncement { node_id_2: last, ..good.clone() },
        ChannelAnnouncement { node_id_1: first, node_id_2: last, ..good.clone() },
    ] {
        let Outcome::Fault(words) = net.hear(heard(message)) else { panic!("it is taken") };
        assert!(words.contains("signature"), "{words}");
    }
    assert_eq!(net.gossip.waiting_count(), 0);
    assert!(matches!(net.hear(heard(good)), Outcome::Taken(_)), "nobody is banned for it");
}

// attack 81
#[test]
fn node_ids_out_of_order_or_the_same_are_refused() {
    let good = signed_channel(channel_message(1, 2, scid(900)), 1, 2);
    let swapped = ChannelAnnouncement {
        node_id_1: good.node_id_2,
        node_id_2: good.node_id_1,
        node_signature_1: good.node_signature_2,
        node_signature_2: good.node_signature_1,
        ..good.clone()
    };
    let with_itself = ChannelAnnouncement { node_id_2: good.node_id_1, ..good };
    let mut net = Net::new();
    for message in [swapped, with_itself] {
        assert!(matches!(net.hear(heard(message)), Outcome::Fault(_)));
    }
    assert_eq!(net.gossip.waiting_count(), 0);
}

// BOLT 7.the-channel_announcement-message.18
#[test]
fn a_funding_that_is_spent_or_pays_to_other_keys_makes_no_channel() {
    let mut net = Net::new();
    net.hear(channel(1, 2, scid(900)));
    net.answer(scid(900), &ChainAnswer::Gone);
    assert!(net.gossip.graph().channel(scid(900)).is_none());
    assert_eq!(net.hear(channel(1, 2, scid(900))), ignored(Ignored::Closed), "the chain is not asked again");

    let other_keys = FundingOutput { script: funding(3, 4, scid(901)).script, ..funding(1, 2, scid(901)) };
    net.hear(channel(1, 2, scid(901)));
    net.answer(scid(901), &ChainAnswer::Unspent(other_keys));
    assert!(net.gossip.graph().channel(scid(901)).is_none());
    assert!(matches!(net.hear(channel(1, 2, scid(901))), Outcome::Taken(_)), "the true one may come yet");
}

// BOLT 7.the-channel_announcement-message.19
#[test]
fn a_channel_of_another_chain_is_ignored() {
    let mut elsewhere = channel_message(1, 2, scid(900));
    elsewhere.chain_hash = [7; 32];
    let mut net = Net::new();
    assert_eq!(net.hear(heard(signed_channel(elsewhere, 1, 2))), ignored(Ignored::OtherChain));
}

// BOLT 7.the-channel_announcement-message.20
// BOLT 7.the-channel_announcement-message.21
#[test]
fn a_funding_that_is_not_deep_waits_for_its_blocks_and_one_that_is_almost_deep_does_not() {
    let mut net = Net::new();
    let block_of = |depth: u32| scid(TIP.0 + 1 - depth);
    for shallow in 0..5 {
        assert_eq!(net.hear(channel(1, 2, block_of(shallow))), ignored(Ignored::Early), "depth {shallow}");
        assert_eq!(net.gossip.waiting_count(), 0);
    }
    assert_eq!(net.hear(channel(1, 2, scid(TIP.0 + 13))), ignored(Ignored::Chain), "far ahead of us");
    assert!(
        matches!(net.hear(channel(1, 2, block_of(5))), Outcome::Taken(_)),
        "the newest block may come yet"
    );
    assert!(matches!(net.hear(channel(1, 2, block_of(6))), Outcome::Taken(_)));
    assert!(net.gossip.ripe(net.now).is_empty());
    net.gossip.block_connected(TIP.plus(1), []);
    assert_eq!(net.gossip.ripe(net.now).len(), 1, "one of them is deep now");
    net.gossip.block_connected(TIP.plus(5), []);
    let ripe = net.gossip.ripe(net.now);
    assert_eq!(ripe.len(), 4);
    for output in ripe {
        let Output::Verify(job) = output else { panic!("it is to be checked") };
        assert!(matches!(net.check(peer(1), *job), Outcome::Taken(_)));
    }
    assert_eq!(net.gossip.waiting_count(), 6);
}

// BOLT 7.the-channel_announcement-message.27
#[test]
fn what_is_far_longer_than_an_announcement_is_ignored() {
    let mut long = channel_message(1, 2, scid(900));
    long.extension = Extension(vec![1; 5_000]);
    let mut net = Net::new();
    assert_eq!(net.hear(heard(signed_channel(long, 1, 2))), ignored(Ignored::TooLong));
}

// BOLT 7.the-channel_announcement-message.25
// BOLT 7.the-channel_announcement-message.28
#[test]
fn nodes_that_contradict_each_other_about_a_funding_are_forgotten_and_heard_no_more() {
    let mut net = Net::new();
    net.add_channel(1, 2, scid(900));
    net.add_channel(1, 5, scid(901));
    net.add_channel(6, 7, scid(902));
    // The same funding keys, other nodes.
    let mut second = channel_message(3, 4, scid(900));
    let first = channel_message(1, 2, scid(900));
    (second.bitcoin_key_1, second.bitcoin_key_2) = (first.bitcoin_key_1, first.bitcoin_key_2);
    let hash = second.signed_hash();
    let (one, two) = crate::kit::ordered(3, 4);
    let (funding_1, funding_2) = crate::kit::ordered(1, 2);
    second.node_signature_1 = crate::kit::sign(hash, &crate::kit::secret(one));
    second.node_signature_2 = crate::kit::sign(hash, &crate::kit::secret(two));
    second.bitcoin_signature_1 = crate::kit::sign(hash, &crate::kit::secret(20_000 + funding_1));
    second.bitcoin_signature_2 = crate::kit::sign(hash, &crate::kit::secret(20_000 + funding_2));
    assert!(matches!(net.hear(heard(second)), Outcome::Taken(_)));
    net.answer(scid(900), &ChainAnswer::Unspent(funding(1, 2, scid(900))));
    let left: Vec<ShortChannelId> = net.gossip.graph().channels(..).map(|c| c.short_channel_id).collect();
    assert_eq!(left, [scid(902)]);
    for (a, b) in [(1, 8), (2, 8), (3, 8), (4, 8)] {
        assert_eq!(net.hear(channel(a, b, scid(950))), ignored(Ignored::Banned));
    }
}

#[test]
fn a_rival_with_other_keys_cannot_keep_the_true_announcement_out() {
    let mut net = Net::new();
    // Anybody can sign an announcement of any output with keys of his own.
    for liar in [11, 13, 15] {
        net.hear_from(peer(2), channel(liar, liar + 1, scid(900)));
    }
    assert_eq!(net.hear(channel(1, 2, scid(900))), Outcome::Taken(vec![]), "the chain is asked once");
    assert_eq!(net.hear(channel(17, 18, scid(900))), ignored(Ignored::TooMany));
    let blamed = net.answer(scid(900), &ChainAnswer::Unspent(funding(1, 2, scid(900))));
    assert_eq!(blamed, [peer(2); 3], "the chain has shown who lied");
    let known = net.gossip.graph().channel(scid(900)).expect("taken");
    assert!([known.node_1, known.node_2].contains(&node(1)));
}

#[test]
fn whoever_announces_what_never_was_is_blamed_and_whoever_tells_of_what_is_spent_is_not() {
    let mut net = Net::new();
    let mut blamed = |block, answer| {
        net.hear_from(peer(2), channel(1, 2, scid(block)));
        net.answer(scid(block), &answer)
    };
    assert_eq!(blamed(900, ChainAnswer::Never), [peer(2)]);
    assert_eq!(blamed(901, ChainAnswer::Gone), [], "the news of its close may be on its way");
    assert_eq!(blamed(902, ChainAnswer::Unknown), []);
    assert_eq!(net.hear(channel(1, 2, scid(900))), ignored(Ignored::Closed), "the chain is not asked again");
}

#[test]
fn where_the_chain_cannot_tell_a_channel_is_believed_without_its_capacity() {
    let mut net = Net::new();
    net.hear(channel(1, 2, scid(900)));
    net.answer(scid(900), &ChainAnswer::Unknown);
    assert_eq!(net.gossip.graph().channel(scid(900)).expect("believed").capacity, None);
}

#[test]
fn a_source_that_cannot_tell_lets_nobody_contradict_what_is_known() {
    let mut net = Net::new();
    net.add_channel(1, 2, scid(900));
    net.hear(channel(3, 4, scid(901)));
    net.answer(scid(901), &ChainAnswer::Unknown);
    for id in [scid(900), scid(901)] {
        assert!(matches!(net.hear(channel(11, 12, id)), Outcome::Taken(_)), "anybody can sign one");
        net.answer(id, &ChainAnswer::Unknown);
    }
    assert_eq!(net.gossip.graph().channel_count(), 2);
    assert!(net.gossip.graph().has_node(&node(1)) && net.gossip.graph().has_node(&node(3)));
    assert!(matches!(net.hear(channel(1, 4, scid(902))), Outcome::Taken(_)), "nobody is banned");
}

#[test]
fn what_was_believed_gives_way_to_what_the_chain_has_told() {
    let mut net = Net::new();
    net.hear(channel(11, 12, scid(900)));
    net.answer(scid(900), &ChainAnswer::Unknown);
    net.hear(channel(1, 2, scid(900)));
    net.answer(scid(900), &ChainAnswer::Unspent(funding(1, 2, scid(900))));
    let known = net.gossip.graph().channel(scid(900)).expect("taken");
    assert_eq!(known.capacity, Some(CAPACITY));
    assert!([known.node_1, known.node_2].contains(&node(1)));
    assert!(matches!(net.hear(channel(1, 12, scid(902))), Outcome::Taken(_)), "nobody is banned");
}

#[test]
fn a_source_that_refuses_is_asked_again_when_the_channel_is_told_of_again() {
    let mut net = Net::new();
    net.hear(channel(1, 2, scid(900)));
    net.answer(scid(900), &ChainAnswer::Refused);
    assert_eq!((net.gossip.waiting_count(), net.gossip.graph().channel_count()), (0, 0));
    assert_eq!(net.hear(channel(1, 2, scid(900))), Outcome::Taken(vec![Output::AskChain(scid(900))]));
}

#[test]
fn updates_that_come_while_the_chain_is_asked_are_taken_with_their_channel() {
    let mut net = Net::new();
    net.hear(channel(1, 2, scid(900)));
    for (from, to) in [(1, 2), (2, 1)] {
        assert_eq!(net.hear(update(from, to, scid(900), net.now - 5)), ignored(Ignored::Early));
    }
    net.answer(scid(900), &ChainAnswer::Unspent(funding(1, 2, scid(900))));
    assert_eq!(net.policy_at(1, 2, scid(900)), Some(net.now - 5));
    assert_eq!(net.policy_at(2, 1, scid(900)), Some(net.now - 5));
}

/// Many announcements, signed by keys of the attacker, of outputs that do not exist: valid until the chain is asked.
pub(crate) fn flooded(count: u32, from: impl Fn(u32) -> NodeId) -> Net {
    let mut net = Net::new();
    net.gossip.block_connected(Height(30_000), []);
    let one = signed_channel(channel_message(1, 2, scid(900)), 1, 2);
    for n in 0..count {
        let mut message = one.clone();
        message.short_channel_id = ShortChannelId::new(1_000 + n, 1, 0).expect("small");
        invent(&mut net, message, from(n));
    }
    net
}

/// As if the signatures held: ten thousand are too many to sign in a test.
pub(crate) fn invent(net: &mut Net, message: ChannelAnnouncement, from: NodeId) {
    match net.gossip.offer(net.now, heard(message)) {
        astrape_routing::gossip::Offered::Verify(job) => {
            drop(net.gossip.checked(net.now, Some(from), *job, true));
        }
        other => assert_eq!(other, astrape_routing::gossip::Offered::Ignored(Ignored::TooMany)),
    }
}

#[test]
fn no_more_channels_wait_for_the_chain_than_there_is_room_for() {
    let peers = [1, 2, 3, 4].map(peer);
    let net = flooded(10_100, |n| peers[n as usize % peers.len()]);
    assert_eq!(net.gossip.waiting_count(), 10_000);
}

#[test]
fn a_peer_that_announces_many_channels_leaves_room_for_those_of_others() {
    let liar = peer(2);
    let mut net = flooded(10_100, |_| liar);
    assert_eq!(net.gossip.waiting_count(), 2_500);
    assert_eq!(net.hear_from(liar, channel(1, 2, scid(900))), ignored(Ignored::TooMany));
    let asks = Outcome::Taken(vec![Output::AskChain(scid(900))]);
    assert_eq!(net.hear_from(peer(3), channel(1, 2, scid(900))), asks);
    // Its places are free again once the chain has answered.
    net.answer(ShortChannelId::new(1_000, 1, 0).expect("small"), &ChainAnswer::Gone);
    let asks = Outcome::Taken(vec![Output::AskChain(scid(901))]);
    assert_eq!(net.hear_from(liar, channel(1, 2, scid(901))), asks);
}
