//! Why nothing was found: which limit it was, or where how much is missing. It is asked after a search that failed, and may take
//! several others.

use super::field::Field;
use super::price::{Aim, Prices};
use super::refusal::NoRoute;
use super::request::{MAX_PARTS, Request};
use super::split::{Split, Tools, split};
use super::tree::Cut;
use super::{Finder, Lane};
use astrape_primitives::Msat;
use astrape_primitives::amount::MAX_MONEY_SAT;

/// More blocks than any way has.
const MANY_BLOCKS: u32 = 10_000_000;

/// Says why. `missing` is what no flow brings, where that is known.
pub(super) fn explain(
    tools: &mut Tools<'_>,
    aim: &Aim,
    request: &Request<'_>,
    missing: Option<u64>,
) -> NoRoute {
    if let Some(reason) = unsupported(tools, request) {
        return reason;
    }
    if let Some(reason) = limited(tools, aim, request) {
        return reason;
    }
    match missing {
        Some(missing) => NoRoute::NotEnoughBetween { to: request.to, missing: Msat(missing) },
        None => in_many_parts(tools, aim, request),
    }
}

/// What the payer's and the recipient's channels hold: looked at before any search.
pub(super) fn at_the_ends(field: &Field, aim: &Aim, request: &Request<'_>) -> Option<NoRoute> {
    let outbound = sum_from(field, aim.source);
    if outbound == 0 {
        return Some(NoRoute::NoChannel);
    }
    if outbound < aim.amount {
        return Some(NoRoute::NotEnoughOutbound { missing: Msat(aim.amount - outbound) });
    }
    let known = (aim.target as usize) < field.snapshot.bound();
    let base = if known { field.snapshot.edges_to(aim.target) } else { 0..0 };
    let to = base.map(super::field::mark).chain(field.added_to(aim.target).iter().copied());
    let rooms: Vec<u64> = to.map(|edge| field.room(edge)).collect();
    if rooms.is_empty() {
        return Some(NoRoute::UnknownNode(request.to));
    }
    let inbound = rooms.into_iter().fold(0, u64::saturating_add);
    (inbound < aim.amount)
        .then(|| NoRoute::NotEnoughInbound { to: request.to, missing: Msat(aim.amount - inbound) })
}

fn sum_from(field: &Field, source: u32) -> u64 {
    let known = (source as usize) < field.snapshot.bound();
    let base = if known { field.snapshot.edges_from(source) } else { &[] };
    let from = base.iter().chain(field.added_from(source));
    from.map(|(edge, _)| field.room(*edge)).fold(0, u64::saturating_add)
}

/// Whether it is for want of a feature.
fn unsupported(tools: &mut Tools<'_>, request: &Request<'_>) -> Option<NoRoute> {
    let feature = *request.through.first()?;
    let mut finder =
        Finder { field: tools.field.clone(), tree: tools.tree.clone(), ahead: tools.ahead.clone() };
    let without = finder.find(&Request { through: &[], ..*request });
    without.is_ok().then_some(NoRoute::NotSupported(feature))
}

/// Whether a single way breaks a limit.
fn limited(tools: &mut Tools<'_>, aim: &Aim, request: &Request<'_>) -> Option<NoRoute> {
    let limits = &request.limits;
    if limits.max_parts == 0 {
        return None;
    }
    let free = Aim { max_fee: MAX_MONEY_SAT * 1_000, ..*aim };
    if let Some(lane) = way(tools, &free, Prices::CHEAPEST) {
        return Some(NoRoute::FeeTooHigh { least: Msat(lane.fee()), limit: limits.max_fee });
    }
    if tools.tree.cut == Cut::default() {
        return None;
    }
    let free = Aim { max_blocks: MANY_BLOCKS, ..free };
    if let Some(lane) = way(tools, &free, Prices::SOONEST) {
        return Some(NoRoute::TooLong { blocks: lane.blocks, limit: limits.max_blocks });
    }
    let free = Aim { max_hops: u8::MAX, ..free };
    way(tools, &free, Prices::SHORTEST).map(|_| NoRoute::TooManyHops { limit: limits.max_hops })
}

fn way(tools: &mut Tools<'_>, aim: &Aim, prices: Prices) -> Option<Lane> {
    let aim = Aim { prices, ..*aim };
    if !tools.tree.grow(tools.field, &aim, tools.barred) {
        return None;
    }
    let way = tools.tree.way(tools.field, &aim);
    Lane::new(tools.field, &aim, way, aim.amount)
}

/// No single way holds the amount: whether many do, and at what price.
fn in_many_parts(tools: &mut Tools<'_>, aim: &Aim, request: &Request<'_>) -> NoRoute {
    let free = Aim { max_fee: MAX_MONEY_SAT * 1_000, ..*aim };
    let in_parts = split(tools, &free, aim.amount.div_ceil(2), 8 * MAX_PARTS);
    let limits = &request.limits;
    if in_parts.missing > 0 {
        NoRoute::NotEnoughBetween { to: request.to, missing: Msat(in_parts.missing) }
    } else if in_parts.lanes.len() > limits.max_parts.min(MAX_PARTS) {
        NoRoute::TooManyParts { amount: request.amount, limit: limits.max_parts }
    } else {
        let cheapest = Aim { prices: Prices::CHEAPEST, ..free };
        let cheapest = split(tools, &cheapest, aim.amount.div_ceil(2), 8 * MAX_PARTS);
        let fee =
            [in_parts, cheapest].iter().filter(|split| split.missing == 0).map(fee_of).min().unwrap_or(0);
        if fee <= limits.max_fee.0 {
            // So it was for the parts: more of them found a way than there may be.
            return NoRoute::TooManyParts { amount: request.amount, limit: limits.max_parts };
        }
        NoRoute::FeeTooHigh { least: Msat(fee), limit: limits.max_fee }
    }
}

fn fee_of(split: &Split) -> u64 {
    split.lanes.iter().map(Lane::fee).sum()
}
