//! The next cheapest way when others are planned already: a search from the payer towards the recipient, led by what the
//! rest of a way costs at least (a potential for each node). It looks at few nodes beside the way that it finds.
//!
//! Planned money may be sent back over its edge (the residual arcs of a flow): the ways that result are made anew of all
//! that is planned.

use super::field::Field;
use super::heap::Heap;
use super::price::{Aim, fee};
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug)]
struct Label {
    /// The cost from the payer, less what the potentials promise.
    cost: u64,
    arc: Arc,
    from: u32,
    blocks: u32,
    epoch: u32,
    hops: u8,
    settled: bool,
}

impl Label {
    const FRESH: Self = Self {
        cost: u64::MAX,
        arc: Arc { edge: 0, back: false },
        from: 0,
        blocks: 0,
        epoch: 0,
        hops: 0,
        settled: false,
    };
}

/// An edge, or what is planned over an edge sent back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Arc {
    pub(super) edge: u32,
    pub(super) back: bool,
}

/// What leads the search, and what is planned.
#[derive(Clone, Debug, Default)]
pub(super) struct Guide {
    /// By node: what the rest of a way costs at least.
    pub(super) potentials: Vec<u64>,
    /// By node: what must arrive there, about.
    pub(super) amounts: Vec<u64>,
    /// What all ways deliver over an edge, by edge.
    pub(super) planned: BTreeMap<u32, u64>,
    /// Edges over which something is planned, by their receivers.
    pub(super) planned_to: BTreeMap<u32, Vec<u32>>,
}

/// What a search looks at.
struct Ground<'a> {
    field: &'a Field,
    aim: &'a Aim,
    guide: &'a Guide,
}

/// A step that may be taken: where from, where to, and what it costs beyond what was promised.
struct Step {
    from: u32,
    to: u32,
    arc: Arc,
    cost: u64,
    blocks: u32,
}

/// The labels of the last search.
#[derive(Clone, Debug)]
pub(super) struct Ahead {
    labels: Vec<Label>,
    epoch: u32,
    heap: Heap,
    reached: Vec<u32>,
    bound: u64,
}

impl Ahead {
    pub(super) fn new() -> Self {
        Self { labels: Vec::new(), epoch: 0, heap: Heap::new(), reached: Vec::new(), bound: u64::MAX }
    }

    /// The cheapest way for the amount of `aim` that costs less than `bound`. The potentials are raised by what was learnt.
    pub(super) fn find(
        &mut self,
        field: &Field,
        aim: &Aim,
        guide: &mut Guide,
        barred: &[u32],
        bound: u64,
    ) -> Option<Vec<Arc>> {
        self.begin(field, aim, barred);
        self.bound = bound.saturating_sub(guide.potentials[aim.source as usize]);
        let cost = self.run(&Ground { field, aim, guide })?;
        self.raise(guide, cost);
        Some(self.way(aim))
    }

    fn run(&mut self, ground: &Ground<'_>) -> Option<u64> {
        let Ground { field, aim, guide } = ground;
        while let Some((cost, node)) = self.heap.pop() {
            let label = &mut self.labels[node as usize];
            if label.settled {
                continue;
            }
            label.settled = true;
            let here = *label;
            self.reached.push(node);
            if node == aim.target {
                return Some(cost);
            }
            if here.hops >= aim.max_hops {
                continue;
            }
            let known: &[(u32, u32)] =
                if (node as usize) < field.snapshot.bound() { field.snapshot.edges_from(node) } else { &[] };
            for (edge, to) in known.iter().chain(field.added_from(node)) {
                self.forth(ground, &here, node, *edge, *to);
            }
            for edge in guide.planned_to.get(&node).into_iter().flatten() {
                self.back(ground, &here, node, *edge);
            }
        }
        None
    }

    fn begin(&mut self, field: &Field, aim: &Aim, barred: &[u32]) {
        if self.epoch == u32::MAX {
            self.labels.clear();
            self.epoch = 0;
        }
        if self.labels.len() < field.node_bound() {
            self.labels.resize(field.node_bound(), Label::FRESH);
        }
        self.epoch += 1;
        self.heap.clear();
        self.reached.clear();
        for node in barred {
            self.labels[*node as usize] = Label { epoch: self.epoch, settled: true, ..Label::FRESH };
        }
        self.labels[aim.source as usize] = Label { cost: 0, epoch: self.epoch, ..Label::FRESH };
        self.heap.push(0, aim.source);
    }

    #[inline]
    fn forth(&mut self, ground: &Ground<'_>, here: &Label, node: u32, number: u32, to: u32) {
        let Ground { field, aim, guide } = ground;
        let (before, after) = (guide.potentials[node as usize], guide.potentials[to as usize]);
        // Even for the least that a hop costs it would be too dear.
        let least = after.saturating_add(aim.prices.hop()).saturating_sub(before);
        if here.cost.saturating_add(least) >= self.bound || self.is_settled(to) {
            return;
        }
        let edge = field.edge(number);
        let amount = guide.amounts[to as usize];
        if amount < edge.htlc_minimum || amount > edge.htlc_maximum {
            return;
        }
        let Some(nats) = field.more_nats(number, edge, amount) else { return };
        let (fee, delta) = if node == aim.source {
            (0, 0)
        } else {
            let Some(fee) = fee(edge, amount) else { return };
            (fee, edge.cltv_expiry_delta)
        };
        let nats = nats + field.slowness(number);
        let cost = aim.prices.cost(fee, nats, delta).saturating_add(after).saturating_sub(before);
        let arc = Arc { edge: number, back: false };
        self.enter(aim, here, &Step { from: node, to, arc, cost, blocks: delta.into() });
    }

    fn back(&mut self, ground: &Ground<'_>, here: &Label, node: u32, number: u32) {
        let Ground { field, aim, guide } = ground;
        let planned = guide.planned.get(&number).copied().unwrap_or(0);
        let edge = field.edge(number);
        if planned < aim.amount || self.is_settled(edge.from) {
            return;
        }
        let flow = field.flow(number);
        let nats = |total: u64| field.nats(number, total).unwrap_or(0.0);
        let saved = (nats(flow) - nats(flow.saturating_sub(aim.amount))).max(0.0);
        let saved = aim.prices.cost(fee(edge, aim.amount).unwrap_or(0), saved, edge.cltv_expiry_delta);
        let (before, after) = (guide.potentials[node as usize], guide.potentials[edge.from as usize]);
        let cost = after.saturating_sub(before.saturating_add(saved));
        let arc = Arc { edge: number, back: true };
        self.enter(aim, here, &Step { from: node, to: edge.from, arc, cost, blocks: 0 });
    }

    fn enter(&mut self, aim: &Aim, here: &Label, step: &Step) {
        let cost = here.cost.saturating_add(step.cost);
        let blocks = here.blocks + step.blocks;
        let there = &mut self.labels[step.to as usize];
        let known = there.epoch == self.epoch;
        if cost >= self.bound || blocks > aim.max_blocks || (known && cost >= there.cost) {
            return;
        }
        if step.to == aim.target {
            self.bound = cost.saturating_add(1);
        }
        let (from, arc, hops) = (step.from, step.arc, here.hops + 1);
        *there = Label { cost, arc, from, blocks, epoch: self.epoch, hops, settled: false };
        self.heap.push(cost, step.to);
    }

    fn is_settled(&self, node: u32) -> bool {
        let label = &self.labels[node as usize];
        label.epoch == self.epoch && label.settled
    }

    /// From what was settled below the cost of the way, the rest costs more than was promised.
    fn raise(&self, guide: &mut Guide, cost: u64) {
        for node in &self.reached {
            let more = cost - self.labels[*node as usize].cost.min(cost);
            let potential = &mut guide.potentials[*node as usize];
            *potential = potential.saturating_add(more);
        }
    }

    fn way(&self, aim: &Aim) -> Vec<Arc> {
        let mut way = Vec::new();
        let mut node = aim.target;
        while node != aim.source {
            let label = &self.labels[node as usize];
            way.push(label.arc);
            node = label.from;
        }
        way.reverse();
        way
    }

    /// The largest amount for which there is still a way, whatever it costs, beside what is planned. Fees are left out of
    /// account: what is found may not fit by as much.
    pub(super) fn widest(&mut self, field: &Field, aim: &Aim, guide: &Guide, barred: &[u32]) -> u64 {
        self.begin(field, aim, barred);
        while let Some((narrow, node)) = self.heap.pop() {
            let label = &mut self.labels[node as usize];
            if label.settled {
                continue;
            }
            label.settled = true;
            if node == aim.target {
                return u64::MAX - narrow;
            }
            let known: &[(u32, u32)] =
                if (node as usize) < field.snapshot.bound() { field.snapshot.edges_from(node) } else { &[] };
            for (number, to) in known.iter().chain(field.added_from(node)) {
                let edge = field.edge(*number);
                let width = edge.htlc_maximum.min(field.room(*number).saturating_sub(field.flow(*number)));
                if width >= edge.htlc_minimum {
                    self.widen(narrow, width, *to);
                }
            }
            for number in guide.planned_to.get(&node).into_iter().flatten() {
                let width = guide.planned.get(number).copied().unwrap_or(0);
                self.widen(narrow, width, field.edge(*number).from);
            }
        }
        0
    }

    /// Costs are what is missing to the largest number here.
    fn widen(&mut self, narrow: u64, width: u64, to: u32) {
        let cost = narrow.max(u64::MAX - width);
        let there = &mut self.labels[to as usize];
        let known = there.epoch == self.epoch;
        if width > 0 && !(known && (there.settled || cost >= there.cost)) {
            *there = Label { cost, epoch: self.epoch, ..Label::FRESH };
            self.heap.push(cost, to);
        }
    }
}
