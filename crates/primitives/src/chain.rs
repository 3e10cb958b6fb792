//! What a chain source tells the core: blocks as they come and go, with only the transactions that were watched.

use crate::Height;
use bitcoin::{BlockHash, Transaction};
use std::sync::Arc;

/// A block's place in the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockId {
    /// Its height.
    pub height: Height,
    /// Its hash.
    pub hash: BlockHash,
}

/// A transaction in a block, with its place: what a short channel id is made of (BOLT 7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfirmedTx {
    /// The transaction.
    pub tx: Arc<Transaction>,
    /// Its index in the block; the coinbase is 0.
    pub index: u32,
}

/// One change of the best chain. Events come in chain order: a block connects on the last one, or the last one goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChainEvent {
    /// A block was connected on top of the best chain.
    Connected {
        /// The block.
        block: BlockId,
        /// The one below, which must be the core's tip.
        previous: BlockHash,
        /// The header's time, in seconds since 1970.
        time: u32,
        /// Transactions of the block that create a watched output script or spend a watched outpoint, in block order.
        matched: Vec<ConfirmedTx>,
    },
    /// The best block was disconnected by a reorganisation; the tip is now `block.height - 1`.
    Disconnected {
        /// The block that went.
        block: BlockId,
    },
}
