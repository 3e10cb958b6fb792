//! Where things lie in an onion packet (BOLT 4, "Packet Structure").

use astrape_wire::OnionPacket;
use bitcoin::hashes::{Hash as _, sha256};
use bitcoin::secp256k1::PublicKey;

/// Bytes of `hop_payloads`.
pub(crate) const PAYLOADS_LEN: usize = 1300;
/// Bytes of an HMAC.
pub(crate) const HMAC_LEN: usize = 32;
/// The one version there is.
pub(crate) const VERSION: u8 = 0;

const KEY_LEN: usize = 33;
const PAYLOADS_AT: usize = 1 + KEY_LEN;
const HMAC_AT: usize = PAYLOADS_AT + PAYLOADS_LEN;

/// The fields of a packet, not yet judged.
pub(crate) struct Fields<'a> {
    pub(crate) version: u8,
    pub(crate) public_key: &'a [u8],
    pub(crate) payloads: &'a [u8; PAYLOADS_LEN],
    pub(crate) hmac: &'a [u8],
}

/// Takes a packet apart.
pub(crate) fn fields(packet: &OnionPacket) -> Fields<'_> {
    let bytes = packet.as_bytes();
    Fields {
        version: bytes[0],
        public_key: &bytes[1..PAYLOADS_AT],
        payloads: bytes[PAYLOADS_AT..HMAC_AT].try_into().expect("HMAC_AT is PAYLOADS_LEN after PAYLOADS_AT"),
        hmac: &bytes[HMAC_AT..],
    }
}

/// Puts a packet together.
pub(crate) fn assemble(
    version: u8,
    public_key: &PublicKey,
    payloads: &[u8],
    hmac: &[u8; HMAC_LEN],
) -> OnionPacket {
    let mut bytes = [0; OnionPacket::LEN];
    bytes[0] = version;
    bytes[1..PAYLOADS_AT].copy_from_slice(&public_key.serialize());
    bytes[PAYLOADS_AT..HMAC_AT].copy_from_slice(payloads);
    bytes[HMAC_AT..].copy_from_slice(hmac);
    OnionPacket::from_bytes(&bytes)
}

/// `sha256_of_onion` of failures: the hash of the whole packet.
pub(crate) fn sha256_of_onion(packet: &OnionPacket) -> [u8; 32] {
    sha256::Hash::hash(packet.as_bytes()).to_byte_array()
}

/// Bytes that a payload takes in the packet: its length, itself and an HMAC.
pub(crate) const fn frame_len(payload: usize) -> usize {
    let prefix = if payload < 0xfd { 1 } else { 3 };
    payload.saturating_add(prefix + HMAC_LEN)
}
