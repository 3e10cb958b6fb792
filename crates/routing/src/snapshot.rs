//! The graph as path search reads it: nodes and directed channels by number, those that lead to a node side by side.
//!
//! It is built in one go from the writer's graph and never changes: searches on any thread read it without a lock, and the
//! writer goes on meanwhile.

use crate::graph::NodeInfo;
use crate::graph::slots::{ChannelSlot, NodeSlot, Slots};
use astrape_primitives::{Msat, NodeId, ShortChannelId};
use std::sync::Arc;

/// One direction of a channel in which somebody forwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Edge {
    /// Who sends.
    pub(crate) from: u32,
    /// Who receives.
    pub(crate) to: u32,
    pub(crate) short_channel_id: ShortChannelId,
    pub(crate) fee_base_msat: u32,
    pub(crate) fee_proportional_millionths: u32,
    pub(crate) htlc_minimum: Msat,
    /// The largest HTLC: `htlc_maximum_msat`, and never more than the capacity.
    pub(crate) htlc_maximum: Msat,
    /// What the channel holds, or `htlc_maximum` where that is not known.
    pub(crate) capacity: Msat,
    pub(crate) cltv_expiry_delta: u16,
}

/// The graph as path search reads it.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Node numbers in the order of their ids.
    pub(crate) by_id: Box<[(NodeId, u32)]>,
    pub(crate) infos: Box<[Option<Arc<NodeInfo>>]>,
    /// Where the edges to each node begin.
    pub(crate) first: Box<[u32]>,
    pub(crate) edges: Box<[Edge]>,
}

impl Snapshot {
    pub(crate) fn build(nodes: &Slots<NodeSlot>, channels: &Slots<ChannelSlot>) -> Self {
        let mut by_id: Vec<(NodeId, u32)> = Vec::with_capacity(nodes.bound());
        let mut infos = vec![None; nodes.bound()];
        for (number, node) in nodes.iter() {
            by_id.push((node.id, u32::try_from(number).expect("slots are numbered by u32")));
            infos[number].clone_from(&node.info);
        }
        by_id.sort_unstable();
        let mut edges: Vec<Edge> = channels.iter().flat_map(|(_, slot)| edges_of(slot)).collect();
        edges.sort_by_key(|edge| edge.to);
        let mut first = vec![0_u32; nodes.bound() + 1];
        edges.iter().for_each(|edge| first[edge.to as usize + 1] += 1);
        for node in 0..nodes.bound() {
            first[node + 1] += first[node];
        }
        Self { by_id: by_id.into(), infos: infos.into(), first: first.into(), edges: edges.into() }
    }

    /// How many nodes there are.
    #[must_use]
    pub fn node_count(&self) -> usize {
        self.by_id.len()
    }

    /// How many directions there are in which somebody forwards.
    #[must_use]
    pub fn edge_count(&self) -> usize {
        self.edges.len()
    }

    /// What a node has said of itself.
    #[must_use]
    pub fn node(&self, id: &NodeId) -> Option<&NodeInfo> {
        self.infos[self.number(id)? as usize].as_deref()
    }

    /// Over how many channels somebody forwards to a node.
    #[must_use]
    pub fn ways_to(&self, id: &NodeId) -> usize {
        self.number(id).map_or(0, |node| self.edges_to(node).len())
    }

    pub(crate) fn edges_to(&self, node: u32) -> &[Edge] {
        let node = node as usize;
        &self.edges[self.first[node] as usize..self.first[node + 1] as usize]
    }

    pub(crate) fn number(&self, id: &NodeId) -> Option<u32> {
        let found = self.by_id.binary_search_by(|(other, _)| other.cmp(id)).ok()?;
        Some(self.by_id[found].1)
    }
}

fn edges_of(slot: &ChannelSlot) -> impl Iterator<Item = Edge> + '_ {
    slot.policies.iter().zip([slot.ends, [slot.ends[1], slot.ends[0]]]).filter_map(|(policy, [from, to])| {
        let policy = policy.as_ref().filter(|policy| !policy.disabled)?;
        let capacity = slot.capacity.map_or(policy.htlc_maximum, |capacity| capacity.to_msat());
        let htlc_maximum = policy.htlc_maximum.min(capacity);
        let opens = htlc_maximum > Msat::ZERO && policy.htlc_minimum <= htlc_maximum;
        opens.then_some(Edge {
            from,
            to,
            short_channel_id: slot.id,
            fee_base_msat: policy.fee_base_msat,
            fee_proportional_millionths: policy.fee_proportional_millionths,
            htlc_minimum: policy.htlc_minimum,
            htlc_maximum,
            capacity,
            cltv_expiry_delta: policy.cltv_expiry_delta.0,
        })
    })
}
