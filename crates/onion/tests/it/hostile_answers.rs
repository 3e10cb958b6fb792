//! Failures and attribution data built in bad faith.

use crate::support::{attribution, forged_reason, secrets};
use astrape_onion::{
    Failure, FailurePacket, FailureSource, HoldTime, SharedSecret, create_failure, decode_failure,
    read_fulfill_attribution, relay_failure,
};
use astrape_primitives::{ChannelId, HtlcId};
use astrape_wire::{Message, UpdateFailHtlc};
use proptest::prelude::*;

fn relayed(secrets: &[SharedSecret], packet: FailurePacket) -> FailurePacket {
    secrets.iter().rev().fold(packet, |packet, secret| relay_failure(secret, packet, HoldTime(1)))
}

// attack 77
#[test]
fn a_failure_made_with_the_keys_after_the_route_is_nobodys() {
    let secrets = secrets(3);
    // The origin goes on decrypting with a constant secret, which everybody can know.
    let beyond = SharedSecret::from_bytes([0; 32]);
    for dummies in 1..=3 {
        let mut packet = create_failure(&beyond, &Failure::MppTimeout, HoldTime(1));
        for _ in 1..dummies {
            packet = relay_failure(&beyond, packet, HoldTime(1));
        }
        let decoded = decode_failure(&secrets, relayed(&secrets, packet));
        assert_eq!(decoded.source, FailureSource::Unreadable { blamed: Some(2) });
    }
}

// attack 77
#[test]
fn lengths_that_reach_out_of_the_packet_are_held_at_its_end() {
    let secrets = secrets(3);
    let unknown = |code, data: &[u8]| Failure::Unknown { code, data: data.to_vec() };
    let cases: [(&[u8], Failure); 6] = [
        (&[], unknown(0, &[])),
        (&[0], unknown(0, &[])),
        (&[0, 0], unknown(0, &[])),
        (&[0xff, 0xff], unknown(0, &[])),
        (&[0xff, 0xff, 0x20], unknown(0, &[0x20])),
        (&[0xff, 0xff, 0x20, 0x02], Failure::TemporaryNodeFailure),
    ];
    for (content, failure) in cases {
        let packet = FailurePacket { reason: forged_reason(&secrets[2], content), attribution_data: None };
        let decoded = decode_failure(&secrets, relayed(&secrets[..2], packet));
        assert_eq!(decoded.source, FailureSource::Hop { index: 2, failure }, "{content:?}");
    }
}

// attack 77
#[test]
fn reasons_of_every_length_are_passed_on_and_read() {
    let secrets = secrets(3);
    for length in [0, 1, 31, 32, 33, 34, 291, 293, 65_535] {
        let packet = relayed(&secrets, FailurePacket { reason: vec![1; length], attribution_data: None });
        assert_eq!(packet.reason.len(), length);
        let decoded = decode_failure(&secrets, packet);
        assert!(matches!(decoded.source, FailureSource::Unreadable { .. }), "{length} bytes");
    }
}

// attack 77
// BOLT 4.update-of-attribution_data.5
#[test]
fn a_reason_as_long_as_a_message_allows_can_still_be_passed_on() {
    let secret = &secrets(1)[0];
    let encoded = |length| {
        let packet = relay_failure(
            secret,
            FailurePacket { reason: vec![1; length], attribution_data: None },
            HoldTime(1),
        );
        let attributed = packet.attribution_data.is_some();
        let message = Message::UpdateFailHtlc(UpdateFailHtlc {
            channel_id: ChannelId([1; 32]),
            id: HtlcId(1),
            reason: packet.reason,
            attribution_data: packet.attribution_data,
        });
        (attributed, message.encode().expect("it fits a message").len())
    };
    assert_eq!(encoded(65_535 - 44 - 924), (true, 65_535));
    assert_eq!(encoded(65_535 - 44 - 923), (false, 65_535 - 923));
    assert_eq!(encoded(65_535 - 44), (false, 65_535));
}

#[test]
fn a_payment_without_hops_has_no_culprit() {
    let packet = FailurePacket { reason: vec![1; 292], attribution_data: Some(attribution(&[0; 920])) };
    assert_eq!(decode_failure(&[], packet).source, FailureSource::Unreadable { blamed: None });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    // attack 77
    #[test]
    fn garbage_names_no_hop_outside_the_route(
        hops in 0u8..=30,
        reason in prop::collection::vec(any::<u8>(), 0..600),
        data in prop::option::of(prop::collection::vec(any::<u8>(), 920)),
    ) {
        let secrets = secrets(hops);
        let data = data.as_deref().map(attribution);
        let packet = FailurePacket { reason, attribution_data: data.clone() };
        match decode_failure(&secrets, packet).source {
            FailureSource::Hop { index, .. } => prop_assert!(index < secrets.len()),
            FailureSource::Unreadable { blamed } => prop_assert!(blamed.is_none_or(|hop| hop < secrets.len())),
        }
        if let Some(data) = data {
            prop_assert!(read_fulfill_attribution(&secrets, &data).len() <= secrets.len());
        }
    }
}
