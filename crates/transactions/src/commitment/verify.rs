//! Checking the counterparty's signatures over a commitment and its HTLC transactions.

use bitcoin::secp256k1::{Message, PublicKey, Secp256k1, Verification, ecdsa::Signature};

use super::Commitment;
use crate::htlc::HtlcTransaction;

/// From so many HTLC signatures on, several threads share them: below, starting a thread costs more than it saves.
const MIN_PARALLEL: usize = 32;

/// Most threads that verify one commitment.
const MAX_THREADS: usize = 8;

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
    if htlcs.len() < MIN_PARALLEL {
        return verify_htlcs(secp, key, htlcs, htlc_signatures, 0);
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
    let share = htlcs.len().div_ceil(threads);
    std::thread::scope(|scope| {
        let chunks = htlcs.chunks(share).zip(htlc_signatures.chunks(share)).enumerate();
        let workers: Vec<_> = chunks
            .map(|(n, (htlcs, signatures))| {
                scope.spawn(move || verify_htlcs(secp, key, htlcs, signatures, n * share))
            })
            .collect();
        // Joined in order, so that the first fault is reported whichever thread ends first.
        workers.into_iter().try_for_each(|worker| worker.join().expect("verification does not panic"))
    })
}

/// Checks a run of HTLC signatures; `offset` is the place of the first among all.
fn verify_htlcs<C: Verification>(
    secp: &Secp256k1<C>,
    key: &PublicKey,
    htlcs: &[HtlcTransaction],
    signatures: &[Signature],
    offset: usize,
) -> Result<(), SignatureFault> {
    for (n, (htlc, signature)) in htlcs.iter().zip(signatures).enumerate() {
        check(secp, &htlc.counterparty_sighash(), signature, key).map_err(|bad| match bad {
            Bad::HighS => SignatureFault::HtlcHighS(offset + n),
            Bad::Invalid => SignatureFault::Htlc(offset + n),
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
