//! A child with its parents.

use crate::kit::{anyone, chain, coin, out, spend, v3};
use astrape_primitives::FeeratePerKw;
use astrape_regtest::{MempoolReject, Offer, PackageFault, Policy, RegtestChain, TxInvalid};
use bitcoin::{Amount, ScriptBuf, Transaction, TxOut};

/// Pay to anchor.
fn anchor(sat: u64) -> TxOut {
    TxOut { value: Amount::from_sat(sat), script_pubkey: ScriptBuf::from_bytes(vec![0x51, 0x02, 0x4e, 0x73]) }
}

/// A chain whose mempool asks 10 sat/vbyte.
fn busy() -> RegtestChain {
    let mut chain = chain();
    chain.set_policy(Policy { mempool_min: FeeratePerKw::from_sat_per_vb(10), ..Policy::default() });
    chain
}

#[test]
fn a_child_pays_for_a_parent_below_the_mempools_floor() {
    let mut chain = busy();
    let parent = spend(&[coin(&mut chain, 100_000)], &[99_900]);
    let child = spend(&[out(&parent, 0)], &[97_000]);
    assert_eq!(chain.submit(parent.clone()), Err(MempoolReject::MempoolMinFee));
    let txids = chain.submit_package(&[parent.clone(), child.clone()]).unwrap();
    assert_eq!(txids, [parent.compute_txid(), child.compute_txid()]);
    assert_eq!(chain.mempool().len(), 2);
    chain.mine(1, &anyone());
    assert!(chain.mempool().is_empty());
}

#[test]
fn a_child_that_pays_too_little_for_both_is_refused() {
    let mut chain = busy();
    let parent = spend(&[coin(&mut chain, 100_000)], &[99_900]);
    let child = spend(&[out(&parent, 0)], &[98_900]);
    let reject = chain.submit_package(&[parent, child]).unwrap_err();
    assert_eq!(reject.fault, PackageFault::Transaction);
    assert!(reject.transactions.iter().all(|(_, reject)| *reject == MempoolReject::MempoolMinFee));
    assert!(reject.to_string().starts_with("transaction failed; "), "{reject}");
    assert!(chain.mempool().is_empty());
}

#[test]
fn below_the_relay_floor_only_version_3_comes_with_a_child() {
    let mut chain = chain();
    let from = coin(&mut chain, 100_000);
    let parent = spend(&[from], &[100_000]);
    let child = spend(&[out(&parent, 0)], &[97_000]);
    let reject = chain.submit_package(&[parent.clone(), child]).unwrap_err();
    assert_eq!(reject.transactions[0], (parent.compute_txid(), MempoolReject::MinRelayFee));

    let parent = v3(parent);
    let child = v3(spend(&[out(&parent, 0)], &[97_000]));
    chain.submit_package(&[parent, child]).unwrap();
}

#[test]
fn a_parent_that_needs_no_help_goes_in_even_if_the_child_fails() {
    let mut chain = chain();
    let parent = spend(&[coin(&mut chain, 100_000)], &[99_000]);
    let mut child = spend(&[out(&parent, 0)], &[97_000]);
    child.input[0].witness.clear();
    let reject = chain.submit_package(&[parent.clone(), child.clone()]).unwrap_err();
    let expected = MempoolReject::Invalid(TxInvalid::Script { input: 0 });
    assert_eq!(reject.transactions, [(child.compute_txid(), expected)]);
    assert!(chain.in_mempool(&parent.compute_txid()));
}

#[test]
fn members_already_in_the_mempool_are_fine() {
    let mut chain = chain();
    let parent = spend(&[coin(&mut chain, 100_000)], &[99_000]);
    let child = spend(&[out(&parent, 0)], &[97_000]);
    chain.submit(parent.clone()).unwrap();
    chain.submit_package(&[parent.clone(), child.clone()]).unwrap();
    chain.submit_package(&[parent, child]).expect("the same package again");
}

#[test]
fn the_form_of_a_package_is_checked() {
    let mut chain = chain();
    let (one, two) = (coin(&mut chain, 100_000), coin(&mut chain, 100_000));
    let parent = spend(&[one], &[99_000]);
    let child = spend(&[out(&parent, 0)], &[97_000]);
    let stranger = spend(&[two], &[99_000]);
    let rival = spend(&[one], &[98_000]);
    let many: Vec<Transaction> = (0..26).map(|n| spend(&[one], &[90_000 + n])).collect();
    for (package, fault) in [
        (vec![], PackageFault::TooMany),
        (many, PackageFault::TooMany),
        (vec![child.clone(), parent.clone()], PackageFault::NotSorted),
        (vec![parent.clone(), parent.clone(), child.clone()], PackageFault::Duplicates),
        (vec![parent.clone(), rival], PackageFault::Conflict),
        (vec![parent.clone(), stranger], PackageFault::NotChildWithParents),
        (vec![spend(&[one], &[400; 1_300]), spend(&[two], &[400; 1_300])], PackageFault::TooLarge),
    ] {
        assert_eq!(chain.submit_package(&package).unwrap_err(), fault.into());
    }
    assert!(chain.mempool().is_empty());
}

#[test]
fn a_child_with_several_parents_pays_for_all() {
    let mut chain = busy();
    let (one, two) = (coin(&mut chain, 100_000), coin(&mut chain, 100_000));
    let parents = [spend(&[one], &[99_900]), spend(&[two], &[99_900])];
    let child = spend(&[out(&parents[0], 0), out(&parents[1], 0)], &[190_000]);
    let [first, second] = parents;
    chain.submit_package(&[first, second, child]).unwrap();
    assert_eq!(chain.mempool().len(), 3);
}

#[test]
fn a_parent_with_its_child_replaces_a_rival_parent_with_its_child() {
    let mut chain = busy();
    let from = coin(&mut chain, 100_000);
    let rival = spend(&[from], &[99_900]);
    let rival_child = spend(&[out(&rival, 0)], &[97_000]);
    chain.submit_package(&[rival, rival_child]).unwrap();

    let parent = spend(&[from], &[99_800]);
    let stingy = spend(&[out(&parent, 0)], &[96_900]);
    let reject = chain.submit_package(&[parent.clone(), stingy]).unwrap_err();
    assert_eq!(reject.fault, PackageFault::Replacement);
    assert_eq!(reject.to_string(), "package RBF failed");

    let generous = spend(&[out(&parent, 0)], &[96_000]);
    chain.submit_package(&[parent.clone(), generous.clone()]).unwrap();
    let left: Vec<_> = chain.mempool().iter().map(|tx| tx.compute_txid()).collect();
    assert_eq!(left, [parent.compute_txid(), generous.compute_txid()]);
}

#[test]
fn a_package_replaces_no_larger_family() {
    let mut chain = busy();
    let from = coin(&mut chain, 100_000);
    let rival = spend(&[from], &[90_000]);
    let child = spend(&[out(&rival, 0)], &[88_000]);
    let grandchild = spend(&[out(&child, 0)], &[86_000]);
    for tx in [&rival, &child] {
        chain.submit(tx.clone()).unwrap();
    }
    let package = |fee: u64| {
        let parent = spend(&[from], &[99_900]);
        let child = spend(&[out(&parent, 0)], &[99_900 - fee]);
        [parent, child]
    };
    let mut fork = chain.clone();
    fork.submit(grandchild).unwrap();
    assert_eq!(fork.submit_package(&package(90_000)).unwrap_err().fault, PackageFault::Replacement);
    chain.submit_package(&package(90_000)).unwrap();
}

#[test]
fn dust_is_relayed_when_the_child_of_a_free_parent_spends_it_at_once() {
    let mut chain = chain();
    let mut parent = v3(spend(&[coin(&mut chain, 100_000)], &[100_000]));
    parent.output.push(anchor(0));
    let mut child = v3(spend(&[out(&parent, 0), out(&parent, 1)], &[98_000]));
    child.input[1].witness.clear();
    let leaves_dust = v3(spend(&[out(&parent, 0)], &[98_000]));

    assert_eq!(chain.submit(parent.clone()), Err(MempoolReject::MinRelayFee));
    let reject = chain.submit_package(&[parent.clone(), leaves_dust.clone()]).unwrap_err();
    assert_eq!(reject.transactions, [(leaves_dust.compute_txid(), MempoolReject::MissingEphemeralSpends)]);
    chain.submit_package(&[parent, child]).unwrap();
}

#[test]
fn dust_with_a_fee_is_refused() {
    let mut chain = chain();
    let mut parent = v3(spend(&[coin(&mut chain, 100_000)], &[99_000]));
    parent.output.push(anchor(0));
    assert_eq!(chain.submit(parent.clone()), Err(MempoolReject::Dust));
    parent.output[1] = anchor(240);
    chain.submit(parent).expect("240 sat in an anchor are no dust");
}

#[test]
fn a_pay_to_anchor_output_is_spent_without_a_witness() {
    let mut chain = chain();
    let mut parent = spend(&[coin(&mut chain, 100_000)], &[99_000]);
    parent.output.push(anchor(240));
    chain.submit(parent.clone()).unwrap();
    let child = spend(&[out(&parent, 0), out(&parent, 1)], &[98_000]);
    assert_eq!(chain.submit(child.clone()), Err(MempoolReject::NonstandardWitness));
    let mut bare = child;
    bare.input[1].witness.clear();
    chain.submit(bare).unwrap();
}

#[test]
fn what_a_package_gets_in_stays_out_where_packages_are_not_taken() {
    let family = |chain: &mut RegtestChain| {
        let parent = spend(&[coin(chain, 100_000)], &[99_900]);
        let child = spend(&[out(&parent, 0)], &[97_000]);
        [parent, child]
    };
    let mut with = busy();
    let package = family(&mut with);
    assert_eq!(with.offer(&package), Ok(Offer::Taken));
    with.mine(1, &anyone());
    assert_eq!(with.offer(&package), Ok(Offer::AlreadyThere), "a confirmed parent makes no package");

    let mut without = busy();
    without.set_policy(Policy { packages: false, ..without.policy() });
    let package = family(&mut without);
    let refused = without.offer(&package).unwrap_err();
    assert!(refused.contains("missing"), "{refused}");
    without.set_policy(Policy { mempool_min: FeeratePerKw(0), ..without.policy() });
    assert_eq!(without.offer(&package), Ok(Offer::Taken), "one after the other, once the floor is low");
    assert_eq!(without.mempool().len(), 2);
    assert!(without.offer(&[]).is_err());
}
