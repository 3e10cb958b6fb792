//! What time does: HTLCs that wait for an application, questions that nobody answers, policies that were asked before.

use crate::support::{NOW, PREIMAGE, TIP, begin, draft, finish, forward, hop, incoming, keys, own, packet};
use crate::support::{peeled_forward, request, sat, view};
use astrape_channel::Htlc;
use astrape_onion::{Failure, ForwardPayload};
use astrape_payment::intercept::{Held, ResumeRefusal, held_until, may_wait, resume};
use astrape_payment::{ChannelPolicy, ForwardPolicy, PayOutput, PayView, Payment, PaymentPolicy};
use astrape_primitives::{CltvExpiry, Height, Msat, ShortChannelId};
use astrape_routing::Outcome;

const AMOUNT: Msat = Msat(1_000_000);
const EXPIRY: u32 = TIP.0 + 40;
/// The least that a forward leaves to who passes it on.
const DELTA: u32 = 34;

fn waiting(delta: u32) -> (Htlc, ForwardPayload) {
    let payload = forward(AMOUNT, EXPIRY);
    (incoming(4, Msat(AMOUNT.0 + 10), EXPIRY + delta, peeled_forward(payload)), payload)
}

#[test]
fn what_waits_for_an_application_is_late_after_its_time_or_before_its_expiry_and_not_sooner() {
    let policy = PaymentPolicy::default();
    let (_, payload) = waiting(DELTA);
    let (held, last) = (Held { since: NOW }, held_until(&payload, &policy));
    let on_time = NOW.plus(policy.intercept_millis - 1);
    assert_eq!(last, Height(EXPIRY - policy.min_forward_expiry_blocks));
    assert!(!held.is_late(&payload, on_time, Height(last.0 - 1), &policy));
    assert!(held.is_late(&payload, on_time.plus(1), TIP, &policy));
    assert!(held.is_late(&payload, NOW, last, &policy));
}

#[test]
fn what_leaves_too_little_time_or_takes_too_much_does_not_wait() {
    let policy = PaymentPolicy::default();
    let wait = |delta: u32, tip: Height| {
        let (htlc, payload) = waiting(delta);
        may_wait(&htlc, &payload, (0, 0), true, tip, &policy)
    };
    assert_eq!(wait(DELTA, TIP), Ok(()));
    let cltv_expiry = CltvExpiry(EXPIRY);
    assert_eq!(wait(DELTA - 1, TIP), Err(Failure::IncorrectCltvExpiry { cltv_expiry }));
    assert_eq!(wait(DELTA, Height(EXPIRY - 3)), Err(Failure::ExpiryTooSoon));
    assert_eq!(wait(DELTA, Height(EXPIRY - 4)), Ok(()));
    let longest = policy.max_expiry_blocks - 40;
    assert_eq!(wait(longest, TIP), Ok(()));
    assert_eq!(wait(longest + 1, TIP), Err(Failure::ExpiryTooFar));
}

#[test]
fn an_application_may_forward_all_that_came_in_or_half_of_what_was_meant_and_nothing_beyond() {
    let policy = PaymentPolicy::default();
    let (htlc, payload) = waiting(DELTA);
    let packet = packet();
    let by = |amount: Option<Msat>| {
        resume(&htlc, keys(1), (&payload, &packet), Ok(()), amount, TIP, &policy).map(|new| new.amount)
    };
    assert_eq!(by(None), Ok(AMOUNT));
    let there = htlc.amount;
    assert_eq!(by(Some(there)), Ok(there));
    let wanted = Msat(there.0 + 1);
    assert_eq!(by(Some(wanted)), Err(ResumeRefusal::More { wanted, there }));
    let half = Msat(AMOUNT.0 / 2);
    assert_eq!(by(Some(half)), Ok(half));
    let wanted = Msat(half.0 - 1);
    assert_eq!(by(Some(wanted)), Err(ResumeRefusal::Less { wanted, meant: AMOUNT }));
}

#[test]
fn a_question_that_nobody_answers_is_asked_again_until_the_time_is_up() {
    let policy = PaymentPolicy::default();
    let channels = [own(1, 2, sat(5_000))];
    let invoice = finish(&draft(Some(AMOUNT), vec![]));
    let (payment, outputs) = Payment::start(request(invoice), &view(&channels, &policy)).expect("it begins");
    let [PayOutput::Search(first)] = &outputs[..] else { panic!("{outputs:?}") };
    let at = |millis: u64| PayView { now: NOW.plus(millis), ..view(&channels, &policy) };
    assert_eq!(payment.on_tick(&at(4_999)), None);
    assert!(!payment.is_due(NOW.plus(4_999)));
    let (again, outputs) = payment.on_tick(&at(5_000)).expect("nobody has answered");
    let [PayOutput::Search(second)] = &outputs[..] else { panic!("{outputs:?}") };
    assert_eq!((second.number, second.amount), (first.number, first.amount), "the same question");
    assert_eq!(again.on_tick(&at(9_999)), None);
    assert!(payment.on_tick(&PayView { channels: &[], ..at(5_000) }).is_none(), "without channels it waits");
    let millis = policy.retry_secs * 1_000;
    let (over, outputs) = again.on_tick(&at(millis)).expect("the time is up");
    let [PayOutput::Failed { reason }] = &outputs[..] else { panic!("{outputs:?}") };
    assert_eq!(reason, "the time for retries is up");
    assert!(over.is_over() && over.on_tick(&at(2 * millis)).is_none());
}

#[test]
fn what_was_paid_teaches_what_each_channel_has_carried() {
    let policy = PaymentPolicy::default();
    let channels = [own(1, 2, sat(5_000))];
    let invoice = finish(&draft(Some(AMOUNT), vec![vec![hop(2, 22)]]));
    let (payment, _) = begin(request(invoice), &view(&channels, &policy)).expect("there is a way");
    let (_, outputs) = payment.on_fulfilled(0, PREIMAGE, None, NOW);
    let taught = outputs.iter().find_map(|output| match output {
        PayOutput::Teach(trip) => Some(trip.taught()),
        _ => None,
    });
    let taught: Vec<_> = taught
        .expect("something is learnt")
        .iter()
        .map(|taught| (taught.short_channel_id, taught.amount, taught.outcome))
        .collect();
    assert_eq!(taught, [(ShortChannelId(22), AMOUNT, Outcome::Paid)]);
}

#[test]
fn a_policy_says_something_as_long_as_it_is_the_channels_own_or_an_older_one_is_taken() {
    let nothing = ChannelPolicy::default();
    assert!(nothing.is_empty());
    assert!(!ChannelPolicy { own: Some(ForwardPolicy::default()), ..nothing.clone() }.is_empty());
    let before = nothing.without(ForwardPolicy::default(), NOW);
    assert!(!before.is_empty());
    let ten_minutes = 600_000;
    assert!(!before.after(NOW.plus(ten_minutes - 1)).is_empty());
    assert!(before.after(NOW.plus(ten_minutes)).is_empty());
}
