//! A channel between two other nodes, and how each of them forwards over it (BOLT 7, `channel_announcement` and
//! `channel_update`).

use astrape_primitives::{CltvDelta, Features, Msat, NodeId, Sat, ShortChannelId};
use core::num::NonZeroU64;

/// Where the shell keeps a signed message, in its own terms. The graph carries it and does not look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoredAt(pub NonZeroU64);

/// Who sends over a channel: the bit `direction` of `channel_update`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// From `node_id_1` to `node_id_2`.
    FromNode1,
    /// From `node_id_2` to `node_id_1`.
    FromNode2,
}

impl Direction {
    /// Both, in the order of their bits.
    pub const BOTH: [Self; 2] = [Self::FromNode1, Self::FromNode2];

    /// From `channel_flags`.
    #[must_use]
    pub const fn from_flags(channel_flags: u8) -> Self {
        if channel_flags & 1 == 0 { Self::FromNode1 } else { Self::FromNode2 }
    }

    /// Its bit.
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::FromNode1 => 0,
            Self::FromNode2 => 1,
        }
    }

    /// The other way.
    #[must_use]
    pub const fn reverse(self) -> Self {
        match self {
            Self::FromNode1 => Self::FromNode2,
            Self::FromNode2 => Self::FromNode1,
        }
    }
}

/// A channel to be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewChannel {
    /// Its id.
    pub short_channel_id: ShortChannelId,
    /// The node with the lesser id.
    pub node_1: NodeId,
    /// The node with the greater id.
    pub node_2: NodeId,
    /// What its funding output holds; `None` where the chain source could not say.
    pub capacity: Option<Sat>,
    /// The features that its announcement asks for.
    pub features: Features,
    /// When we heard of it, in seconds of UNIX time: a channel without updates grows old from then on.
    pub received: u32,
    /// Where its announcement is kept.
    pub stored: Option<StoredAt>,
}

/// How a node forwards over a channel, in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// `timestamp` of the update.
    pub timestamp: u32,
    /// `fee_base_msat`.
    pub fee_base_msat: u32,
    /// `fee_proportional_millionths`.
    pub fee_proportional_millionths: u32,
    /// `cltv_expiry_delta`.
    pub cltv_expiry_delta: CltvDelta,
    /// `htlc_minimum_msat`.
    pub htlc_minimum: Msat,
    /// `htlc_maximum_msat`.
    pub htlc_maximum: Msat,
    /// The bit `disable` of `channel_flags`.
    pub disabled: bool,
    /// The update's checksum as in `reply_channel_range`.
    pub checksum: u32,
    /// Where the update is kept.
    pub stored: Option<StoredAt>,
}

/// A channel as it stands in the graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// Its id.
    pub short_channel_id: ShortChannelId,
    /// The node with the lesser id.
    pub node_1: NodeId,
    /// The node with the greater id.
    pub node_2: NodeId,
    /// What its funding output holds, where that is known.
    pub capacity: Option<Sat>,
    /// The features that its announcement asks for.
    pub features: Features,
    /// When we heard of it, in seconds of UNIX time.
    pub received: u32,
    /// Where its announcement is kept.
    pub stored: Option<StoredAt>,
    /// The latest policies, by [`Direction::index`].
    pub policies: [Option<Policy>; 2],
}

impl Channel {
    /// The policy of one direction.
    #[must_use]
    pub const fn policy(&self, direction: Direction) -> Option<&Policy> {
        self.policies[direction.index()].as_ref()
    }

    /// The node that sends in a direction.
    #[must_use]
    pub const fn sender(&self, direction: Direction) -> NodeId {
        match direction {
            Direction::FromNode1 => self.node_1,
            Direction::FromNode2 => self.node_2,
        }
    }
}

/// What `reply_channel_range` says of a channel, for both directions: zero where there is no update (BOLT 7, "Query
/// Messages").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelMarks {
    /// Its id.
    pub short_channel_id: ShortChannelId,
    /// Timestamps of the latest updates.
    pub timestamps: [u32; 2],
    /// Checksums of the latest updates.
    pub checksums: [u32; 2],
}
