//! Headers, coins, mining and reorgs.

use crate::kit::{START, anyone, chain, coin, mine, out, spend};
use astrape_primitives::{Height, Sat};
use astrape_regtest::{BlockReject, FundError, MempoolReject, Place, Policy, RegtestChain, TxInvalid};
use bitcoin::{Network, Weight};
use std::collections::BTreeSet;

#[test]
fn a_new_chain_is_the_regtest_genesis_block() {
    let chain = RegtestChain::new(START);
    assert_eq!(chain.tip().height, Height(0));
    assert_eq!(chain.tip().hash, bitcoin::constants::genesis_block(Network::Regtest).block_hash());
}

#[test]
fn every_block_has_proof_of_work_and_commits_to_its_transactions() {
    let mut chain = chain();
    coin(&mut chain, 100_000);
    for height in 1..=chain.tip().height.0 {
        let block = chain.block_at(Height(height)).unwrap();
        block.header.validate_pow(block.header.target()).expect("the hash meets the target");
        assert!(block.check_merkle_root() && block.check_witness_commitment());
        // Heights up to 16 are opcodes and no pushes, which this reader does not know.
        assert!(height <= 16 || block.bip34_block_height() == Ok(u64::from(height)));
        assert_eq!(Some(block.header.prev_blockhash), chain.hash_at(Height(height - 1)));
    }
}

#[test]
fn block_times_follow_the_caller_and_rise_above_the_median() {
    let mut chain = chain();
    let time = |chain: &RegtestChain| chain.block(&chain.tip().hash).unwrap().header.time;
    mine(&mut chain, 3);
    let before = time(&chain);
    assert!(u64::from(before) >= START.secs());
    chain.set_now(START.plus(3_600_000));
    mine(&mut chain, 1);
    assert_eq!(u64::from(time(&chain)), START.secs() + 3_600);
    chain.set_now(START);
    mine(&mut chain, 12);
    assert!(time(&chain) > before);
}

#[test]
fn the_same_calls_make_the_same_chain() {
    let run = || {
        let mut chain = chain();
        coin(&mut chain, 50_000);
        chain.reorg(2);
        mine(&mut chain, 3);
        chain.tip()
    };
    assert_eq!(run(), run());
}

#[test]
fn clones_go_their_own_ways() {
    let mut one = chain();
    let tip = one.tip();
    let mut two = one.clone();
    coin(&mut one, 50_000);
    assert_eq!(two.tip(), tip);
    assert!(two.mempool().is_empty());
    mine(&mut two, 5);
    assert_eq!(one.tip().height, tip.height.plus(1));
}

#[test]
fn a_coinbase_is_spendable_after_a_hundred_blocks() {
    let mut chain = RegtestChain::new(START);
    let hash = chain.mine(1, &anyone())[0];
    let coinbase = chain.block(&hash).unwrap().txdata[0].clone();
    let tx = spend(&[out(&coinbase, 0)], &[4_999_990_000]);
    mine(&mut chain, 98);
    assert_eq!(chain.submit(tx.clone()), Err(TxInvalid::PrematureCoinbaseSpend.into()));
    let premature = chain.mine_with(std::slice::from_ref(&tx), &anyone());
    assert!(matches!(
        premature,
        Err(BlockReject::Transaction { invalid: TxInvalid::PrematureCoinbaseSpend, .. })
    ));
    mine(&mut chain, 1);
    assert_eq!(
        chain.unspent(&out(&coinbase, 0)).map(|coin| (coin.confirmations, coin.coinbase)),
        Some((100, true))
    );
    chain.submit(tx).unwrap();
}

#[test]
fn the_miner_gets_subsidy_and_fees_and_the_subsidy_halves() {
    let mut chain = chain();
    let from = coin(&mut chain, 100_000);
    chain.submit(spend(&[from], &[90_000])).unwrap();
    let hash = chain.mine(1, &anyone())[0];
    assert_eq!(chain.block(&hash).unwrap().txdata[0].output[0].value.to_sat(), 5_000_010_000);
    let left = 150 - chain.tip().height.0;
    mine(&mut chain, left);
    let block = chain.block(&chain.tip().hash).unwrap();
    assert_eq!(block.txdata[0].output[0].value.to_sat(), 2_500_000_000);
}

#[test]
fn a_transaction_is_found_in_the_mempool_and_then_in_its_block() {
    let mut chain = chain();
    let from = coin(&mut chain, 100_000);
    assert!(chain.is_unspent(&from));
    let tx = spend(&[from], &[90_000]);
    let txid = chain.submit(tx.clone()).unwrap();
    assert_eq!(chain.transaction(&txid).unwrap().place, Place::Mempool);
    assert_eq!(chain.confirmations(&txid), 0);
    assert!(!chain.is_unspent(&from), "the mempool spends it");
    assert_eq!(chain.spender_in_mempool(&from).as_deref(), Some(&tx));
    assert_eq!(chain.unspent(&out(&tx, 0)).unwrap().confirmations, 0);

    let hash = chain.mine(1, &anyone())[0];
    mine(&mut chain, 2);
    let seen = chain.transaction(&txid).unwrap();
    let Place::Block { id, index, confirmations } = seen.place else { panic!("it is in a block") };
    assert_eq!((id.hash, index, confirmations), (hash, 1, 3));
    assert!(chain.mempool().is_empty());
    assert!(chain.is_unspent(&out(&tx, 0)) && !chain.is_unspent(&from));
    assert_eq!(chain.submit(tx), Err(MempoolReject::AlreadyKnown));
}

#[test]
fn the_best_paying_packages_are_mined_first() {
    let mut chain = chain();
    let coins: Vec<_> = (0..4).map(|_| chain.fund(&anyone(), Sat(100_000)).unwrap()).collect();
    mine(&mut chain, 1);
    let middle = spend(&[coins[0]], &[98_000]);
    let poor_parent = spend(&[coins[1]], &[99_900]);
    let rich_child = spend(&[out(&poor_parent, 0)], &[90_000]);
    let poor = spend(&[coins[2]], &[99_900]);
    let rich = spend(&[coins[3]], &[95_000]);
    for tx in [&middle, &poor_parent, &rich_child, &poor, &rich] {
        chain.submit(tx.clone()).unwrap();
    }
    // Room for three of these transactions: the child with its parent, then the rich one.
    let room = rich.weight().to_wu() * 3 + 8_000 + 100;
    chain.set_policy(Policy { block_weight: room, ..Policy::default() });
    mine(&mut chain, 1);
    for (tx, confirmations) in [(&poor_parent, 1), (&rich_child, 1), (&rich, 1), (&middle, 0), (&poor, 0)] {
        assert_eq!(chain.confirmations(&tx.compute_txid()), confirmations);
    }
    let block = chain.block(&chain.tip().hash).unwrap();
    assert!(block.weight() <= Weight::from_wu(room));
    mine(&mut chain, 1);
    assert!(chain.mempool().is_empty());
}

#[test]
fn a_block_that_breaks_a_rule_changes_nothing() {
    let mut chain = chain();
    let from = coin(&mut chain, 100_000);
    let tip = chain.tip();
    let good = spend(&[from], &[90_000]);
    let again = spend(&[from], &[80_000]);
    let mut unlocked = good.clone();
    unlocked.input[0].witness.clear();
    let makes_money = spend(&[from], &[100_001]);
    let coinbase = chain.block(&tip.hash).unwrap().txdata[0].clone();
    for (txs, text) in [
        (vec![good.clone(), again], "bad-txns-inputs-missingorspent"),
        (vec![unlocked], "mandatory-script-verify-flag-failed (input 0)"),
        (vec![makes_money], "bad-txns-in-belowout"),
        (vec![coinbase], "bad-cb-multiple"),
        (vec![spend(&[out(&good, 0)], &[80_000]), good.clone()], "bad-txns-inputs-missingorspent"),
    ] {
        let reject = chain.mine_with(&txs, &anyone()).unwrap_err().to_string();
        assert!(reject.ends_with(text), "{reject}");
        assert_eq!(chain.tip(), tip);
    }
    let child = spend(&[out(&good, 0)], &[80_000]);
    chain.mine_with(&[good, child], &anyone()).unwrap();
}

#[test]
fn a_block_evicts_what_conflicts_with_it() {
    let mut chain = chain();
    let from = coin(&mut chain, 100_000);
    let mine_first = spend(&[from], &[90_000]);
    let loser = spend(&[from], &[95_000]);
    let loser_child = spend(&[out(&loser, 0)], &[90_000]);
    chain.submit(loser).unwrap();
    chain.submit(loser_child.clone()).unwrap();
    chain.mine_with(std::slice::from_ref(&mine_first), &anyone()).unwrap();
    assert!(chain.mempool().is_empty());
    assert_eq!(chain.submit(loser_child), Err(TxInvalid::MissingInputs.into()));
}

#[test]
fn a_reorg_gives_transactions_back_to_the_mempool() {
    let mut chain = chain();
    let from = coin(&mut chain, 100_000);
    let parent = spend(&[from], &[95_000]);
    let child = spend(&[out(&parent, 0)], &[90_000]);
    let waiting = spend(&[out(&child, 0)], &[85_000]);
    chain.submit(parent.clone()).unwrap();
    mine(&mut chain, 1);
    chain.submit(child.clone()).unwrap();
    mine(&mut chain, 1);
    chain.submit(waiting.clone()).unwrap();
    let tip = chain.tip();

    let gone = chain.reorg(2);
    assert_eq!(gone[0], tip);
    assert_eq!(chain.tip().height.plus(2), tip.height);
    let waits: Vec<_> = chain.mempool().iter().map(|tx| tx.compute_txid()).collect();
    assert_eq!(waits, [&parent, &child, &waiting].map(|tx| tx.compute_txid()));
    assert!(chain.is_unspent(&out(&waiting, 0)) && !chain.is_unspent(&from));

    mine(&mut chain, 3);
    assert_ne!(chain.hash_at(tip.height), Some(tip.hash), "blocks mined again are other blocks");
    assert_eq!(chain.confirmations(&waiting.compute_txid()), 3);
}

#[test]
fn a_reorg_drops_what_is_no_longer_valid() {
    let mut chain = RegtestChain::new(START);
    let hash = chain.mine(1, &anyone())[0];
    let coinbase = chain.block(&hash).unwrap().txdata[0].clone();
    mine(&mut chain, 99);
    let tx = spend(&[out(&coinbase, 0)], &[4_999_990_000]);
    chain.submit(tx.clone()).unwrap();
    chain.submit(spend(&[out(&tx, 0)], &[4_999_980_000])).unwrap();
    chain.reorg(1);
    assert!(
        chain.mempool().is_empty(),
        "the coinbase is too young again, and what hangs on its spend goes too"
    );
}

#[test]
fn a_reorg_can_confirm_the_other_one_of_two_conflicting_transactions() {
    let mut chain = chain();
    let from = coin(&mut chain, 100_000);
    let first = spend(&[from], &[90_000]);
    let second = spend(&[from], &[95_000]);
    chain.submit(first.clone()).unwrap();
    mine(&mut chain, 6);
    chain.reorg(6);
    chain.mine_with(std::slice::from_ref(&second), &anyone()).unwrap();
    mine(&mut chain, 6);
    assert_eq!(chain.confirmations(&second.compute_txid()), 7);
    assert!(chain.transaction(&first.compute_txid()).is_none());
}

#[test]
fn the_genesis_block_never_goes() {
    let mut chain = RegtestChain::new(START);
    mine(&mut chain, 3);
    assert_eq!(chain.reorg(10).len(), 3);
    assert_eq!(chain.tip().height, Height(0));
    assert!(chain.reorg(1).is_empty());
}

#[test]
fn no_two_blocks_ever_have_the_same_hash() {
    let mut chain = RegtestChain::new(START);
    let mut seen = BTreeSet::new();
    for _ in 0..20 {
        assert!(chain.mine(3, &anyone()).into_iter().all(|hash| seen.insert(hash)));
        chain.reorg(3);
    }
}

#[test]
fn the_faucet_mines_what_it_needs() {
    let mut chain = RegtestChain::new(START);
    let given = chain.fund(&anyone(), Sat(7_000_000_000)).unwrap();
    assert_eq!(chain.unspent(&given).unwrap().output.value.to_sat(), 7_000_000_000);
    assert_eq!(chain.fund(&anyone(), Sat(10_000 * 100_000_000)), Err(FundError::Dry(Sat(1_000_000_000_000))));
    assert_eq!(chain.fund(&anyone(), Sat(100)), Err(FundError::Refused(MempoolReject::Dust)));
}

#[test]
fn many_gifts_fit_in_one_block() {
    let mut chain = chain();
    let tip = chain.tip();
    let gifts: BTreeSet<_> = (0..30).map(|_| chain.fund(&anyone(), Sat(50_000)).unwrap()).collect();
    assert_eq!(chain.tip(), tip, "no block was needed");
    mine(&mut chain, 1);
    assert!(gifts.iter().all(|gift| chain.unspent(gift).unwrap().confirmations == 1));
}
