//! `commitment_signed` and `revoke_and_ack`.

use crate::funding::high_s;
use crate::pair::{A, B, Pair, Setup};
use astrape_channel::{Fault, Reaction};
use astrape_primitives::Msat;
use astrape_wire::{CommitmentSigned, Message, RevokeAndAck};
use bitcoin::Txid;
use bitcoin::hashes::Hash as _;

/// A's `commitment_signed` for two HTLCs is on its way to B.
fn signed(anchors: bool) -> (Pair, CommitmentSigned) {
    let mut pair = Pair::ready(Setup { anchors, ..Setup::default() });
    pair.pay(A, Msat(9_000_000));
    pair.pay(A, Msat(8_000_000));
    pair.propose(A);
    for _ in 0..2 {
        pair.deliver(A).expect("good");
    }
    let Message::CommitmentSigned(message) = pair.intercept(A) else {
        panic!("updates, then the signature");
    };
    (pair, message)
}

fn signature_refused(pair: &mut Pair, message: CommitmentSigned) {
    let (fault, reaction) = pair.refused(B, Message::CommitmentSigned(message));
    assert!(matches!(fault, Fault::Signature(_)), "{fault}");
    assert_eq!(reaction, Reaction::Disconnect);
}

// BOLT 2.committing-updates-so-far-commitment_signed.12
// BOLT 2.committing-updates-so-far-commitment_signed.13
// BOLT 2.committing-updates-so-far-commitment_signed.14
// attack 2
#[test]
fn signatures_that_are_wrong_or_high_or_missing_are_refused() {
    for anchors in [true, false] {
        let (mut pair, good) = signed(anchors);
        let swapped = CommitmentSigned { signature: good.htlc_signature[0], ..good.clone() };
        signature_refused(&mut pair, swapped);
        signature_refused(&mut pair, CommitmentSigned { signature: high_s(&good.signature), ..good.clone() });
        for htlcs in [0, 1, 3] {
            let mut bad = good.clone();
            bad.htlc_signature.resize(htlcs, good.signature);
            signature_refused(&mut pair, bad);
        }
        let mut order = good.clone();
        order.htlc_signature.reverse();
        signature_refused(&mut pair, order);
        let mut high = good.clone();
        high.htlc_signature[1] = high_s(&good.htlc_signature[1]);
        signature_refused(&mut pair, high);
        pair.receive(B, Message::CommitmentSigned(good)).expect("good");
    }
}

// BOLT 2.committing-updates-so-far-commitment_signed.5
#[test]
fn the_funding_is_named_and_another_is_refused() {
    let (mut pair, good) = signed(true);
    assert_eq!(good.funding_txid, Some(pair.funding_tx().compute_txid()));
    let other = CommitmentSigned { funding_txid: Some(Txid::from_byte_array([1; 32])), ..good.clone() };
    let (fault, reaction) = pair.refused(B, Message::CommitmentSigned(other));
    assert_eq!((fault, reaction), (Fault::OtherFunding, Reaction::Disconnect));
    let unnamed = CommitmentSigned { funding_txid: None, ..good };
    pair.receive(B, Message::CommitmentSigned(unnamed)).expect("there is but one");
}

// BOLT 2.committing-updates-so-far-commitment_signed.23
// BOLT 2.completing-the-transition-to-the-updated-state-revoke_and_ack.1
// BOLT 2.completing-the-transition-to-the-updated-state-revoke_and_ack.2
// BOLT 2.completing-the-transition-to-the-updated-state-revoke_and_ack.3
#[test]
fn a_signature_is_answered_by_one_revocation() {
    let (mut pair, good) = signed(true);
    let points = [0, 2].map(|n| {
        let node = &pair.nodes[B];
        astrape_transactions::Signer::point(&node.signer, &node.keys, astrape_primitives::CommitmentNumber(n))
    });
    pair.receive(B, Message::CommitmentSigned(good)).expect("good");
    assert_eq!(pair.nodes[B].times_said("revoke_and_ack"), 1);
    let Message::RevokeAndAck(message) = pair.intercept(B) else {
        panic!("first of all");
    };
    let secret = bitcoin::secp256k1::SecretKey::from_slice(&message.per_commitment_secret).expect("a key");
    assert_eq!([secret.public_key(&pair.secp), message.next_per_commitment_point], points);
}

// BOLT 2.committing-updates-so-far-commitment_signed.1
#[test]
fn nothing_is_signed_without_a_change() {
    let mut pair = Pair::default_ready();
    for _ in 0..3 {
        pair.propose(A);
        pair.propose(B);
    }
    assert_eq!(
        pair.nodes[A].times_said("commitment_signed") + pair.nodes[B].times_said("commitment_signed"),
        0
    );
    let hash = pair.pay(A, Msat(9_000_000));
    pair.run();
    assert!(pair.nodes[A].fulfilled.contains_key(&hash));
    assert_eq!(
        pair.nodes[A].times_said("commitment_signed") + pair.nodes[B].times_said("commitment_signed"),
        4
    );
}

#[test]
fn no_second_signature_is_given_before_the_first_is_answered() {
    let mut pair = Pair::default_ready();
    pair.pay(A, Msat(9_000_000));
    pair.propose(A);
    let later = pair.pay(A, Msat(1_000_000));
    pair.propose(A);
    pair.propose(A);
    assert_eq!(pair.nodes[A].times_said("commitment_signed"), 1);
    assert_eq!(pair.nodes[A].times_said("update_add_htlc"), 1, "what is said is signed");
    pair.run();
    assert!(pair.nodes[A].fulfilled.contains_key(&later));
}

// BOLT 2.completing-the-transition-to-the-updated-state-revoke_and_ack.4
// BOLT 2.completing-the-transition-to-the-updated-state-revoke_and_ack.5
#[test]
fn a_revocation_must_reveal_the_secret_that_is_due() {
    let (mut pair, good) = signed(true);
    pair.receive(B, Message::CommitmentSigned(good)).expect("good");
    let Message::RevokeAndAck(good) = pair.intercept(B) else {
        panic!("first of all");
    };
    for secret in [[0; 32], [0xff; 32], [5; 32]] {
        let bad = RevokeAndAck { per_commitment_secret: secret, ..good.clone() };
        let (fault, reaction) = pair.refused(A, Message::RevokeAndAck(bad));
        assert_eq!((fault, reaction), (Fault::WrongSecret, Reaction::FailChannel));
    }
    pair.receive(A, Message::RevokeAndAck(good.clone())).expect("good");
    let (fault, reaction) = pair.refused(A, Message::RevokeAndAck(good));
    assert_eq!((fault, reaction), (Fault::NothingToRevoke, Reaction::FailChannel));
}

// attack 20
#[test]
fn both_sides_trim_alike_around_the_dust_limits() {
    for anchors in [true, false] {
        // 703 and 663 are the weights of the HTLC transactions of static_remotekey.
        let mut pair = Pair::ready(Setup { anchors, ..Setup::default() });
        let edges: &[u64] = if anchors { &[354] } else { &[354 + 703, 354 + 663] };
        for edge in edges {
            for amount in
                [edge * 1000 - 1001, edge * 1000 - 1, edge * 1000, edge * 1000 + 999, edge * 1000 + 1000]
            {
                for from in [A, B] {
                    pair.pay(from, Msat(amount));
                    pair.pay_held(from, Msat(amount));
                }
                pair.run();
            }
        }
        assert!(pair.nodes.iter().all(|n| n.not_offered.is_empty()));
        assert_eq!(pair.nodes[A].open().htlcs.len(), 10 * edges.len());
    }
}
