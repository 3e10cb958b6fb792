//! Where the rest of a payment finds no way beside its own parts, it begins anew once the recipient has given them back.

use crate::support::{NOW, begin, draft, failed_by, finish, hop, own, request, sat, view};
use astrape_onion::Failure;
use astrape_payment::{OwnChannel, PayOutput, PayView, Payment, PaymentPolicy};
use astrape_primitives::{Msat, Timestamp};
use astrape_routing::NoRoute;

fn channels() -> [OwnChannel; 2] {
    [own(1, 2, sat(3_000)), own(2, 2, sat(3_000))]
}

/// Two parts over the same two channels of others, to hop 2 in the end.
fn two_parts() -> Payment {
    let policy = PaymentPolicy::default();
    let invoice = finish(&draft(Some(sat(5_000)), vec![vec![hop(2, 22), hop(3, 33)]]));
    let (payment, offers) = begin(request(invoice), &view(&channels(), &policy)).expect("there is a way");
    assert_eq!(offers.len(), 2);
    payment
}

/// A hop fails a part; path search finds no other way, however often it is asked. Also whether it was asked for all.
fn fail(
    payment: &Payment,
    (part, index): (u64, usize),
    failure: &Failure,
    now: Timestamp,
) -> (Payment, Vec<PayOutput>, bool) {
    let (channels, policy) = (channels(), PaymentPolicy::default());
    let view = PayView { now, ..view(&channels, &policy) };
    let how = failed_by(&payment.parts[&part], index, failure);
    let (mut payment, outputs) = payment.on_failed(part, &how, &view);
    let (mut rest, mut asked_for_all) = (Vec::new(), false);
    let mut outputs = std::collections::VecDeque::from(outputs);
    while let Some(output) = outputs.pop_front() {
        match output {
            PayOutput::Search(query) => {
                asked_for_all |= query.amount == payment.amount;
                let found = Err(NoRoute::NoChannel);
                let (next, more) = payment.on_route(query.number, &found, &view);
                payment = next;
                outputs.extend(more);
            }
            PayOutput::Teach(_) => {}
            other => rest.push(other),
        }
    }
    (payment, rest, asked_for_all)
}

/// The second part has found no way, and the first waits at the recipient.
fn stuck() -> Payment {
    let (payment, outputs, _) = fail(&two_parts(), (1, 0), &Failure::TemporaryNodeFailure, NOW);
    assert_eq!(outputs, [], "it is no failure yet");
    assert_eq!((payment.parts.len(), payment.asked_at, &payment.gave_up), (1, None, &None));
    payment
}

#[test]
fn a_payment_that_is_stuck_beside_its_parts_begins_anew_when_they_are_back() {
    let (payment, outputs, asked_for_all) = fail(&stuck(), (0, 2), &Failure::MppTimeout, NOW.plus(59_000));
    assert!(asked_for_all, "another layout may do");
    assert!(matches!(&outputs[..], [PayOutput::Failed { .. }]), "there was none: {outputs:?}");
    assert!(payment.is_over());
}

#[test]
fn a_payment_that_is_stuck_when_its_time_is_up_fails_when_its_parts_are_back() {
    let (payment, outputs, asked_for_all) = fail(&stuck(), (0, 2), &Failure::MppTimeout, NOW.plus(60_000));
    assert!(!asked_for_all);
    let [PayOutput::Failed { reason }] = &outputs[..] else { panic!("{outputs:?}") };
    assert!(reason.contains("the time for retries is up"), "{reason}");
    assert!(payment.is_over());
}

#[test]
fn a_recipient_that_had_all_and_lets_the_time_pass_is_not_paid_again() {
    let (payment, outputs, asked_for_all) = fail(&two_parts(), (0, 2), &Failure::MppTimeout, NOW);
    assert!(payment.gave_up.is_some() && outputs.is_empty() && !asked_for_all);
    let (payment, outputs, asked_for_all) = fail(&payment, (1, 2), &Failure::MppTimeout, NOW);
    assert!(matches!(&outputs[..], [PayOutput::Failed { .. }]) && !asked_for_all);
    assert!(payment.is_over());
}

/// The first has failed where the later two stood by then, which nobody could know.
#[test]
fn what_parts_have_carried_together_corrects_what_was_thought_to_be_too_much() {
    let policy = PaymentPolicy::default();
    let own = [own(1, 2, sat(2_100)), own(2, 2, sat(2_000)), own(3, 2, sat(1_500))];
    let invoice = finish(&draft(Some(sat(5_000)), vec![vec![hop(2, 22), hop(3, 33)]]));
    let (payment, offers) = begin(request(invoice), &view(&own, &policy)).expect("there is a way");
    assert_eq!(offers.len(), 3);
    let carried = Msat(payment.parts[&1].amount.0 + payment.parts[&2].amount.0);
    let limit = |payment: &Payment| {
        let limit = payment.lessons.channels.iter().find(|((channel, _), _)| channel.0 == 33);
        limit.map(|(_, limit)| limit.most)
    };
    let (payment, outputs, _) = fail(&payment, (0, 1), &Failure::TemporaryChannelFailure, NOW);
    assert!(outputs.is_empty() && limit(&payment).is_some_and(|most| most < carried));
    let (payment, _, _) = fail(&payment, (1, 2), &Failure::MppTimeout, NOW);
    assert_eq!(limit(&payment), Some(carried), "so much stood there");
}
