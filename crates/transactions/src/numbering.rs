//! The commitment number as it stands in a commitment transaction: XORed, in locktime and sequence (BOLT 3).

use astrape_primitives::CommitmentNumber;
use bitcoin::absolute::LockTime;
use bitcoin::hashes::{Hash as _, HashEngine as _, sha256};
use bitcoin::{Sequence, Transaction};

use crate::terms::FundingTerms;

/// Lower 24 bits.
const LOW: u64 = 0xff_ffff;

/// What commitment numbers of this channel are XORed with: the lower 48 bits of
/// `SHA256(opener's payment_basepoint || accepter's payment_basepoint)`.
#[must_use]
pub fn obscuring_factor(terms: &FundingTerms) -> u64 {
    let mut engine = sha256::Hash::engine();
    for side in [terms.opener, terms.opener.other()] {
        engine.input(&terms.party(side).basepoints.payment.serialize());
    }
    let hash = sha256::Hash::from_engine(engine).to_byte_array();
    hash[26..].iter().fold(0, |factor, byte| factor << 8 | u64::from(*byte))
}

/// Locktime and input sequence of a commitment with this number.
pub(crate) fn obscured(terms: &FundingTerms, number: CommitmentNumber) -> (LockTime, Sequence) {
    let value = number.0 ^ obscuring_factor(terms);
    let locktime = LockTime::from_consensus(0x20 << 24 | (value & LOW) as u32);
    let sequence = Sequence(0x80 << 24 | (value >> 24 & LOW) as u32);
    (locktime, sequence)
}

/// The number of a transaction that spends the funding output, or `None` when it has not the form of a commitment.
#[must_use]
pub fn commitment_number(terms: &FundingTerms, tx: &Transaction) -> Option<CommitmentNumber> {
    let [input] = &tx.input[..] else { return None };
    let (locktime, sequence) = (u64::from(tx.lock_time.to_consensus_u32()), u64::from(input.sequence.0));
    if input.previous_output != terms.outpoint || locktime >> 24 != 0x20 || sequence >> 24 != 0x80 {
        return None;
    }
    let value = (sequence & LOW) << 24 | locktime & LOW;
    Some(CommitmentNumber(value ^ obscuring_factor(terms)))
}
