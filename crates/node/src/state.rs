//! The durable parts of the node that belong to no other crate.

mod prices;

use astrape_onchain::Nights;
use astrape_primitives::{BlockId, Height, PaymentHash};
use astrape_transactions::signing::WalletInput;
use astrape_wire::{ChannelUpdate, NodeAnnouncement};
use bitcoin::Transaction;
use bitcoin::secp256k1::ecdsa::Signature;
use std::sync::Arc;

pub use prices::{Prices, Span};

/// A peer that we want to stay connected with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownPeer {
    /// Where it was reached, newest first, as `host:port`.
    pub addresses: Vec<String>,
}

/// The chain as far as the node has seen it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChainState {
    /// The newest blocks, oldest first: enough to find where a reorganisation began. At most [`ChainState::MAX_RECENT`].
    pub recent: Vec<BlockId>,
    /// Time of the newest block's header, in seconds since 1970.
    pub tip_time: u32,
    /// The blocks that came while we slept.
    pub nights: Nights,
    /// The lowest estimates of about a day.
    pub prices: Prices,
    /// Up to here each block was looked through for the spends of all outputs that are watched; none where that is not known.
    pub looked_to: Option<Height>,
}

impl ChainState {
    /// From which block on an output is to be looked for, that could be spent from `first` on.
    #[must_use]
    pub fn unseen_from(&self, first: Height) -> Height {
        self.looked_to.map_or(first, |seen| first.max(seen.plus(1)))
    }

    /// Blocks remembered: deeper reorganisations stop the node, since no deadline would hold.
    pub const MAX_RECENT: usize = 144;

    /// The newest block.
    #[must_use]
    pub fn tip(&self) -> Option<BlockId> {
        self.recent.last().copied()
    }

    /// Whether a block is one of the best chain, as far as that is remembered: what is older is believed.
    #[must_use]
    pub fn has(&self, block: BlockId) -> bool {
        self.recent.contains(&block) || self.recent.first().is_some_and(|oldest| block.height < oldest.height)
    }

    /// Its height; 0 before any.
    #[must_use]
    pub fn height(&self) -> Height {
        self.tip().map_or(Height(0), |block| block.height)
    }
}

/// A channel that its peer has failed before it told where it is, or at the end of a cooperative close.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedByPeer {
    /// The best block when it did.
    pub since: Height,
    /// Why we close then, in words.
    pub words: String,
}

/// Numbers that count up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Of the next fact in the ledger.
    pub next_fact: u64,
    /// `timestamp` of our last `channel_update` or `node_announcement`: the next is greater (BOLT 7).
    pub last_gossip_timestamp: u32,
}

/// The peer's last `channel_update` of one of our channels: what it asks for payments towards us (route hints need it).
pub type PeerUpdate = Arc<ChannelUpdate>;

/// The `channel_update` that we said last of a channel of ours. One for the network has its signature once the signer has told it,
/// for failures that repeat the update; whoever says it has it made again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnUpdate(pub ChannelUpdate);

impl OwnUpdate {
    /// Whether it is for the peer alone.
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.0.message_flags & ChannelUpdate::DONT_FORWARD != 0
    }

    /// Whether its signature is known.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        self.0.signature != unsigned()
    }
}

/// Stands where a signature will be.
pub(crate) fn unsigned() -> Signature {
    Signature::from_compact(&[0; 64]).expect("zeroes are below the order of the curve")
}

/// The `node_announcement` that we said last, without its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnNode(pub NodeAnnouncement);

/// A transaction of our coins that is owed to the network until it is confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwedTransaction {
    /// The transaction, unsigned.
    pub tx: Arc<Transaction>,
    /// What its inputs spend, in their order.
    pub inputs: Vec<WalletInput>,
    /// Height of the block that it is in.
    pub confirmed: Option<Height>,
    /// The tip since which it waits for a block; not known of what older versions left until the next block.
    pub since: Option<Height>,
}

impl OwedTransaction {
    /// Confirmations from which it is owed no more: no reorganisation that we bear takes it away then.
    pub const DEEP: u32 = astrape_onchain::resolution::MIN_IRREVOCABLE_DEPTH;
}

/// A payment that ended moments ago, kept until the answer of a lookup made before it ended can no longer be on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Which.
    pub payment_hash: PaymentHash,
    /// The fact in the ledger.
    pub fact: crate::journal::Entry,
}
