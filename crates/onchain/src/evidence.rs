//! What a channel brings before the court: all that its enforcement needs, as values of BOLT 3.

use astrape_primitives::{ChannelKeysId, CommitmentNumber, Height, HtlcId, PaymentPreimage, Side};
use astrape_transactions::{CommitmentContent, CommittedHtlc, FundingTerms, ReceivedSecrets};
use bitcoin::ScriptBuf;
use bitcoin::secp256k1::ecdsa::Signature;
use std::sync::Arc;

/// Which HTLC of a channel: who offered it, and its id among those of that side.
pub type HtlcKey = (Side, HtlcId);

/// A channel as its end finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Our keys of the channel.
    pub keys: ChannelKeysId,
    /// What was agreed on.
    pub terms: Arc<FundingTerms>,
    /// Our newest commitment: the only one of ours that is not revoked.
    pub local: CommitmentContent,
    /// The peer's signatures on the HTLC transactions of [`Evidence::local`], in the order of its outputs.
    pub htlc_signatures: Vec<Signature>,
    /// The peer's commitments that are not revoked: the one that it is bound to, and perhaps the next.
    pub remote: Vec<CommitmentContent>,
    /// The secrets of all that are.
    pub secrets: ReceivedSecrets,
    /// The scripts of both `shutdown`s, if they were said: ours and the peer's.
    pub shutdown: Option<(ScriptBuf, ScriptBuf)>,
    /// All HTLCs that are not irrevocably gone.
    pub htlcs: Vec<LiveHtlc>,
}

/// An HTLC that is not irrevocably gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveHtlc {
    /// What it says.
    pub htlc: CommittedHtlc,
    /// Its preimage, where we know it.
    pub preimage: Option<PaymentPreimage>,
    /// For one that we offered to pass on a payment: when the one that pays for it expires.
    pub upstream_expiry: Option<Height>,
    /// The first commitment of the peer with it.
    pub first_remote: Option<CommitmentNumber>,
    /// The first commitment of the peer without it.
    pub end_remote: Option<CommitmentNumber>,
}

impl LiveHtlc {
    /// Whether a commitment of the peer has it.
    #[must_use]
    pub fn is_in_remote(&self, number: CommitmentNumber) -> bool {
        self.first_remote.is_some_and(|first| first <= number)
            && self.end_remote.is_none_or(|end| number < end)
    }

    /// Its key.
    #[must_use]
    pub const fn key(&self) -> HtlcKey {
        (self.htlc.offered_by, self.htlc.id)
    }
}

impl Evidence {
    /// A live HTLC.
    #[must_use]
    pub fn htlc(&self, key: HtlcKey) -> Option<&LiveHtlc> {
        self.htlcs.iter().find(|live| live.key() == key)
    }

    /// The HTLCs that we offered.
    pub fn offered(&self) -> impl Iterator<Item = &LiveHtlc> {
        self.htlcs.iter().filter(|live| live.htlc.offered_by == Side::Local)
    }
}
