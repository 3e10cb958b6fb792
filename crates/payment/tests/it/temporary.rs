//! What the recipient says without meaning it for good: less is tried, or later.

use crate::retries::{Paying, is_failure, offers, two_channels, two_hints};
use crate::support::{
    NOW, PAYEE, begin, draft, failed_by, finish, hop, keys, node, own, request, sat, view,
    where_nothing_is_known,
};
use astrape_channel::Resolution;
use astrape_onion::Failure;
use astrape_payment::{PayOutput, PayRequest, PayView, Payee, Payment, PaymentPolicy, TripEnd};
use astrape_primitives::{Msat, PaymentHash, PaymentSecret, ShortChannelId, Timestamp};
use astrape_routing::Outcome;

const AMOUNT: Msat = Msat(4_000_000);

impl Paying {
    fn tick(&mut self, now: Timestamp) -> Option<Vec<PayOutput>> {
        let policy = PaymentPolicy::default();
        let view = PayView { now, ..view(&self.channels, &policy) };
        self.now = now;
        let (next, outputs) = self.payment.on_tick(&view)?;
        let (next, outputs) = where_nothing_is_known(next, outputs, &view);
        self.payment = next;
        Some(outputs)
    }
}

// BOLT 4.receiving-failure-codes.3
#[test]
fn a_recipient_that_is_busy_is_tried_again_after_a_pause_until_the_time_is_up() {
    let mut paying = Paying::new(AMOUNT, vec![vec![hop(2, 22)]], &[own(1, 2, sat(5_000))]);
    let (mut part, mut now) = (0, NOW);
    while now < NOW.plus(59_000) {
        paying.now = now;
        assert_eq!(paying.fail(part, 1, &Failure::TemporaryNodeFailure), []);
        assert!(paying.payment.lessons.nodes.is_empty() && !paying.payment.is_over());
        assert_eq!(paying.tick(now.plus(4_999)), None, "not at once");
        now = now.plus(5_000);
        let Some(outputs) = paying.tick(now).filter(|_| now < NOW.plus(60_000)) else { return };
        assert_eq!(offers(&outputs)[0].0, keys(1));
        part += 1;
    }
    paying.now = NOW.plus(60_000);
    assert!(is_failure(&paying.fail(part, 1, &Failure::TemporaryNodeFailure)));
    assert_eq!(part, 12);
}

// BOLT 4.receiving-failure-codes.3
#[test]
fn a_recipient_whose_channel_carries_no_more_is_reached_by_another_or_with_less() {
    for failure in [Failure::TemporaryChannelFailure, Failure::Unknown { code: 0x77, data: vec![] }] {
        let mut paying = Paying::new(AMOUNT, two_hints(), &two_channels());
        assert_eq!(offers(&paying.fail(0, 1, &failure))[0].0, keys(2), "{failure}");
        let limits: Vec<_> = paying
            .payment
            .lessons
            .channels
            .iter()
            .map(|((channel, _), limit)| (*channel, limit.most))
            .collect();
        assert_eq!(limits, [(ShortChannelId(22), Msat(AMOUNT.0 - 1))], "{failure}");
        let outputs = paying.fail(1, 1, &failure);
        assert_eq!(offers(&outputs).len(), 2, "{failure}: half by each");
    }
}

#[test]
fn a_recipient_that_is_our_peer_is_offered_less_and_not_for_ever() {
    let channels = [own(1, PAYEE, sat(6_000)), own(2, PAYEE, sat(3_000))];
    let mut paying = Paying::new(AMOUNT, vec![], &channels);
    let outputs = paying.fail(0, 0, &Failure::TemporaryChannelFailure);
    let amounts: Vec<_> = offers(&outputs).iter().map(|(channel, new)| (*channel, new.amount)).collect();
    assert_eq!(amounts, [(keys(2), sat(3_000)), (keys(1), sat(1_000))]);
    for _ in 0..100 {
        let Some(part) = paying.payment.parts.keys().next().copied() else { break };
        paying.fail(part, 0, &Failure::TemporaryChannelFailure);
    }
    assert!(paying.payment.is_over());
}

#[test]
fn the_channel_that_the_recipient_failed_an_htlc_of_teaches_path_search() {
    let paying = Paying::new(AMOUNT, vec![vec![hop(2, 22), hop(3, 33)]], &[own(1, 2, sat(5_000))]);
    let how = failed_by(&paying.payment.parts[&0], 2, &Failure::TemporaryChannelFailure);
    let policy = PaymentPolicy::default();
    let (_, outputs) = paying.payment.on_failed(0, &how, &view(&paying.channels, &policy));
    let Some(PayOutput::Teach(trip)) = outputs.first() else { panic!("{outputs:?}") };
    let taught: Vec<_> = trip.taught().iter().map(|t| (t.short_channel_id.0, t.outcome)).collect();
    assert_eq!(taught, [(22, Outcome::Passed), (33, Outcome::Stuck)]);
}

fn probe() -> Payment {
    let invoice = finish(&draft(Some(AMOUNT), vec![vec![hop(2, 22)]]));
    let payee = Payee::Probe {
        node: node(PAYEE),
        payment_hash: PaymentHash([0xab; 32]),
        payment_secret: PaymentSecret([0xcd; 32]),
        invoice: Some(Box::new(invoice.clone())),
    };
    let request = PayRequest { payee, ..request(invoice) };
    begin(request, &view(&[own(1, 2, sat(5_000))], &PaymentPolicy::default())).expect("a way").0
}

#[test]
fn a_probe_has_not_arrived_where_the_recipient_would_not_have_taken_it() {
    let (channels, policy) = ([own(1, 2, sat(5_000))], PaymentPolicy::default());
    let answer = |failure: &Failure| {
        let payment = probe();
        let how: Resolution = failed_by(&payment.parts[&0], 1, failure);
        payment.on_failed(0, &how, &view(&channels, &policy))
    };
    let is_reached = |outputs: &[PayOutput]| outputs.iter().any(|o| matches!(o, PayOutput::Reached { .. }));
    assert!(is_reached(&answer(&Failure::MppTimeout).1));
    for failure in [
        Failure::TemporaryNodeFailure,
        Failure::TemporaryChannelFailure,
        Failure::PermanentNodeFailure,
        Failure::RequiredNodeFeatureMissing,
    ] {
        let (payment, outputs) = answer(&failure);
        assert!(!is_reached(&outputs), "{failure}");
        assert_eq!(payment.is_over(), failure.is_permanent(), "{failure}");
        let Some(PayOutput::Teach(trip)) = outputs.first() else { panic!("{outputs:?}") };
        assert!(matches!(trip.end, TripEnd::Failed { .. }));
    }
}
