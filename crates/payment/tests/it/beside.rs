//! What parts of a payment have in a channel beside each other is not taken for what it lacks.

use crate::support::{begin, draft, failed_by, finish, hop, own, request, sat, view};
use astrape_onion::Failure;
use astrape_payment::{OwnChannel, PayOutput, Payment, PaymentPolicy, Taught};
use astrape_primitives::{Msat, ShortChannelId};
use astrape_routing::Outcome;

const SHARED: ShortChannelId = ShortChannelId(22);

fn channels() -> [OwnChannel; 2] {
    [own(1, 2, sat(3_000)), own(2, 2, sat(3_000))]
}

/// Two parts over the same two channels of others.
fn two_parts() -> Payment {
    let policy = PaymentPolicy::default();
    let invoice = finish(&draft(Some(sat(5_000)), vec![vec![hop(2, SHARED.0), hop(3, 33)]]));
    let (payment, offers) = begin(request(invoice), &view(&channels(), &policy)).expect("there is a way");
    assert_eq!(offers.len(), 2);
    payment
}

/// Hop `index` does not pass a part on: what is left of the payment, and what that teaches.
fn fail(payment: &Payment, part: u64, index: usize) -> (Payment, Vec<Taught>) {
    let policy = PaymentPolicy::default();
    let how = failed_by(&payment.parts[&part], index, &Failure::TemporaryChannelFailure);
    let (next, outputs) = payment.on_failed(part, &how, &view(&channels(), &policy));
    let taught = outputs.into_iter().find_map(|output| match output {
        PayOutput::Teach(trip) => Some(trip.taught()),
        _ => None,
    });
    (next, taught.expect("it is over"))
}

fn stuck_at(taught: &[Taught]) -> Option<(ShortChannelId, Msat)> {
    taught.iter().find(|t| t.outcome == Outcome::Stuck).map(|t| (t.short_channel_id, t.amount))
}

#[test]
fn what_an_earlier_part_had_there_counts_although_it_has_come_back_by_then() {
    let payment = two_parts();
    let (_, taught) = fail(&payment, 1, 0);
    let beside_it = stuck_at(&taught);
    assert!(beside_it.is_some_and(|(channel, most)| channel == SHARED && most > sat(5_000)), "{taught:?}");
    // The first gets further than the second, comes back, and is told of before it.
    let (payment, taught) = fail(&payment, 0, 1);
    assert_eq!(taught.first().map(|t| (t.short_channel_id, t.outcome)), Some((SHARED, Outcome::Passed)));
    let (payment, taught) = fail(&payment, 1, 0);
    assert_eq!(stuck_at(&taught), beside_it);
    let most = payment.lessons.channels.iter().find(|((channel, _), _)| *channel == SHARED);
    assert_eq!(most.map(|(_, limit)| limit.most.0 + 1), beside_it.map(|(_, most)| most.0));
    assert!(payment.beside.is_empty(), "nothing is left of it: {:?}", payment.beside);
}

#[test]
fn an_earlier_part_that_did_not_get_through_itself_was_not_there() {
    let payment = two_parts();
    let (payment, first) = fail(&payment, 0, 0);
    assert!(payment.beside.is_empty());
    let (_, second) = fail(&payment, 1, 0);
    let sum = stuck_at(&first).zip(stuck_at(&second)).map(|((_, a), (_, b))| a.0 + b.0);
    assert!(
        sum.is_some_and(|sum| (5_000_000..5_100_000).contains(&sum)),
        "each alone: {first:?}, {second:?}"
    );
}
