//! A peer with many channels falls silent with HTLCs both ways in all of them, blocks are full, and one wallet with fewer coins than
//! channels pays for all that goes on chain.

use super::{MAX_BLOCKS_TO_RESOLVE, weather};
use crate::machine::Taken;
use crate::plant::Plant;
use crate::swarm;
use crate::user::Flaw;
use crate::violation::{Checker, Violation, ensure};
use crate::world::World;
use astrape_node::command::WithdrawCommand;
use astrape_node::{Command, CommandId, Input};
use astrape_onchain::Tracked;
use astrape_primitives::{ChannelKeysId, FeeratePerKw, Height, Sat, Side};
use astrape_regtest::{RegtestChain, Weather};
use astrape_transactions::CommitmentFormat;
use bitcoin::OutPoint;
use std::collections::BTreeMap;

/// The one that all is played upon, and its peer with all the channels.
const US: usize = 0;
const PEER: usize = 1;

/// What a channel holds, half of it on either side.
const CAPACITY: Sat = Sat(240_000);

/// What is in flight, of what each channel could carry, in each direction.
const IN_FLIGHT: Sat = Sat(90_000);

/// Channels that the coins pay for which every node begins with.
const ENOUGH_FOR: usize = 80;

/// Channels that a coin pays for which is added to them.
const FUNDED_BY_COIN: usize = 10;

/// A tenth of it, which is what a claim without a deadline may pay, gets its claim into these blocks.
const WORTH_THE_PRICE: Sat = Sat(25_000);

/// The delay of outputs.
const DELAY_BLOCKS: u16 = 24;

/// The price of blocks: twice what is told of it where that is wrong.
const PRICE: FeeratePerKw = FeeratePerKw(2_000);

/// The weight that blocks have for each channel: a tenth of what it puts there.
const ROOM_BY_CHANNEL: u64 = 600;

/// Less would have no room for the largest package.
const LEAST_ROOM: u64 = 12_000;

/// Most events of one block, for each channel and at least.
const MAX_EVENTS_BY_CHANNEL: u32 = 20_000;

/// What is played.
#[derive(Clone, Copy, Debug)]
pub struct Mass {
    /// Channels that go on chain at once.
    pub channels: usize,
    /// Payments in each direction that are in flight then; together they take as much, however many they are.
    pub payments: usize,
    /// Whether the wallet has one coin only, and not eight.
    pub one_coin: bool,
    /// Whether the estimates for a block soon, and later, stay below what every block asks.
    pub estimates_lie: bool,
}

/// How such a close went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MassClose {
    /// HTLCs in flight when it began.
    pub htlcs: usize,
    /// Coins of the wallet then.
    pub coins: usize,
    /// HTLCs that the peer had offered, and whose preimages are ours.
    pub claimed: usize,
    /// The fewest blocks that were left to the deadline of one of them when it was ours.
    pub left: u32,
    /// Blocks until all was resolved.
    pub blocks: u32,
    /// What our transactions have paid to miners.
    pub fees: Sat,
}

/// Lets so many channels of one node go on chain at once.
///
/// # Errors
/// The first rule that is broken.
pub fn run_mass_close(mass: Mass, plant: Option<Plant>, aloud: bool) -> Result<MassClose, Violation> {
    let mut world = World::line(2, CommitmentFormat::Anchors, 1);
    if aloud {
        world.speak();
    }
    for machine in &mut world.machines {
        machine.config.channel.to_self_delay = DELAY_BLOCKS;
    }
    world.disk_check_every = 101;
    world.court.sits = true;
    if let Some(plant) = plant {
        world.plant(plant);
    }
    fund(&mut world, mass)?;
    rest(&mut world, mass)?;
    if mass.one_coin {
        join_coins(&mut world, mass)?;
    }
    open(&mut world, mass)?;
    let close = in_flight(&mut world, mass)?;
    resolve(&mut world, mass, close)
}

/// Coins for all that the peer opens: those that every node begins with suffice for some only.
fn fund(world: &mut World, mass: Mass) -> Result<(), Violation> {
    for channel in ENOUGH_FOR..mass.channels {
        if channel.is_multiple_of(FUNDED_BY_COIN) {
            let script = world.machines[PEER].wallet.external(0);
            let coin = Sat((CAPACITY.0 + 30_000) * FUNDED_BY_COIN as u64);
            let funded = world.chain.fund(&script, coin);
            funded.map_err(|error| Violation::new(Checker::Rest, error.to_string()))?;
            world.chain.mine(1, &RegtestChain::faucet_script());
        }
    }
    world.checks = crate::check::Checks::new(&world.machines, &world.chain, world.from);
    Ok(())
}

fn rest(world: &mut World, mass: Mass) -> Result<(), Violation> {
    let events = u32::try_from(mass.channels).unwrap_or(u32::MAX).saturating_add(10);
    swarm::to_rest_within(world, events.saturating_mul(MAX_EVENTS_BY_CHANNEL))
}

/// All coins of the wallet become one.
fn join_coins(world: &mut World, mass: Mass) -> Result<(), Violation> {
    let (script, change_script) = (world.fresh_script(US), world.machines[US].wallet.internal(0));
    let feerate = Some(FeeratePerKw::FLOOR);
    let command = WithdrawCommand {
        script,
        amount: None,
        feerate,
        spend_reserve: true,
        accept_high_fee: true,
        change_script,
    };
    command_us(world, Command::Withdraw(Box::new(command)))?;
    rest(world, mass)?;
    world.mine(1);
    rest(world, mass)
}

fn command_us(world: &mut World, command: Command) -> Result<(), Violation> {
    world.step(US, Input::Command { id: CommandId(u64::MAX), command }, Taken::Other)
}

fn open(world: &mut World, mass: Mass) -> Result<(), Violation> {
    for number in 1..=mass.channels {
        world.open(PEER, US, CAPACITY, Sat(CAPACITY.0 / 2).to_msat());
        rest(world, mass)?;
        world.mine(1);
        rest(world, mass)?;
        ensure(world.channels_between(US, PEER).len() == number, Checker::Rest, || {
            format!("channel {number} is not opened")
        })?;
    }
    for _ in 0..6 {
        world.mine(1);
        rest(world, mass)?;
    }
    Ok(())
}

/// Payments both ways over all channels, which are held; and we know the preimage of the one that came.
fn in_flight(world: &mut World, mass: Mass) -> Result<MassClose, Violation> {
    let amount = Sat(IN_FLIGHT.0 * mass.channels as u64 / mass.payments as u64).to_msat();
    let mut came = Vec::new();
    for _ in 0..mass.payments {
        world.pay(US, PEER, amount, Flaw::Forgotten);
        came.push(world.pay(PEER, US, amount, Flaw::Forgotten));
        rest(world, mass)?;
    }
    let process = world.process(US).ok_or_else(|| Violation::new(Checker::Rest, "it died"))?;
    let htlcs = process.node.channels().filter_map(|(_, c)| c.open()).map(|open| open.htlcs.len()).sum();
    let coins = process.node.coins().filter(|coin| coin.spent.is_none()).count();
    ensure(htlcs >= 2 * mass.channels.div_ceil(2).max(mass.payments), Checker::Rest, || {
        format!("only {htlcs} HTLCs are in flight")
    })?;
    // The peer hears nothing of it any more.
    world.court.begins = world.chain.tip().height;
    world.leave(PEER);
    for deal in came {
        let deal = &world.users.deals[deal];
        let (payment_hash, preimage) = (deal.payment_hash, Some(deal.preimage));
        command_us(world, Command::SettleInvoice { payment_hash, preimage, earlier: None })?;
    }
    Ok(MassClose { htlcs, coins, claimed: 0, left: u32::MAX, blocks: 0, fees: Sat::ZERO })
}

/// HTLCs with a deadline: the block by which each must be ours, and that in which it was.
type Due = BTreeMap<(ChannelKeysId, OutPoint), (Height, Option<Height>)>;

fn resolve(world: &mut World, mass: Mass, close: MassClose) -> Result<MassClose, Violation> {
    let (mut blocks, mut fees, mut due) = (0, Sat::ZERO, Due::new());
    if !mass.estimates_lie {
        world.feerate = PRICE;
    }
    loop {
        rest(world, mass)?;
        look(world, &mut due);
        if !world.is_before_court() {
            break;
        }
        ensure(blocks <= MAX_BLOCKS_TO_RESOLVE, Checker::Resolved, || {
            format!("not resolved within {blocks} blocks: {}", world.what_is_before_court())
        })?;
        let process = world.process(US);
        let sums = process.into_iter().flat_map(|p| {
            p.node.channels().filter_map(|(keys, _)| p.node.close_sums(&keys)).map(|sums| sums.fees)
        });
        fees = fees.max(sums.sum());
        world.now = world.now.plus(61_000);
        let block_weight = (ROOM_BY_CHANNEL * mass.channels as u64).max(LEAST_ROOM) + 4_000;
        let busy = Weather { block_weight, ..Weather::full_at(PRICE) };
        // Of many small payments a tenth of each pays for no claim at this price.
        let calms_down = mass.payments > 1 && !is_worth_the_price(world);
        world.chain.forecast([if calms_down { Weather::fair() } else { busy }]);
        weather::tell(world);
        world.mine(1);
        blocks += 1;
    }
    for (deadline, taken) in due.values() {
        ensure(taken.is_some_and(|at| at <= *deadline), Checker::Resolved, || {
            format!("an HTLC that was due by block {deadline} was ours in {taken:?}")
        })?;
    }
    let left = due.values().filter_map(|(deadline, taken)| deadline.0.checked_sub((*taken)?.0));
    let left = left.min().unwrap_or(u32::MAX);
    crate::check::before_court(world)?;
    Ok(MassClose { blocks, fees, claimed: due.len(), left, ..close })
}

/// Whether anything is left that has a deadline or is worth the price of these blocks. What is not waits for better days.
fn is_worth_the_price(world: &World) -> bool {
    let Some(process) = world.process(US) else { return true };
    process.node.channels().any(|(keys, _)| {
        process.node.resolution(&keys).is_none_or(|resolution| {
            let mut open = resolution.outputs.values().filter(|tracked| tracked.spent.is_none());
            let counts = |t: &Tracked| t.deadline().is_some() || t.value() >= WORTH_THE_PRICE;
            resolution.close.is_none() || open.any(counts)
        })
    })
}

/// What the peer has offered and could take back after its expiry.
fn look(world: &World, due: &mut Due) {
    let Some(process) = world.process(US) else { return };
    for (keys, _) in process.node.channels() {
        let Some(resolution) = process.node.resolution(&keys) else { continue };
        for (outpoint, tracked) in &resolution.outputs {
            let is_due = tracked.htlc().is_some_and(|htlc| htlc.offered_by == Side::Remote);
            if let Some(deadline) = tracked.deadline().filter(|_| is_due) {
                due.insert((keys, *outpoint), (deadline, tracked.spent.map(|spent| spent.height)));
            }
        }
    }
}
