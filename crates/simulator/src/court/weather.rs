//! Miners that fork, censor and ask high prices, mempools that evict, and chain sources that fall silent.

use crate::totals::Seen;
use crate::violation::Violation;
use crate::world::World;
use astrape_node::{ChainInput, Freshness, Input};
use astrape_primitives::FeeratePerKw;
use astrape_regtest::{RegtestChain, Weather};
use bitcoin::{OutPoint, Txid};
use rand::Rng as _;
use std::collections::BTreeSet;

/// Deepest reorganisation.
const MAX_DEPTH: u32 = 6;

/// Longest censorship, in blocks: shorter than any margin to a deadline.
const MAX_CENSORED_BLOCKS: u32 = 6;

/// The highest price of a block.
const MAX_PRICE: FeeratePerKw = FeeratePerKw(4_000);

/// Longest silence of a chain source, in milliseconds.
const MAX_BLIND_MILLIS: u64 = 4_000;

/// What could be left out: the unconfirmed transactions.
fn any_unconfirmed(world: &mut World) -> Option<(Txid, OutPoint)> {
    let mempool = world.chain.mempool();
    let tx = mempool.get(world.rng.gen_range(0..mempool.len().max(1)))?;
    Some((tx.compute_txid(), tx.input.first()?.previous_output))
}

/// Another branch wins, and perhaps leaves something out.
pub(super) fn reorganise(world: &mut World) {
    let depth = world.rng.gen_range(1..=MAX_DEPTH);
    let mut left_out: BTreeSet<Txid> = BTreeSet::new();
    if world.rng.gen_bool(0.4) {
        let tip = world.chain.tip().height.0;
        let heights = tip.saturating_sub(depth)..=tip;
        let blocks = heights.filter_map(|h| world.chain.block_at(astrape_primitives::Height(h)));
        let txs: Vec<Txid> = blocks
            .flat_map(|b| b.txdata.iter().skip(1).map(|t| t.compute_txid()).collect::<Vec<_>>())
            .collect();
        left_out.extend(txs.into_iter().filter(|_| world.rng.gen_bool(0.5)));
    }
    // The fundings stay: what their loss means is played elsewhere.
    let lowest = world.chain.tip().height.0.saturating_sub(depth);
    if lowest <= world.court.begins.0 {
        return;
    }
    world.chain.set_now(world.now);
    world.chain.replace_blocks(depth, &left_out, &RegtestChain::faucet_script());
    world.totals.reorgs += 1;
    world.totals.court.saw_many(Seen::DeepReorg, u64::from(depth > 2));
    world.trace.say(|| format!("{} the last {depth} blocks are others", world.now.0));
    world.blocks_are_there();
    tell(world);
}

/// The last blocks are others without anything in them, and no mempool has it.
pub(super) fn undo(world: &mut World) {
    let depth = world.rng.gen_range(1..=MAX_DEPTH);
    let lowest = world.chain.tip().height.0.saturating_sub(depth);
    if lowest > world.court.begins.0 {
        undo_blocks(world, depth);
    }
}

/// The same of so many blocks.
pub(super) fn undo_blocks(world: &mut World, depth: u32) {
    let lowest = world.chain.tip().height.0.saturating_sub(depth);
    let heights = lowest.saturating_add(1)..=world.chain.tip().height.0;
    let blocks = heights.filter_map(|h| world.chain.block_at(astrape_primitives::Height(h)));
    let of_block = |block: &bitcoin::Block| -> Vec<Txid> {
        block.txdata.iter().skip(1).map(bitcoin::Transaction::compute_txid).collect()
    };
    let all: BTreeSet<Txid> = blocks.flat_map(|block| of_block(&block)).collect();
    world.chain.set_now(world.now);
    world.chain.replace_blocks(depth, &all, &RegtestChain::faucet_script());
    for txid in &all {
        world.chain.evict(txid);
    }
    world.totals.reorgs += 1;
    world.totals.court.saw_many(Seen::Undone, u64::from(!all.is_empty()));
    world.trace.say(|| format!("{} the last {depth} blocks are empty now", world.now.0));
    world.blocks_are_there();
    world.mempool_is_another();
}

/// Somebody replaces what spends outputs of commitments, and withdraws what it put there, block after block: claims are in no
/// mempool when the block is made (attack 36).
pub(super) fn cycle(world: &mut World) -> Result<(), Violation> {
    for _ in 0..world.rng.gen_range(1..=MAX_CENSORED_BLOCKS) {
        let confirmed = |o: &OutPoint| world.chain.confirmations(&o.txid) > 0;
        let fundings: BTreeSet<OutPoint> = crate::check::fundings(world);
        let mempool = world.chain.mempool();
        let is_claim = |tx: &bitcoin::Transaction| {
            let mut spends = tx.input.iter().map(|input| input.previous_output);
            spends.all(|o| confirmed(&o) && !fundings.contains(&o))
        };
        let claims: Vec<Txid> =
            mempool.iter().filter(|tx| is_claim(tx)).map(|tx| tx.compute_txid()).collect();
        for txid in claims {
            let gone = world.chain.evict(&txid).len() as u64;
            world.totals.court.saw_many(Seen::Cycled, gone);
        }
        world.mempool_is_another();
        world.mine(1);
        crate::swarm::some_events(world)?;
    }
    Ok(())
}

/// Some blocks of another price.
pub(super) fn change(world: &mut World) {
    let price = FeeratePerKw(world.rng.gen_range(250..=MAX_PRICE.0));
    let blocks: u64 = world.rng.gen_range(1..=4);
    let busy = Weather { mempool_min: FeeratePerKw(price.0 / 4), block_min: price, ..Weather::fair() };
    let weather = if world.rng.gen_bool(0.2) { Weather::no_room() } else { busy };
    world.totals.court.saw_many(Seen::Congested, blocks);
    world.chain.forecast((0..blocks).map(|_| weather).chain([Weather::fair()]));
    tell(world);
}

/// Miners leave something out for a while.
pub(super) fn censor(world: &mut World) {
    let blocks = world.rng.gen_range(1..=MAX_CENSORED_BLOCKS);
    let Some((txid, outpoint)) = any_unconfirmed(world) else { return };
    world.totals.court.saw(Seen::Censored);
    if world.rng.gen_bool(0.5) {
        world.chain.censor(txid, blocks);
    } else {
        world.chain.censor_spend(outpoint, blocks);
    }
}

/// The mempool forgets something.
pub(super) fn evict(world: &mut World) {
    if let Some((txid, _)) = any_unconfirmed(world) {
        let gone = world.chain.evict(&txid).len() as u64;
        world.totals.court.saw_many(Seen::Evicted, gone);
        world.mempool_is_another();
    }
}

/// The chain source of a node falls silent.
pub(super) fn blind(world: &mut World) {
    let node = world.rng.gen_range(0..world.machines.len());
    let until = world.now.plus(world.rng.gen_range(500..MAX_BLIND_MILLIS));
    world.totals.court.saw(Seen::Outage);
    world.court.blind_until.insert(node, until);
    freshness(world, node, Freshness::Behind("the chain source is silent".to_owned()));
}

/// What the shell tells its node of its chain source.
pub(crate) fn freshness(world: &mut World, node: usize, freshness: Freshness) {
    if let Some(process) = world.process(node).map(|p| p.id) {
        let input = Box::new(Input::Chain(ChainInput::Freshness(freshness)));
        world.queue.push(world.now, crate::event::Event::Local { node, process, input });
    }
}

/// Fair weather from here on.
pub(super) fn clear(world: &mut World) {
    world.chain.forecast([Weather::fair()]);
    let blind: Vec<usize> = world.court.blind_until.keys().copied().collect();
    world.court.blind_until.clear();
    for node in blind {
        freshness(world, node, Freshness::Fresh);
    }
    world.mine(1);
    tell(world);
}

/// The estimates follow.
pub(super) fn tell(world: &mut World) {
    let feerate = world.feerate;
    world.set_feerate(feerate);
}
