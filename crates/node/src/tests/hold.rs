//! Payments that wait for the owner of their invoice: settled, cancelled, given back in time, through restarts.

use super::net::Net;
use crate::command::{Command, Refusal, Reply};
use crate::input::Input;
use crate::ledger::Fact;
use astrape_channel::{Channel, Phase};
use astrape_invoice::Invoice;
use astrape_primitives::{Height, Msat, PaymentHash, PaymentPreimage};
use bitcoin::{OutPoint, Transaction};

const AMOUNT: Msat = Msat(5_000_000);

/// A payer, a node in the middle and a payee, whose hold invoice is paid and not settled.
fn holding(knows: bool) -> (Net, Invoice) {
    let mut net = Net::new(3);
    net.open(0, 1);
    net.open(1, 2);
    let invoice = net.hold_invoice(2, AMOUNT, knows);
    net.pay(0, &invoice).expect("there is a way");
    net.run();
    (net, invoice)
}

fn settle(payment_hash: PaymentHash, preimage: Option<PaymentPreimage>) -> Command {
    Command::SettleInvoice { payment_hash, preimage, earlier: None }
}

fn cancel(payment_hash: PaymentHash) -> Command {
    Command::CancelInvoice { payment_hash, earlier: None }
}

fn is_sent(net: &Net) -> bool {
    net.members[0].facts.iter().any(|fact| matches!(fact, Fact::PaymentSent { .. }))
}

fn is_failed(net: &Net) -> bool {
    net.members[0].facts.iter().any(|fact| matches!(fact, Fact::PaymentFailed { .. }))
}

fn given_back_at(net: &Net) -> Option<Height> {
    net.members[2].facts.iter().find_map(|fact| match fact {
        Fact::InvoiceHeld { until, amount: AMOUNT, .. } => Some(*until),
        _ => None,
    })
}

/// All channels are open, without a single HTLC.
fn is_at_rest(net: &Net) -> bool {
    let rests = |channel: &Channel| match &channel.phase {
        Phase::Open(open) => open.htlcs.is_empty() && open.waiting.is_empty(),
        _ => false,
    };
    net.members.iter().all(|member| member.node.channels().all(|(_, channel)| rests(channel)))
}

/// Who paid for the channel of the first part may have taken the money elsewhere meanwhile.
#[test]
fn a_payment_of_which_a_part_came_over_a_channel_that_lost_its_funding_is_given_back_whole() {
    for is_lost in [false, true] {
        let mut net = Net::new(2);
        net.open(0, 1);
        net.open(0, 1);
        // More than either channel carries.
        let invoice = net.invoice(1, Msat(800_000_000));
        net.pay(0, &invoice).expect("in two parts");
        let mut last = None;
        while let Some((from, to, message)) = net.next() {
            let parts =
                net.members[1].node.receiving(&invoice.payment_hash()).map_or(0, |set| set.parts.len());
            if (from, message.name(), parts) == (0, "revoke_and_ack", 1) {
                last = Some(message);
                break;
            }
            net.receive(to, from, &message);
        }
        let set = net.members[1].node.receiving(&invoice.payment_hash()).expect("one part is there").clone();
        if is_lost {
            net.misbehave(1, set.parts[0].channel, astrape_channel::Event::FundingReorged);
        }
        net.receive(1, 0, &last.expect("the other part is on its way"));
        net.run();
        let is_received =
            net.members[1].facts.iter().any(|fact| matches!(fact, Fact::PaymentReceived { .. }));
        assert_eq!(is_received, !is_lost);
        assert_eq!(net.times_said(1, "update_fulfill_htlc") > 0, !is_lost);
    }
}

#[test]
fn a_held_payment_is_settled_once_by_its_owner() {
    for knows in [false, true] {
        let (mut net, invoice) = holding(knows);
        let hash = invoice.payment_hash();
        assert!(given_back_at(&net).is_some() && !is_sent(&net));
        let given = (!knows).then(|| net.preimages[&hash]);
        assert_eq!(net.command(2, settle(hash, given)), Ok(Reply::Done));
        net.run();
        assert!(is_sent(&net) && is_at_rest(&net));
        assert_eq!(net.command(2, settle(hash, given)), Ok(Reply::Done), "again changes nothing");
        assert_eq!(net.command(2, cancel(hash)), Err(Refusal::Settled(hash)));
        let received = |fact: &&Fact| matches!(fact, Fact::PaymentReceived { amount: AMOUNT, .. });
        assert_eq!(net.members[2].facts.iter().filter(received).count(), 1);
    }
}

/// Who paid for the channel may have taken the money elsewhere meanwhile.
#[test]
fn what_is_held_in_a_channel_whose_funding_has_left_the_chain_is_not_settled_before_it_is_back() {
    let (mut net, invoice) = holding(true);
    let hash = invoice.payment_hash();
    let channel = net.channels(2)[0];
    net.misbehave(2, channel, astrape_channel::Event::FundingReorged);
    let refused = net.command(2, settle(hash, None)).expect_err("it may be worth nothing");
    assert!(matches!(&refused, Refusal::NotNow(why) if why.contains("left the chain")), "{refused}");
    assert!(!is_sent(&net));
}

#[test]
fn a_held_payment_survives_a_restart_and_is_settled_after_it() {
    let (mut net, invoice) = holding(false);
    let hash = invoice.payment_hash();
    net.restart(2);
    net.connect(1, 2);
    net.run();
    assert_eq!(net.command(2, settle(hash, Some(net.preimages[&hash]))), Ok(Reply::Done));
    net.run();
    assert!(is_sent(&net) && is_at_rest(&net));
}

/// The middle goes on chain, and the payee takes its HTLC there by the preimage.
#[test]
fn what_was_settled_on_chain_is_claimed_from_the_one_before_without_a_word_of_the_next() {
    let (mut net, invoice) = holding(false);
    let hash = invoice.payment_hash();
    net.cut(1, 2);
    assert_eq!(net.command(2, settle(hash, Some(net.preimages[&hash]))), Ok(Reply::Done));
    let payee = net.id(2);
    let with_payee = net.members[1].node.channels().find(|(_, channel)| channel.peer() == payee);
    let (channel, funding) = with_payee
        .and_then(|(keys, channel)| channel.open().map(|open| (keys, open.funding.terms.outpoint)))
        .expect("it is open");
    assert_eq!(net.command(1, Command::ForceCloseChannel { channel }), Ok(Reply::Done));
    let commitment = spender(&net, 1, |spent| spent == funding);
    let txid = commitment.compute_txid();
    let htlc = commitment.output.iter().position(|output| output.value.to_sat() * 1_000 == AMOUNT.0);
    let vout = u32::try_from(htlc.expect("it has an output")).expect("few");
    net.mine(vec![commitment]);
    let claim = spender(&net, 2, |spent| spent == OutPoint { txid, vout });
    net.run();
    assert!(!is_sent(&net), "nobody has told the middle");
    net.mine(vec![claim]);
    net.run();
    assert!(is_sent(&net), "it has read the preimage in the chain");
}

/// What a node broadcast last that spends this.
fn spender(net: &Net, who: usize, is_it: impl Fn(OutPoint) -> bool) -> Transaction {
    let spends = |tx: &&Transaction| tx.input.iter().any(|input| is_it(input.previous_output));
    net.members[who].broadcast.iter().rev().find(spends).cloned().expect("it is broadcast")
}

#[test]
fn what_was_settled_before_a_restart_is_known_from_the_ledger_after_it() {
    let (mut net, invoice) = holding(true);
    let hash = invoice.payment_hash();
    net.command(2, settle(hash, None)).expect("it is held");
    net.run();
    net.restart(2);
    assert_eq!(net.command(2, settle(hash, None)), Err(Refusal::NoSuchInvoice(hash)), "without a look there");
    let fact = net.members[2].facts.iter().find(|fact| matches!(fact, Fact::PaymentReceived { .. }));
    let entry = crate::Entry { number: 7, at: net.now, fact: fact.cloned().expect("received") };
    let earlier = Some(entry);
    let again = Command::SettleInvoice { payment_hash: hash, preimage: None, earlier: earlier.clone() };
    assert_eq!(net.command(2, again), Ok(Reply::Done));
    let again = Command::CancelInvoice { payment_hash: hash, earlier };
    assert_eq!(net.command(2, again), Err(Refusal::Settled(hash)));
}

#[test]
fn what_was_paid_before_a_restart_is_waited_for_no_more_where_the_ledger_knows_of_it() {
    let (mut net, invoice) = holding(true);
    let hash = invoice.payment_hash();
    let open = net.members[2].node.invoice(&hash).cloned().expect("it waits");
    net.command(2, settle(hash, None)).expect("it is held");
    net.run();
    net.restart(2);
    let fact = net.members[2].facts.iter().find(|fact| matches!(fact, Fact::PaymentReceived { .. }));
    let entry = crate::Entry { number: 7, at: net.now, fact: fact.cloned().expect("received") };
    let add = |earlier| Command::AddInvoice { invoice: Box::new(open.clone()), earlier };
    assert_eq!(net.command(2, add(Some(entry))), Err(Refusal::HashUsed(hash)));
    assert!(net.members[2].node.invoice(&hash).is_none());
    // One that went back has given nothing away.
    let fact = Fact::InvoiceCanceled { payment_hash: hash, amount: Msat::ZERO, reason: String::new() };
    let canceled = crate::Entry { number: 8, at: net.now, fact };
    assert_eq!(net.command(2, add(Some(canceled))), Ok(Reply::Done));
}

#[test]
fn a_cancelled_payment_goes_back_and_the_invoice_is_paid_no_more() {
    let (mut net, invoice) = holding(false);
    let hash = invoice.payment_hash();
    assert_eq!(net.command(2, cancel(hash)), Ok(Reply::Done));
    net.run();
    assert!(is_failed(&net) && is_at_rest(&net));
    assert_eq!(net.command(2, cancel(hash)), Ok(Reply::Done), "again changes nothing");
    let canceled = |fact: &&Fact| matches!(fact, Fact::InvoiceCanceled { amount: AMOUNT, .. });
    assert_eq!(net.members[2].facts.iter().filter(canceled).count(), 1);
    assert_eq!(net.command(2, settle(hash, Some(net.preimages[&hash]))), Err(Refusal::Canceled(hash)));
    net.restart(2);
    net.connect(1, 2);
    net.run();
    net.members[0].facts.clear();
    net.pay(0, &invoice).expect("the payer does not know");
    net.run();
    assert!(is_failed(&net) && is_at_rest(&net), "also after a restart");
}

// attack 32
#[test]
fn what_nobody_settles_goes_back_before_its_expiry_and_every_channel_stays_open() {
    let (mut net, invoice) = holding(true);
    let until = given_back_at(&net).expect("it is held");
    while net.tip.height.plus(1) < until {
        net.mine(Vec::new());
        net.run();
    }
    assert!(!is_failed(&net), "there is still time");
    assert!(net.command(2, settle(PaymentHash([0; 32]), None)).is_err());
    net.mine(Vec::new());
    net.run();
    assert!(is_failed(&net) && is_at_rest(&net));
    let hash = invoice.payment_hash();
    assert_eq!(net.command(2, settle(hash, None)), Err(Refusal::Canceled(hash)));
}

// attack 32
#[test]
fn what_is_settled_in_the_last_block_arrives_and_every_channel_stays_open() {
    let (mut net, invoice) = holding(true);
    let until = given_back_at(&net).expect("it is held");
    while net.tip.height.plus(1) < until {
        net.mine(Vec::new());
        net.run();
    }
    assert_eq!(net.command(2, settle(invoice.payment_hash(), None)), Ok(Reply::Done));
    net.run();
    assert!(is_sent(&net) && is_at_rest(&net));
}

// attack 32
#[test]
fn a_node_that_was_down_when_a_payment_was_to_go_back_gives_it_back_as_soon_as_it_sees_the_chain() {
    let (mut net, _) = holding(true);
    let until = given_back_at(&net).expect("it is held");
    net.cut(1, 2);
    while net.tip.height < until {
        net.mine(Vec::new());
    }
    net.restart(2);
    net.input(2, Input::Tick);
    net.connect(0, 1);
    net.connect(1, 2);
    net.run();
    assert!(is_failed(&net) && is_at_rest(&net));
}

#[test]
fn commands_about_invoices_say_what_is_wrong() {
    let mut net = Net::new(2);
    net.open(0, 1);
    let hash = PaymentHash([9; 32]);
    assert_eq!(net.command(1, settle(hash, None)), Err(Refusal::NoSuchInvoice(hash)));
    assert_eq!(net.command(1, cancel(hash)), Err(Refusal::NoSuchInvoice(hash)));
    let plain = net.invoice(1, AMOUNT).payment_hash();
    assert_eq!(net.command(1, settle(plain, None)), Err(Refusal::NotHeld(plain)));
    let held = net.hold_invoice(1, AMOUNT, false).payment_hash();
    let preimage = net.preimages[&held];
    assert_eq!(net.command(1, settle(held, None)), Err(Refusal::PreimageMissing(held)));
    assert_eq!(net.command(1, settle(held, Some(preimage))), Err(Refusal::NothingHeld(held)));
    let other = PaymentPreimage([3; 32]);
    assert_eq!(net.command(1, settle(held, Some(other))), Err(Refusal::OtherPreimage(held)));
}

#[test]
fn an_invoice_that_settles_by_itself_can_be_cancelled_before_it_is_paid() {
    let mut net = Net::new(2);
    net.open(0, 1);
    let invoice = net.invoice(1, AMOUNT);
    assert_eq!(net.command(1, cancel(invoice.payment_hash())), Ok(Reply::Done));
    net.pay(0, &invoice).expect("the payer does not know");
    net.run();
    assert!(is_failed(&net) && is_at_rest(&net));
}
