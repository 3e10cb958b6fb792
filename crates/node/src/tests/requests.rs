//! Commands that their caller repeats because an answer was lost: each is carried out once for its id.

use super::net::{Net, script};
use crate::command::{Command, PayCommand, Refusal, Reply, WithdrawCommand};
use crate::input::{CommandId, Input};
use crate::journal::Journal as _;
use crate::ledger::Fact;
use crate::request::{Errand, Outcome, PastRequest, Request, RequestId};
use astrape_payment::Payee;
use astrape_primitives::{FeeratePerKw, Msat, PaymentPreimage, Sat};
use std::collections::BTreeMap;

fn request(id: &str, digest: u8) -> Request {
    Request { id: id.parse().expect("short"), digest: [digest; 32] }
}

fn withdrawal(amount: u64) -> Errand {
    Errand::Withdraw(Box::new(WithdrawCommand {
        script: script(9),
        amount: Some(Sat(amount)),
        feerate: Some(FeeratePerKw::FLOOR),
        spend_reserve: false,
        accept_high_fee: false,
        change_script: script(8),
    }))
}

fn keysend(net: &mut Net, who: usize, amount: Msat) -> Errand {
    let preimage = PaymentPreimage(net.fresh32());
    let payee = Payee::Keysend { node: net.id(who), preimage, custom_records: BTreeMap::new() };
    Errand::Pay(Box::new(PayCommand { amount: Some(amount), ..PayCommand::to(payee) }))
}

/// As the shell does it: what the journal knows is looked up before.
fn ask(net: &mut Net, who: usize, request: &Request, errand: Errand) -> Result<Reply, Refusal> {
    let mut command = errand.by(Some(request.clone()));
    if let Command::Once(once) = &mut command {
        once.earlier = net.members[who].disk.past_request(&request.id).expect("readable");
    }
    net.command(who, command)
}

fn recall(net: &mut Net, who: usize, request: &Request) -> Result<Reply, Refusal> {
    let earlier = net.members[who].disk.past_request(&request.id).expect("readable");
    net.command(who, Command::Recall { request: request.clone(), earlier })
}

fn count(net: &Net, who: usize, is_it: fn(&Fact) -> bool) -> usize {
    net.members[who].facts.iter().filter(|fact| is_it(fact)).count()
}

fn is_withdrawn(fact: &Fact) -> bool {
    matches!(fact, Fact::Withdrawn { .. })
}

fn before(outcome: Outcome) -> Result<Reply, Refusal> {
    Ok(Reply::DoneBefore(Box::new(outcome)))
}

#[test]
fn a_withdrawal_that_is_asked_for_again_is_made_once_also_after_a_restart() {
    let mut net = Net::new(1);
    let once = request("rent", 1);
    assert_eq!(recall(&mut net, 0, &once), Ok(Reply::NotDone));
    let first = ask(&mut net, 0, &once, withdrawal(10_000)).expect("there are coins");
    let Reply::Withdrawing { txid, amount, fee } = first else { panic!("{first:?}") };
    let outcome = Outcome::Withdrawing { txid, amount, fee };
    assert_eq!(ask(&mut net, 0, &once, withdrawal(10_000)), before(outcome.clone()));
    net.restart(0);
    assert_eq!(ask(&mut net, 0, &once, withdrawal(10_000)), before(outcome.clone()));
    assert_eq!(recall(&mut net, 0, &once), before(outcome));
    assert_eq!(count(&net, 0, is_withdrawn), 1);
}

#[test]
fn two_that_come_at_once_are_carried_out_once_though_no_lookup_has_found_either() {
    let mut net = Net::new(1);
    let once = request("rent", 1);
    // Both have looked before the first was on the disk, which therefore says nothing.
    let blind = || withdrawal(10_000).by(Some(once.clone()));
    let first = net.command(0, blind()).expect("there are coins");
    let Reply::Withdrawing { txid, amount, fee } = first else { panic!("{first:?}") };
    assert_eq!(net.command(0, blind()), before(Outcome::Withdrawing { txid, amount, fee }));
    assert_eq!(count(&net, 0, is_withdrawn), 1);
}

#[test]
fn an_id_that_stands_for_something_else_is_refused() {
    let mut net = Net::new(1);
    ask(&mut net, 0, &request("rent", 1), withdrawal(10_000)).expect("there are coins");
    let used = Err(Refusal::RequestIdUsed("rent".parse().expect("short")));
    for _ in 0..2 {
        assert_eq!(ask(&mut net, 0, &request("rent", 2), withdrawal(20_000)), used);
        assert_eq!(recall(&mut net, 0, &request("rent", 2)), used);
        net.restart(0);
    }
    assert_eq!(count(&net, 0, is_withdrawn), 1);
    ask(&mut net, 0, &request("Rent", 2), withdrawal(20_000)).expect("another id");
    assert_eq!(count(&net, 0, is_withdrawn), 2);
}

#[test]
fn a_refused_command_leaves_its_id_as_good_as_before() {
    let mut net = Net::new(1);
    let once = request("rent", 1);
    assert!(matches!(ask(&mut net, 0, &once, withdrawal(u64::MAX / 1_000)), Err(Refusal::Wallet(_))));
    assert_eq!(recall(&mut net, 0, &once), Ok(Reply::NotDone));
    assert!(matches!(
        ask(&mut net, 0, &request("rent", 2), withdrawal(10_000)),
        Ok(Reply::Withdrawing { .. })
    ));
}

#[test]
fn a_payment_without_an_invoice_that_is_asked_for_again_is_made_once() {
    let mut net = Net::new(2);
    net.open(0, 1);
    let once = request("tip", 1);
    let first = keysend(&mut net, 1, Msat(5_000));
    let Ok(Reply::Paying { payment_hash }) = ask(&mut net, 0, &once, first) else { panic!("there is a way") };
    let is_paid = |fact: &Fact| matches!(fact, Fact::PaymentReceived { .. });
    // Under way, over, and after a restart.
    for _ in 0..3 {
        let again = keysend(&mut net, 1, Msat(5_000));
        assert_eq!(ask(&mut net, 0, &once, again), before(Outcome::Paying { payment_hash }));
        net.run();
        assert_eq!(count(&net, 1, is_paid), 1);
        net.restart(0);
        net.connect(0, 1);
        net.run();
    }
}

#[test]
fn an_invoice_that_was_paid_before_is_the_outcome_too() {
    let mut net = Net::new(2);
    net.open(0, 1);
    let invoice = net.invoice(1, Msat(5_000));
    net.pay(0, &invoice).expect("there is a way");
    net.run();
    let once = request("bill", 1);
    let pay = || Errand::Pay(Box::new(PayCommand::new(invoice.clone())));
    assert!(matches!(ask(&mut net, 0, &once, pay()), Ok(Reply::AlreadyPaid(_))));
    let outcome = Outcome::Paying { payment_hash: invoice.payment_hash() };
    assert_eq!(ask(&mut net, 0, &once, pay()), before(outcome));
}

#[test]
fn an_invoice_that_is_asked_for_again_is_the_same_also_once_it_is_paid() {
    let mut net = Net::new(2);
    net.open(0, 1);
    let (made, other) = (net.invoice(1, Msat(5_000)), net.invoice(1, Msat(6_000)));
    let open = |net: &Net, hash| net.members[1].node.invoice(&hash).cloned().expect("it waits");
    let (first, fresh) = (open(&net, made.payment_hash()), open(&net, other.payment_hash()));
    net.now = net.now.plus(100_000_000);
    net.input(1, Input::Tick);
    let make = |invoice| Errand::Invoice { invoice: Box::new(invoice), earlier: None };
    let once = request("table 4", 1);
    assert_eq!(ask(&mut net, 1, &once, make(first)), Ok(Reply::Done));
    let outcome = Outcome::Invoiced { bolt11: made.to_string() };
    assert_eq!(ask(&mut net, 1, &once, make(fresh.clone())), before(outcome.clone()));
    assert!(net.members[1].node.invoice(&fresh.payment_hash).is_none(), "nothing waits for the second");
    net.restart(1);
    assert_eq!(ask(&mut net, 1, &once, make(fresh)), before(outcome));
}

#[test]
fn a_channel_that_is_asked_for_again_is_opened_once() {
    let mut net = Net::new(2);
    let once = request("to bob", 1);
    let first = net.opening(0, 1);
    let channel = first.keys.id;
    assert_eq!(ask(&mut net, 0, &once, Errand::Open(Box::new(first))), Ok(Reply::Opening { channel }));
    let again = Errand::Open(Box::new(net.opening(0, 1)));
    assert_eq!(ask(&mut net, 0, &once, again), before(Outcome::Opening { channel }));
    net.run();
    assert_eq!(net.members[0].node.channels().count(), 1);
    net.restart(0);
    net.connect(0, 1);
    let again = Errand::Open(Box::new(net.opening(0, 1)));
    assert_eq!(ask(&mut net, 0, &once, again), before(Outcome::Opening { channel }));
    assert_eq!(net.members[0].node.channels().count(), 1);
}

/// The effect and its mark are in one commit: a disk has both or neither.
#[test]
fn what_is_remembered_is_written_with_what_it_remembers() {
    let mut net = Net::new(1);
    let command = withdrawal(10_000).by(Some(request("rent", 1)));
    let (now, entropy) = (net.now, astrape_primitives::Entropy::new(net.fresh32()));
    let step = net.members[0].node.step(now, entropy, Input::Command { id: CommandId(1), command });
    let writes = step.writes();
    assert!(writes.ledger().iter().any(|entry| is_withdrawn(&entry.fact)) && writes.records().count() > 0);
    let ids: Vec<&RequestId> = writes.requests().iter().map(|past: &PastRequest| &past.request.id).collect();
    assert_eq!(ids, [&"rent".parse().expect("short")]);
}
