//! All that reaches the node. One input makes one step.

use crate::command::Command;
use crate::journal::RetiredHtlc;
use astrape_onion::{PeelFailure, Peeled};
use astrape_primitives::{
    BlockId, ChainEvent, ChannelId, ChannelKeysId, CommitmentNumber, ConfirmedTx, Features, FeeratePerKw,
    Feerates, Height, NodeId, PaymentHash,
};
use astrape_routing::{NoRoute, Route};
use astrape_transactions::signing::ChannelKeys;
use astrape_wallet::WalletFinding;
use astrape_wire::{ChannelUpdate, Message, OpenChannel, UpdateAddHtlc};
use bitcoin::secp256k1::PublicKey;
use bitcoin::{OutPoint, ScriptBuf, Transaction, Txid};
use std::sync::Arc;

/// Names a command of this process; its reply carries the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CommandId(pub u64);

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// Of a peer.
    Peer {
        /// Which.
        peer: NodeId,
        /// What.
        event: PeerEvent,
    },
    /// Of the chain.
    Chain(ChainInput),
    /// What the on-chain wallet has found.
    Coins(Vec<WalletFinding>),
    /// What the signer answers.
    Signer(SignerAnswer),
    /// What was looked up.
    Found(Found),
    /// What the user wants.
    Command {
        /// For the reply.
        id: CommandId,
        /// What.
        command: Command,
    },
    /// Time goes by. Comes at least every [`crate::TICK_MILLIS`].
    Tick,
    /// What was held back to be signed ([`crate::Node::proposals_due`]) is looked at again.
    Moment,
}

/// Of a peer.
#[derive(Clone, Debug)]
pub enum PeerEvent {
    /// Connected, `init` exchanged.
    Up {
        /// What its `init` says.
        features: Features,
    },
    /// A message.
    Message(PeerMessage),
    /// The sign of life that [`crate::Speech::Probe`] asked for.
    Heard,
    /// The connection is gone.
    Down,
}

/// A message of a peer, prepared outside of the step: decrypted, decoded, peeled.
#[derive(Clone, Debug)]
pub enum PeerMessage {
    /// `open_channel`, with keys for the channel that it may become.
    OpenChannel {
        /// The message.
        message: Box<OpenChannel>,
        /// Fresh keys.
        keys: FreshKeys,
    },
    /// `update_add_htlc`, peeled.
    UpdateAddHtlc {
        /// The message.
        message: UpdateAddHtlc,
        /// What was in its onion.
        onion: Arc<Result<Peeled, PeelFailure>>,
        /// Whether the journal has seen the onion before.
        seen: bool,
    },
    /// Any other.
    Other(Message),
}

impl PeerMessage {
    /// The channel that it names.
    #[must_use]
    pub fn channel_id(&self) -> Option<ChannelId> {
        match self {
            PeerMessage::OpenChannel { message, .. } => Some(message.temporary_channel_id),
            PeerMessage::UpdateAddHtlc { message, .. } => Some(message.channel_id),
            PeerMessage::Other(message) => message.channel_id(),
        }
    }
}

/// Keys of a channel that does not exist yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FreshKeys {
    /// Their name, fresh random bytes.
    pub id: ChannelKeysId,
    /// The public keys.
    pub keys: ChannelKeys,
}

/// Of the chain.
#[derive(Clone, Debug)]
pub enum ChainInput {
    /// The best chain changed by one block.
    Event(ChainEvent),
    /// Transactions of a block that was told already, which a watch would have matched had it been set before: it was on its
    /// way while the block was, or follows from what had to be looked up first, as the HTLCs of a revoked commitment.
    Late {
        /// The block.
        block: BlockId,
        /// In block order.
        matched: Vec<ConfirmedTx>,
    },
    /// All blocks that were told were looked through for the spends of these outputs, from the height on that their watches gave: after a
    /// restart they are not looked through again.
    LookedBack {
        /// The outputs, with that height.
        outputs: Vec<(OutPoint, Height)>,
    },
    /// The unconfirmed transactions that spend a watched output, and what spends theirs, parents first: all there are, told
    /// when they are others than before. They may never confirm.
    Mempool {
        /// The transactions.
        txs: Vec<Arc<Transaction>>,
    },
    /// A new estimate of the feerate that a commitment needs.
    Feerate(FeeratePerKw),
    /// New estimates of what it costs to be in a block soon.
    Estimates(Feerates),
    /// What became of a broadcast: taken, or there already, unless it was refused. None comes while the source cannot be
    /// asked; the shell tries again by itself.
    BroadcastResult {
        /// The transaction; of a package, the child.
        txid: Txid,
        /// Why it was not taken, in the words of the source, if it was not.
        refused: Option<String>,
    },
    /// Whether the chain that we see is fresh: a source that is silent, syncing or far behind is not to be relied on for
    /// forwarding (attack 43).
    Freshness(Freshness),
}

/// How what we see of the chain stands to the chain of this hour. Why it is not fresh is in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// We are at its tip.
    Fresh,
    /// Blocks that are there already have not been read, by us or by the source: nothing of ours can be in them any more.
    Behind(String),
    /// The newest block that anybody shows us is too old: blocks may be kept from us, while time goes by.
    Doubtful(String),
}

/// What the signer, or the wallet beside it, answers.
#[derive(Clone, Debug)]
pub enum SignerAnswer {
    /// A per-commitment point of ours.
    Point {
        /// The channel.
        channel: ChannelKeysId,
        /// The number.
        number: CommitmentNumber,
        /// The point.
        point: PublicKey,
    },
    /// Whether a secret is ours ([`crate::effect::Find::CheckSecret`]).
    SecretChecked {
        /// The channel.
        channel: ChannelKeysId,
        /// The answer.
        genuine: bool,
    },
    /// It does not sign what a channel has said and recorded ([`crate::release::ReleaseError::Channel`]).
    Refused {
        /// The channel.
        channel: ChannelKeysId,
    },
    /// A `channel_update` of ours with its signature ([`crate::effect::Find::SignUpdate`]).
    Update(Box<ChannelUpdate>),
    /// A fresh script of our wallet ([`crate::effect::Find::ShutdownScript`]).
    ShutdownScript {
        /// The channel.
        channel: ChannelKeysId,
        /// The script.
        script: ScriptBuf,
    },
}

/// What was looked up: in the journal, as of the commit that asked or a later one, or in what is known of the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The archived HTLCs that a commitment of the peer had ([`crate::effect::Find::RetiredHtlcs`]).
    RetiredHtlcs {
        /// The channel.
        channel: ChannelKeysId,
        /// The number of that commitment.
        number: CommitmentNumber,
        /// The HTLCs.
        rows: Vec<RetiredHtlc>,
    },
    /// What path search says ([`crate::effect::Find::Route`]).
    Route {
        /// Of which payment.
        payment_hash: PaymentHash,
        /// To which question.
        number: u64,
        /// The ways, or why there are none.
        route: Box<Result<Route, NoRoute>>,
    },
    /// Whom to probe while nothing else is under way ([`crate::effect::Find::ProbeTargets`]).
    ProbeTargets {
        /// At most [`astrape_payment::background::MAX_TARGETS`] are looked at.
        nodes: Vec<NodeId>,
    },
}
