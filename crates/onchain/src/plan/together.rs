//! HTLC transactions that share a coin: where the wallet has too few for one each.

use super::begin;
use super::build::NotBuilt;
use super::group::{Group, MAX_CONTESTED_INPUTS};
use crate::output::{Output, Story};
use crate::resolution::{Resolution, View};
use crate::tracked::Role;
use astrape_primitives::Sat;
use astrape_transactions::WalletInput;
use bitcoin::OutPoint;
use std::collections::BTreeMap;

/// Groups of outputs, each with what is claimed for it.
type Groups = Vec<(Group, Vec<OutPoint>)>;

/// Those that are to share a coin, and those that get one each where they need it: the first must not take the only coin from the
/// others.
pub(super) fn share(resolution: &Resolution, groups: Groups, coins: usize) -> (Groups, Groups) {
    let need_coins = |group: Group| {
        let Group::Alone(outpoint) = group else { return false };
        matches!(resolution.outputs.get(&outpoint).map(|t| &t.role), Some(Role::OurHtlc { .. }))
    };
    let too_few = groups.iter().filter(|(group, _)| need_coins(*group)).count() > coins;
    groups.into_iter().partition(|(group, _)| too_few && need_coins(*group))
}

/// HTLC transactions that found no coin of their own are tried as one: a single coin pays for all.
pub(super) fn together(
    resolution: &mut Resolution,
    view: &View<'_>,
    lacking: Vec<(Vec<OutPoint>, Sat)>,
    pool: &mut Vec<WalletInput>,
    out: &mut Vec<Output>,
) {
    let Some(missing) = lacking.iter().map(|(_, missing)| *missing).max() else {
        return;
    };
    let all: Vec<OutPoint> = lacking.into_iter().flat_map(|(inputs, _)| inputs).collect();
    let mut by_terms: BTreeMap<(u32, bool), Vec<OutPoint>> = BTreeMap::new();
    for outpoint in all {
        if let Some(tracked) = resolution.outputs.get(&outpoint).filter(|t| t.htlc().is_some()) {
            let key = (tracked.lock_time(), tracked.deadline().is_some());
            by_terms.entry(key).or_default().push(outpoint);
        }
    }
    let mut short = if by_terms.is_empty() { Some(missing) } else { None };
    for inputs in by_terms.into_values() {
        for chunk in inputs.chunks(MAX_CONTESTED_INPUTS) {
            if let Err(NotBuilt::NoCoins(missing)) = begin(resolution, view, chunk, pool, out) {
                short = short.max(Some(missing));
            }
        }
    }
    if let Some(missing) = short {
        out.push(Output::Story(Story::NoCoins { missing }));
    }
}
