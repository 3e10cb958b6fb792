//! Every output that is ours ends in our wallet: nothing of a channel between honest nodes is left on chain, and nothing of a
//! stolen one. What is left of a channel with one who is gone may be the other's: that our part is there is asked by `wealth`.

use crate::check::tree::Tree;
use crate::court::TOO_SMALL;
use crate::violation::{Checker, Violation, ensure};
use crate::world::World;
use astrape_primitives::Sat;
use bitcoin::OutPoint;
use std::collections::BTreeMap;

/// All trees of the world.
pub(super) fn check(world: &World, trees: &BTreeMap<OutPoint, Tree>) -> Result<(), Violation> {
    for (funding, tree) in trees {
        let is_stolen = tree.spend.is_some_and(|txid| world.court.stolen.contains(&txid));
        let are_honest = tree.parties.iter().all(|node| world.court.is_honest(*node));
        if !is_stolen && !are_honest {
            continue;
        }
        for (outpoint, output) in &tree.left {
            let value = Sat::from(output.value);
            ensure(value < TOO_SMALL, Checker::Unclaimed, || {
                let what = if is_stolen { "stolen" } else { "closed" };
                format!("{value} at {outpoint} of the {what} channel {funding} are in no wallet")
            })?;
        }
    }
    Ok(())
}
