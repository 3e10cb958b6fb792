//! Failures and hold times on their way back.

use crate::support::{attribution, secrets};
use astrape_onion::{
    Failure, FailurePacket, FailureSource, HoldTime, SharedSecret, create_failure,
    create_fulfill_attribution, decode_failure, read_fulfill_attribution, relay_failure,
    relay_fulfill_attribution,
};
use astrape_primitives::{Height, Msat};
use proptest::prelude::*;

/// The failure that hop `from` sends, as it reaches the origin; hop i holds the HTLC for i + 10.
fn failed(secrets: &[SharedSecret], from: usize, failure: &Failure) -> FailurePacket {
    let first = create_failure(&secrets[from], failure, hold(from));
    (0..from).rev().fold(first, |packet, i| relay_failure(&secrets[i], packet, hold(i)))
}

fn hold(hop: usize) -> HoldTime {
    HoldTime(u32::try_from(hop).unwrap() + 10)
}

// BOLT 4.initialization-of-attribution_data.1
// BOLT 4.initialization-of-attribution_data.2
#[test]
fn all_failures_look_alike() {
    let secret = &secrets(1)[0];
    let details = Failure::IncorrectOrUnknownPaymentDetails { htlc_msat: Msat(1), height: Height(2) };
    for failure in [Failure::MppTimeout, details, Failure::InvalidOnionBlinding { sha256_of_onion: [1; 32] }]
    {
        assert_eq!(create_failure(secret, &failure, HoldTime(0)).reason.len(), 32 + 2 + 2 + 256);
    }
    let long = Failure::Unknown { code: 1, data: vec![9; 300] };
    assert_eq!(create_failure(secret, &long, HoldTime(0)).reason.len(), 32 + 2 + 2 + 302);
}

#[test]
fn a_failure_too_long_to_be_sent_is_cut() {
    let secrets = secrets(1);
    let long = Failure::Unknown { code: 1, data: vec![9; 100_000] };
    let packet = create_failure(&secrets[0], &long, HoldTime(0));
    let failure = Failure::Unknown { code: 1, data: vec![9; 1_022] };
    assert_eq!(decode_failure(&secrets, packet).source, FailureSource::Hop { index: 0, failure });
}

// BOLT 4.update-of-attribution_data.2
#[test]
fn hold_times_reach_to_the_first_hop_that_sends_none() {
    let secrets = secrets(5);
    let mut packet = create_failure(&secrets[4], &Failure::MppTimeout, hold(4));
    for i in (0..4).rev() {
        packet = relay_failure(&secrets[i], packet, hold(i));
        if i == 2 {
            packet.attribution_data = None;
        }
    }
    let decoded = decode_failure(&secrets, packet);
    assert_eq!(decoded.source, FailureSource::Hop { index: 4, failure: Failure::MppTimeout });
    assert_eq!(decoded.hold_times, [hold(0), hold(1)]);
}

// BOLT 4.update-of-attribution_data.2
#[test]
fn hold_times_of_a_fulfilment_reach_to_the_first_hop_that_sends_none() {
    let secrets = secrets(3);
    let data = relay_fulfill_attribution(&secrets[1], None, hold(1));
    let data = relay_fulfill_attribution(&secrets[0], Some(&data), hold(0));
    assert_eq!(read_fulfill_attribution(&secrets, &data), [hold(0), hold(1)]);
}

#[test]
fn a_hop_vouches_for_the_hold_times_of_those_behind_it() {
    let secrets = secrets(2);
    let data = create_fulfill_attribution(&secrets[1], hold(1));
    let data = relay_fulfill_attribution(&secrets[0], Some(&data), hold(0));
    assert_eq!(read_fulfill_attribution(&secrets, &data), [hold(0), hold(1)]);
    // Four bytes a hop, the first hop's first.
    let mut bytes = *data.as_bytes();
    bytes[7] ^= 1;
    assert_eq!(read_fulfill_attribution(&secrets, &attribution(&bytes)), []);
}

#[test]
fn a_fulfilments_hold_times_do_not_vouch_for_a_failure() {
    let secrets = secrets(1);
    let data = create_fulfill_attribution(&secrets[0], hold(0));
    let packet = FailurePacket { attribution_data: Some(data), ..failed(&secrets, 0, &Failure::MppTimeout) };
    assert_eq!(decode_failure(&secrets, packet).hold_times, []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_origin_learns_who_failed_and_how_long_each_hop_held(hops in 1u8..=27, from in any::<prop::sample::Index>()) {
        let secrets = secrets(hops);
        let from = from.index(secrets.len());
        let decoded = decode_failure(&secrets, failed(&secrets, from, &Failure::UnknownNextPeer));
        prop_assert_eq!(decoded.source, FailureSource::Hop { index: from, failure: Failure::UnknownNextPeer });
        // Attribution data has room for 20 hops.
        let expected: Vec<_> = (0..=from.min(19)).map(hold).collect();
        prop_assert_eq!(decoded.hold_times, expected);
    }

    #[test]
    fn the_origin_learns_how_long_each_hop_of_a_fulfilment_held(hops in 1u8..=27) {
        let secrets = secrets(hops);
        let last = secrets.len() - 1;
        let first = create_fulfill_attribution(&secrets[last], hold(last));
        let data = (0..last).rev().fold(first, |data, i| relay_fulfill_attribution(&secrets[i], Some(&data), hold(i)));
        let expected: Vec<_> = (0..=last.min(19)).map(hold).collect();
        prop_assert_eq!(read_fulfill_attribution(&secrets, &data), expected);
    }
}
