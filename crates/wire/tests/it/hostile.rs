//! Bytes that no honest peer sends: refused where BOLT 1 says so, and never a panic.

use crate::generate::{Gen, message};
use crate::{decode, encode, hex};
use astrape_wire::{DecodeError, Decoded, Message, TlvError};
use proptest::prelude::*;

/// Messages whose end is signed and passed on as it is, instead of being read as an extension.
const SIGNED: [u16; 3] = [256, 257, 258];

fn with_extension() -> impl Iterator<Item = u16> {
    Message::TYPES.iter().copied().filter(|number| !SIGNED.contains(number))
}

/// What must hold of any bytes: no panic, and what is read is written and read again, the same.
pub(crate) fn check(bytes: &[u8]) {
    if let Ok(Decoded::Known(message)) = Message::decode(bytes) {
        let again = message.encode().expect("what was decoded always encodes");
        assert_eq!(Message::decode(&again), Ok(Decoded::Known(message)));
    }
}

// BOLT 1.lightning-message-format.8
#[test]
fn an_unknown_odd_message_is_ignored() {
    for number in (1..=u16::MAX).step_by(2).filter(|n| !Message::TYPES.contains(n)) {
        let bytes = [number.to_be_bytes().to_vec(), vec![0xff; 40]].concat();
        assert_eq!(Message::decode(&bytes), Ok(Decoded::IgnoredOdd(number)));
    }
}

// BOLT 1.lightning-message-format.9
#[test]
fn an_unknown_even_message_is_refused() {
    for number in (0..=u16::MAX).step_by(2).filter(|n| !Message::TYPES.contains(n)) {
        assert_eq!(Message::decode(&number.to_be_bytes()), Err(DecodeError::UnknownEvenType(number)));
    }
}

// BOLT 1.lightning-message-format.11
#[test]
fn a_known_message_with_too_few_bytes_is_refused() {
    for number in Message::TYPES {
        let message = message(*number, &mut Gen::minimal(11));
        let bytes = encode(&message);
        for len in 2..bytes.len() {
            let cut = Message::decode(&bytes[..len]);
            assert!(
                matches!(cut, Err(DecodeError::Field { .. })),
                "{} cut to {len}: {cut:?}",
                message.name()
            );
        }
    }
}

// BOLT 1.lightning-message-format.14
// BOLT 1.type-length-value-format.14
#[test]
fn an_unknown_even_record_is_refused_in_every_message() {
    for number in with_extension() {
        let bytes = [encode(&message(number, &mut Gen::new(2))), hex("fe01000000 01 2a")].concat();
        let refused = Message::decode(&bytes);
        assert!(
            matches!(
                refused,
                Err(DecodeError::Extension { problem: TlvError::UnknownEven(0x0100_0000), .. })
            ),
            "{number}: {refused:?}"
        );
    }
}

// BOLT 1.type-length-value-format.15
#[test]
fn an_unknown_odd_record_is_ignored_in_every_message() {
    for number in with_extension() {
        let before = message(number, &mut Gen::new(2));
        let bytes = [encode(&before), hex("fe01000001 01 2a")].concat();
        assert_eq!(decode(&bytes), before);
    }
}

// BOLT 1.type-length-value-format.9
#[test]
fn a_record_twice_or_out_of_order_is_refused_in_every_message() {
    for number in with_extension() {
        let bytes = encode(&message(number, &mut Gen::new(2)));
        for bad in ["fe01000001 00 fe01000001 00", "fe01000003 00 fe01000001 00"] {
            let refused = Message::decode(&[bytes.clone(), hex(bad)].concat());
            assert!(
                matches!(
                    refused,
                    Err(DecodeError::Extension { problem: TlvError::NotIncreasing { .. }, .. })
                ),
                "{number}: {refused:?}"
            );
        }
    }
}

// BOLT 1.type-length-value-format.8
#[test]
fn a_record_that_is_not_minimal_is_refused_in_every_message() {
    for number in with_extension() {
        let bytes = encode(&message(number, &mut Gen::minimal(2)));
        for (bad, problem) in
            [("fd00fb 00", TlvError::TypeNotMinimal), ("fb fd0000", TlvError::LengthNotMinimal(0xfb))]
        {
            let refused = Message::decode(&[bytes.clone(), hex(bad)].concat());
            assert!(
                matches!(&refused, Err(DecodeError::Extension { problem: p, .. }) if *p == problem),
                "{number}: {refused:?}"
            );
        }
    }
}

#[test]
fn every_message_cut_at_every_length_is_refused_or_a_message() {
    for number in Message::TYPES {
        for seed in 0..3 {
            let bytes = encode(&message(*number, &mut Gen::new(seed)));
            (0..bytes.len()).for_each(|len| check(&bytes[..len]));
        }
    }
}

#[test]
fn every_message_with_any_bit_flipped_is_refused_or_a_message() {
    for number in Message::TYPES {
        let mut bytes = encode(&message(*number, &mut Gen::new(4)));
        // The onion and the attribution data are opaque: their bits are sampled.
        let step = 1 + bytes.len() / 300;
        for bit in (0..bytes.len() * 8).step_by(step) {
            bytes[bit / 8] ^= 1 << (bit % 8);
            check(&bytes);
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

proptest! {
    #[test]
    fn random_bytes_are_refused_or_a_message(body in proptest::collection::vec(any::<u8>(), 0..400)) {
        for number in Message::TYPES {
            check(&[number.to_be_bytes().to_vec(), body.clone()].concat());
        }
    }
}
