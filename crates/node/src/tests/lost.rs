//! Transactions of our coins of which something else has spent a coin: nothing is built on them, and once that is buried they are
//! given up.

use super::bump::{find_change, transaction};
use super::net::{Net, script};
use crate::command::{BumpFeeCommand, Command, Refusal, Reply, WithdrawCommand};
use crate::input::{ChainInput, Input};
use crate::ledger::{ChannelFact, Fact};
use crate::owed::SpentBy;
use crate::state::OwedTransaction;
use astrape_primitives::{ChainEvent, FeeratePerKw, Height, Sat};
use astrape_wallet::WalletFinding;
use astrape_wire::Message;
use bitcoin::hashes::Hash as _;
use bitcoin::{OutPoint, Txid};

const DEEP: u32 = OwedTransaction::DEEP;

/// What the wallet has when nothing is owed.
const ALL: Sat = Sat(160_000_000);

fn rival() -> Txid {
    Txid::from_byte_array([0xdd; 32])
}

fn command(amount: Sat) -> WithdrawCommand {
    WithdrawCommand {
        script: script(9),
        amount: Some(amount),
        feerate: Some(FeeratePerKw(1_000)),
        spend_reserve: true,
        accept_high_fee: false,
        change_script: script(8),
    }
}

fn withdraw(net: &mut Net, amount: Sat) -> Result<Txid, Refusal> {
    match net.command(0, Command::Withdraw(Box::new(command(amount))))? {
        Reply::Withdrawing { txid, .. } => Ok(txid),
        other => panic!("{other:?}"),
    }
}

/// The newest block has something else that spends the first coin of a transaction; that coin.
fn beat(net: &mut Net, txid: Txid) -> OutPoint {
    net.mine(Vec::new());
    let outpoint = transaction(net, txid).input[0].previous_output;
    let height = net.tip.height;
    net.input(0, Input::Coins(vec![WalletFinding::Spent { outpoint, height, by: rival() }]));
    outpoint
}

fn owed(net: &Net) -> Vec<Txid> {
    net.members[0].node.owed_transactions().map(|(txid, _)| txid).collect()
}

fn balance(net: &Net) -> Sat {
    net.members[0].node.coin_balance().total()
}

fn mine(net: &mut Net, blocks: u32) {
    (0..blocks).for_each(|_| net.mine(Vec::new()));
}

#[test]
fn the_change_of_a_withdrawal_whose_coin_was_spent_elsewhere_is_neither_counted_nor_spent() {
    let mut net = Net::new(1);
    // Two coins, and change of the second.
    let txid = withdraw(&mut net, Sat(15_000_000)).expect("there are coins");
    let coins = transaction(&net, txid).input.len();
    assert_eq!(coins, 2);
    let free = Sat(ALL.0 - 20_000_000);
    assert!(balance(&net) > free, "its change is to come");
    beat(&mut net, txid);
    assert_eq!(balance(&net), free, "it never comes");
    let change = find_change(&mut net, txid);
    assert_eq!(balance(&net), free, "also where the wallet still names it");
    assert!(net.members[0].node.own_coins().all(|coin| coin.outpoint() != change));
    let next = withdraw(&mut net, Sat(138_000_000)).expect("all other coins");
    let spends = transaction(&net, next).input;
    assert!(spends.iter().all(|input| input.previous_output.txid != txid), "{spends:?}");
    let bump = BumpFeeCommand {
        txid,
        feerate: Some(FeeratePerKw(5_000)),
        spend_reserve: true,
        change_script: script(8),
    };
    let refused = net.command(0, Command::BumpFee(Box::new(bump)));
    assert_eq!(refused, Err(Refusal::Beaten { txid, by: rival() }), "no fee helps");
    let stuck: Vec<_> = net.members[0].node.stuck_transactions().map(|stuck| stuck.beaten_by).collect();
    assert_eq!(stuck, [Some(SpentBy { by: rival(), height: net.tip.height })], "and it is told");
}

#[test]
fn a_withdrawal_whose_coin_was_spent_elsewhere_is_given_up_once_that_is_buried_with_all_that_builds_on_it() {
    let mut net = Net::new(1);
    let txid = withdraw(&mut net, Sat(15_000_000)).expect("there are coins");
    let change = find_change(&mut net, txid);
    let bump = BumpFeeCommand {
        txid,
        feerate: Some(FeeratePerKw(5_000)),
        spend_reserve: true,
        change_script: script(8),
    };
    let Ok(Reply::Bumped(bumped)) = net.command(0, Command::BumpFee(Box::new(bump))) else {
        panic!("it has change")
    };
    assert!(transaction(&net, bumped.child).input.iter().any(|input| input.previous_output == change));
    let spent = beat(&mut net, txid);
    mine(&mut net, DEEP - 2);
    assert_eq!(owed(&net).len(), 2, "a reorganisation may still take that back");
    // A restart hears of all spends again.
    let height = net.members[0].node.coins.get(&()).and_then(|c| c.get(&spent)?.spent).expect("it is spent");
    net.restart(0);
    net.input(0, Input::Coins(vec![WalletFinding::Spent { outpoint: spent, height, by: rival() }]));
    net.mine(Vec::new());
    assert_eq!(owed(&net), []);
    assert_eq!(balance(&net), Sat(ALL.0 - 10_000_000), "the other coin is free");
    for lost in [txid, bumped.child] {
        let told = Fact::NeverConfirmed { txid: lost, by: rival() };
        assert!(net.members[0].facts.contains(&told), "{:?}", net.members[0].facts);
    }
    assert!(net.members[0].node.coins().all(|coin| coin.reserved.is_none() && coin.outpoint() != change));
    withdraw(&mut net, Sat(149_000_000)).expect("all of it can be spent");
}

#[test]
fn a_withdrawal_whose_rival_is_reorganised_away_is_owed_as_before_and_may_confirm() {
    let mut net = Net::new(1);
    let txid = withdraw(&mut net, Sat(15_000_000)).expect("there are coins");
    let before = balance(&net);
    let previous = net.tip;
    beat(&mut net, txid);
    let block = std::mem::replace(&mut net.tip, previous);
    net.input(0, Input::Chain(ChainInput::Event(ChainEvent::Disconnected { block })));
    net.input(0, Input::Coins(vec![WalletFinding::Reorged { from: block.height }]));
    assert_eq!(balance(&net), before);
    mine(&mut net, DEEP + 1);
    assert_eq!(owed(&net), [txid], "nothing in the chain stands against it");
    let tx = transaction(&net, txid);
    let spent: Vec<OutPoint> = tx.input.iter().map(|input| input.previous_output).collect();
    net.mine(vec![tx]);
    let height = net.tip.height;
    let found = spent.into_iter().map(|outpoint| WalletFinding::Spent { outpoint, height, by: txid });
    net.input(0, Input::Coins(found.collect()));
    mine(&mut net, DEEP + 1);
    assert!(!net.members[0].facts.iter().any(|fact| matches!(fact, Fact::NeverConfirmed { .. })));
}

#[test]
fn a_channel_whose_funding_lost_a_coin_ends_once_that_is_buried_and_not_before() {
    let mut net = Net::new(2);
    let channel = net.propose(0, 1);
    net.run();
    let txid = net.members[0].broadcast.last().expect("the funding").compute_txid();
    beat(&mut net, txid);
    mine(&mut net, DEEP - 2);
    net.run();
    assert!(net.members[0].node.channel(&channel).is_some(), "it may still confirm");
    net.mine(Vec::new());
    net.run();
    assert_eq!(net.channels(0), [], "it never was");
    assert_eq!(owed(&net), []);
    assert!(net.members[0].node.coins().all(|coin| coin.reserved.is_none()));
    let is_told = |fact: &Fact| {
        matches!(fact, Fact::Channel { event: ChannelFact::NotOpened { reason }, .. }
            if reason.contains("can never confirm") && reason.contains(&rival().to_string()))
    };
    assert!(net.members[0].facts.iter().any(is_told), "{:?}", net.members[0].facts);
    let peer = net.id(1);
    let is_said = |(to, message): &(_, Message)| *to == peer && matches!(message, Message::Error(_));
    assert!(net.members[0].said.iter().any(is_said), "the peer waits for nothing");
}

#[test]
fn a_channel_whose_funding_is_in_the_chain_is_not_ended_by_what_is_told_to_spend_its_coins() {
    let mut net = Net::new(2);
    let channel = net.open(0, 1);
    let tx = net.members[0].broadcast.last().expect("the funding").clone();
    let (outpoint, height) = (tx.input[0].previous_output, net.tip.height);
    let by = tx.compute_txid();
    net.input(0, Input::Coins(vec![WalletFinding::Spent { outpoint, height, by }]));
    mine(&mut net, DEEP + 2);
    net.run();
    assert_eq!(net.channels(0), [channel]);
}

#[test]
fn a_withdrawal_whose_deposit_was_reorganised_out_is_not_given_up_and_says_which_it_waits_for() {
    let mut net = Net::new(1);
    let txid = withdraw(&mut net, Sat(5_000_000)).expect("there are coins");
    let coin = transaction(&net, txid).input[0].previous_output;
    net.input(0, Input::Coins(vec![WalletFinding::Reorged { from: Height(50) }]));
    let refused = Some("bad-txns-inputs-missingorspent".to_owned());
    net.input(0, Input::Chain(ChainInput::BroadcastResult { txid, refused }));
    mine(&mut net, 2 * DEEP);
    assert_eq!(owed(&net), [txid], "its deposit may be mined again");
    let lost: Vec<_> = net.members[0].node.stuck_transactions().map(|stuck| stuck.lost_deposit).collect();
    assert_eq!(lost, [Some(coin)]);
}
