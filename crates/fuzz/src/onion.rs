//! Onions: what a payload says, a packet that is garbage, a route from its build to its last hop, answers on their way back,
//! and the records of all that.

use crate::SECP;
use crate::bytes::Bytes;
use crate::tally;
use astrape_onion::{
    DecodedFailure, Failure, FailurePacket, FailureSource, HoldTime, Hop, MAX_HOPS, OnionHop, OnionRecipe,
    PeelFailure, Peeled, SharedSecret, create_failure, decode_failure, decode_peeled, encode_peeled, peel,
    read_fulfill_attribution, relay_failure, relay_fulfill_attribution,
};
use astrape_primitives::PaymentHash;
use astrape_wire::{AttributionData, OnionPacket};
use bitcoin::hashes::{Hash as _, HashEngine as _, Hmac, HmacEngine, sha256};
use bitcoin::secp256k1::ecdh;
use bitcoin::secp256k1::{PublicKey, SecretKey};
use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit as _, StreamCipher as _};

/// What the packets of payloads share with their reader: the fuzzer cannot find it, so the ECDH is this.
const SECRET: [u8; 32] = [0x42; 32];
const HASH: PaymentHash = PaymentHash([0x24; 32]);

/// Where the parts of a packet are.
const PAYLOADS_AT: usize = 34;
const HMAC_AT: usize = 34 + 1300;

/// Most hops of a route that is built here: each costs several multiplications.
const MAX_BUILT: u8 = 4;

/// Plays one of the uses of onions.
///
/// # Panics
/// When a promise does not hold.
pub fn run(input: &[u8]) {
    let mut bytes = Bytes::new(input);
    match bytes.below(6) {
        0 | 1 => payload(&mut bytes),
        2 => packet(&mut bytes),
        3 => route(&mut bytes),
        4 => answer(&mut bytes),
        _ => records(bytes.rest()),
    }
    tally::input_is_over();
}

/// The decrypted front of a packet is the input; the rest of it is zeros (so this hop is the last) or not.
fn payload(bytes: &mut Bytes<'_>) {
    let is_last = bytes.byte() & 1 == 0;
    let mut packet = [if is_last { 0 } else { 7 }; OnionPacket::LEN];
    let plain = bytes.take(HMAC_AT - PAYLOADS_AT);
    packet[PAYLOADS_AT..PAYLOADS_AT + plain.len()].copy_from_slice(plain);
    packet[0] = 0;
    packet[1..PAYLOADS_AT].copy_from_slice(&public(1).serialize());
    ChaCha20::new(&key(b"rho").into(), &[0; 12].into()).apply_keystream(&mut packet[PAYLOADS_AT..HMAC_AT]);
    let mut mac = HmacEngine::<sha256::Hash>::new(&key(b"mu"));
    mac.input(&packet[PAYLOADS_AT..HMAC_AT]);
    mac.input(&HASH.0);
    packet[HMAC_AT..].copy_from_slice(&Hmac::from_engine(mac).to_byte_array());

    let peeled = peel(&OnionPacket::from_bytes(&packet), &HASH, |_| SECRET);
    let label = if is_last { "final payload" } else { "forward payload" };
    tally::count(label, peeled.is_ok());
    match &peeled {
        Err(PeelFailure::Malformed { .. }) => panic!("a packet with a right HMAC is not malformed"),
        Err(PeelFailure::Payload { shared_secret, failure }) => reaches_the_origin(shared_secret, failure),
        Ok(Peeled { hop: Hop::Final { payload }, .. }) => {
            assert!(payload.custom_records.keys().all(|number| number % 2 == 1));
        }
        Ok(Peeled { hop: Hop::Forward { .. }, .. }) => {}
    }
    is_kept(&peeled);
}

/// A failure of ours is read by the origin as it was meant.
fn reaches_the_origin(secret: &SharedSecret, failure: &Failure) {
    let packet = create_failure(secret, failure, HoldTime(3));
    let read = decode_failure(&[*secret], packet);
    let source = FailureSource::Hop { index: 0, failure: failure.clone() };
    assert_eq!(read, DecodedFailure { source, update: None, hold_times: vec![HoldTime(3)] });
}

/// What was peeled is the same after a restart.
fn is_kept(peeled: &Result<Peeled, PeelFailure>) {
    assert_eq!(decode_peeled(&encode_peeled(peeled)).as_ref(), Ok(peeled));
}

/// Any bytes as a packet.
fn packet(bytes: &mut Bytes<'_>) {
    let mut packet = [0; OnionPacket::LEN];
    let given = bytes.take(OnionPacket::LEN);
    packet[..given.len()].copy_from_slice(given);
    let peeled = peel(&OnionPacket::from_bytes(&packet), &HASH, |point| ecdh_of(1, point));
    tally::count("packet of any bytes", peeled.is_ok());
    is_kept(&peeled);
}

/// A route of any payloads is built or refused; what is built is peeled by each hop in turn.
fn route(bytes: &mut Bytes<'_>) {
    let count = bytes.below(MAX_BUILT) + 1;
    let hops: Vec<OnionHop> =
        (1..=count).map(|n| OnionHop { node: public(n), payload: bytes.piece().to_vec() }).collect();
    let recipe = OnionRecipe { session_key: [0x77; 32], hops, associated_data: HASH };
    assert_eq!(OnionRecipe::from_bytes(&recipe.to_bytes()).ok(), Some(recipe.clone()));
    let built = recipe.build();
    tally::count("route built", built.is_ok());
    assert_eq!(built.as_ref().err(), recipe.check_size().err().as_ref());
    let Ok(mut packet) = built else { return };
    let secrets = recipe.shared_secrets();
    for (n, secret) in (1..=count).zip(&secrets) {
        let peeled = peel(&packet, &HASH, |point| ecdh_of(n, point));
        is_kept(&peeled);
        match peeled {
            Ok(Peeled { shared_secret, hop: Hop::Forward { next, .. } }) => {
                assert_eq!(shared_secret, *secret);
                assert!(n < count, "the last hop is the last");
                packet = next;
            }
            Ok(Peeled { hop: Hop::Final { .. }, .. }) => {
                assert_eq!(n, count, "only the last hop is the last");
                tally::count("route peeled", true);
            }
            Err(PeelFailure::Payload { shared_secret, .. }) => {
                assert_eq!(shared_secret, *secret);
                tally::count("route peeled", false);
                return;
            }
            Err(PeelFailure::Malformed { .. }) => panic!("what we build is never malformed"),
        }
    }
}

/// Any bytes as an answer from downstream, passed on by hops and read by the origin.
fn answer(bytes: &mut Bytes<'_>) {
    let hops = bytes.below(28);
    let secrets: Vec<SharedSecret> = (0..hops).map(|n| SharedSecret::from_bytes([n + 1; 32])).collect();
    let mut attribution = [0; AttributionData::LEN];
    let with_attribution = bytes.byte() & 1 == 1;
    if with_attribution {
        let given = bytes.piece();
        let most = given.len().min(attribution.len());
        attribution[..most].copy_from_slice(&given[..most]);
    }
    let attribution_data = with_attribution.then(|| AttributionData::from_bytes(&attribution));
    let reason = bytes.rest().to_vec();
    let failure = Failure::decode(&reason);
    assert_eq!(Failure::decode(&failure.encode()), failure, "a failure is the same when it is written again");
    let _ = (failure.to_string(), failure.is_permanent(), failure.is_node());

    if let Some(data) = &attribution_data {
        assert!(read_fulfill_attribution(&secrets, data).len() <= secrets.len());
        let _ = relay_fulfill_attribution(&SharedSecret::from_bytes(SECRET), Some(data), HoldTime(1));
    }
    let mut packet = FailurePacket { reason, attribution_data };
    let length = packet.reason.len();
    let read = decode_failure(&secrets, packet.clone());
    tally::count("answer of any bytes", matches!(read.source, FailureSource::Hop { .. }));
    if let FailureSource::Hop { index, .. } = read.source {
        assert!(index < secrets.len(), "a hop of the route");
    }
    assert!(read.hold_times.len() <= secrets.len().min(MAX_HOPS));
    for secret in secrets.iter().rev() {
        packet = relay_failure(secret, packet, HoldTime(1));
        assert_eq!(packet.reason.len(), length, "passing on changes no length");
    }
}

/// Any bytes as a record: damage is told, never a panic.
fn records(bytes: &[u8]) {
    let peeled = decode_peeled(bytes);
    tally::count("record of a peeled onion", peeled.is_ok());
    if let Ok(peeled) = peeled {
        is_kept(&peeled);
    }
    let recipe = OnionRecipe::from_bytes(bytes);
    tally::count("record of a recipe", recipe.is_ok());
    if let Ok(recipe) = recipe {
        assert_eq!(recipe.to_bytes(), bytes);
        let _ = recipe.check_size();
    }
}

fn secret(number: u8) -> SecretKey {
    SecretKey::from_slice(&[number; 32]).expect("a small number")
}

fn public(number: u8) -> PublicKey {
    PublicKey::from_secret_key(&SECP, &secret(number))
}

fn ecdh_of(number: u8, point: &PublicKey) -> [u8; 32] {
    ecdh::SharedSecret::new(point, &secret(number)).secret_bytes()
}

/// A key of [`SECRET`] (BOLT 4, "Key Generation").
fn key(kind: &[u8]) -> [u8; 32] {
    let mut engine = HmacEngine::<sha256::Hash>::new(kind);
    engine.input(&SECRET);
    Hmac::from_engine(engine).to_byte_array()
}
