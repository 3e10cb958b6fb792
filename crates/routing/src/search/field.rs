//! What a search moves on: a snapshot, what is known of its liquidity, and what the request adds (channels of ours, hints,
//! what is closed or under way).

use super::request::{Asked, Request};
use crate::graph::Direction;
use crate::score::chance::{nats_against, nats_between, nats_unknown};
use crate::score::{Bounds, Scores, seconds};
use crate::snapshot::{Edge, Place, Snapshot};
use astrape_primitives::{NodeId, ShortChannelId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is special about an edge.
#[derive(Clone, Copy, Debug)]
struct State {
    bounds: Option<Bounds>,
    direction: Direction,
    /// Exactly so much is there: a channel of ours.
    exact: Option<u64>,
    /// What is under way over it or planned to be.
    flow: u64,
    closed: bool,
    /// The request allows no more, whatever is there.
    limit: u64,
}

impl State {
    const PLAIN: Self = Self {
        bounds: None,
        direction: Direction::FromNode1,
        exact: None,
        flow: 0,
        closed: false,
        limit: u64::MAX,
    };
}

/// What a search moves on.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) snapshot: Arc<Snapshot>,
    /// By edge: 0, or one more than the number of its state.
    marks: Vec<u32>,
    states: Vec<State>,
    /// How many states come from scores; the others are of one request.
    learnt: usize,
    /// Edges whose state is to be put back after the request.
    touched: Vec<u32>,
    added: Vec<(Edge, Place)>,
    added_ids: Vec<NodeId>,
    added_to: BTreeMap<u32, Vec<u32>>,
    added_from: BTreeMap<u32, Vec<(u32, u32)>>,
    /// Those of the added ones that stand for one of the snapshot.
    standing: Vec<u32>,
    now: u32,
    /// What was learnt may have passed: it costs to go against it, and no more.
    pub(super) doubts: bool,
}

impl Field {
    pub(super) fn new(snapshot: Arc<Snapshot>, scores: &Scores) -> Self {
        let mut field = Self {
            marks: vec![0; snapshot.edge_count()],
            snapshot,
            states: Vec::new(),
            learnt: 0,
            touched: Vec::new(),
            added: Vec::new(),
            added_ids: Vec::new(),
            added_to: BTreeMap::new(),
            added_from: BTreeMap::new(),
            standing: Vec::new(),
            now: 0,
            doubts: false,
        };
        field.learn(scores);
        field
    }

    /// Marks the channels of which something is known: both lists are in the order of ids.
    pub(super) fn learn(&mut self, scores: &Scores) {
        self.clear();
        self.states.clear();
        self.marks.iter_mut().for_each(|mark| *mark = 0);
        let snapshot = Arc::clone(&self.snapshot);
        let mut edges = snapshot.by_channel().iter().copied().peekable();
        for (id, bounds) in scores.iter() {
            while edges.next_if(|(other, _)| *other < id).is_some() {}
            while let Some((_, edge)) = edges.next_if(|(other, _)| *other == id) {
                self.states.push(State {
                    bounds: Some(bounds),
                    direction: self.direction(edge),
                    ..State::PLAIN
                });
                self.marks[edge as usize] = mark(self.states.len());
            }
        }
        self.learnt = self.states.len();
    }

    /// Whether anything is known of liquidity.
    pub(super) fn has_learnt(&self) -> bool {
        self.learnt > 0
    }

    /// Takes away what the last request has added.
    pub(super) fn clear(&mut self) {
        for edge in self.touched.drain(..) {
            let Some(mark) = self.marks.get_mut(edge as usize) else { continue };
            match (*mark as usize).checked_sub(1) {
                Some(state) if state < self.learnt => {
                    let state = &mut self.states[state];
                    (state.flow, state.closed, state.limit) = (0, false, u64::MAX);
                }
                _ => *mark = 0,
            }
        }
        self.states.truncate(self.learnt);
        self.marks.truncate(self.snapshot.edge_count());
        self.added.clear();
        self.added_ids.clear();
        self.added_to.clear();
        self.added_from.clear();
        self.standing.clear();
    }

    /// Enters what is closed and under way.
    pub(super) fn enter(&mut self, request: &Request<'_>) {
        self.now = seconds(request.now);
        let snapshot = Arc::clone(&self.snapshot);
        for asked in request.asked {
            let same = |edge: &u32| self.direction(*edge) == asked.direction;
            let priced: Vec<u32> = self.edges_over(&snapshot, asked.short_channel_id).filter(same).collect();
            priced.into_iter().for_each(|edge| self.reprice(edge, asked));
        }
        for id in request.without_channels {
            let closed: Vec<u32> = self.edges_over(&snapshot, *id).collect();
            closed.into_iter().for_each(|edge| self.close(edge));
        }
        for bound in request.at_most {
            let same = |edge: &u32| self.direction(*edge) == bound.direction;
            let limited: Vec<u32> = self.edges_over(&snapshot, bound.short_channel_id).filter(same).collect();
            limited.into_iter().for_each(|edge| {
                let state = self.state_mut(edge);
                state.limit = state.limit.min(bound.most.0);
            });
        }
        for busy in request.in_flight {
            let same = |edge: &u32| self.direction(*edge) == busy.direction;
            let busied: Vec<u32> = self.edges_over(&snapshot, busy.short_channel_id).filter(same).collect();
            busied.into_iter().for_each(|edge| {
                let state = self.state_mut(edge);
                state.flow = state.flow.saturating_add(busy.amount.0);
            });
        }
    }

    /// An edge asks something else: one of the snapshot gives way to one that stands for it.
    fn reprice(&mut self, number: u32, asked: &Asked) {
        let place = *self.place(number);
        let edge = Edge {
            fee_base_msat: asked.fee_base_msat,
            fee_proportional_millionths: asked.fee_proportional_millionths,
            cltv_expiry_delta: asked.cltv_expiry_delta.0,
            htlc_minimum: asked.htlc_minimum.0,
            htlc_maximum: asked.htlc_maximum.0.min(place.capacity),
            ..*self.edge(number)
        };
        if let Some(added) = (number as usize).checked_sub(self.snapshot.edge_count()) {
            self.added[added].0 = edge;
            return;
        }
        let known = self.state(number).copied();
        self.add_edge(edge, place, None);
        let standing = mark(self.snapshot.edge_count() + self.added.len() - 1);
        *self.state_mut(standing) = known.unwrap_or(State::PLAIN);
        self.standing.push(standing);
        self.close(number);
    }

    /// Nothing is sent over an edge.
    pub(super) fn close(&mut self, edge: u32) {
        self.state_mut(edge).closed = true;
    }

    fn edges_over<'a>(
        &'a self,
        snapshot: &'a Snapshot,
        id: ShortChannelId,
    ) -> impl Iterator<Item = u32> + 'a {
        let added = (0..).zip(&self.added).filter(move |(_, (_, place))| place.short_channel_id == id);
        let base = mark(self.snapshot.edge_count());
        snapshot.edges_over(id).chain(added.map(move |(number, _)| base + number))
    }

    /// A number for a node that the snapshot does not know; the same for the same node.
    pub(super) fn node(&mut self, id: NodeId) -> u32 {
        if let Some(number) = self.snapshot.number(&id) {
            return number;
        }
        match self.added_ids.iter().position(|other| *other == id) {
            Some(position) => mark(self.snapshot.bound() + position),
            None => self.add_node(id),
        }
    }

    /// A new number for a node.
    pub(super) fn add_node(&mut self, id: NodeId) -> u32 {
        self.added_ids.push(id);
        mark(self.snapshot.bound() + self.added_ids.len() - 1)
    }

    /// One more than the highest number of a node.
    pub(super) fn node_bound(&self) -> usize {
        self.snapshot.bound() + self.added_ids.len()
    }

    pub(super) fn id(&self, node: u32) -> Option<NodeId> {
        let added = (node as usize).checked_sub(self.snapshot.bound());
        added.map_or_else(|| self.snapshot.id(node), |added| self.added_ids.get(added).copied())
    }

    /// Adds an edge over which exactly so much can be sent, or of which that is not known.
    pub(super) fn add_edge(&mut self, edge: Edge, place: Place, exact: Option<u64>) {
        let number = mark(self.snapshot.edge_count() + self.added.len());
        self.added_to.entry(place.to).or_default().push(number);
        self.added_from.entry(edge.from).or_default().push((number, place.to));
        self.added.push((edge, place));
        self.marks.push(0);
        self.state_mut(number).exact = exact;
    }

    /// Edges to a node that the request has added.
    pub(super) fn added_to(&self, node: u32) -> &[u32] {
        self.added_to.get(&node).map_or(&[], Vec::as_slice)
    }

    /// Edges from a node that the request has added, with their receivers.
    pub(super) fn added_from(&self, node: u32) -> &[(u32, u32)] {
        self.added_from.get(&node).map_or(&[], Vec::as_slice)
    }

    /// Whether the network knows an edge.
    pub(super) fn is_public(&self, edge: u32) -> bool {
        (edge as usize) < self.snapshot.edge_count() || self.standing.contains(&edge)
    }

    #[inline]
    pub(super) fn edge(&self, edge: u32) -> &Edge {
        let edge = edge as usize;
        let edges = self.snapshot.edges();
        edges.get(edge).unwrap_or_else(|| &self.added[edge - edges.len()].0)
    }

    pub(super) fn place(&self, edge: u32) -> &Place {
        let edge = edge as usize;
        let places = self.snapshot.places();
        places.get(edge).unwrap_or_else(|| &self.added[edge - places.len()].1)
    }

    /// Which way an edge goes.
    pub(super) fn direction(&self, edge: u32) -> Direction {
        let (from, to) = (self.id(self.edge(edge).from), self.id(self.place(edge).to));
        if from < to { Direction::FromNode1 } else { Direction::FromNode2 }
    }

    fn state_mut(&mut self, edge: u32) -> &mut State {
        let at = edge as usize;
        self.touched.push(edge);
        if self.marks[at] == 0 {
            self.states.push(State::PLAIN);
            self.marks[at] = mark(self.states.len());
        }
        &mut self.states[self.marks[at] as usize - 1]
    }

    fn state(&self, edge: u32) -> Option<&State> {
        (self.marks[edge as usize] as usize).checked_sub(1).map(|state| &self.states[state])
    }

    /// What is planned over an edge.
    pub(super) fn flow(&self, edge: u32) -> u64 {
        self.state(edge).map_or(0, |state| state.flow)
    }

    pub(super) fn set_flow(&mut self, edge: u32, flow: u64) {
        self.state_mut(edge).flow = flow;
    }

    /// The most that an edge may hold as far as is known.
    pub(super) fn room(&self, edge: u32) -> u64 {
        let limit = self.state(edge).map_or(u64::MAX, |state| state.limit);
        let room = match self.state(edge) {
            Some(State { closed: true, .. }) => 0,
            Some(State { exact: Some(exact), .. }) => *exact,
            Some(State { bounds: Some(bounds), direction, .. }) if !self.doubts => {
                bounds.at(self.now, self.place(edge).capacity, *direction).1
            }
            _ => self.place(edge).capacity,
        };
        room.min(limit)
    }

    /// What it is worth to avoid an edge that takes long, in nats.
    #[inline]
    pub(super) fn slowness(&self, number: u32) -> f32 {
        let bounds = self.state(number).and_then(|state| state.bounds);
        bounds.map_or(0.0, |bounds| bounds.slowness_at(self.now))
    }

    /// The risk of one more HTLC over an edge, beside what is planned; `None` when it cannot be.
    #[inline]
    pub(super) fn more_nats(&self, number: u32, edge: &Edge, amount: u64) -> Option<f32> {
        if self.marks[number as usize] == 0 {
            return Some(nats_unknown(amount, edge.inverse_capacity));
        }
        let flow = self.flow(number);
        Some((self.nats(number, flow.saturating_add(amount))? - self.nats(number, flow)?).max(0.0))
    }

    /// The risk of sending `total` over an edge; `None` when it cannot be.
    pub(super) fn nats(&self, number: u32, total: u64) -> Option<f32> {
        let (edge, place) = (self.edge(number), self.place(number));
        let Some(state) = self.state(number) else {
            return (total <= place.capacity).then(|| nats_unknown(total, edge.inverse_capacity));
        };
        match (state.exact, state.bounds) {
            _ if state.closed || total > state.limit => None,
            (Some(exact), _) => (total <= exact).then_some(0.0),
            _ if edge.inverse_capacity == 0.0 => Some(0.0),
            (None, Some(bounds)) => {
                let (at_least, at_most) = bounds.at(self.now, place.capacity, state.direction);
                let believed = nats_between(total, at_least, at_most, place.capacity);
                let doubted = self.doubts && total <= place.capacity;
                believed.or_else(|| doubted.then(|| nats_against(total - at_most, place.capacity)))
            }
            (None, None) => (total <= place.capacity).then(|| nats_unknown(total, edge.inverse_capacity)),
        }
    }
}

/// Numbers of edges and nodes fit 32 bits: there are at most a million channels.
pub(super) fn mark(number: usize) -> u32 {
    u32::try_from(number).expect("numbers of edges and nodes fit 32 bits")
}
