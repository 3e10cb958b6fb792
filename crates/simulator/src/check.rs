//! The rules that hold in every world, one small file each.

pub(crate) mod budget;
pub(crate) mod closes;
mod coins;
mod disk;
pub(crate) mod exit;
pub(crate) mod fees;
pub(crate) mod justice;
mod mirror;
mod money;
mod payments;
mod preimage;
pub(crate) mod punished;
mod reestablish;
mod tree;
mod unclaimed;
mod wealth;

use crate::machine::{Machine, Part};
use crate::violation::Violation;
use crate::world::World;
use astrape_node::{ChannelFact, Effect, Fact};
use astrape_primitives::Height;
use astrape_regtest::RegtestChain;
use justice::Signed;
use money::Beginning;
use preimage::Preimages;

/// What the checkers remember by themselves.
#[derive(Clone)]
pub(crate) struct Checks {
    pub(crate) signed: Signed,
    pub(crate) preimages: Preimages,
    pub(crate) beginning: Beginning,
}

impl Checks {
    pub(crate) fn new(machines: &[Machine], chain: &RegtestChain, from: Height) -> Self {
        Self {
            signed: Signed::default(),
            preimages: Preimages::default(),
            beginning: Beginning::new(machines, chain, from),
        }
    }
}

/// After every commit, before its effects get out.
pub(crate) fn after_commit(
    world: &mut World,
    node: usize,
    parts: &[Part],
    effects: &[Effect],
) -> Result<(), Violation> {
    world.totals.steps += parts.len() as u64;
    disk::check(world, node)?;
    coins::check(world, node)?;
    if world.besieged {
        world.checks.signed.record(node, effects)?;
        preimage::check(world, node)?;
        return facts(world, node);
    }
    reestablish::count(world, node, parts, effects);
    world.checks.signed.record(node, effects)?;
    world.checks.preimages.learnt(node, parts);
    preimage::check(world, node)?;
    world.count_ends_while_still(node);
    facts(world, node)
}

/// Each fact that is new in the ledger of a node.
fn facts(world: &mut World, node: usize) -> Result<(), Violation> {
    let machine = &mut world.machines[node];
    let ledger = machine.disk.journal.ledger();
    let new = ledger.get(machine.facts_seen..).unwrap_or_default().to_vec();
    machine.facts_seen = ledger.len();
    for entry in new {
        if world.besieged {
            closes::under_siege(node, &entry.fact)?;
            continue;
        }
        closes::fact(world, node, &entry.fact)?;
        payments::fact(world, node, &entry.fact)?;
        fees::fact(world, node, &entry.fact)?;
    }
    Ok(())
}

/// The fundings of all channels.
pub(crate) fn fundings(world: &World) -> std::collections::BTreeSet<bitcoin::OutPoint> {
    let ledgers = world.machines.iter().flat_map(|machine| machine.disk.journal.ledger());
    let of_entry = |entry: &astrape_node::Entry| match &entry.fact {
        Fact::Channel { event: ChannelFact::Opened { outpoint, .. }, .. } => Some(*outpoint),
        _ => None,
    };
    ledgers.filter_map(of_entry).collect()
}

/// When all is resolved that went on chain.
pub(crate) fn before_court(world: &World) -> Result<(), Violation> {
    for node in (0..world.machines.len()).filter(|node| world.court.is_honest(*node)) {
        disk::compare(world, node)?;
        justice::check(world, node)?;
    }
    let trees = tree::trees(world);
    unclaimed::check(world, &trees)?;
    wealth::check(world, &trees)
}

/// When nothing is under way.
pub(crate) fn at_rest(world: &World) -> Result<(), Violation> {
    if world.late.is_some() {
        // Its channels end on chain, where the other side pays it out: nothing else is left to agree on.
        return Ok(());
    }
    for node in 0..world.machines.len() {
        disk::compare(world, node)?;
        justice::check(world, node)?;
    }
    mirror::check(world)?;
    payments::at_rest(world)?;
    fees::at_rest(world)?;
    money::check(world)
}
