//! What comes in over a channel that we close, or that is none any more, is neither taken nor passed on.

use super::net::{Net, script};
use crate::command::{Command, Reply};
use crate::input::Input;
use crate::ledger::Fact;
use astrape_invoice::Invoice;
use astrape_primitives::{ChannelKeysId, Msat};

const AMOUNT: Msat = Msat(5_000_000);

/// A row of three, and the name that the middle has for its channel with the first.
fn row() -> (Net, ChannelKeysId) {
    let mut net = Net::new(3);
    net.is_checked = true;
    net.open(0, 1);
    let first = net.channels(1)[0];
    net.open(1, 2);
    (net, first)
}

/// The middle closes its channel with the first, which begins to pay before it hears of that.
fn pay_across(net: &mut Net, first: ChannelKeysId, invoice: &Invoice) {
    let close = Command::CloseChannel { channel: first, script: script(7) };
    assert_eq!(net.command(1, close), Ok(Reply::Done));
    net.pay(0, invoice).expect("it has heard of nothing");
}

/// What the payer is told in the end.
fn failure(net: &mut Net) -> String {
    net.now = net.now.plus(60_000);
    net.input(0, Input::Tick);
    net.run();
    let reason = net.members[0].facts.iter().find_map(|fact| match fact {
        Fact::PaymentFailed { reason, .. } => Some(reason.clone()),
        _ => None,
    });
    reason.expect("it failed")
}

fn failures_of_forwards(net: &Net) -> Vec<String> {
    let facts = net.members[1].facts.iter();
    let reasons = facts.filter_map(|fact| match fact {
        Fact::ForwardFailed { reason, outgoing: None, .. } => Some(reason.clone()),
        _ => None,
    });
    reasons.collect()
}

// BOLT 2.closing-initiation-shutdown.8
#[test]
fn what_is_to_be_forwarded_and_came_after_our_shutdown_is_failed_whenever_we_restart() {
    for messages in 0.. {
        let (mut net, first) = row();
        let invoice = net.invoice(2, AMOUNT);
        pay_across(&mut net, first, &invoice);
        let mut more = true;
        for _ in 0..messages {
            let next = net.next();
            more = next.is_some();
            if let Some((from, to, message)) = next {
                net.receive(to, from, &message);
            }
        }
        net.restart(1);
        net.connect(0, 1);
        net.connect(1, 2);
        net.run();
        assert_eq!(net.times_said(1, "update_add_htlc"), 0, "after {messages}");
        let reason = failure(&mut net);
        assert!(reason.contains("permanent_channel_failure"), "{reason}");
        assert_eq!(failures_of_forwards(&net), ["the channel that it came in over is closing"]);
        if !more {
            assert!(messages > 5);
            break;
        }
    }
}

// BOLT 2.closing-initiation-shutdown.8
#[test]
fn what_is_for_us_and_came_after_our_shutdown_is_not_taken() {
    let (mut net, first) = row();
    let invoice = net.invoice(1, AMOUNT);
    pay_across(&mut net, first, &invoice);
    net.run();
    assert_eq!((net.times_said(1, "update_fulfill_htlc"), net.times_said(1, "update_fail_htlc")), (0, 1));
    let reason = failure(&mut net);
    assert!(reason.contains("temporary_node_failure"), "{reason}");
}

// BOLT 4.failure-messages.30
#[test]
fn the_last_node_blames_no_channel_whose_funding_has_left_the_chain() {
    for (payee, code) in [(1, "temporary_node_failure"), (2, "temporary_channel_failure")] {
        let (mut net, first) = row();
        let invoice = net.invoice(payee, AMOUNT);
        net.misbehave(1, first, astrape_channel::Event::FundingReorged);
        net.pay(0, &invoice).expect("it knows of nothing");
        net.run();
        assert_eq!(net.times_said(1, "update_fulfill_htlc") + net.times_said(1, "update_add_htlc"), 0);
        net.now = net.now.plus(60_000);
        net.input(0, Input::Tick);
        net.run();
        let reason = failure(&mut net);
        assert!(reason.contains(code), "{reason}");
    }
}
