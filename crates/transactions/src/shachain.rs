//! Per-commitment secrets: made from a seed, and those of the peer kept in a few hundred bytes (BOLT 3).

use astrape_primitives::CommitmentNumber;
use bitcoin::hashes::{Hash as _, sha256};
use bitcoin::secp256k1::{PublicKey, Secp256k1, SecretKey, Signing};
use core::fmt;

/// Bits of a secret's index.
const INDEX_BITS: u32 = 48;

/// Index of the first secret: 2^48 - 1. Indices then go down.
pub const FIRST_INDEX: u64 = (1 << INDEX_BITS) - 1;

/// Index of the secret of a commitment; numbers beyond 48 bits have none.
const fn index_of(number: CommitmentNumber) -> Option<u64> {
    FIRST_INDEX.checked_sub(number.0)
}

/// The secret at `index` from one whose index agrees in all but the lowest `bits` bits (BOLT 3 `derive_secret`).
fn derive(base: &[u8; 32], bits: u32, index: u64) -> [u8; 32] {
    let mut secret = *base;
    for bit in (0..bits).rev().filter(|bit| index >> bit & 1 == 1) {
        secret[(bit / 8) as usize] ^= 1 << (bit % 8);
        secret = sha256::Hash::hash(&secret).to_byte_array();
    }
    secret
}

/// The secret at an index (BOLT 3 `generate_from_seed`).
#[must_use]
pub fn generate_from_seed(seed: &[u8; 32], index: u64) -> [u8; 32] {
    derive(seed, INDEX_BITS, index)
}

/// The secret of a commitment: number 0 has index 2^48 - 1. Numbers are below 2^48 ([`CommitmentNumber::MAX`]); a greater one is
/// held there, and no commitment of such a number is ever built.
#[must_use]
pub fn per_commitment_secret(seed: &[u8; 32], number: CommitmentNumber) -> [u8; 32] {
    generate_from_seed(seed, index_of(number).unwrap_or(0))
}

/// The `per_commitment_point` of a secret; `None` for the one value in 2^128 that is no private key.
#[must_use]
pub fn per_commitment_point<C: Signing>(secp: &Secp256k1<C>, secret: &[u8; 32]) -> Option<PublicKey> {
    SecretKey::from_slice(secret).ok().map(|key| key.public_key(secp))
}

/// Why a revealed secret is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretFault {
    /// Secrets come in order, each once.
    #[error("per_commitment_secret of commitment {got} came when that of {expected} was due")]
    OutOfOrder {
        /// Whose turn it was.
        expected: CommitmentNumber,
        /// What came.
        got: CommitmentNumber,
    },
    /// The earlier secrets do not follow from it: it is not from the same seed (BOLT 3 `insert_secret`).
    #[error("per_commitment_secret of commitment {0} was not generated from the seed of those before it")]
    NotOfTheChain(CommitmentNumber),
    /// All 2^48 secrets were used.
    #[error("commitment number {0} is beyond the last of a channel")]
    Exhausted(CommitmentNumber),
}

/// Why bytes are not a stored [`ReceivedSecrets`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the record of the peer's revoked secrets is corrupt: its length does not fit its count")]
pub struct CorruptSecrets;

/// The peer's revealed secrets, from commitment 0 on without a gap, in at most 49 values.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ReceivedSecrets {
    /// How many were received: also the number whose turn it is.
    count: u64,
    /// At position `b` the latest secret whose index ends in exactly `b` zeros.
    known: Vec<[u8; 32]>,
}

impl ReceivedSecrets {
    /// Before the first secret.
    #[must_use]
    pub const fn new() -> Self {
        Self { count: 0, known: Vec::new() }
    }

    /// The commitment whose secret comes next.
    #[must_use]
    pub const fn next(&self) -> CommitmentNumber {
        CommitmentNumber(self.count)
    }

    /// Takes the secret of the next commitment. Nothing changes on an error.
    ///
    /// # Errors
    /// See [`SecretFault`]. That the secret fits the point that was announced is for the caller to check.
    pub fn insert(&mut self, number: CommitmentNumber, secret: [u8; 32]) -> Result<(), SecretFault> {
        let index = index_of(number).ok_or(SecretFault::Exhausted(number))?;
        if number.0 != self.count {
            return Err(SecretFault::OutOfOrder { expected: self.next(), got: number });
        }
        let bucket = trailing_zeros(index);
        for (b, known) in self.known.iter().enumerate().take(bucket) {
            if derive(&secret, width(bucket), self.index_at(b)) != *known {
                return Err(SecretFault::NotOfTheChain(number));
            }
        }
        match self.known.get_mut(bucket) {
            Some(place) => *place = secret,
            None => self.known.push(secret),
        }
        self.count += 1;
        Ok(())
    }

    /// The secret of a revoked commitment, or `None` when it was not received yet.
    #[must_use]
    pub fn get(&self, number: CommitmentNumber) -> Option<[u8; 32]> {
        if number.0 >= self.count {
            return None;
        }
        let index = index_of(number)?;
        (0..self.known.len())
            .find(|b| index & !((1 << b) - 1) == self.index_at(*b))
            .map(|b| derive(&self.known[b], width(b), index))
    }

    /// Index of the secret kept at position `b`: the lowest received one that ends in exactly `b` zeros.
    fn index_at(&self, b: usize) -> u64 {
        let lowest = FIRST_INDEX + 1 - self.count;
        if b == INDEX_BITS as usize {
            return 0;
        }
        (lowest.div_ceil(1 << b) | 1) << b
    }

    /// As bytes for a record: the count (8 bytes, big endian), then the known secrets.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(8 + 32 * self.known.len());
        bytes.extend(self.count.to_be_bytes());
        self.known.iter().for_each(|secret| bytes.extend(secret));
        bytes
    }

    /// Reads [`ReceivedSecrets::to_bytes`].
    ///
    /// # Errors
    /// When the number of secrets is not that which the count asks for.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CorruptSecrets> {
        let (count, rest) = bytes.split_first_chunk::<8>().ok_or(CorruptSecrets)?;
        let count = u64::from_be_bytes(*count);
        let (secrets, tail) = rest.as_chunks::<32>();
        let expected = (u64::BITS - count.leading_zeros()) as usize;
        if !tail.is_empty() || count > FIRST_INDEX + 1 || secrets.len() != expected {
            return Err(CorruptSecrets);
        }
        Ok(Self { count, known: secrets.to_vec() })
    }
}

/// Which position a secret goes to (BOLT 3 `where_to_put_secret`): 48 for index 0.
const fn trailing_zeros(index: u64) -> usize {
    let zeros = index.trailing_zeros();
    (if zeros > INDEX_BITS { INDEX_BITS } else { zeros }) as usize
}

/// The position as a number of bits.
#[expect(clippy::cast_possible_truncation, reason = "positions are at most 48")]
const fn width(bucket: usize) -> u32 {
    bucket as u32
}

impl fmt::Debug for ReceivedSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReceivedSecrets({} received)", self.count)
    }
}
