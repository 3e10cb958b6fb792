//! A coin pays for one thing: the claims of no two channels spend it, nor a claim and what else the node owes the chain.

use crate::plant::Plant;
use crate::violation::{Checker, Violation, ensure};
use crate::world::World;
use bitcoin::OutPoint;
use std::collections::BTreeMap;

/// After a commit of a node.
pub(super) fn check(world: &World, node: usize) -> Result<(), Violation> {
    if !world.court.sits {
        return Ok(());
    }
    let Some(process) = world.process(node) else { return Ok(()) };
    let mut users: BTreeMap<OutPoint, String> = BTreeMap::new();
    let mut uses = |coin: OutPoint, user: String| {
        let other = users.insert(coin, user.clone()).filter(|other| *other != user);
        ensure(other.is_none(), Checker::Coins, || {
            format!("node {node} spends {coin} for {user} and for {}", other.unwrap_or_default())
        })
    };
    for (txid, owed) in process.node.owed_transactions() {
        for input in &owed.inputs {
            uses(input.outpoint, format!("transaction {txid}"))?;
        }
    }
    for (keys, _) in process.node.channels() {
        let coins = process.node.resolution(&keys).into_iter().flat_map(|resolution| resolution.coins());
        for coin in coins {
            uses(coin, format!("channel {keys}"))?;
            if world.plant == Some(Plant::SharesCoins { node }) {
                uses(coin, "somebody else".to_owned())?;
            }
        }
    }
    Ok(())
}
