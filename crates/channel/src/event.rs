//! All that a channel is told.

use crate::htlc::{NewHtlc, Resolution};
use astrape_onion::{PeelFailure, Peeled};
use astrape_primitives::{CommitmentNumber, FeeratePerKw, Height, HtlcId, PaymentPreimage};
use astrape_wire::{Message, UpdateAddHtlc};
use bitcoin::secp256k1::PublicKey;
use bitcoin::{OutPoint, ScriptBuf, Transaction};
use std::sync::Arc;

/// One thing that happened, for one channel.
#[derive(Clone, Debug)]
pub enum Event {
    /// The peer is connected and both `init`s were exchanged.
    Connected,
    /// The connection to the peer is gone.
    Disconnected,
    /// The peer offers an HTLC; its onion was peeled outside. Neither outcome is a fault of the channel.
    Add {
        /// The message.
        message: UpdateAddHtlc,
        /// What was in the onion.
        onion: Arc<Result<Peeled, PeelFailure>>,
    },
    /// Any other message of the peer for this channel.
    Message(Message),
    /// What this node wants of the channel.
    Command(Command),
    /// The step is at its end and the peer was heard from a moment ago: sign what waits, if anything may be signed.
    Propose,
    /// A new best height.
    Tip(Height),
    /// The funding transaction (by its txid) is in the best chain.
    FundingConfirmed {
        /// The transaction as it stands in the block.
        tx: Arc<Transaction>,
        /// The height of its block.
        height: Height,
        /// Its index in the block.
        index: u32,
    },
    /// The block with the funding transaction was disconnected.
    FundingReorged,
    /// A confirmed transaction spends the funding output.
    FundingSpent {
        /// The transaction.
        tx: Arc<Transaction>,
        /// The height of its block.
        height: Height,
    },
    /// The block with the transaction that spends the funding output was disconnected.
    SpendReorged,
    /// The chain shows the preimage of an HTLC of ours: it is as good as the peer's `update_fulfill_htlc`.
    PreimageSeen {
        /// Our HTLC.
        id: HtlcId,
        /// Its preimage.
        preimage: PaymentPreimage,
    },
    /// All that the spend of the funding led to is irrevocably resolved (BOLT 5).
    Resolved,
    /// The signer's answer to [`crate::Output::CheckSecret`].
    SecretChecked {
        /// Whether the secret is the one of that commitment of ours.
        genuine: bool,
    },
    /// What is kept outside the channel proves that its state is old, whatever the peer says of it.
    StateIsOld,
    /// The signer's answer to a revocation: one further per-commitment point.
    Point {
        /// The local commitment that it is for.
        number: CommitmentNumber,
        /// The point.
        point: PublicKey,
    },
}

/// What this node wants of a channel.
#[derive(Clone, Debug)]
pub enum Command {
    /// The funding transaction was made: the answer to [`crate::Output::FundingNeeded`].
    Fund {
        /// The transaction, without witnesses.
        tx: Arc<Transaction>,
        /// The output that funds this channel.
        outpoint: OutPoint,
    },
    /// Offer an HTLC. It waits until the next `commitment_signed`.
    Add(NewHtlc),
    /// Offer nothing any more of what waits and was not signed: the peer has never heard of it.
    RefuseWaiting,
    /// Settle or fail an HTLC that the peer offered, once irrevocably committed.
    Resolve {
        /// The peer's HTLC.
        id: HtlcId,
        /// How it ends.
        resolution: Resolution,
    },
    /// Change the feerate of the commitments. Only the opener may.
    UpdateFee(FeeratePerKw),
    /// Begin to close cooperatively.
    Shutdown {
        /// Where our balance goes.
        script: ScriptBuf,
    },
    /// Go on chain with our own commitment.
    ForceClose {
        /// Why, for people and for the peer's `error`.
        reason: String,
    },
}
