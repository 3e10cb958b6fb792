//! What became of a funding: every transaction that spends it or what came of it, up to the coins of the wallets.

use crate::world::World;
use astrape_node::{ChannelFact, Fact};
use astrape_primitives::Sat;
use bitcoin::{OutPoint, ScriptBuf, TxOut, Txid};
use std::collections::{BTreeMap, BTreeSet};

/// Of one funding that is spent.
#[derive(Clone, Debug, Default)]
pub(super) struct Tree {
    /// The transaction that spends it.
    pub(super) spend: Option<Txid>,
    /// The nodes whose channel it was.
    pub(super) parties: BTreeSet<usize>,
    /// What all its transactions paid to miners.
    pub(super) fees: Sat,
    /// Outputs that nothing spends and no wallet has.
    pub(super) left: BTreeMap<OutPoint, TxOut>,
}

fn is_of_a_thief(world: &World, script: &ScriptBuf) -> bool {
    let thief = world.court.thief.map(|node| &world.machines[node]);
    thief.is_some_and(|machine| machine.wallet.owns(script))
}

/// All fundings of the world that are spent in the chain or the mempool.
pub(super) fn trees(world: &World) -> BTreeMap<OutPoint, Tree> {
    let mut trees: BTreeMap<OutPoint, Tree> = BTreeMap::new();
    for (node, machine) in world.machines.iter().enumerate() {
        for entry in machine.disk.journal.ledger() {
            if let Fact::Channel { event: ChannelFact::Opened { outpoint, .. }, .. } = &entry.fact {
                trees.entry(*outpoint).or_default().parties.insert(node);
            }
        }
    }
    let mut outputs: BTreeMap<OutPoint, TxOut> = BTreeMap::new();
    for tx in super::money::transactions(world) {
        let txid = tx.compute_txid();
        for (funding, tree) in &mut trees {
            let is_of_it = |o: &OutPoint| o == funding || tree.left.contains_key(o);
            if !tx.input.iter().any(|input| is_of_it(&input.previous_output)) {
                continue;
            }
            let brought = tx.input.iter().filter_map(|i| outputs.get(&i.previous_output));
            let brought: Sat = brought.map(|out| Sat::from(out.value)).sum();
            let paid: Sat = tx.output.iter().map(|out| Sat::from(out.value)).sum();
            // What a thief adds of its own to contest an output is not taken of the channel.
            let scripts =
                tx.input.iter().filter_map(|i| Some(&outputs.get(&i.previous_output)?.script_pubkey));
            let is_paid_by_thief = scripts.into_iter().any(|script| is_of_a_thief(world, script));
            if !is_paid_by_thief {
                tree.fees = tree.fees.saturating_add(brought.saturating_sub(paid));
            }
            tree.spend.get_or_insert(txid);
            for input in &tx.input {
                tree.left.remove(&input.previous_output);
            }
            for (vout, output) in (0_u32..).zip(&tx.output) {
                let is_home = world.machines.iter().any(|m| m.wallet.owns(&output.script_pubkey));
                if !is_home {
                    tree.left.insert(OutPoint { txid, vout }, output.clone());
                }
            }
        }
        outputs.extend((0_u32..).zip(tx.output).map(|(vout, output)| (OutPoint { txid, vout }, output)));
    }
    trees.retain(|_, tree| tree.spend.is_some());
    trees
}
