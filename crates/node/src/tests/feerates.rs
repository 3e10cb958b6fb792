//! What transactions of ours pay where nobody says it.

use super::net::{Net, script};
use crate::command::{BumpFeeCommand, Command, Refusal, Reply, WithdrawCommand};
use crate::input::{ChainInput, Input};
use astrape_primitives::{FeeratePerKw, Msat, Sat};

fn withdraw(net: &mut Net, feerate: Option<FeeratePerKw>) -> Result<Sat, Refusal> {
    let command = withdrawal(Some(Sat(10_000)), feerate);
    sent(net, command)
}

fn withdrawal(amount: Option<Sat>, feerate: Option<FeeratePerKw>) -> WithdrawCommand {
    WithdrawCommand {
        script: script(9),
        amount,
        feerate,
        spend_reserve: false,
        accept_high_fee: false,
        change_script: script(8),
    }
}

fn sent(net: &mut Net, command: WithdrawCommand) -> Result<Sat, Refusal> {
    match net.command(0, Command::Withdraw(Box::new(command)))? {
        Reply::Withdrawing { fee, .. } => Ok(fee),
        other => panic!("{other:?}"),
    }
}

#[test]
fn coins_are_not_sent_for_the_least_fee_because_no_other_is_known() {
    let mut net = Net::new(2);
    assert_eq!(withdraw(&mut net, None), Err(Refusal::NoFeerate));
    let opening = crate::command::OpenChannelCommand { feerate: None, ..net.opening(0, 1) };
    let refused = net.command(0, Command::OpenChannel(Box::new(opening)));
    assert_eq!(refused, Err(Refusal::NoFeerate));
    withdraw(&mut net, Some(FeeratePerKw::FLOOR)).expect("who asks for it gets it");
    let (txid, _) = net.members[0].node.owed_transactions().next().expect("it is owed");
    let bump = BumpFeeCommand { txid, feerate: None, spend_reserve: false, change_script: script(8) };
    let refused = net.command(0, Command::BumpFee(Box::new(bump)));
    assert_eq!(refused, Err(Refusal::NoFeerate));

    net.input(0, Input::Chain(ChainInput::Feerate(FeeratePerKw(2_530))));
    let asked = withdraw(&mut net, Some(FeeratePerKw(2_530)));
    assert_eq!(withdraw(&mut net, None), asked, "an estimate is known");
    let opening = crate::command::OpenChannelCommand { feerate: None, ..net.opening(0, 1) };
    assert!(net.command(0, Command::OpenChannel(Box::new(opening))).is_ok());
    // An estimate of before the restart is of another time.
    net.restart(0);
    assert_eq!(withdraw(&mut net, None), Err(Refusal::NoFeerate));
}

#[test]
fn what_costs_more_than_it_moves_is_refused_with_both_amounts_unless_it_is_accepted() {
    let mut net = Net::new(2);
    let feerate = FeeratePerKw::from_sat_per_vb(100);
    let command = withdrawal(Some(Sat(1_000)), Some(feerate));
    let before = net.members[0].node.own_coins().count();
    let Err(Refusal::HighFee { fee, amount, .. }) = sent(&mut net, command.clone()) else {
        panic!("it costs more than it sends")
    };
    assert_eq!(amount, Sat(1_000));
    let words = Refusal::HighFee { fee, amount, feerate }.to_string();
    for told in [
        fee.to_string(),
        "1,000 sat".to_owned(),
        "100 sat/vB (25000 per kw)".to_owned(),
        "--accept-high-fee".to_owned(),
    ] {
        assert!(words.contains(&told), "{told}: {words}");
    }
    assert_eq!(net.members[0].node.own_coins().count(), before, "nothing was done");
    let accepted = sent(&mut net, WithdrawCommand { accept_high_fee: true, ..command });
    assert_eq!(accepted, Ok(fee), "what was refused is what it costs");
    // What pays for itself needs no consent.
    assert!(sent(&mut net, withdrawal(Some(Sat(1_000_000)), Some(feerate))).is_ok());

    let feerate = Some(FeeratePerKw::from_sat_per_vb(1_000));
    let opening = crate::command::OpenChannelCommand {
        funding: Sat(100_000),
        push: Msat::ZERO,
        feerate,
        ..net.opening(0, 1)
    };
    let refused = net.command(0, Command::OpenChannel(Box::new(opening.clone())));
    assert!(matches!(refused, Err(Refusal::HighFee { amount: Sat(100_000), .. })), "{refused:?}");
    let opening = crate::command::OpenChannelCommand { accept_high_fee: true, ..opening };
    let opened = net.command(0, Command::OpenChannel(Box::new(opening)));
    assert!(opened.is_ok(), "{opened:?}");
}
