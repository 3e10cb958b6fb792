//! Full RBF with the fee rules of BIP 125.

use crate::kit::{anyone, chain, coin, out, spend};
use astrape_primitives::Sat;
use astrape_regtest::{MempoolReject, RegtestChain};
use bitcoin::{OutPoint, Sequence, Transaction};

/// A coin of 100,000 sat with an unconfirmed spend of it that pays 5,000 sat for 96 virtual bytes, and another
/// confirmed coin of 5,000,000 sat.
struct Contest {
    chain: RegtestChain,
    from: OutPoint,
    other: OutPoint,
    first: Transaction,
}

fn contest() -> Contest {
    let mut chain = chain();
    let other = coin(&mut chain, 5_000_000);
    let from = coin(&mut chain, 100_000);
    let first = spend(&[from], &[95_000]);
    assert_eq!((first.vsize(), first.input[0].sequence), (96, Sequence::MAX));
    chain.submit(first.clone()).unwrap();
    Contest { chain, from, other, first }
}

#[test]
fn a_transaction_that_signals_nothing_is_replaced() {
    let Contest { mut chain, from, first, .. } = contest();
    let second = spend(&[from], &[90_000]);
    chain.submit(second.clone()).unwrap();
    assert!(!chain.in_mempool(&first.compute_txid()));
    assert!(chain.in_mempool(&second.compute_txid()));
}

#[test]
fn a_replacement_pays_for_the_replaced_and_for_its_own_size() {
    let Contest { mut chain, from, .. } = contest();
    for refused in [95_001, 94_999, 94_905] {
        assert_eq!(
            chain.submit(spend(&[from], &[refused])),
            Err(MempoolReject::InsufficientFee),
            "{refused}"
        );
    }
    chain.submit(spend(&[from], &[94_904])).expect("5,000 for the replaced and 96 for itself");
}

#[test]
fn a_replacement_pays_for_the_children_too() {
    let Contest { mut chain, from, first, .. } = contest();
    chain.submit(spend(&[out(&first, 0)], &[85_000])).unwrap();
    assert_eq!(chain.submit(spend(&[from], &[90_000])), Err(MempoolReject::InsufficientFee));
    chain.submit(spend(&[from], &[84_000])).unwrap();
    assert_eq!(chain.mempool().len(), 1, "the child went with its parent");
}

/// 1,000 outputs make it 43,000 virtual bytes.
fn large(inputs: &[OutPoint], total: u64, fee: u64) -> Transaction {
    let mut outputs = vec![400; 1_000];
    outputs.push(total - 400_000 - fee);
    spend(inputs, &outputs)
}

#[test]
fn a_large_cheap_transaction_pins_a_small_better_paying_one() {
    let Contest { mut chain, from, other, first } = contest();
    chain.evict(&first.compute_txid());
    chain.submit(large(&[from, other], 5_100_000, 50_000)).unwrap();
    assert_eq!(chain.submit(spend(&[from], &[90_000])), Err(MempoolReject::InsufficientFee), "rule 3");
    chain.submit(spend(&[from], &[49_904])).expect("the absolute fee is what counts");
}

#[test]
fn a_replacement_of_lower_feerate_is_refused_however_much_it_pays() {
    let Contest { mut chain, from, other, .. } = contest();
    assert_eq!(chain.submit(large(&[from, other], 5_100_000, 100_000)), Err(MempoolReject::InsufficientFee));
    chain.submit(large(&[from, other], 5_100_000, 2_500_000)).unwrap();
}

#[test]
fn at_most_a_hundred_transactions_are_replaced() {
    let mut chain = chain();
    let from = coin(&mut chain, 10_000_000);
    let wide = spend(&[from], &[90_000; 101]);
    chain.submit(wide.clone()).unwrap();
    chain.mine(1, &anyone());
    for vout in 0..101 {
        chain.submit(spend(&[out(&wide, vout)], &[89_800])).unwrap();
    }
    let inputs: Vec<OutPoint> = (0..101).map(|vout| out(&wide, vout)).collect();
    assert_eq!(chain.submit(spend(&inputs, &[1_000_000])), Err(MempoolReject::TooManyReplacements));
    chain.submit(spend(&inputs[..100], &[1_000_000])).unwrap();
}

#[test]
fn a_replacement_brings_no_new_unconfirmed_inputs() {
    let Contest { mut chain, from, other, .. } = contest();
    let parent = spend(&[other], &[4_990_000]);
    chain.submit(parent.clone()).unwrap();
    let joined = spend(&[from, out(&parent, 0)], &[4_000_000]);
    assert_eq!(chain.submit(joined.clone()), Err(MempoolReject::ReplacementAddsUnconfirmed));
    chain.mine_with(&[parent], &anyone()).unwrap();
    chain.submit(joined).unwrap();
}

#[test]
fn a_replacement_cannot_spend_what_it_evicts() {
    let Contest { mut chain, from, first, .. } = contest();
    let joined = spend(&[from, out(&first, 0)], &[50_000]);
    assert_eq!(chain.submit(joined), Err(MempoolReject::SpendsConflicting));
}

#[test]
fn a_cycled_replacement_leaves_the_mempool_empty_of_both() {
    let Contest { mut chain, from, other, first: honest } = contest();
    let cycling = spend(&[from, other], &[5_080_000]);
    chain.submit(cycling.clone()).unwrap();
    assert!(!chain.in_mempool(&honest.compute_txid()));
    let away = spend(&[other], &[4_970_000]);
    chain.submit(away.clone()).unwrap();
    assert_eq!(chain.mempool().iter().map(|tx| tx.compute_txid()).collect::<Vec<_>>(), [away.compute_txid()]);
    chain.submit(honest).expect("the honest one has to be sent again");
}

#[test]
fn the_incremental_feerate_can_be_set() {
    let Contest { mut chain, from, .. } = contest();
    let policy = astrape_regtest::Policy {
        incremental: astrape_primitives::FeeratePerKw::from_sat_per_vb(10),
        ..chain.policy()
    };
    chain.set_policy(policy);
    assert_eq!(chain.submit(spend(&[from], &[94_041])), Err(MempoolReject::InsufficientFee));
    let txid = chain.submit(spend(&[from], &[94_040])).unwrap();
    assert_eq!(chain.mempool_fee(&txid), Some((Sat(5_960), 96)));
}
