//! How long each hop held a part, as the hops tell, and what of it is believed.

use crate::support::{
    NOW, PAYEE, PREIMAGE, begin, draft, failed_by, finish, hop, node, own, request, sat, view, wrapped,
};
use astrape_channel::{Attribution, Resolution};
use astrape_onion::{
    Failure, FailurePacket, HoldTime, SharedSecret, create_failure, create_fulfill_attribution,
    relay_failure, relay_fulfill_attribution,
};
use astrape_payment::{PayOutput, PayView, Payment, PaymentPart, PaymentPolicy, Trip, TripEnd};
use astrape_primitives::{Msat, ShortChannelId};
use astrape_wire::AttributionData;
use proptest::prelude::*;

const AMOUNT: Msat = Msat(1_000_000);
/// How long the payment takes, in milliseconds.
const TOOK: u64 = 10_000;

/// A payment over two nodes to its recipient.
fn paying() -> Payment {
    let policy = PaymentPolicy::default();
    let invoice = finish(&draft(Some(AMOUNT), vec![vec![hop(2, 22), hop(3, 33)]]));
    begin(request(invoice), &view(&[own(1, 2, sat(5_000))], &policy)).expect("there is a way").0
}

fn part(payment: &Payment) -> &PaymentPart {
    let part = &payment.parts[&0];
    assert_eq!(part.nodes().collect::<Vec<_>>(), [node(2), node(3), node(PAYEE)]);
    part
}

fn secrets(payment: &Payment) -> Vec<SharedSecret> {
    part(payment).recipe.shared_secrets()
}

/// What is told of the part after this end, when all has taken [`TOOK`].
fn trip(payment: &Payment, how: &Resolution) -> Trip {
    let (channels, policy) = ([own(1, 2, sat(5_000))], PaymentPolicy::default());
    let view = PayView { now: NOW.plus(TOOK), ..view(&channels, &policy) };
    let (_, outputs) = payment.on_failed(0, how, &view);
    match outputs.into_iter().next() {
        Some(PayOutput::Teach(trip)) => *trip,
        other => panic!("{other:?}"),
    }
}

/// The preimage, with hold times of all hops in tenths of a second, our peer first.
fn fulfilled(payment: &Payment, tenths: &[u32]) -> Resolution {
    let mut hops = secrets(payment).into_iter().zip(tenths).rev();
    let (last, tenth) = hops.next().expect("three");
    let first = create_fulfill_attribution(&last, HoldTime(*tenth));
    let data = hops.fold(first, |data, (secret, tenth)| {
        relay_fulfill_attribution(&secret, Some(&data), HoldTime(*tenth))
    });
    Resolution::Fulfilled { preimage: PREIMAGE, attribution: Attribution::Data(data) }
}

/// A failure by the last of these hops, with their hold times.
fn failed(payment: &Payment, tenths: &[u32], failure: &Failure) -> Resolution {
    let mut hops = secrets(payment).into_iter().zip(tenths).rev();
    let (last, tenth) = hops.next().expect("at least one");
    let made = create_failure(&last, failure, HoldTime(*tenth));
    Resolution::Failed(
        hops.fold(made, |packet, (secret, tenth)| relay_failure(&secret, packet, HoldTime(*tenth))),
    )
}

fn delays(trip: &Trip) -> Vec<(u64, u64)> {
    trip.delays(&trip.hold_times()).into_iter().map(|(channel, delay)| (channel.0, delay)).collect()
}

#[test]
fn all_hops_of_a_part_that_arrived_tell_how_long_they_held_it() {
    let payment = paying();
    let trip = trip(&payment, &fulfilled(&payment, &[95, 60, 8]));
    assert!(matches!(trip.end, TripEnd::Arrived { attribution_data: Some(_) }));
    assert_eq!((trip.number, trip.took_ms), (0, TOOK));
    assert_eq!(trip.hold_times(), [9_500, 6_000, 800]);
    assert_eq!(delays(&trip), [(22, 3_500), (33, 5_200)], "what each took beyond the next");
}

#[test]
fn the_hops_up_to_the_one_that_fails_a_part_tell_how_long_they_held_it() {
    let payment = paying();
    let trip_of = |tenths: &[u32], failure| trip(&payment, &failed(&payment, tenths, failure));
    let by_second = trip_of(&[70, 40], &Failure::TemporaryChannelFailure);
    assert!(matches!(by_second.end, TripEnd::Failed { by: Some(1), .. }));
    assert_eq!(by_second.hold_times(), [7_000, 4_000]);
    assert_eq!(delays(&by_second), [(22, 3_000), (33, 4_000)], "nobody was behind it");
    let by_recipient = trip_of(&[70, 40, 30], &Failure::MppTimeout);
    assert_eq!(by_recipient.hold_times(), [7_000, 4_000, 3_000]);
    assert_eq!(delays(&by_recipient), [(22, 3_000), (33, 1_000)], "it may hold what is for it");
}

#[test]
fn a_hop_that_tells_nothing_hides_what_is_behind_it_and_nobody_is_blamed_for_that() {
    let payment = paying();
    let [first, second, _] = secrets(&payment)[..] else { panic!("three hops") };
    // The recipient knows nothing of attribution data; after that the second and the first do.
    let data = relay_fulfill_attribution(&second, None, HoldTime(60));
    let data = relay_fulfill_attribution(&first, Some(&data), HoldTime(80));
    let how = Resolution::Fulfilled { preimage: PREIMAGE, attribution: Attribution::Data(data) };
    let told = trip(&payment, &how);
    assert_eq!(told.hold_times(), [8_000, 6_000]);
    assert_eq!(delays(&told), [(22, 2_000)], "the recipient may have held it");
    let silent = Resolution::Fulfilled { preimage: PREIMAGE, attribution: Attribution::Silent };
    let told = trip(&payment, &silent);
    assert!(told.hold_times().is_empty() && delays(&told).is_empty());
    let told = trip(&payment, &fulfilled(&payment, &[80, 0, 20]));
    assert_eq!(told.hold_times(), [8_000, 0, 2_000], "one that does not say, in the midst of others");
    assert_eq!(delays(&told), [(22, 8_000), (33, 0)]);
}

#[test]
fn what_a_hop_cannot_have_held_for_so_long_is_not_believed() {
    let payment = paying();
    let told = |tenths: &[u32]| trip(&payment, &fulfilled(&payment, tenths)).hold_times();
    assert_eq!(told(&[101, 50, 20]), [], "longer than the payment took");
    assert_eq!(told(&[u32::MAX, 50, 20]), []);
    assert_eq!(told(&[40, 50, 20]), [4_000], "longer than the hop before it");
    assert_eq!(told(&[40, 40, u32::MAX]), [4_000, 4_000]);
    let lies = trip(&payment, &failed(&payment, &[40, 50], &Failure::TemporaryNodeFailure));
    assert_eq!((lies.hold_times(), delays(&lies)), (vec![4_000], vec![]));
}

#[test]
fn what_was_changed_on_its_way_tells_of_the_hops_before_alone() {
    let payment = paying();
    let [first, second, third] = secrets(&payment)[..] else { panic!("three hops") };
    let mut data = *create_fulfill_attribution(&third, HoldTime(20)).as_bytes();
    data[100] ^= 1;
    data[0] ^= 1;
    let data = relay_fulfill_attribution(&second, Some(&AttributionData::from_bytes(&data)), HoldTime(30));
    let data = relay_fulfill_attribution(&first, Some(&data), HoldTime(40));
    let how = Resolution::Fulfilled { preimage: PREIMAGE, attribution: Attribution::Data(data) };
    let told = trip(&payment, &how);
    assert_eq!(told.hold_times(), [4_000, 3_000]);
    assert_eq!(delays(&told), [(22, 1_000)]);
    // A failure that nobody signed.
    let noise = FailurePacket { reason: vec![7; 292], attribution_data: None };
    let told = trip(&payment, &Resolution::Failed(wrapped(&secrets(&payment)[..1], noise)));
    assert!(matches!(told.end, TripEnd::Failed { by: None, .. }), "{told:?}");
    assert!(delays(&told).is_empty());
}

#[test]
fn what_arrives_after_a_payment_has_its_preimage_is_told_too() {
    let payment = Payment { preimage: Some(PREIMAGE), ..paying() };
    let told = trip(&payment, &fulfilled(&payment, &[3, 2, 1]));
    assert_eq!(told.hold_times(), [300, 200, 100]);
    let told = trip(&payment, &failed_by(part(&payment), 1, &Failure::TemporaryNodeFailure));
    assert_eq!(told.hold_times().len(), 2);
}

proptest! {
    #[test]
    fn no_hold_times_break_anything(tenths in proptest::collection::vec(any::<u32>(), 3), fails: bool, by in 1usize..=3) {
        let payment = paying();
        let how = if fails {
            failed(&payment, &tenths[..by], &Failure::TemporaryChannelFailure)
        } else {
            fulfilled(&payment, &tenths)
        };
        let told = trip(&payment, &how);
        let times = told.hold_times();
        prop_assert!(times.iter().all(|time| *time <= TOOK));
        let of_way = [ShortChannelId(22), ShortChannelId(33)];
        prop_assert!(told.delays(&times).iter().all(|(channel, delay)| of_way.contains(channel) && *delay <= TOOK));
    }
}
