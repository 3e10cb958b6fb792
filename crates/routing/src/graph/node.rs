//! What a node says of itself (BOLT 7, `node_announcement`).

use super::channel::StoredAt;
use astrape_primitives::Features;
use astrape_wire::address::Address;

/// Most addresses that are kept of a node: what is worth trying. The announcement itself is kept elsewhere, whole.
pub const MAX_ADDRESSES: usize = 16;

/// What a node says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeInfo {
    /// `timestamp` of the announcement.
    pub timestamp: u32,
    /// `features`.
    pub features: Features,
    /// `rgb_color`.
    pub color: [u8; 3],
    /// `alias`: bytes that anybody may choose. They are escaped before they are shown.
    pub alias: [u8; 32],
    /// Where it listens; no more than [`MAX_ADDRESSES`] are kept.
    pub addresses: Vec<Address>,
    /// Where the announcement is kept.
    pub stored: Option<StoredAt>,
}
