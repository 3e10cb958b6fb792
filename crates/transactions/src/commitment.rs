//! Commitment transactions: built from terms and content, verified, signed.

mod build;
mod verify;

use astrape_primitives::{CltvExpiry, CommitmentNumber, HtlcId, Msat, Sat, Side};
use bitcoin::secp256k1::{Message, Secp256k1, Verification, ecdsa::Signature};
use bitcoin::{OutPoint, ScriptBuf, Transaction, TxOut, Txid};

use crate::funding::{funding_sighash, funding_witness};
use crate::htlc::HtlcTransaction;
use crate::keys::{CommitmentKeys, KeyError};
use crate::scripts;
use crate::terms::{CommitmentContent, CommittedHtlc, FundingTerms};

pub use verify::SignatureFault;

/// Most HTLCs in one commitment: 483 offered by each side (BOLT 2 `max_accepted_htlcs`), so that a penalty transaction stays
/// standard.
pub const MAX_COMMITTED_HTLCS: usize = 966;

/// Why a content is none that a valid commitment can say.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// Money was made or lost.
    #[error("balances and HTLCs are {sum} but the channel holds {capacity}")]
    MoneyNotConserved {
        /// Both balances and all HTLCs.
        sum: Msat,
        /// The funding output.
        capacity: Msat,
    },
    /// The outputs would exceed the funding output: the opener cannot pay for the anchors (BOLT 3 "Fee Payment").
    #[error("the opener lacks {missing} for the fee and the anchors of this commitment")]
    OpenerCannotPay {
        /// What is lacking.
        missing: Sat,
    },
    /// Everything was trimmed: a transaction has outputs.
    #[error("every output of this commitment is below the dust limit")]
    NoOutputs,
    /// The number does not fit the 48 bits on chain.
    #[error("commitment number {0} is beyond the last of a channel: close it")]
    NumberTooLarge(CommitmentNumber),
    /// Both sides together cannot have offered so many.
    #[error("{0} HTLCs in one commitment, of at most {MAX_COMMITTED_HTLCS}")]
    TooManyHtlcs(usize),
    /// Bitcoin would read the expiry as a time.
    #[error("HTLC {id} has cltv_expiry {expiry}, which is a time and not a height")]
    ExpiryNotHeight {
        /// The HTLC.
        id: HtlcId,
        /// Its expiry.
        expiry: CltvExpiry,
    },
    /// See [`KeyError`].
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// An output of a commitment that is no HTLC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitmentOutput {
    /// Its index.
    pub index: u32,
    /// Its value.
    pub value: Sat,
}

/// A commitment transaction with its second stage, unsigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commitment {
    terms: FundingTerms,
    owner: Side,
    number: CommitmentNumber,
    keys: CommitmentKeys,
    tx: Transaction,
    txid: Txid,
    to_local: Option<CommitmentOutput>,
    to_remote: Option<CommitmentOutput>,
    to_local_anchor: Option<CommitmentOutput>,
    to_remote_anchor: Option<CommitmentOutput>,
    htlcs: Vec<HtlcTransaction>,
    trimmed: Vec<CommittedHtlc>,
    base_fee: Sat,
    unpaid: Sat,
}

impl Commitment {
    /// Builds the commitment that says `content`, deriving its keys.
    ///
    /// # Errors
    /// See [`BuildError`]. That the opener cannot pay the whole fee is no error as long as the transaction is valid (BOLT 3
    /// has vectors of it); see [`Commitment::unpaid`].
    pub fn build<C: Verification>(
        secp: &Secp256k1<C>,
        terms: &FundingTerms,
        content: &CommitmentContent,
    ) -> Result<Self, BuildError> {
        let keys = CommitmentKeys::derive(secp, terms, content.owner, &content.per_commitment_point)?;
        Self::build_with_keys(terms, content, &keys)
    }

    /// As [`Commitment::build`], with keys derived ahead from these terms, this owner and this point.
    ///
    /// # Errors
    /// See [`BuildError`].
    pub fn build_with_keys(
        terms: &FundingTerms,
        content: &CommitmentContent,
        keys: &CommitmentKeys,
    ) -> Result<Self, BuildError> {
        build::build(terms, content, keys)
    }

    /// Checks what can be checked of a content without building it: money is conserved, numbers and expiries fit.
    ///
    /// # Errors
    /// See [`BuildError`].
    pub fn check(terms: &FundingTerms, content: &CommitmentContent) -> Result<(), BuildError> {
        build::check(terms, content)
    }

    /// The transaction, without its witness.
    #[must_use]
    pub const fn tx(&self) -> &Transaction {
        &self.tx
    }

    /// Its id.
    #[must_use]
    pub const fn txid(&self) -> Txid {
        self.txid
    }

    /// The terms it was built with.
    #[must_use]
    pub const fn terms(&self) -> &FundingTerms {
        &self.terms
    }

    /// Whose commitment it is.
    #[must_use]
    pub const fn owner(&self) -> Side {
        self.owner
    }

    /// Its number.
    #[must_use]
    pub const fn number(&self) -> CommitmentNumber {
        self.number
    }

    /// The keys in its scripts.
    #[must_use]
    pub const fn keys(&self) -> &CommitmentKeys {
        &self.keys
    }

    /// The owner's delayed output (BOLT 3 `to_local`), unless trimmed.
    #[must_use]
    pub const fn to_local(&self) -> Option<CommitmentOutput> {
        self.to_local
    }

    /// The counterparty's output (BOLT 3 `to_remote`), unless trimmed.
    #[must_use]
    pub const fn to_remote(&self) -> Option<CommitmentOutput> {
        self.to_remote
    }

    /// The anchor of one side, if it is there.
    #[must_use]
    pub fn anchor(&self, side: Side) -> Option<CommitmentOutput> {
        if side == self.owner { self.to_local_anchor } else { self.to_remote_anchor }
    }

    /// The HTLCs with an output, in the order of the outputs: that of `htlc_signature`s.
    #[must_use]
    pub fn htlcs(&self) -> &[HtlcTransaction] {
        &self.htlcs
    }

    /// The HTLCs without an output.
    #[must_use]
    pub fn trimmed(&self) -> &[CommittedHtlc] {
        &self.trimmed
    }

    /// The fee that the transaction really pays: the base fee, what was trimmed and what was rounded away.
    #[must_use]
    pub fn fee(&self) -> Sat {
        let paid: Sat = self.tx.output.iter().map(|out| Sat::from(out.value)).sum();
        self.terms.capacity.saturating_sub(paid)
    }

    /// The base fee that the opener owes (BOLT 3 "Fee Calculation").
    #[must_use]
    pub const fn base_fee(&self) -> Sat {
        self.base_fee
    }

    /// What the opener's balance lacks of base fee and anchors: zero in every commitment that BOLT 2 lets happen.
    #[must_use]
    pub const fn unpaid(&self) -> Sat {
        self.unpaid
    }

    /// Witness script of `to_local`, and of the outputs of the HTLC transactions.
    #[must_use]
    pub fn delayed_witness_script(&self) -> ScriptBuf {
        let delay = self.terms.party(self.owner).to_self_delay;
        scripts::delayed_witness_script(&self.keys.revocation, delay, &self.keys.delayed)
    }

    /// Witness script of `to_remote`; `None` when that output is P2WPKH.
    #[must_use]
    pub fn to_remote_witness_script(&self) -> Option<ScriptBuf> {
        self.terms.format.to_remote_witness_script(&self.keys.counterparty_payment)
    }

    /// Witness script of the anchor of one side.
    #[must_use]
    pub fn anchor_witness_script(&self, side: Side) -> ScriptBuf {
        scripts::anchor_witness_script(&self.terms.party(side).basepoints.funding)
    }

    /// One of its outputs, by index.
    #[must_use]
    pub fn output(&self, index: u32) -> Option<(OutPoint, &TxOut)> {
        let out = self.tx.output.get(usize::try_from(index).ok()?)?;
        Some((OutPoint { txid: self.txid, vout: index }, out))
    }

    /// What both funding keys sign.
    #[must_use]
    pub fn sighash(&self) -> Message {
        funding_sighash(&self.terms, &self.tx)
    }

    /// The transaction with both signatures, ready to be broadcast.
    #[must_use]
    pub fn signed(&self, local: &Signature, remote: &Signature) -> Transaction {
        let mut tx = self.tx.clone();
        tx.input[0].witness = funding_witness(&self.terms, local, remote);
        tx
    }

    /// Checks the signatures of the counterparty: its `signature`, and one `htlc_signature` for each HTLC with an output, in
    /// their order (BOLT 2 `commitment_signed`). High-S signatures are refused, since nodes would not relay them. HTLC
    /// signatures are checked on several threads when there are many.
    ///
    /// # Errors
    /// See [`SignatureFault`].
    pub fn verify<C: Verification + Sync>(
        &self,
        secp: &Secp256k1<C>,
        signature: &Signature,
        htlc_signatures: &[Signature],
    ) -> Result<(), SignatureFault> {
        verify::verify(self, secp, signature, htlc_signatures)
    }
}
