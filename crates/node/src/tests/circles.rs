//! Payments to ourselves, which move balance from one channel of ours to another.

use super::net::Net;
use super::ways::{AMOUNT, balance, ends, net, received};
use crate::command::{Command, PayCommand, Refusal};
use crate::ledger::Fact;
use astrape_payment::{Circle, PayRefusal};
use astrape_primitives::{ChannelKeysId, Msat};

/// Of each payment in the ledger of the first, whether it went in a circle.
fn rebalances(net: &Net) -> Vec<bool> {
    let of_fact = |fact: &Fact| match fact {
        Fact::PaymentSent { rebalance, .. }
        | Fact::PaymentFailed { rebalance, .. }
        | Fact::PaymentReceived { rebalance, .. } => Some(*rebalance),
        _ => None,
    };
    net.members[0].facts.iter().filter_map(of_fact).collect()
}

/// Nobody else knows the way back: our own invoice would not name it where another channel of ours is public.
#[test]
fn balance_comes_back_by_a_private_channel_as_far_as_its_peer_holds_it() {
    let mut net = net(3, &[(0, 1), (1, 2)]);
    net.announces = false;
    net.connect(2, 0);
    net.open(2, 0);
    let with = |net: &Net, who| {
        let peer = net.id(who);
        net.members[0].node.channels().find(|(_, c)| c.peer() == peer).map(|(keys, _)| keys).expect("open")
    };
    let (out, back) = (with(&net, 1), with(&net, 2));
    let before = balance(&net, 0, &back);
    let circle = |net: &mut Net, amount| {
        let invoice = net.invoice(0, amount);
        let circle = Some(Circle { out, back: Some(back) });
        let command = PayCommand { circle, ..PayCommand::new(invoice) };
        net.command(0, Command::Pay(Box::new(command))).expect("it is begun");
        net.run();
        ends(net, 0)
    };
    assert_eq!(circle(&mut net, AMOUNT), (1, vec![]));
    assert_eq!(balance(&net, 0, &back), Msat(before.0 + AMOUNT.0));
    // More than the peer has is not tried: it is known.
    let invoice = net.invoice(0, Msat(100_000_000));
    net.pay(2, &invoice).expect("there is a way");
    net.run();
    let said = net.times_said(0, "update_add_htlc");
    let (_, reasons) = circle(&mut net, Msat(500_000_000));
    assert_eq!((reasons.len(), net.times_said(0, "update_add_htlc")), (1, said), "{reasons:?}");
}

#[test]
fn balance_goes_in_a_circle_out_by_one_channel_and_back_by_another() {
    let mut net = net(3, &[(0, 1), (1, 2), (2, 0)]);
    let (one, two) = (net.id(1), net.id(2));
    let with = |net: &Net, peer| {
        net.members[0].node.channels().find(|(_, c)| c.peer() == peer).map(|(keys, _)| keys).expect("open")
    };
    let (out, back) = (with(&net, one), with(&net, two));
    let before = [balance(&net, 0, &out), balance(&net, 0, &back)];
    let invoice = net.invoice(0, AMOUNT);
    assert_eq!(net.pay(0, &invoice), Err(Refusal::Pay(PayRefusal::OwnInvoice)));
    let circle = |circle| {
        Command::Pay(Box::new(PayCommand { circle: Some(circle), ..PayCommand::new(invoice.clone()) }))
    };
    net.command(0, circle(Circle { out, back: Some(back) })).expect("it is begun");
    net.run();
    assert_eq!((ends(&net, 0), received(&net, 0)), ((1, vec![]), 1));
    assert_eq!(rebalances(&net), [true, true], "the ledger tells both its ends from payments");
    let fee = 2 * 1_000 + AMOUNT.0 / 10_000 + (AMOUNT.0 + 1_000 + AMOUNT.0 / 10_000) / 10_000;
    assert_eq!(balance(&net, 0, &out), Msat(before[0].0 - AMOUNT.0 - fee));
    assert_eq!(balance(&net, 0, &back), Msat(before[1].0 + AMOUNT.0));
    // By the same channel there is no way back.
    let again = net.invoice(0, AMOUNT);
    let circle = Some(Circle { out, back: Some(out) });
    let command = Command::Pay(Box::new(PayCommand { circle, ..PayCommand::new(again) }));
    net.command(0, command).expect("it is begun");
    net.run();
    assert_eq!(ends(&net, 0).1.len(), 1);
    // Nor by a channel that there is not: this one is refused at once.
    let refused = net.invoice(0, AMOUNT);
    let circle = Some(Circle { out: ChannelKeysId([9; 32]), back: None });
    let command = Command::Pay(Box::new(PayCommand { circle, ..PayCommand::new(refused) }));
    assert!(matches!(net.command(0, command), Err(Refusal::Pay(_))));
    let is_told = |fact: &Fact| matches!(fact, Fact::InvoiceCanceled { .. });
    assert!(!net.members[0].facts.iter().any(is_told), "the user has made no such invoice");
    assert_eq!(net.members[0].node.invoices().count(), 0, "none is left");
    // What is paid to another is none.
    let payment = net.invoice(1, AMOUNT);
    net.pay(0, &payment).expect("it is begun");
    net.run();
    assert_eq!(rebalances(&net), [true, true, true, false]);
}
