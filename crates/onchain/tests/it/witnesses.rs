//! Items of a witness that choose a branch and that nobody signs: whoever makes the transaction, passes it on or mines it may
//! put other bytes in their place.

use crate::kit::{ACKED, Court, DELAY, EXPIRY, FORMATS, Htlcs, REVOKED, both, htlc, with_dummy};
use astrape_onchain::{Event, Output, Role, Story};
use astrape_primitives::{HtlcId, Side};
use astrape_transactions::{CommitmentFormat, CommittedHtlc};
use bitcoin::{OutPoint, Sequence, Witness};
use std::sync::Arc;

/// What may stand for the empty item by which a timeout is chosen: the script asks only that it has not 32 bytes.
const DUMMIES: [&[u8]; 3] = [&[1], &[0, 0], &[9; 33]];

fn each() -> impl Iterator<Item = (CommitmentFormat, &'static [u8])> {
    FORMATS.into_iter().flat_map(|format| DUMMIES.map(|dummy| (format, dummy)))
}

// attack 6
// BOLT 5.revoked-transaction-close-handling.10
// BOLT 5.revoked-transaction-close-handling.12
#[test]
fn what_the_peer_moves_by_timeout_with_odd_bytes_from_a_revoked_commitment_is_taken_all_the_same() {
    for (format, dummy) in each() {
        let three: Vec<CommittedHtlc> =
            (0..3).map(|id| htlc(Side::Remote, id, 60_000 + id, 1, EXPIRY)).collect();
        let htlcs = Htlcs { revoked: three.clone(), retired: three.clone(), ..Htlcs::default() };
        let mut court = Court::new(format, htlcs);
        court.mine_to(EXPIRY + 5);
        let tx = court.their_commitment(REVOKED);
        court.mine_with(&[tx]);
        let outputs: Vec<_> = three.iter().map(|h| (court.output_of((h.offered_by, h.id)), None)).collect();
        let at_once = if format == CommitmentFormat::Anchors { 3 } else { 1 };
        let stages = outputs.chunks(at_once).map(|outputs| court.second_stage(REVOKED, outputs));
        let stages: Vec<_> = stages.map(|tx| with_dummy(&tx, 5, dummy)).collect();
        court.mine_with(&stages);
        court.mine(2);
        court.assert_none_refused();
        let is_of_stages = |o: &OutPoint| stages.iter().any(|tx| tx.compute_txid() == o.txid);
        let moved: Vec<_> = court.resolution.outputs.iter().filter(|(o, _)| is_of_stages(o)).collect();
        assert_eq!(moved.len(), 3, "{format:?} {dummy:?}");
        assert!(moved.iter().all(|(_, tracked)| tracked.spent.is_some_and(|s| s.by_us)));
        court.mine(12);
        assert!(court.is_resolved());
    }
}

#[test]
fn a_timeout_of_ours_that_was_changed_on_its_way_is_swept_and_ends_its_htlc() {
    for (format, dummy) in each() {
        let mut court = Court::new(format, Htlcs::everywhere(both()));
        let tx = court.our_commitment();
        court.mine_with(&[tx]);
        let output = court.output_of((Side::Local, HtlcId(0)));
        court.mine_to(EXPIRY);
        let timeout = court.chain.spender_in_mempool(&output).expect("HTLC-timeout waits");
        court.mine_with(&[with_dummy(&timeout, 5, dummy)]);
        assert!(court.resolution.outputs[&output].spent.is_some_and(|s| s.by_us), "{format:?} {dummy:?}");
        court.mine(u32::from(DELAY) + 1);
        court.assert_none_refused();
        assert!(court.has_failed(0));
        let second = court.resolution.outputs.iter().find(|(o, _)| o.txid == timeout.compute_txid());
        assert!(second.is_some_and(|(_, tracked)| tracked.spent.is_some_and(|s| s.by_us)), "swept");
    }
}

#[test]
fn a_timeout_on_the_peers_commitment_that_was_changed_on_its_way_ends_its_htlc() {
    for (format, dummy) in each() {
        let mut court = Court::new(format, Htlcs::everywhere(both()));
        let tx = court.their_commitment(ACKED);
        court.mine_with(&[tx]);
        let output = court.output_of((Side::Local, HtlcId(0)));
        court.mine_to(EXPIRY);
        let timeout = court.chain.spender_in_mempool(&output).expect("it waits for its block");
        court.mine_with(&[with_dummy(&timeout, 3, dummy)]);
        assert!(court.resolution.outputs[&output].spent.is_some_and(|s| s.by_us), "{format:?} {dummy:?}");
        court.mine(6);
        assert!(court.has_failed(0));
        assert!(!court.stories().iter().any(|s| matches!(s, Story::TakenByPeer { .. })));
    }
}

#[test]
fn a_zero_that_is_written_at_length_is_not_taken_for_a_penalty_of_ours() {
    for zero in [&[][..], &[0], &[0x80]] {
        let mut court = Court::new(CommitmentFormat::Anchors, Htlcs::default());
        let tx = court.their_commitment(REVOKED);
        court.deaf = true;
        court.mine_with(&[tx]);
        let is_delayed = |role: &Role| matches!(role, Role::RevokedDelayed { .. });
        let found = court.resolution.outputs.iter().find(|(_, tracked)| is_delayed(&tracked.role));
        let (stolen, script) = found.map(|(o, t)| (*o, t.witness_script.clone())).expect("to_local");
        let mut tx = crate::kit::empty();
        let mut input = crate::kit::input(stolen, Sequence(u32::from(DELAY)));
        // The form of the witness is what tells; that its signature holds is for the chain to judge.
        input.witness = Witness::from_slice(&[&[1; 71][..], zero, script.expect("a script").as_bytes()]);
        tx.input.push(input);
        let height = court.tip();
        let out = court.event(Event::Spent { tx: Arc::new(tx), height });
        assert!(out.iter().any(|o| matches!(o, Output::Story(Story::Lost { .. }))), "{zero:?}");
    }
}
