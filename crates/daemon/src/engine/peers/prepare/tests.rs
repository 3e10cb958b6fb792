use super::*;
use astrape_node::{Journal as _, Writes};
use astrape_onion::{FinalPayload, OnionHop, OnionRecipe, encode_final};
use astrape_primitives::{ChannelId, CltvExpiry, HtlcId, Msat, Network, PaymentPreimage};
use astrape_signer::{InProcessSigner, Seed};
use astrape_storage::SqliteJournal;
use astrape_wire::{OnionPacket, RevokeAndAck};
use std::collections::BTreeMap;

/// What becomes of the onion of an HTLC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Fine,
    Seen,
    Malformed,
}

fn fate(n: u64) -> Fate {
    match n % 5 {
        1 => Fate::Malformed,
        3 => Fate::Seen,
        _ => Fate::Fine,
    }
}

/// An HTLC for us, whose onion is broken if its fate is that.
fn add(n: u64, signer: &dyn Signer) -> UpdateAddHtlc {
    let payment_hash = PaymentHash([u8::try_from(n).expect("few"); 32]);
    let mut add = with_onion(n, payment_hash, None, signer);
    if fate(n) == Fate::Malformed {
        let mut bytes = *add.onion_routing_packet.as_bytes();
        bytes[700] ^= 1;
        add.onion_routing_packet = OnionPacket::from_bytes(&bytes);
    }
    add
}

fn keysend(preimage: PaymentPreimage, signer: &dyn Signer) -> UpdateAddHtlc {
    with_onion(u64::from(preimage.0[0]), preimage.payment_hash(), Some(preimage), signer)
}

fn with_onion(
    n: u64,
    payment_hash: PaymentHash,
    keysend_preimage: Option<PaymentPreimage>,
    signer: &dyn Signer,
) -> UpdateAddHtlc {
    let byte = u8::try_from(n).expect("few");
    let payload = FinalPayload {
        amt_to_forward: Msat(1_000 + n),
        outgoing_cltv_value: CltvExpiry(500),
        payment_data: None,
        payment_metadata: None,
        keysend_preimage,
        custom_records: BTreeMap::new(),
    };
    let hop = OnionHop { node: signer.node_id().key(), payload: encode_final(&payload) };
    let recipe = OnionRecipe { session_key: [byte + 1; 32], hops: vec![hop], associated_data: payment_hash };
    UpdateAddHtlc {
        channel_id: ChannelId([7; 32]),
        id: HtlcId(n),
        amount_msat: Msat(1_000 + n),
        payment_hash,
        cltv_expiry: CltvExpiry(500),
        onion_routing_packet: recipe.build().expect("it fits"),
        path_key: None,
    }
}

fn revocation() -> Message {
    let secp = bitcoin::secp256k1::Secp256k1::new();
    let secret = bitcoin::secp256k1::SecretKey::from_slice(&[3; 32]).expect("a key");
    Message::RevokeAndAck(RevokeAndAck {
        channel_id: ChannelId([7; 32]),
        per_commitment_secret: [3; 32],
        next_per_commitment_point: secret.public_key(&secp),
    })
}

/// However many come together and whatever is between them, each HTLC keeps its place and gets what was in its own onion.
#[test]
fn what_came_together_stays_in_order_and_each_htlc_has_its_own_onion() {
    let directory = tempfile::tempdir().expect("a directory");
    let signer = InProcessSigner::new(&Seed::from_entropy([5; 32]), Network::Regtest);
    let (mut journal, _) =
        SqliteJournal::open(directory.path(), Network::Regtest, signer.node_id()).expect("a new journal");
    let adds: Vec<_> = (0..40).map(|n| add(n, &signer)).collect();
    let old = adds.iter().filter(|add| fate(add.id.0) == Fate::Seen);
    let old = old.map(|add| name_of(&peel_one(add, &signer).expect("it is whole"))).collect();
    let writes = Writes::by_hand(BTreeMap::new(), vec![], vec![], old, None, BTreeMap::new());
    journal.commit(&writes).expect("written");
    let lookups = Lookups::of(&journal).expect("there is a journal");
    for count in [0, 1, 2, MIN_PARALLEL - 1, MIN_PARALLEL, 40] {
        let mut heard = vec![Heard::Event(PeerEvent::Heard)];
        for add in &adds[..count] {
            heard.push(Heard::Message(Message::UpdateAddHtlc(add.clone())));
            heard.push(Heard::Message(revocation()));
        }
        let mut events = prepare(heard, &signer, &lookups).expect("the journal can be asked").into_iter();
        assert!(matches!(events.next(), Some(PeerEvent::Heard)));
        for expected in &adds[..count] {
            let Some(PeerEvent::Message(PeerMessage::UpdateAddHtlc { message, onion, seen })) = events.next()
            else {
                panic!("an HTLC is lost");
            };
            assert_eq!(message, *expected);
            let found = match (&*onion, seen) {
                (Ok(peeled), seen) => {
                    let Hop::Final { payload } = &peeled.hop else { panic!("it is for us") };
                    assert_eq!(payload.amt_to_forward, message.amount_msat, "the onion of another HTLC");
                    if seen { Fate::Seen } else { Fate::Fine }
                }
                (Err(PeelFailure::Malformed { .. }), false) => Fate::Malformed,
                other => panic!("{other:?}"),
            };
            assert_eq!(found, fate(message.id.0));
            assert!(matches!(
                events.next(),
                Some(PeerEvent::Message(PeerMessage::Other(Message::RevokeAndAck(_))))
            ));
        }
        assert!(events.next().is_none());
    }
}

/// Each hop of a payment learns its preimage.
#[test]
fn a_payment_without_an_invoice_for_a_hash_that_was_paid_before_is_none() {
    let directory = tempfile::tempdir().expect("a directory");
    let signer = InProcessSigner::new(&Seed::from_entropy([5; 32]), Network::Regtest);
    let (mut journal, _) =
        SqliteJournal::open(directory.path(), Network::Regtest, signer.node_id()).expect("a new journal");
    let preimages = [1_u8, 2].map(|byte| PaymentPreimage([byte; 32]));
    let adds = preimages.map(|preimage| keysend(preimage, &signer));
    let fact = astrape_node::Fact::PaymentReceived {
        payment_hash: preimages[0].payment_hash(),
        preimage: preimages[0],
        amount: Msat(1_000),
        keysend: false,
        custom_records: BTreeMap::new(),
        rebalance: false,
        description: "tea".to_owned(),
        bolt11: String::new(),
    };
    let entry = astrape_node::Entry { number: 0, at: astrape_primitives::Timestamp(7), fact };
    let writes = Writes::by_hand(BTreeMap::new(), vec![entry], vec![], vec![], None, BTreeMap::new());
    journal.commit(&writes).expect("written");
    let lookups = Lookups::of(&journal).expect("there is a journal");
    let offered = || {
        let heard = adds.clone().map(|add| Heard::Message(Message::UpdateAddHtlc(add))).into();
        let prepared = prepare(heard, &signer, &lookups).expect("readable");
        let preimage = |event: &PeerEvent| match event {
            PeerEvent::Message(PeerMessage::UpdateAddHtlc { onion, .. }) => match &**onion {
                Ok(Peeled { hop: Hop::Final { payload }, .. }) => payload.keysend_preimage,
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        };
        prepared.iter().map(preimage).collect::<Vec<_>>()
    };
    assert_eq!(offered(), [None, Some(preimages[1])]);
    // Nobody ends the node by the hash of a payment of which a damaged disk has left nonsense.
    let conn = rusqlite::Connection::open(directory.path().join(astrape_storage::sqlite::DATABASE));
    let changed = conn.and_then(|conn| conn.execute_batch("UPDATE ledger SET amount_msat = amount_msat + 1"));
    changed.expect("another may write between commits");
    assert_eq!(offered(), [None, Some(preimages[1])]);
}
