//! The cheapest ways to one node from all others: Dijkstra's search backwards from the recipient, since what a hop has to
//! carry depends on the fees behind it. It is drawn towards the payer by the hops that are still to come (A*).

use super::field::Field;
use super::heap::Heap;
use super::price::{Aim, fee};
use crate::snapshot::Edge;

/// What is known of a node during a search.
#[derive(Clone, Copy, Debug)]
pub(super) struct Label {
    /// The cost from here to the recipient.
    pub(super) cost: u64,
    /// What must arrive here.
    pub(super) amount: u64,
    /// The next edge.
    edge: u32,
    /// What the hops from here on add to the recipient's expiry.
    blocks: u32,
    epoch: u32,
    hops: u8,
    settled: bool,
}

/// Which limits have cut something off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) fee: bool,
    pub(super) blocks: bool,
    pub(super) hops: bool,
}

/// The labels of the last search.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    labels: Vec<Label>,
    epoch: u32,
    heap: Heap,
    pub(super) cut: Cut,
    /// The least cost of a whole way that was met.
    best: u64,
    /// By node: the number of hops from the payer, whatever they cost; [`FAR`] where there is no way.
    hops: Vec<u8>,
    /// What a hop costs at least.
    hop: u64,
}

/// Farther than any way goes.
const FAR: u8 = u8::MAX;

impl Tree {
    pub(super) fn new() -> Self {
        Self {
            labels: Vec::new(),
            epoch: 0,
            heap: Heap::new(),
            cut: Cut::default(),
            best: u64::MAX,
            hops: Vec::new(),
            hop: 0,
        }
    }

    /// Counts the hops from the payer, which leads all searches of one request: what is many hops from the payer is looked at
    /// late, since each hop costs something.
    pub(super) fn measure(&mut self, field: &Field, aim: &Aim) {
        self.hops.clear();
        self.hops.resize(field.node_bound(), FAR);
        self.hops[aim.source as usize] = 0;
        let (mut ring, mut next, mut count) = (vec![aim.source], Vec::new(), 1);
        while !ring.is_empty() && count < FAR {
            for node in ring.drain(..) {
                let known = if (node as usize) < field.snapshot.bound() {
                    field.snapshot.edges_from(node)
                } else {
                    &[]
                };
                for (_, to) in known.iter().chain(field.added_from(node)) {
                    let hops = &mut self.hops[*to as usize];
                    if *hops == FAR {
                        *hops = count;
                        next.push(*to);
                    }
                }
            }
            core::mem::swap(&mut ring, &mut next);
            count += 1;
        }
    }

    /// What it costs at least to get to a node from the payer.
    fn ahead(&self, node: u32) -> u64 {
        u64::from(self.hops[node as usize]) * self.hop
    }

    /// What it costs at least from a node to the recipient, after a tree has reached the source.
    pub(super) fn at_least(&self, node: u32, whole: u64) -> u64 {
        match self.label(node) {
            Some(label) if label.settled => label.cost.min(whole),
            _ => whole.saturating_sub(self.ahead(node)),
        }
    }

    /// Grows a tree until it reaches the source; whether it does. Nodes in `barred` are not entered.
    pub(super) fn grow(&mut self, field: &Field, aim: &Aim, barred: &[u32]) -> bool {
        self.begin(field, aim, barred);
        while let Some((_, node)) = self.heap.pop() {
            let label = &mut self.labels[node as usize];
            if label.settled {
                continue;
            }
            label.settled = true;
            if node == aim.source {
                return true;
            }
            if label.hops >= aim.max_hops {
                self.cut.hops = true;
                continue;
            }
            let here = *label;
            if (node as usize) < field.snapshot.bound() {
                let range = field.snapshot.edges_to(node);
                let edges = &field.snapshot.edges()[range.clone()];
                for (number, edge) in (super::field::mark(range.start)..).zip(edges) {
                    let leads_on =
                        !edge.dead_end || edge.from == aim.source || !field.added_to(edge.from).is_empty();
                    if leads_on {
                        self.relax(field, aim, &here, number, edge);
                    }
                }
            }
            for number in field.added_to(node) {
                self.relax(field, aim, &here, *number, field.edge(*number));
            }
        }
        false
    }

    fn begin(&mut self, field: &Field, aim: &Aim, barred: &[u32]) {
        let fresh =
            Label { cost: u64::MAX, amount: 0, edge: 0, blocks: 0, epoch: 0, hops: 0, settled: false };
        if self.epoch == u32::MAX {
            self.labels.clear();
            self.epoch = 0;
        }
        if self.labels.len() < field.node_bound() {
            self.labels.resize(field.node_bound(), fresh);
        }
        self.epoch += 1;
        self.heap.clear();
        self.cut = Cut::default();
        self.best = u64::MAX;
        self.hop = aim.prices.hop();
        for node in barred {
            self.labels[*node as usize] = Label { epoch: self.epoch, settled: true, ..fresh };
        }
        let target = Label { cost: 0, amount: aim.amount, epoch: self.epoch, ..fresh };
        self.labels[aim.target as usize] = target;
        self.heap.push(self.ahead(aim.target), aim.target);
    }

    #[inline]
    fn relax(&mut self, field: &Field, aim: &Aim, here: &Label, number: u32, edge: &Edge) {
        let there = &mut self.labels[edge.from as usize];
        let known = there.epoch == self.epoch;
        let hops = self.hops[edge.from as usize];
        if hops == FAR || (known && (there.settled || there.cost <= here.cost)) {
            return;
        }
        if here.amount < edge.htlc_minimum || here.amount > edge.htlc_maximum {
            return;
        }
        // The payer pays no fee to itself, and sets the expiry.
        let (fee, delta) = if edge.from == aim.source {
            (0, 0)
        } else {
            let Some(fee) = fee(edge, here.amount) else { return };
            (fee, edge.cltv_expiry_delta)
        };
        if fee > aim.max_fee || here.amount - aim.amount > aim.max_fee - fee {
            self.cut.fee = true;
            return;
        }
        let blocks = here.blocks + u32::from(delta);
        if blocks > aim.max_blocks {
            self.cut.blocks = true;
            return;
        }
        let Some(nats) = field.more_nats(number, edge, here.amount) else { return };
        let cost = here.cost.saturating_add(aim.prices.cost(fee, nats + field.slowness(number), delta));
        let whole = cost.saturating_add(u64::from(hops) * self.hop);
        if whole >= self.best || (known && cost >= there.cost) {
            return;
        }
        if edge.from == aim.source {
            self.best = cost;
        }
        *there = Label {
            cost,
            amount: here.amount + fee,
            edge: number,
            blocks,
            epoch: self.epoch,
            hops: here.hops + 1,
            settled: false,
        };
        self.heap.push(whole, edge.from);
    }

    /// The way from the source of a tree that has reached it.
    pub(super) fn way(&self, field: &Field, aim: &Aim) -> Vec<u32> {
        let mut way = Vec::with_capacity(self.labels[aim.source as usize].hops.into());
        let mut node = aim.source;
        while node != aim.target {
            let edge = self.labels[node as usize].edge;
            way.push(edge);
            node = field.place(edge).to;
        }
        way
    }

    /// What is known of a node.
    pub(super) fn label(&self, node: u32) -> Option<&Label> {
        self.labels.get(node as usize).filter(|label| label.epoch == self.epoch)
    }
}
