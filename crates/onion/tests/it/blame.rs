//! Who is blamed for a failure that nobody signed.

use crate::support::{attribution, secrets};
use astrape_onion::{
    Failure, FailurePacket, FailureSource, HoldTime, create_failure, decode_failure, relay_failure,
};
use proptest::prelude::*;

const HOPS: u8 = 6;

fn blamed(packet: FailurePacket) -> Option<usize> {
    match decode_failure(&secrets(HOPS), packet).source {
        FailureSource::Unreadable { blamed } => blamed,
        hop @ FailureSource::Hop { .. } => panic!("nobody signed this: {hop:?}"),
    }
}

fn spoil(packet: &mut FailurePacket, at: usize) {
    let at = at % packet.reason.len();
    packet.reason[at] ^= 1;
}

/// A failure of the last hop that hop `culprit` spoils: what it received, or what it sends.
fn spoilt_by(culprit: usize, received: bool, at: usize) -> FailurePacket {
    let secrets = secrets(HOPS);
    let last = secrets.len() - 1;
    let mut packet = create_failure(&secrets[last], &Failure::MppTimeout, HoldTime(1));
    for i in (0..last).rev() {
        if i == culprit && received {
            spoil(&mut packet, at);
        }
        packet = relay_failure(&secrets[i], packet, HoldTime(1));
        if i == culprit && !received {
            spoil(&mut packet, at);
        }
    }
    packet
}

#[test]
fn without_attribution_data_nobody_is_blamed() {
    let packet = FailurePacket { attribution_data: None, ..spoilt_by(2, true, 5) };
    assert_eq!(blamed(packet), None);
}

// BOLT 4.origin-node.4
#[test]
fn a_last_hop_that_signs_nothing_is_blamed() {
    let secrets = secrets(HOPS);
    let garbage = FailurePacket { reason: vec![7; 292], attribution_data: None };
    let packet =
        secrets.iter().rev().fold(garbage, |packet, secret| relay_failure(secret, packet, HoldTime(1)));
    assert_eq!(blamed(packet), Some(secrets.len() - 1));
}

// BOLT 4.origin-node.4
#[test]
fn a_hop_that_makes_up_attribution_data_is_blamed_itself() {
    let secrets = secrets(HOPS);
    let made_up = FailurePacket { reason: vec![7; 292], attribution_data: Some(attribution(&[9; 920])) };
    let packet =
        secrets[..3].iter().rev().fold(made_up, |packet, secret| relay_failure(secret, packet, HoldTime(1)));
    assert_eq!(blamed(packet), Some(3));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    // BOLT 4.origin-node.4
    #[test]
    fn who_changes_a_failure_is_blamed_or_the_hop_after_it(
        culprit in 0usize..usize::from(HOPS) - 1,
        received in any::<bool>(),
        at in any::<usize>(),
    ) {
        // Who changes what it received vouches for the change; the hop after it then seems to be wrong.
        let expected = if received { culprit + 1 } else { culprit };
        prop_assert_eq!(blamed(spoilt_by(culprit, received, at)), Some(expected));
    }

    #[test]
    fn who_changes_hold_times_or_hmacs_ends_what_can_be_trusted(culprit in 0usize..5, at in 0usize..80) {
        let secrets = secrets(HOPS);
        let mut packet = create_failure(&secrets[5], &Failure::MppTimeout, HoldTime(1));
        for i in (0..5).rev() {
            packet = relay_failure(&secrets[i], packet, HoldTime(1));
            if i == culprit {
                // The first hold times: those after the end of the route vouch for nothing.
                let mut bytes = *packet.attribution_data.take().expect("it was added").as_bytes();
                bytes[at % 4] ^= 1;
                packet.attribution_data = Some(attribution(&bytes));
            }
        }
        let decoded = decode_failure(&secrets, packet);
        prop_assert_eq!(decoded.source, FailureSource::Hop { index: 5, failure: Failure::MppTimeout });
        prop_assert_eq!(decoded.hold_times.len(), culprit);
    }
}
