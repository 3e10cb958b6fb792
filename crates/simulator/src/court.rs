//! Worlds that end before the court: channels go on chain, by wish, by silence, by nonsense, by theft; miners censor, fork and
//! ask high prices; chain sources fail; processes die at each step of it. Then the faults stop, and all must be resolved.
//!
//! | room | what is in it |
//! |---|---|
//! | `mass` | all channels of one node at once, and its one wallet |
//! | `script` | one resolution of each kind, with every crash |
//! | `theft` | revoked commitments, and what a thief puts upon them |
//! | `grief` | what it puts in the way of our claims, for its own coins |
//! | `weather` | miners and chain sources |
//! | `weigh` | what a million revoked states cost, on a real disk |

mod grief;
mod mass;
mod script;
mod theft;
mod weather;
mod weigh;

pub(crate) use weather::freshness;

use crate::event::Event;
use crate::network::{Loss, Packet};
use crate::swarm::{self, Outcome};
use crate::totals::Seen;
use crate::user::Flaw;
use crate::violation::{Checker, Violation};
use crate::world::World;
use astrape_channel::Phase;
use astrape_node::Input;
use astrape_onchain::Resolution;
use astrape_primitives::{ChannelKeysId, Height, Msat, Sat, Side, Timestamp};
use astrape_transactions::CommitmentFormat;
use bitcoin::Txid;
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
    /// Whose revocations go out no more: both of its last commitments stay valid.
    pub(crate) withholds: Option<usize>,
    /// Whether the channels were to end by a transaction of both.
    pub(crate) together: bool,
    /// Until when a node's chain source says nothing.
    pub(crate) blind_until: BTreeMap<usize, Timestamp>,
}

impl Court {
    /// Whether a node keeps the rules and is still there.
    pub(crate) fn is_honest(&self, node: usize) -> bool {
        self.thief != Some(node) && !self.gone.contains(&node)
    }
}

/// How the end begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Beginning {
    /// A user closes by force.
    Wish,
    /// A node dies with HTLCs in flight and does not come back.
    Silence,
    /// A node says what no node says.
    Nonsense,
    /// A node dies and its owner broadcasts a revoked commitment.
    Theft,
    /// A node takes signatures and reveals nothing any more; then it dies, and one of its two valid commitments goes out.
    Withholding,
    /// Both sides close; what they signed may leave the chain again, and a revoked commitment take its place.
    Together,
}

/// Runs one seed of a world that ends before the court, with so many acts of chance before the end begins.
///
/// # Errors
/// The first rule that is broken.
pub fn run_court_seed(seed: u64, acts: u32, aloud: bool) -> Result<Outcome, Violation> {
    run(&mut new_world(seed, aloud), acts)
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
    let format =
        if seed.is_multiple_of(2) { CommitmentFormat::Anchors } else { CommitmentFormat::StaticRemotekey };
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
    world.court.keeper = Some(world.rng.gen_range(0..3));
    world
}

fn run(world: &mut World, acts: u32) -> Result<Outcome, Violation> {
    swarm::begin(world)?;
    for _ in 0..acts {
        work(world);
        swarm::some_events(world)?;
    }
    swarm::to_rest(world)?;
    begin_the_end(world)?;
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

/// Payments are begun, and cut in their middle by the end.
fn begin_the_end(world: &mut World) -> Result<(), Violation> {
    let beginning = match world.rng.gen_range(0..12) {
        0..=1 => Beginning::Wish,
        2..=4 => Beginning::Silence,
        5 => Beginning::Nonsense,
        6 => Beginning::Together,
        7 => Beginning::Withholding,
        _ => Beginning::Theft,
    };
    let in_flight = world.rng.gen_range(0..4);
    for _ in 0..in_flight {
        if world.rng.gen_bool(0.3) {
            pay_twice(world);
        } else {
            pay(world);
        }
    }
    if beginning == Beginning::Withholding {
        world.court.withholds = world.court.keeper;
    }
    if world.rng.gen_bool(0.3) {
        let blocks = world.rng.gen_range(1..80);
        quiet_blocks(world, blocks)?;
    }
    let held = if in_flight == 0 { None } else { into_the_middle(world)? };
    world.court.begins = world.chain.tip().height;
    world.trace.say(|| format!("{} the end begins: {beginning:?}", world.now.0));
    match beginning {
        Beginning::Wish => by_wish(world),
        Beginning::Silence => {
            let node = match held {
                Some(node) => node,
                None => world.rng.gen_range(0..world.machines.len()),
            };
            world.totals.court.saw(Seen::Silence);
            let last = theft::last_words(world, node);
            world.leave(node);
            if world.rng.gen_bool(0.5) {
                theft::say_last_words(world, last);
            }
            Ok(())
        }
        Beginning::Nonsense => {
            nonsense(world);
            Ok(())
        }
        Beginning::Theft => theft::steal(world),
        Beginning::Withholding => {
            theft::steal(world)?;
            if let Some(node) = world.court.keeper.filter(|_| world.court.thief.is_none()) {
                world.leave(node);
            }
            Ok(())
        }
        Beginning::Together => {
            together(world);
            Ok(())
        }
    }
}

/// Most events until payments are in their middle.
const MAX_EVENTS_TO_THE_MIDDLE: u32 = 400;

/// Lets payments come to their middle, and perhaps a little beyond: there an HTLC is open, or its preimage is known on one side
/// and not on the other. Gives the other side of it.
fn into_the_middle(world: &mut World) -> Result<Option<usize>, Violation> {
    let (with_preimage, several) = (world.rng.gen_bool(0.4), world.rng.gen_bool(0.3));
    let mut found = None;
    for _ in 0..MAX_EVENTS_TO_THE_MIDDLE {
        world.advance()?;
        found = held_by(world, with_preimage, if several { 2 } else { 1 });
        if found.is_some() {
            break;
        }
    }
    for _ in 0..world.rng.gen_range(0..8) {
        world.advance()?;
    }
    Ok(found)
}

/// Whose peer has so many open HTLCs with it, or knows the preimage of one that it has not settled yet.
fn held_by(world: &World, with_preimage: bool, least: usize) -> Option<usize> {
    (0..world.machines.len()).find_map(|node| {
        let channels = world.process(node)?.node.channels();
        let mut open = channels.filter_map(|(_, channel)| channel.open());
        open.find_map(|open| {
            let known = open.htlcs.values().any(|h| h.offered_by == Side::Remote && h.preimage().is_some());
            let fits = if with_preimage { known } else { open.htlcs.len() >= least };
            world.index_of(&open.params.peer).filter(|_| fits)
        })
    })
}

/// All channels of a node are closed by both sides.
fn together(world: &mut World) {
    let node = world.rng.gen_range(0..world.machines.len());
    world.court.together = true;
    world.totals.court.saw(Seen::Together);
    for keys in swarm::channels_of(world, node) {
        world.close(node, keys);
    }
}

/// The close leaves the chain and all mempools. Where it was one of both, its place may be taken by theft.
fn undo(world: &mut World) -> Result<(), Violation> {
    weather::undo(world);
    if world.court.together && world.court.thief.is_none() && world.rng.gen_bool(0.5) {
        theft::steal(world)?;
    }
    Ok(())
}

fn quiet_blocks(world: &mut World, blocks: u32) -> Result<(), Violation> {
    for _ in 0..blocks {
        world.mine(1);
        swarm::to_rest(world)?;
    }
    Ok(())
}

fn by_wish(world: &mut World) -> Result<(), Violation> {
    let node = world.rng.gen_range(0..world.machines.len());
    let channels = swarm::channels_of(world, node);
    if channels.is_empty() {
        return Ok(());
    }
    let which = world.rng.gen_range(0..channels.len());
    world.totals.court.saw(Seen::Wish);
    world.close_by_force(node, channels[which])
}

/// A warning of another protocol, an error, or a message for a channel in a state that does not take it.
fn nonsense(world: &mut World) {
    let links = world.network.links.clone();
    let pair = links[world.rng.gen_range(0..links.len())];
    let Some(connection) = world.network.live(pair) else { return };
    let (from, to) = if world.rng.gen_bool(0.5) { pair } else { (pair.1, pair.0) };
    let channel = world.channels_between(from, to).first().copied();
    let id = channel.and_then(|keys| Some(world.process(from)?.node.channel(&keys)?.channel_id()));
    let Some(channel_id) = id else { return };
    let message = match world.rng.gen_range(0..3) {
        0 => astrape_wire::Message::Error(astrape_wire::Error { channel_id, data: b"go away".to_vec() }),
        1 => astrape_wire::Message::UpdateFulfillHtlc(astrape_wire::UpdateFulfillHtlc {
            channel_id,
            id: astrape_primitives::HtlcId(77_777),
            payment_preimage: astrape_primitives::PaymentPreimage([7; 32]),
            attribution_data: None,
        }),
        _ => astrape_wire::Message::RevokeAndAck(astrape_wire::RevokeAndAck {
            channel_id,
            per_commitment_secret: [9; 32],
            next_per_commitment_point: world.machines[from].node_id.key(),
        }),
    };
    world.totals.court.saw(Seen::Nonsense);
    if let Ok(bytes) = message.encode() {
        world.send(connection, to, Packet::Message(bytes));
    }
}

fn act_on_chain(world: &mut World) -> Result<(), Violation> {
    match world.rng.gen_range(0..100) {
        0..=38 => world.mine(1),
        39..=41 => weather::cycle(world)?,
        42..=44 => undo(world)?,
        45..=52 => weather::reorganise(world),
        53..=60 => weather::change(world),
        61..=68 => weather::censor(world),
        69..=73 => weather::evict(world),
        74..=79 => weather::blind(world),
        80..=88 => swarm::crash_any(world),
        89..=92 => {
            pay(world);
        }
        93..=96 if grief::contest(world) => {}
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
        self.court.gone.insert(node);
        self.crash(node, Loss::None);
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

    fn what_is_before_court(&self) -> String {
        let of_node = |node: usize| {
            let process = self.process(node)?;
            let channels = process.node.channels().filter(|(_, c)| self.is_busy(&c.phase));
            let open =
                |keys: &ChannelKeysId| process.node.resolution(keys).map_or_else(String::new, open_outputs);
            let names: Vec<String> =
                channels.map(|(keys, c)| format!("{keys}: {}{}", words(&c.phase), open(&keys))).collect();
            let payments = process.node.payments().count();
            Some(format!("node {node}: {payments} payments, channels [{}]", names.join(", ")))
        };
        let honest = (0..self.machines.len()).filter(|n| self.court.is_honest(*n));
        honest.filter_map(of_node).collect::<Vec<_>>().join("; ")
    }
}

fn words(phase: &Phase) -> String {
    match phase {
        Phase::Opening(_) => "opening".to_owned(),
        Phase::Open(open) => format!("open with {} HTLCs", open.htlcs.len()),
        Phase::Closing(closing) => {
            let spent: Option<Height> = closing.open.funding.spent.as_ref().map(|s| s.height);
            format!("closing, {:?}, spent at {spent:?}", closing.how)
        }
        Phase::Closed(_) => "closed".to_owned(),
    }
}

/// What of a close nobody has spent in a block.
fn open_outputs(resolution: &Resolution) -> String {
    let open = resolution.outputs.iter().filter(|(_, tracked)| tracked.spent.is_none());
    open.map(|(outpoint, t)| format!(", {}: {} of {:?}", outpoint.vout, t.value(), t.role)).collect()
}

/// Coins below this are not worth a claim of their own at any feerate of these worlds.
pub(crate) const TOO_SMALL: Sat = Sat(6_000);
