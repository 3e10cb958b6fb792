//! What a search finds.

use crate::graph::Direction;
use crate::score::Crossing;
use astrape_primitives::{Msat, NodeId, ShortChannelId};

/// Ways that together bring an amount to its recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// One or several, largest first.
    pub parts: Vec<RoutePart>,
    /// What the hops of all parts get.
    pub fee: Msat,
    /// The chance that all parts get through, in millionths.
    pub chance_millionths: u32,
    /// Fees, risk and time weighed together, in millisatoshi.
    pub cost: u64,
}

/// One way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutePart {
    /// What arrives.
    pub amount: Msat,
    /// What its hops get.
    pub fee: Msat,
    /// The channels in the order of the money. Never empty.
    pub hops: Vec<RouteHop>,
}

/// A channel that is crossed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteHop {
    /// The channel.
    pub short_channel_id: ShortChannelId,
    /// Who receives over it.
    pub node: NodeId,
    /// The HTLC over it: its receiver gets this, and forwards the next hop's.
    pub amount: Msat,
    /// Blocks that the HTLC over it lives longer than the one that the recipient gets.
    pub blocks: u32,
    /// Where the network knows the channel: which way, and what it holds. Not so for our own channels and for hints.
    pub public: Option<(Direction, Msat)>,
}

impl RouteHop {
    /// What can be learnt about, where anything can.
    #[must_use]
    pub fn crossing(&self) -> Option<Crossing> {
        let (direction, capacity) = self.public?;
        Some(Crossing { short_channel_id: self.short_channel_id, direction, capacity, amount: self.amount })
    }
}
