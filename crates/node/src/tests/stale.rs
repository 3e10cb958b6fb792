//! Payments to a node whose view of the chain may be old: nothing is taken that may have expired, and no preimage given.

use super::net::Net;
use crate::command::{Command, PayCommand, Refusal, Reply};
use crate::input::Input;
use crate::ledger::Fact;
use crate::{ChainInput, Freshness};
use astrape_payment::Payee;
use astrape_primitives::{Msat, PaymentPreimage};
use std::collections::BTreeMap;

const AMOUNT: Msat = Msat(5_000_000);

/// A payer and a payee with a channel; the payee's view may be old.
fn behind() -> Net {
    let mut net = Net::new(2);
    net.is_checked = true;
    net.open(0, 1);
    told(&mut net, Freshness::Behind("syncing".to_owned()));
    net
}

fn told(net: &mut Net, freshness: Freshness) {
    net.input(1, Input::Chain(ChainInput::Freshness(freshness)));
}

fn is_paid(net: &Net) -> bool {
    net.members[0].facts.iter().any(|fact| matches!(fact, Fact::PaymentSent { .. }))
}

/// Without an invoice.
fn spontaneous(net: &Net, preimage: u8) -> Command {
    let (node, preimage) = (net.id(1), PaymentPreimage([preimage; 32]));
    let payee = Payee::Keysend { node, preimage, custom_records: BTreeMap::new() };
    Command::Pay(Box::new(PayCommand { amount: Some(AMOUNT), ..PayCommand::to(payee) }))
}

// attack 43
#[test]
fn no_invoice_is_paid_while_the_chain_that_we_see_may_be_old_and_again_when_it_is_not() {
    let mut net = behind();
    let invoice = net.invoice(1, AMOUNT);
    net.pay(0, &invoice).expect("there is a way");
    net.run();
    assert_eq!((net.times_said(1, "update_fulfill_htlc"), is_paid(&net)), (0, false));
    assert!(net.times_said(1, "update_fail_htlc") > 0, "its payer need not wait");
    told(&mut net, Freshness::Fresh);
    // The payer tries again by itself.
    net.now = net.now.plus(5_000);
    net.input(0, Input::Tick);
    net.run();
    assert!(is_paid(&net));
}

// attack 43
#[test]
fn no_payment_without_invoice_is_taken_while_the_chain_that_we_see_may_be_old_and_again_when_it_is_not() {
    let mut net = behind();
    let pay = spontaneous(&net, 7);
    net.command(0, pay).expect("there is a way");
    net.run();
    assert_eq!((net.times_said(1, "update_fulfill_htlc"), is_paid(&net)), (0, false));
    told(&mut net, Freshness::Fresh);
    let pay = spontaneous(&net, 8);
    net.command(0, pay).expect("there is a way");
    net.run();
    assert!(is_paid(&net));
}

// attack 43
#[test]
fn no_held_payment_is_settled_while_the_chain_that_we_see_may_be_old_and_again_when_it_is_not() {
    let mut net = behind();
    told(&mut net, Freshness::Fresh);
    let invoice = net.hold_invoice(1, AMOUNT, true);
    let payment_hash = invoice.payment_hash();
    net.pay(0, &invoice).expect("there is a way");
    net.run();
    told(&mut net, Freshness::Doubtful("the newest block is old".to_owned()));
    let settle = || Command::SettleInvoice { payment_hash, preimage: None, earlier: None };
    assert_eq!(net.command(1, settle()), Err(Refusal::Stale(payment_hash)));
    net.run();
    assert_eq!((net.times_said(1, "update_fulfill_htlc"), is_paid(&net)), (0, false));
    told(&mut net, Freshness::Fresh);
    assert_eq!(net.command(1, settle()), Ok(Reply::Done), "it has waited");
    net.run();
    assert!(is_paid(&net));
}
