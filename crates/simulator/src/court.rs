//! Worlds that end before the court: channels go on chain, by wish, by silence, by nonsense, by theft; miners censor, fork and
//! ask high prices; chain sources fail; processes die at each step of it. Then the faults stop, and all must be resolved.
//!
//! | room | what is in it |
//! |---|---|
//! | `beginning` | how the end begins: by wish, silence, nonsense, theft |
//! | `mass` | all channels of one node at once, and its one wallet |
//! | `script` | one resolution of each kind, with every crash |
//! | `theft` | revoked commitments, and what a thief puts upon them |
//! | `grief` | what it puts in the way of our claims, for its own coins |
//! | `lie` | what a peer says that its node would not, and what it leaves unsaid |
//! | `rewrite` | other bytes where no signature covers a witness |
//! | `words` | what is not over yet, for people |
//! | `weather` | miners and chain sources |
//! | `weigh` | what a million revoked states cost, on a real disk |

mod beginning;
mod grief;
mod lie;
mod mass;
mod rewrite;
mod script;
mod theft;
mod weather;
mod weigh;
mod words;

pub(crate) use weather::freshness;

use crate::event::Event;
use crate::network::Loss;
use crate::still;
use crate::swarm::{self, Outcome};
use crate::totals::Seen;
use crate::user::Flaw;
use crate::violation::{Checker, Violation};
use crate::world::World;
use astrape_channel::Phase;
use astrape_node::Input;
use astrape_primitives::{ChannelKeysId, Feature, Height, Msat, Sat, Timestamp};
use astrape_regtest::RegtestChain;
use astrape_transactions::CommitmentFormat;
use bitcoin::Txid;
use lie::Lie;
pub use mass::{Mass, MassClose, run_mass_close};
use rand::Rng as _;
pub use script::{Kind, run_resolution};
use std::collections::{BTreeMap, BTreeSet};
pub(crate) use theft::Kept;
pub use weigh::{Weight, weigh_revoked_states};

/// Blocks after the faults have stopped within which all must be resolved: the longest delay, the farthest expiry, the depth
/// of the end, and the blocks that each of them takes to be noticed and replaced.
pub const MAX_BLOCKS_TO_RESOLVE: u32 = 420;

/// The delay of outputs in these worlds: enough for a penalty among reorganisations and censors, and quick to mine.
const DELAY_BLOCKS: u16 = 24;

/// Payments of one seed: signing is what time goes into.
const MAX_PAYMENTS: usize = 24;

/// Payments before the end begins: some are left for its beginning.
const MAX_PAYMENTS_BEFORE: usize = 14;

/// Acts of chance on the chain once the end of a channel has begun.
const ACTS_ON_CHAIN: u32 = 30;

/// What is special about a world that ends before the court.
#[derive(Clone, Debug, Default)]
pub(crate) struct Court {
    /// Channels may go on chain in this world.
    pub(crate) sits: bool,
    /// Whose old commitments are kept, for theft or for a planted bug.
    pub(crate) keeper: Option<usize>,
    /// The tip when the end began: what was before stays.
    pub(crate) begins: Height,
    /// Who steals.
    pub(crate) thief: Option<usize>,
    /// Who died and does not come back.
    pub(crate) gone: BTreeSet<usize>,
    /// Old commitments.
    pub(crate) kept: Vec<Kept>,
    /// Revoked commitments that were broadcast by the thief.
    pub(crate) stolen: BTreeSet<Txid>,
    /// Who lies to its peers, and how.
    pub(crate) lie: Option<(usize, Lie)>,
    /// Whether the channels were to end by a transaction of both.
    pub(crate) together: bool,
    /// Until when a node's chain source says nothing.
    pub(crate) blind_until: BTreeMap<usize, Timestamp>,
}

impl Court {
    /// Whether a node keeps the rules and is still there.
    pub(crate) fn is_honest(&self, node: usize) -> bool {
        let lies = self.lie.is_some_and(|(liar, _)| liar == node);
        self.thief != Some(node) && !lies && !self.gone.contains(&node)
    }
}

/// Runs one seed of a world that ends before the court, with so many acts of chance before the end begins.
///
/// # Errors
/// The first rule that is broken.
pub fn run_court_seed(seed: u64, acts: u32, aloud: bool) -> Result<Outcome, Violation> {
    run(&mut new_world(seed, aloud), acts)
}

/// The same, and the chain on which it was played, with every block that was replaced: for another judge.
///
/// # Errors
/// The first rule that is broken.
pub fn run_court_seed_for_its_chain(seed: u64, acts: u32) -> Result<(Outcome, RegtestChain), Violation> {
    let mut world = new_world(seed, false);
    let outcome = run(&mut world, acts)?;
    Ok((outcome, world.chain))
}

/// The same with a planted bug.
///
/// # Errors
/// The first rule that is broken: one is, if the checkers are worth something.
pub fn run_court_seed_with(seed: u64, acts: u32, plant: crate::Plant) -> Result<Outcome, Violation> {
    let mut world = new_world(seed, false);
    world.plant(plant);
    run(&mut world, acts)
}

fn new_world(seed: u64, aloud: bool) -> World {
    // With anchors there are more ways to cheat: three worlds of five have them.
    let format = if seed % 5 < 3 { CommitmentFormat::Anchors } else { CommitmentFormat::StaticRemotekey };
    let mut world = World::line(3, format, seed);
    if aloud {
        world.speak();
    }
    for machine in &mut world.machines {
        machine.config.channel.to_self_delay = DELAY_BLOCKS;
    }
    world.group_percent = if seed.is_multiple_of(3) { 40 } else { 0 };
    world.disk_check_every = 29;
    world.court.sits = true;
    let keeper = world.rng.gen_range(0..3);
    world.court.keeper = Some(keeper);
    if format == CommitmentFormat::StaticRemotekey && world.rng.gen_bool(0.5) {
        // Its peers pay it out, and are paid out, to scripts that look like those of commitments.
        let config = &mut world.machines[keeper].config;
        config.features = crate::world::without(&config.features, Feature::ShutdownAnysegwit);
    }
    if seed % 4 == 1 {
        swarm::make_uneven(&mut world);
    }
    world
}

fn run(world: &mut World, acts: u32) -> Result<Outcome, Violation> {
    swarm::begin(world)?;
    for _ in 0..acts {
        work(world);
        swarm::some_events(world)?;
    }
    swarm::to_rest(world)?;
    beginning::begin(world)?;
    for _ in 0..ACTS_ON_CHAIN {
        act_on_chain(world)?;
        swarm::some_events(world)?;
    }
    come_to_an_end(world)?;
    crate::check::before_court(world)?;
    Ok(Outcome { totals: world.totals.clone(), hash: world.trace_hash() })
}

/// Payments both ways, so that there are states to steal with.
fn work(world: &mut World) {
    match world.rng.gen_range(0..10) {
        0..=3 if world.users.deals.len() < MAX_PAYMENTS_BEFORE => drop(pay(world)),
        4 => swarm::crash(world),
        5 => swarm::cut(world),
        6 => swarm::feerate(world),
        _ => {}
    }
}

/// Two pay the same invoice: in the channel that both ways share there are HTLCs of one hash and one amount.
fn pay_twice(world: &mut World) {
    if let Some(deal) = pay(world) {
        let (payer, payee) = (world.users.deals[deal].payer, world.users.deals[deal].payee);
        let third = (0..world.machines.len()).find(|n| *n != payer && *n != payee);
        if let Some(third) = third.filter(|third| world.court.is_honest(*third)) {
            world.totals.court.saw(Seen::Twins);
            world.pay_again(deal, third);
        }
    }
}

fn pay(world: &mut World) -> Option<usize> {
    if world.users.deals.len() >= MAX_PAYMENTS {
        return None;
    }
    let honest: Vec<usize> = (0..world.machines.len()).filter(|n| world.court.is_honest(*n)).collect();
    let payer = honest[world.rng.gen_range(0..honest.len())];
    let payee = (payer + world.rng.gen_range(1..world.machines.len())) % world.machines.len();
    let amount = Msat(world.rng.gen_range(500_000..80_000_000));
    Some(world.pay(payer, payee, amount, Flaw::None))
}

/// The close leaves the chain and all mempools. Where it was one of both, its place may be taken by theft.
fn undo(world: &mut World) -> Result<(), Violation> {
    weather::undo(world);
    if world.court.together && world.court.thief.is_none() && world.rng.gen_bool(0.5) {
        theft::steal(world)?;
    }
    Ok(())
}

fn act_on_chain(world: &mut World) -> Result<(), Violation> {
    match world.rng.gen_range(0..100) {
        0..=29 => world.mine(1),
        30..=35 => rewrite::mine(world),
        36..=38 => weather::cycle(world)?,
        39..=41 => undo(world)?,
        42..=49 => weather::reorganise(world),
        50..=57 => weather::change(world),
        58..=65 => weather::censor(world),
        66..=70 => weather::evict(world),
        71..=76 => weather::blind(world),
        77..=81 => swarm::crash_any(world),
        82..=83 => still::doubt(world),
        84..=85 => still::quarantine(world)?,
        86..=88 => {
            pay(world);
        }
        89..=94 if grief::contest(world) => {}
        _ => theft::go_on(world)?,
    }
    Ok(())
}

/// The faults stop.
fn come_to_an_end(world: &mut World) -> Result<(), Violation> {
    world.plan = None;
    world.group_percent = 0;
    world.network.latency = 20;
    weather::clear(world);
    for pair in world.network.links.clone() {
        world.queue.push(world.now, Event::Connect { pair });
    }
    let began = world.chain.tip().height;
    loop {
        swarm::to_rest(world)?;
        theft::go_on(world)?;
        swarm::to_rest(world)?;
        if !world.is_before_court() {
            return Ok(());
        }
        let took = world.chain.tip().height.0 - began.0;
        if took > MAX_BLOCKS_TO_RESOLVE {
            let what = world.what_is_before_court();
            return Err(Violation::new(
                Checker::Resolved,
                format!("not resolved within {took} blocks: {what}"),
            ));
        }
        world.now = world.now.plus(61_000);
        world.mine(1);
    }
}

impl World {
    /// A node dies and does not come back.
    pub(crate) fn leave(&mut self, node: usize) {
        self.trust_again(node);
        self.court.gone.insert(node);
        self.crash(node, Loss::None);
    }

    /// Whoever doubts its state of a channel asks its peer. One that never comes back is waited for as long, whatever that costs: so
    /// nobody doubts when a peer leaves.
    fn trust_again(&mut self, leaving: usize) {
        for node in (0..self.machines.len()).filter(|node| *node != leaving) {
            if self.process(node).is_some_and(|process| process.node.suspect().next().is_some()) {
                self.crash(node, Loss::None);
            }
            self.machines[node].doubted.clear();
        }
    }

    /// A user closes by force.
    pub(crate) fn close_by_force(&mut self, node: usize, keys: ChannelKeysId) -> Result<(), Violation> {
        let command = astrape_node::Command::ForceCloseChannel { channel: keys };
        let id = astrape_node::CommandId(u64::MAX);
        self.step(node, Input::Command { id, command }, crate::machine::Taken::Other)
    }

    /// Whether a channel of an honest node is on its way through the court, or a payment of one is under way.
    fn is_before_court(&self) -> bool {
        (0..self.machines.len()).filter(|n| self.court.is_honest(*n)).any(|node| {
            self.process(node).is_none_or(|p| {
                let hangs = p.node.channels().filter_map(|(_, c)| c.open()).any(|o| !o.htlcs.is_empty());
                p.node.channels().any(|(_, c)| self.is_busy(&c.phase))
                    || (p.node.payments().count() > 0 && !hangs)
            })
        })
    }

    fn is_busy(&self, phase: &Phase) -> bool {
        match phase {
            Phase::Open(open) => {
                // A spend that waits for its block counts: miners may leave it out for a while.
                self.chain.spender_in_mempool(&open.funding.terms.outpoint).is_some()
                    || open
                        .htlcs
                        .values()
                        .any(|htlc| htlc.cltv_expiry.0.saturating_add(60) > self.chain.tip().height.0)
            }
            Phase::Closing(_) => true,
            Phase::Opening(_) | Phase::Closed(_) => false,
        }
    }
}

/// Coins below this are not worth a claim of their own at any feerate of these worlds.
pub(crate) const TOO_SMALL: Sat = Sat(6_000);
