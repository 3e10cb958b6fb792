//! The examples of BOLT 11. All are signed by one key, with one payment secret.

use crate::support::{Raw, key, node_id};
use astrape_invoice::{Description, Invoice, ParseInvoiceError as Error, RouteHint};
use astrape_primitives::{CltvDelta, Feature, Msat, Network, PaymentSecret, ShortChannelId};

const VALID: &str = include_str!("../vectors/bolt11_valid.txt");
const INVALID: &str = include_str!("../vectors/bolt11_invalid.txt");

fn text(vectors: &'static str, name: &str) -> &'static str {
    let lines = vectors.lines().filter_map(|line| line.split_once(' '));
    lines.into_iter().find(|(n, _)| *n == name).expect("a vector of that name").1
}

fn valid(name: &str) -> Invoice {
    let text = text(VALID, name);
    let invoice: Invoice = text.parse().expect("a valid vector");
    // The example of high S keeps the recovery id of the low S, so it recovers a key that is nobody's.
    assert_eq!(invoice.payee() == node_id(&key()), name != "high-s-recovered", "{name}");
    assert_eq!(invoice.payment_secret(), PaymentSecret([0x11; 32]), "{name}");
    assert_eq!(invoice.to_string(), text.to_lowercase(), "{name}");
    invoice
}

fn error(name: &str) -> Error {
    text(INVALID, name).parse::<Invoice>().expect_err("an invalid vector")
}

const HASH: &str = "0001020304050607080900010203040506070809000102030405060708090102";

// BOLT 11.data-part.3
// BOLT 11.encoding-overview.4
// BOLT 11.human-readable-part.7
// BOLT 11.tagged-fields.35
// BOLT 11.tagged-fields.37
// BOLT 11.tagged-fields.38
#[test]
fn a_donation_of_any_amount_is_read() {
    let invoice = valid("donation");
    assert_eq!(invoice.network(), Network::Bitcoin);
    assert_eq!(invoice.amount(), None);
    assert_eq!(invoice.timestamp(), 1_496_314_658);
    assert_eq!(invoice.expiry(), 3600);
    assert_eq!(invoice.expires_at(), 1_496_318_258);
    assert_eq!(invoice.payment_hash().to_string(), HASH);
    assert_eq!(*invoice.description(), Description::Text("Please consider supporting this project".into()));
    assert_eq!(invoice.min_final_cltv_expiry_delta(), CltvDelta(18));
    assert_eq!(invoice.features().iter_bits().collect::<Vec<_>>(), [8, 14]);
    assert!(invoice.route_hints().is_empty() && invoice.fallbacks().is_empty());
    assert_eq!(invoice.payment_metadata(), None);
}

// BOLT 11.human-readable-part.9
// BOLT 11.payer-payee-requirements.1
// BOLT 11.payer-payee-requirements.6
#[test]
fn coffee_within_a_minute_is_read() {
    let invoice = valid("coffee");
    assert_eq!(invoice.amount(), Some(Msat(250_000_000)));
    assert_eq!(*invoice.description(), Description::Text("1 cup coffee".into()));
    assert_eq!(invoice.expiry(), 60);
    assert!(!invoice.is_expired_at(1_496_314_718));
    assert!(invoice.is_expired_at(1_496_314_719));
    assert_eq!(*valid("nonsense").description(), Description::Text("ナンセンス 1杯".into()));
}

// BOLT 11.tagged-fields.32
#[test]
fn a_hashed_description_is_read() {
    let invoice = valid("list");
    assert_eq!(invoice.amount(), Some(Msat(2_000_000_000)));
    assert!(invoice.description().matches(
        "One piece of chocolate cake, one icecream cone, one pickle, one slice of swiss cheese, one slice of \
         salami, one lollypop, one piece of cherry pie, one sausage, one cupcake, and one slice of watermelon"
    ));
}

#[test]
fn fallback_addresses_of_every_kind_are_read() {
    for (name, address) in [
        ("testnet-p2pkh", "mk2QpYatsKicvFVuTAQLBryyccRXMUaGHP"),
        ("mainnet-p2pkh-routes", "1RustyRX2oai4EYYDpQGWvEL62BBGqN9T"),
        ("p2sh", "3EktnHQD7RiAE6uzMj2ZifT9YgRrkSgzQX"),
        ("p2wpkh", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"),
        ("p2wsh", "bc1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qccfmv3"),
        ("p2tr", "bc1pptdvg0d2nj99568qn6ssdy4cygnwuxgw2ukmnwgwz7jpqjz2kszse2s3lm"),
    ] {
        let invoice = valid(name);
        let addresses: Vec<String> =
            invoice.fallbacks().iter().map(|f| f.address(invoice.network()).to_string()).collect();
        assert_eq!(addresses, [address]);
    }
    assert_eq!(valid("testnet-p2pkh").network(), Network::Testnet4);
}

#[test]
fn route_hints_of_several_channels_are_read_in_order() {
    let hint = |node_id: &str, scid: &str, fee_base_msat, fee_proportional_millionths, delta| RouteHint {
        node_id: node_id.parse().expect("a node id"),
        short_channel_id: scid.parse::<ShortChannelId>().expect("a short channel id"),
        fee_base_msat,
        fee_proportional_millionths,
        cltv_expiry_delta: CltvDelta(delta),
    };
    let id = "9e03a901b85534ff1e92c43c74431f7ce72046060fcf7a95c37e148f78c77255";
    assert_eq!(
        valid("mainnet-p2pkh-routes").route_hints(),
        [[
            hint(&format!("02{id}"), "66051x263430x1800", 1, 20, 3),
            hint(&format!("03{id}"), "197637x395016x2314", 2, 30, 4),
        ]]
    );
    let id = "03d06758583bb5154774a6eb221b1276c9e82d65bbaceca806d90e20c108f4b1c7";
    assert_eq!(valid("pico").route_hints(), [[hint(id, "589390x3312x1", 1000, 2500, 40)]]);
}

#[test]
fn an_amount_in_pico_bitcoin_is_read() {
    let invoice = valid("pico");
    assert_eq!(invoice.amount(), Some(Msat(967_878_534)));
    assert_eq!(invoice.timestamp(), 1_572_468_703);
    assert_eq!(invoice.expiry(), 604_800);
    assert_eq!(invoice.min_final_cltv_expiry_delta(), CltvDelta(10));
    let hash = "462264ede7e14047e9b249da94fefc47f41f7d02ee9b091815a5506bc8abf75f";
    assert_eq!(invoice.payment_hash().to_string(), hash);
}

// BOLT 11.encoding-overview.5
// BOLT 11.tagged-fields.29
#[test]
fn unknown_odd_features_and_upper_case_do_not_matter() {
    let invoice = valid("beans");
    assert_eq!(invoice.features().iter_bits().collect::<Vec<_>>(), [8, 14, 99]);
    assert_eq!(valid("upper-case"), invoice);
    assert_eq!(invoice.to_qr_text(), text(VALID, "upper-case"));
}

// BOLT 11.tagged-fields.39
#[test]
fn payment_metadata_is_read() {
    let invoice = valid("metadata");
    assert_eq!(invoice.payment_metadata(), Some(&[0x01, 0xfa, 0xfa, 0xf0][..]));
    assert!(invoice.features().supports(Feature::PaymentMetadata));
}

// BOLT 11.tagged-fields.35
#[test]
fn a_key_is_recovered_from_a_signature_with_high_s() {
    let invoice = valid("high-s-recovered");
    assert_eq!(invoice.description(), valid("donation").description());
    let recovered = "02d0139ce7427d6dfffd26a326c18be754ef1e64672b42694ba5b23ef6e6e7803d";
    assert_eq!(invoice.payee().to_string(), recovered);
}

/// This example is older than the rule that it breaks: it holds `p`, `h`, `s` and `n` fields of wrong lengths, which a
/// reader had to skip until 2025 and must refuse since. What else it asks to ignore is ignored.
// BOLT 11.tagged-fields.26
// BOLT 11.tagged-fields.27
#[test]
fn of_the_fields_that_were_ignored_once_those_of_wrong_length_are_refused() {
    let text = text(VALID, "ignored-fields");
    let refused = Error::FieldLength { field: 'p', expected: 52, found: 51 };
    assert_eq!(text.parse::<Invoice>(), Err(refused));

    let mut raw = Raw::parse(text);
    let wrong = |length: usize, tag: char| match tag {
        'p' | 'h' | 's' => length != 52,
        'n' => length != 53,
        _ => false,
    };
    for field in raw.fields().into_iter().rev() {
        if wrong(field.len() - 3, raw.signed[field.start].to_char()) {
            raw.signed.drain(field);
        }
    }
    assert_eq!(raw.tags(), ['p', 'd', 's', '9', '2', 'f'], "an unknown field, a fallback of version 19");
    let invoice: Invoice = raw.signed_text().parse().expect("only what must be ignored is left");
    assert_eq!(invoice.fallbacks(), []);
    assert_eq!(invoice.description(), valid("beans").description());
}

#[test]
fn another_implementation_reads_the_examples_alike() {
    for (name, text) in VALID.lines().filter_map(|line| line.split_once(' ')) {
        // LDK skips the fields of the one, and refuses the high S of the other.
        if name != "ignored-fields" && name != "high-s-recovered" {
            let ldk = text.parse().expect("LDK reads this example");
            crate::against_ldk::assert_same(&valid(name), &ldk);
        }
    }
}

// BOLT 11.encoding-overview.4
// BOLT 11.encoding-overview.6
// BOLT 11.human-readable-part.8
// BOLT 11.human-readable-part.10
// BOLT 11.tagged-fields.30
// BOLT 11.tagged-fields.31
// BOLT 11.tagged-fields.34
// BOLT 11.tagged-fields.36
#[test]
fn every_invalid_example_is_refused_for_its_reason() {
    assert_eq!(error("feature-100"), Error::UnknownFeature(100));
    assert!(error("feature-100").to_string().contains("100"));
    assert_eq!(error("bad-checksum"), Error::Checksum);
    assert!(matches!(error("no-separator"), Error::Bech32(_)));
    assert_eq!(error("mixed-case"), Error::MixedCase);
    assert_eq!(error("not-recoverable"), Error::SignatureInvalid);
    assert_eq!(error("too-short"), Error::TooShort);
    assert_eq!(error("bad-multiplier"), Error::AmountSyntax("2500x".into()));
    assert_eq!(error("sub-millisatoshi"), Error::AmountSubMillisatoshi);
    assert_eq!(error("no-secret"), Error::NoPaymentSecret);
    assert_eq!(error("high-s-with-n"), Error::SignatureHighS);
    assert_eq!(INVALID.lines().count(), 10, "every example is named above");
}
