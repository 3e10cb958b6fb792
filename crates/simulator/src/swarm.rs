//! Random worlds: work and faults by chance, from one seed; then the faults stop, and all must end.

use crate::calm;
use crate::event::Event;
use crate::network::Loss;
use crate::still;
use crate::totals::Totals;
use crate::user::Flaw;
use crate::violation::{Checker, Violation};
use crate::world::{Advance, Crash, Plan, World};
use astrape_channel::Phase;
use astrape_primitives::{ChannelKeysId, FeeratePerKw, Msat, Sat};
use astrape_transactions::CommitmentFormat;
use rand::Rng as _;

/// Most events between two acts.
const MAX_EVENTS_BETWEEN: u32 = 24;

/// Most events until the world is at rest. Beyond it something goes round in circles.
const MAX_EVENTS_TO_REST: u32 = 200_000;

/// Most times that the world is helped on after the faults have stopped.
const MAX_NUDGES: u32 = 80;

/// Blocks that chance may mine while HTLCs can be under way: the expiries of those that are passed on are farther.
const MAX_BLOCKS: u64 = 30;

/// What uneven nodes ask of each other to keep, in thousandths of the channel.
const RESERVES: [u16; 4] = [0, 1, 50, 200];

/// The highest feerate that a node takes of an opener whatever its own estimate.
const MAX_ANY_FEERATE: u32 = 10_000;

/// Payments of one seed: signing is what time goes into.
const MAX_PAYMENTS: usize = 24;

/// How a random world went.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What it has seen.
    pub totals: Totals,
    /// The hash of all that happened.
    pub hash: [u8; 32],
}

/// Runs one seed for so many acts of chance.
///
/// # Errors
/// The first rule that is broken.
pub fn run_seed(seed: u64, acts: u32, aloud: bool) -> Result<Outcome, Violation> {
    let mut world = new_world(seed);
    if aloud {
        world.speak();
    }
    begin(&mut world)?;
    for _ in 0..acts {
        act(&mut world)?;
        some_events(&mut world)?;
    }
    come_to_rest(&mut world)?;
    Ok(Outcome { totals: world.totals.clone(), hash: world.trace_hash() })
}

/// Some of what is to come happens.
pub(crate) fn some_events(world: &mut World) -> Result<(), Violation> {
    let events = world.rng.gen_range(0..MAX_EVENTS_BETWEEN);
    for _ in 0..events {
        if world.advance()? == Advance::Quiet {
            break;
        }
    }
    Ok(())
}

/// One of the next steps of any node is its last.
pub(crate) fn crash_any(world: &mut World) {
    let node = any_node(world);
    let crash = match world.rng.gen_range(0..4) {
        0 => Crash::BeforeCommit,
        1 => Crash::AfterCommit { released: 0 },
        2 => Crash::AfterSome,
        _ => Crash::AfterCommit { released: usize::MAX },
    };
    let gather = if world.rng.gen_bool(0.3) { world.rng.gen_range(1..4) } else { 0 };
    if world.process(node).is_some() {
        world.plan = Some(Plan { node, gather, crash });
    }
}

fn new_world(seed: u64) -> World {
    let format =
        if seed.is_multiple_of(2) { CommitmentFormat::Anchors } else { CommitmentFormat::StaticRemotekey };
    let nodes = if seed % 8 == 7 { 2 } else { 3 };
    let mut world = World::line(nodes, format, seed);
    world.group_percent = if seed.is_multiple_of(3) { 50 } else { 0 };
    world.late_percent = if seed.is_multiple_of(5) { 40 } else { 0 };
    world.disk_check_every = 29;
    if seed % 4 == 1 {
        make_uneven(&mut world);
    }
    world
}

/// Each node has another dust limit and asks another reserve.
pub(crate) fn make_uneven(world: &mut World) {
    world.is_uneven = true;
    for node in 0..world.machines.len() {
        let dust_limit = Sat(world.rng.gen_range(354..=546));
        let reserve_permille = RESERVES[world.rng.gen_range(0..RESERVES.len())];
        let channel = &mut world.machines[node].config.channel;
        (channel.dust_limit, channel.reserve_permille) = (dust_limit, reserve_permille);
    }
}

/// What a channel begins with in an uneven world: its size, and what is the other side's of it, often next to nothing or all.
fn uneven_funding(world: &mut World) -> (Sat, Msat) {
    let funding = Sat(world.rng.gen_range(100_000..=1_000_000));
    let little = Msat(world.rng.gen_range(0..2_000_000));
    let push = match world.rng.gen_range(0..4) {
        0 => little,
        // What the opener keeps pays for a commitment, and little more.
        1 => funding.to_msat().saturating_sub(Msat(world.rng.gen_range(4_000_000..40_000_000))),
        _ => Msat(funding.to_msat().0 * 2 / 5),
    };
    (funding, push)
}

/// Every two neighbours have a channel before chance begins: else most seeds would see little.
pub(crate) fn begin(world: &mut World) -> Result<(), Violation> {
    to_rest(world)?;
    for (a, b) in world.network.links.clone() {
        let (from, to) = if world.rng.gen_bool(0.5) { (a, b) } else { (b, a) };
        let even = (Sat(1_000_000), Msat(400_000_000));
        let (funding, push) = if world.is_uneven { uneven_funding(world) } else { even };
        world.open(from, to, funding, push);
    }
    for _ in 0..5 {
        to_rest(world)?;
        world.mine(1);
    }
    to_rest(world)
}

/// One act of chance.
fn act(world: &mut World) -> Result<(), Violation> {
    match world.rng.gen_range(0..100) {
        0..=5 => pay(world),
        6..=12 => crash(world),
        13..=20 => cut(world),
        21..=24 => mine(world),
        25 => reorganise(world),
        26..=27 => feerate(world),
        28 if world.rng.gen_bool(0.5) => close(world),
        29..=30 => open(world),
        31..=32 => world.network.latency = world.rng.gen_range(1..=300),
        33..=35 => world.network.latency = 20,
        36 => sleep(world),
        37..=39 => still::doubt(world),
        40..=41 => still::quarantine(world)?,
        _ => {}
    }
    Ok(())
}

fn any_node(world: &mut World) -> usize {
    let nodes = world.machines.len();
    world.rng.gen_range(0..nodes)
}

fn two_nodes(world: &mut World) -> (usize, usize) {
    let nodes = world.machines.len();
    let one = any_node(world);
    let other = (one + world.rng.gen_range(1..nodes)) % nodes;
    (one, other)
}

fn pay(world: &mut World) {
    if world.users.deals.len() >= MAX_PAYMENTS {
        return;
    }
    let (payer, payee) = two_nodes(world);
    let again = world.rng.gen_bool(0.4);
    let flaw = match world.rng.gen_range(0..20) {
        0 => Flaw::Unknown,
        1 => Flaw::Expired,
        2 => Flaw::FeeTooLow,
        3 => Flaw::NoFeeGranted,
        4 => Flaw::NoRoute,
        5 => Flaw::Held,
        6 => Flaw::GivenBack,
        _ => Flaw::None,
    };
    let amount = match world.rng.gen_range(0..10) {
        0..=2 => Msat(world.rng.gen_range(1..2_000_000)),
        3..=7 => Msat(world.rng.gen_range(2_000_000..60_000_000)),
        8 => Msat(world.rng.gen_range(60_000_000..500_000_000)),
        _ => Msat(world.rng.gen_range(500_000_000..2_000_000_000)),
    };
    world.pay(payer, payee, amount, flaw);
    if again {
        pay(world);
    }
}

/// A process dies now, or in one of its next steps: mostly one that is about to hear something.
pub(crate) fn crash(world: &mut World) {
    let Some((_, node)) = talking(world) else { return };
    let crash = match world.rng.gen_range(0..10) {
        0..=2 => Crash::BeforeCommit,
        3..=4 => Crash::AfterCommit { released: 0 },
        5..=6 => Crash::AfterSome,
        7..=8 => Crash::AfterCommit { released: usize::MAX },
        _ => {
            world.totals.crashed(Some(Crash::AfterCommit { released: 1 }), 0, 0);
            world.crash(node, Loss::Tail);
            return;
        }
    };
    let gather = if world.rng.gen_bool(0.3) { world.rng.gen_range(1..4) } else { 0 };
    world.plan = Some(Plan { node, gather, crash });
}

/// A connection on which somebody talks, and who is to hear it; where nobody talks any, but seldom.
fn talking(world: &mut World) -> Option<(u64, usize)> {
    let talk = world.queue.talk();
    if !talk.is_empty() {
        return Some(talk[world.rng.gen_range(0..talk.len())]);
    }
    let node = any_node(world);
    let connections = world.network.of(node);
    if connections.is_empty() || world.rng.gen_bool(0.7) {
        return None;
    }
    Some((connections[world.rng.gen_range(0..connections.len())].0, node))
}

pub(crate) fn cut(world: &mut World) {
    if let Some((connection, _)) = talking(world) {
        world.totals.cuts += 1;
        world.cut(connection, Loss::Tail, Loss::Tail);
    }
}

fn mine(world: &mut World) {
    still::restart_in_time(world);
    if world.totals.blocks < MAX_BLOCKS && calm::has_time(world, 1) {
        world.mine(1);
    }
}

fn reorganise(world: &mut World) {
    if world.totals.blocks + 3 < MAX_BLOCKS && calm::has_time(world, 1) {
        let depth = world.rng.gen_range(1..=2);
        world.reorganise(depth);
    }
}

/// The estimate moves by no more than the nodes bear of each other.
pub(crate) fn feerate(world: &mut World) {
    if world.is_uneven && !world.court.sits && world.rng.gen_bool(0.3) {
        // As high or low as a peer takes whatever its own estimate.
        let bound = [FeeratePerKw::FLOOR.0, MAX_ANY_FEERATE][world.rng.gen_range(0..2)];
        return world.set_feerate(FeeratePerKw(bound));
    }
    let factor = world.rng.gen_range(45..=220);
    let next = (world.feerate.0 * factor / 100).clamp(FeeratePerKw::FLOOR.0, 4_000);
    world.set_feerate(FeeratePerKw(next));
}

pub(crate) fn channels_of(world: &World, node: usize) -> Vec<ChannelKeysId> {
    let Some(process) = world.process(node) else { return Vec::new() };
    let ready =
        process.node.channels().filter(|(_, c)| matches!(&c.phase, Phase::Open(open) if open.is_ready()));
    ready.map(|(keys, _)| keys).collect()
}

fn close(world: &mut World) {
    let node = any_node(world);
    let channels = channels_of(world, node);
    if !channels.is_empty() {
        let which = world.rng.gen_range(0..channels.len());
        world.close(node, channels[which]);
    }
}

/// Opens where there is no channel, or a second one.
fn open(world: &mut World) {
    let links = world.network.links.clone();
    let (a, b) = links[world.rng.gen_range(0..links.len())];
    let there = world.channels_between(a, b).len();
    if there < 2 && world.users.wanted.len() < 5 {
        let (from, to) = if world.rng.gen_bool(0.5) { (a, b) } else { (b, a) };
        let push = Msat(world.rng.gen_range(0..300_000_000));
        world.open(from, to, Sat(900_000), push);
    }
}

/// Nobody hears from anybody for a while: signs of life must be asked for.
fn sleep(world: &mut World) {
    let millis = world.rng.gen_range(5_000..40_000);
    world.now = world.now.plus(millis);
}

pub(crate) fn to_rest(world: &mut World) -> Result<(), Violation> {
    to_rest_within(world, MAX_EVENTS_TO_REST)
}

pub(crate) fn to_rest_within(world: &mut World, most: u32) -> Result<(), Violation> {
    for _ in 0..most {
        if world.advance()? == Advance::Quiet {
            return Ok(());
        }
    }
    Err(Violation::new(Checker::Rest, format!("no rest after {most} events")))
}

/// The faults stop. What was begun ends, and every rule is looked at.
fn come_to_rest(world: &mut World) -> Result<(), Violation> {
    world.plan = None;
    world.group_percent = 0;
    world.late_percent = 0;
    world.network.latency = 20;
    still::restart(world, |_| true);
    world.set_feerate(world.feerate);
    for pair in world.network.links.clone() {
        world.queue.push(world.now, Event::Connect { pair });
    }
    for _ in 0..MAX_NUDGES {
        to_rest(world)?;
        if !world.is_unsettled() {
            return world.check_at_rest();
        }
        if world.payments_under_way() {
            world.wait(61_000)?;
        } else {
            world.mine(1);
        }
    }
    let why = world.check_at_rest().err().map_or_else(String::new, |v| v.to_string());
    Err(Violation::new(Checker::Rest, format!("the world does not settle: {why}")))
}

impl World {
    pub(crate) fn payments_under_way(&self) -> bool {
        self.users.deals.iter().any(|deal| deal.tries > 0 && !deal.is_over())
            || self.has_htlcs()
            || self.has_payments()
    }

    /// Whether a node has a payment: a further try of one that has ended before is under way though its deal is over, and between
    /// two of its parts it has no HTLC.
    fn has_payments(&self) -> bool {
        (0..self.machines.len())
            .filter_map(|node| self.process(node))
            .any(|process| process.node.payments().count() > 0)
    }

    fn has_htlcs(&self) -> bool {
        (0..self.machines.len())
            .filter_map(|node| self.process(node))
            .any(|p| p.node.channels().filter_map(|(_, c)| c.open()).any(|o| !o.htlcs.is_empty()))
    }

    /// Whether anything still has to end: payments, openings, closes.
    pub(crate) fn is_unsettled(&self) -> bool {
        let on_its_way = |node, keys: &ChannelKeysId, channel: &astrape_channel::Channel| match &channel.phase
        {
            _ if !crate::check::closes::is_funded(self, node, keys) => false,
            Phase::Open(open) => !open.is_ready() || open.shutdown != Default::default(),
            Phase::Opening(_) | Phase::Closing(_) => true,
            Phase::Closed(_) => false,
        };
        let busy = |node| {
            let process = self.process(node);
            process.is_none_or(|p| p.node.channels().any(|(keys, channel)| on_its_way(node, &keys, channel)))
        };
        self.payments_under_way() || (0..self.machines.len()).any(busy)
    }
}
