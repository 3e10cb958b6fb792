//! ChaCha20-Poly1305 (RFC 8439) as BOLT 8 uses it: nonces are counters, text is changed in place.

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, Tag, UnboundKey};

/// Bytes of a Poly1305 tag.
pub(crate) const TAG_LEN: usize = 16;

/// A tag that does not match: somebody changed the bytes, or the two ends do not share the key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadTag;

/// A key ready for use. That no counter is used twice is the caller's to see to.
pub(crate) struct Aead(LessSafeKey);

impl Aead {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        let key = UnboundKey::new(&CHACHA20_POLY1305, key).expect("a key of ChaCha20 has 32 bytes");
        Self(LessSafeKey::new(key))
    }

    /// Encrypts in place and gives the tag.
    pub(crate) fn seal(&self, counter: u64, associated: &[u8], text: &mut [u8]) -> [u8; TAG_LEN] {
        let tag = self
            .0
            .seal_in_place_separate_tag(nonce(counter), Aad::from(associated), text)
            .expect("64 KiB are far below what ChaCha20 can encrypt");
        tag.as_ref().try_into().expect("a tag of Poly1305 has 16 bytes")
    }

    /// Decrypts in place. When the tag does not match, `text` is worthless.
    pub(crate) fn open(
        &self,
        counter: u64,
        associated: &[u8],
        text: &mut [u8],
        tag: &[u8; TAG_LEN],
    ) -> Result<(), BadTag> {
        self.0
            .open_in_place_separate_tag(nonce(counter), Aad::from(associated), Tag::from(*tag), text, 0..)
            .map(|_| ())
            .map_err(|_| BadTag)
    }
}

impl Drop for Aead {
    /// The library does not wipe its keys: overwrite this one, and keep the compiler from leaving that out.
    fn drop(&mut self) {
        let blank = UnboundKey::new(&CHACHA20_POLY1305, &[0; 32]).expect("a key of ChaCha20 has 32 bytes");
        self.0 = LessSafeKey::new(blank);
        core::hint::black_box(&self.0);
    }
}

/// As Noise has it: 32 zero bits, then the counter in little-endian.
fn nonce(counter: u64) -> Nonce {
    let mut bytes = [0; 12];
    bytes[4..].copy_from_slice(&counter.to_le_bytes());
    Nonce::assume_unique_for_key(bytes)
}
