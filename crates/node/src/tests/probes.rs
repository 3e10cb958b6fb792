//! Probes: they find out whether a payment could arrive, and leave nothing behind but what was learnt.

use super::net::Net;
use super::ways::net;
use crate::command::{Command, ProbeCommand, Probed, Refusal, Reply};
use crate::input::{CommandId, Input};
use crate::ledger::Fact;
use crate::turn::probe::MAX_PROBES;
use astrape_primitives::{Msat, PaymentHash, PaymentSecret};
use astrape_routing::Outcome;

const AMOUNT: Msat = Msat(50_000_000);

/// Begins to probe, and gives the reply if there is one already.
fn begin(net: &mut Net, from: usize, to: usize, amount: Msat) -> Option<Result<Reply, Refusal>> {
    let command = ProbeCommand {
        node: net.id(to),
        invoice: None,
        amount: Some(amount),
        max_fee: None,
        retry_secs: None,
        payment_hash: PaymentHash(net.fresh32()),
        payment_secret: PaymentSecret(net.fresh32()),
    };
    net.members[from].replies.clear();
    net.input(from, Input::Command { id: CommandId(7), command: Command::Probe(Box::new(command)) });
    net.members[from].replies.pop()
}

fn answer(net: &mut Net, who: usize) -> Probed {
    match net.members[who].replies.pop() {
        Some(Ok(Reply::Probed(probed))) => *probed,
        other => panic!("it has not ended: {other:?}"),
    }
}

/// Probes to the end.
fn probe(net: &mut Net, from: usize, to: usize, amount: Msat) -> Probed {
    assert_eq!(begin(net, from, to, amount), None, "its answer is its end");
    net.run();
    answer(net, from)
}

/// What everybody owns in each channel, and what is in flight.
fn balances(net: &Net) -> Vec<(usize, Msat, Msat, usize)> {
    let of = |who: usize| {
        let channels = net.members[who].node.channels().filter_map(|(_, channel)| channel.open());
        channels.map(move |open| (who, open.balances.local, open.balances.remote, open.htlcs.len()))
    };
    (0..net.members.len()).flat_map(of).collect()
}

/// What anybody was told of payments of its own.
fn payments(net: &Net) -> usize {
    let is_payment = |fact: &&Fact| {
        matches!(fact, Fact::PaymentSent { .. } | Fact::PaymentReceived { .. } | Fact::PaymentFailed { .. })
    };
    net.members.iter().map(|member| member.facts.iter().filter(is_payment).count()).sum()
}

fn wait(net: &mut Net, secs: u64) {
    for _ in 0..secs {
        net.now = net.now.plus(1_000);
        for who in 0..net.members.len() {
            net.input(who, Input::Tick);
        }
    }
}

#[test]
fn a_probe_that_arrives_tells_the_fee_and_leaves_nothing_but_what_was_learnt() {
    let mut net = net(4, &[(0, 1), (1, 2), (2, 3)]);
    net.is_checked = true;
    let before = balances(&net);
    let rows = net.members[0].disk.rows();
    let probed = probe(&mut net, 0, 3, AMOUNT);
    let fee = 2 * 1_000 + AMOUNT.0 / 10_000 + (AMOUNT.0 + 1_000 + AMOUNT.0 / 10_000) / 10_000;
    assert_eq!((probed.reached, probed.fee, probed.attempts), (true, Msat(fee), 1), "{probed:?}");
    assert_eq!(probed.hops, [net.id(1), net.id(2), net.id(3)]);
    assert_eq!((balances(&net), payments(&net)), (before, 0));
    assert_eq!(net.members[0].disk.rows(), rows, "no record of it is kept");
    let outcomes: Vec<Outcome> = net.taught.iter().map(|taught| taught.outcome).collect();
    assert_eq!(outcomes, [Outcome::Passed, Outcome::Passed]);
    // The payment that follows takes the same way for the same fee.
    let invoice = net.invoice(3, AMOUNT);
    net.pay(0, &invoice).expect("it is begun");
    net.run();
    let sent = net.members[0].facts.iter().find_map(|fact| match fact {
        Fact::PaymentSent { fee, .. } => Some(*fee),
        _ => None,
    });
    assert_eq!(sent, Some(probed.fee));
}

#[test]
fn a_probe_that_meets_an_empty_channel_tries_the_next_way_and_says_in_the_end_where_it_failed() {
    let mut net = net(5, &[(0, 1), (1, 4), (0, 2), (2, 3), (3, 4)]);
    let empty = net.invoice(4, Msat(565_000_000));
    net.pay(1, &empty).expect("its own channel");
    net.run();
    let probed = probe(&mut net, 0, 4, AMOUNT);
    assert_eq!((probed.reached, probed.attempts), (true, 2), "{probed:?}");
    assert_eq!(probed.hops.last(), Some(&net.id(4)));
    let stuck = net.taught.iter().filter(|taught| taught.outcome == Outcome::Stuck);
    assert_eq!(stuck.map(|taught| taught.amount).collect::<Vec<_>>(), [AMOUNT], "as a payment it teaches");
    let empty = net.invoice(4, Msat(565_000_000));
    net.pay(3, &empty).expect("its own channel");
    net.run();
    let probed = probe(&mut net, 0, 4, AMOUNT);
    assert!(!probed.reached && probed.hops.is_empty(), "{probed:?}");
    assert_eq!(probed.attempts, 2, "also the one that was empty before may be full by now: {probed:?}");
    assert!([1, 3].iter().any(|at| probed.words.contains(&net.id(*at).to_string())), "{probed:?}");
    assert!(probed.words.contains("did not pass it on"), "{probed:?}");
}

#[test]
fn a_probe_that_has_no_way_says_what_is_missing() {
    let mut net = net(4, &[(0, 1), (2, 3)]);
    // Path search answers in the same step here.
    let Some(Ok(Reply::Probed(probed))) = begin(&mut net, 0, 3, AMOUNT) else { panic!("there is no way") };
    assert!(!probed.reached && probed.attempts == 0, "{probed:?}");
    assert!(probed.words.contains("50,000 sat less"), "{probed:?}");
    let refused = begin(&mut net, 0, 3, Msat(5_000_000_000));
    assert!(matches!(refused, Some(Err(Refusal::Pay(_)))), "{refused:?}");
    let refused = begin(&mut net, 0, 0, AMOUNT);
    assert!(matches!(refused, Some(Err(Refusal::Pay(_)))), "{refused:?}");
    assert_eq!(payments(&net), 0);
}

#[test]
fn a_crash_in_the_middle_of_a_probe_makes_no_payment_of_it() {
    let mut net = net(4, &[(0, 1), (1, 2), (2, 3)]);
    net.is_checked = true;
    let before = balances(&net);
    assert_eq!(begin(&mut net, 0, 3, AMOUNT), None);
    let arrived = |net: &Net| {
        let channels = net.members[3].node.channels();
        channels.filter_map(|(_, c)| c.open()).any(|open| !open.htlcs.is_empty())
    };
    while !arrived(&net) {
        let (from, to, message) = net.next().expect("it goes on");
        net.receive(to, from, &message);
    }
    net.restart(0);
    assert_eq!(net.members[0].node.payments().count(), 0);
    assert!(balances(&net).iter().any(|(who, .., htlcs)| *who == 0 && *htlcs == 1), "it is in flight");
    net.connect(0, 1);
    net.run();
    wait(&mut net, 6);
    net.run();
    assert_eq!((balances(&net), payments(&net)), (before, 0));
    assert_eq!(net.members[0].replies, [], "nobody is there any more who asked");
}

#[test]
fn a_probe_that_somebody_holds_is_answered_when_its_time_is_up_and_comes_back_later() {
    let mut net = net(3, &[(0, 1), (1, 2)]);
    let before = balances(&net);
    assert_eq!(begin(&mut net, 0, 2, AMOUNT), None);
    // The last node hears and says nothing.
    while let Some((from, to, message)) = net.next_but(2) {
        net.receive(to, from, &message);
    }
    wait(&mut net, 59);
    assert_eq!(net.members[0].replies, []);
    wait(&mut net, 2);
    let probed = answer(&mut net, 0);
    assert!(!probed.reached && probed.words.contains("no answer came in time"), "{probed:?}");
    assert_eq!(probed.hops, [net.id(1), net.id(2)], "on which it still is");
    // The middle has hung up on who answered nothing for a minute.
    net.connect(1, 2);
    net.run();
    wait(&mut net, 2);
    net.run();
    assert_eq!((balances(&net), payments(&net)), (before, 0));
    assert_eq!(net.members[0].replies, [], "it is answered once");
}

#[test]
fn so_many_probes_are_under_way_at_a_time_and_no_more() {
    let mut net = net(3, &[(0, 1), (1, 2)]);
    for _ in 0..MAX_PROBES {
        assert_eq!(begin(&mut net, 0, 2, Msat(1_000_000)), None);
    }
    let refused = begin(&mut net, 0, 2, Msat(1_000_000));
    assert!(matches!(refused, Some(Err(Refusal::TooMany(MAX_PROBES, ..)))), "{refused:?}");
    net.run();
    assert_eq!(net.members[0].replies.len(), MAX_PROBES);
    assert_eq!(begin(&mut net, 0, 2, Msat(1_000_000)), None, "there is room again");
}
