//! What transactions of ours pay where nobody says it.

use super::net::{Net, script};
use crate::command::{BumpFeeCommand, Command, Refusal, Reply, WithdrawCommand};
use crate::input::{ChainInput, Input};
use astrape_primitives::{FeeratePerKw, Sat};

fn withdraw(net: &mut Net, feerate: Option<FeeratePerKw>) -> Result<Sat, Refusal> {
    let command = WithdrawCommand {
        script: script(9),
        amount: Some(Sat(10_000)),
        feerate,
        spend_reserve: false,
        change_script: script(8),
    };
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
