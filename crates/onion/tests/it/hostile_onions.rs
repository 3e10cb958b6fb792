//! Onions built in bad faith, or changed on their way.

use crate::support::{HASH, ecdh_with, forged_onion, node_key, peel_as, recipe, secrets};
use astrape_onion::failure::code;
use astrape_onion::{
    Failure, FailureSource, ForwardPayload, HoldTime, Hop, PeelFailure, create_failure, decode_failure,
    encode_forward, peel, relay_failure,
};
use astrape_primitives::{CltvExpiry, Msat, ShortChannelId};
use astrape_wire::OnionPacket;
use bitcoin::hashes::{Hash as _, sha256};
use proptest::prelude::*;

fn honest() -> OnionPacket {
    let payload = ForwardPayload {
        short_channel_id: ShortChannelId(1),
        amt_to_forward: Msat(1_000),
        outgoing_cltv_value: CltvExpiry(100),
    };
    recipe(vec![encode_forward(&payload); 3]).build().expect("it fits")
}

fn changed(at: usize, byte: u8) -> OnionPacket {
    let mut bytes = *honest().as_bytes();
    bytes[at] = byte;
    OnionPacket::from_bytes(&bytes)
}

fn failure_of(packet: &OnionPacket) -> PeelFailure {
    peel(packet, &HASH, ecdh_with(node_key(0))).expect_err("the onion is bad")
}

fn malformed(packet: &OnionPacket, failure_code: u16) -> PeelFailure {
    let sha256_of_onion = sha256::Hash::hash(packet.as_bytes()).to_byte_array();
    PeelFailure::Malformed { failure_code, sha256_of_onion }
}

fn invalid_payload(failure: &PeelFailure) -> Option<(u64, u16)> {
    match failure {
        PeelFailure::Payload { failure: Failure::InvalidOnionPayload { tlv_type, offset }, .. } => {
            Some((*tlv_type, *offset))
        }
        _ => None,
    }
}

// BOLT 4.onion-decryption.1
// BOLT 4.overview.2
#[test]
fn an_unknown_version_is_refused_before_any_curve_operation() {
    let packet = changed(0, 1);
    let failure = peel(&packet, &HASH, |_| panic!("no ECDH for an unknown version"));
    assert_eq!(failure, Err(malformed(&packet, code::INVALID_ONION_VERSION)));
}

// BOLT 4.onion-decryption.2
#[test]
fn a_key_that_is_no_point_is_refused() {
    let packet = changed(1, 9);
    let failure = peel(&packet, &HASH, |_| panic!("no ECDH with what is no point"));
    assert_eq!(failure, Err(malformed(&packet, code::INVALID_ONION_KEY)));
}

// BOLT 4.onion-decryption.6
#[test]
fn a_change_anywhere_behind_the_key_is_refused() {
    for at in [34, 700, 1333, 1334, 1365] {
        let byte = honest().as_bytes()[at] ^ 1;
        let packet = changed(at, byte);
        assert_eq!(failure_of(&packet), malformed(&packet, code::INVALID_ONION_HMAC), "byte {at}");
    }
}

#[test]
fn an_onion_for_another_node_is_refused() {
    let packet = honest();
    let failure = peel(&packet, &HASH, ecdh_with(node_key(1)));
    assert_eq!(failure, Err(malformed(&packet, code::INVALID_ONION_HMAC)));
}

// BOLT 4.overview.1
// BOLT 2.removing-an-htlc-update_fulfill_htlc-update_fail_htlc-and-update_fail_malformed_htlc.16
#[test]
fn the_origin_learns_of_a_malformed_onion_through_the_node_before() {
    let PeelFailure::Malformed { failure_code, sha256_of_onion } = failure_of(&changed(0, 1)) else {
        panic!("an unknown version is malformed")
    };
    let secrets = secrets(3);
    let failure = Failure::from_malformed(failure_code, sha256_of_onion).expect("the BADONION bit is set");
    let packet = create_failure(&secrets[1], &failure, HoldTime(1));
    let decoded = decode_failure(&secrets, relay_failure(&secrets[0], packet, HoldTime(2)));
    let failure = Failure::InvalidOnionVersion { sha256_of_onion };
    assert_eq!(decoded.source, FailureSource::Hop { index: 1, failure });
}

#[test]
fn an_htlc_with_a_path_key_has_one_answer() {
    let packet = honest();
    assert_eq!(PeelFailure::blinded(&packet), malformed(&packet, code::INVALID_ONION_BLINDING));
}

// BOLT 4.onion-decryption.7
// BOLT 4.onion-decryption.8
// BOLT 4.onion-decryption.9
// BOLT 4.onion-decryption.10
// BOLT 4.onion-decryption.11
// attack 61
#[test]
fn a_payload_length_that_lies_is_refused_and_costs_nothing() {
    let lies: [&[u8]; 10] = [
        &[0],
        &[1],
        &[0xfd, 0, 1],
        &[0xfd, 0, 0xfc],
        &[0xfd, 0x04, 0xf2],
        &[0xfd, 0xff, 0xff],
        &[0xfe, 0, 0, 0, 5],
        &[0xfe, 0xff, 0xff, 0xff, 0xff],
        &[0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff],
        &[0xff; 9],
    ];
    for lie in lies {
        assert_eq!(invalid_payload(&failure_of(&forged_onion(lie))), Some((0, 0)), "{lie:?}");
    }
}

#[test]
fn the_failure_of_a_bad_payload_can_be_read_by_the_origin() {
    let PeelFailure::Payload { shared_secret, failure } = failure_of(&forged_onion(&[0])) else {
        panic!("the HMAC is right")
    };
    let packet = create_failure(&shared_secret, &failure, HoldTime(0));
    let decoded = decode_failure(&[shared_secret], packet);
    assert_eq!(decoded.source, FailureSource::Hop { index: 0, failure });
}

#[test]
fn an_onion_seen_twice_has_the_same_replay_id() {
    let (once, again) = (peel_as(0, &honest()), peel_as(0, &honest()));
    assert_eq!(once.shared_secret.replay_id(), again.shared_secret.replay_id());
    let Hop::Forward { next, .. } = once.hop else { panic!("it is forwarded") };
    assert_ne!(peel_as(1, &next).shared_secret.replay_id(), again.shared_secret.replay_id());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn garbage_is_malformed(bytes in prop::collection::vec(any::<u8>(), OnionPacket::LEN), well_begun in any::<bool>()) {
        let mut bytes: [u8; OnionPacket::LEN] = bytes.try_into().unwrap();
        if well_begun {
            bytes[..34].copy_from_slice(&honest().as_bytes()[..34]);
        }
        let packet = OnionPacket::from_bytes(&bytes);
        let failure = peel(&packet, &HASH, ecdh_with(node_key(0)));
        let malformed = matches!(failure, Err(PeelFailure::Malformed { .. }));
        prop_assert!(malformed);
    }

    #[test]
    fn whatever_the_origin_encrypts_has_an_answer(plain in prop::collection::vec(any::<u8>(), 0..1300)) {
        match peel(&forged_onion(&plain), &HASH, ecdh_with(node_key(0))) {
            Ok(_) | Err(PeelFailure::Payload { .. }) => {}
            Err(malformed) => prop_assert!(false, "the HMAC is right: {:?}", malformed),
        }
    }
}
