//! A route of test nodes, and the tools of somebody who builds onions and failures in bad faith: an implementation of
//! the few primitives apart from the crate's own.

use astrape_onion::{OnionHop, OnionRecipe, Peeled, SharedSecret, peel};
use astrape_primitives::PaymentHash;
use astrape_wire::{AttributionData, OnionPacket};
use bitcoin::hashes::{Hash as _, HashEngine as _, Hmac, HmacEngine, sha256};
use bitcoin::secp256k1::{PublicKey, Secp256k1, SecretKey, ecdh};
use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit as _, StreamCipher as _};

pub(crate) const HASH: PaymentHash = PaymentHash([0x42; 32]);

/// The private key of test node `index`.
pub(crate) fn node_key(index: u8) -> SecretKey {
    SecretKey::from_slice(&[index + 1; 32]).expect("a small scalar")
}

pub(crate) fn public(key: &SecretKey) -> PublicKey {
    key.public_key(&Secp256k1::new())
}

/// The ECDH of a node, as the signer computes it.
pub(crate) fn ecdh_with(key: SecretKey) -> impl FnOnce(&PublicKey) -> [u8; 32] {
    move |point| ecdh::SharedSecret::new(point, &key).secret_bytes()
}

/// A recipe for nodes 0, 1, 2... with these payloads.
pub(crate) fn recipe(payloads: Vec<Vec<u8>>) -> OnionRecipe {
    let hops = (0u8..).zip(payloads);
    OnionRecipe {
        session_key: [0x77; 32],
        hops: hops.map(|(i, payload)| OnionHop { node: public(&node_key(i)), payload }).collect(),
        associated_data: HASH,
    }
}

/// The secrets of a route of `hops` test nodes.
pub(crate) fn secrets(hops: u8) -> Vec<SharedSecret> {
    (0..hops).map(|i| SharedSecret::from_bytes([i + 100; 32])).collect()
}

pub(crate) fn peel_as(index: u8, packet: &OnionPacket) -> Peeled {
    peel(packet, &HASH, ecdh_with(node_key(index))).expect("the onion is for this node")
}

pub(crate) fn mac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut engine = HmacEngine::<sha256::Hash>::new(key);
    engine.input(message);
    Hmac::from_engine(engine).to_byte_array()
}

pub(crate) fn xor_stream(kind: &str, secret: &[u8; 32], bytes: &mut [u8]) {
    ChaCha20::new(&mac(kind.as_bytes(), secret).into(), &[0; 12].into()).apply_keystream(bytes);
}

/// An onion for test node 0 that decrypts to `plain`, with a correct HMAC.
pub(crate) fn forged_onion(plain: &[u8]) -> OnionPacket {
    let session = SecretKey::from_slice(&[0x55; 32]).expect("a small scalar");
    let secret = ecdh::SharedSecret::new(&public(&node_key(0)), &session).secret_bytes();
    let mut payloads = [0x33; 1300];
    payloads[..plain.len()].copy_from_slice(plain);
    xor_stream("rho", &secret, &mut payloads);
    let hmac = mac(&mac(b"mu", &secret), &[&payloads[..], &HASH.0].concat());
    let bytes = [&[0][..], &public(&session).serialize(), &payloads, &hmac].concat();
    OnionPacket::from_bytes(bytes.as_slice().try_into().expect("1366 bytes"))
}

/// An onion for test node 0 with this payload, for the last node or for one before.
pub(crate) fn forged_payload(payload: &[u8], last: bool) -> OnionPacket {
    let length = u8::try_from(payload.len()).expect("short");
    assert!(length < 0xfd, "one byte of length");
    forged_onion(&[&[length][..], payload, &[u8::from(!last); 32]].concat())
}

/// A return packet of arbitrary content, signed and obfuscated by the hop of this secret.
pub(crate) fn forged_reason(secret: &SharedSecret, content: &[u8]) -> Vec<u8> {
    let hmac = mac(&mac(b"um", secret.as_bytes()), content);
    let mut reason = [&hmac[..], content].concat();
    xor_stream("ammag", secret.as_bytes(), &mut reason);
    reason
}

pub(crate) fn attribution(bytes: &[u8]) -> AttributionData {
    AttributionData::from_bytes(bytes.try_into().expect("920 bytes"))
}

/// The bytes under a name of a vector file: lines of `name = hexadecimal digits`.
pub(crate) fn vector(file: &str, name: &str) -> Vec<u8> {
    let line = file.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "));
    hex::decode(line.unwrap_or_else(|| panic!("no vector {name}"))).expect("hexadecimal digits")
}
