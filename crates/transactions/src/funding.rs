//! Spending the funding output: what both signatures sign, and the witness they make.

use bitcoin::ecdsa::Signature as BitcoinSignature;
use bitcoin::hashes::Hash as _;
use bitcoin::secp256k1::{Message, ecdsa::Signature};
use bitcoin::sighash::SighashCache;
use bitcoin::{EcdsaSighashType, Transaction, Witness};

use crate::terms::FundingTerms;

/// What a signature of a funding key signs in `tx`, whose first input spends the funding output: `SIGHASH_ALL`.
#[must_use]
pub fn funding_sighash(terms: &FundingTerms, tx: &Transaction) -> Message {
    let sighash = SighashCache::new(tx)
        .p2wsh_signature_hash(0, &terms.funding_witness_script(), terms.capacity.into(), EcdsaSighashType::All)
        .expect("BIP 143 hashes exist for every input of a transaction, and callers hand in transactions with one");
    Message::from_digest(sighash.to_byte_array())
}

/// The witness that spends the funding output: signatures in the order of the keys.
#[must_use]
pub fn funding_witness(terms: &FundingTerms, local: &Signature, remote: &Signature) -> Witness {
    let local_first =
        terms.local.basepoints.funding.serialize() <= terms.remote.basepoints.funding.serialize();
    let (first, second) = if local_first { (local, remote) } else { (remote, local) };
    let mut witness = Witness::new();
    witness.push([]);
    witness.push(BitcoinSignature::sighash_all(*first).serialize());
    witness.push(BitcoinSignature::sighash_all(*second).serialize());
    witness.push(terms.funding_witness_script());
    witness
}
