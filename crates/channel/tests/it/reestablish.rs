//! `channel_reestablish`: what it says, what it may say, and who has lost what.

use crate::pair::{A, B, FUNDED_AT, Pair, Setup};
use astrape_channel::output::Story;
use astrape_channel::{Command, Event, Fault, How, Link, Output, Phase, Reaction, Refusal};
use astrape_primitives::{CommitmentNumber, Msat};
use astrape_transactions::Signer;
use astrape_wire::{ChannelReady, ChannelReestablish, Message};

/// Some payments went on; both are connected again, and each other's `channel_reestablish` is on its way.
fn reconnected() -> (Pair, [ChannelReestablish; 2]) {
    let mut pair = Pair::default_ready();
    for _ in 0..3 {
        pair.pay(A, Msat(5_000_000));
        pair.run();
    }
    pair.cut();
    pair.connect();
    let said = [A, B].map(|who| match pair.intercept(who) {
        Message::ChannelReestablish(m) => m,
        other => panic!("first of all: {other:?}"),
    });
    (pair, said)
}

fn fails_the_channel(pair: &mut Pair, message: ChannelReestablish) {
    let (fault, reaction) = pair.refused(B, Message::ChannelReestablish(message));
    assert!(matches!(fault, Fault::Reestablish(_)), "{fault}");
    assert_eq!(reaction, Reaction::FailChannel);
}

// BOLT 2.message-retransmission.9
// BOLT 2.message-retransmission.11
// BOLT 2.message-retransmission.12
// BOLT 2.message-retransmission.13
// BOLT 2.message-retransmission.15
// BOLT 2.message-retransmission.19
#[test]
fn it_says_where_we_are_and_nothing_of_what_we_do_not_do() {
    let (pair, said) = reconnected();
    for (who, m) in said.iter().enumerate() {
        let open = pair.nodes[who].open();
        assert_eq!(m.next_commitment_number, open.local.number.next());
        assert_eq!(m.next_revocation_number, open.remote.number);
        let last = open.remote.number.previous().expect("payments were made");
        let secret =
            bitcoin::secp256k1::SecretKey::from_slice(&m.your_last_per_commitment_secret).expect("a key");
        let other = &pair.nodes[1 - who];
        assert_eq!(secret.public_key(&pair.secp), other.signer.point(&other.keys, last));
        assert_eq!((m.next_funding, m.my_current_funding_locked), (None, None));
    }
}

/// LND's, where the funding confirms just after a reconnection. It may not say its signatures again.
#[test]
fn a_channel_ready_and_signatures_that_come_before_the_peer_has_said_where_it_is_count() {
    let mut pair = Pair::new(Setup::default());
    pair.propose_channel();
    pair.run();
    pair.cut();
    pair.connect();
    let tx = pair.funding_tx();
    pair.tip = FUNDED_AT.plus(5);
    pair.handle(B, Event::FundingConfirmed { tx: tx.clone(), height: FUNDED_AT, index: 3 }).expect("good");
    pair.handle(A, Event::FundingConfirmed { tx, height: FUNDED_AT, index: 3 }).expect("good");
    // Each has its reestablish in its outbox; what follows is said first.
    let point = pair.nodes[B].signer.point(&pair.nodes[B].keys, CommitmentNumber(1));
    let ready = ChannelReady {
        channel_id: pair.channel_id(),
        second_per_commitment_point: point,
        short_channel_id: None,
    };
    pair.receive(A, Message::ChannelReady(ready)).expect("it says the same as later");
    let signatures = crate::announcement::signatures(&pair, B);
    pair.receive(A, Message::AnnouncementSignatures(signatures)).expect("they wait");
    assert!(!pair.nodes[A].open().is_announced());
    pair.deliver_until(B, "channel_reestablish");
    assert_eq!(pair.nodes[B].times_said("announcement_signatures"), 0);
    assert!(pair.nodes[A].open().is_announced(), "nothing has to come again");
    pair.run();
    assert!(pair.nodes.iter().all(|node| node.open().is_announced()));
    let hash = pair.pay(A, Msat(5_000_000));
    pair.run();
    assert!(pair.nodes[A].fulfilled.contains_key(&hash));
}

// BOLT 2.message-retransmission.10
#[test]
fn nothing_else_is_said_before_the_peer_has_said_where_it_is() {
    let (mut pair, said) = reconnected();
    pair.pay(A, Msat(5_000_000));
    pair.pay(B, Msat(5_000_000));
    pair.propose(A);
    pair.propose(B);
    assert!(pair.nodes.iter().all(|n| n.outbox.is_empty()));
    for (to, m) in [(A, said[B].clone()), (B, said[A].clone())] {
        pair.receive(to, Message::ChannelReestablish(m)).expect("good");
    }
    pair.run();
    assert_eq!(
        pair.nodes[A].times_said("update_add_htlc"),
        3,
        "what was asked without a connection was refused"
    );
}

// BOLT 2.message-retransmission.26
// BOLT 2.message-retransmission.31
// BOLT 2.message-retransmission.34
// BOLT 2.message-retransmission.35
#[test]
fn numbers_that_fit_no_state_fail_the_channel() {
    let (mut pair, [good, _]) = reconnected();
    let commitment = good.next_commitment_number.0;
    for next_commitment_number in [0, 1, commitment - 1, commitment + 1, u64::MAX].map(CommitmentNumber) {
        fails_the_channel(&mut pair, ChannelReestablish { next_commitment_number, ..good.clone() });
    }
    let revocation = good.next_revocation_number.0;
    for next_revocation_number in [0, 1, revocation - 2].map(CommitmentNumber) {
        fails_the_channel(&mut pair, ChannelReestablish { next_revocation_number, ..good.clone() });
    }
    pair.receive(B, Message::ChannelReestablish(good)).expect("good");
}

#[test]
fn a_channel_that_never_moved_expects_no_revocation() {
    let mut pair = Pair::default_ready();
    pair.cut();
    pair.connect();
    let Message::ChannelReestablish(good) = pair.intercept(A) else {
        panic!("first of all");
    };
    let secret = ChannelReestablish { your_last_per_commitment_secret: [1; 32], ..good.clone() };
    fails_the_channel(&mut pair, secret);
    pair.receive(B, Message::ChannelReestablish(good.clone())).expect("good");
    let (fault, _) = pair.refused(B, Message::ChannelReestablish(good));
    assert!(matches!(fault, Fault::Unexpected { .. }), "once a connection");
}

// BOLT 2.message-retransmission.39
#[test]
fn a_secret_that_is_not_our_last_fails_the_channel() {
    let (mut pair, [good, _]) = reconnected();
    let open = pair.nodes[A].open();
    let older = open.remote.secrets.get(CommitmentNumber(0)).expect("revoked");
    for secret in [older, [0; 32], [0xff; 32], [7; 32]] {
        fails_the_channel(
            &mut pair,
            ChannelReestablish { your_last_per_commitment_secret: secret, ..good.clone() },
        );
    }
}

// BOLT 2.message-retransmission.36
#[test]
fn the_point_is_ignored() {
    let (mut pair, [good, other]) = reconnected();
    let my_current_per_commitment_point = pair.nodes[B].open().params.local.basepoints.htlc;
    let m = ChannelReestablish { my_current_per_commitment_point, ..good };
    pair.receive(B, Message::ChannelReestablish(m)).expect("good");
    pair.receive(A, Message::ChannelReestablish(other)).expect("good");
    pair.run();
}

/// B lost its last payments: it is restored from an old copy. Both have reconnected.
fn restored_from_a_copy() -> Pair {
    let mut pair = Pair::default_ready();
    pair.pay(A, Msat(5_000_000));
    pair.run();
    let copy = pair.nodes[B].channel.clone().and_then(|c| c.after_losing_the_connection());
    for _ in 0..2 {
        pair.pay(A, Msat(5_000_000));
        pair.run();
    }
    pair.cut();
    pair.nodes[B].channel = copy;
    pair.nodes[B].plans.clear();
    pair.connect();
    pair
}

fn how(pair: &Pair, who: usize) -> Option<How> {
    match pair.nodes[who].channel.as_ref().map(|c| &c.phase) {
        Some(Phase::Closing(closing)) => Some(closing.how.clone()),
        _ => None,
    }
}

// BOLT 2.message-retransmission.37
// BOLT 2.message-retransmission.38
// BOLT 2.completing-the-transition-to-the-updated-state-revoke_and_ack.6
// attack 47
// attack 48
#[test]
fn who_has_lost_state_waits_for_the_peers_commitment_and_broadcasts_nothing() {
    let mut pair = restored_from_a_copy();
    let ahead = pair.nodes[A].outbox[0].clone();
    pair.deliver(A).expect("the claim is not a fault");
    assert!(matches!(how(&pair, B), Some(How::AwaitPeersCommitment { .. })));
    assert!(pair.nodes[B].saw(|o| matches!(o, Output::Story(Story::WaitingForPeersCommitment { .. }))));
    assert_eq!(pair.nodes[B].times_said("error"), 1, "the peer is asked to close");
    // A sees that B is behind, and would close; B stays where it is whatever A says.
    let Message::ChannelReestablish(behind) = pair.intercept(B) else {
        panic!("first of all");
    };
    let (fault, reaction) = pair.refused(A, Message::ChannelReestablish(behind));
    assert!(matches!(fault, Fault::Reestablish(_)));
    assert_eq!(reaction, Reaction::FailChannel);
    pair.deliver(B).expect("the error");
    assert!(matches!(how(&pair, A), Some(How::OurCommitment { .. })));
    let error = astrape_wire::Error { channel_id: pair.channel_id(), data: b"close".to_vec() };
    pair.receive(B, Message::Error(error)).expect("no fault");
    pair.command(B, Command::ForceClose { reason: "impatience".into() });
    assert!(
        pair.nodes[B].saw(
            |o| matches!(o, Output::Refused(Refusal::Close(why)) if why.contains("only the peer can close"))
        ),
        "and says so"
    );
    pair.cut();
    pair.connect();
    assert_eq!(pair.nodes[B].times_said("error"), 1, "A may have seen it end");
    for _ in 0..2 {
        pair.receive(B, ahead.clone()).expect("no fault");
        assert_eq!(pair.nodes[B].times_said("error"), 2, "it goes on with it, and is asked again");
    }
    assert!(pair.nodes[B].channel.as_ref().expect("closing").owed_to_chain().is_empty());
    assert!(!pair.nodes[B].saw(|o| matches!(o, Output::BroadcastCommitment(_))));
}

#[test]
fn an_error_that_comes_while_the_claim_is_checked_does_not_make_us_broadcast() {
    let pair = restored_from_a_copy();
    let Some(Message::ChannelReestablish(ahead)) = pair.nodes[A].outbox.front().cloned() else {
        panic!("first of all");
    };
    let channel = pair.nodes[B].channel.clone().expect("open");
    let view = pair.view(B);
    let handle = |c: &astrape_channel::Channel, event| c.handle(event, &view).expect("no fault");
    let checking = handle(&channel, Event::Message(Message::ChannelReestablish(ahead))).next;
    assert_eq!(checking.link, Link::CheckingClaim);
    let error = astrape_wire::Error { channel_id: checking.channel_id(), data: b"close".to_vec() };
    let force = Command::ForceClose { reason: "impatience".into() };
    for event in [Event::Message(Message::Error(error)), Event::Command(force), Event::Propose] {
        let transition = handle(&checking, event);
        assert_eq!(transition.next, checking);
        assert!(!transition.outputs.iter().any(|o| matches!(o, Output::BroadcastCommitment(_))));
    }
    let lost = handle(&checking, Event::Disconnected).next;
    let late = handle(&lost, Event::SecretChecked { genuine: true }).next;
    assert!(matches!(&late.phase, Phase::Closing(c) if matches!(c.how, How::AwaitPeersCommitment { .. })));
    assert_eq!(handle(&lost, Event::SecretChecked { genuine: false }).next, lost, "told of an old claim");
}

// attack 47
#[test]
fn a_claim_that_we_are_late_without_proof_makes_us_close_with_what_we_have() {
    for secret in [[0; 32], [1; 32]] {
        let (mut pair, [good, _]) = reconnected();
        let next_revocation_number = good.next_revocation_number.plus(5);
        let lie =
            ChannelReestablish { next_revocation_number, your_last_per_commitment_secret: secret, ..good };
        pair.receive(B, Message::ChannelReestablish(lie)).expect("it is checked first");
        assert!(matches!(how(&pair, B), Some(How::OurCommitment { .. })));
        assert!(pair.nodes[B].saw(|o| matches!(o, Output::BroadcastCommitment(_))));
        assert_eq!(pair.nodes[B].times_said("error"), 1);
    }
}

// BOLT 2.message-retransmission.8
#[test]
fn a_channel_that_failed_says_so_to_a_peer_that_goes_on_with_it_and_listens_no_more() {
    let mut pair = Pair::default_ready();
    pair.command(A, Command::ForceClose { reason: "enough".into() });
    for _ in 0..2 {
        pair.nodes[A].outbox.clear();
        pair.cut();
        pair.connect();
        let goes_on = pair.nodes[B].outbox[0].clone();
        assert!(pair.nodes[A].outbox.is_empty(), "nothing unasked");
        pair.deliver(B).expect("no fault");
        let Message::Error(error) = pair.intercept(A) else { panic!("nothing but the error") };
        assert_eq!(error.data, b"enough");
        let before = pair.nodes[A].channel.clone();
        pair.receive(A, goes_on).expect("ignored");
        assert!(pair.nodes[A].outbox.is_empty(), "once");
        assert_eq!(pair.nodes[A].channel, before);
    }
}

/// CLN ends the connection with all its channels for a word about one that it has seen end on chain.
#[test]
fn of_a_channel_that_is_spent_nothing_is_said_before_the_peer_goes_on_with_it() {
    for cooperative in [false, true] {
        let mut pair = Pair::default_ready();
        if cooperative {
            let script = pair.nodes[A].shutdown_script.clone();
            pair.command(A, Command::Shutdown { script });
            pair.run();
        }
        let tx = std::sync::Arc::new(bitcoin::Transaction {
            output: Vec::new(),
            ..bitcoin::Transaction::clone(&pair.funding_tx())
        });
        pair.handle(A, Event::FundingSpent { tx, height: astrape_primitives::Height(600) }).expect("seen");
        pair.cut();
        pair.connect();
        assert!(pair.nodes[A].outbox.is_empty(), "nothing unasked");
        let goes_on = pair.nodes[B].outbox[0].clone();
        let said = pair.nodes[A].said.len();
        pair.receive(A, goes_on.clone()).expect("it has not seen the block");
        let answer: &[&str] = match cooperative {
            true => &["channel_reestablish", "channel_ready", "shutdown"],
            false => &["error"],
        };
        assert_eq!(pair.nodes[A].said[said..], *answer);
        pair.receive(A, goes_on).expect("no fault");
        assert_eq!(pair.nodes[A].said.len(), said + answer.len(), "once");
    }
}

#[test]
fn a_peer_that_was_told_of_a_failure_while_it_was_coming_back_is_not_told_again() {
    let mut pair = Pair::default_ready();
    pair.cut();
    pair.connect();
    pair.command(A, Command::ForceClose { reason: "enough".into() });
    pair.deliver(B).expect("its channel_reestablish, which was on its way");
    assert_eq!(pair.nodes[A].times_said("error"), 1);
}
