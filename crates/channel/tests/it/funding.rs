//! From `accept_channel` to `channel_ready`: signatures, the funding in the chain, and what it must be.

use crate::pair::{A, B, FUNDED_AT, Pair, Setup, p2wpkh, transaction};
use astrape_channel::output::Story;
use astrape_channel::{Command, Event, Fault, Output, Reaction, Refusal, reaction};
use astrape_primitives::{ChannelId, Height, Msat, Sat, ShortChannelId};
use astrape_transactions::Signer as _;
use astrape_wire::{ChannelReady, FundingCreated, FundingSigned, Message};
use bitcoin::hashes::Hash as _;
use bitcoin::secp256k1::ecdsa::Signature;
use bitcoin::{OutPoint, TxOut, Txid};
use std::sync::Arc;

/// The other signature that fits the same message: S above half the order.
pub(crate) fn high_s(signature: &Signature) -> Signature {
    let mut bytes = signature.serialize_compact();
    let s = bitcoin::secp256k1::SecretKey::from_slice(&bytes[32..]).expect("S is a scalar");
    bytes[32..].copy_from_slice(&s.negate().secret_bytes());
    Signature::from_compact(&bytes).expect("a signature")
}

/// Both have agreed; `funding_created` is on its way to B.
fn created() -> (Pair, FundingCreated) {
    let mut pair = Pair::new(Setup::default());
    pair.propose_channel();
    pair.deliver(A).expect("good");
    pair.deliver(B).expect("good");
    let Some(Message::FundingCreated(message)) = pair.nodes[A].outbox.pop_front() else {
        panic!("A funds it");
    };
    (pair, message)
}

/// `funding_signed` is on its way to A.
fn signed() -> (Pair, FundingSigned) {
    let (mut pair, message) = created();
    pair.receive(B, Message::FundingCreated(message)).expect("good");
    let Some(Message::FundingSigned(message)) = pair.nodes[B].outbox.pop_front() else {
        panic!("B signs");
    };
    (pair, message)
}

fn broadcasts_funding(pair: &Pair) -> bool {
    pair.nodes[A].saw(|o| matches!(o, Output::BroadcastFunding(_)))
}

/// Both have signed, and the funding is not in the chain.
fn funded() -> Pair {
    let mut pair = Pair::new(Setup::default());
    pair.propose_channel();
    pair.run();
    pair
}

// BOLT 2.the-funding_created-message.1
// BOLT 2.the-funding_created-message.4
// BOLT 2.the-funding_created-message.5
// BOLT 2.the-funding_signed-message.1
// BOLT 2.the-funding_signed-message.2
// BOLT 2.the-funding_signed-message.3
// BOLT 2.the-funding_signed-message.6
#[test]
fn a_channel_is_funded_by_four_messages() {
    for anchors in [true, false] {
        let mut pair = Pair::new(Setup { anchors, ..Setup::default() });
        pair.propose_channel();
        pair.run();
        assert_eq!(pair.nodes[A].said, ["open_channel", "funding_created"]);
        assert_eq!(pair.nodes[B].said, ["accept_channel", "funding_signed"]);
        let tx = pair.funding_tx();
        let outpoint = pair.nodes[B].open().funding.terms.outpoint;
        assert_eq!(outpoint, OutPoint { txid: tx.compute_txid(), vout: 1 });
        assert_eq!(tx.output[1], pair.nodes[B].open().funding.terms.funding_output());
        for node in &pair.nodes {
            assert_eq!(node.open().params.channel_id, ChannelId::from_funding(&outpoint));
            assert_eq!(node.open().params.format, pair.nodes[A].open().funding.terms.format);
            assert!(node.saw(|o| matches!(o, Output::WatchFunding { outpoint: o, .. } if *o == outpoint)));
            assert!(node.saw(|o| matches!(o, Output::Story(Story::Opened { .. }))));
        }
        assert!(broadcasts_funding(&pair));
        assert_eq!(pair.balance(B), Msat(400_000_000));
    }
}

// BOLT 2.the-funding_created-message.3
// BOLT 2.the-funding_signed-message.5
#[test]
fn the_funding_is_not_broadcast_before_the_peer_has_signed() {
    let (mut pair, message) = signed();
    assert!(!broadcasts_funding(&pair));
    pair.receive(A, Message::FundingSigned(message)).expect("good");
    assert!(broadcasts_funding(&pair));
}

// BOLT 2.the-funding_created-message.8
// attack 2
#[test]
fn a_bad_signature_of_the_opener_ends_the_opening() {
    let (mut pair, good) = created();
    let other = FundingCreated { funding_output_index: 0, ..good.clone() };
    let high = FundingCreated { signature: high_s(&good.signature), ..good.clone() };
    for bad in [other, high] {
        let fault = pair.receive(B, Message::FundingCreated(bad)).expect_err("bad");
        assert!(matches!(fault, Fault::Signature(_)));
        assert_eq!(reaction(&fault, false), Reaction::AbortNegotiation);
        assert_eq!(pair.nodes[B].phase(), "opening");
    }
    let elsewhere = FundingCreated { temporary_channel_id: ChannelId([9; 32]), ..good };
    assert!(pair.receive(B, Message::FundingCreated(elsewhere)).is_err());
}

// BOLT 2.the-funding_signed-message.4
// attack 2
#[test]
fn a_bad_signature_of_the_other_side_ends_the_opening() {
    let (mut pair, good) = signed();
    let high = FundingSigned { signature: high_s(&good.signature), ..good.clone() };
    let elsewhere = FundingSigned { channel_id: ChannelId([9; 32]), ..good };
    for bad in [high, elsewhere] {
        assert!(pair.receive(A, Message::FundingSigned(bad)).is_err());
        assert_eq!(pair.nodes[A].phase(), "opening");
        assert!(!broadcasts_funding(&pair));
    }
}

// attack 58
#[test]
fn a_funding_txid_of_zeroes_is_refused() {
    let (mut pair, good) = created();
    let zero = FundingCreated { funding_txid: Txid::all_zeros(), ..good };
    assert!(matches!(pair.receive(B, Message::FundingCreated(zero)), Err(Fault::Funding(_))));
    assert_eq!(pair.nodes[B].phase(), "opening");
}

#[test]
fn funding_created_comes_once() {
    let (mut pair, message) = created();
    pair.receive(B, Message::FundingCreated(message.clone())).expect("good");
    let before = pair.nodes[B].channel.clone();
    let fault = pair.receive(B, Message::FundingCreated(message)).expect_err("twice");
    assert!(matches!(fault, Fault::Unexpected { .. }));
    assert_eq!(pair.nodes[B].channel, before);
}

#[test]
fn a_wallet_that_made_another_transaction_ends_the_opening() {
    let mut pair = Pair::new(Setup::default());
    pair.propose_channel();
    pair.deliver(A).expect("good");
    let Some(Message::AcceptChannel(accept)) = pair.nodes[B].outbox.pop_front() else {
        panic!("B accepts");
    };
    let channel = pair.nodes[A].channel.clone().expect("negotiating");
    let agreed =
        channel.handle(Event::Message(Message::AcceptChannel(accept)), &pair.view(A)).expect("good").next;
    let wrong = transaction(3, vec![TxOut { value: Sat(1_000_000).into(), script_pubkey: p2wpkh(3) }]);
    for vout in [0, 1, u32::MAX] {
        let outpoint = OutPoint { txid: wrong.compute_txid(), vout };
        let command = Command::Fund { tx: Arc::new(wrong.clone()), outpoint };
        let outputs =
            agreed.handle(Event::Command(command), &pair.view(A)).expect("no fault of the peer").outputs;
        assert!(matches!(outputs.last(), Some(Output::Forgotten { .. })));
        assert!(matches!(outputs.first(), Some(Output::Send(_))), "the peer is told");
    }
}

// BOLT 2.the-channel_ready-message.2
// BOLT 2.the-channel_ready-message.3
// BOLT 2.the-channel_ready-message.4
// BOLT 2.the-channel_ready-message.12
// BOLT 2.defined-channel-types.47
#[test]
fn a_channel_is_ready_at_its_depth_on_both_sides() {
    for announce in [true, false] {
        let mut pair = Pair::new(Setup { announce, ..Setup::default() });
        pair.propose_channel();
        pair.run();
        let tx = pair.funding_tx();
        pair.tip = FUNDED_AT;
        for who in [A, B] {
            let event = Event::FundingConfirmed { tx: tx.clone(), height: FUNDED_AT, index: 1 };
            pair.handle(who, event).expect("good");
        }
        pair.tip_at(FUNDED_AT.plus(1));
        assert_eq!(pair.nodes[A].times_said("channel_ready") + pair.nodes[B].times_said("channel_ready"), 0);
        assert!(
            !pair.nodes[B].channel.as_ref().expect("open").is_usable(),
            "what was pushed is not ours yet"
        );
        pair.tip_at(FUNDED_AT.plus(2));
        let alias_of = |pair: &Pair, who: usize| match pair.nodes[who].outbox.front() {
            Some(Message::ChannelReady(m)) => (m.second_per_commitment_point, m.short_channel_id),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            alias_of(&pair, A),
            (pair.open_request().channel_keys.points[1], Some(ShortChannelId(1111)))
        );
        assert_eq!(alias_of(&pair, B).1, Some(ShortChannelId(2222)));
        pair.run();
        assert!(pair.nodes.iter().all(|n| n.saw(|o| matches!(o, Output::Ready))));
        assert_eq!(pair.nodes[A].open().readiness.remote_alias, Some(ShortChannelId(2222)));
        assert_eq!(pair.nodes[A].open().params.scid_alias, !announce);
    }
}

// BOLT 2.the-channel_ready-message.1
// attack 1
#[test]
fn a_funding_transaction_that_does_not_fund_fails_the_channel() {
    let agreed = funded().nodes[B].open().funding.terms.funding_output();
    let change = TxOut { value: Sat(7777).into(), script_pubkey: p2wpkh(9) };
    let less = TxOut { value: Sat(999_999).into(), ..agreed.clone() };
    let more = TxOut { value: Sat(1_000_001).into(), ..agreed.clone() };
    let elsewhere = TxOut { script_pubkey: p2wpkh(9), ..agreed };
    for outputs in [
        vec![change.clone(), less],
        vec![change.clone(), more],
        vec![change.clone(), elsewhere],
        vec![change],
    ] {
        // B knows but the txid: M names a transaction with other outputs.
        let mut pair = Pair::new(Setup::default());
        let fake = transaction(42, outputs);
        pair.fake_funding(fake.clone());
        let event = Event::FundingConfirmed { tx: Arc::new(fake), height: FUNDED_AT, index: 1 };
        let fault = pair.handle(B, event).expect_err("it does not fund the channel");
        assert!(matches!(fault, Fault::Funding(_)));
        assert_eq!(reaction(&fault, true), Reaction::FailChannel);
        pair.tip_at(FUNDED_AT.plus(200));
        assert_eq!(pair.nodes[B].times_said("channel_ready"), 0);
    }
}

// attack 12
#[test]
fn a_coinbase_waits_until_it_can_be_spent() {
    for who in [A, B] {
        let mut pair = funded();
        pair.tip = FUNDED_AT;
        let tx = pair.funding_tx();
        pair.handle(who, Event::FundingConfirmed { tx, height: FUNDED_AT, index: 0 }).expect("good");
        // The other side calls it ready at once, as a miner would who cheats.
        let ready = ChannelReady {
            channel_id: pair.channel_id(),
            second_per_commitment_point: pair.nodes[1 - who]
                .signer
                .channel_keys(&pair.nodes[1 - who].keys)
                .points[1],
            short_channel_id: Some(ShortChannelId(7)),
        };
        pair.receive(who, Message::ChannelReady(ready)).expect("it may");
        pair.handle(who, Event::Tip(FUNDED_AT.plus(98))).expect("good");
        assert_eq!(pair.nodes[who].times_said("channel_ready"), 0);
        let early = pair.pay(who, Msat(1_000_000));
        assert!(pair.nodes[who].not_offered.contains_key(&early), "nothing is paid over it");
        pair.handle(who, Event::Tip(FUNDED_AT.plus(99))).expect("good");
        assert_eq!(pair.nodes[who].times_said("channel_ready"), 1);
    }
}

// BOLT 2.the-channel_ready-message.13
#[test]
fn the_one_who_did_not_fund_forgets_after_two_weeks() {
    let mut pair = funded();
    pair.tip_at(Height(499 + 2016));
    assert_eq!(pair.nodes[B].phase(), "open");
    pair.tip_at(Height(499 + 2017));
    assert_eq!(
        [pair.nodes[A].phase(), pair.nodes[B].phase()],
        ["open", "none"],
        "the funder has coins in it"
    );
}

// attack 76
#[test]
fn the_one_who_did_not_fund_forgets_also_what_was_given_up() {
    let mut pair = funded();
    let channel_id = pair.nodes[B].open().params.channel_id;
    let unknown = Message::Error(astrape_wire::Error { channel_id, data: b"no such channel".to_vec() });
    pair.receive(B, unknown).expect("no fault");
    pair.tip_at(Height(499 + 2016));
    assert_eq!(pair.nodes[B].phase(), "closing");
    pair.tip_at(Height(499 + 2017));
    assert_eq!(pair.nodes[B].phase(), "none");
}

fn unknown_to_the_opener(pair: &Pair) -> Message {
    let channel_id = pair.nodes[B].open().params.channel_id;
    Message::Error(astrape_wire::Error { channel_id, data: b"Unknown channel".to_vec() })
}

#[test]
fn an_opening_that_its_opener_gives_up_is_forgotten_at_once_where_nothing_in_it_is_ours() {
    for closes in [false, true] {
        let mut pair = Pair::new(Setup { push: Msat::ZERO, ..Setup::default() });
        pair.propose_channel();
        pair.run();
        if closes {
            let script = pair.nodes[B].shutdown_script.clone();
            pair.command(B, Command::Shutdown { script });
            pair.run();
            assert_eq!(pair.nodes[B].phase(), "closing");
        }
        let error = unknown_to_the_opener(&pair);
        pair.receive(B, error).expect("no fault");
        assert_eq!(pair.nodes[B].phase(), "none");
        assert!(!pair.nodes[B].saw(|o| matches!(o, Output::BroadcastCommitment(_))));
    }
}

#[test]
fn an_opening_in_which_something_is_ours_or_that_was_funded_or_is_our_own_is_kept_whatever_the_peer_says() {
    let is_kept = |push: Msat, confirms: bool, who: usize| {
        let mut pair = Pair::new(Setup { push, ..Setup::default() });
        pair.propose_channel();
        pair.run();
        if confirms {
            let tx = pair.funding_tx();
            pair.handle(B, Event::FundingConfirmed { tx, height: FUNDED_AT, index: 3 }).expect("as agreed");
        }
        let error = unknown_to_the_opener(&pair);
        pair.receive(who, error).expect("no fault");
        pair.nodes[who].phase() == "closing"
    };
    assert!(is_kept(Msat(1), false, B), "a millisatoshi is ours");
    assert!(is_kept(Msat::ZERO, true, B), "it is funded");
    assert!(is_kept(Msat::ZERO, false, A), "our coins are in it");
}

#[test]
fn a_channel_whose_funding_left_the_chain_takes_no_payments_until_it_is_back() {
    let mut pair = Pair::default_ready();
    let held = pair.pay(A, Msat(1_000_000));
    for who in [A, B] {
        pair.handle(who, Event::FundingReorged).expect("no fault");
        assert!(pair.nodes[who].saw(|o| matches!(o, Output::Story(Story::FundingReorged))));
    }
    let late = pair.pay(A, Msat(1_000_000));
    assert!(matches!(pair.nodes[A].not_offered.get(&late), Some(Refusal::NotUsable(_))));
    pair.run();
    assert!(pair.nodes[A].fulfilled.contains_key(&held), "what was agreed before goes on");
    pair.confirm_funding();
    let again = pair.pay(A, Msat(1_000_000));
    pair.run();
    assert!(pair.nodes[A].fulfilled.contains_key(&again));
    assert_eq!(pair.nodes[A].times_said("channel_ready"), 1);
}

// attack 72
// BOLT 2.message-retransmission.29
#[test]
fn channel_ready_again_changes_only_the_alias() {
    let mut pair = Pair::default_ready();
    let before = pair.nodes[A].open().clone();
    let message = ChannelReady {
        channel_id: before.params.channel_id,
        second_per_commitment_point: before.params.remote.basepoints.htlc,
        short_channel_id: Some(ShortChannelId(3333)),
    };
    pair.receive(A, Message::ChannelReady(message)).expect("ignored");
    let after = pair.nodes[A].open();
    assert_eq!(after.remote, before.remote);
    assert_eq!(after.readiness.remote_alias, Some(ShortChannelId(3333)));
    assert_eq!(pair.nodes[A].seen.iter().filter(|o| matches!(o, Output::Ready)).count(), 1);
    let hash = pair.pay(A, Msat(1_000_000));
    pair.run();
    assert!(pair.nodes[A].fulfilled.contains_key(&hash));
}

// BOLT 2.message-retransmission.1
// BOLT 2.message-retransmission.3
// BOLT 2.message-retransmission.14
// BOLT 2.message-retransmission.27
#[test]
fn channel_ready_is_said_again_as_long_as_nothing_was_signed_since() {
    // A's channel_ready is lost in one case, B's in the other, both in a third, none in the fourth.
    for lost in 0..4 {
        let mut pair = funded();
        pair.confirm_funding();
        for who in [A, B] {
            if lost & (1 << who) == 0 {
                pair.deliver(who).expect("good");
            }
        }
        pair.cut();
        pair.connect();
        for who in [A, B] {
            let Some(Message::ChannelReestablish(m)) = pair.nodes[who].outbox.front() else {
                panic!("first of all");
            };
            assert_eq!(m.next_commitment_number.0, 1);
            assert_eq!(m.next_revocation_number.0, 0);
            assert_eq!(m.your_last_per_commitment_secret, [0; 32]);
        }
        pair.run();
        for node in &pair.nodes {
            assert!(node.open().is_ready());
            assert_eq!(node.times_said("channel_ready"), 2);
        }
    }
}

// BOLT 2.message-retransmission.28
#[test]
fn channel_ready_is_not_said_again_once_commitments_went_on() {
    let mut pair = Pair::default_ready();
    pair.pay(A, Msat(1_000_000));
    pair.run();
    pair.cut();
    pair.connect();
    pair.run();
    assert!(pair.nodes.iter().all(|n| n.times_said("channel_ready") == 1));
}

#[test]
fn a_channel_that_became_ready_alone_says_so_when_the_peer_is_back() {
    let mut pair = funded();
    pair.cut();
    pair.confirm_funding();
    assert!(pair.nodes.iter().all(|n| n.times_said("channel_ready") == 0));
    pair.connect();
    pair.run();
    assert!(pair.nodes.iter().all(|n| n.open().is_ready() && n.saw(|o| matches!(o, Output::Ready))));
}
