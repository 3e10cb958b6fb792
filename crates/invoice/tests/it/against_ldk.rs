//! LDK as second reader and writer: what one writes, both read alike.

use crate::support::{key, node_id, sign};
use astrape_invoice::{Description, Fallback, Invoice, InvoiceDraft, RouteHint};
use astrape_primitives::{CltvDelta, Feature, Msat, Network, PaymentHash, PaymentSecret, ShortChannelId};
use bitcoin::hashes::{Hash as _, sha256};
use bitcoin::secp256k1::{Secp256k1, SecretKey};
use bitcoin::{ScriptBuf, WitnessVersion};
use core::time::Duration;
use lightning_invoice::{
    Bolt11Invoice, Bolt11InvoiceDescriptionRef, Currency, InvoiceBuilder, RouteHint as LdkRoute,
    RouteHintHop, RoutingFees,
};
use proptest::prelude::*;

/// LDK holds amounts in picobitcoin: more than 18 million bitcoin it refuses to write, and reads as no amount.
const LDK_MAX_MSAT: u64 = u64::MAX / 10;

/// Both readers saw the same invoice.
pub(crate) fn assert_same(ours: &Invoice, ldk: &Bolt11Invoice) {
    assert_eq!(ours.to_string(), ldk.to_string());
    assert_eq!(ours.network().invoice_prefix(), currency_prefix(&ldk.currency()));
    if ours.amount().is_none_or(|amount| amount.0 <= LDK_MAX_MSAT) {
        assert_eq!(ours.amount().map(|amount| amount.0), ldk.amount_milli_satoshis());
    }
    assert_eq!(ours.timestamp(), ldk.duration_since_epoch().as_secs());
    assert_eq!(ours.expiry(), ldk.expiry_time().as_secs());
    assert_eq!(ours.payee().key(), ldk.get_payee_pub_key());
    assert_eq!(ours.payment_hash().0, ldk.payment_hash().to_byte_array());
    assert_eq!(ours.payment_secret().0, ldk.payment_secret().0);
    match (ours.description(), ldk.description()) {
        (Description::Text(ours), Bolt11InvoiceDescriptionRef::Direct(ldk)) => {
            assert_eq!(*ours, ldk.as_inner().0);
        }
        (Description::Hash(ours), Bolt11InvoiceDescriptionRef::Hash(ldk)) => {
            assert_eq!(*ours, ldk.0.to_byte_array());
        }
        (ours, ldk) => panic!("{ours:?} and {ldk:?}"),
    }
    assert_eq!(u64::from(ours.min_final_cltv_expiry_delta().0), ldk.min_final_cltv_expiry_delta());
    assert_eq!(ours.payment_metadata(), ldk.payment_metadata().map(Vec::as_slice));
    let features = ldk.features().map(|features| features.le_flags().to_vec()).unwrap_or_default();
    let bits = (0..features.len() * 8).filter(|bit| features[bit / 8] >> (bit % 8) & 1 == 1);
    assert_eq!(ours.features().iter_bits().collect::<Vec<_>>(), bits.collect::<Vec<_>>());
    let routes: Vec<Vec<RouteHint>> =
        ldk.route_hints().iter().map(|route| route.0.iter().map(hop_from_ldk).collect()).collect();
    assert_eq!(ours.route_hints(), routes);
    let scripts: Vec<ScriptBuf> = ldk.fallbacks().into_iter().map(script_from_ldk).collect();
    assert_eq!(ours.fallbacks().iter().map(Fallback::script_pubkey).collect::<Vec<_>>(), scripts);
}

fn currency_prefix(currency: &Currency) -> &'static str {
    match currency {
        Currency::Bitcoin => "bc",
        Currency::BitcoinTestnet => "tb",
        Currency::Regtest => "bcrt",
        Currency::Simnet => "sb",
        Currency::Signet => "tbs",
    }
}

fn hop_from_ldk(hop: &RouteHintHop) -> RouteHint {
    RouteHint {
        node_id: astrape_primitives::NodeId::from_key(&hop.src_node_id),
        short_channel_id: ShortChannelId(hop.short_channel_id),
        fee_base_msat: hop.fees.base_msat,
        fee_proportional_millionths: hop.fees.proportional_millionths,
        cltv_expiry_delta: CltvDelta(hop.cltv_expiry_delta),
    }
}

fn hop_to_ldk(hop: &RouteHint) -> RouteHintHop {
    RouteHintHop {
        src_node_id: hop.node_id.key(),
        short_channel_id: hop.short_channel_id.0,
        fees: RoutingFees {
            base_msat: hop.fee_base_msat,
            proportional_millionths: hop.fee_proportional_millionths,
        },
        cltv_expiry_delta: hop.cltv_expiry_delta.0,
        htlc_minimum_msat: None,
        htlc_maximum_msat: None,
    }
}

fn script_from_ldk(fallback: &lightning_invoice::Fallback) -> ScriptBuf {
    match fallback {
        lightning_invoice::Fallback::SegWitProgram { version, program } => ScriptBuf::new_witness_program(
            &bitcoin::WitnessProgram::new(*version, program).expect("a program"),
        ),
        lightning_invoice::Fallback::PubKeyHash(hash) => ScriptBuf::new_p2pkh(hash),
        lightning_invoice::Fallback::ScriptHash(hash) => ScriptBuf::new_p2sh(hash),
    }
}

fn fallback_to_ldk(fallback: &Fallback) -> lightning_invoice::Fallback {
    match fallback {
        Fallback::PubkeyHash(hash) => lightning_invoice::Fallback::PubKeyHash(*hash),
        Fallback::ScriptHash(hash) => lightning_invoice::Fallback::ScriptHash(*hash),
        Fallback::Witness(program) => lightning_invoice::Fallback::SegWitProgram {
            version: WitnessVersion::try_from(program.version().to_num()).expect("a version"),
            program: program.program().as_bytes().to_vec(),
        },
    }
}

fn any_hint() -> impl Strategy<Value = RouteHint> {
    (1..=255_u8, any::<u64>(), any::<u32>(), any::<u32>(), any::<u16>()).prop_map(
        |(byte, scid, fee_base_msat, fee_proportional_millionths, delta)| RouteHint {
            node_id: node_id(&SecretKey::from_slice(&[byte; 32]).unwrap_or_else(|_| key())),
            short_channel_id: ShortChannelId(scid),
            fee_base_msat,
            fee_proportional_millionths,
            cltv_expiry_delta: CltvDelta(delta),
        },
    )
}

fn any_fallback() -> impl Strategy<Value = Fallback> {
    let program =
        (prop_oneof![Just((0_u8, 20)), Just((0, 32)), (1..=16_u8, 2..=40_usize)], any::<[u8; 40]>());
    prop_oneof![
        any::<[u8; 20]>().prop_map(|hash| Fallback::PubkeyHash(bitcoin::PubkeyHash::from_byte_array(hash))),
        any::<[u8; 20]>().prop_map(|hash| Fallback::ScriptHash(bitcoin::ScriptHash::from_byte_array(hash))),
        program.prop_map(|((version, length), bytes)| {
            let version = WitnessVersion::try_from(version).expect("a version");
            let program = bitcoin::WitnessProgram::new(version, &bytes[..length]).expect("a program");
            Fallback::Witness(program)
        }),
    ]
}

fn any_description() -> impl Strategy<Value = Description> {
    prop_oneof![".{0,150}".prop_map(Description::Text), any::<[u8; 32]>().prop_map(Description::Hash)]
}

fn any_amount() -> impl Strategy<Value = Option<Msat>> {
    let most = LDK_MAX_MSAT;
    let round = (1..most, 0..18_u32).prop_map(|(n, digits)| {
        let unit = 10_u64.pow(digits);
        (n / unit * unit).max(1)
    });
    proptest::option::of(prop_oneof![round, 1..most, 1..100_000_u64].prop_map(Msat))
}

prop_compose! {
    fn any_draft()(
        network in proptest::sample::select(Network::ALL.to_vec()),
        amount in any_amount(),
        timestamp in 0..1_u64 << 35,
        with_payee in any::<bool>(),
        (hash, secret) in any::<([u8; 32], [u8; 32])>(),
        description in any_description(),
        expiry in prop_oneof![Just(3600), any::<u64>(), 0..100_000_u64],
        delta in any::<u16>(),
        mpp in any::<bool>(),
        route_hints in proptest::collection::vec(proptest::collection::vec(any_hint(), 1..4), 0..4),
        fallbacks in proptest::collection::vec(any_fallback(), 0..4),
        payment_metadata in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..200)),
    ) -> InvoiceDraft {
        let mut draft = InvoiceDraft::new(
            network, node_id(&key()), timestamp, PaymentHash(hash), PaymentSecret(secret), description,
        );
        if !mpp {
            draft.features = astrape_primitives::Features::empty()
                .with_required(Feature::VarOnionOptin)
                .with_required(Feature::PaymentSecret);
        }
        InvoiceDraft {
            amount, with_payee, expiry, min_final_cltv_expiry_delta: CltvDelta(delta), route_hints, fallbacks,
            payment_metadata, ..draft
        }
    }
}

/// The same draft, written by LDK.
fn written_by_ldk(draft: &InvoiceDraft) -> Bolt11Invoice {
    let currency = match draft.network {
        Network::Bitcoin => Currency::Bitcoin,
        Network::Testnet4 => Currency::BitcoinTestnet,
        Network::Signet => Currency::Signet,
        Network::Regtest => Currency::Regtest,
    };
    let description = match &draft.description {
        Description::Text(text) => lightning_invoice::Bolt11InvoiceDescription::Direct(
            lightning_invoice::Description::new(text.clone()).expect("short"),
        ),
        Description::Hash(hash) => lightning_invoice::Bolt11InvoiceDescription::Hash(
            lightning_invoice::Sha256(sha256::Hash::from_byte_array(*hash)),
        ),
    };
    let mut builder = InvoiceBuilder::new(currency)
        .invoice_description(description)
        .payment_hash(sha256::Hash::from_byte_array(draft.payment_hash.0))
        .payment_secret(lightning_invoice::PaymentSecret(draft.payment_secret.0))
        .duration_since_epoch(Duration::from_secs(draft.timestamp))
        .min_final_cltv_expiry_delta(u64::from(draft.min_final_cltv_expiry_delta.0))
        .expiry_time(Duration::from_secs(draft.expiry));
    if let Some(amount) = draft.amount {
        builder = builder.amount_milli_satoshis(amount.0);
    }
    if draft.with_payee {
        builder = builder.payee_pub_key(draft.payee.key());
    }
    if draft.features.supports(Feature::BasicMpp) {
        builder = builder.basic_mpp();
    }
    for route in &draft.route_hints {
        builder = builder.private_route(LdkRoute(route.iter().map(hop_to_ldk).collect()));
    }
    for fallback in &draft.fallbacks {
        builder = builder.fallback(fallback_to_ldk(fallback));
    }
    let signer =
        |message: &bitcoin::secp256k1::Message| Secp256k1::new().sign_ecdsa_recoverable(message, &key());
    match &draft.payment_metadata {
        None => builder.build_signed(signer),
        Some(metadata) => {
            builder.payment_metadata(metadata.clone()).require_payment_metadata().build_signed(signer)
        }
    }
    .expect("LDK writes it")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn what_we_write_we_and_ldk_read(draft in any_draft()) {
        let unsigned = draft.to_unsigned().expect("a good draft");
        let ours = unsigned.finish(&sign(&key(), unsigned.signing_digest())).expect("signed by its payee");
        prop_assert_eq!(&ours.to_string().parse::<Invoice>().expect("ours"), &ours);
        prop_assert_eq!(ours.amount(), draft.amount);
        prop_assert_eq!(ours.timestamp(), draft.timestamp);
        prop_assert_eq!(ours.expiry(), draft.expiry);
        prop_assert_eq!(ours.payee(), draft.payee);
        prop_assert_eq!(ours.description(), &draft.description);
        prop_assert_eq!(ours.route_hints(), &draft.route_hints[..]);
        prop_assert_eq!(ours.fallbacks(), &draft.fallbacks[..]);
        prop_assert_eq!(ours.payment_metadata(), draft.payment_metadata.as_deref());
        let ldk: Bolt11Invoice = ours.to_string().parse().expect("LDK reads what we write");
        assert_same(&ours, &ldk);
    }

    #[test]
    fn what_ldk_writes_we_read(draft in any_draft()) {
        let ldk = written_by_ldk(&draft);
        let ours: Invoice = ldk.to_string().parse().expect("we read what LDK writes");
        assert_same(&ours, &ldk);
    }

    #[test]
    fn any_text_is_read_or_refused_without_a_panic(text in "\\PC{0,200}") {
        let _ = text.parse::<Invoice>();
        let _ = format!("lnbc{text}").parse::<Invoice>();
    }
}
