//! What is asked of a search.

use crate::graph::Direction;
use astrape_primitives::{CltvDelta, Feature, Features, Msat, NodeId, ShortChannelId, Timestamp};

/// Most hops of a way: what an onion holds beside some room for the recipient (BOLT 4).
pub const MAX_HOPS: usize = 20;

/// Most parts that a search splits into, whatever is asked.
pub const MAX_PARTS: usize = 32;

/// A channel of ours that a way may begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirstHop {
    /// Its id, or an alias: it comes back in the answer.
    pub short_channel_id: ShortChannelId,
    /// The peer.
    pub peer: NodeId,
    /// The most that we can send over it now.
    pub sendable: Msat,
    /// The smallest HTLC that the peer takes.
    pub htlc_minimum: Msat,
}

/// A channel that the recipient tells of and the network does not know (a hop of a route hint of BOLT 11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HintHop {
    /// Who forwards over it.
    pub node: NodeId,
    /// The channel.
    pub short_channel_id: ShortChannelId,
    /// `fee_base_msat`.
    pub fee_base_msat: u32,
    /// `fee_proportional_millionths`.
    pub fee_proportional_millionths: u32,
    /// `cltv_expiry_delta`.
    pub cltv_expiry_delta: CltvDelta,
}

/// Where a way begins.
#[derive(Clone, Copy, Debug)]
pub enum Start<'a> {
    /// At any node, over the channels that the network knows.
    Node(NodeId),
    /// At us, over these channels by what is really there; those that the network knows of us are not looked at.
    Own {
        /// Us.
        node: NodeId,
        /// Our channels.
        channels: &'a [FirstHop],
    },
}

/// Money of ours that is under way over a channel of others: it is not there twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InFlight {
    /// The channel.
    pub short_channel_id: ShortChannelId,
    /// Which way.
    pub direction: Direction,
    /// How much.
    pub amount: Msat,
}

/// No more than this is to be sent over a channel, whatever it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The channel.
    pub short_channel_id: ShortChannelId,
    /// Which way.
    pub direction: Direction,
    /// How much, with what is under way.
    pub most: Msat,
}

/// What a way may be at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The fees of all parts together.
    pub max_fee: Msat,
    /// Blocks that the hops add to the recipient's expiry, in each part.
    pub max_blocks: u32,
    /// Channels in each part; never more than [`MAX_HOPS`].
    pub max_hops: usize,
    /// Parts: 1 where the recipient takes no more. Never more than [`MAX_PARTS`].
    pub max_parts: usize,
}

/// What things are worth to the payer, to be weighed against fees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weights {
    /// A factor e of the chance that it fails, whatever the amount.
    pub risk_msat: u64,
    /// The same, in millionths of the amount.
    pub risk_millionths: u64,
    /// One more hop: time, and one more node that learns of the payment.
    pub hop_msat: u64,
    /// The same, in millionths of the amount.
    pub hop_millionths: u64,
    /// The amount being locked for one more block, in billionths of it.
    pub lock_billionths: u64,
}

impl Default for Weights {
    /// To halve the chance of success is worth 3 sat and 375 millionths; a hop is worth 1 sat and 100 millionths; a year of
    /// waiting for a lost HTLC a tenth of it, reckoned with one in a hundred.
    fn default() -> Self {
        Self {
            risk_msat: 4_400,
            risk_millionths: 540,
            hop_msat: 1_000,
            hop_millionths: 100,
            lock_billionths: 20,
        }
    }
}

/// What a channel asks, one way, as its node has told who has met it: that holds instead of what the network knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The channel.
    pub short_channel_id: ShortChannelId,
    /// Which way.
    pub direction: Direction,
    /// In millisatoshi.
    pub fee_base_msat: u32,
    /// In millionths of what is forwarded.
    pub fee_proportional_millionths: u32,
    /// Blocks.
    pub cltv_expiry_delta: CltvDelta,
    /// The smallest HTLC.
    pub htlc_minimum: Msat,
    /// The largest HTLC.
    pub htlc_maximum: Msat,
}

/// What is asked of a search.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Where the money is.
    pub from: Start<'a>,
    /// The recipient; it may be us, for money to go in a circle.
    pub to: NodeId,
    /// The recipient's features as its invoice says: what it requires is believed to be understood by who made the request.
    pub invoice_features: Option<&'a Features>,
    /// Ways to the recipient that the network does not know.
    pub hints: &'a [Vec<HintHop>],
    /// What is to arrive.
    pub amount: Msat,
    /// What a way may be at most.
    pub limits: Limits,
    /// What a node in the middle must support.
    pub through: &'a [Feature],
    /// Channels that are not to be used.
    pub without_channels: &'a [ShortChannelId],
    /// Channels over which no more than this is to be sent, all parts together.
    pub at_most: &'a [Bound],
    /// What channels ask in truth.
    pub asked: &'a [Asked],
    /// Nodes that are not to be used.
    pub without_nodes: &'a [NodeId],
    /// What is under way already.
    pub in_flight: &'a [InFlight],
    /// What things are worth.
    pub weights: Weights,
    /// The time: knowledge of liquidity fades.
    pub now: Timestamp,
}
