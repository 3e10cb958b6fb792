//! Probes that nobody has asked for: few, small, and never beside anything else.

use super::net::Net;
use super::ways::net;
use crate::command::{Command, Reply};
use crate::input::{ChainInput, Freshness, Input, PeerEvent};
use crate::ledger::Fact;
use astrape_payment::background::{AMOUNTS, BackgroundProbes, MAX_WAYS};
use astrape_payment::intercept::Intercept;
use astrape_primitives::Msat;
use astrape_routing::Outcome;
use std::sync::Arc;

const AMOUNT: Msat = Msat(50_000_000);
const INTERVAL: u64 = 60_000;
/// One HTLC in two minutes.
const PER_HOUR: u32 = 30;

/// A node that probes, one that forwards, and one that is worth a probe.
fn probing() -> Net {
    let mut net = net(3, &[(0, 1), (1, 2)]);
    wish(&mut net);
    net.targets = vec![net.id(0), net.id(1), net.id(2)];
    net
}

/// The first node is to probe.
fn wish(net: &mut Net) {
    let mut config = (*net.members[0].node.config).clone();
    config.payment.background_probes =
        Some(BackgroundProbes { interval_millis: INTERVAL, htlcs_per_hour: PER_HOUR });
    net.members[0].node.config = Arc::new(config);
}

/// Time goes by in which everybody is there, and the first node looks at its clock.
fn tick(net: &mut Net, millis: u64) {
    net.now = net.now.plus(millis);
    for (who, other) in [(0, 1), (1, 0), (1, 2), (2, 1)] {
        let peer = net.id(other);
        net.input(who, Input::Peer { peer, event: PeerEvent::Heard });
    }
    net.input(0, Input::Tick);
}

fn in_flight(net: &Net) -> usize {
    net.members[0].node.channels().filter_map(|(_, channel)| channel.open()).map(|o| o.htlcs.len()).sum()
}

#[test]
fn nobody_is_probed_unless_the_operator_wants_it() {
    let mut net = net(3, &[(0, 1), (1, 2)]);
    net.targets = vec![net.id(2)];
    for _ in 0..100 {
        tick(&mut net, INTERVAL);
        net.run();
    }
    assert_eq!((net.asked_for_targets, net.times_said(0, "update_add_htlc")), (0, 0));
}

#[test]
fn one_is_probed_in_each_interval_as_far_as_the_hour_allows_and_only_what_was_met_is_left_of_it() {
    let mut net = probing();
    net.is_checked = true;
    net.members[0].facts.clear();
    for (millis, asked) in [(0, 0), (INTERVAL - 1, 0), (1, 1), (INTERVAL, 1), (INTERVAL, 2)] {
        tick(&mut net, millis);
        net.run();
        assert_eq!(net.asked_for_targets, asked, "at {}", net.now.0);
        assert_eq!(net.times_said(0, "update_add_htlc"), asked, "one way, and one HTLC on it");
    }
    assert!(net.taught.iter().all(|taught| taught.outcome == Outcome::Passed) && net.taught.len() == 2);
    assert!(net.taught.iter().all(|taught| AMOUNTS.contains(&taught.amount)));
    assert_eq!((in_flight(&net), net.members[0].node.probes.len()), (0, 0));
    assert!(net.members[0].facts.is_empty() && net.members[0].replies.is_empty());
}

#[test]
fn nobody_is_probed_while_a_payment_is_under_way() {
    let mut net = probing();
    tick(&mut net, 0);
    let invoice = net.hold_invoice(2, AMOUNT, true);
    net.pay(0, &invoice).expect("there is a way");
    net.run();
    tick(&mut net, INTERVAL);
    assert_eq!(net.asked_for_targets, 0);
    let payment_hash = invoice.payment_hash();
    let settle = Command::SettleInvoice { payment_hash, preimage: None, earlier: None };
    assert_eq!(net.command(2, settle), Ok(Reply::Done));
    net.run();
    tick(&mut net, 1);
    assert_eq!(net.asked_for_targets, 1);
}

#[test]
fn a_payment_that_begins_ends_the_probe_that_nobody_has_asked_for() {
    let mut net = probing();
    tick(&mut net, 0);
    tick(&mut net, INTERVAL);
    assert_eq!((in_flight(&net), net.members[0].node.probes.len()), (1, 1));
    let invoice = net.invoice(2, AMOUNT);
    net.pay(0, &invoice).expect("there is a way");
    assert_eq!(net.members[0].node.probes.len(), 0);
    net.run();
    assert!(matches!(net.members[0].facts.last(), Some(Fact::PaymentSent { .. })));
    assert_eq!(in_flight(&net), 0, "it came back by itself");
    tick(&mut net, INTERVAL);
    assert_eq!(net.asked_for_targets, 1, "its HTLC counts all the same");
    tick(&mut net, INTERVAL);
    assert_eq!(net.asked_for_targets, 2);
}

#[test]
fn nobody_is_probed_while_a_channel_is_busy_with_anything() {
    let mut net = Net::new(3);
    net.announces = true;
    let mut config = (*net.members[1].node.config).clone();
    config.channel.max_accepted_htlcs = 20;
    // What comes to the middle stays there.
    config.payment.intercept = Intercept::Everything;
    net.members[1].node.config = Arc::new(config);
    net.open(0, 1);
    net.open(1, 2);
    wish(&mut net);
    net.targets = vec![net.id(2)];
    tick(&mut net, 0);
    for _ in 0..6 {
        tick(&mut net, 2 * INTERVAL);
        net.run();
    }
    assert_eq!((net.asked_for_targets, in_flight(&net)), (3, 3), "two of twenty are a tenth");
}

#[test]
fn nobody_is_probed_while_the_chain_that_we_see_may_be_old() {
    let mut net = probing();
    tick(&mut net, 0);
    let told = |net: &mut Net, freshness| net.input(0, Input::Chain(ChainInput::Freshness(freshness)));
    told(&mut net, Freshness::Behind("starting".to_owned()));
    tick(&mut net, INTERVAL);
    assert_eq!(net.asked_for_targets, 0);
    told(&mut net, Freshness::Fresh);
    tick(&mut net, 1);
    assert_eq!(net.asked_for_targets, 1);
}

#[test]
fn where_no_way_goes_few_are_tried_and_the_next_waits_for_all_of_them() {
    // Many ways to a node that has nothing to send on.
    let ways: Vec<(usize, usize)> = (1..7).flat_map(|middle| [(0, middle), (middle, 7)]).collect();
    let mut net = net(8, &ways);
    wish(&mut net);
    for middle in 1..7 {
        let mut config = (*net.members[middle].node.config).clone();
        config.payment.forward.fee_base = Msat(900_000);
        net.members[middle].node.config = Arc::new(config);
    }
    net.targets = vec![net.id(7)];
    tick(&mut net, 0);
    net.run();
    tick(&mut net, INTERVAL);
    net.run();
    let tried = net.times_said(0, "update_add_htlc") as u64;
    assert_eq!((tried, net.members[0].node.probes.len()), (MAX_WAYS, 0));
    tick(&mut net, INTERVAL);
    net.run();
    assert_eq!(net.asked_for_targets, 1);
    tick(&mut net, (MAX_WAYS + 1) * 2 * INTERVAL);
    assert_eq!(net.asked_for_targets, 2);
}
