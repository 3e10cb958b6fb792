//! What records keep.

use crate::support::recipe;
use astrape_onion::{
    Failure, FinalPayload, ForwardPayload, Hop, MAX_HOPS, OnionRecipe, PaymentData, PeelFailure, Peeled,
    RecordError, SharedSecret, decode_peeled, encode_peeled,
};
use astrape_primitives::{CltvExpiry, Msat, PaymentPreimage, PaymentSecret, ShortChannelId};
use astrape_wire::OnionPacket;
use proptest::prelude::*;

#[test]
fn the_bytes_of_a_recipe_never_change() {
    let bytes = recipe(vec![vec![1, 2, 3], vec![4, 5]]).to_bytes();
    let expected = [
        "77".repeat(32),
        "42".repeat(32),
        "031b84c5567b126440995d3ed5aaba0565d71e1834604819ff9c17f5e9d5dd078f".into(),
        "0003010203".into(),
        "024d4b6cd1361032ca9bd2aeb9d900aa4d45d9ead80ac9423374c451a7254d0766".into(),
        "00020405".into(),
    ];
    assert_eq!(hex::encode(bytes), expected.concat());
}

#[test]
fn a_damaged_record_is_refused() {
    let bytes = recipe(vec![vec![1, 2, 3]]).to_bytes();
    for end in (0..bytes.len()).filter(|end| *end != 64) {
        assert!(matches!(OnionRecipe::from_bytes(&bytes[..end]), Err(RecordError::Value(_))), "{end} bytes");
    }
    let too_many = recipe(vec![vec![1, 2]; MAX_HOPS + 1]).to_bytes();
    assert_eq!(OnionRecipe::from_bytes(&too_many), Err(RecordError::TooManyHops));
}

#[test]
fn a_recipe_does_not_print_its_session_key() {
    let printed = format!("{:?}", recipe(vec![vec![1, 2]]));
    assert!(!printed.contains("119, 119") && !printed.contains("7777"), "{printed}");
}

/// One of each kind, with its bytes.
fn peeled() -> Vec<(Result<Peeled, PeelFailure>, String)> {
    let shared_secret = SharedSecret::from_bytes([0x11; 32]);
    let forward = Hop::Forward {
        payload: ForwardPayload {
            short_channel_id: ShortChannelId(7),
            amt_to_forward: Msat(1_000),
            outgoing_cltv_value: CltvExpiry(100),
        },
        next: OnionPacket::from_bytes(&[0x22; 1366]),
    };
    let last = Hop::Final {
        payload: FinalPayload {
            amt_to_forward: Msat(1_000),
            outgoing_cltv_value: CltvExpiry(100),
            payment_data: Some(PaymentData {
                payment_secret: PaymentSecret([0x33; 32]),
                total_msat: Msat(1),
            }),
            payment_metadata: Some(vec![]),
            keysend_preimage: Some(PaymentPreimage([0x44; 32])),
            custom_records: [(65_537, vec![0x55])].into(),
        },
    };
    let failure = Failure::InvalidOnionPayload { tlv_type: 2, offset: 1 };
    let (secret, packet) = ("11".repeat(32), "22".repeat(1366));
    let (proof, preimage) = ("33".repeat(32), "44".repeat(32));
    let custom = "fe000100010155";
    let (amount, expiry, keysend) = ("020203e8", "040164", "ff0000000146c6616c20");
    vec![
        (
            Ok(Peeled { shared_secret, hop: forward }),
            format!("00{secret}{packet}{amount}{expiry}06080000000000000007"),
        ),
        (
            Ok(Peeled { shared_secret, hop: last }),
            format!("01{secret}{amount}{expiry}0821{proof}011000{custom}{keysend}{preimage}"),
        ),
        (
            Err(PeelFailure::Malformed { failure_code: 0xc005, sha256_of_onion: [0x66; 32] }),
            format!("02c005{}", "66".repeat(32)),
        ),
        (Err(PeelFailure::Payload { shared_secret, failure }), format!("03{secret}4016020001")),
    ]
}

#[test]
fn the_bytes_of_what_was_peeled_never_change() {
    for (peeled, bytes) in peeled() {
        assert_eq!(hex::encode(encode_peeled(&peeled)), bytes);
        assert_eq!(decode_peeled(&hex::decode(bytes).unwrap()), Ok(peeled));
    }
}

#[test]
fn a_damaged_record_of_what_was_peeled_is_refused() {
    for (_, bytes) in &peeled()[..3] {
        let bytes = hex::decode(bytes).unwrap();
        for end in 0..34 {
            assert!(decode_peeled(&bytes[..end]).is_err(), "kind {} with {end} bytes", bytes[0]);
        }
    }
    assert_eq!(decode_peeled(&[4; 40]), Err(RecordError::Peeled));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_recipe_reads_what_it_writes(payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..8)) {
        let recipe = recipe(payloads);
        prop_assert_eq!(OnionRecipe::from_bytes(&recipe.to_bytes()), Ok(recipe));
    }
}
