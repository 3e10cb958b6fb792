//! One hand-made text for each rule of the reader.

use crate::support::{Raw, draft, finish, key, node_id};
use astrape_invoice::{Description, Invoice, MAX_INVOICE_LENGTH, ParseInvoiceError as Error};
use astrape_primitives::{CltvDelta, Feature, PaymentHash, PaymentSecret};
use bech32::Fe32;
use bitcoin::secp256k1::SecretKey;

fn read(raw: Raw) -> Result<Invoice, Error> {
    raw.signed_text().parse()
}

#[test]
fn payment_hash_secret_and_description_suffice() {
    let invoice = read(Raw::minimal()).expect("a minimal invoice");
    assert_eq!(invoice.payment_hash(), PaymentHash([1; 32]));
    assert_eq!(invoice.payment_secret(), PaymentSecret([2; 32]));
    assert_eq!(invoice.timestamp(), 0);
    assert!(invoice.features().is_empty());
}

#[test]
fn a_scheme_and_spaces_around_an_invoice_do_not_matter() {
    let invoice = finish(&draft());
    let text = invoice.to_string();
    for around in [
        format!("lightning:{text}"),
        format!("LIGHTNING:{}", text.to_uppercase()),
        format!("Lightning:{text}"),
        format!(" \t{text}\n"),
    ] {
        assert_eq!(around.parse(), Ok(invoice.clone()), "{around}");
    }
    assert!(format!("lightning://{text}").parse::<Invoice>().is_err());
    assert!(format!("lightning:lightning:{text}").parse::<Invoice>().is_err());
}

// BOLT 11.encoding-overview.6
#[test]
fn any_changed_character_is_noticed() {
    let text = finish(&draft()).to_string();
    for at in 0..text.len() {
        let mut bytes = text.clone().into_bytes();
        bytes[at] = if bytes[at] == b'q' { b'p' } else { b'q' };
        let changed = String::from_utf8(bytes).expect("ASCII");
        assert!(changed.parse::<Invoice>().is_err(), "{changed}");
    }
}

// attack 71
#[test]
fn text_outside_ascii_is_refused_wherever_it_stands() {
    let text = finish(&draft()).to_string();
    for at in (0..=text.len()).step_by(7).chain([1, 2, 3, text.len()]) {
        for foreign in ["é", "1", "🚀", "\u{0}", "\u{7f}", "\u{a0}x"] {
            let mut changed = text.clone();
            changed.insert_str(at, foreign);
            assert!(changed.parse::<Invoice>().is_err(), "{changed}");
        }
    }
    assert_eq!("lnbc²1qqq".parse::<Invoice>(), Err(Error::NotAscii));
    assert_eq!("lightnin🚀".parse::<Invoice>(), Err(Error::NotAscii));
}

#[test]
fn what_is_longer_than_any_invoice_is_not_even_hashed() {
    let long = "q".repeat(MAX_INVOICE_LENGTH + 1);
    assert_eq!(long.parse::<Invoice>(), Err(Error::TooLong(MAX_INVOICE_LENGTH + 1)));
    let mut raw = Raw::minimal();
    while raw.text().len() + 1026 <= MAX_INVOICE_LENGTH {
        raw = raw.field('2', &[Fe32::Q; 1023]);
    }
    let room = MAX_INVOICE_LENGTH - raw.text().len() - 3;
    let full = raw.clone().field('2', &vec![Fe32::Q; room]).signed_text();
    assert_eq!(full.len(), MAX_INVOICE_LENGTH);
    assert!(full.parse::<Invoice>().is_ok());
    let over = raw.field('2', &vec![Fe32::Q; room + 1]).signed_text();
    assert_eq!(over.parse::<Invoice>(), Err(Error::TooLong(MAX_INVOICE_LENGTH + 1)));
}

#[test]
fn other_bech32_is_no_invoice() {
    assert_eq!("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4".parse::<Invoice>(), Err(Error::NotLightning));
    assert!(matches!("".parse::<Invoice>(), Err(Error::Bech32(_))));
    assert!(matches!("lnbc".parse::<Invoice>(), Err(Error::Bech32(_))));
    assert!(matches!("lnbc1".parse::<Invoice>(), Err(Error::Bech32(_))));
}

// attack 60
#[test]
fn an_invoice_cut_off_anywhere_is_refused() {
    let whole = Raw::minimal().sign(&key());
    for length in 0..whole.signed.len() {
        let mut raw = whole.clone();
        raw.signed.truncate(length);
        assert!(read(raw).is_err(), "{length}");
    }
    let mut raw = Raw::minimal();
    raw.signed.push(Fe32::P);
    assert_eq!(read(raw.clone()), Err(Error::FieldTruncated('p')));
    raw.signed.extend([Fe32::L, Fe32::L]);
    assert_eq!(read(raw), Err(Error::FieldTruncated('p')));
    let mut raw = Raw::minimal().sign(&key());
    raw.signed.truncate(6);
    assert_eq!(raw.text().parse::<Invoice>(), Err(Error::TooShort));
}

// attack 60
// BOLT 11.tagged-fields.27
#[test]
fn fields_of_fixed_length_have_that_length() {
    for (field, expected) in [('p', 52), ('h', 52), ('s', 52), ('n', 53)] {
        for found in [0, 1, expected - 1, expected + 1, 1023] {
            let raw = Raw::minimal().field(field, &vec![Fe32::P; found]);
            assert_eq!(read(raw), Err(Error::FieldLength { field, expected, found }));
        }
    }
}

// BOLT 11.tagged-fields.28
#[test]
fn a_description_or_its_hash_is_there_and_not_both() {
    let bare = Raw::empty("lnbcrt").bytes('p', &[1; 32]).bytes('s', &[2; 32]);
    assert_eq!(read(bare.clone()), Err(Error::NoDescription));
    assert_eq!(read(bare.clone().bytes('d', b"tea").bytes('h', &[3; 32])), Err(Error::TwoDescriptions));
    let hashed = read(bare.clone().bytes('h', &[3; 32])).expect("hashed");
    assert_eq!(*hashed.description(), Description::Hash([3; 32]));
    assert_eq!(*read(bare.bytes('d', b"")).expect("empty").description(), Description::Text(String::new()));
}

// BOLT 11.tagged-fields.36
#[test]
fn payment_hash_and_secret_are_needed() {
    let raw = Raw::empty("lnbcrt").bytes('d', b"tea");
    assert_eq!(read(raw.clone().bytes('p', &[1; 32])), Err(Error::NoPaymentSecret));
    assert_eq!(read(raw.bytes('s', &[1; 32])), Err(Error::NoPaymentHash));
}

// BOLT 11.payer-payee-requirements.5
#[test]
fn of_fields_that_come_twice_the_first_counts() {
    let raw = Raw::minimal()
        .field('x', &[Fe32::P])
        .field('c', &[Fe32::L])
        .bytes('m', &[9])
        .bytes('p', &[7; 32])
        .bytes('s', &[7; 32])
        .bytes('d', b"coffee")
        .field('x', &[Fe32::Z])
        .field('c', &[Fe32::Z])
        .bytes('m', &[7]);
    let invoice = read(raw).expect("readable");
    assert_eq!(invoice.payment_hash(), PaymentHash([1; 32]));
    assert_eq!(invoice.payment_secret(), PaymentSecret([2; 32]));
    assert_eq!(*invoice.description(), Description::Text("tea".into()));
    assert_eq!(invoice.expiry(), 1);
    assert_eq!(invoice.min_final_cltv_expiry_delta(), CltvDelta(31));
    assert_eq!(invoice.payment_metadata(), Some(&[9][..]));
}

#[test]
fn unknown_fields_do_not_matter_and_stay_in_the_text() {
    let known = ['p', 's', 'd', 'h', 'n', 'x', 'c', 'f', 'r', '9', 'm'];
    for tag in "qpzry9x8gf2tvdw0s3jn54khce6mua7l".chars().filter(|tag| !known.contains(tag)) {
        for length in [0, 1, 52, 1023] {
            let text = Raw::minimal().field(tag, &vec![Fe32::L; length]).signed_text();
            let invoice: Invoice = text.parse().expect("the field is unknown");
            assert_eq!(invoice.to_string(), text);
        }
    }
}

#[test]
fn a_description_is_text() {
    assert_eq!(read(Raw::empty("lnbcrt").bytes('d', &[0xff, 0xfe])), Err(Error::DescriptionNotUtf8));
    assert_eq!(read(Raw::empty("lnbcrt").bytes('d', &"é".as_bytes()[..1])), Err(Error::DescriptionNotUtf8));
}

// BOLT 11.tagged-fields.40
#[test]
fn numbers_and_features_do_not_begin_with_zeros() {
    for field in ['x', 'c', '9'] {
        for groups in [&[Fe32::Q][..], &[Fe32::Q, Fe32::P], &[Fe32::Q, Fe32::Q, Fe32::Q]] {
            assert_eq!(read(Raw::minimal().field(field, groups)), Err(Error::NotMinimal(field)));
        }
    }
}

#[test]
fn numbers_fit_their_type() {
    let expiry = |groups: &[Fe32]| read(Raw::minimal().field('x', groups)).map(|i| i.expiry());
    assert_eq!(expiry(&[]), Ok(0));
    assert_eq!(expiry(&[Fe32::P; 13]), Ok(0x1084_2108_4210_8421));
    assert_eq!(expiry(&[Fe32::L; 13]), Err(Error::ExpiryTooLarge));
    assert_eq!(expiry(&[Fe32::P; 1023]), Err(Error::ExpiryTooLarge));
    let delta =
        |groups: &[Fe32]| read(Raw::minimal().field('c', groups)).map(|i| i.min_final_cltv_expiry_delta());
    assert_eq!(delta(&[Fe32::P, Fe32::L, Fe32::L, Fe32::L]), Ok(CltvDelta(u16::MAX)));
    assert_eq!(delta(&[Fe32::Z, Fe32::Q, Fe32::Q, Fe32::Q]), Err(Error::CltvDeltaTooLarge));
    assert_eq!(delta(&[Fe32::L; 14]), Err(Error::CltvDeltaTooLarge));
    let invoice = read(Raw::minimal().field('x', &[Fe32::L; 12])).expect("fits");
    assert!(invoice.expires_at() > invoice.timestamp());
}

fn with_feature(bit: usize) -> Raw {
    let mut groups = vec![Fe32::Q; bit / 5 + 1];
    groups[0] = Fe32::try_from(1_u8 << (bit % 5)).expect("below 32");
    Raw::minimal().field('9', &groups)
}

// BOLT 11.tagged-fields.29
// BOLT 11.tagged-fields.30
#[test]
fn unknown_even_features_are_refused_and_odd_ones_ignored() {
    let known = [8, 14, 16, 24, 36, 48];
    for bit in (0..200).chain([1000, 1001, 5113, 5114]) {
        let read = read(with_feature(bit));
        if bit % 2 == 0 && !known.contains(&bit) {
            assert_eq!(read, Err(Error::UnknownFeature(bit)));
        } else if bit != 51 && bit != 61 {
            let invoice = read.expect("odd or known");
            assert_eq!(invoice.features().iter_bits().collect::<Vec<_>>(), [bit]);
        }
    }
}

// BOLT 11.feature-bits.2
#[test]
fn features_come_with_what_they_need() {
    let missing = Error::FeatureDependency { feature: Feature::Zeroconf, missing: Feature::ScidAlias };
    assert_eq!(read(with_feature(51)), Err(missing));
}

// BOLT 11.feature-bits.4
#[test]
fn payment_in_parts_needs_its_feature() {
    assert!(!read(Raw::minimal()).expect("readable").features().supports(Feature::BasicMpp));
    for bit in [16, 17] {
        assert!(read(with_feature(bit)).expect("readable").features().supports(Feature::BasicMpp));
    }
}

// BOLT 11.tagged-fields.26
#[test]
fn fallbacks_of_unknown_version_are_skipped_and_malformed_ones_refused() {
    let fallback = |version: u8, bytes: usize| {
        let mut groups = vec![Fe32::try_from(version).expect("below 32")];
        groups.extend(vec![Fe32::P; (bytes * 8).div_ceil(5)]);
        read(Raw::minimal().field('f', &groups)).map(|invoice| invoice.fallbacks().len())
    };
    for version in 19..=31 {
        assert_eq!(fallback(version, 20), Ok(0));
        assert_eq!(fallback(version, 0), Ok(0));
    }
    assert_eq!((fallback(17, 20), fallback(18, 20)), (Ok(1), Ok(1)));
    assert_eq!(
        (fallback(0, 20), fallback(0, 32), fallback(1, 32), fallback(16, 40)),
        (Ok(1), Ok(1), Ok(1), Ok(1))
    );
    for (version, bytes) in [(0, 0), (0, 21), (0, 33), (1, 1), (1, 41), (17, 19), (17, 21), (18, 32), (18, 0)]
    {
        assert_eq!(fallback(version, bytes), Err(Error::Fallback), "version {version}, {bytes} bytes");
    }
    assert_eq!(read(Raw::minimal().field('f', &[])), Err(Error::Fallback));
}

// attack 60
#[test]
fn route_hints_are_whole_entries_of_real_nodes() {
    for bytes in [0, 1, 33, 50, 52, 101, 103] {
        assert_eq!(read(Raw::minimal().bytes('r', &vec![2; bytes])), Err(Error::RouteHintLength(bytes)));
    }
    assert_eq!(read(Raw::minimal().bytes('r', &[0; 51])), Err(Error::RouteHintKey));
    let invoice = read(Raw::minimal().bytes('r', &[2; 51]).bytes('r', &[2; 102])).expect("real nodes");
    assert_eq!(invoice.route_hints().iter().map(Vec::len).collect::<Vec<_>>(), [1, 2]);
}

// attack 60
#[test]
fn a_payee_is_a_public_key() {
    assert_eq!(read(Raw::minimal().bytes('n', &[0; 33])), Err(Error::PayeeKey));
    assert_eq!(read(Raw::minimal().bytes('n', &[0xff; 33])), Err(Error::PayeeKey));
}

// attack 60
// BOLT 11.data-part.3
#[test]
fn a_malformed_signature_is_refused() {
    let raw = Raw::minimal().sign(&key());
    let (compact, _) = raw.signature();
    let read = |compact, recovery_id| {
        let mut raw = raw.clone();
        raw.set_signature(compact, recovery_id);
        raw.text().parse::<Invoice>()
    };
    for recovery_id in [4, 5, 27, 31, 128, 255] {
        assert_eq!(read(compact, recovery_id), Err(Error::SignatureMalformed));
    }
    assert_eq!(read([0xff; 64], 0), Err(Error::SignatureMalformed));
    assert_eq!(read([0; 64], 0), Err(Error::SignatureInvalid));
    assert_eq!(read(compact, 2), Err(Error::SignatureInvalid), "R is no overflow");
}

// BOLT 11.data-part.3
// BOLT 11.tagged-fields.33
// BOLT 11.tagged-fields.34
#[test]
fn a_named_payee_must_have_signed() {
    let other = SecretKey::from_slice(&[5; 32]).expect("a key");
    let raw = Raw::minimal().bytes('n', node_id(&key()).as_bytes());
    assert_eq!(raw.clone().sign(&other).text().parse::<Invoice>(), Err(Error::SignatureInvalid));
    let mut signed = raw.sign(&key());
    let payee = |signed: &Raw| signed.text().parse::<Invoice>().map(|invoice| invoice.payee());
    assert_eq!(payee(&signed), Ok(node_id(&key())));

    let (compact, recovery_id) = signed.signature();
    signed.set_signature(compact, recovery_id ^ 1);
    assert_eq!(payee(&signed), Ok(node_id(&key())), "the named key is used, not the recovered one");

    signed.set_signature(high_s(compact), recovery_id ^ 1);
    assert_eq!(payee(&signed), Err(Error::SignatureHighS));
}

// BOLT 11.tagged-fields.35
#[test]
fn a_recovered_payee_may_sign_with_high_s() {
    let mut signed = Raw::minimal().sign(&key());
    let (compact, recovery_id) = signed.signature();
    signed.set_signature(high_s(compact), recovery_id ^ 1);
    assert_eq!(signed.text().parse::<Invoice>().map(|i| i.payee()), Ok(node_id(&key())));
}

/// The same signature with the other S.
fn high_s(mut compact: [u8; 64]) -> [u8; 64] {
    let s = SecretKey::from_slice(&compact[32..]).expect("S is a scalar").negate();
    compact[32..].copy_from_slice(&s.secret_bytes());
    compact
}
