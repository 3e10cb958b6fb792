//! Keys of one commitment, derived from basepoints and its per-commitment point (BOLT 3 "Key Derivation").

use astrape_primitives::Side;
use bitcoin::hashes::{Hash as _, HashEngine as _, sha256};
use bitcoin::secp256k1::{PublicKey, Scalar, Secp256k1, SecretKey, Signing, Verification};

use crate::terms::FundingTerms;

/// A derived key that is no key: it needs a hash collision, so nobody will ever see one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a derived key is not valid; fail the channel")]
pub struct KeyError;

/// SHA256(a || b) as a scalar.
fn tweak(a: &PublicKey, b: &PublicKey) -> Result<Scalar, KeyError> {
    let mut engine = sha256::Hash::engine();
    engine.input(&a.serialize());
    engine.input(&b.serialize());
    Scalar::from_be_bytes(sha256::Hash::from_engine(engine).to_byte_array()).map_err(|_| KeyError)
}

/// `basepoint + SHA256(per_commitment_point || basepoint) * G`.
///
/// # Errors
/// Only when the sum is the point at infinity.
pub fn derive_public_key<C: Verification>(
    secp: &Secp256k1<C>,
    basepoint: &PublicKey,
    per_commitment_point: &PublicKey,
) -> Result<PublicKey, KeyError> {
    basepoint.add_exp_tweak(secp, &tweak(per_commitment_point, basepoint)?).map_err(|_| KeyError)
}

/// The private key of [`derive_public_key`]. `basepoint` is the public key of `basepoint_secret`, which callers have at hand.
///
/// # Errors
/// Only when the sum is zero.
pub fn derive_private_key(
    basepoint_secret: &SecretKey,
    basepoint: &PublicKey,
    per_commitment_point: &PublicKey,
) -> Result<SecretKey, KeyError> {
    basepoint_secret.add_tweak(&tweak(per_commitment_point, basepoint)?).map_err(|_| KeyError)
}

/// `revocationpubkey`: from the counterparty's basepoint and the owner's per-commitment point.
///
/// # Errors
/// Only when the sum is the point at infinity.
pub fn derive_revocation_public_key<C: Verification>(
    secp: &Secp256k1<C>,
    revocation_basepoint: &PublicKey,
    per_commitment_point: &PublicKey,
) -> Result<PublicKey, KeyError> {
    let base = revocation_basepoint
        .mul_tweak(secp, &tweak(revocation_basepoint, per_commitment_point)?)
        .map_err(|_| KeyError)?;
    let point = per_commitment_point
        .mul_tweak(secp, &tweak(per_commitment_point, revocation_basepoint)?)
        .map_err(|_| KeyError)?;
    base.combine(&point).map_err(|_| KeyError)
}

/// `revocationprivkey`: known once the owner has revealed the per-commitment secret.
///
/// # Errors
/// Only when the sum is zero.
pub fn derive_revocation_private_key<C: Signing>(
    secp: &Secp256k1<C>,
    revocation_basepoint_secret: &SecretKey,
    per_commitment_secret: &SecretKey,
) -> Result<SecretKey, KeyError> {
    let basepoint = revocation_basepoint_secret.public_key(secp);
    let point = per_commitment_secret.public_key(secp);
    let base = revocation_basepoint_secret.mul_tweak(&tweak(&basepoint, &point)?).map_err(|_| KeyError)?;
    let secret = per_commitment_secret.mul_tweak(&tweak(&point, &basepoint)?).map_err(|_| KeyError)?;
    base.add_tweak(&Scalar::from(secret)).map_err(|_| KeyError)
}

/// All the keys in the scripts of one commitment. Deriving them is the dear part of building, so they may be made ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitmentKeys {
    /// `revocationpubkey`.
    pub revocation: PublicKey,
    /// `local_delayedpubkey`: the owner's.
    pub delayed: PublicKey,
    /// `local_htlcpubkey`: the owner's.
    pub owner_htlc: PublicKey,
    /// `remote_htlcpubkey`: the counterparty's.
    pub counterparty_htlc: PublicKey,
    /// `remotepubkey`: the counterparty's `payment_basepoint`.
    pub counterparty_payment: PublicKey,
}

impl CommitmentKeys {
    /// The keys of the owner's commitment with this per-commitment point.
    ///
    /// # Errors
    /// [`KeyError`], which nobody will ever see.
    pub fn derive<C: Verification>(
        secp: &Secp256k1<C>,
        terms: &FundingTerms,
        owner: Side,
        per_commitment_point: &PublicKey,
    ) -> Result<Self, KeyError> {
        let own = &terms.party(owner).basepoints;
        let other = &terms.party(owner.other()).basepoints;
        Ok(Self {
            revocation: derive_revocation_public_key(secp, &other.revocation, per_commitment_point)?,
            delayed: derive_public_key(secp, &own.delayed_payment, per_commitment_point)?,
            owner_htlc: derive_public_key(secp, &own.htlc, per_commitment_point)?,
            counterparty_htlc: derive_public_key(secp, &other.htlc, per_commitment_point)?,
            counterparty_payment: other.payment,
        })
    }
}
