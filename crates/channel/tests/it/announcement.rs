//! `announcement_signatures`: when they are due, and what may be wrong with the peer's (BOLT 7).

use crate::pair::{A, B, FUNDED_AT, Pair, Setup};
use astrape_channel::{Command, Event, Fault, Output, Reaction};
use astrape_primitives::{ClaimedId, Height, Msat, Network, ShortChannelId};
use astrape_transactions::Signer as _;
use astrape_wire::{AnnouncementSignatures, ChannelAnnouncement, Message};
use bitcoin::hashes::Hash as _;
use bitcoin::secp256k1::Message as Digest;
use bitcoin::secp256k1::ecdsa::Signature;

const SIGNATURES: &str = "announcement_signatures";

/// A channel whose funding is in a block, seen `depth` blocks deep by both.
fn confirmed(setup: Setup, depth: u32) -> Pair {
    let mut pair = Pair::new(setup);
    pair.propose_channel();
    pair.run();
    let tx = pair.funding_tx();
    pair.tip = FUNDED_AT.plus(depth - 1);
    for who in [A, B] {
        let event = Event::FundingConfirmed { tx: tx.clone(), height: FUNDED_AT, index: 3 };
        pair.handle(who, event).expect("it is as agreed");
    }
    pair.run();
    pair
}

fn deepen(pair: &mut Pair, depth: u32) {
    pair.tip_at(Height(FUNDED_AT.0 + depth - 1));
}

fn said(pair: &Pair) -> [usize; 2] {
    [A, B].map(|who| pair.nodes[who].times_said(SIGNATURES))
}

fn told(pair: &Pair) -> [usize; 2] {
    [A, B].map(|who| pair.nodes[who].seen.iter().filter(|o| matches!(o, Output::Announced)).count())
}

/// The announcement as `who` can make it now, its own signatures put in.
fn announcement(pair: &Pair, who: usize) -> ChannelAnnouncement {
    let node = &pair.nodes[who];
    let our_id = node.signer.node_id();
    let mut made =
        node.open().channel_announcement(our_id, Network::Regtest.chain_hash()).expect("confirmed");
    let part = astrape_channel::announcement::signed_part(&made);
    let (by_node, by_funding) = node.signer.sign_channel_announcement(&node.keys, &part).expect("ours");
    if made.node_id_1 == our_id {
        (made.node_signature_1, made.bitcoin_signature_1) = (by_node, by_funding);
    } else {
        (made.node_signature_2, made.bitcoin_signature_2) = (by_node, by_funding);
    }
    made
}

// BOLT 7.the-announcement_signatures-message.1
// BOLT 7.the-channel_announcement-message.15
#[test]
fn signatures_go_both_ways_once_the_funding_is_six_blocks_deep() {
    let mut pair = confirmed(Setup::default(), 5);
    assert!(pair.nodes.iter().all(|n| n.open().is_ready()));
    assert_eq!((said(&pair), told(&pair)), ([0, 0], [0, 0]));
    deepen(&mut pair, 6);
    pair.run();
    assert_eq!(said(&pair), [1, 1]);
    assert_eq!(told(&pair), [1, 1]);
    for depth in 7..20 {
        deepen(&mut pair, depth);
        pair.run();
    }
    assert_eq!(said(&pair), [1, 1], "once is enough");
}

// BOLT 7.the-channel_announcement-message.1
// BOLT 7.the-channel_announcement-message.3
// BOLT 7.the-channel_announcement-message.7
// BOLT 7.the-channel_announcement-message.8
// BOLT 7.the-channel_announcement-message.9
// BOLT 7.the-channel_announcement-message.10
// BOLT 7.the-channel_announcement-message.11
// BOLT 7.the-channel_announcement-message.12
// BOLT 7.the-channel_announcement-message.13
#[test]
fn both_ends_make_the_same_announcement_with_four_valid_signatures() {
    let pair = confirmed(Setup::default(), 6);
    let [by_a, by_b] = [A, B].map(|who| announcement(&pair, who));
    assert_eq!(by_a, by_b);
    assert!(by_a.node_id_1.as_bytes() < by_a.node_id_2.as_bytes());
    assert_eq!(by_a.chain_hash, Network::Regtest.chain_hash());
    assert_eq!(by_a.short_channel_id, ShortChannelId::new(500, 3, 1).expect("small"));
    let key_of = |id: ClaimedId| {
        let who =
            [A, B].into_iter().find(|who| id == pair.nodes[*who].signer.node_id()).expect("one of both");
        pair.nodes[who].open().funding.terms.local.basepoints.funding
    };
    assert_eq!(by_a.bitcoin_key_1, key_of(by_a.node_id_1));
    assert_eq!(by_a.bitcoin_key_2, key_of(by_a.node_id_2));
    let bytes = Message::ChannelAnnouncement(by_a.clone()).encode().expect("short");
    assert_eq!(bytes[2 + 256..2 + 258], [0, 0], "no features, in the least length");
    let hash = bitcoin::hashes::sha256d::Hash::hash(&bytes[2 + 256..]);
    let digest = Digest::from_digest(hash.to_byte_array());
    for (signature, key) in [
        (by_a.node_signature_1, by_a.node_id_1.proven().key()),
        (by_a.node_signature_2, by_a.node_id_2.proven().key()),
        (by_a.bitcoin_signature_1, by_a.bitcoin_key_1),
        (by_a.bitcoin_signature_2, by_a.bitcoin_key_2),
    ] {
        pair.secp.verify_ecdsa(&digest, &signature, &key).expect("valid");
    }
}

// BOLT 7.the-announcement_signatures-message.3
#[test]
fn a_private_channel_and_one_that_shuts_down_are_never_announced() {
    let mut private = confirmed(Setup { announce: false, ..Setup::default() }, 5);
    deepen(&mut private, 8);
    private.run();
    assert_eq!(said(&private), [0, 0]);

    let mut closing = confirmed(Setup::default(), 5);
    // An HTLC that is held keeps the channel from its end.
    let (hash, _) = closing.new_payment();
    closing.offer(A, Msat(10_000_000), hash);
    closing.run();
    let script = closing.nodes[B].shutdown_script.clone();
    closing.command(B, Command::Shutdown { script });
    closing.run();
    deepen(&mut closing, 8);
    closing.run();
    assert_eq!(said(&closing), [0, 0]);
}

// BOLT 7.the-announcement_signatures-message.4
#[test]
fn signatures_that_were_lost_are_sent_again_on_the_next_connection() {
    let mut pair = confirmed(Setup::default(), 5);
    deepen(&mut pair, 6);
    assert_eq!(said(&pair), [1, 1]);
    pair.cut();
    pair.connect();
    pair.run();
    assert_eq!(said(&pair), [2, 2]);
    assert_eq!(told(&pair), [1, 1]);
    pair.cut();
    pair.connect();
    pair.run();
    assert_eq!(said(&pair), [2, 2], "nobody misses any");
}

// BOLT 7.the-announcement_signatures-message.5
#[test]
fn a_peer_that_sends_its_signatures_again_is_answered_with_ours_once() {
    let mut pair = confirmed(Setup::default(), 5);
    deepen(&mut pair, 6);
    // A has what B sent, B has lost what A sent.
    pair.deliver(B).expect("good");
    assert_eq!(told(&pair), [1, 0]);
    pair.cut();
    pair.connect();
    pair.run();
    assert_eq!(said(&pair), [2, 2]);
    assert_eq!(told(&pair), [1, 1]);
    let again = signatures(&pair, B);
    for _ in 0..3 {
        pair.receive(A, Message::AnnouncementSignatures(again.clone())).expect("harmless");
    }
    pair.run();
    assert_eq!(said(&pair), [2, 2], "no answer to an answer");
}

/// LND says it in place of its signatures, once it has announced the channel itself.
#[test]
fn the_whole_announcement_of_a_channel_by_its_peer_is_as_good_as_its_signatures() {
    let mut pair = confirmed(Setup::default(), 5);
    deepen(&mut pair, 6);
    pair.deliver(A).expect("good");
    // What B said is lost, and B does not say it again.
    assert!(matches!(pair.intercept(B), Message::AnnouncementSignatures(_)));
    assert_eq!(told(&pair), [0, 1]);
    let whole = announcement(&pair, B);
    let forged = ChannelAnnouncement {
        bitcoin_signature_1: whole.node_signature_1,
        bitcoin_signature_2: whole.node_signature_2,
        ..whole.clone()
    };
    let elsewhere = ChannelAnnouncement { short_channel_id: ShortChannelId(77), ..whole.clone() };
    for message in [forged, elsewhere] {
        pair.receive(A, Message::ChannelAnnouncement(message)).expect("gossip like any other");
        assert_eq!(told(&pair), [0, 1]);
    }
    for _ in 0..2 {
        pair.receive(A, Message::ChannelAnnouncement(whole.clone())).expect("good");
    }
    assert_eq!(told(&pair), [1, 1]);
    assert!(pair.nodes.iter().all(|n| n.open().is_announced()));
}

/// What `who` says to announce the channel.
pub(crate) fn signatures(pair: &Pair, who: usize) -> AnnouncementSignatures {
    let made = announcement(pair, who);
    let is_first = made.node_id_1 == pair.nodes[who].signer.node_id();
    let pick = |one, two| if is_first { one } else { two };
    AnnouncementSignatures {
        channel_id: pair.channel_id(),
        short_channel_id: made.short_channel_id,
        node_signature: pick(made.node_signature_1, made.node_signature_2),
        bitcoin_signature: pick(made.bitcoin_signature_1, made.bitcoin_signature_2),
    }
}

// BOLT 7.the-announcement_signatures-message.8
// BOLT 7.the-announcement_signatures-message.9
#[test]
fn signatures_for_another_channel_or_by_another_key_are_refused() {
    let mut pair = confirmed(Setup::default(), 5);
    let good = signatures(&pair, B);
    let elsewhere = AnnouncementSignatures { short_channel_id: ShortChannelId(77), ..good.clone() };
    let (fault, reaction) = pair.refused(A, Message::AnnouncementSignatures(elsewhere));
    assert!(matches!(fault, Fault::Announcement(_)), "{fault}");
    assert_eq!(reaction, Reaction::Warn);
    let wrong: Signature = good.node_signature;
    for forged in [
        AnnouncementSignatures { bitcoin_signature: wrong, ..good.clone() },
        AnnouncementSignatures { node_signature: good.bitcoin_signature, ..good.clone() },
    ] {
        let (fault, reaction) = pair.refused(A, Message::AnnouncementSignatures(forged));
        assert_eq!((fault, reaction), (Fault::AnnouncementSignature, Reaction::Disconnect));
    }
    pair.receive(A, Message::AnnouncementSignatures(good)).expect("good");
    assert_eq!(told(&pair), [0, 0], "ours are not sent yet");
    deepen(&mut pair, 6);
    assert_eq!(told(&pair), [1, 0]);
}

// BOLT 7.the-announcement_signatures-message.11
#[test]
fn signatures_that_come_before_our_channel_ready_wait_for_it() {
    let mut pair = Pair::new(Setup::default());
    pair.propose_channel();
    pair.run();
    let tx = pair.funding_tx();
    pair.tip = FUNDED_AT.plus(5);
    let event = Event::FundingConfirmed { tx, height: FUNDED_AT, index: 3 };
    pair.handle(B, event.clone()).expect("good");
    let early = signatures(&pair, B);
    pair.receive(A, Message::AnnouncementSignatures(early)).expect("A has not seen the block yet");
    assert_eq!(told(&pair), [0, 0]);
    pair.handle(A, event).expect("good");
    pair.run();
    assert_eq!(told(&pair), [1, 1]);
    assert_eq!(said(&pair), [1, 1]);
}

#[test]
fn early_signatures_wait_whatever_is_signed_meanwhile() {
    let mut pair = confirmed(Setup::default(), 5);
    pair.handle(A, Event::FundingReorged).expect("no fault");
    pair.tip = FUNDED_AT.plus(5);
    pair.handle(B, Event::Tip(pair.tip)).expect("no fault");
    pair.run();
    assert_eq!((said(&pair), told(&pair)), ([0, 1], [0, 0]), "A sees no block with the funding");
    pair.pay(B, Msat(5_000_000));
    pair.run();
    let event = Event::FundingConfirmed { tx: pair.funding_tx(), height: FUNDED_AT, index: 3 };
    pair.handle(A, event).expect("good");
    pair.run();
    assert_eq!((said(&pair), told(&pair)), ([1, 1], [1, 1]), "without a new connection");
}

#[test]
fn early_signatures_that_are_wrong_are_warned_about_and_forgotten() {
    let mut pair = Pair::new(Setup::default());
    pair.propose_channel();
    pair.run();
    let tx = pair.funding_tx();
    pair.tip = FUNDED_AT.plus(5);
    let event = Event::FundingConfirmed { tx, height: FUNDED_AT, index: 3 };
    pair.handle(B, event.clone()).expect("good");
    let early = AnnouncementSignatures { short_channel_id: ShortChannelId(1), ..signatures(&pair, B) };
    pair.receive(A, Message::AnnouncementSignatures(early)).expect("A cannot know yet");
    pair.handle(A, event).expect("good");
    assert_eq!(told(&pair)[A], 0);
    pair.run();
    assert_eq!(pair.nodes[A].times_said("warning"), 1);
    assert_eq!(told(&pair), [1, 1], "B's own, sent when they were due, count");
}

#[test]
fn a_funding_that_leaves_the_chain_is_announced_anew_under_its_new_id() {
    let mut pair = confirmed(Setup::default(), 6);
    assert!(pair.nodes.iter().all(|n| n.open().is_announced()));
    for who in [A, B] {
        pair.handle(who, Event::FundingReorged).expect("no fault");
        assert!(!pair.nodes[who].open().is_announced());
    }
    let tx = pair.funding_tx();
    pair.tip = FUNDED_AT.plus(8);
    for who in [A, B] {
        let event = Event::FundingConfirmed { tx: tx.clone(), height: FUNDED_AT.plus(3), index: 7 };
        pair.handle(who, event).expect("good");
    }
    pair.run();
    assert_eq!(announcement(&pair, A).short_channel_id, ShortChannelId::new(503, 7, 1).expect("small"));
    assert!(pair.nodes.iter().all(|n| n.open().is_announced()));
}
