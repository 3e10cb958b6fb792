//! Several ways for one amount: successive cheapest ways of a unit each on what the ones before have left (a flow of least
//! cost over channels whose risk grows with what they carry).
//!
//! Base fees are what a plain flow of least cost cannot count, since a unit pays them only when it is an HTLC of its own. So
//! each unit has two choices: the cheapest new way, base fees and all, or to make a part larger that is there already.

use super::ahead::{Ahead, Arc, Guide};
use super::field::{Field, mark};
use super::lane::Lane;
use super::price::Aim;
use super::tree::Tree;
use std::collections::BTreeMap;

/// Most units and remainders that are placed in one search.
const MAX_ROUNDS: u32 = 512;

/// A part may give up so small a part of the whole to leave no crumbs.
const SMALL_PART: u64 = 64;

/// What a search works with.
pub(super) struct Tools<'a> {
    pub(super) field: &'a mut Field,
    pub(super) tree: &'a mut Tree,
    pub(super) ahead: &'a mut Ahead,
    pub(super) barred: &'a [u32],
}

/// How far a split came.
pub(super) struct Split {
    pub(super) lanes: Vec<Lane>,
    /// What could not be placed, in millisatoshi.
    pub(super) missing: u64,
    /// The limit of parts stood in the way.
    pub(super) short_of_parts: bool,
    /// What is missing does not fit into the network beside the rest, however it is cut.
    pub(super) full: bool,
    /// The limit of fees stood in the way.
    dear: bool,
}

/// Splits the amount of `aim` into at most `max_parts`, in units of `unit`. On return nothing of it is in the field.
pub(super) fn split(tools: &mut Tools<'_>, aim: &Aim, unit: u64, max_parts: usize) -> Split {
    let mut work = Work {
        aim: *aim,
        max_parts,
        unit: unit.max(1),
        guide: Guide::default(),
        grown: 0,
        split: Split {
            lanes: Vec::new(),
            missing: aim.amount,
            short_of_parts: false,
            full: false,
            dear: false,
        },
    };
    for _ in 0..MAX_ROUNDS {
        if work.split.missing == 0 || !work.place(tools) {
            break;
        }
    }
    work.split.lanes.iter().for_each(|lane| lane.enter(tools.field, false));
    work.split
}

struct Work {
    aim: Aim,
    max_parts: usize,
    unit: u64,
    guide: Guide,
    /// The amount for which the potentials were made; 0 before.
    grown: u64,
    split: Split,
}

impl Work {
    /// Places one unit or what is left; false when nothing more can be.
    fn place(&mut self, tools: &mut Tools<'_>) -> bool {
        let amount = self.unit.min(self.split.missing);
        let widened = self.widest(tools, amount);
        let new = self.new_way(tools, amount, widened.as_ref().map_or(u64::MAX, |(cost, ..)| *cost));
        if new.is_some_and(|arcs| self.add(tools, &arcs, amount)) {
            self.split.missing -= amount;
            return true;
        }
        if let Some((_, at, lane)) = widened {
            self.replace(tools, at, lane);
            self.split.missing -= amount;
            return true;
        }
        if self.fill(tools, amount) {
            return true;
        }
        if self.split.dear {
            return false;
        }
        let aim = Aim { amount, ..self.aim };
        let widest = tools.ahead.widest(tools.field, &aim, &self.guide, tools.barred);
        if widest > amount && self.give_up_some(tools, amount) {
            return true;
        }
        self.split.full = widest == 0 && !self.split.short_of_parts;
        self.unit = widest.min(amount / 2);
        self.unit > 0
    }

    /// The cheapest way to make a part larger by `amount`: what that costs, which part, and what becomes of it.
    fn widest(&self, tools: &mut Tools<'_>, amount: u64) -> Option<(u64, usize, Lane)> {
        let fee: u64 = self.split.lanes.iter().map(Lane::fee).sum();
        let mut best: Option<(u64, usize, Lane)> = None;
        for (at, lane) in self.split.lanes.iter().enumerate() {
            lane.enter(tools.field, false);
            let larger =
                Lane::new(tools.field, &self.aim, lane.edges.clone(), lane.delivered.saturating_add(amount));
            let costs = larger.as_ref().and_then(|larger| larger.cost(tools.field, &self.aim));
            let now = lane.cost(tools.field, &self.aim).unwrap_or(0);
            lane.enter(tools.field, true);
            if let (Some(larger), Some(costs)) = (larger, costs) {
                let affordable = fee - lane.fee() + larger.fee() <= self.aim.max_fee;
                let more = costs.saturating_sub(now);
                if affordable && best.as_ref().is_none_or(|(least, ..)| more < *least) {
                    best = Some((more, at, larger));
                }
            }
        }
        best
    }

    /// The cheapest new way for `amount` that costs less than `bound`.
    fn new_way(&mut self, tools: &mut Tools<'_>, amount: u64, bound: u64) -> Option<Vec<Arc>> {
        if self.split.lanes.len() >= self.max_parts {
            self.split.short_of_parts = true;
            return None;
        }
        let aim = Aim { amount, ..self.aim };
        if self.grown != amount && (self.grown == 0 || amount < self.grown / 2 || amount > self.grown) {
            self.grow(tools, &aim)?;
            if self.split.lanes.is_empty() {
                let way = tools.tree.way(tools.field, &aim);
                return Some(way.into_iter().map(|edge| Arc { edge, back: false }).collect());
            }
        }
        tools.ahead.find(tools.field, &aim, &mut self.guide, tools.barred, bound)
    }

    /// Makes the potentials for an amount.
    fn grow(&mut self, tools: &mut Tools<'_>, aim: &Aim) -> Option<()> {
        self.grown = aim.amount;
        let bound = tools.field.node_bound();
        if !tools.tree.grow(tools.field, aim, tools.barred) {
            // What is planned may still make way: nothing is promised then.
            self.guide.potentials = vec![0; bound];
            self.guide.amounts = vec![aim.amount; bound];
            return (!self.split.lanes.is_empty()).then_some(());
        }
        let whole = tools.tree.label(aim.source)?.cost;
        let nodes = || (0..bound).map(mark);
        self.guide.potentials.clear();
        self.guide.potentials.extend(nodes().map(|node| tools.tree.at_least(node, whole)));
        self.guide.amounts.clear();
        let amount = |node| tools.tree.label(node).map_or(aim.amount, |label| label.amount.max(aim.amount));
        self.guide.amounts.extend(nodes().map(amount));
        Some(())
    }

    /// Adds a new way to the plan; false when its exact amounts do not fit.
    fn add(&mut self, tools: &mut Tools<'_>, arcs: &[Arc], amount: u64) -> bool {
        if arcs.iter().any(|arc| arc.back) {
            return self.weave(tools, arcs, amount);
        }
        let edges: Vec<u32> = arcs.iter().map(|arc| arc.edge).collect();
        let Some(lane) = Lane::new(tools.field, &self.aim, edges, amount) else { return false };
        let fee: u64 = self.split.lanes.iter().map(Lane::fee).sum();
        if fee + lane.fee() > self.aim.max_fee {
            self.split.dear = true;
            return false;
        }
        if lane.cost(tools.field, &self.aim).is_none() {
            return false;
        }
        lane.enter(tools.field, true);
        self.split.lanes.push(lane);
        self.count(tools.field);
        true
    }

    fn replace(&mut self, tools: &mut Tools<'_>, at: usize, lane: Lane) {
        self.split.lanes[at].enter(tools.field, false);
        lane.enter(tools.field, true);
        self.split.lanes[at] = lane;
        self.count(tools.field);
    }

    /// Counts what is delivered over each edge.
    fn count(&mut self, field: &Field) {
        self.guide.planned.clear();
        self.guide.planned_to.clear();
        for lane in &self.split.lanes {
            for edge in &lane.edges {
                *self.guide.planned.entry(*edge).or_default() += lane.delivered;
            }
        }
        for edge in self.guide.planned.keys() {
            self.guide.planned_to.entry(field.place(*edge).to).or_default().push(*edge);
        }
    }

    /// Makes all ways anew after one that sends planned money back; false, with nothing changed, when that does not fit.
    fn weave(&mut self, tools: &mut Tools<'_>, arcs: &[Arc], amount: u64) -> bool {
        let mut planned = self.guide.planned.clone();
        for arc in arcs {
            let over = planned.entry(arc.edge).or_default();
            *over = if arc.back { over.saturating_sub(amount) } else { *over + amount };
        }
        planned.retain(|_, over| *over > 0);
        let before = core::mem::take(&mut self.split.lanes);
        before.iter().for_each(|lane| lane.enter(tools.field, false));
        let lanes = unravel(tools.field, &self.aim, planned);
        let fits = |lanes: &Vec<Lane>| {
            let delivered: u64 = lanes.iter().map(|lane| lane.delivered).sum();
            let wanted: u64 = before.iter().map(|lane| lane.delivered).sum::<u64>() + amount;
            let fee: u64 = lanes.iter().map(Lane::fee).sum();
            delivered == wanted && fee <= self.aim.max_fee && lanes.len() <= self.max_parts
        };
        let entered = lanes.filter(fits).and_then(|lanes| enter_all(tools.field, &self.aim, lanes));
        let worked = entered.is_some();
        self.split.lanes = entered.unwrap_or_else(|| {
            before.iter().for_each(|lane| lane.enter(tools.field, true));
            before
        });
        self.count(tools.field);
        worked
    }

    /// There is a way for more than what is left: hops there take no HTLC as small as that. So the largest part gives up as much
    /// again; false when that is no small thing.
    fn give_up_some(&mut self, tools: &mut Tools<'_>, amount: u64) -> bool {
        if amount < self.split.missing || amount > self.aim.amount / SMALL_PART {
            return false;
        }
        let largest = (0..self.split.lanes.len()).max_by_key(|at| self.split.lanes[*at].delivered);
        let Some((at, lane)) = largest.map(|at| (at, &self.split.lanes[at])) else { return false };
        let less = lane.delivered.checked_sub(amount).filter(|less| *less > 0);
        let smaller = less.and_then(|less| Lane::new(tools.field, &self.aim, lane.edges.clone(), less));
        let Some(smaller) = smaller else { return false };
        self.replace(tools, at, smaller);
        self.split.missing += amount;
        self.unit = self.split.missing;
        true
    }

    /// Makes a part larger by as much as it has room for, up to `amount`; false when none has any.
    fn fill(&mut self, tools: &mut Tools<'_>, amount: u64) -> bool {
        let fee: u64 = self.split.lanes.iter().map(Lane::fee).sum();
        let mut best: Option<(u64, usize)> = None;
        for (at, lane) in self.split.lanes.iter().enumerate() {
            let room = lane.room(tools.field, &self.aim, amount);
            if room > best.map_or(0, |(most, _)| most) {
                best = Some((room, at));
            }
        }
        let Some((room, at)) = best else { return false };
        let lane = &self.split.lanes[at];
        let larger = Lane::new(tools.field, &self.aim, lane.edges.clone(), lane.delivered + room);
        let affordable = |larger: &Lane| fee - lane.fee() + larger.fee() <= self.aim.max_fee;
        let Some(larger) = larger.filter(affordable) else {
            self.split.dear = true;
            return false;
        };
        self.replace(tools, at, larger);
        self.split.missing -= room;
        true
    }
}

/// Enters lanes one by one; takes them out again when one does not fit beside the others.
fn enter_all(field: &mut Field, aim: &Aim, lanes: Vec<Lane>) -> Option<Vec<Lane>> {
    for (at, lane) in lanes.iter().enumerate() {
        if lane.cost(field, aim).is_none() {
            lanes[..at].iter().for_each(|lane| lane.enter(field, false));
            return None;
        }
        lane.enter(field, true);
    }
    Some(lanes)
}

/// Makes ways of what is to flow over each edge, the widest first; what flows in a circle is left out.
fn unravel(field: &Field, aim: &Aim, mut planned: BTreeMap<u32, u64>) -> Option<Vec<Lane>> {
    let mut lanes: Vec<Lane> = Vec::new();
    while let Some((edges, width)) = widest_way(field, aim, &planned) {
        for edge in &edges {
            let left = planned.get(edge).copied().unwrap_or(0) - width;
            if left == 0 {
                planned.remove(edge);
            } else {
                planned.insert(*edge, left);
            }
        }
        lanes.push(Lane::new(field, aim, edges, width)?);
    }
    Some(lanes)
}

/// The way from source to target over which most flows, and how much that is.
fn widest_way(field: &Field, aim: &Aim, planned: &BTreeMap<u32, u64>) -> Option<(Vec<u32>, u64)> {
    let mut best: BTreeMap<u32, (u64, u32)> = BTreeMap::new();
    let mut open: Vec<(u64, u32)> = vec![(u64::MAX, aim.source)];
    let mut done: Vec<u32> = Vec::new();
    while let Some(at) = (0..open.len()).max_by_key(|at| open[*at]) {
        let (width, node) = open.swap_remove(at);
        if done.contains(&node) {
            continue;
        }
        done.push(node);
        if node == aim.target {
            break;
        }
        for (edge, flow) in planned.iter().filter(|(edge, _)| field.edge(**edge).from == node) {
            let to = field.place(*edge).to;
            let width = width.min(*flow);
            if !done.contains(&to) && best.get(&to).is_none_or(|(other, _)| width > *other) {
                best.insert(to, (width, *edge));
                open.push((width, to));
            }
        }
    }
    let (width, _) = *best.get(&aim.target)?;
    let (mut edges, mut node) = (Vec::new(), aim.target);
    while node != aim.source {
        let (_, edge) = *best.get(&node)?;
        edges.push(edge);
        node = field.edge(edge).from;
    }
    edges.reverse();
    Some((edges, width))
}
