//! The graph as path search reads it: nodes and directed channels by number, those that lead to a node side by side.
//!
//! It is built from the writer's graph and never changes: searches on any thread read it without a lock, and the writer goes on
//! meanwhile. Where only policies have changed since the last one, the next is a copy of the edges with these changes. What a search looks at for each channel is in `Edge`, 40 bytes in the order in which they are
//! looked at; the rest is in `Place`.

use crate::graph::NodeInfo;
use crate::graph::slots::{ChannelSlot, NodeSlot, Slots};
use astrape_primitives::{Feature, Features, NodeId, ShortChannelId};
use std::sync::Arc;

/// One direction of a channel in which somebody forwards. Amounts are in millisatoshi.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Edge {
    /// Who sends.
    pub(crate) from: u32,
    pub(crate) fee_base_msat: u32,
    pub(crate) fee_proportional_millionths: u32,
    pub(crate) cltv_expiry_delta: u16,
    /// Nobody but the receiver of this edge forwards to its sender: only a way that begins there uses it.
    pub(crate) dead_end: bool,
    /// One over the capacity; 0 where the capacity is no matter of chance.
    pub(crate) inverse_capacity: f32,
    pub(crate) htlc_minimum: u64,
    /// The largest HTLC: `htlc_maximum_msat`, and never more than the capacity.
    pub(crate) htlc_maximum: u64,
}

/// Where an edge is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) short_channel_id: ShortChannelId,
    /// Who receives.
    pub(crate) to: u32,
    /// What the channel holds, or `htlc_maximum` where that is not known.
    pub(crate) capacity: u64,
}

/// The graph as path search reads it.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Node numbers in the order of their ids.
    by_id: Arc<[(NodeId, u32)]>,
    /// Ids by number; `None` for a number that is not in use.
    ids: Arc<[Option<NodeId>]>,
    infos: Arc<[Option<Arc<NodeInfo>>]>,
    /// Nodes that require what we do not know: nothing is sent through them.
    foreign: Arc<[u32]>,
    /// Where the edges to each node begin.
    first_to: Arc<[u32]>,
    edges: Box<[Edge]>,
    places: Box<[Place]>,
    /// Where the edges from each node begin in `from`.
    first_from: Arc<[u32]>,
    /// Numbers of edges with their receivers, those of one sender side by side.
    from: Arc<[(u32, u32)]>,
    /// Edges in the order of their short channel ids.
    by_channel: Arc<[(ShortChannelId, u32)]>,
}

impl Snapshot {
    pub(crate) fn build(nodes: &Slots<NodeSlot>, channels: &Slots<ChannelSlot>) -> Self {
        let mut by_id: Vec<(NodeId, u32)> = Vec::with_capacity(nodes.bound());
        let mut ids = vec![None; nodes.bound()];
        let mut infos = vec![None; nodes.bound()];
        let mut foreign = Vec::new();
        for (number, node) in nodes.iter() {
            let short = numbered(number);
            by_id.push((node.id, short));
            ids[number] = Some(node.id);
            infos[number].clone_from(&node.info);
            if node.info.as_ref().is_some_and(|info| is_foreign(&info.features)) {
                foreign.push(short);
            }
        }
        by_id.sort_unstable();
        let pairs: Vec<(Edge, Place)> = channels.iter().flat_map(|(_, slot)| edges_of(slot)).collect();
        let (first_to, order) = grouped(nodes.bound(), pairs.iter().map(|(_, place)| place.to));
        let mut edges: Vec<Edge> = order.iter().map(|at| pairs[*at as usize].0).collect();
        let places: Vec<Place> = order.iter().map(|at| pairs[*at as usize].1).collect();
        drop(pairs);
        mark_dead_ends(&mut edges, &places, &first_to);
        let (first_from, order) = grouped(nodes.bound(), edges.iter().map(|edge| edge.from));
        let from = order.iter().map(|edge| (*edge, places[*edge as usize].to)).collect();
        let mut by_channel: Vec<(ShortChannelId, u32)> =
            places.iter().zip(0..).map(|(place, edge)| (place.short_channel_id, edge)).collect();
        by_channel.sort_unstable();
        Self {
            by_id: by_id.into(),
            ids: ids.into(),
            infos: infos.into(),
            foreign: foreign.into(),
            first_to: first_to.into(),
            edges: edges.into(),
            places: places.into(),
            first_from: first_from.into(),
            from,
            by_channel: by_channel.into(),
        }
    }

    /// The same with other policies of some channels, which shares what is not about policies; `None` when somebody begins or
    /// ends to forward over one of them, since that moves all others.
    pub(crate) fn repriced<'a>(&self, slots: impl Iterator<Item = &'a ChannelSlot>) -> Option<Self> {
        let mut next = self.clone();
        for slot in slots {
            let mut edges = self.edges_over(slot.id).count();
            for (edge, place) in edges_of(slot) {
                let mut places = self.edges_over(slot.id);
                let number = places.find(|number| self.places[*number as usize].to == place.to)? as usize;
                next.edges[number] = Edge { dead_end: self.edges[number].dead_end, ..edge };
                next.places[number] = place;
                edges -= 1;
            }
            if edges > 0 {
                return None;
            }
        }
        Some(next)
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

    /// The nodes, upwards by id.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.by_id.iter().map(|(id, _)| *id)
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

    pub(crate) fn number(&self, id: &NodeId) -> Option<u32> {
        let found = self.by_id.binary_search_by(|(other, _)| other.cmp(id)).ok()?;
        Some(self.by_id[found].1)
    }

    /// The id of a node by number.
    pub(crate) fn id(&self, number: u32) -> Option<NodeId> {
        self.ids.get(number as usize).copied().flatten()
    }

    /// One more than the highest number of a node.
    pub(crate) fn bound(&self) -> usize {
        self.ids.len()
    }

    pub(crate) fn info(&self, number: u32) -> Option<&NodeInfo> {
        self.infos[number as usize].as_deref()
    }

    pub(crate) fn foreign(&self) -> &[u32] {
        &self.foreign
    }

    /// The numbers of the edges to a node.
    pub(crate) fn edges_to(&self, node: u32) -> core::ops::Range<usize> {
        let node = node as usize;
        self.first_to[node] as usize..self.first_to[node + 1] as usize
    }

    /// The edges from a node by number, with their receivers.
    pub(crate) fn edges_from(&self, node: u32) -> &[(u32, u32)] {
        let node = node as usize;
        &self.from[self.first_from[node] as usize..self.first_from[node + 1] as usize]
    }

    pub(crate) fn edges(&self) -> &[Edge] {
        &self.edges
    }

    pub(crate) fn places(&self) -> &[Place] {
        &self.places
    }

    pub(crate) fn by_channel(&self) -> &[(ShortChannelId, u32)] {
        &self.by_channel
    }

    /// The edges of a channel: two at most.
    pub(crate) fn edges_over(&self, id: ShortChannelId) -> impl Iterator<Item = u32> + '_ {
        let start = self.by_channel.partition_point(|(other, _)| *other < id);
        self.by_channel[start..].iter().take_while(move |(other, _)| *other == id).map(|(_, edge)| *edge)
    }
}

/// Whether a bit is set that must be understood, and is not.
pub(crate) fn is_foreign(features: &Features) -> bool {
    features.first_unknown_required(&Feature::ALL).is_some()
}

fn numbered(number: usize) -> u32 {
    u32::try_from(number).expect("slots are numbered by u32")
}

/// Where each group begins, and the items in the order of their groups (stable).
fn grouped(groups: usize, group_of: impl Iterator<Item = u32> + Clone) -> (Vec<u32>, Vec<u32>) {
    let mut first = vec![0_u32; groups + 1];
    let mut count = 0;
    for group in group_of.clone() {
        first[group as usize + 1] += 1;
        count += 1;
    }
    for group in 0..groups {
        first[group + 1] += first[group];
    }
    let (mut next, mut order) = (first.clone(), vec![0; count]);
    for (item, group) in (0..).zip(group_of) {
        let at = &mut next[group as usize];
        order[*at as usize] = item;
        *at += 1;
    }
    (first, order)
}

fn mark_dead_ends(edges: &mut [Edge], places: &[Place], first_to: &[u32]) {
    let only_from = |node: u32| {
        let node = node as usize;
        let mut to = edges[first_to[node] as usize..first_to[node + 1] as usize].iter();
        let first = to.next().map(|edge| edge.from);
        (to.all(|edge| Some(edge.from) == first), first)
    };
    let dead_ends: Vec<bool> = edges
        .iter()
        .zip(places)
        .map(|(edge, place)| match only_from(edge.from) {
            (only, Some(first)) => only && first == place.to,
            (_, None) => true,
        })
        .collect();
    edges.iter_mut().zip(dead_ends).for_each(|(edge, dead_end)| edge.dead_end = dead_end);
}

fn edges_of(slot: &ChannelSlot) -> impl Iterator<Item = (Edge, Place)> + '_ {
    let foreign = slot.features.as_deref().is_some_and(is_foreign);
    let policies = if foreign { [None, None] } else { slot.policies };
    let ends = [slot.ends, [slot.ends[1], slot.ends[0]]];
    policies.into_iter().zip(ends).filter_map(|(policy, [from, to])| {
        let policy = policy.filter(|policy| !policy.disabled)?;
        let capacity = slot.capacity.map_or(policy.htlc_maximum, |capacity| capacity.to_msat());
        let htlc_maximum = policy.htlc_maximum.min(capacity);
        if htlc_maximum.0 == 0 || policy.htlc_minimum > htlc_maximum {
            return None;
        }
        let edge = Edge {
            from,
            fee_base_msat: policy.fee_base_msat,
            fee_proportional_millionths: policy.fee_proportional_millionths,
            cltv_expiry_delta: policy.cltv_expiry_delta.0,
            dead_end: false,
            inverse_capacity: inverse(capacity.0),
            htlc_minimum: policy.htlc_minimum.0,
            htlc_maximum: htlc_maximum.0,
        };
        Some((edge, Place { short_channel_id: slot.id, to, capacity: capacity.0 }))
    })
}

/// One over a capacity that is not zero.
#[expect(clippy::cast_precision_loss, reason = "an estimate of chances needs no more than 24 bits")]
fn inverse(capacity: u64) -> f32 {
    1.0 / capacity.max(1) as f32
}
