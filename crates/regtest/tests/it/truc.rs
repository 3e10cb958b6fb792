//! Version 3 transactions, BIP 431.

use crate::kit::{chain, coin, out, spend, v3};
use astrape_regtest::{MempoolReject, RegtestChain};
use bitcoin::Transaction;

const VIOLATION: Result<bitcoin::Txid, MempoolReject> = Err(MempoolReject::TrucViolation);

/// A chain with an unconfirmed version 3 transaction of three outputs, 30,000 sat each.
fn with_parent() -> (RegtestChain, Transaction) {
    let mut chain = chain();
    let parent = v3(spend(&[coin(&mut chain, 100_000)], &[30_000; 3]));
    chain.submit(parent.clone()).unwrap();
    (chain, parent)
}

#[test]
fn versions_do_not_mix_while_unconfirmed() {
    let (mut chain, parent) = with_parent();
    assert_eq!(chain.submit(spend(&[out(&parent, 0)], &[20_000])), VIOLATION);
    let plain = spend(&[coin(&mut chain, 100_000)], &[99_000]);
    chain.submit(plain.clone()).unwrap();
    assert_eq!(chain.submit(v3(spend(&[out(&plain, 0)], &[90_000]))), VIOLATION);
    chain.submit(v3(spend(&[out(&parent, 0)], &[20_000]))).expect("the parent was confirmed in between");
}

#[test]
fn a_version_3_transaction_has_one_child_and_no_grandchild() {
    let (mut chain, parent) = with_parent();
    let child = v3(spend(&[out(&parent, 0)], &[20_000]));
    chain.submit(child.clone()).unwrap();
    assert_eq!(chain.submit(v3(spend(&[out(&child, 0)], &[10_000]))), VIOLATION);
}

#[test]
fn a_better_paying_sibling_takes_the_childs_place() {
    let (mut chain, parent) = with_parent();
    let child = v3(spend(&[out(&parent, 0)], &[29_000]));
    chain.submit(child.clone()).unwrap();
    let stingy = v3(spend(&[out(&parent, 1)], &[29_000]));
    assert_eq!(chain.submit(stingy), Err(MempoolReject::InsufficientFee));
    let generous = v3(spend(&[out(&parent, 1)], &[28_000]));
    chain.submit(generous.clone()).unwrap();
    assert!(!chain.in_mempool(&child.compute_txid()) && chain.in_mempool(&generous.compute_txid()));
}

#[test]
fn two_unconfirmed_parents_are_one_too_many() {
    let (mut chain, one) = with_parent();
    let from = chain.fund(&crate::kit::anyone(), astrape_primitives::Sat(50_000)).unwrap();
    chain.mine(1, &crate::kit::anyone());
    let two = v3(spend(&[from], &[49_000]));
    chain.submit(two.clone()).unwrap();
    let three = v3(spend(&[out(&one, 0)], &[29_000]));
    chain.submit(three.clone()).expect("its parent is confirmed");
    assert_eq!(chain.submit(v3(spend(&[out(&two, 0), out(&three, 0)], &[70_000]))), VIOLATION);
}

#[test]
fn sizes_are_limited() {
    let mut chain = chain();
    let from = coin(&mut chain, 10_000_000);
    assert_eq!(chain.submit(v3(spend(&[from], &[400; 240]))), VIOLATION, "above 10,000 vbyte");
    let parent = v3(spend(&[from], &[9_900_000]));
    chain.submit(parent.clone()).unwrap();
    assert_eq!(chain.submit(v3(spend(&[out(&parent, 0)], &[400; 23]))), VIOLATION, "above 1,000 vbyte");
    chain.submit(v3(spend(&[out(&parent, 0)], &[400; 20]))).unwrap();
}

#[test]
fn a_package_makes_no_grandchild_either() {
    let (mut chain, grandparent) = with_parent();
    let parent = v3(spend(&[out(&grandparent, 0)], &[30_000]));
    let child = v3(spend(&[out(&parent, 0)], &[20_000]));
    assert!(chain.submit_package(&[parent.clone(), child.clone()]).is_err());
    chain.mine(1, &crate::kit::anyone());
    chain.submit_package(&[parent, child]).unwrap();
}

#[test]
fn a_reorg_may_leave_what_the_rules_would_refuse() {
    let (mut chain, parent) = with_parent();
    chain.mine(1, &crate::kit::anyone());
    let plain = spend(&[out(&parent, 0)], &[20_000]);
    chain.submit(plain.clone()).unwrap();
    chain.reorg(1);
    assert!(chain.in_mempool(&parent.compute_txid()) && chain.in_mempool(&plain.compute_txid()));
    assert_eq!(chain.submit(v3(spend(&[out(&plain, 0)], &[10_000]))), VIOLATION);
    assert_eq!(
        chain.submit(spend(&[out(&plain, 0)], &[10_000])),
        VIOLATION,
        "an ancestor counts as a parent does"
    );
}
