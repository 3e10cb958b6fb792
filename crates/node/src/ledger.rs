//! Facts for people: append-only, with true columns in the database. They are the API's events and the accounts; the core
//! never reads them.

use astrape_primitives::{ChannelId, ChannelKeysId, Msat, NodeId, PaymentHash, PaymentPreimage, Sat};
use bitcoin::{OutPoint, Txid};

/// Something that happened and stays true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// A payment of ours arrived.
    PaymentSent {
        /// Its hash.
        payment_hash: PaymentHash,
        /// The proof.
        preimage: PaymentPreimage,
        /// What the recipient got.
        amount: Msat,
        /// What the way cost.
        fee: Msat,
        /// The recipient.
        destination: NodeId,
    },
    /// A payment of ours failed for good; nothing was paid.
    PaymentFailed {
        /// Its hash.
        payment_hash: PaymentHash,
        /// What was to be paid.
        amount: Msat,
        /// The recipient.
        destination: NodeId,
        /// Why, and what to do, in words.
        reason: String,
    },
    /// An invoice of ours was paid.
    PaymentReceived {
        /// Its hash.
        payment_hash: PaymentHash,
        /// The preimage that was given for it.
        preimage: PaymentPreimage,
        /// What was paid.
        amount: Msat,
    },
    /// A payment of others went through us; our fee is the difference.
    Forwarded {
        /// Its hash.
        payment_hash: PaymentHash,
        /// Where it came in.
        incoming: ChannelKeysId,
        /// Where it went out.
        outgoing: ChannelKeysId,
        /// What came in.
        amount_in: Msat,
        /// What went out.
        amount_out: Msat,
    },
    /// A payment of others did not go through us.
    ForwardFailed {
        /// Its hash.
        payment_hash: PaymentHash,
        /// Where it came in.
        incoming: ChannelKeysId,
        /// What came in.
        amount_in: Msat,
        /// Whether the failure came from further down, and if it was ours why.
        reason: String,
    },
    /// A turning point of a channel.
    Channel {
        /// Our name for it.
        keys: ChannelKeysId,
        /// Its id.
        channel_id: ChannelId,
        /// The peer.
        peer: NodeId,
        /// What happened.
        event: ChannelFact,
    },
    /// Coins left the wallet by the user's wish.
    Withdrawn {
        /// The transaction.
        txid: Txid,
        /// What it pays out.
        amount: Sat,
        /// What it costs.
        fee: Sat,
    },
}

/// A turning point of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelFact {
    /// An opening ended without a channel.
    NotOpened {
        /// Why.
        reason: String,
    },
    /// Funded.
    Opened {
        /// Where.
        outpoint: OutPoint,
        /// How much.
        capacity: Sat,
        /// Whether we opened it.
        by_us: bool,
    },
    /// The funding is in the chain.
    FundingConfirmed,
    /// The funding left the chain.
    FundingReorged,
    /// HTLCs may flow.
    Ready,
    /// A cooperative close has begun.
    ShuttingDown {
        /// Whether we began it.
        by_us: bool,
    },
    /// The closing transaction is agreed on.
    ClosingAgreed {
        /// It.
        txid: Txid,
        /// What the opener pays.
        fee: Sat,
    },
    /// We go on chain.
    ForceClosing {
        /// Why.
        reason: String,
    },
    /// Only the peer may go on chain.
    WaitingForPeersCommitment {
        /// Why.
        reason: String,
    },
    /// The funding was spent.
    Spent {
        /// By what.
        txid: Txid,
        /// By whom, in words.
        how: String,
    },
    /// Something happened to the outputs of a close.
    OnChain {
        /// In this transaction.
        txid: Option<Txid>,
        /// What, in words.
        what: String,
        /// What it is about.
        amount: Option<Sat>,
        /// What it cost us.
        fee: Option<Sat>,
    },
    /// All is irrevocably resolved: nothing is left to do.
    Over,
    /// Something in our own program went wrong; the channel is limited to chain work until a restart.
    Quarantined {
        /// What.
        reason: String,
    },
}
