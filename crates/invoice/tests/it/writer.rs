//! What a payee writes, looked at group by group.

use crate::support::{Raw, draft, finish, key, node_id, sign};
use astrape_invoice::{
    Description, DraftError, Fallback, FinishError, Invoice, InvoiceDraft, MAX_INVOICE_LENGTH, RouteHint,
};
use astrape_primitives::{CltvDelta, Feature, Features, Msat, PaymentPreimage, ShortChannelId};
use bech32::Fe32;
use bech32::primitives::iter::Fe32IterExt as _;
use bitcoin::ScriptBuf;
use bitcoin::secp256k1::SecretKey;

fn hint(byte: u8) -> RouteHint {
    RouteHint {
        node_id: node_id(&SecretKey::from_slice(&[byte; 32]).expect("a key")),
        short_channel_id: ShortChannelId(u64::from(byte) << 40),
        fee_base_msat: 1_000,
        fee_proportional_millionths: 100,
        cltv_expiry_delta: CltvDelta(40),
    }
}

fn fallback(byte: u8) -> Fallback {
    let script = ScriptBuf::from_bytes([&[0x51, 0x20][..], &[byte; 32]].concat());
    Fallback::from_script(&script).expect("P2TR")
}

/// A draft that uses every field.
fn full() -> InvoiceDraft {
    InvoiceDraft {
        amount: Some(Msat(123_456)),
        with_payee: true,
        description: Description::hash_of("all of it"),
        expiry: 600,
        min_final_cltv_expiry_delta: CltvDelta(80),
        route_hints: vec![vec![hint(3), hint(4)], vec![hint(5)]],
        fallbacks: vec![fallback(6), fallback(7)],
        payment_metadata: Some(vec![8; 100]),
        ..draft()
    }
}

fn groups(invoice: &Invoice, tag: char) -> Vec<Vec<Fe32>> {
    let raw = Raw::parse(&invoice.to_string());
    let fields = raw.fields().into_iter().filter(|field| raw.signed[field.start].to_char() == tag);
    fields.map(|field| raw.signed[field.start + 3..field.end].to_vec()).collect()
}

fn bytes(groups: &[Fe32]) -> Vec<u8> {
    groups.iter().copied().fes_to_bytes().collect()
}

// BOLT 11.encoding-overview.1
// BOLT 11.tagged-fields.1
// BOLT 11.tagged-fields.2
// BOLT 11.tagged-fields.4
// BOLT 11.tagged-fields.12
// BOLT 11.tagged-fields.19
// BOLT 11.tagged-fields.20
// BOLT 11.tagged-fields.25
#[test]
fn every_field_is_read_back_as_it_was_written() {
    let draft = full();
    let invoice = finish(&draft);
    assert_eq!(invoice.network(), draft.network);
    assert_eq!(invoice.amount(), draft.amount);
    assert_eq!(invoice.timestamp(), draft.timestamp);
    assert_eq!(invoice.payee(), draft.payee);
    assert_eq!(invoice.payment_hash(), draft.payment_hash);
    assert_eq!(invoice.payment_secret(), draft.payment_secret);
    assert_eq!(*invoice.description(), draft.description);
    assert_eq!(invoice.expiry(), 600);
    assert_eq!(invoice.min_final_cltv_expiry_delta(), CltvDelta(80));
    assert_eq!(invoice.route_hints(), draft.route_hints);
    assert_eq!(invoice.fallbacks(), draft.fallbacks);
    assert_eq!(invoice.payment_metadata(), draft.payment_metadata.as_deref());
    let raw = Raw::parse(&invoice.to_string());
    assert_eq!(raw.tags(), ['p', 's', 'h', 'm', 'n', 'x', 'c', 'f', 'f', 'r', 'r', '9']);
    assert_eq!(invoice.to_string().parse(), Ok(invoice));
}

// BOLT 11.tagged-fields.3
#[test]
fn the_payment_hash_is_that_of_the_preimage() {
    let preimage = PaymentPreimage([3; 32]);
    let invoice = finish(&InvoiceDraft { payment_hash: preimage.payment_hash(), ..draft() });
    assert_eq!(bytes(&groups(&invoice, 'p')[0]), preimage.payment_hash().0);
}

// BOLT 11.tagged-fields.5
#[test]
fn a_description_is_written_as_utf_8() {
    let text = "ナンセンス 1杯";
    let invoice = finish(&InvoiceDraft { description: Description::Text(text.into()), ..draft() });
    assert_eq!(bytes(&groups(&invoice, 'd')[0]), text.as_bytes());
}

// BOLT 11.data-part.1
#[test]
fn the_timestamp_is_35_bits_of_big_endian_seconds() {
    let invoice = finish(&InvoiceDraft { timestamp: 1_496_314_658, ..draft() });
    assert!(invoice.to_string().starts_with("lnbcrt1pvjluez"));
    let latest = InvoiceDraft { timestamp: (1 << 35) - 1, ..draft() };
    assert_eq!(finish(&latest).timestamp(), (1 << 35) - 1);
    let later = InvoiceDraft { timestamp: 1 << 35, ..draft() };
    assert_eq!(later.to_unsigned(), Err(DraftError::TimestampTooLarge(1 << 35)));
}

// BOLT 11.data-part.2
#[test]
fn what_is_signed_is_the_hash_of_the_text_before_the_signature() {
    for draft in [draft(), full()] {
        let unsigned = draft.to_unsigned().expect("a good draft");
        let signature = sign(&key(), unsigned.signing_digest());
        let raw = Raw::parse(&unsigned.finish(&signature).expect("signed").to_string());
        assert_eq!(raw.digest(), unsigned.signing_digest());
        let (recovery_id, compact) = signature.serialize_compact();
        assert_eq!(raw.signature(), (compact, u8::try_from(recovery_id.to_i32()).expect("0 to 3")));
    }
}

// BOLT 11.tagged-fields.10
// BOLT 11.tagged-fields.11
// BOLT 11.tagged-fields.13
#[test]
fn numbers_are_written_without_leading_zeros() {
    for (number, length) in [(1_u16, 1), (31, 1), (32, 2), (144, 2), (1023, 2), (1024, 3), (u16::MAX, 4)] {
        let draft = InvoiceDraft {
            expiry: u64::from(number),
            min_final_cltv_expiry_delta: CltvDelta(number),
            ..draft()
        };
        let invoice = finish(&draft);
        for tag in ['x', 'c'] {
            let groups = groups(&invoice, tag);
            assert_eq!((groups.len(), groups[0].len()), (1, length));
            assert_ne!(groups[0][0], Fe32::Q);
        }
    }
    assert_eq!(groups(&finish(&draft()), 'x').len(), 0, "the default is left out");
    assert_eq!(finish(&InvoiceDraft { expiry: u64::MAX, ..draft() }).expires_at(), u64::MAX);
    assert_eq!(finish(&InvoiceDraft { expiry: 0, ..draft() }).expiry(), 0);
}

// BOLT 11.tagged-fields.15
#[test]
fn a_named_payee_is_the_one_who_signs() {
    let invoice = finish(&InvoiceDraft { with_payee: true, ..draft() });
    assert_eq!(bytes(&groups(&invoice, 'n')[0]), node_id(&key()).as_bytes());
    assert_eq!(groups(&finish(&draft()), 'n').len(), 0);
}

// BOLT 11.tagged-fields.15
#[test]
fn a_signature_by_another_key_finishes_nothing() {
    let other = SecretKey::from_slice(&[9; 32]).expect("a key");
    let unsigned = draft().to_unsigned().expect("a good draft");
    let wrong = FinishError::WrongSigner { expected: node_id(&key()), found: node_id(&other) };
    assert_eq!(unsigned.finish(&sign(&other, unsigned.signing_digest())), Err(wrong));
    let named = InvoiceDraft { with_payee: true, ..draft() }.to_unsigned().expect("a good draft");
    let refused = named.finish(&sign(&other, named.signing_digest()));
    assert!(matches!(refused, Err(FinishError::Unreadable(_))));
}

// BOLT 11.tagged-fields.17
#[test]
fn a_fallback_is_its_version_and_its_program() {
    let mut scripts = vec![
        (17, ScriptBuf::from_hex("76a914000102030405060708090a0b0c0d0e0f1011121388ac").expect("P2PKH")),
        (18, ScriptBuf::from_hex("a914000102030405060708090a0b0c0d0e0f1011121387").expect("P2SH")),
        (0, ScriptBuf::from_hex("0014000102030405060708090a0b0c0d0e0f10111213").expect("P2WPKH")),
    ];
    scripts.push((1, fallback(6).script_pubkey()));
    let fallbacks = scripts.iter().map(|(_, s)| Fallback::from_script(s).expect("an address")).collect();
    let invoice = finish(&InvoiceDraft { fallbacks, ..draft() });
    let written = groups(&invoice, 'f');
    for ((version, script), groups) in scripts.iter().zip(&written) {
        assert_eq!(groups[0].to_u8(), *version);
        let program = bytes(&groups[1..]);
        assert!(script.as_bytes().windows(program.len()).any(|part| part == program));
        assert!(program.len() >= 20);
    }
    assert_eq!(written.len(), 4);
}

// BOLT 11.tagged-fields.22
// BOLT 11.tagged-fields.23
#[test]
fn features_are_written_without_leading_zeros_or_not_at_all() {
    let invoice = finish(&draft());
    assert_eq!(invoice.features().iter_bits().collect::<Vec<_>>(), [8, 14, 17]);
    assert_eq!(
        groups(&invoice, '9'),
        [[
            Fe32::try_from(4_u8).unwrap(),
            Fe32::try_from(16_u8).unwrap(),
            Fe32::try_from(8_u8).unwrap(),
            Fe32::Q
        ]]
    );
    let none = finish(&InvoiceDraft { features: Features::empty(), ..draft() });
    assert_eq!(groups(&none, '9').len(), 0);
}

// BOLT 11.tagged-fields.24
#[test]
fn fields_are_padded_with_zeros() {
    let invoice = finish(&InvoiceDraft {
        payment_hash: astrape_primitives::PaymentHash([0xff; 32]),
        description: Description::Text("\u{7f}".into()),
        ..draft()
    });
    assert_eq!(groups(&invoice, 'p')[0].last().map(|group| group.to_u8()), Some(0b1_0000));
    assert_eq!(
        groups(&invoice, 'd')[0].iter().map(|group| group.to_u8()).collect::<Vec<_>>(),
        [0b01111, 0b11100]
    );
}

// BOLT 11.feature-bits.1
// BOLT 9.bolt-9-assigned-feature-flags.4
// BOLT 9.bolt-9-assigned-feature-flags.5
#[test]
fn features_that_do_not_belong_in_an_invoice_are_refused() {
    let with = |features: Features| InvoiceDraft { features, ..draft() }.to_unsigned();
    for bit in [12, 13, 22, 60, 99, 100, 5_000] {
        assert_eq!(with(Features::empty().with_bit(bit)), Err(DraftError::FeatureOutOfPlace(bit)));
    }
    let twice = Features::empty().with_bit(16).with_bit(17);
    assert_eq!(with(twice), Err(DraftError::FeatureTwice(Feature::BasicMpp)));
}

// BOLT 9.bolt-9-assigned-feature-flags.2
#[test]
fn metadata_makes_its_feature_required() {
    let invoice = finish(&InvoiceDraft { payment_metadata: Some(vec![1]), ..draft() });
    assert!(invoice.features().bit(Feature::PaymentMetadata.required_bit()));
    let features = draft().features.with_optional(Feature::PaymentMetadata);
    let optional = finish(&InvoiceDraft { payment_metadata: Some(vec![1]), features, ..draft() });
    assert!(!optional.features().bit(Feature::PaymentMetadata.required_bit()));
}

#[test]
fn what_does_not_fit_is_refused_and_says_so() {
    let long = |what, found| Err(DraftError::FieldTooLong { what, found });
    let text = |length: usize| Description::Text("x".repeat(length));
    assert!(InvoiceDraft { description: text(639), ..draft() }.to_unsigned().is_ok());
    assert_eq!(InvoiceDraft { description: text(640), ..draft() }.to_unsigned(), long("description", 640));
    let metadata = InvoiceDraft { payment_metadata: Some(vec![0; 640]), ..draft() };
    assert_eq!(metadata.to_unsigned(), long("payment metadata", 640));
    let route = |hops: usize| InvoiceDraft { route_hints: vec![vec![hint(3); hops]], ..draft() };
    assert!(route(12).to_unsigned().is_ok());
    assert_eq!(route(13).to_unsigned(), long("route hint", 663));
    assert_eq!(route(0).to_unsigned(), Err(DraftError::RouteHintEmpty));
}

#[test]
fn no_invoice_is_written_that_could_not_be_read() {
    let with_hints = |hints: usize| InvoiceDraft { route_hints: vec![vec![hint(3)]; hints], ..draft() };
    let most =
        (1..200).take_while(|hints| with_hints(*hints).to_unsigned().is_ok()).last().expect("one fits");
    let largest = finish(&with_hints(most)).to_string();
    assert!(largest.len() <= MAX_INVOICE_LENGTH && largest.len() + 85 > MAX_INVOICE_LENGTH);
    let too_long = DraftError::TooLong(largest.len() + 85);
    assert_eq!(with_hints(most + 1).to_unsigned(), Err(too_long));
}
