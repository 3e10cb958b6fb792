//! Commitments that wait in the mempool, ours and the peer's: whichever is there gets its child, and none is waited for in vain.

use crate::kit::{ACKED, Court, EXPIRY, Htlcs, NEXT, both};
use astrape_onchain::{ClaimParent, Event, Output};
use astrape_primitives::{FeeratePerKw, Feerates, Height};
use astrape_regtest::Weather;
use astrape_transactions::CommitmentFormat;
use bitcoin::Transaction;
use std::sync::Arc;

/// Ours has gone out with its child, on days that ask three times what a commitment pays.
fn gone() -> Court {
    let htlcs = Htlcs { next: Some(both()), ..Htlcs::everywhere(both()) };
    let mut court = Court::new(CommitmentFormat::Anchors, htlcs);
    court.upstream(0, EXPIRY + 80);
    court.feerates = Feerates::flat(FeeratePerKw(3_000));
    court.event(Event::GoOnChain);
    assert!(court.child().is_some());
    court
}

/// The mempool has this commitment of the peer in place of ours, and that was told.
fn overtaken_by(court: &mut Court, tx: &Transaction) {
    let ours = court.our_commitment().compute_txid();
    court.chain.evict(&ours);
    court.chain.submit(tx.clone()).expect("it pays enough on a calm day");
    court.see(&[tx]);
}

/// From now on mempools ask more than a commitment pays by itself, and have dropped those that pay less.
fn fees_rise(court: &mut Court, dropped: &Transaction) {
    let busy = FeeratePerKw(2_000);
    court.chain.forecast(std::iter::repeat_n(Weather { mempool_min: busy, ..Weather::fair() }, 20));
    court.mine_with(&[]);
    court.chain.evict(&dropped.compute_txid());
}

/// The child of a transaction in the mempool.
fn child_of(court: &Court, parent: &Transaction) -> Option<Arc<Transaction>> {
    let txid = parent.compute_txid();
    court.chain.mempool().into_iter().find(|tx| tx.input.iter().any(|i| i.previous_output.txid == txid))
}

#[test]
fn ours_gets_its_child_again_when_the_peers_commitment_has_left_the_mempool() {
    let mut court = gone();
    let theirs = court.their_commitment(ACKED);
    overtaken_by(&mut court, &theirs);
    assert!(child_of(&court, &theirs).is_some(), "ours would not get past it");
    fees_rise(&mut court, &theirs);
    court.see(&[]);
    court.event(Event::GoOnChain);
    assert!(court.chain.in_mempool(&court.our_commitment().compute_txid()), "{:?}", court.refused);
    assert!(court.child().is_some());
    court.mine(1);
    assert!(court.resolution.close.is_some());
}

#[test]
fn the_peers_commitment_that_the_mempool_has_dropped_comes_back_with_its_child() {
    let mut court = gone();
    let theirs = court.their_commitment(ACKED);
    overtaken_by(&mut court, &theirs);
    fees_rise(&mut court, &theirs);
    assert!(!court.chain.in_mempool(&theirs.compute_txid()));
    let owed = |o: &Output| match o {
        Output::Broadcast { parent, .. } => *parent == Some(ClaimParent::Signed(theirs.clone().into())),
        _ => false,
    };
    assert!(court.resolution.owed().iter().any(owed), "after a restart too");
    // That it is gone was not told yet.
    court.event(Event::GoOnChain);
    assert!(court.chain.in_mempool(&theirs.compute_txid()), "{:?}", court.refused);
    assert!(child_of(&court, &theirs).is_some());
    court.mine(1);
    assert_eq!(court.resolution.close.as_ref().map(|close| close.txid()), Some(theirs.compute_txid()));
    assert!(court.resolution.seen.is_none());
}

#[test]
fn whichever_commitment_the_mempool_has_gets_the_child_and_time_that_was_waited_counts() {
    let mut court = gone();
    let since = court.tip();
    for number in [ACKED, NEXT, ACKED] {
        court.mine_with(&[]);
        let theirs = court.their_commitment(number);
        overtaken_by(&mut court, &theirs);
        assert!(child_of(&court, &theirs).is_some(), "{number}: {:?}", court.refused);
        let waiting: Vec<_> = court.resolution.outputs.values().collect();
        assert_eq!(waiting.len(), 1);
        assert_eq!(waiting[0].since, since, "its fee goes on rising");
        court.chain.evict(&theirs.compute_txid());
        court.see(&[]);
        court.event(Event::GoOnChain);
        assert!(court.child().is_some(), "ours again: {:?}", court.refused);
    }
}

#[test]
fn ours_has_a_child_when_it_goes_in_place_of_a_commitment_that_left_the_chain() {
    let mut court = Court::new(CommitmentFormat::Anchors, Htlcs::everywhere(both()));
    court.upstream(0, EXPIRY + 80);
    let theirs = court.their_commitment(ACKED);
    court.mine_with(std::slice::from_ref(&theirs));
    court.chain.reorg(1);
    let from = Height(court.tip().0 + 1);
    court.event(Event::Reorged { from });
    court.feerates = Feerates::flat(FeeratePerKw(3_000));
    fees_rise(&mut court, &theirs);
    court.deaf = true;
    court.mine_with(&[]);
    court.deaf = false;
    court.event(Event::GoOnChain);
    assert!(court.child().is_some(), "{:?}", court.refused);
}

#[test]
fn one_that_left_the_chain_does_not_take_the_child_from_another_that_the_mempool_has() {
    let htlcs = Htlcs { next: Some(both()), ..Htlcs::everywhere(both()) };
    let mut court = Court::new(CommitmentFormat::Anchors, htlcs);
    court.upstream(0, EXPIRY + 80);
    court.feerates = Feerates::flat(FeeratePerKw(3_000));
    let (left, next) = (court.their_commitment(ACKED), court.their_commitment(NEXT));
    court.mine_with(std::slice::from_ref(&left));
    court.chain.reorg(1);
    court.chain.evict(&left.compute_txid());
    let from = Height(court.tip().0 + 1);
    court.event(Event::Reorged { from });
    court.chain.submit(next.clone()).expect("nothing is in its way");
    court.see(&[&next]);
    court.mine_with(&[]);
    assert!(child_of(&court, &next).is_some(), "{:?}", court.refused);
    let anchors: Vec<_> = court.resolution.outputs.keys().filter(|o| o.txid == next.compute_txid()).collect();
    assert_eq!(anchors.len(), 1);
}
