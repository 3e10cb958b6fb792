//! Resolutions of each kind as scripts, with a crash of each kind forked at each of their steps.

use super::{MAX_BLOCKS_TO_RESOLVE, theft, weather};
use crate::scenario::{Forks, variants};
use crate::swarm;
use crate::totals::Seen;
use crate::user::Flaw;
use crate::violation::{Checker, Violation, ensure};
use crate::world::{Advance, World};
use astrape_primitives::{Sat, Side};
use astrape_transactions::CommitmentFormat;

/// How a channel between two ends. Node 0 is the one that all is played upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The peer falls silent with HTLCs both ways: our own commitment, an HTLC-timeout and an HTLC-success.
    Ours,
    /// The peer's newest commitment, with HTLCs both ways.
    Theirs,
    /// The same, which leaves the chain and all mempools when it was in a block.
    Undone,
    /// A revoked commitment, and HTLC transactions upon it.
    Revoked,
    /// The peer's commitment after we have started from an old copy of our disk.
    Future,
    /// The transaction of both.
    Together,
}

impl Kind {
    /// All.
    pub const ALL: [Kind; 6] =
        [Kind::Ours, Kind::Theirs, Kind::Undone, Kind::Revoked, Kind::Future, Kind::Together];
}

/// Delay of the outputs: short, since each block costs a fork a dozen steps.
const DELAY_BLOCKS: u16 = 8;

/// Most seeds until two payments cross as they must.
const MAX_TRIES: u64 = 40;

/// Most events in which they must.
const MAX_EVENTS: u32 = 400;

/// Runs the script, and from each `every`th of its steps on, beginning with that of number `first`, a fork for each way to die in
/// it, to its end.
///
/// # Errors
/// The first rule that is broken, with the step and the crash that led there.
pub fn run_resolution(
    kind: Kind,
    format: CommitmentFormat,
    every: u64,
    first: u64,
) -> Result<Forks, Violation> {
    let mut world = stage(kind, format)?;
    let mut forks = Forks::default();
    let mut step = 0;
    loop {
        let before = world.clone();
        match go_on(&mut world, kind)? {
            None => break,
            Some(Advance::Stepped { node, effects }) => {
                if step % every == first % every {
                    for plan in variants(node, effects) {
                        let mut fork = before.clone();
                        fork.plan = Some(plan);
                        let end = to_the_end(&mut fork, kind);
                        end.map_err(|violation| {
                            let at = format!("{} ({kind:?}, step {step}, {plan:?})", violation.what);
                            Violation::new(violation.checker, at)
                        })?;
                        forks.totals.add(fork.totals());
                        forks.count += 1;
                    }
                }
                step += 1;
            }
            Some(_) => {}
        }
    }
    forks.steps = step;
    judge(&world, kind)?;
    Ok(forks)
}

/// A world in which the end begins.
fn stage(kind: Kind, format: CommitmentFormat) -> Result<World, Violation> {
    for seed in 1..=MAX_TRIES {
        let mut world = World::line(2, format, seed);
        for machine in &mut world.machines {
            machine.config.channel.to_self_delay = DELAY_BLOCKS;
        }
        world.disk_check_every = 29;
        world.court.sits = true;
        world.court.keeper = Some(1);
        swarm::begin(&mut world)?;
        if begin_the_end(&mut world, kind)? {
            return Ok(world);
        }
    }
    Err(Violation::new(Checker::Rest, "two payments never cross"))
}

fn pay(world: &mut World, payer: usize, sat: u64) {
    world.pay(payer, 1 - payer, Sat(sat).to_msat(), Flaw::None);
}

/// Whether it has begun; another chance is asked for else.
fn begin_the_end(world: &mut World, kind: Kind) -> Result<bool, Violation> {
    if kind == Kind::Future {
        world.copy_disk(0);
    }
    for (payer, amount) in [(0, 40_000), (1, 30_000), (0, 20_000)] {
        pay(world, payer, amount);
        swarm::to_rest(world)?;
    }
    world.court.begins = world.chain.tip().height;
    match kind {
        Kind::Ours | Kind::Theirs | Kind::Undone => {
            if !cross(world)? {
                return Ok(false);
            }
            let last = theft::last_words(world, 1);
            world.leave(1);
            if kind == Kind::Theirs {
                theft::say_last_words(world, last);
            } else if kind == Kind::Undone {
                theft::mine_last_words(world, &last);
                swarm::to_rest(world)?;
                weather::undo_blocks(world, 1);
            }
            Ok(true)
        }
        Kind::Revoked => {
            theft::steal(world)?;
            // Before anybody else can do anything.
            theft::go_on(world)?;
            Ok(world.totals.court.has_seen(Seen::TheftByPreimage))
        }
        Kind::Future => {
            world.use_copy(0);
            Ok(true)
        }
        Kind::Together => {
            for keys in world.channels_between(0, 1) {
                world.close(0, keys);
            }
            Ok(true)
        }
    }
}

/// Two payments meet: node 0 has offered one, and knows the preimage of the other.
fn cross(world: &mut World) -> Result<bool, Violation> {
    pay(world, 0, 25_000);
    pay(world, 1, 35_000);
    for _ in 0..MAX_EVENTS {
        world.advance()?;
        let channels = world.process(0).into_iter().flat_map(|p| p.node.channels());
        let is_crossed = channels.filter_map(|(_, c)| c.open()).any(|open| {
            let known = open.htlcs.values().any(|h| h.offered_by == Side::Remote && h.preimage().is_some());
            let offered = open
                .htlcs
                .values()
                .any(|h| h.offered_by == Side::Local && h.preimage().is_none() && h.added.local.is_some());
            known && offered
        });
        if is_crossed {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The next event, or a block when nothing is left to happen; `None` when all is resolved.
fn go_on(world: &mut World, kind: Kind) -> Result<Option<Advance>, Violation> {
    let advance = world.advance()?;
    if advance != Advance::Quiet {
        return Ok(Some(advance));
    }
    let open = world.channels_between(0, 1);
    let is_asked = matches!(kind, Kind::Together | Kind::Future);
    if !world.is_before_court() && (!is_asked || open.is_empty()) {
        return Ok(None);
    }
    if kind == Kind::Together {
        for keys in open.iter().filter(|keys| world.is_open(0, keys)).copied().collect::<Vec<_>>() {
            world.close(0, keys);
        }
    }
    let took = world.chain.tip().height.0 - world.court.begins.0;
    ensure(took <= MAX_BLOCKS_TO_RESOLVE, Checker::Resolved, || {
        format!("not resolved within {took} blocks: {}", world.what_is_before_court())
    })?;
    world.now = world.now.plus(61_000);
    world.mine(1);
    theft::go_on(world)?;
    Ok(Some(Advance::Moved))
}

fn to_the_end(world: &mut World, kind: Kind) -> Result<(), Violation> {
    while go_on(world, kind)?.is_some() {}
    judge(world, kind)
}

/// What must hold at the end.
fn judge(world: &World, kind: Kind) -> Result<(), Violation> {
    if kind != Kind::Future {
        return crate::check::before_court(world);
    }
    // What it has forgotten is in no books: only that the channel is over, and what the other side paid it out. That it never
    // goes on chain by itself is asked of every fact.
    let is_empty = |node: usize| world.process(node).is_some_and(|p| p.node.channels().next().is_none());
    ensure((0..2).all(is_empty), Checker::Resolved, || "a channel is not over".to_owned())?;
    for node in 0..2 {
        let has = world.machines[node].wallet.total(&world.chain, world.from);
        let begun = world.checks.beginning.coins[node];
        let paid_out = world.users.wanted.iter().map(|w| w.push.to_sat_floor()).sum::<Sat>();
        let due = match world.users.wanted.iter().any(|wanted| wanted.from == node) {
            true => begun.saturating_sub(paid_out),
            false => begun.saturating_add(paid_out),
        };
        let least = due.saturating_sub(MAX_MOVED);
        ensure(has >= least, Checker::Wealth, || {
            format!("node {node} has {has}, where {due} and more are due")
        })?;
    }
    Ok(())
}

/// What payments have moved at most, and fees have taken.
const MAX_MOVED: Sat = Sat(60_000);
