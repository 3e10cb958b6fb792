//! Forwards that wait for an application: what it may decide, and what happens when it decides nothing.

use super::net::Net;
use crate::Refusal;
use crate::command::{Command, Reply, Verdict};
use crate::input::Input;
use crate::ledger::Fact;
use astrape_invoice::Invoice;
use astrape_payment::intercept::{Intercept, MAX_HELD_PER_CHANNEL, ResumeRefusal};
use astrape_primitives::{ChannelKeysId, HtlcId, Msat, ShortChannelId};
use astrape_wire::Message;
use std::sync::Arc;

const AMOUNT: Msat = Msat(50_000_000);
/// What the middle node's channel asks for it.
const FEE: Msat = Msat(1_000 + AMOUNT.0 / 10_000);
/// No channel: an id that an application has handed out.
const MADE_UP: ShortChannelId = ShortChannelId(1 << 63 | 5);

const RANGE: Intercept =
    Intercept::Range { first: ShortChannelId(1 << 63), last: ShortChannelId(1 << 63 | 99) };

/// Three nodes in a row, of which the middle one asks an application.
fn net(intercept: Intercept) -> Net {
    let mut net = Net::new(3);
    let mut config = (*net.members[1].node.config).clone();
    config.payment.intercept = intercept;
    net.members[1].node.config = Arc::new(config);
    net.open(0, 1);
    net.open(1, 2);
    net.is_checked = true;
    net
}

/// An invoice of the last node, whose hint names the made-up id.
fn invoice(net: &mut Net) -> Invoice {
    net.invoice_with(2, AMOUNT, |hint| hint.short_channel_id = MADE_UP)
}

/// Pays until nothing moves any more: what waits, waits.
fn pay(net: &mut Net) -> Invoice {
    let invoice = invoice(net);
    net.pay(0, &invoice).expect("it is begun");
    net.run();
    invoice
}

fn waiting(net: &Net) -> Vec<(ChannelKeysId, HtlcId)> {
    net.members[1].node.held().map(|(channel, htlc, _)| (channel, htlc.id)).collect()
}

fn decide(
    net: &mut Net,
    (channel, htlc): (ChannelKeysId, HtlcId),
    verdict: Verdict,
) -> Result<Reply, Refusal> {
    let reply = net.command(1, Command::Intercepted { channel, htlc, verdict });
    net.run();
    reply
}

/// The middle node's channel with the last.
fn onward(net: &Net) -> ChannelKeysId {
    let last = net.id(2);
    let channels = net.members[1].node.channels();
    channels.filter(|(_, channel)| channel.peer() == last).map(|(keys, _)| keys).next().expect("it is open")
}

/// How often the payer was told that it paid, and why it did not.
fn ends(net: &Net) -> (usize, Vec<String>) {
    let facts = &net.members[0].facts;
    let sent = facts.iter().filter(|fact| matches!(fact, Fact::PaymentSent { .. })).count();
    let failed = facts.iter().filter_map(|fact| match fact {
        Fact::PaymentFailed { reason, .. } => Some(reason.clone()),
        _ => None,
    });
    (sent, failed.collect())
}

fn wait(net: &mut Net, millis: u64) {
    net.now = net.now.plus(millis);
    for who in 0..net.members.len() {
        net.input(who, Input::Tick);
    }
    net.run();
}

#[test]
fn a_forward_to_a_made_up_id_waits_also_over_a_restart_and_goes_on_where_the_application_says() {
    let mut net = net(RANGE);
    pay(&mut net);
    let [id] = waiting(&net)[..] else { panic!("it waits") };
    assert_eq!(net.times_said(1, "update_add_htlc"), 0);
    net.restart(1);
    assert_eq!(waiting(&net), [id], "it is asked again");
    net.connect(0, 1);
    net.connect(1, 2);
    net.run();
    let nowhere = decide(&mut net, id, Verdict::Resume { over: None, amount: None });
    assert_eq!(nowhere, Err(ResumeRefusal::NoChannel.into()));
    assert_eq!(waiting(&net), [id], "a refusal changes nothing");
    let over = Some(onward(&net));
    assert_eq!(decide(&mut net, id, Verdict::Resume { over, amount: None }), Ok(Reply::Done));
    assert_eq!((ends(&net), waiting(&net)), ((1, vec![]), vec![]));
    let earned = net.members[1].facts.iter().find_map(|fact| match fact {
        Fact::Forwarded { amount_in, amount_out, .. } => Some(amount_in.0 - amount_out.0),
        _ => None,
    });
    assert_eq!(earned, Some(FEE.0));
    let again = decide(&mut net, id, Verdict::Resume { over, amount: None });
    assert_eq!(again, Err(Refusal::NoSuchHtlc), "it is decided once");
}

#[test]
fn an_application_may_take_another_fee_but_gives_nothing_away_and_leaves_most() {
    let mut net = net(RANGE);
    pay(&mut net);
    let [id] = waiting(&net)[..] else { panic!("it waits") };
    let over = Some(onward(&net));
    let with = |amount| Verdict::Resume { over, amount: Some(amount) };
    let (wanted, there) = (Msat(AMOUNT.0 + FEE.0 + 1), Msat(AMOUNT.0 + FEE.0));
    let refused = decide(&mut net, id, with(wanted));
    assert_eq!(refused, Err(ResumeRefusal::More { wanted, there }.into()));
    for wanted in [Msat(AMOUNT.0 / 2 - 1), Msat::ZERO] {
        let refused = decide(&mut net, id, with(wanted));
        assert_eq!(refused, Err(ResumeRefusal::Less { wanted, meant: AMOUNT }.into()));
    }
    assert_eq!(net.times_said(1, "update_add_htlc"), 0);
    assert_eq!(decide(&mut net, id, with(Msat(AMOUNT.0 / 2))), Ok(Reply::Done));
    let forwarded = net.members[1].said.iter().find_map(|(_, message)| match message {
        Message::UpdateAddHtlc(add) => Some(add.amount_msat),
        _ => None,
    });
    assert_eq!(forwarded, Some(Msat(AMOUNT.0 / 2)));
    // This payee wants all of it.
    assert_eq!((ends(&net).0, ends(&net).1.len(), waiting(&net)), (0, 1, vec![]));
}

#[test]
fn what_the_application_refuses_goes_back_as_if_nobody_knew_the_id() {
    let mut net = net(RANGE);
    pay(&mut net);
    let [id] = waiting(&net)[..] else { panic!("it waits") };
    assert_eq!(decide(&mut net, id, Verdict::Fail), Ok(Reply::Done));
    let (sent, reasons) = ends(&net);
    assert_eq!((sent, reasons.len(), waiting(&net)), (0, 1, vec![]));
    assert!(reasons[0].contains("unknown_next_peer"), "{}", reasons[0]);
    let told = net.members[1].facts.iter().find_map(|fact| match fact {
        Fact::ForwardFailed { reason, by_us, .. } => Some((reason.clone(), *by_us)),
        _ => None,
    });
    assert_eq!(told, Some(("the application refused it".to_owned(), true)));
}

#[test]
fn what_nobody_decides_goes_back_after_a_time_and_before_it_would_be_late() {
    let mut net = net(RANGE);
    let limit = net.members[1].node.config.payment.intercept_millis;
    pay(&mut net);
    wait(&mut net, limit - 1);
    assert_eq!((waiting(&net).len(), ends(&net).0), (1, 0));
    wait(&mut net, 1);
    assert_eq!((waiting(&net).len(), ends(&net).1.len()), (0, 1), "its time is up");

    pay(&mut net);
    let held: Vec<_> = net.members[1].node.held().collect();
    let expiry = held[0].1.cltv_expiry;
    while waiting(&net).len() == 1 {
        net.mine(Vec::new());
        net.run();
    }
    // What was to go out expires by the channel's delta before what came in; three blocks before that nobody could use it.
    let delta = net.members[1].node.config.payment.forward.cltv_expiry_delta.0;
    assert_eq!(expiry.blocks_left(net.tip.height), u32::from(delta) + 3);
    assert_eq!(ends(&net).1.len(), 2);
}

#[test]
fn an_application_that_is_asked_about_everything_decides_on_real_channels_too() {
    let mut net = net(Intercept::Everything);
    let invoice = net.invoice(2, AMOUNT);
    net.pay(0, &invoice).expect("it is begun");
    net.run();
    let [id] = waiting(&net)[..] else { panic!("it waits") };
    assert_eq!(decide(&mut net, id, Verdict::Resume { over: None, amount: None }), Ok(Reply::Done));
    assert_eq!(ends(&net), (1, vec![]));
    // What is for the node itself is no forward.
    let own = net.invoice(1, AMOUNT);
    net.pay(0, &own).expect("it is begun");
    net.run();
    assert_eq!(ends(&net), (2, vec![]));
}

#[test]
fn so_many_wait_of_one_channel_and_no_more() {
    let mut net = net(RANGE);
    net.is_checked = false;
    for _ in 0..MAX_HELD_PER_CHANNEL {
        let invoice = net.invoice_with(2, Msat(1_000_000), |hint| hint.short_channel_id = MADE_UP);
        net.pay(0, &invoice).expect("it is begun");
        net.run();
    }
    assert_eq!((waiting(&net).len(), ends(&net).1.len()), (MAX_HELD_PER_CHANNEL, 0));
    let invoice = net.invoice_with(2, Msat(1_000_000), |hint| hint.short_channel_id = MADE_UP);
    net.pay(0, &invoice).expect("it is begun");
    net.run();
    assert_eq!((waiting(&net).len(), ends(&net).1.len()), (MAX_HELD_PER_CHANNEL, 1), "one is too many");
}

#[test]
fn without_an_application_a_made_up_id_is_unknown_and_waits_for_nobody() {
    let mut net = net(Intercept::Nothing);
    pay(&mut net);
    assert_eq!((waiting(&net).len(), ends(&net).1.len()), (0, 1));
}
