//! A way with its amount: exact amounts backwards, and what it costs beside the others.

use super::field::Field;
use super::price::{Aim, fee};

/// A way with what it is to deliver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lane {
    /// Edges in the order of the money.
    pub(super) edges: Vec<u32>,
    /// What arrives, in millisatoshi.
    pub(super) delivered: u64,
    /// The HTLC over each edge.
    pub(super) amounts: Vec<u64>,
    /// Blocks that the hops add.
    pub(super) blocks: u32,
}

impl Lane {
    /// Lays out the amounts; `None` when a hop takes no such amount, or the way is too long.
    pub(super) fn new(field: &Field, aim: &Aim, edges: Vec<u32>, delivered: u64) -> Option<Self> {
        let mut amounts = vec![0; edges.len()];
        let (mut amount, mut blocks) = (delivered, 0_u32);
        for (at, number) in edges.iter().enumerate().rev() {
            let edge = field.edge(*number);
            amounts[at] = amount;
            if amount < edge.htlc_minimum || amount > edge.htlc_maximum {
                return None;
            }
            if at > 0 {
                amount = amount.checked_add(fee(edge, amount)?)?;
                blocks += u32::from(edge.cltv_expiry_delta);
            }
        }
        let fits = blocks <= aim.max_blocks && edges.len() <= aim.max_hops.into() && !edges.is_empty();
        fits.then_some(Self { edges, delivered, amounts, blocks })
    }

    /// What the hops get.
    pub(super) fn fee(&self) -> u64 {
        self.amounts.first().map_or(0, |sent| sent - self.delivered)
    }

    /// Enters it into the field, or takes it out.
    pub(super) fn enter(&self, field: &mut Field, enters: bool) {
        for (edge, amount) in self.edges.iter().zip(&self.amounts) {
            let flow = field.flow(*edge);
            field.set_flow(
                *edge,
                if enters { flow.saturating_add(*amount) } else { flow.saturating_sub(*amount) },
            );
        }
    }

    /// What it costs beside all that is in the field; `None` when it does not fit. It must not be in the field itself.
    pub(super) fn cost(&self, field: &Field, aim: &Aim) -> Option<u64> {
        let mut cost = 0_u64;
        for (at, (number, amount)) in self.edges.iter().zip(&self.amounts).enumerate() {
            let edge = field.edge(*number);
            let flow = field.flow(*number);
            let nats =
                (field.nats(*number, flow.checked_add(*amount)?)? - field.nats(*number, flow)?).max(0.0);
            let (fee, delta) =
                if at == 0 { (0, 0) } else { (self.amounts[at - 1] - amount, edge.cltv_expiry_delta) };
            cost = cost.saturating_add(aim.prices.cost(fee, nats + field.slowness(*number), delta));
        }
        Some(cost)
    }

    /// The risk of it beside all that is in the field; `None` when it does not fit.
    pub(super) fn nats(&self, field: &Field) -> Option<f32> {
        let mut nats = 0.0;
        for (number, amount) in self.edges.iter().zip(&self.amounts) {
            nats += field.more_nats(*number, field.edge(*number), *amount)?;
        }
        Some(nats)
    }

    /// The largest part of `more` that it can deliver in addition. It must be in the field, and is taken out for the while.
    pub(super) fn room(&self, field: &mut Field, aim: &Aim, more: u64) -> u64 {
        self.enter(field, false);
        let fits = |extra: u64| {
            let lane = Lane::new(field, aim, self.edges.clone(), self.delivered.saturating_add(extra));
            lane.is_some_and(|lane| lane.cost(field, aim).is_some())
        };
        let (mut low, mut high) = (0, more);
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            if fits(middle) { low = middle } else { high = middle - 1 }
        }
        self.enter(field, true);
        low
    }
}
