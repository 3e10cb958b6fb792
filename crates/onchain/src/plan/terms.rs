//! On which terms outputs are claimed: what is at stake, by when, who else waits for the coins, and what follows for the fee.

use super::build::{NotBuilt, Shared};
use super::fee::{self, COMMITMENT_BLOCKS, LEISURE_BLOCKS, Stake, budget, budget_at_leisure, per_kw};
use crate::resolution::{Resolution, View};
use crate::tracked::{Role, Tracked};
use astrape_primitives::{FeeratePerKw, Height, Sat};
use astrape_transactions::CommitmentFormat;
use bitcoin::OutPoint;

/// Most pieces that a change is split into. Each weighs a tenth of a commitment with its child; a single coin has become a
/// thousand after five blocks.
const MAX_PIECES: u64 = 4;

/// The terms on which some outputs of one group are claimed.
pub(super) struct Terms {
    pub(super) stake: Stake,
    pub(super) value: Sat,
    pub(super) weight: u64,
    /// The block by which it must be in for its own sake.
    pub(super) deadline: Option<Height>,
    /// What the last claim of any of them paid.
    paid: FeeratePerKw,
}

impl Terms {
    /// Most pieces of its change: one for each channel that waits for a coin, and one for its own next claim, as long as
    /// what they weigh is within the budget.
    pub(super) fn pieces(&self, shared: &Shared<'_>, view: &View<'_>, feerate: FeeratePerKw) -> u64 {
        let wanted = (view.waiting.channels as u64).saturating_add(1).min(MAX_PIECES);
        let weight = |pieces: u64| self.weight + (pieces - 1) * shared.change_weight();
        let fits = |pieces: &u64| fee::fee(feerate, weight(*pieces)) <= self.stake.budget;
        (1..=wanted).rev().find(fits).unwrap_or(1)
    }
}

/// The terms of these.
pub(super) fn terms(
    resolution: &Resolution,
    view: &View<'_>,
    shared: &Shared<'_>,
    items: &[(OutPoint, &Tracked)],
) -> Terms {
    let value: Sat = items.iter().map(|(_, t)| t.value()).sum();
    let weight = shared.expected_weight(items);
    let claimable =
        items.iter().filter_map(|(_, t)| t.claimable_from(resolution.format)).min().unwrap_or_default();
    let deadline = items.iter().filter_map(|(_, t)| t.deadline()).min();
    let since = fee::rises_from(claimable, deadline, view.nights.between(claimable, view.tip));
    let paid = items.iter().map(|(_, t)| t.paid).max().unwrap_or_default();
    let signed = signed_fee(resolution.format, items);
    let stake = match items.first().map(|(_, t)| &t.role) {
        Some(Role::Anchor { parent: Some(parent) }) => {
            let of_htlcs = budget(parent.at_stake);
            let waited = waited(view, claimable);
            let of_balance = fee::budget_of_balance(parent.balance, waited);
            // What the parent pays counts too: the feerate is that of both.
            let all = of_htlcs.saturating_add(of_balance).saturating_add(parent.fee);
            Stake { budget: all, since, deadline, leisure: COMMITMENT_BLOCKS }
        }
        _ if signed.is_some() => Stake::until(signed.unwrap_or_default(), since, deadline),
        _ if deadline.is_some() => Stake::until(budget(value), since, deadline),
        _ => {
            // What else is to come takes it along for less than it would cost alone.
            let is_patient = waited(view, claimable) < LEISURE_BLOCKS || !are_the_last(resolution, items);
            let least = if is_patient { FeeratePerKw::FLOOR } else { view.feerates.floor() };
            Stake::at_leisure(budget_at_leisure(value, fee::fee(least, weight)), since)
        }
    };
    let needs_coins = items.iter().any(|(_, t)| t.needs_coins(resolution.format));
    let most = match items.first().map(|(_, t)| &t.role) {
        Some(Role::Anchor { .. }) => Sat(resolution.capacity.0 / 2),
        _ => budget(value),
    };
    let stake = match (needs_coins, signed) {
        (true, _) => stake.hurried(&view.waiting, most),
        (false, Some(_)) => stake,
        // It pays for itself: the whole budget may leave less than an output must hold, and then there is no claim.
        (false, None) => Stake { budget: stake.budget.min(shared.most_fee(value)), ..stake },
    };
    Terms { stake, value, weight, deadline, paid }
}

/// Whether nothing else of the close is still to be taken.
fn are_the_last(resolution: &Resolution, items: &[(OutPoint, &Tracked)]) -> bool {
    let is_open = |t: &&Tracked| t.spent.is_none() && !matches!(t.role, Role::Anchor { .. } | Role::Foreign);
    resolution.outputs.values().filter(is_open).count() <= items.iter().filter(|(_, t)| is_open(t)).count()
}

/// The fee of an HTLC transaction without anchors: both have signed it long ago.
fn signed_fee(format: CommitmentFormat, items: &[(OutPoint, &Tracked)]) -> Option<Sat> {
    match items.first().map(|(_, t)| (&t.role, t.value())) {
        Some((Role::OurHtlc { second_stage, .. }, value)) if format == CommitmentFormat::StaticRemotekey => {
            Some(value.saturating_sub(*second_stage))
        }
        _ => None,
    }
}

/// What a claim pays at least that could have been in a block for so long, at `last` if at anything.
pub(super) fn after_waiting(
    view: &View<'_>,
    terms: &Terms,
    last: FeeratePerKw,
    since: Height,
) -> FeeratePerKw {
    fee::after_waiting(terms.stake, terms.weight, last, waited(view, since))
}

/// Blocks since then that came while we were awake.
fn waited(view: &View<'_>, since: Height) -> u32 {
    let asleep = view.nights.between(since, view.tip);
    view.tip.0.saturating_sub(since.0).saturating_sub(asleep)
}

/// What a commitment that waits without a child pays, and since when.
fn alone(items: &[(OutPoint, &Tracked)]) -> Option<(FeeratePerKw, Height)> {
    items.iter().find_map(|(_, tracked)| match &tracked.role {
        Role::Anchor { parent: Some(parent) } => Some((per_kw(parent.fee, parent.weight), tracked.since)),
        _ => None,
    })
}

/// The terms of a first claim of some outputs, and what it pays.
pub(super) fn offer(
    resolution: &Resolution,
    view: &View<'_>,
    shared: &Shared<'_>,
    items: &[(OutPoint, &Tracked)],
) -> Result<(Terms, FeeratePerKw), NotBuilt> {
    let terms = terms(resolution, view, shared, items);
    if let Some(fee) = signed_fee(resolution.format, items) {
        // Nothing can be added to it, whatever the day: a mempool that is too dear today is asked again with each block.
        let feerate = per_kw(fee, terms.weight);
        return Ok((terms, feerate));
    }
    let wanted = fee::feerate(terms.stake, terms.weight, view.tip, &view.feerates);
    let wanted = wanted.ok_or(NotBuilt::NotWorth)?;
    let most = per_kw(terms.stake.budget, terms.weight);
    let late = alone(items).map(|(paid, since)| after_waiting(view, &terms, paid, since));
    let feerate = wanted.max(terms.paid.min(most)).max(late.unwrap_or_default());
    Ok((terms, feerate))
}

/// Whether the coins that are left are for channels that have a deadline, while this claim has none.
pub(super) fn is_after_others(
    resolution: &Resolution,
    view: &View<'_>,
    items: &[(OutPoint, &Tracked)],
    terms: &Terms,
    coins: usize,
) -> bool {
    terms.deadline.is_none()
        && coins <= view.waiting.urgent
        && view.waiting.urgent > 0
        && items.iter().any(|(_, t)| t.needs_coins(resolution.format))
}
