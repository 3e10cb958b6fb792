//! What happened to the best chain since a block that somebody saw.

use astrape_primitives::BlockId;
use bitcoin::Block;
use std::sync::Arc;

/// One change of the best chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockEvent {
    /// A block was connected on top.
    Connected {
        /// Its place.
        id: BlockId,
        /// The block.
        block: Arc<Block>,
    },
    /// The block on top went in a reorganisation.
    Disconnected {
        /// Its place.
        id: BlockId,
    },
}
