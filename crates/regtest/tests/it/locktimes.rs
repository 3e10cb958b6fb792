//! Absolute and relative locktimes.

use crate::kit::{anyone, chain, coin, mine, out, spend};
use astrape_primitives::Height;
use astrape_regtest::{BlockReject, RegtestChain, TxInvalid};
use bitcoin::absolute::LockTime;
use bitcoin::{Sequence, Transaction};

fn is_refused(chain: &mut RegtestChain, tx: &Transaction, rule: &TxInvalid) -> bool {
    let in_block = chain.clone().mine_with(std::slice::from_ref(tx), &anyone());
    let block_agrees = matches!(in_block, Err(BlockReject::Transaction { invalid, .. }) if invalid == *rule);
    chain.submit(tx.clone()) == Err(rule.clone().into()) && block_agrees
}

#[test]
fn a_locktime_height_opens_in_the_block_above_it() {
    let mut chain = chain();
    let mut tx = spend(&[coin(&mut chain, 100_000)], &[90_000]);
    tx.lock_time = LockTime::from_height(chain.tip().height.0 + 2).unwrap();
    tx.input[0].sequence = Sequence::ENABLE_LOCKTIME_NO_RBF;
    assert!(is_refused(&mut chain, &tx, &TxInvalid::NonFinal));
    mine(&mut chain, 1);
    assert!(is_refused(&mut chain, &tx, &TxInvalid::NonFinal));
    mine(&mut chain, 1);
    chain.submit(tx).unwrap();
}

#[test]
fn a_locktime_in_time_is_measured_by_the_median_time() {
    let mut chain = chain();
    let mut tx = spend(&[coin(&mut chain, 100_000)], &[90_000]);
    let later = chain.now().plus(3_600_000);
    tx.lock_time = LockTime::from_time(u32::try_from(later.secs()).unwrap()).unwrap();
    tx.input[0].sequence = Sequence::ENABLE_LOCKTIME_NO_RBF;
    chain.set_now(later.plus(1_000));
    mine(&mut chain, 5);
    assert!(is_refused(&mut chain, &tx, &TxInvalid::NonFinal), "the median lags behind");
    mine(&mut chain, 1);
    chain.submit(tx).unwrap();
}

#[test]
fn final_sequences_switch_the_locktime_off() {
    let mut chain = chain();
    let mut tx = spend(&[coin(&mut chain, 100_000)], &[90_000]);
    tx.lock_time = LockTime::from_height(chain.tip().height.0 + 1_000).unwrap();
    tx.input[0].sequence = Sequence::MAX;
    chain.submit(tx).unwrap();
}

#[test]
fn a_relative_height_counts_from_the_block_of_the_coin() {
    let mut chain = chain();
    let mut tx = spend(&[coin(&mut chain, 100_000)], &[90_000]);
    tx.input[0].sequence = Sequence::from_height(3);
    assert!(is_refused(&mut chain, &tx, &TxInvalid::NonBip68Final));
    mine(&mut chain, 1);
    assert!(is_refused(&mut chain, &tx, &TxInvalid::NonBip68Final));
    mine(&mut chain, 1);
    chain.submit(tx).unwrap();
}

#[test]
fn a_relative_height_means_nothing_before_version_2() {
    let mut chain = chain();
    let mut tx = spend(&[coin(&mut chain, 100_000)], &[90_000]);
    tx.input[0].sequence = Sequence::from_height(3);
    tx.version = bitcoin::transaction::Version::ONE;
    chain.submit(tx).unwrap();
}

#[test]
fn an_unconfirmed_coin_has_no_relative_age() {
    let mut chain = chain();
    let parent = spend(&[coin(&mut chain, 100_000)], &[95_000]);
    let mut child = spend(&[out(&parent, 0)], &[90_000]);
    child.input[0].sequence = Sequence::from_height(1);
    chain.submit(parent).unwrap();
    assert_eq!(chain.submit(child.clone()), Err(TxInvalid::NonBip68Final.into()));
    mine(&mut chain, 1);
    chain.submit(child).unwrap();
}

#[test]
fn a_relative_time_counts_in_units_of_512_seconds() {
    let mut chain = chain();
    mine(&mut chain, 11);
    let mut tx = spend(&[coin(&mut chain, 100_000)], &[90_000]);
    tx.input[0].sequence = Sequence::from_512_second_intervals(2);
    assert!(is_refused(&mut chain, &tx, &TxInvalid::NonBip68Final));
    chain.set_now(chain.now().plus(1_100_000));
    mine(&mut chain, 6);
    chain.submit(tx).unwrap();
}

#[test]
fn a_reorg_makes_a_spend_too_early_again() {
    let mut chain = chain();
    let mut tx = spend(&[coin(&mut chain, 100_000)], &[90_000]);
    tx.input[0].sequence = Sequence::from_height(3);
    mine(&mut chain, 2);
    let tip = chain.tip().height;
    chain.submit(tx).unwrap();
    chain.reorg(1);
    assert_eq!(chain.tip().height, Height(tip.0 - 1));
    assert!(chain.mempool().is_empty());
}
