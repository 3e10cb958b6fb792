//! What a channel agreed on, and what one commitment says.

use astrape_primitives::{CltvExpiry, CommitmentNumber, FeeratePerKw, HtlcId, Msat, PaymentHash, Sat, Side};
use bitcoin::secp256k1::PublicKey;
use bitcoin::{OutPoint, ScriptBuf, TxOut};

use crate::format::CommitmentFormat;
use crate::scripts;

/// The public keys that one side brings to a channel (BOLT 2 `open_channel`, `accept_channel`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Basepoints {
    /// `funding_pubkey`: in the 2-of-2 of the funding output, and in this side's anchor.
    pub funding: PublicKey,
    /// `revocation_basepoint`.
    pub revocation: PublicKey,
    /// `payment_basepoint`: used as it is (`static_remotekey`).
    pub payment: PublicKey,
    /// `delayed_payment_basepoint`.
    pub delayed_payment: PublicKey,
    /// `htlc_basepoint`.
    pub htlc: PublicKey,
}

/// What holds for the commitments of one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartyTerms {
    /// The keys of this party.
    pub basepoints: Basepoints,
    /// `dust_limit_satoshis` that this party set: for its own commitments.
    pub dust_limit: Sat,
    /// Blocks that THIS party's own `to_local` and HTLC outputs wait (the other party demanded it).
    pub to_self_delay: u16,
}

/// What depends on one funding output: everything that is the same in all its commitments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FundingTerms {
    /// The kind of commitment.
    pub format: CommitmentFormat,
    /// The funding output.
    pub outpoint: OutPoint,
    /// Value of the funding output.
    pub capacity: Sat,
    /// Who opened the channel, and so pays for commitments.
    pub opener: Side,
    /// This node's terms.
    pub local: PartyTerms,
    /// The peer's terms.
    pub remote: PartyTerms,
}

impl FundingTerms {
    /// The terms of one side.
    #[must_use]
    pub const fn party(&self, side: Side) -> &PartyTerms {
        match side {
            Side::Local => &self.local,
            Side::Remote => &self.remote,
        }
    }

    /// The 2-of-2 that the funding output pays to.
    #[must_use]
    pub fn funding_witness_script(&self) -> ScriptBuf {
        scripts::funding_witness_script(&self.local.basepoints.funding, &self.remote.basepoints.funding)
    }

    /// `scriptpubkey` of the funding output (P2WSH).
    #[must_use]
    pub fn funding_script(&self) -> ScriptBuf {
        self.funding_witness_script().to_p2wsh()
    }

    /// The funding output.
    #[must_use]
    pub fn funding_output(&self) -> TxOut {
        TxOut { value: self.capacity.into(), script_pubkey: self.funding_script() }
    }
}

/// Direction of an HTLC as the owner of the commitment sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HtlcDirection {
    /// Offered by the owner: second stage is HTLC-timeout.
    Offered,
    /// Received by the owner: second stage is HTLC-success.
    Received,
}

/// An HTLC in a commitment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommittedHtlc {
    /// Who offered it.
    pub offered_by: Side,
    /// Its number among those that side offered.
    pub id: HtlcId,
    /// `amount_msat`.
    pub amount: Msat,
    /// `payment_hash`.
    pub payment_hash: PaymentHash,
    /// `cltv_expiry`.
    pub cltv_expiry: CltvExpiry,
}

impl CommittedHtlc {
    /// Its direction in the commitment of `owner`.
    #[must_use]
    pub fn direction(&self, owner: Side) -> HtlcDirection {
        if self.offered_by == owner { HtlcDirection::Offered } else { HtlcDirection::Received }
    }
}

/// What one commitment transaction says. With the [`FundingTerms`] it determines every byte of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitmentContent {
    /// Whose commitment it is: who may broadcast it.
    pub owner: Side,
    /// Its number, from 0.
    pub number: CommitmentNumber,
    /// The owner's `per_commitment_point` of that number.
    pub per_commitment_point: PublicKey,
    /// `feerate_per_kw`.
    pub feerate: FeeratePerKw,
    /// This node's balance, before fee and anchors are taken from the opener's. HTLCs are not in it.
    pub local_balance: Msat,
    /// The peer's balance, likewise.
    pub remote_balance: Msat,
    /// The committed HTLCs, in any order.
    pub htlcs: Vec<CommittedHtlc>,
}

impl CommitmentContent {
    /// The balance of one side, before fee and anchors.
    #[must_use]
    pub const fn balance(&self, side: Side) -> Msat {
        match side {
            Side::Local => self.local_balance,
            Side::Remote => self.remote_balance,
        }
    }
}
