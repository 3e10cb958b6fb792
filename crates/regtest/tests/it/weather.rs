//! Congestion, and miners with a will of their own.

use crate::kit::{anyone, chain, coin, mine, out, spend};
use astrape_primitives::FeeratePerKw;
use astrape_regtest::{RegtestChain, Weather};
use bitcoin::{Transaction, Txid};
use std::collections::BTreeSet;

/// Transactions of about 100 virtual bytes that pay these fees.
fn paying<const N: usize>(chain: &mut RegtestChain, fees: [u64; N]) -> [Transaction; N] {
    let coins = fees.map(|fee| (coin(chain, 100_000), fee));
    coins.map(|(coin, fee)| {
        let tx = spend(&[coin], &[100_000 - fee]);
        chain.submit(tx.clone()).unwrap();
        tx
    })
}

fn is_mined(chain: &RegtestChain, tx: &Transaction) -> bool {
    chain.confirmations(&tx.compute_txid()) > 0
}

#[test]
fn a_full_block_takes_only_what_pays_its_price_and_a_child_may_pay() {
    let mut chain = chain();
    let [rich, poor, helped] = paying(&mut chain, [20_000, 1_000, 1_001]);
    let child = spend(&[out(&helped, 0)], &[60_000]);
    chain.submit(child.clone()).unwrap();
    let price = FeeratePerKw::from_sat_per_vb(50);
    chain.forecast([Weather { block_min: price, ..Weather::fair() }, Weather::fair()]);
    mine(&mut chain, 1);
    assert!(is_mined(&chain, &rich) && is_mined(&chain, &helped) && is_mined(&chain, &child));
    assert!(!is_mined(&chain, &poor));
    assert!(chain.in_mempool(&poor.compute_txid()), "it waits");
    mine(&mut chain, 1);
    assert!(is_mined(&chain, &poor), "the weather is fair again");
}

#[test]
fn the_mempools_floor_of_a_block_evicts_and_the_last_weather_stays() {
    let mut chain = chain();
    let [poor] = paying(&mut chain, [300]);
    chain.forecast([Weather::no_room(), Weather::full_at(FeeratePerKw::from_sat_per_vb(40))]);
    mine(&mut chain, 1);
    assert!(chain.in_mempool(&poor.compute_txid()) && !is_mined(&chain, &poor));
    mine(&mut chain, 1);
    assert!(!chain.in_mempool(&poor.compute_txid()), "it was evicted");
    mine(&mut chain, 1);
    assert_eq!(chain.policy().block_min, FeeratePerKw::from_sat_per_vb(40));
    assert!(chain.submit(poor).is_err());
}

#[test]
fn what_is_censored_waits_for_so_many_blocks_with_all_that_hangs_on_it() {
    let mut chain = chain();
    let [tx, other] = paying(&mut chain, [2_000, 1_000]);
    let child = spend(&[out(&tx, 0)], &[60_000]);
    chain.submit(child.clone()).unwrap();
    chain.censor(tx.compute_txid(), 3);
    for _ in 0..3 {
        mine(&mut chain, 1);
        assert!(!is_mined(&chain, &tx) && !is_mined(&chain, &child));
        assert!(is_mined(&chain, &other));
    }
    mine(&mut chain, 1);
    assert!(is_mined(&chain, &tx) && is_mined(&chain, &child));
}

#[test]
fn the_spend_of_an_output_is_censored_whichever_it_is() {
    let mut chain = chain();
    let from = coin(&mut chain, 100_000);
    chain.censor_spend(from, 2);
    chain.submit(spend(&[from], &[99_000])).unwrap();
    mine(&mut chain, 1);
    let replacement = spend(&[from], &[90_000]);
    chain.submit(replacement.clone()).unwrap();
    mine(&mut chain, 1);
    assert!(!is_mined(&chain, &replacement));
    mine(&mut chain, 1);
    assert!(is_mined(&chain, &replacement));
}

#[test]
fn another_branch_of_up_to_seven_blocks_leaves_out_what_it_wants() {
    for depth in 1..=6 {
        let mut chain = chain();
        let [kept, dropped] = paying(&mut chain, [2_000, 1_000]);
        mine(&mut chain, depth);
        let before = chain.tip();
        let left_out: BTreeSet<Txid> = BTreeSet::from([dropped.compute_txid()]);
        chain.replace_blocks(depth, &left_out, &anyone());
        assert_eq!(chain.tip().height, before.height.plus(1), "{depth}");
        assert_eq!(chain.events_since(before.hash).unwrap().len(), usize::try_from(2 * depth + 1).unwrap());
        assert!(is_mined(&chain, &kept) && !is_mined(&chain, &dropped), "{depth}");
        mine(&mut chain, 1);
        assert!(is_mined(&chain, &dropped), "{depth}");
    }
}
