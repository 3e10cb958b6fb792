//! Values that are refused, and values that only look as if they should be.

use crate::generate::{Gen, message};
use crate::{decode, encode, hex};
use astrape_primitives::ChannelId;
use astrape_wire::codec::read_whole;
use astrape_wire::{DecodeError, FundingSigned, Message, ValueError};
use bitcoin::secp256k1::ecdsa::Signature;
use bitcoin::{ScriptBuf, Witness};

/// The order of the curve.
const ORDER: &str = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
/// One below it.
const ORDER_MINUS_1: &str = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364140";

// attack 2
#[test]
fn a_high_s_signature_is_read_as_it_is_for_the_channel_to_judge() {
    let bytes = [hex("0023"), vec![0; 32], vec![1; 32], hex(ORDER_MINUS_1)].concat();
    let Message::FundingSigned(FundingSigned { channel_id, signature }) = decode(&bytes) else {
        panic!("not a funding_signed");
    };
    assert_eq!(channel_id, ChannelId::ALL);
    let mut low = signature;
    low.normalize_s();
    assert_ne!(signature, low);
    assert_eq!(encode(&FundingSigned { channel_id, signature }.into()), bytes);
}

#[test]
fn a_signature_out_of_range_is_refused() {
    for (r, s) in [(ORDER, ORDER_MINUS_1), (ORDER_MINUS_1, ORDER), (&"ff".repeat(32), ORDER_MINUS_1)] {
        let bytes = [hex("0023"), vec![0; 32], hex(r), hex(s)].concat();
        let problem = ValueError::InvalidSignature;
        let expected = DecodeError::Field { message: "funding_signed", field: "signature", problem };
        assert_eq!(Message::decode(&bytes), Err(expected));
    }
}

// BOLT 2.defined-channel-types.6
#[test]
fn a_key_that_is_no_point_in_compressed_form_is_refused_by_name() {
    let good = encode(&message(32, &mut Gen::minimal(1)));
    let names = [
        "funding_pubkey",
        "revocation_basepoint",
        "payment_basepoint",
        "delayed_payment_basepoint",
        "htlc_basepoint",
        "first_per_commitment_point",
    ];
    for (i, field) in names.into_iter().enumerate() {
        for bad in [0, 4, 5, 6, 7] {
            let mut bytes = good.clone();
            bytes[2 + 64 + 48 + 8 + i * 33] = bad;
            let problem = ValueError::InvalidPoint;
            assert_eq!(
                Message::decode(&bytes),
                Err(DecodeError::Field { message: "open_channel", field, problem })
            );
        }
    }
}

// BOLT 2.defined-channel-types.10
#[test]
fn an_empty_upfront_shutdown_script_is_written_and_is_not_an_absent_one() {
    let Message::OpenChannel(mut open) = message(32, &mut Gen::minimal(1)) else {
        panic!("not an open_channel")
    };
    let absent = encode(&open.clone().into());
    open.upfront_shutdown_script = Some(ScriptBuf::new());
    let empty = encode(&open.clone().into());
    assert_eq!(empty, [absent, hex("0000")].concat());
    assert_eq!(decode(&empty), Message::OpenChannel(open));
}

#[test]
fn a_record_without_content_must_have_none() {
    let bytes = [encode(&message(81, &mut Gen::minimal(1))), hex("02 01 00")].concat();
    let field = "require_confirmed_inputs";
    let expected = DecodeError::Field { message: "splice_ack", field, problem: ValueError::TooLong(1) };
    assert_eq!(Message::decode(&bytes), Err(expected));
}

// BOLT 1.lightning-message-format.11
#[test]
fn the_field_at_which_a_message_was_cut_is_named() {
    let bytes = encode(&message(133, &mut Gen::minimal(1)));
    for (len, field) in [(33, "channel_id"), (65, "per_commitment_secret"), (98, "next_per_commitment_point")]
    {
        let problem = ValueError::Truncated;
        let expected = DecodeError::Field { message: "revoke_and_ack", field, problem };
        assert_eq!(Message::decode(&bytes[..len]), Err(expected.clone()));
    }
    let text = Message::decode(&bytes[..33]).unwrap_err().to_string();
    assert_eq!(text, "revoke_and_ack.channel_id: the bytes end before the value does");
}

/// A `witnesses` field of one witness.
fn witness(data: &str) -> Result<Vec<Witness>, ValueError> {
    let data = hex(data);
    read_whole(&[hex("0001"), u16::try_from(data.len()).unwrap().to_be_bytes().to_vec(), data].concat())
}

#[test]
fn a_witness_is_read_in_bitcoins_serialisation() {
    assert_eq!(witness("02 02 aabb 00"), Ok(vec![Witness::from_slice(&[&[0xaa, 0xbb][..], &[]])]));
    let long = format!("01 fd0301 {}", "07".repeat(0x103));
    assert_eq!(witness(&long), Ok(vec![Witness::from_slice(&[[7; 0x103]])]));
    assert_eq!(
        witness("00"),
        Ok(vec![Witness::new()]),
        "an empty one is refused by the negotiation, not here"
    );
}

#[test]
fn a_witness_that_is_cut_or_longer_or_claims_the_world_is_refused() {
    for data in [
        "",
        "01",
        "01 02 aa",
        "01 01 aa bb",
        "fd0100 00",
        "01 fd0100 aa",
        "feffffffff 00",
        "ffffffffffffffffff 00",
        "01 feffffff7f 00",
        "01 ffffffffffffffffff 00",
    ] {
        assert_eq!(witness(data), Err(ValueError::InvalidWitness), "{data}");
    }
}

#[test]
fn signed_integers_are_in_twos_complement() {
    // BOLT 1, Appendix D: the values that need 8 bytes.
    for (value, bytes) in [
        (2_147_483_648_i64, "0000000080000000"),
        (-2_147_483_649, "ffffffff7fffffff"),
        (500_000_000_000, "000000746a528800"),
        (-500_000_000_000, "ffffff8b95ad7800"),
        (i64::MAX, "7fffffffffffffff"),
        (i64::MIN, "8000000000000000"),
    ] {
        assert_eq!(read_whole::<i64>(&hex(bytes)), Ok(value));
        let Message::SpliceAck(mut ack) = message(81, &mut Gen::minimal(1)) else {
            panic!("not a splice_ack")
        };
        ack.funding_contribution_satoshis = value;
        assert_eq!(encode(&ack.into())[34..42], hex(bytes), "{value}");
    }
}

// BOLT 2.message-retransmission.13
#[test]
fn a_reestablish_without_a_valid_point_is_refused() {
    let mut bytes = encode(&message(136, &mut Gen::minimal(1)));
    let at = bytes.len() - 33;
    bytes[at] = 9;
    assert!(matches!(
        Message::decode(&bytes),
        Err(DecodeError::Field {
            field: "my_current_per_commitment_point",
            problem: ValueError::InvalidPoint,
            ..
        })
    ));
}

#[test]
fn a_signature_count_that_is_not_there_is_refused() {
    let mut bytes = encode(&message(132, &mut Gen::minimal(1)));
    let at = bytes.len() - 2;
    bytes[at..].copy_from_slice(&[0xff, 0xff]);
    let expected = DecodeError::Field {
        message: "commitment_signed",
        field: "htlc_signature",
        problem: ValueError::Truncated,
    };
    assert_eq!(Message::decode(&bytes), Err(expected));
    assert_eq!(read_whole::<Vec<Signature>>(&hex("0000")), Ok(vec![]));
}
