//! BOLT 4: an onion built for 3 and 20 hops, a layer taken off on the way and at the end.

use crate::clock::{Row, Table, work};
use anyhow::{Result, anyhow};
use astrape_onion::{
    FinalPayload, ForwardPayload, OnionHop, OnionRecipe, PaymentData, encode_final, encode_forward, peel,
};
use astrape_primitives::{CltvExpiry, Msat, PaymentHash, PaymentSecret, ShortChannelId};
use bitcoin::secp256k1::{All, PublicKey, Scalar, Secp256k1, SecretKey, ecdh::SharedSecret};
use lightning::ln::channelmanager::RecipientOnionFields;
use lightning::ln::msgs::UpdateAddHTLC;
use lightning::ln::onion_payment::peel_payment_onion;
use lightning::ln::onion_utils::create_payment_onion;
use lightning::ln::types::ChannelId;
use lightning::routing::router::{Path, RouteHop};
use lightning::sign::{KeysManager, NodeSigner as _, Recipient};
use lightning::types::features::{ChannelFeatures, NodeFeatures};
use lightning::types::payment::{PaymentHash as LdkHash, PaymentSecret as LdkSecret};
use lightning::util::logger::{Logger, Record};

const SESSION_KEY: [u8; 32] = [0x41; 32];
const HASH: [u8; 32] = [0x42; 32];
const SECRET: [u8; 32] = [0x43; 32];
const AMOUNT_MSAT: u64 = 1_000_000;
const HEIGHT: u32 = 800_000;
const DELTA: u32 = 80;

/// LDK wants to be told where to log: nowhere.
struct Silence;

impl Logger for Silence {
    fn log(&self, _: Record) {}
}

pub(crate) fn measure(table: &mut Table) -> Result<()> {
    let secp = Secp256k1::new();
    for hops in [3, 20] {
        construct(table, &secp, hops)?;
    }
    for (name, hops) in [("peeled, forwarded", 3), ("peeled, ours", 1)] {
        take_off(table, &secp, name, hops)?;
    }
    Ok(())
}

/// Node 0 is LDK's, so that it can peel; of the others only the public keys matter.
fn route(secp: &Secp256k1<All>, manager: &KeysManager, hops: u8) -> Result<Vec<PublicKey>> {
    let first = manager.get_node_id(Recipient::Node).map_err(|()| anyhow!("no node id"))?;
    let others = (1..hops).map(|n| Ok(SecretKey::from_slice(&[n; 32])?.public_key(secp)));
    std::iter::once(Ok(first)).chain(others).collect()
}

fn manager() -> KeysManager {
    KeysManager::new(&[7; 32], 1, 1, true)
}

fn recipe(route: &[PublicKey]) -> OnionRecipe {
    let last = FinalPayload {
        amt_to_forward: Msat(AMOUNT_MSAT),
        outgoing_cltv_value: CltvExpiry(HEIGHT + DELTA),
        payment_data: Some(PaymentData {
            payment_secret: PaymentSecret(SECRET),
            total_msat: Msat(AMOUNT_MSAT),
        }),
        payment_metadata: None,
        keysend_preimage: None,
        custom_records: Default::default(),
    };
    let forward = ForwardPayload {
        short_channel_id: ShortChannelId(HEIGHT.into()),
        amt_to_forward: Msat(AMOUNT_MSAT),
        outgoing_cltv_value: CltvExpiry(HEIGHT + DELTA),
    };
    let payload = |n| if n + 1 == route.len() { encode_final(&last) } else { encode_forward(&forward) };
    let hops = route.iter().enumerate().map(|(n, &node)| OnionHop { node, payload: payload(n) });
    OnionRecipe { session_key: SESSION_KEY, hops: hops.collect(), associated_data: PaymentHash(HASH) }
}

fn path(route: &[PublicKey]) -> Path {
    let hop = |(n, &pubkey)| RouteHop {
        pubkey,
        node_features: NodeFeatures::empty(),
        short_channel_id: HEIGHT.into(),
        channel_features: ChannelFeatures::empty(),
        fee_msat: if n + 1 == route.len() { AMOUNT_MSAT } else { 1_000 },
        cltv_expiry_delta: DELTA,
        maybe_announced_channel: true,
    };
    Path { hops: route.iter().enumerate().map(hop).collect(), blinded_tail: None }
}

fn construct(table: &mut Table, secp: &Secp256k1<All>, hops: u8) -> Result<()> {
    let route = route(secp, &manager(), hops)?;
    let (recipe, path) = (recipe(&route), path(&route));
    let session = SecretKey::from_slice(&SESSION_KEY)?;
    let recipient = RecipientOnionFields::secret_only(LdkSecret(SECRET));
    table.row(Row {
        name: format!("onion built, {hops} hops"),
        // Per hop an ECDH and an ephemeral key; between hops the blinding of the private key.
        bare: Some(work(|| {
            let tweak = Scalar::from(session);
            let mut ephemeral = session;
            for (n, node) in route.iter().enumerate() {
                if n > 0 {
                    ephemeral = ephemeral.mul_tweak(&tweak).unwrap_or(session);
                }
                std::hint::black_box((ephemeral.public_key(secp), SharedSecret::new(node, &ephemeral)));
            }
        })),
        astrape: work(|| recipe.build()),
        ldk: Some(work(|| {
            create_payment_onion(
                secp,
                &path,
                &session,
                AMOUNT_MSAT,
                &recipient,
                HEIGHT,
                &LdkHash(HASH),
                &None,
                None,
                SECRET,
            )
        })),
    });
    Ok(())
}

fn take_off(table: &mut Table, secp: &Secp256k1<All>, name: &str, hops: u8) -> Result<()> {
    let manager = manager();
    let route = route(secp, &manager, hops)?;
    let key = manager.get_node_secret_key();
    let ours = recipe(&route).build()?;
    let ecdh = |point: &PublicKey| SharedSecret::new(point, &key).secret_bytes();
    peel(&ours, &PaymentHash(HASH), ecdh).map_err(|why| anyhow!("Astrape does not peel: {why:?}"))?;
    let theirs = update_add_htlc(secp, &route)?;
    peel_payment_onion(&theirs, &manager, &Silence, secp, HEIGHT, false)
        .map_err(|why| anyhow!("LDK does not peel: {}", why.msg))?;
    let ephemeral = SecretKey::from_slice(&SESSION_KEY)?.public_key(secp);
    let (bytes, tweak) = (ephemeral.serialize(), Scalar::from(key));
    table.row(Row {
        name: format!("onion {name}"),
        // The point is read, an ECDH, and for the next hop the point is blinded.
        bare: Some(work(|| {
            let point = PublicKey::from_slice(&bytes).unwrap_or(ephemeral);
            let next = (hops > 1).then(|| point.mul_tweak(secp, &tweak));
            (SharedSecret::new(&point, &key), next)
        })),
        astrape: work(|| peel(&ours, &PaymentHash(HASH), ecdh)),
        // LDK reads the point when it decodes the message: that is added here.
        ldk: Some(work(|| {
            let point = PublicKey::from_slice(&bytes);
            (point, peel_payment_onion(&theirs, &manager, &Silence, secp, HEIGHT, false))
        })),
    });
    Ok(())
}

/// LDK peels what comes with an HTLC.
fn update_add_htlc(secp: &Secp256k1<All>, route: &[PublicKey]) -> Result<UpdateAddHTLC> {
    let (path, session) = (path(route), SecretKey::from_slice(&SESSION_KEY)?);
    let recipient = RecipientOnionFields::secret_only(LdkSecret(SECRET));
    let hash = LdkHash(HASH);
    let (onion_routing_packet, amount_msat, cltv_expiry) = create_payment_onion(
        secp,
        &path,
        &session,
        AMOUNT_MSAT,
        &recipient,
        HEIGHT,
        &hash,
        &None,
        None,
        SECRET,
    )
    .map_err(|why| anyhow!("LDK builds no onion: {why:?}"))?;
    Ok(UpdateAddHTLC {
        channel_id: ChannelId([0; 32]),
        htlc_id: 0,
        amount_msat,
        payment_hash: hash,
        cltv_expiry,
        skimmed_fee_msat: None,
        onion_routing_packet,
        blinding_point: None,
        hold_htlc: None,
    })
}
