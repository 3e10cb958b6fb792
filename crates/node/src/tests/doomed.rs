//! Transactions of our coins that another transaction keeps out of the chain for ever.

use super::bump::{bump, find_change, transaction, withdraw};
use super::net::Net;
use crate::input::Input;
use astrape_primitives::{Height, Sat};
use astrape_wallet::WalletFinding;
use bitcoin::hashes::Hash as _;
use bitcoin::{OutPoint, Txid};

/// Another one spends the first coin of a transaction of node 0, in the newest block.
fn rival_spends(net: &mut Net, txid: Txid) -> (Txid, Height) {
    let (outpoint, height) = (transaction(net, txid).input[0].previous_output, net.tip.height);
    let by = Txid::from_byte_array([0xbb; 32]);
    net.input(0, Input::Coins(vec![WalletFinding::Spent { outpoint, height, by }]));
    (by, height)
}

fn offered(net: &Net, since: usize, txid: Txid) -> usize {
    net.members[0].broadcast[since..].iter().filter(|tx| tx.compute_txid() == txid).count()
}

fn is_owed(net: &Net, txid: Txid) -> bool {
    net.members[0].node.owed_transactions().any(|(owed, _)| owed == txid)
}

fn total(net: &Net) -> u64 {
    net.members[0].node.coin_balance().total().0
}

/// Coins that are set aside.
fn reserved(net: &Net) -> Vec<OutPoint> {
    net.members[0].node.coins().filter(|coin| coin.reserved.is_some()).map(|coin| coin.outpoint()).collect()
}

fn blocks(net: &mut Net, count: u32) {
    (0..count).for_each(|_| net.mine(Vec::new()));
}

#[test]
fn a_withdrawal_whose_coin_another_has_spent_is_given_up_and_its_other_coins_are_free() {
    let mut net = Net::new(1);
    net.is_checked = true;
    let before = total(&net);
    let txid = withdraw(&mut net, Some(Sat(25_000_000)));
    find_change(&mut net, txid);
    let child = bump(&mut net, txid, 2_000).expect("it has change").child;
    find_change(&mut net, child);
    assert_eq!(reserved(&net).len(), 4, "three coins, and the change");
    net.mine(Vec::new());
    let (rival, _) = rival_spends(&mut net, txid);
    let stuck: Vec<_> = net.members[0].node.stuck_transactions().map(|s| (s.txid, s.rival)).collect();
    assert_eq!(stuck, [(txid, Some(rival))]);
    // What they were to bring is nothing, though the wallet may yet tell of it, and they are not offered any more.
    assert_eq!(total(&net), before - 30_000_000);
    find_change(&mut net, child);
    assert_eq!(total(&net), before - 30_000_000);
    let since = net.members[0].broadcast.len();
    blocks(&mut net, 5);
    assert_eq!((offered(&net, since, txid), offered(&net, since, child)), (0, 0));
    assert!(is_owed(&net, txid) && is_owed(&net, child) && reserved(&net).len() == 3, "it may be undone");
    blocks(&mut net, 1);
    assert!(!is_owed(&net, txid) && !is_owed(&net, child));
    assert_eq!((reserved(&net), total(&net)), (vec![], before - 10_000_000));
    assert_eq!(net.members[0].node.stuck_transactions().count(), 0);
    // All but the coin that is spent can be used.
    let all = withdraw(&mut net, None);
    assert_eq!(transaction(&net, all).input.len(), 15);
}

#[test]
fn a_rival_that_leaves_the_chain_in_a_reorganisation_is_none() {
    let mut net = Net::new(1);
    let txid = withdraw(&mut net, Some(Sat(25_000_000)));
    net.mine(Vec::new());
    let (_, from) = rival_spends(&mut net, txid);
    net.input(0, Input::Coins(vec![WalletFinding::Reorged { from }]));
    let since = net.members[0].broadcast.len();
    blocks(&mut net, 20);
    assert_eq!((offered(&net, since, txid), is_owed(&net, txid)), (20, true));
}

#[test]
fn what_spends_the_coin_itself_is_no_rival() {
    let mut net = Net::new(1);
    let txid = withdraw(&mut net, Some(Sat(25_000_000)));
    let (outpoint, height) = (transaction(&net, txid).input[0].previous_output, net.tip.height);
    net.input(0, Input::Coins(vec![WalletFinding::Spent { outpoint, height, by: txid }]));
    blocks(&mut net, 20);
    assert!(is_owed(&net, txid), "the block with it has not been told of");
    // And one that is in a block has none.
    let tx = transaction(&net, txid);
    net.mine(vec![tx]);
    rival_spends(&mut net, txid);
    assert_eq!(net.members[0].node.stuck_transactions().count(), 0);
}

#[test]
fn a_channel_whose_funding_will_never_be_is_ended_with_a_word_to_its_peer() {
    let mut net = Net::new(2);
    net.is_checked = true;
    let channel = net.propose(0, 1);
    net.run();
    let funding = net.members[0].broadcast.last().expect("it is broadcast").compute_txid();
    net.mine(Vec::new());
    rival_spends(&mut net, funding);
    blocks(&mut net, 5);
    assert!(net.members[0].node.channel(&channel).is_some(), "it may be undone");
    blocks(&mut net, 1);
    net.run();
    assert!(net.members[0].node.channel(&channel).is_none());
    assert_eq!(net.times_said(0, "error"), 1);
    assert!(!is_owed(&net, funding) && reserved(&net).is_empty());
}

#[test]
fn a_rival_is_known_again_after_a_restart_by_what_the_wallet_tells() {
    let mut net = Net::new(1);
    let txid = withdraw(&mut net, Some(Sat(25_000_000)));
    net.mine(Vec::new());
    rival_spends(&mut net, txid);
    net.restart(0);
    blocks(&mut net, 20);
    assert!(is_owed(&net, txid), "nothing was told");
    rival_spends(&mut net, txid);
    blocks(&mut net, 6);
    assert!(!is_owed(&net, txid));
}
