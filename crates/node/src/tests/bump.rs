//! Transactions that wait for a block and get there sooner, by a child that pays for them.

use super::net::{Net, script};
use crate::command::{BumpFeeCommand, Bumped, Command, Refusal, Reply, WithdrawCommand};
use crate::effect::Broadcast;
use crate::input::Input;
use crate::ledger::Fact;
use astrape_primitives::{FeeratePerKw, Sat};
use astrape_transactions::Keychain;
use astrape_wallet::{FoundCoin, WalletFinding};
use bitcoin::{OutPoint, Transaction, Txid};

/// What those pay that wait.
const LOW: FeeratePerKw = FeeratePerKw(253);

fn withdraw(net: &mut Net, amount: Option<Sat>) -> Txid {
    let command = WithdrawCommand {
        script: script(9),
        amount,
        feerate: Some(LOW),
        spend_reserve: false,
        accept_high_fee: false,
        change_script: script(8),
    };
    match net.command(0, Command::Withdraw(Box::new(command))) {
        Ok(Reply::Withdrawing { txid, .. }) => txid,
        other => panic!("{other:?}"),
    }
}

fn bump(net: &mut Net, txid: Txid, feerate: u32) -> Result<Bumped, Refusal> {
    let command = BumpFeeCommand {
        txid,
        feerate: Some(FeeratePerKw(feerate)),
        spend_reserve: false,
        change_script: script(8),
    };
    match net.command(0, Command::BumpFee(Box::new(command)))? {
        Reply::Bumped(bumped) => Ok(bumped),
        other => panic!("{other:?}"),
    }
}

pub(super) fn transaction(net: &Net, txid: Txid) -> Transaction {
    net.members[0].broadcast.iter().find(|tx| tx.compute_txid() == txid).expect("it was broadcast").clone()
}

/// The wallet finds the change, as it does when a transaction is signed.
pub(super) fn find_change(net: &mut Net, txid: Txid) -> OutPoint {
    let tx = transaction(net, txid);
    let (vout, output) = (0..).zip(&tx.output).find(|(_, o)| o.script_pubkey == script(8)).expect("change");
    let outpoint = OutPoint { txid, vout };
    let coin = FoundCoin {
        outpoint,
        keychain: Keychain::Internal,
        index: 0,
        amount: output.value.into(),
        script_pubkey: output.script_pubkey.clone(),
        is_coinbase: false,
        ours_change: true,
    };
    net.input(0, Input::Coins(vec![WalletFinding::Unconfirmed { coin }]));
    outpoint
}

/// Those that go out with it.
fn parents(net: &Net, txid: Txid) -> Vec<Txid> {
    let node = &net.members[0].node;
    let (_, owed) = node.owed_transactions().find(|(id, _)| *id == txid).expect("it is owed");
    let Broadcast::Wallet { parents, request } = node.offer(owed) else { panic!("of coins") };
    assert_eq!(request.tx.compute_txid(), txid);
    parents.iter().map(|parent| parent.tx.compute_txid()).collect()
}

#[test]
fn a_withdrawal_is_paid_for_by_a_child_that_spends_its_change_and_goes_out_with_it() {
    let mut net = Net::new(1);
    let txid = withdraw(&mut net, Some(Sat(10_000)));
    assert!(parents(&net, txid).is_empty(), "its coins are confirmed");
    let change = find_change(&mut net, txid);
    let before = net.members[0].node.coin_balance().total();
    let bumped = bump(&mut net, txid, 2_000).expect("it has change");
    let child = transaction(&net, bumped.child);
    assert!(child.input.iter().any(|input| input.previous_output == change), "{child:?}");
    assert!((2_000..2_010).contains(&bumped.feerate.0), "{bumped:?}");
    assert_eq!(parents(&net, bumped.child), [txid]);
    let after = net.members[0].node.coin_balance().total();
    assert_eq!(after.checked_add(bumped.fee), Some(before), "only the fee is gone");
    let told = Fact::FeeBumped { txid, child: bumped.child, fee: bumped.fee };
    assert!(net.members[0].facts.contains(&told));
}

#[test]
fn asked_again_it_does_nothing_more_and_for_more_it_helps_the_last_child() {
    let mut net = Net::new(1);
    let txid = withdraw(&mut net, Some(Sat(10_000)));
    find_change(&mut net, txid);
    let first = bump(&mut net, txid, 2_000).expect("it has change");
    find_change(&mut net, first.child);
    net.restart(0);
    for feerate in [1_000, 2_000] {
        let refused = bump(&mut net, txid, feerate);
        assert!(
            matches!(refused, Err(Refusal::Wallet(astrape_wallet::Refusal::PaysEnough(_)))),
            "{refused:?}"
        );
    }
    let second = bump(&mut net, txid, 4_000).expect("more is asked");
    let spends = |tx: &Transaction, txid| tx.input.iter().any(|input| input.previous_output.txid == txid);
    assert!(spends(&transaction(&net, second.child), first.child), "each builds on the one before");
    assert!((4_000..4_010).contains(&second.feerate.0), "all three together: {second:?}");
    assert_eq!(net.members[0].facts.iter().filter(|f| matches!(f, Fact::FeeBumped { .. })).count(), 2);
}

#[test]
fn what_does_not_wait_or_left_no_change_is_refused_in_words() {
    let mut net = Net::new(1);
    let all = withdraw(&mut net, None);
    let refused = bump(&mut net, all, 2_000).expect_err("nothing came back");
    assert_eq!(refused, Refusal::Wallet(astrape_wallet::Refusal::NoChange(all)));
    let tx = transaction(&net, all);
    net.mine(vec![tx]);
    assert_eq!(bump(&mut net, all, 2_000), Err(Refusal::NotWaiting(all)), "it is in a block");
}

#[test]
fn a_parent_that_went_in_with_its_child_is_no_longer_told_to_be_refused() {
    let mut net = Net::new(1);
    let txid = withdraw(&mut net, Some(Sat(10_000)));
    find_change(&mut net, txid);
    let answer = |net: &mut Net, txid, refused: Option<&str>| {
        let refused = refused.map(str::to_owned);
        net.input(0, Input::Chain(crate::input::ChainInput::BroadcastResult { txid, refused }));
    };
    answer(&mut net, txid, Some("mempool min fee not met"));
    assert_eq!(net.members[0].node.stuck_transactions().count(), 1);
    let child = bump(&mut net, txid, 2_000).expect("it has change").child;
    answer(&mut net, child, None);
    assert_eq!(net.members[0].node.stuck_transactions().count(), 0);
}
