//! Payments over ways that the network tells of: asked for outside of the step, and made once whatever gets lost.

use super::net::Net;
use crate::command::{Command, PayCommand, Refusal, Reply};
use crate::input::{Found, Input};
use crate::ledger::Fact;
use crate::node::Node;
use astrape_payment::send::RouteQuery;
use astrape_primitives::{ChannelKeysId, Msat, NodeId, PaymentHash, PaymentPreimage};
use astrape_routing::synthetic::Dice;
use astrape_routing::{NoRoute, Outcome};
use astrape_wire::Message;
use std::collections::BTreeMap;

pub(super) const AMOUNT: Msat = Msat(50_000_000);

/// Nodes with announced channels between some of them.
pub(super) fn net(nodes: usize, channels: &[(usize, usize)]) -> Net {
    let mut net = Net::new(nodes);
    net.announces = true;
    for (from, to) in channels {
        net.connect(*from, *to);
        net.open(*from, *to);
    }
    assert_eq!(net.graph.channel_count(), channels.len(), "all are announced");
    net
}

pub(super) fn ends(net: &Net, who: usize) -> (usize, Vec<String>) {
    let facts = &net.members[who].facts;
    let sent = facts.iter().filter(|fact| matches!(fact, Fact::PaymentSent { .. })).count();
    let failed = facts.iter().filter_map(|fact| match fact {
        Fact::PaymentFailed { reason, .. } => Some(reason.clone()),
        _ => None,
    });
    (sent, failed.collect())
}

pub(super) fn received(net: &Net, who: usize) -> usize {
    net.members[who].facts.iter().filter(|fact| matches!(fact, Fact::PaymentReceived { .. })).count()
}

pub(super) fn balance(net: &Net, who: usize, channel: &ChannelKeysId) -> Msat {
    net.members[who].node.channel(channel).and_then(|c| c.open()).expect("open").balances.local
}

/// Seconds go by, each with a tick.
fn wait(net: &mut Net, secs: u64) {
    for _ in 0..secs {
        net.now = net.now.plus(1_000);
        for who in 0..net.members.len() {
            net.input(who, Input::Tick);
        }
        net.run();
    }
}

// BOLT 4.payload-format.17
#[test]
fn a_node_that_only_gossip_tells_of_is_paid_over_several_hops() {
    let mut net = net(4, &[(0, 1), (1, 2), (2, 3)]);
    let invoice = net.invoice(3, AMOUNT);
    assert!(invoice.route_hints().is_empty());
    let payment_hash = invoice.payment_hash();
    assert_eq!(net.pay(0, &invoice), Ok(Reply::Paying { payment_hash }));
    net.run();
    assert_eq!((ends(&net, 0), received(&net, 3)), ((1, vec![]), 1));
    // What was crossed is known now: two channels of others, from which the money is gone.
    let outcomes: Vec<Outcome> = net.taught.iter().map(|taught| taught.outcome).collect();
    assert_eq!(outcomes, [Outcome::Paid, Outcome::Paid]);
    assert_eq!(net.taught[1].amount, AMOUNT);
    assert_eq!(net.taught[0].amount, Msat(AMOUNT.0 + 1_000 + AMOUNT.0 / 10_000));
}

#[test]
fn a_question_that_a_crash_took_is_asked_again_and_the_payment_is_made_once() {
    let mut net = net(3, &[(0, 1), (1, 2)]);
    net.searches = false;
    let invoice = net.invoice(2, AMOUNT);
    net.pay(0, &invoice).expect("it is begun");
    assert_eq!(net.unanswered.len(), 1);
    net.restart(0);
    net.searches = true;
    assert_eq!(net.members[0].node.payments().count(), 1, "it is as durable as anything");
    // Without a channel there is nothing to ask for.
    wait(&mut net, 10);
    assert_eq!(net.times_said(0, "update_add_htlc"), 0);
    net.connect(0, 1);
    net.run();
    wait(&mut net, 6);
    assert_eq!((ends(&net, 0), received(&net, 2)), ((1, vec![]), 1));
    // The answer to what was asked before the crash comes late.
    let (who, query) = net.unanswered.remove(0);
    let found = net.ways(&query);
    net.input(who, Input::Found(found));
    net.run();
    assert_eq!((ends(&net, 0), net.times_said(0, "update_add_htlc")), ((1, vec![]), 1));
}

#[test]
fn an_answer_that_comes_twice_pays_once() {
    let mut net = net(3, &[(0, 1), (1, 2)]);
    net.searches = false;
    let invoice = net.invoice(2, AMOUNT);
    net.pay(0, &invoice).expect("it is begun");
    let (who, query) = net.unanswered.remove(0);
    for _ in 0..2 {
        let found = net.ways(&query);
        net.input(who, Input::Found(found));
    }
    net.run();
    assert_eq!((ends(&net, 0), received(&net, 2)), ((1, vec![]), 1));
    assert_eq!(net.times_said(0, "update_add_htlc"), 1);
}

/// A keysend: who asks says to whom, how much and with which preimage.
fn without_invoice(node: NodeId, amount: Msat) -> Command {
    let preimage = PaymentPreimage([0x11; 32]);
    let payee = astrape_payment::Payee::Keysend { node, preimage, custom_records: BTreeMap::new() };
    let command = PayCommand { amount: Some(amount), ..PayCommand::to(payee) };
    Command::Pay(Box::new(command))
}

/// Whoever passes a payment of ours on knows its preimage before we do.
#[test]
fn a_keysend_with_the_preimage_of_our_own_payment_is_refused_and_does_not_become_the_last_word_on_it() {
    let mut net = net(3, &[(0, 1), (2, 0)]);
    let preimage = PaymentPreimage([0x11; 32]);
    let (payer, payee) = (net.id(0), net.id(1));
    net.command(0, without_invoice(payee, AMOUNT)).expect("it is begun");
    let fulfil = loop {
        let (from, to, message) = net.next().expect("it arrives");
        if message.name() == "update_fulfill_htlc" {
            break message;
        }
        net.receive(to, from, &message);
    };
    net.command(2, without_invoice(payer, Msat(1_000))).expect("it is begun");
    let add = net.intercept_until(2, 0, "update_add_htlc");
    net.receive(0, 2, &add);
    net.receive(0, 1, &fulfil);
    net.run();
    let ends = |who: usize| {
        let of = |fact: &&Fact| {
            matches!(
                fact,
                Fact::PaymentSent { .. } | Fact::PaymentReceived { .. } | Fact::PaymentFailed { .. }
            )
        };
        net.members[who].facts.iter().filter(of).cloned().collect::<Vec<_>>()
    };
    assert!(
        matches!(&ends(0)[..], [Fact::PaymentSent { payment_hash, .. }] if *payment_hash == preimage.payment_hash())
    );
    assert!(matches!(&ends(2)[..], [Fact::PaymentFailed { .. }]));
    assert!(matches!(net.command(0, without_invoice(payee, AMOUNT)), Ok(Reply::AlreadyPaid(_))));
}

#[test]
fn what_was_paid_or_is_under_way_answers_for_no_payment_to_another_node_or_of_another_amount() {
    let mut net = net(3, &[(0, 1), (1, 2)]);
    let payment_hash = PaymentPreimage([0x11; 32]).payment_hash();
    let (node_b, node_c) = (net.id(1), net.id(2));
    let others = [(node_b, AMOUNT), (node_c, Msat(AMOUNT.0 + 1)), (node_b, Msat(7_000))];
    net.command(0, without_invoice(node_c, AMOUNT)).expect("it is begun");
    for (node, amount) in others {
        let refused = net.command(0, without_invoice(node, amount));
        let (amount, destination) = (AMOUNT, node_c);
        assert_eq!(refused, Err(Refusal::OtherUnderWay { payment_hash, amount, destination }));
    }
    let again = net.command(0, without_invoice(node_c, AMOUNT));
    assert_eq!(again, Err(Refusal::PaymentUnderWay(payment_hash)), "the same is told how it ends");
    net.run();
    assert_eq!((ends(&net, 0), received(&net, 2)), ((1, vec![]), 1));
    for (node, amount) in others {
        let refused = net.command(0, without_invoice(node, amount));
        let told = matches!(
            &refused,
            Err(Refusal::PaidOtherwise { amount: AMOUNT, destination, .. }) if *destination == node_c
        );
        assert!(told, "{refused:?}");
    }
    let again = net.command(0, without_invoice(node_c, AMOUNT));
    assert!(matches!(again, Ok(Reply::AlreadyPaid(_))), "{again:?}");
    net.run();
    assert_eq!((ends(&net, 0).0, received(&net, 1), received(&net, 2)), (1, 0, 1));
}

#[test]
fn an_answer_that_does_not_fit_the_payment_is_not_followed() {
    let mut net = net(3, &[(0, 1), (1, 2)]);
    net.searches = false;
    let invoice = net.invoice(2, AMOUNT);
    net.pay(0, &invoice).expect("it is begun");
    let (who, query) = net.unanswered.remove(0);
    // One for more, one for too dear a way, one to somebody else.
    let more = RouteQuery { amount: Msat(AMOUNT.0 + 1), ..query.clone() };
    let elsewhere = RouteQuery { to: net.id(1), ..query.clone() };
    for wrong in [more, elsewhere] {
        let found = net.ways(&RouteQuery { number: last_number(&net), ..wrong });
        net.input(who, Input::Found(found));
        assert_eq!(net.times_said(0, "update_add_htlc"), 0);
    }
    assert!(last_number(&net) > query.number, "each time another question is asked");
    let (who, query) = net.unanswered.pop().expect("the last question");
    let found = net.ways(&query);
    net.input(who, Input::Found(found));
    net.run();
    assert_eq!((ends(&net, 0), received(&net, 2)), ((1, vec![]), 1));
}

#[test]
fn what_other_payments_have_under_way_is_counted_where_a_way_is_sought() {
    let mut net = net(4, &[(0, 1), (1, 3), (0, 2), (2, 3)]);
    net.searches = false;
    // Three of five parts of what there is: two such payments do not fit through the same channel.
    let most = net.members[0].node.own_channels()[0].sendable;
    let amount = Msat(most.0 / 5 * 3);
    let mut ways = Vec::new();
    for _ in 0..2 {
        let invoice = net.invoice(3, amount);
        net.pay(0, &invoice).expect("it is begun");
        let (who, query) = net.unanswered.remove(0);
        let under_way: Msat = query.in_flight.iter().map(|busy| busy.amount).sum();
        assert_eq!(under_way, if ways.is_empty() { Msat::ZERO } else { amount });
        let Found::Route { ref route, .. } = net.ways(&query) else { panic!("it was asked for a way") };
        let route = route.as_ref().as_ref().expect("there is one");
        assert_eq!(route.parts.len(), 1);
        ways.push(route.parts[0].hops[0].node);
        let found = net.ways(&query);
        net.input(who, Input::Found(found));
    }
    assert_ne!(ways[0], ways[1], "the second goes where the first does not");
    net.run();
    assert_eq!((ends(&net, 0), received(&net, 3)), ((2, vec![]), 2));
    assert_eq!(net.members[0].node.payments().count(), 0);
}

fn last_number(net: &Net) -> u64 {
    net.members[0].node.payments().next().expect("it is under way").searches
}

#[test]
fn without_a_way_the_payment_fails_and_says_why() {
    let mut net = net(4, &[(0, 1), (2, 3)]);
    let invoice = net.invoice(3, AMOUNT);
    net.pay(0, &invoice).expect("it is begun");
    let (sent, reasons) = ends(&net, 0);
    assert_eq!((sent, reasons.len()), (0, 1));
    assert!(reasons[0].contains("50,000 sat less"), "{}", reasons[0]);
    // It may be tried again.
    net.connect(1, 2);
    net.open(1, 2);
    net.pay(0, &invoice).expect("it failed for good before");
    net.run();
    assert_eq!((ends(&net, 0).0, received(&net, 3)), (1, 1));
}

#[test]
fn a_question_that_is_never_answered_ends_the_payment_when_its_time_is_up() {
    let mut net = net(3, &[(0, 1), (1, 2)]);
    net.searches = false;
    let invoice = net.invoice(2, AMOUNT);
    net.pay(0, &invoice).expect("it is begun");
    wait(&mut net, 59);
    assert_eq!(ends(&net, 0), (0, vec![]));
    assert!(net.unanswered.len() > 5, "it is asked again now and then");
    assert!(net.unanswered.iter().all(|(_, query)| query.number == 1), "and is the same question");
    wait(&mut net, 1);
    assert_eq!(ends(&net, 0), (0, vec!["the time for retries is up".to_owned()]));
    assert_eq!(net.members[0].node.payments().count(), 0);
}

// BOLT 4.receiving-failure-codes.8
#[test]
fn a_channel_that_holds_too_little_is_learnt_of_and_another_way_is_taken() {
    // The way over 1 is shorter than that over 2 and 3, and its last channel has been emptied.
    let mut net = net(5, &[(0, 1), (1, 4), (0, 2), (2, 3), (3, 4)]);
    let empty = net.invoice(4, Msat(565_000_000));
    net.pay(1, &empty).expect("its own channel");
    net.run();
    let invoice = net.invoice(4, AMOUNT);
    net.pay(0, &invoice).expect("it is begun");
    net.run();
    assert_eq!((ends(&net, 0), received(&net, 4)), ((1, vec![]), 2));
    let stuck: Vec<Msat> = of_outcome(&net, Outcome::Stuck);
    assert_eq!(stuck, [AMOUNT]);
    assert_eq!(of_outcome(&net, Outcome::Paid).len(), 2);
}

fn of_outcome(net: &Net, outcome: Outcome) -> Vec<Msat> {
    net.taught.iter().filter(|taught| taught.outcome == outcome).map(|taught| taught.amount).collect()
}

// BOLT 4.basic-multi-part-payments.2
// BOLT 4.basic-multi-part-payments.9
#[test]
fn what_no_single_way_carries_is_split_over_several_of_the_network() {
    let mut net = net(4, &[(0, 1), (1, 3), (0, 2), (2, 3)]);
    let amount = Msat(900_000_000);
    let invoice = net.invoice(3, amount);
    net.pay(0, &invoice).expect("it is begun");
    net.run();
    assert_eq!((ends(&net, 0), received(&net, 3)), ((1, vec![]), 1));
    assert!(net.times_said(0, "update_add_htlc") >= 2);
}

/// Nothing is known of the channels behind our own: whether both hold half of it is as good as tossing a coin twice.
#[test]
fn parts_whose_ways_are_doubtful_follow_scouts_that_come_back_and_a_crash_in_between_changes_nothing() {
    for crash in [false, true] {
        let mut net = net(4, &[(0, 1), (1, 3), (0, 2), (2, 3)]);
        let amount = Msat(900_000_000);
        let invoice = net.invoice(3, amount);
        net.pay(0, &invoice).expect("it is begun");
        let hashes = |net: &Net| -> Vec<PaymentHash> {
            let said = net.members[0].said.iter();
            said.filter_map(|(_, message)| match message {
                Message::UpdateAddHtlc(add) => Some(add.payment_hash),
                _ => None,
            })
            .collect()
        };
        let sent = hashes(&net);
        assert!(!sent.is_empty() && !sent.contains(&invoice.payment_hash()), "scouts go first");
        let in_flight = net.members[0].node.payments().next().map(|payment| payment.in_flight().0);
        assert_eq!(in_flight, Some(Msat::ZERO), "nothing of it is on its way");
        if crash {
            net.restart(0);
            net.connect(0, 1);
            net.connect(0, 2);
        }
        net.run();
        assert_eq!((ends(&net, 0), received(&net, 3)), ((1, vec![]), 1));
        assert_eq!(net.members[3].node.receiving(&sent[0]), None, "the recipient kept nothing of them");
    }
}

#[test]
fn a_payment_in_parts_is_whole_again_after_a_restart_in_the_middle() {
    let mut net = net(4, &[(0, 1), (1, 3), (0, 2), (2, 3)]);
    let amount = Msat(900_000_000);
    let invoice = net.invoice(3, amount);
    net.pay(0, &invoice).expect("it is begun");
    // One part has reached its payee; then the payer dies.
    while received_parts(&net) == 0 {
        let (from, to, message) = net.next().expect("it goes on");
        net.receive(to, from, &message);
    }
    let before: Node = net.members[0].node.after_losing_all_connections();
    net.restart(0);
    assert!(net.members[0].node == before);
    for peer in [1, 2] {
        net.connect(0, peer);
    }
    net.run();
    wait(&mut net, 6);
    assert_eq!((ends(&net, 0), received(&net, 3)), ((1, vec![]), 1));
    assert_eq!(net.members[0].node.payments().count(), 0);
}

fn received_parts(net: &Net) -> usize {
    let payee = &net.members[3].node;
    payee.channels().filter_map(|(_, channel)| channel.open()).map(|open| open.htlcs.len()).sum()
}

#[test]
fn an_outdated_refusal_of_path_search_changes_nothing() {
    let mut net = net(3, &[(0, 1), (1, 2)]);
    let invoice = net.invoice(2, AMOUNT);
    net.pay(0, &invoice).expect("it is begun");
    let to: NodeId = net.id(2);
    let route = Box::new(Err(NoRoute::UnknownNode(to)));
    let payment_hash = invoice.payment_hash();
    net.input(0, Input::Found(Found::Route { payment_hash, number: 1, route }));
    net.run();
    assert_eq!(ends(&net, 0), (1, vec![]));
    assert!(net.members[2].said.iter().any(|(_, message)| matches!(message, Message::UpdateFulfillHtlc(_))));
}

/// What is known of a payment from outside.
#[derive(Clone, Debug, Default)]
struct Deal {
    payer: usize,
    payee: usize,
    sent: usize,
    failed: usize,
    received: usize,
}

fn tally(net: &Net, deals: &mut BTreeMap<PaymentHash, Deal>) {
    deals.values_mut().for_each(|deal| (deal.sent, deal.failed, deal.received) = (0, 0, 0));
    for (who, member) in net.members.iter().enumerate() {
        for fact in &member.facts {
            let (Fact::PaymentSent { payment_hash, .. }
            | Fact::PaymentFailed { payment_hash, .. }
            | Fact::PaymentReceived { payment_hash, .. }) = fact
            else {
                continue;
            };
            let deal = deals.get_mut(payment_hash).expect("nobody invents a payment");
            match fact {
                Fact::PaymentSent { .. } => (deal.sent, deal.payer) = (deal.sent + 1, who),
                Fact::PaymentFailed { .. } => deal.failed += 1,
                _ => (deal.received, deal.payee) = (deal.received + 1, who),
            }
        }
    }
}

#[test]
fn in_a_network_of_crashes_and_a_node_that_holds_everything_each_payment_ends_once() {
    let pairs =
        [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 6), (6, 7), (7, 0), (0, 4), (1, 5), (2, 6), (3, 7)];
    let mut net = net(8, &pairs);
    let mut dice = Dice::new(0x5eed);
    let mut roll = |below: u64| usize::try_from(dice.below(below)).expect("small");
    let mut deals: BTreeMap<PaymentHash, Deal> = BTreeMap::new();
    let (mut crashes, mut parts) = (0, 0);
    for _ in 0..40 {
        let (payer, payee) = (roll(8), roll(8));
        if payer == payee {
            continue;
        }
        let amount = Msat([1_000_000, 60_000_000, 450_000_000][roll(3)]);
        let invoice = net.invoice(payee, amount);
        let hash = invoice.payment_hash();
        deals.insert(hash, Deal { payer, payee, ..Deal::default() });
        // Twice, as by a user who is not patient.
        for _ in 0..2 {
            let reply = net.pay(payer, &invoice);
            let under_way = Err(Refusal::PaymentUnderWay(hash));
            assert!(
                reply.is_ok() || reply == under_way || matches!(reply, Err(Refusal::Pay(_))),
                "{reply:?}"
            );
            if matches!(reply, Err(Refusal::Pay(_))) {
                deals.remove(&hash);
                break;
            }
        }
        let of_payer = net.members[payer].node.payments().map(|payment| payment.parts.len());
        parts = parts.max(of_payer.max().unwrap_or(0));
        // For a while one node hears and says nothing.
        let silent = roll(8);
        for _ in 0..roll(60) {
            let Some((from, to, message)) = net.next_but(silent) else { break };
            net.receive(to, from, &message);
        }
        if roll(3) == 0 {
            crashes += 1;
            let who = roll(8);
            net.restart(who);
            for (a, b) in pairs.into_iter().filter(|(a, b)| *a == who || *b == who) {
                net.connect(a, b);
            }
        }
        net.now = net.now.plus(1_000);
        net.input(payer, Input::Tick);
    }
    net.run();
    wait(&mut net, 130);
    tally(&net, &mut deals);
    for (hash, deal) in &deals {
        assert!(deal.sent <= 1 && deal.received == deal.sent, "{hash}: {deal:?}");
        assert!(deal.sent + deal.failed >= 1, "{hash} has no end: {deal:?}");
        assert!(deal.sent == 0 || deal.failed == 0, "{hash} is both: {deal:?}");
    }
    let under_way: usize = net.members.iter().map(|member| member.node.payments().count()).sum();
    assert_eq!(under_way, 0);
    let sent = deals.values().filter(|deal| deal.sent == 1).count();
    assert!(sent >= 15 && crashes >= 5 && parts >= 2, "{sent} sent, {crashes} crashes, {parts} parts");
}

#[test]
fn a_recipient_with_whom_we_have_a_channel_is_told_to_be_away() {
    let mut net = net(3, &[(0, 1), (1, 2)]);
    net.cut(1, 2);
    let invoice = net.invoice(2, AMOUNT);
    net.pay(1, &invoice).expect("it is begun");
    wait(&mut net, 90);
    let (_, reasons) = ends(&net, 1);
    assert!(reasons[0].ends_with("it is used again when that is back"), "{reasons:?}");
    // Of another it would not help to say so.
    let invoice = net.invoice(2, AMOUNT);
    net.pay(0, &invoice).expect("it is begun");
    wait(&mut net, 90);
    let (_, reasons) = ends(&net, 0);
    assert!(!reasons[0].contains("it is used again"), "{reasons:?}");
}

/// A payment of node 0 for node 2 that names this channel of node 1, and how often node 1 failed it.
fn named(net: &mut Net, alias: astrape_primitives::ShortChannelId, amount: Msat) -> (usize, usize) {
    let invoice = net.invoice_with(2, amount, |hint| hint.short_channel_id = alias);
    let (before, failed) = (received(net, 2), net.times_said(1, "update_fail_htlc"));
    net.pay(0, &invoice).expect("there is a hint");
    net.run();
    (received(net, 2) - before, net.times_said(1, "update_fail_htlc") - failed)
}

#[test]
fn where_the_channel_that_is_named_cannot_carry_it_another_one_with_the_same_peer_does() {
    let mut net = Net::new(3);
    net.announces = true;
    net.open(0, 1);
    net.open(0, 1);
    net.announces = false;
    let channels = [net.open(1, 2), net.open(1, 2)];
    let alias = |net: &Net, keys: &ChannelKeysId| {
        net.members[1].node.channel(keys).and_then(|c| c.open()).expect("open").params.local_alias
    };
    // The peer knows a channel by our alias, and so do those whom it tells.
    let named_first = alias(&net, &channels[0]);
    let before = channels.map(|channel| balance(&net, 1, &channel));
    assert_eq!(named(&mut net, named_first, Msat(500_000_000)), (1, 0));
    assert_eq!(
        named(&mut net, named_first, Msat(300_000_000)),
        (1, 0),
        "though that channel has a third of it"
    );
    let after = channels.map(|channel| balance(&net, 1, &channel));
    assert_eq!((before[0].0 - after[0].0, before[1].0 - after[1].0), (500_000_000, 300_000_000));
}

#[test]
fn nothing_goes_back_by_the_channel_that_it_came_by_in_place_of_the_one_that_is_named() {
    let mut net = Net::new(2);
    net.announces = true;
    let [came_by, named, other] = [net.open(0, 1), net.open(0, 1), net.open(0, 1)];
    let entropy = astrape_primitives::Entropy::new([1; 32]);
    let now = net.now;
    let turn = crate::turn::Turn::new(&mut net.members[0].node, now, entropy);
    assert_eq!(turn.in_its_stead(named, came_by), [other]);
    assert_eq!(turn.in_its_stead(came_by, came_by).len(), 2, "it was named so");
}
