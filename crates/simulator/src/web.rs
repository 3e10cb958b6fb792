//! A whole network from one seed: its shape and its balances are drawn, some of its nodes lie about what they ask, some spoil,
//! change, refuse or hold what they should pass on, any may die or fall asleep. Payments find their ways by what the network
//! tells, and each must end as paid or as failed, never as both and never twice.
//!
//! | room | what is in it |
//! |---|---|
//! | `shape` | who is whose neighbour, and which channels there are |
//! | `lies` | what the network tells of itself |
//! | `hostile` | forwarders that do not do what they are told |
//!
//! The nodes themselves are the real ones, those of liars too: what is hostile is done around them, to what their onions say
//! and to what they answer. So all the rules of other worlds hold here as well.

mod hostile;
mod lies;
mod shape;

use crate::calm;
use crate::event::Event;
use crate::plant::Plant;
use crate::swarm::{self, Outcome};
use crate::user::Flaw;
use crate::violation::{Checker, Violation};
use crate::world::World;
use astrape_primitives::{Msat, PaymentHash};
use astrape_transactions::CommitmentFormat;
pub(crate) use hostile::Trap;
use rand::Rng as _;
use std::collections::BTreeMap;

/// How large a network is, and how much happens in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Nodes: at most 200.
    pub nodes: usize,
    /// Payments, all of them between honest nodes.
    pub payments: usize,
}

impl Size {
    /// For tests.
    pub const SMALL: Self = Self { nodes: 16, payments: 30 };
    /// For a longer run.
    pub const LARGE: Self = Self { nodes: 200, payments: 1_000 };
}

/// Blocks that chance mines while payments are under way: far fewer than their expiries leave.
const MAX_BLOCKS: u64 = 20;

/// Most events between two rests, for each node. Beyond it something goes round in circles.
const MAX_EVENTS: u32 = 4_000;

/// Most times that the network is helped on after the faults have stopped.
const MAX_NUDGES: u32 = 240;

/// Nudges after which blocks come with them: what is still held is given back as its expiry nears.
const NUDGES_BEFORE_BLOCKS: u32 = 4;

/// What is special about a whole network.
#[derive(Clone, Debug, Default)]
pub(crate) struct Web {
    /// How each node that is not honest behaves.
    roles: BTreeMap<usize, Role>,
    /// Channels of which the network tells and which nobody has, between two liars.
    ghosts: Vec<(usize, usize)>,
    /// What hostile nodes hold or would.
    pub(crate) traps: Vec<Trap>,
    by_trap: BTreeMap<(usize, PaymentHash), usize>,
    is_there: bool,
}

/// How a node that is not honest behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    /// Tells that it asks for nothing, and refuses what brings nothing.
    Cheap,
    /// Tells that it needs no time, and refuses what leaves none.
    Hasty,
    /// Tells of channels that do not exist.
    Invents,
    /// Changes the failures that it passes on.
    Spoils,
    /// Takes the attribution data out of the failures that it passes on.
    Strips,
    /// Passes on over another channel than it is told to.
    Diverts,
    /// Passes on less than it is told to.
    Shrinks,
    /// Says that it cannot read an onion.
    Refuses,
    /// Holds what it should pass on, and gives it back later or not at all.
    Holds,
}

impl Role {
    /// Each as often as it is cast.
    const CAST: [Self; 11] = [
        Self::Cheap,
        Self::Hasty,
        Self::Invents,
        Self::Spoils,
        Self::Strips,
        Self::Diverts,
        Self::Shrinks,
        Self::Refuses,
        Self::Holds,
        Self::Holds,
        Self::Holds,
    ];
}

impl Web {
    /// Whether this world is a whole network.
    pub(crate) fn is_there(&self) -> bool {
        self.is_there
    }

    fn role(&self, node: usize) -> Option<Role> {
        self.roles.get(&node).copied()
    }
}

/// Runs one seed of a network of some size.
///
/// # Errors
/// The first rule that is broken.
pub fn run_web_seed(seed: u64, size: Size, aloud: bool) -> Result<Outcome, Violation> {
    run(new_world(seed, size, aloud), size)
}

/// The same with a planted bug. The first payment is from node 1 to node 0.
///
/// # Errors
/// The first rule that is broken: one is, if the checkers are worth something.
pub fn run_web_seed_with(seed: u64, size: Size, plant: Plant) -> Result<Outcome, Violation> {
    let mut world = new_world(seed, size, false);
    world.plant(plant);
    run(world, size)
}

fn new_world(seed: u64, size: Size, aloud: bool) -> World {
    let mut world = World::with_links(size.nodes, Vec::new(), CommitmentFormat::Anchors, seed);
    if aloud {
        world.speak();
    }
    world.network.links = shape::links(&mut world.rng, size.nodes);
    world.disk_check_every = 997;
    world.web.is_there = true;
    hostile::cast(&mut world);
    world
}

fn run(mut world: World, size: Size) -> Result<Outcome, Violation> {
    let world = &mut world;
    shape::open_channels(world, events(size))?;
    world.pay(1, 0, Msat(2_000_000), Flaw::ByGossip);
    while world.users.deals.len() < size.payments {
        act(world);
        for _ in 0..world.rng.gen_range(0..4 * size.nodes) {
            if world.advance()? == crate::Advance::Quiet {
                break;
            }
        }
    }
    come_to_rest(world, size)?;
    Ok(Outcome { totals: world.totals.clone(), hash: world.trace_hash() })
}

fn events(size: Size) -> u32 {
    u32::try_from(size.nodes).unwrap_or(u32::MAX).saturating_mul(MAX_EVENTS)
}

/// One act of chance.
fn act(world: &mut World) {
    match world.rng.gen_range(0..100) {
        0..=54 => pay(world),
        55..=74 => swarm::crash(world),
        75..=86 => swarm::cut(world),
        87..=89 => fall_asleep(world),
        90..=91 if world.totals.blocks < MAX_BLOCKS && calm::has_time(world, 1) => world.mine(1),
        92..=93 => swarm::feerate(world),
        94..=95 => world.network.latency = world.rng.gen_range(1..=400),
        96..=98 => world.network.latency = 20,
        _ => {}
    }
}

/// One honest node pays another, from a satoshi to more than most channels hold.
fn pay(world: &mut World) {
    let honest: Vec<usize> = (0..world.machines.len()).filter(|n| world.web.role(*n).is_none()).collect();
    let payer = world.rng.gen_range(0..honest.len());
    let payee = (payer + world.rng.gen_range(1..honest.len())) % honest.len();
    let flaw = match world.rng.gen_range(0..24) {
        0 => Flaw::Unknown,
        1 => Flaw::Held,
        2 => Flaw::GivenBack,
        3 => Flaw::NoFeeGranted,
        _ => Flaw::ByGossip,
    };
    let magnitude = 10_u64.pow(world.rng.gen_range(3..=8));
    let amount = Msat(magnitude * world.rng.gen_range(1..=10));
    let deal = world.pay(honest[payer], honest[payee], amount, flaw);
    hostile::set_traps(world, deal);
}

/// A node is away for a while, with all that it should pass on or back.
fn fall_asleep(world: &mut World) {
    let node = world.rng.gen_range(0..world.machines.len());
    let millis = world.rng.gen_range(5_000..90_000);
    if world.process(node).is_some() {
        world.totals.web.slept += 1;
        world.trace.say(|| format!("{} node {node} sleeps for {millis} ms", world.now.0));
        world.sleep(node, millis);
    }
}

/// The faults stop. What was begun ends, and every rule is looked at.
fn come_to_rest(world: &mut World, size: Size) -> Result<(), Violation> {
    world.plan = None;
    world.network.latency = 20;
    world.set_feerate(world.feerate);
    for pair in world.network.links.clone() {
        world.queue.push(world.now, Event::Connect { pair });
    }
    for nudge in 0..MAX_NUDGES {
        swarm::to_rest_within(world, events(size))?;
        if !world.is_unsettled() {
            return world.check_at_rest();
        }
        if world.payments_under_way() {
            world.wait(61_000)?;
        }
        if nudge >= NUDGES_BEFORE_BLOCKS || !world.payments_under_way() {
            world.mine(3);
        }
    }
    let why = world.check_at_rest().err().map_or_else(String::new, |v| v.to_string());
    Err(Violation::new(Checker::Rest, format!("the network does not settle: {why}")))
}
