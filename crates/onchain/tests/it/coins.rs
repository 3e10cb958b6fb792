//! The coins of the wallet that pay for claims, and who gets them.

use crate::kit::{Court, EXPIRY, Htlcs, both, elsewhere, empty, htlc, input, us};
use astrape_onchain::{Event, Story, Waiting};
use astrape_primitives::{FeeratePerKw, Feerates, Height, HtlcId, Sat, Side};
use astrape_transactions::signing::{ClaimInput, ClaimRequest, Spend};
use astrape_transactions::{CommitmentFormat, Signer as _, WalletInput};
use bitcoin::{OutPoint, Sequence, Transaction, TxOut};

// attack 27
#[test]
fn missing_coins_are_told_once_and_the_child_goes_out_when_they_come() {
    let mut court = Court::new(CommitmentFormat::Anchors, Htlcs::everywhere(both()));
    court.coins.clear();
    court.upstream(0, EXPIRY + 80);
    court.feerates = Feerates::flat(FeeratePerKw(3_000));
    for _ in 0..3 {
        court.event(Event::GoOnChain);
        court.mine_with(&[]);
    }
    let told = |court: &Court| court.stories().iter().filter(|s| matches!(s, Story::NoCoins { .. })).count();
    assert_eq!(told(&court), 1);
    court.give_coins(1, 50_000);
    court.event(Event::GoOnChain);
    let parent = court.our_commitment().compute_txid();
    assert!(court.chain.in_mempool(&parent));
    assert_eq!(told(&court), 1);
}

/// Other channels that wait for a coin, of which so many have a deadline.
fn waiting(channels: usize, urgent: usize) -> Waiting {
    let deadline = (urgent > 0).then_some(Height(EXPIRY));
    Waiting { channels, urgent, holders: 1, deadline, at_stake: Sat(200_000 * urgent as u64) }
}

/// A channel that goes on chain with one coin of so many satoshi, while so many others wait for one.
fn gone_with_one_coin(sat: u64, others: usize) -> Court {
    let mut court = Court::new(CommitmentFormat::Anchors, Htlcs::everywhere(both()));
    court.upstream(0, EXPIRY + 80);
    court.feerates = Feerates::flat(FeeratePerKw(2_000));
    court.coins.clear();
    court.give_coins(1, sat);
    court.waiting = waiting(others, 0);
    court.event(Event::GoOnChain);
    court
}

// attack 27
#[test]
fn the_change_is_a_coin_for_each_channel_that_waits_for_one() {
    let court = gone_with_one_coin(500_000, 2);
    let outputs = court.child().expect("a child").output.clone();
    assert_eq!(outputs.len(), 3, "one for itself too");
    assert!(outputs.iter().all(|output| output.value.to_sat() > 160_000), "{outputs:?}");
    let all: u64 = outputs.iter().map(|output| output.value.to_sat()).sum();
    let claim = court.resolution.claims.values().next().expect("it");
    assert_eq!(all + claim.fee.0, 500_000 + 330);
    court.assert_none_refused();
    // A coin that would be too small for any of them stays whole.
    let court = gone_with_one_coin(30_000, 40);
    assert_eq!(court.child().expect("a child").output.len(), 1);
}

// attack 27
#[test]
fn a_close_that_can_wait_leaves_the_coins_to_those_that_cannot() {
    for (urgent, has_child) in [(3, false), (2, true)] {
        let mut court = Court::new(CommitmentFormat::Anchors, Htlcs::default());
        court.feerates = Feerates::flat(FeeratePerKw(2_000));
        court.waiting = waiting(5, urgent);
        court.event(Event::GoOnChain);
        assert_eq!(court.child().is_some(), has_child, "three coins and {urgent} others");
        if !has_child {
            court.waiting = waiting(0, 0);
            court.mine_with(&[]);
            assert!(court.child().is_some(), "when they are served");
        }
    }
}

// attack 27
#[test]
fn a_child_whose_coin_others_need_in_time_is_in_a_block_before_their_deadline() {
    let mut court = Court::new(CommitmentFormat::Anchors, Htlcs::default());
    court.feerates = Feerates::flat(FeeratePerKw(1_500));
    court.event(Event::GoOnChain);
    let feerate = |court: &Court| {
        let claim = court.resolution.claims.values().next().expect("a child");
        claim.feerate.0
    };
    for _ in 0..6 {
        court.mine_with(&[]);
    }
    assert_eq!(feerate(&court), 1_500, "it has time");
    let deadline = Height(court.tip().0 + 18);
    court.waiting = Waiting { deadline: Some(deadline), ..waiting(1, 1) };
    let mut before = 0;
    while court.tip().0 < deadline.0 - 7 {
        court.mine_with(&[]);
        assert!(feerate(&court) >= before);
        before = feerate(&court);
    }
    assert!(before > 40_000, "of what the others would lose: {before}");
    court.assert_none_refused();
}

/// Somebody else's way to use a coin of our wallet: another channel's claim, which is worth more to a miner.
fn spend_elsewhere(coin: &WalletInput) -> Transaction {
    let mut tx = empty();
    tx.input.push(input(coin.outpoint, Sequence::ENABLE_RBF_NO_LOCKTIME));
    tx.output.push(TxOut { value: coin.prevout.value / 2, script_pubkey: elsewhere() });
    let spend = Spend::Wallet { keychain: coin.keychain, index: coin.index };
    let inputs = vec![ClaimInput { prevout: coin.prevout.clone(), spend }];
    us().sign_claim(&ClaimRequest { tx, inputs }).expect("signed")
}

/// Our commitment is in a block, and on it an HTLC that is ours by its preimage and waits to be claimed.
fn on_our_commitment() -> (Court, OutPoint) {
    let htlcs = Htlcs::everywhere(vec![htlc(Side::Remote, 0, 80_000, 2, EXPIRY)]);
    let mut court = Court::new(CommitmentFormat::Anchors, htlcs);
    court.know((Side::Remote, HtlcId(0)), 2);
    let tx = court.our_commitment();
    court.mine_with(&[tx]);
    let outpoint = court.output_of((Side::Remote, HtlcId(0)));
    (court, outpoint)
}

// attack 27
#[test]
fn a_claim_whose_coin_went_elsewhere_is_made_anew_with_another() {
    let (mut court, outpoint) = on_our_commitment();
    let mut used = Vec::new();
    for _ in 0..2 {
        let claim = court.resolution.claims.values().find(|claim| claim.inputs == [outpoint]).expect("it");
        let coin = claim.coins.first().expect("it has no other way to pay").clone();
        assert!(!used.contains(&coin.outpoint));
        used.push(coin.outpoint);
        court.mine_with(&[spend_elsewhere(&coin)]);
        assert!(court.resolution.outputs[&outpoint].spent.is_none());
    }
    // Of three coins the last is left.
    court.mine(1);
    assert!(court.resolution.outputs[&outpoint].spent.is_some(), "{:?}", court.refused);
    court.assert_none_refused();
}

// attack 27
#[test]
fn a_coin_is_free_again_when_what_it_was_to_replace_is_in_a_block_that_the_wallet_had_read_before_us() {
    let (mut court, outpoint) = on_our_commitment();
    let first = court.chain.spender_in_mempool(&outpoint).expect("it is claimed");
    // As after a restart: the coin is spent to the wallet, and the block that spends it is still to be read.
    let spent = |coin: &WalletInput| first.input.iter().any(|i| i.previous_output == coin.outpoint);
    court.coins.retain(|coin| !spent(coin));
    court.event(Event::Block);
    let other = court.resolution.coins().next().expect("it is made anew");
    assert!(first.input.iter().all(|i| i.previous_output != other));
    court.mine_with(std::slice::from_ref(&first));
    assert!(court.resolution.outputs[&outpoint].spent.is_some_and(|spent| spent.by_us));
    assert_eq!(court.resolution.coins().next(), None, "nothing is left to pay for");
    // Where that block goes, it is claimed again with a coin that is there.
    court.chain.reorg(1);
    court.chain.evict(&first.compute_txid());
    let from = Height(court.tip().0 + 1);
    court.event(Event::Reorged { from });
    court.mine(2);
    assert!(court.resolution.outputs[&outpoint].spent.is_some(), "{:?}", court.refused);
}

#[test]
fn a_claim_whose_coin_went_elsewhere_waits_for_the_next_coin_where_there_is_no_other() {
    let htlcs = Htlcs::everywhere(vec![htlc(Side::Remote, 0, 80_000, 2, EXPIRY)]);
    let mut court = Court::new(CommitmentFormat::Anchors, htlcs);
    court.coins.truncate(1);
    court.know((Side::Remote, HtlcId(0)), 2);
    let tx = court.our_commitment();
    court.mine_with(&[tx]);
    court.mine_with(&[spend_elsewhere(&court.coins[0].clone())]);
    assert!(court.stories().iter().any(|s| matches!(s, Story::NoCoins { .. })), "the user is told");
    court.give_coins(1, 50_000);
    court.event(Event::Learnt);
    court.mine(1);
    let outpoint = court.output_of((Side::Remote, HtlcId(0)));
    assert!(court.resolution.outputs[&outpoint].spent.is_some());
    court.assert_none_refused();
}
