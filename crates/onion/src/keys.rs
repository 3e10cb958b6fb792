//! Shared secrets and the keys derived from them (BOLT 4, "Key Generation", "Pseudo Random Byte Stream").

use astrape_primitives::ReplayId;
use bitcoin::hashes::{Hash as _, HashEngine as _, Hmac, HmacEngine, sha256};
use bitcoin::secp256k1::{All, PublicKey, Scalar, Secp256k1};
use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit as _, StreamCipher as _};
use core::fmt;
use std::sync::LazyLock;

/// The tables of libsecp256k1, made once: making them costs as much as several multiplications. They hold no state that
/// could change a result.
pub(crate) static SECP: LazyLock<Secp256k1<All>> = LazyLock::new(Secp256k1::new);

/// What the origin and one hop of an onion share: SHA-256 of their Diffie-Hellman point (BOLT 4, "Shared Secret"). Every
/// key of the hop is derived from it, so it is kept with the HTLC until the HTLC is settled.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SharedSecret([u8; 32]);

impl SharedSecret {
    /// From 32 bytes: of an ECDH, or of a record.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes, for a record.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// What the log of seen onions keeps: a second onion with the same id is a replay. A hash, so that the log gives no
    /// key away.
    #[must_use]
    pub fn replay_id(&self) -> ReplayId {
        let tag = sha256::Hash::hash(b"astrape/onion/replay");
        let mut engine = sha256::Hash::engine();
        engine.input(tag.as_byte_array());
        engine.input(tag.as_byte_array());
        engine.input(&self.0);
        ReplayId(sha256::Hash::from_engine(engine).to_byte_array())
    }

    /// By which factor the ephemeral key changes at this hop (BOLT 4, "Blinding Ephemeral Onion Keys"). `None` when the
    /// hash is no scalar, which nobody will live to see.
    pub(crate) fn blinding_factor(&self, ephemeral: &PublicKey) -> Option<Scalar> {
        let mut engine = sha256::Hash::engine();
        engine.input(&ephemeral.serialize());
        engine.input(&self.0);
        Scalar::from_be_bytes(sha256::Hash::from_engine(engine).to_byte_array()).ok()
    }

    /// The key of one purpose.
    pub(crate) fn key(&self, kind: KeyKind) -> [u8; 32] {
        derive(kind, &self.0)
    }

    /// The pseudo-random byte stream of one purpose, from its beginning.
    pub(crate) fn stream(&self, kind: KeyKind) -> ChaCha20 {
        stream(&self.key(kind))
    }

    /// Applies the stream of one purpose to bytes.
    pub(crate) fn obfuscate(&self, kind: KeyKind, bytes: &mut [u8]) {
        self.stream(kind).apply_keystream(bytes);
    }

    /// An HMAC of one purpose, ready for its message.
    pub(crate) fn mac(&self, kind: KeyKind) -> HmacEngine<sha256::Hash> {
        HmacEngine::new(&self.key(kind))
    }
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedSecret(..)")
    }
}

/// What a key is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum KeyKind {
    /// Obfuscates the hop payloads.
    Rho,
    /// Authenticates the packet.
    Mu,
    /// Authenticates failures and attribution data.
    Um,
    /// Obfuscates failures.
    Ammag,
    /// Obfuscates attribution data.
    Ammagext,
    /// Fills the packet before the first payload is written.
    Pad,
}

impl KeyKind {
    const fn label(self) -> &'static [u8] {
        match self {
            KeyKind::Rho => b"rho",
            KeyKind::Mu => b"mu",
            KeyKind::Um => b"um",
            KeyKind::Ammag => b"ammag",
            KeyKind::Ammagext => b"ammagext",
            KeyKind::Pad => b"pad",
        }
    }
}

/// A key from a secret: HMAC-SHA256 with the label as key.
pub(crate) fn derive(kind: KeyKind, secret: &[u8; 32]) -> [u8; 32] {
    let mut engine = HmacEngine::<sha256::Hash>::new(kind.label());
    engine.input(secret);
    finish(engine)
}

/// ChaCha20 with the null nonce. Safe, since no key is used for two messages.
pub(crate) fn stream(key: &[u8; 32]) -> ChaCha20 {
    ChaCha20::new(key.into(), &[0; 12].into())
}

/// The HMAC of what was put in.
pub(crate) fn finish(engine: HmacEngine<sha256::Hash>) -> [u8; 32] {
    Hmac::from_engine(engine).to_byte_array()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_replay_id_tells_secrets_apart_and_is_not_the_secret() {
        let a = SharedSecret::from_bytes([1; 32]);
        assert_eq!(a.replay_id(), a.replay_id());
        assert_ne!(a.replay_id(), SharedSecret::from_bytes([2; 32]).replay_id());
        assert_ne!(&a.replay_id().0, a.as_bytes());
    }

    #[test]
    fn a_shared_secret_is_not_printed_by_accident() {
        assert_eq!(format!("{:?}", SharedSecret::from_bytes([9; 32])), "SharedSecret(..)");
    }
}
