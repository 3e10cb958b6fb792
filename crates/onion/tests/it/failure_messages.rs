//! Every failure message: its bytes and its words.

use astrape_onion::Failure;
use astrape_onion::failure::code;
use astrape_primitives::{CltvDelta, CltvExpiry, Height, Msat, ShortChannelId};
use astrape_wire::{ChannelUpdate, Decoded, Message};
use bitcoin::secp256k1::ecdsa::Signature;
use proptest::prelude::*;

const HASH: [u8; 32] = [0xaa; 32];

/// Every failure with its bytes, as the BOLT lists them.
fn all() -> Vec<(Failure, String)> {
    let hash = "aa".repeat(32);
    let sha256_of_onion = HASH;
    vec![
        (Failure::TemporaryNodeFailure, "2002".into()),
        (Failure::PermanentNodeFailure, "6002".into()),
        (Failure::RequiredNodeFeatureMissing, "6003".into()),
        (Failure::InvalidOnionVersion { sha256_of_onion }, format!("c004{hash}")),
        (Failure::InvalidOnionHmac { sha256_of_onion }, format!("c005{hash}")),
        (Failure::InvalidOnionKey { sha256_of_onion }, format!("c006{hash}")),
        (Failure::TemporaryChannelFailure, "10070000".into()),
        (Failure::PermanentChannelFailure, "4008".into()),
        (Failure::RequiredChannelFeatureMissing, "4009".into()),
        (Failure::UnknownNextPeer, "400a".into()),
        (Failure::AmountBelowMinimum { htlc_msat: Msat(258) }, "100b00000000000001020000".into()),
        (Failure::FeeInsufficient { htlc_msat: Msat(258) }, "100c00000000000001020000".into()),
        (Failure::IncorrectCltvExpiry { cltv_expiry: CltvExpiry(258) }, "100d000001020000".into()),
        (Failure::ExpiryTooSoon, "100e0000".into()),
        (
            Failure::IncorrectOrUnknownPaymentDetails { htlc_msat: Msat(100), height: Height(800_000) },
            "400f0000000000000064000c3500".into(),
        ),
        (Failure::FinalIncorrectCltvExpiry { cltv_expiry: CltvExpiry(258) }, "001200000102".into()),
        (Failure::FinalIncorrectHtlcAmount { incoming_htlc_amt: Msat(258) }, "00130000000000000102".into()),
        (Failure::ChannelDisabled { disabled_flags: 0 }, "101400000000".into()),
        (Failure::ExpiryTooFar, "0015".into()),
        (Failure::InvalidOnionPayload { tlv_type: 65_536, offset: 3 }, "4016fe000100000003".into()),
        (Failure::MppTimeout, "0017".into()),
        (Failure::InvalidOnionBlinding { sha256_of_onion }, format!("c018{hash}")),
        (Failure::Unknown { code: 0x7fff, data: vec![1, 2] }, "7fff0102".into()),
    ]
}

// BOLT 4.failure-messages.3
// BOLT 4.failure-messages.4
// BOLT 4.failure-messages.12
#[test]
fn every_failure_has_the_bytes_of_the_bolt() {
    for (failure, bytes) in all() {
        assert_eq!(hex::encode(failure.encode()), bytes, "{failure}");
        assert_eq!(Failure::decode(&hex::decode(&bytes).unwrap()), failure);
        assert_eq!(format!("{:04x}", failure.code()), bytes[..4], "{failure}");
    }
}

/// LND takes a `channel_update` of no length for a message cut short in all failures but one.
#[test]
fn failures_about_what_a_channel_asks_hold_its_update_with_the_type_before_it() {
    let update = ChannelUpdate {
        signature: Signature::from_compact(&[1; 64]).expect("in range"),
        chain_hash: [6; 32],
        short_channel_id: ShortChannelId(7),
        timestamp: 8,
        message_flags: ChannelUpdate::MUST_BE_ONE,
        channel_flags: 0,
        cltv_expiry_delta: CltvDelta(80),
        htlc_minimum_msat: Msat(1),
        fee_base_msat: 2,
        fee_proportional_millionths: 3,
        htlc_maximum_msat: Msat(4),
        extension: Default::default(),
    };
    for (failure, without) in all() {
        let bytes = failure.encode_with(Some(&update));
        assert_eq!(Failure::decode(&bytes), failure, "what is read of it is the same");
        if !failure.needs_update() {
            continue;
        }
        let before = hex::decode(&without[..without.len() - 4]).expect("hex");
        let rest = bytes.strip_prefix(&before[..]).expect("what is before it is the same");
        let (len, rest) = rest.split_first_chunk().expect("a length");
        assert_eq!(usize::from(u16::from_be_bytes(*len)), rest.len());
        assert_eq!(Message::decode(rest), Ok(Decoded::Known(Message::ChannelUpdate(update.clone()))));
        // And so it is read, with its type or as old nodes write it, and only where it is whole.
        assert_eq!(Failure::update_in(&bytes).as_ref(), Some(&update));
        let short = u16::try_from(rest.len() - 2).expect("short").to_be_bytes();
        assert_eq!(Failure::update_in(&[&before, &short[..], &rest[2..]].concat()).as_ref(), Some(&update));
        assert!((0..bytes.len()).all(|end| Failure::update_in(&bytes[..end]).is_none()));
    }
    assert!(all().iter().all(|(failure, _)| Failure::update_in(&failure.encode()).is_none()));
    let holding = all().into_iter().filter(|(failure, _)| failure.needs_update());
    let codes: Vec<u16> = holding.map(|(failure, _)| failure.code()).collect();
    assert_eq!(codes, [0x100b, 0x100c, 0x100d, 0x100e, 0x1014], "all but temporary_channel_failure, 0x1007");
}

// BOLT 4.receiving-failure-codes.1
#[test]
fn bytes_behind_the_data_are_ignored() {
    for (failure, bytes) in all() {
        if matches!(failure, Failure::Unknown { .. }) {
            continue;
        }
        let longer = hex::decode(bytes + "fd84d1021234").unwrap();
        assert_eq!(Failure::decode(&longer), failure);
    }
}

// BOLT 4.receiving-failure-codes.7
#[test]
fn a_channel_update_is_read_over_and_never_passed_on() {
    let update = [7; 130];
    let message = [&[0x10, 0x0c, 0, 0, 0, 0, 0, 0, 0x01, 0x02, 0, 130][..], &update].concat();
    let failure = Failure::decode(&message);
    assert_eq!(failure, Failure::FeeInsufficient { htlc_msat: Msat(258) });
    assert_eq!(hex::encode(failure.encode()), "100c00000000000001020000");
}

#[test]
fn data_cut_short_leaves_the_code_and_its_flags() {
    for (failure, bytes) in all() {
        let bytes = hex::decode(bytes).unwrap();
        for end in 2..bytes.len() {
            assert_eq!(Failure::decode(&bytes[..end]).code(), failure.code(), "{failure} of {end} bytes");
        }
    }
    assert_eq!(Failure::decode(&[0x40]), Failure::Unknown { code: 0, data: vec![0x40] });
    assert_eq!(Failure::decode(&[]), Failure::Unknown { code: 0, data: vec![] });
}

#[test]
fn the_flags_are_those_of_the_code() {
    let failure = |code| Failure::Unknown { code, data: vec![] };
    assert!(failure(code::PERM).is_permanent());
    assert!(failure(code::NODE).is_node());
    assert!(failure(code::UPDATE).is_update());
    assert!(failure(code::BADONION).is_bad_onion());
    let none = failure(0x0fff);
    assert!(!none.is_permanent() && !none.is_node() && !none.is_update() && !none.is_bad_onion());
}

#[test]
fn every_failure_has_words_for_people() {
    for (failure, _) in all() {
        let words = failure.describe();
        assert!(words.cause.len() > 20 && words.next_step.len() > 20, "{failure}");
        assert!(!words.to_string().contains('_'), "no names of the BOLT: {words}");
    }
    let failure = Failure::FeeInsufficient { htlc_msat: Msat(1_500) };
    assert_eq!(failure.to_string(), "fee_insufficient (HTLC of 1.500 sat)");
}

// BOLT 2.removing-an-htlc-update_fulfill_htlc-update_fail_htlc-and-update_fail_malformed_htlc.16
#[test]
fn a_malformed_htlc_downstream_becomes_its_code_with_the_hash_as_data() {
    for failure_code in [0xc004, 0xc005, 0xc006, 0xc018, 0x8001, 0xffff] {
        let failure = Failure::from_malformed(failure_code, HASH).expect("the BADONION bit is set");
        assert_eq!(failure.encode(), [&failure_code.to_be_bytes()[..], &HASH].concat());
    }
    assert_eq!(Failure::from_malformed(0x4005, HASH), None);
    let blinded = Failure::InvalidOnionBlinding { sha256_of_onion: HASH };
    assert_eq!(Failure::from_malformed(0xc018, HASH), Some(blinded));
}

proptest! {
    #[test]
    fn any_bytes_are_some_failure(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let failure = Failure::decode(&bytes);
        prop_assert_eq!(Failure::decode(&failure.encode()).code(), failure.code());
        let _words = (failure.to_string(), failure.describe());
    }
}
