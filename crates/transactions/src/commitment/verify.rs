//! Checking the counterparty's signatures over a commitment and its HTLC transactions.

use astrape_primitives::in_parallel;
use bitcoin::secp256k1::{Message, PublicKey, Secp256k1, Verification, ecdsa::Signature};

use super::Commitment;

/// From so many HTLC signatures on, several threads share them.
const MIN_PARALLEL: usize = 16;

/// What is wrong with the signatures of a `commitment_signed` (BOLT 2 "Committing Updates So Far").
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureFault {
    /// `signature` is not valid for the commitment transaction.
    #[error("signature is not valid for the commitment transaction")]
    Commitment,
    /// `signature` has a high S, so that nodes would not relay the transaction (LOW_S).
    #[error("signature of the commitment transaction has a high S value")]
    CommitmentHighS,
    /// `num_htlcs` is not the number of HTLC outputs.
    #[error("{got} htlc_signatures for {expected} HTLC outputs")]
    HtlcCount {
        /// Outputs.
        expected: usize,
        /// Signatures.
        got: usize,
    },
    /// An `htlc_signature` is not valid for its HTLC transaction.
    #[error("htlc_signature {0} is not valid for its HTLC transaction")]
    Htlc(usize),
    /// An `htlc_signature` has a high S.
    #[error("htlc_signature {0} has a high S value")]
    HtlcHighS(usize),
}

pub(super) fn verify<C: Verification + Sync>(
    commitment: &Commitment,
    secp: &Secp256k1<C>,
    signature: &Signature,
    htlc_signatures: &[Signature],
) -> Result<(), SignatureFault> {
    let htlcs = &commitment.htlcs;
    if htlcs.len() != htlc_signatures.len() {
        return Err(SignatureFault::HtlcCount { expected: htlcs.len(), got: htlc_signatures.len() });
    }
    let counterparty = commitment.terms.party(commitment.owner.other());
    match check(secp, &commitment.sighash(), signature, &counterparty.basepoints.funding) {
        Ok(()) => {}
        Err(Bad::HighS) => return Err(SignatureFault::CommitmentHighS),
        Err(Bad::Invalid) => return Err(SignatureFault::Commitment),
    }
    let key = &commitment.keys.counterparty_htlc;
    let pairs: Vec<_> = htlcs.iter().zip(htlc_signatures).collect();
    let checked = in_parallel(&pairs, MIN_PARALLEL, |(htlc, signature)| {
        check(secp, &htlc.counterparty_sighash(), signature, key)
    });
    for (n, checked) in checked.into_iter().enumerate() {
        checked.map_err(|bad| match bad {
            Bad::HighS => SignatureFault::HtlcHighS(n),
            Bad::Invalid => SignatureFault::Htlc(n),
        })?;
    }
    Ok(())
}

enum Bad {
    HighS,
    Invalid,
}

fn check<C: Verification>(
    secp: &Secp256k1<C>,
    message: &Message,
    signature: &Signature,
    key: &PublicKey,
) -> Result<(), Bad> {
    let mut low = *signature;
    low.normalize_s();
    if low != *signature {
        return Err(Bad::HighS);
    }
    secp.verify_ecdsa(message, signature, key).map_err(|_| Bad::Invalid)
}
