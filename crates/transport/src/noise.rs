//! The symmetric half of the handshake: the digest `h`, the chaining key `ck` and the keys made from them (BOLT 8,
//! "Handshake State").

use crate::aead::{Aead, BadTag, TAG_LEN};
use bitcoin::hashes::{Hash as _, HashEngine as _, Hmac, HmacEngine, sha256};
use bitcoin::secp256k1::PublicKey;
use zeroize::Zeroizing;

/// 32 secret bytes, wiped when they go.
pub(crate) type Secret = Zeroizing<[u8; 32]>;

/// `HKDF(salt, ikm)` of BOLT 8: RFC 5869 with SHA-256, no `info`, 64 bytes of output as two keys.
pub(crate) fn hkdf(salt: &[u8; 32], ikm: &[u8]) -> (Secret, Secret) {
    let extracted = Zeroizing::new(hmac(salt, &[ikm]));
    let first = Zeroizing::new(hmac(&extracted, &[&[1]]));
    let second = Zeroizing::new(hmac(&extracted, &[&first[..], &[2]]));
    (first, second)
}

fn hmac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut engine = HmacEngine::<sha256::Hash>::new(key);
    parts.iter().for_each(|part| engine.input(part));
    Hmac::from_engine(engine).to_byte_array()
}

/// What both ends of a handshake grow alike.
pub(crate) struct Symmetric {
    /// `h`: digest of all that was said.
    digest: [u8; 32],
    /// `ck`: accumulated from every ECDH.
    chaining: Secret,
    /// `temp_k1`, then `temp_k2`, then `temp_k3`.
    key: Secret,
}

/// The keys after a handshake. Both directions start from the same chaining key.
pub(crate) struct Keys {
    pub(crate) initiator_to_responder: Secret,
    pub(crate) responder_to_initiator: Secret,
    pub(crate) chaining: Secret,
}

impl Symmetric {
    /// The state before Act One: protocol name, prologue and the responder's static key are mixed in.
    pub(crate) fn new(responder: &PublicKey) -> Self {
        let name = sha256::Hash::hash(b"Noise_XK_secp256k1_ChaChaPoly_SHA256").to_byte_array();
        let mut state = Self { digest: name, chaining: Zeroizing::new(name), key: Zeroizing::new([0; 32]) };
        state.mix_hash(b"lightning");
        state.mix_hash(&responder.serialize());
        state
    }

    pub(crate) fn mix_hash(&mut self, data: &[u8]) {
        let mut engine = sha256::Hash::engine();
        engine.input(&self.digest);
        engine.input(data);
        self.digest = sha256::Hash::from_engine(engine).to_byte_array();
    }

    /// Mixes in the outcome of an ECDH; the key for the next tags follows from it.
    pub(crate) fn mix_key(&mut self, shared: &[u8; 32]) {
        (self.chaining, self.key) = hkdf(&self.chaining, shared);
    }

    /// Encrypts in place with `h` as associated data, mixes the ciphertext in and returns its tag.
    pub(crate) fn encrypt(&mut self, counter: u64, text: &mut [u8]) -> [u8; TAG_LEN] {
        let tag = Aead::new(&self.key).seal(counter, &self.digest, text);
        self.mix_ciphertext(text, &tag);
        tag
    }

    /// Decrypts in place, the inverse of [`Symmetric::encrypt`].
    pub(crate) fn decrypt(
        &mut self,
        counter: u64,
        text: &mut [u8],
        tag: &[u8; TAG_LEN],
    ) -> Result<(), BadTag> {
        let before = self.digest;
        self.mix_ciphertext(text, tag);
        Aead::new(&self.key).open(counter, &before, text, tag)
    }

    fn mix_ciphertext(&mut self, text: &[u8], tag: &[u8; TAG_LEN]) {
        let mut engine = sha256::Hash::engine();
        engine.input(&self.digest);
        engine.input(text);
        engine.input(tag);
        self.digest = sha256::Hash::from_engine(engine).to_byte_array();
    }

    /// The end of the handshake: `HKDF(ck, zero)`.
    pub(crate) fn split(self) -> Keys {
        let (initiator_to_responder, responder_to_initiator) = hkdf(&self.chaining, &[]);
        Keys { initiator_to_responder, responder_to_initiator, chaining: self.chaining }
    }
}
