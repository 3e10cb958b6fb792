//! What a hop costs: fee, risk and time in one number.

use super::request::{Limits, Request, Weights};
use crate::snapshot::Edge;

/// What things are worth for one amount, in millisatoshi.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prices {
    /// 0 or 1: whether fees count.
    fee: u64,
    /// A nat of risk.
    nat: f32,
    /// A hop.
    hop: u64,
    /// A block of time.
    block: f32,
}

impl Prices {
    #[expect(clippy::cast_precision_loss, reason = "24 bits are enough for a weight")]
    pub(super) fn new(weights: &Weights, amount: u64) -> Self {
        let share = |millionths: u64| {
            let share = u128::from(amount) * u128::from(millionths) / 1_000_000;
            u64::try_from(share).unwrap_or(u64::MAX).min(MAX_PRICE)
        };
        let per_block = amount as f32 * weights.lock_billionths as f32 * 1e-9;
        Self {
            fee: 1,
            nat: weights.risk_msat.saturating_add(share(weights.risk_millionths)).min(MAX_PRICE) as f32,
            hop: weights.hop_msat.saturating_add(share(weights.hop_millionths)).min(MAX_PRICE),
            block: per_block.min(MAX_PRICE as f32),
        }
    }

    /// Only the fee counts.
    pub(super) const CHEAPEST: Self = Self { fee: 1, nat: 0.0, hop: 1, block: 0.0 };

    /// Only the time counts.
    pub(super) const SOONEST: Self = Self { fee: 0, nat: 0.0, hop: 1, block: 1_000.0 };

    /// Only the number of hops counts.
    pub(super) const SHORTEST: Self = Self { fee: 0, nat: 0.0, hop: 1, block: 0.0 };

    /// What a hop costs at least.
    pub(super) const fn hop(&self) -> u64 {
        self.hop
    }

    /// The cost of one hop.
    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "never negative, and a cast of what is too large gives the largest"
    )]
    pub(super) fn cost(&self, fee: u64, nats: f32, blocks: u16) -> u64 {
        let soft = nats * self.nat + f32::from(blocks) * self.block;
        (fee * self.fee).saturating_add(self.hop).saturating_add(soft as u64)
    }
}

/// No price is higher: ten bitcoin. A sum over all hops of a way then stays far below 2^64.
const MAX_PRICE: u64 = 1_000_000_000_000;

/// `fee_base_msat + amount_to_forward * fee_proportional_millionths / 1000000` (BOLT 7); `None` when it does not fit.
#[inline]
pub(super) fn fee(edge: &Edge, amount: u64) -> Option<u64> {
    let millionths = edge.fee_proportional_millionths;
    if amount < 1 << 40 && millionths < 1 << 24 {
        // The usual case, without arithmetic of 128 bits.
        return Some(u64::from(edge.fee_base_msat) + amount * u64::from(millionths) / 1_000_000);
    }
    let share = u128::from(amount) * u128::from(millionths) / 1_000_000;
    u64::try_from(share).ok()?.checked_add(edge.fee_base_msat.into())
}

/// What one search is after: an amount between two nodes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Aim {
    pub(super) source: u32,
    pub(super) target: u32,
    pub(super) amount: u64,
    pub(super) max_fee: u64,
    pub(super) max_blocks: u32,
    pub(super) max_hops: u8,
    pub(super) prices: Prices,
}

impl Aim {
    pub(super) fn new(request: &Request<'_>, source: u32, target: u32) -> Self {
        let Limits { max_fee, max_blocks, max_hops, .. } = request.limits;
        Self {
            source,
            target,
            amount: request.amount.0,
            max_fee: max_fee.0,
            max_blocks,
            max_hops: u8::try_from(max_hops.min(super::request::MAX_HOPS)).expect("twenty at most"),
            prices: Prices::new(&request.weights, request.amount.0),
        }
    }
}
