//! No honest node loses more on chain than what miners and dust take: whatever its peers did, it has what its payments, its
//! forwards and its channels come to.

use crate::check::money::{self, msat};
use crate::check::tree::Tree;
use crate::court::TOO_SMALL;
use crate::plant::Plant;
use crate::violation::{Checker, Violation, ensure};
use crate::world::World;
use astrape_primitives::{Msat, Sat, Side};
use bitcoin::OutPoint;
use std::collections::BTreeMap;

/// Both anchors of a commitment.
const ANCHORS: Sat = Sat(660);

/// Twice what it costs to claim an HTLC at the highest price of these worlds: for less no channel is closed (ADR 10).
const NOT_WORTH_A_CLOSE: Sat = Sat(10_000);

/// What a planted bug takes away: more than any dust.
const PLANTED_LOSS: Sat = Sat(100_000);

/// All honest nodes.
pub(super) fn check(world: &World, trees: &BTreeMap<OutPoint, Tree>) -> Result<(), Violation> {
    let spends = money::spends(world);
    for node in (0..world.machines.len()).filter(|node| world.court.is_honest(*node)) {
        let account = money::account(world, node, &spends);
        let lost = if world.plant == Some(Plant::LosesCoins { node }) { PLANTED_LOSS } else { Sat::ZERO };
        let missing = account.should - account.fees - account.has + msat(lost.to_msat());
        let allowed = account.allowance + on_chain(node, trees) + in_flight(world, node);
        ensure(missing <= allowed, Checker::Wealth, || {
            format!(
                "node {node} has lost {missing} msat, and {allowed} may go to miners and dust ({account:?})"
            )
        })?;
    }
    Ok(())
}

/// What miners and dust have taken of the channels of a node.
fn on_chain(node: usize, trees: &BTreeMap<OutPoint, Tree>) -> i128 {
    let of_node = trees.values().filter(|tree| tree.parties.contains(&node));
    let taken = of_node.map(|tree| {
        let values = tree.left.values().map(|output| Sat::from(output.value));
        let dust: Sat = values.filter(|value| *value < TOO_SMALL).sum();
        tree.fees.saturating_add(dust).saturating_add(ANCHORS)
    });
    taken.map(|taken| msat(taken.to_msat())).sum()
}

/// What hangs in channels with peers that are gone, and is not worth a close.
fn in_flight(world: &World, node: usize) -> i128 {
    let channels = world.process(node).into_iter().flat_map(|p| p.node.channels());
    let htlcs = channels.filter_map(|(_, c)| c.open()).flat_map(|open| open.htlcs.values());
    let may_hang = |amount: Msat, offered_by: Side, is_known: bool| {
        offered_by == Side::Local || (is_known && amount < NOT_WORTH_A_CLOSE.to_msat())
    };
    let hanging = htlcs.filter(|h| may_hang(h.amount, h.offered_by, h.preimage().is_some()));
    hanging.map(|htlc| msat(htlc.amount)).sum()
}
