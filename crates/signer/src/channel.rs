//! The secrets of one channel.

use core::fmt;

use astrape_primitives::{ChannelKeysId, CommitmentNumber};
use astrape_transactions::{Basepoints, per_commitment_secret};
use bitcoin::hashes::{Hash as _, HashEngine as _, Hmac, HmacEngine, sha256};
use bitcoin::secp256k1::{All, PublicKey, Secp256k1, SecretKey};
use zeroize::{Zeroize as _, Zeroizing};

/// How many payment keys a node has: few enough that all scripts that pay to them can be listed with nothing but the seed, and searched
/// for.
pub const PAYMENT_KEYS: u16 = 1024;

/// A name of a channel with each of the payment keys, whether there was such a channel or not.
pub fn payment_key_names() -> impl Iterator<Item = ChannelKeysId> {
    (0..PAYMENT_KEYS).map(|n| {
        let mut id = [0; 32];
        id[..2].copy_from_slice(&n.to_be_bytes());
        ChannelKeysId(id)
    })
}

/// 32 bytes that are no private key: zero, or beyond the order of the curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {0} key is no private key: it must be 32 bytes, not zero and below the order of secp256k1")]
pub struct InvalidKey(pub &'static str);

/// The secrets behind the basepoints of one channel. Wiped when dropped; never printed.
#[derive(Clone)]
pub struct ChannelSecrets {
    pub(crate) funding: SecretKey,
    pub(crate) revocation: SecretKey,
    pub(crate) payment: SecretKey,
    pub(crate) delayed_payment: SecretKey,
    pub(crate) htlc: SecretKey,
    shachain_seed: [u8; 32],
}

impl ChannelSecrets {
    /// From raw secrets, used as they are. For developers: keys that are used twice are not safe.
    ///
    /// # Errors
    /// When one of the five is no private key.
    pub fn from_raw(
        funding: [u8; 32],
        revocation: [u8; 32],
        payment: [u8; 32],
        delayed_payment: [u8; 32],
        htlc: [u8; 32],
        shachain_seed: [u8; 32],
    ) -> Result<Self, InvalidKey> {
        let key = |bytes: [u8; 32], name| SecretKey::from_slice(&bytes).map_err(|_| InvalidKey(name));
        Ok(Self {
            funding: key(funding, "funding")?,
            revocation: key(revocation, "revocation")?,
            payment: key(payment, "payment")?,
            delayed_payment: key(delayed_payment, "delayed payment")?,
            htlc: key(htlc, "htlc")?,
            shachain_seed,
        })
    }

    /// Derives the secrets of a channel, as the crate's documentation says.
    pub(crate) fn derive(master: &[u8; 32], id: &ChannelKeysId) -> Self {
        let n = u16::from_be_bytes([id.0[0], id.0[1]]) % PAYMENT_KEYS;
        Self {
            funding: secret_key(master, "funding", &id.0),
            revocation: secret_key(master, "revocation", &id.0),
            payment: secret_key(master, "payment", &n.to_be_bytes()),
            delayed_payment: secret_key(master, "delayed_payment", &id.0),
            htlc: secret_key(master, "htlc", &id.0),
            shachain_seed: hmac(master, "shachain", &id.0, 0),
        }
    }

    /// Secret of one of our commitments.
    pub(crate) fn per_commitment_secret(&self, number: CommitmentNumber) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(per_commitment_secret(&self.shachain_seed, number))
    }

    /// Point of one of our commitments.
    pub(crate) fn per_commitment_point(&self, secp: &Secp256k1<All>, number: CommitmentNumber) -> PublicKey {
        let secret = self.per_commitment_secret(number);
        astrape_transactions::per_commitment_point(secp, &secret)
            .expect("a hash that is no private key is one in 2^128")
    }

    pub(crate) fn basepoints(&self, secp: &Secp256k1<All>) -> Basepoints {
        Basepoints {
            funding: self.funding.public_key(secp),
            revocation: self.revocation.public_key(secp),
            payment: self.payment.public_key(secp),
            delayed_payment: self.delayed_payment.public_key(secp),
            htlc: self.htlc.public_key(secp),
        }
    }
}

impl Drop for ChannelSecrets {
    fn drop(&mut self) {
        for key in [
            &mut self.funding,
            &mut self.revocation,
            &mut self.payment,
            &mut self.delayed_payment,
            &mut self.htlc,
        ] {
            key.non_secure_erase();
        }
        self.shachain_seed.zeroize();
    }
}

impl fmt::Debug for ChannelSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChannelSecrets(..)")
    }
}

fn hmac(master: &[u8; 32], name: &str, id: &[u8], counter: u8) -> [u8; 32] {
    let mut engine = HmacEngine::<sha256::Hash>::new(master);
    engine.input(name.as_bytes());
    engine.input(id);
    engine.input(&[counter]);
    Hmac::from_engine(engine).to_byte_array()
}

fn secret_key(master: &[u8; 32], name: &str, id: &[u8]) -> SecretKey {
    (0..=u8::MAX)
        .find_map(|counter| SecretKey::from_slice(&*Zeroizing::new(hmac(master, name, id, counter))).ok())
        .expect("256 hashes in a row that are no private key are one in 2^32768")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_have_all_payment_keys_that_a_channel_may_have() {
        let master = [7; 32];
        let key = |id: &ChannelKeysId| ChannelSecrets::derive(&master, id).payment.secret_bytes();
        let keys: std::collections::BTreeSet<[u8; 32]> = payment_key_names().map(|id| key(&id)).collect();
        assert_eq!(keys.len(), usize::from(PAYMENT_KEYS));
        for byte in 0..=255 {
            assert!(keys.contains(&key(&ChannelKeysId([byte; 32]))));
        }
    }

    #[test]
    fn channels_share_nothing_but_one_of_1024_payment_keys() {
        let master = [7; 32];
        let a = ChannelSecrets::derive(&master, &ChannelKeysId([1; 32]));
        let mut other = [1; 32];
        other[31] = 2;
        let b = ChannelSecrets::derive(&master, &ChannelKeysId(other));
        assert_eq!(a.payment, b.payment);
        assert_ne!(a.shachain_seed, b.shachain_seed);
        let keys = |s: &ChannelSecrets| [s.funding, s.revocation, s.delayed_payment, s.htlc, s.payment];
        let mut all: Vec<_> = keys(&a).into_iter().chain(keys(&b)).map(|key| key.secret_bytes()).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 9);
        other[1] = 3;
        assert_ne!(a.payment, ChannelSecrets::derive(&master, &ChannelKeysId(other)).payment);
    }

    #[test]
    fn names_and_ids_cannot_run_into_each_other() {
        // No name is the beginning of another followed by an id: lengths differ by less than an id.
        let names = ["funding", "revocation", "delayed_payment", "htlc", "shachain", "payment"];
        for one in names {
            assert!(names.iter().all(|other| *other == one || !other.starts_with(one)), "{one}");
        }
    }

    #[test]
    fn raw_bytes_that_are_no_key_are_named() {
        let good = [1; 32];
        let bad = ChannelSecrets::from_raw(good, good, good, [0; 32], good, good);
        assert_eq!(bad.map(|_| ()), Err(InvalidKey("delayed payment")));
        let secrets = ChannelSecrets::from_raw(good, good, good, good, good, good).expect("keys");
        assert_eq!(format!("{secrets:?}"), "ChannelSecrets(..)");
    }
}
