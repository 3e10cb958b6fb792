//! Facts for people: append-only, with true columns in the database. They are the API's events and the accounts; the core
//! never reads them.

use astrape_primitives::{ChannelId, ChannelKeysId, Height, Msat, NodeId, PaymentHash, PaymentPreimage, Sat};
use bitcoin::{OutPoint, Txid};
use std::collections::BTreeMap;

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
        /// Whether it went in a circle, from us to ourselves: balance moved between channels.
        rebalance: bool,
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
        /// Whether it went in a circle, from us to ourselves: balance moved between channels.
        rebalance: bool,
    },
    /// An invoice of ours was paid.
    PaymentReceived {
        /// Its hash.
        payment_hash: PaymentHash,
        /// The preimage that was given for it.
        preimage: PaymentPreimage,
        /// What was paid.
        amount: Msat,
        /// Whether it came without an invoice (keysend).
        keysend: bool,
        /// What applications said with it, by type.
        custom_records: BTreeMap<u64, Vec<u8>>,
        /// Whether it went in a circle, from us to ourselves: balance moved between channels.
        rebalance: bool,
        /// What its invoice was for. Empty without one, and in what older versions have written.
        description: String,
        /// The text of its invoice, likewise.
        bolt11: String,
    },
    /// All of a payment for a hold invoice of ours is here: it waits to be settled or cancelled.
    InvoiceHeld {
        /// Its hash.
        payment_hash: PaymentHash,
        /// What it brings.
        amount: Msat,
        /// It is given back at this height, unless it is settled or cancelled before.
        until: Height,
    },
    /// An invoice of ours is not paid any more; what was held for it was given back.
    InvoiceCanceled {
        /// Its hash.
        payment_hash: PaymentHash,
        /// What was held for it.
        amount: Msat,
        /// Why, in words.
        reason: String,
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
        /// How long it was here, in milliseconds.
        took_ms: u64,
    },
    /// A payment of others did not go through us.
    ForwardFailed {
        /// Its hash.
        payment_hash: PaymentHash,
        /// Where it came in.
        incoming: ChannelKeysId,
        /// Where it was to go out, if there is such a channel.
        outgoing: Option<ChannelKeysId>,
        /// What came in.
        amount_in: Msat,
        /// What was to go out.
        amount_out: Msat,
        /// How long it was here, in milliseconds.
        took_ms: u64,
        /// Whether it was failed here, and not further down the way.
        by_us: bool,
        /// Why, in words.
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
    /// A transaction was made that pays for another, which waits for a block, and brings the rest back to the wallet.
    FeeBumped {
        /// The one that waits.
        txid: Txid,
        /// The one that pays.
        child: Txid,
        /// What it costs.
        fee: Sat,
    },
    /// A transaction of our coins can never confirm: another has spent what it spends, or what it builds on does, and is buried. What
    /// else it was to spend is free again; nothing of what the ledger tells of it has happened.
    NeverConfirmed {
        /// The transaction.
        txid: Txid,
        /// What has spent its coin, or that of the one that it builds on.
        by: Txid,
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
        /// What it has cost us, once it is in a block.
        fee: Option<Sat>,
    },
    /// All is irrevocably resolved: nothing is left to do.
    Over {
        /// What came back, less the fees in the wallet now; not known of closes that older versions followed.
        returned: Option<Sat>,
        /// What our transactions paid to miners for it.
        fees: Option<Sat>,
    },
    /// Something in our own program went wrong; the channel is limited to chain work until a restart.
    Quarantined {
        /// What.
        reason: String,
    },
}
