//! What the API shows of the network.

use super::GossipEngine;
use astrape_primitives::{NodeId, ShortChannelId};
use astrape_routing::Snapshot;
use astrape_routing::bootstrap::{Found, strangers};
use astrape_routing::gossip::sync::Progress;
use astrape_routing::graph::{Channel, NodeInfo};
use astrape_wire::Address;
use std::net::IpAddr;
use std::sync::Arc;

/// Channels of one node that are shown.
pub const MAX_SHOWN: usize = 1_000;

/// The network in numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Channels that are known.
    pub channels: usize,
    /// Of them those whose funding is spent.
    pub closed: usize,
    /// Nodes that are known.
    pub nodes: usize,
    /// What the channels hold, as far as the chain could tell, in satoshi.
    pub capacity_sat: u64,
    /// Directions in which somebody forwards.
    pub updates: usize,
    /// Channels for which the chain is being asked.
    pub waiting: usize,
    /// Where the sync stands.
    pub progress: Progress,
}

/// A node with its channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeView {
    /// What it says of itself.
    pub info: Option<NodeInfo>,
    /// Its channels, at most [`MAX_SHOWN`], and whether the funding of each is spent.
    pub channels: Vec<(Channel, bool)>,
    /// How many channels it has.
    pub channel_count: usize,
}

impl GossipEngine {
    /// The network in numbers.
    pub(crate) fn summary(&self) -> Summary {
        let state = self.lock();
        let graph = state.gossip.graph();
        let (mut capacity_sat, mut updates, mut closed) = (0_u64, 0, 0);
        for channel in graph.channels(..) {
            capacity_sat = capacity_sat.saturating_add(channel.capacity.map_or(0, |capacity| capacity.0));
            updates += channel.policies.iter().flatten().count();
            closed += usize::from(state.gossip.is_closed(channel.short_channel_id));
        }
        Summary {
            channels: graph.channel_count(),
            closed,
            nodes: graph.node_count(),
            capacity_sat,
            updates,
            waiting: state.gossip.waiting_count().max(state.to_ask_len()),
            progress: state.sync.progress(),
        }
    }

    /// Where the sync stands, and how many channels and nodes are known.
    pub(crate) fn progress(&self) -> (Progress, usize, usize) {
        let state = self.lock();
        let graph = state.gossip.graph();
        (state.sync.progress(), graph.channel_count(), graph.node_count())
    }

    /// A channel, and whether its funding is spent.
    pub(crate) fn channel(&self, id: ShortChannelId) -> Option<(Channel, bool)> {
        let state = self.lock();
        Some((state.gossip.graph().channel(id)?, state.gossip.is_closed(id)))
    }

    /// A node.
    pub(crate) fn node(&self, id: &NodeId) -> Option<NodeView> {
        let state = self.lock();
        let graph = state.gossip.graph();
        if !graph.has_node(id) {
            return None;
        }
        let of_node = |channel: &Channel| channel.node_1 == *id || channel.node_2 == *id;
        let channels = || graph.channels(..).filter(of_node);
        let channel_count = channels().count();
        let shown = channels().take(MAX_SHOWN);
        let channels = shown
            .map(|c| {
                let closed = state.gossip.is_closed(c.short_channel_id);
                (c, closed)
            })
            .collect();
        Some(NodeView { info: graph.node(id).cloned(), channels, channel_count })
    }

    /// Where a node listens, by its newest announcement.
    pub(crate) fn addresses(&self, id: &NodeId) -> Vec<Address> {
        self.lock().gossip.graph().node(id).map(|info| info.addresses.clone()).unwrap_or_default()
    }

    /// Some nodes of the network that `may_be_called`, others with each `entropy`.
    pub(crate) fn strangers(
        &self,
        most: usize,
        entropy: [u8; 32],
        may_be_called: impl Fn(IpAddr) -> bool,
    ) -> Vec<Found> {
        let state = self.lock();
        let with_funding = state.gossip.nodes_with_funding();
        let nodes = state.gossip.graph().nodes().filter(|(id, _)| with_funding.contains(id));
        strangers::strangers(nodes, most, entropy, may_be_called)
    }

    /// The graph as path search reads it.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.lock().gossip.snapshot()
    }
}
