//! All that leaves the node. A new variant needs an ADR.

use astrape_channel::Outgoing;
use astrape_payment::{RouteQuery, Trip};
use astrape_primitives::{ChannelKeysId, CommitmentNumber, Height, NodeId, Sat};
use astrape_transactions::signing::{ClaimRequest, ClosingRequest, LocalCommitmentRequest, WalletRequest};
use astrape_wire::{ChannelAnnouncement, ChannelUpdate, Message, NodeAnnouncement};
use bitcoin::secp256k1::ecdsa::Signature;
use bitcoin::{OutPoint, ScriptBuf, Transaction, Txid};
use std::sync::Arc;

use crate::command::{Refusal, Reply};
use crate::input::CommandId;
use crate::journal::Entry;

/// One thing to do, after the commit that allows it. May be late or lost.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Say this to a peer. Order is kept for each peer.
    Send {
        /// To whom.
        peer: NodeId,
        /// What.
        speech: Speech,
    },
    /// Close the connection, after what was said before.
    Disconnect {
        /// Whose.
        peer: NodeId,
        /// Why, for the log.
        reason: String,
    },
    /// Bring this into a block.
    Broadcast(Broadcast),
    /// Tell of this when it shows up in the chain.
    Watch(Watch),
    /// Answer a command.
    Reply {
        /// Which.
        command: CommandId,
        /// What.
        reply: Result<Reply, Refusal>,
    },
    /// A fact is durable: tell whoever listens.
    Publish(Entry),
    /// Tell the network of this, once it is signed: hand it to the gossip beside the core.
    Announce(Announcement),
    /// Look this up outside and answer with [`crate::Input::Signer`] or [`crate::Input::Found`].
    Find(Find),
    /// A part of a payment of ours is over: keep what it teaches of channels of others, for path search, and what its hops tell, for
    /// people. Lost, nothing is lost but time.
    Teach(Box<Trip>),
}

/// Something to say to a peer.
#[derive(Clone, Debug)]
pub enum Speech {
    /// As it is.
    Plain(Message),
    /// Of a channel: perhaps to be signed, revealed or wrapped into an onion.
    Channel(Outgoing),
    /// Ask for a sign of life (a ping), and tell the core of it with [`crate::PeerEvent::Heard`]: a commitment binds from
    /// its commit on, so it is proposed only to a peer that was heard a moment ago.
    Probe,
    /// A `channel_update` of ours, to be signed with the node's key.
    SignChannelUpdate(Box<ChannelUpdate>),
}

/// Something of our channels or of us for the whole network (BOLT 7), to be signed first if it is ours. Saying it twice is
/// saying it once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Announcement {
    /// A channel of ours, with the peer's two signatures in it.
    Channel {
        /// Its keys.
        keys: ChannelKeysId,
        /// The announcement, with zeroes for our two signatures.
        announcement: Box<ChannelAnnouncement>,
        /// Whether our signatures are the first of each pair.
        we_are_first: bool,
        /// Its funding: where it is, and what it holds.
        funding: (OutPoint, Sat),
    },
    /// How we relay over a channel.
    Update(Box<ChannelUpdate>),
    /// How the peer of a channel relays over it, with its signature: it may have told us before anybody could know the
    /// channel, and not tell again.
    PeerUpdate(Arc<ChannelUpdate>),
    /// Who we are.
    Node(Box<NodeAnnouncement>),
}

/// A package for the chain, to be signed first.
#[derive(Clone, Debug)]
pub enum Broadcast {
    /// Of our own coins: a funding, a withdrawal, or what pays for one.
    Wallet {
        /// The transaction.
        request: Box<WalletRequest>,
        /// Those that it builds on and that wait as well: it may have to pay for them to get into the mempool.
        parents: Vec<WalletRequest>,
    },
    /// Our commitment.
    Commitment(Box<LocalCommitmentRequest>),
    /// A closing transaction that both sign.
    Closing {
        /// For our signature.
        request: Box<ClosingRequest>,
        /// The peer's.
        remote_signature: Signature,
    },
    /// What spent a funding in a block that is gone, with its signatures, whoever made it.
    Again(Arc<Transaction>),
    /// A transaction that claims outputs of a channel (BOLT 5), alone or as the child that pays for its parent.
    Claim {
        /// The claim.
        request: Box<ClaimRequest>,
        /// What must be in the mempool or the chain before, and may need this child to get there: both go out as a package
        /// where the backend takes packages, one after the other where it does not.
        parent: Option<Parent>,
        /// It should be in a block by then. Broadcasts that wait go out in the order of their deadlines.
        deadline: Option<Height>,
    },
}

/// The parent of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parent {
    /// Our commitment, to be signed.
    Commitment(Box<LocalCommitmentRequest>),
    /// A transaction that has its signatures: the peer's commitment as it was seen, or one of ours.
    Signed(Arc<Transaction>),
}

/// Something to watch for in the chain. Watching twice is watching once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Watch {
    /// A transaction by its id, its outputs by a script, and the spend of the outpoint.
    Funding {
        /// The outpoint.
        outpoint: OutPoint,
        /// The script of that output.
        script: ScriptBuf,
        /// From which height on: the funding cannot be older.
        from: Height,
    },
    /// A transaction by its id.
    Transaction(Txid),
    /// The spend of an output: in blocks ([`ChainEvent::Connected`](astrape_primitives::ChainEvent), with all that hangs on
    /// it in the same block) and in the mempool ([`crate::ChainInput::Mempool`]).
    Output {
        /// The output.
        outpoint: OutPoint,
        /// Its script, for sources that find by script.
        script: ScriptBuf,
        /// The height of the block that made it: no spend is older.
        from: Height,
    },
    /// No longer needed, whichever watch it was.
    Forget(OutPoint),
}

/// What the core asks of the outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Find {
    /// Our per-commitment point of this number.
    Point {
        /// The channel.
        channel: ChannelKeysId,
        /// The number.
        number: CommitmentNumber,
    },
    /// Whether a secret is that of this commitment of ours.
    CheckSecret(astrape_channel::output::SecretCheck),
    /// A fresh script of our wallet for the balance of a channel that the peer closes.
    ShutdownScript {
        /// The channel.
        channel: ChannelKeysId,
    },
    /// The archived HTLCs that a commitment of the peer had ([`crate::input::Found::RetiredHtlcs`]).
    RetiredHtlcs {
        /// The channel.
        channel: ChannelKeysId,
        /// The number of that commitment.
        number: CommitmentNumber,
    },
    /// Ways through the network for what is missing of a payment ([`crate::input::Found::Route`]).
    Route(Box<RouteQuery>),
    /// Nodes that are worth a probe that nobody has asked for ([`crate::input::Found::ProbeTargets`]). It may get lost.
    ProbeTargets,
    /// The signature of a `channel_update` of ours, for failures that name its channel ([`crate::SignerAnswer::Update`]). It may get lost.
    SignUpdate(Box<ChannelUpdate>),
}

impl Broadcast {
    /// Id of the transaction, known before it is signed: all inputs are segwit.
    #[must_use]
    pub fn txid(&self) -> Option<Txid> {
        match self {
            Broadcast::Wallet { request, .. } => Some(request.tx.compute_txid()),
            Broadcast::Closing { request, .. } => Some(request.tx.compute_txid()),
            Broadcast::Claim { request, .. } => Some(request.tx.compute_txid()),
            Broadcast::Again(tx) => Some(tx.compute_txid()),
            Broadcast::Commitment(_) => None,
        }
    }

    /// The height by which it should be in a block.
    #[must_use]
    pub fn deadline(&self) -> Option<Height> {
        match self {
            Broadcast::Claim { deadline, .. } => *deadline,
            Broadcast::Wallet { .. }
            | Broadcast::Commitment(_)
            | Broadcast::Closing { .. }
            | Broadcast::Again(_) => None,
        }
    }
}
