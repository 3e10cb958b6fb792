//! What no signature covers: items of a witness that only choose a branch of its script. Their owner, or whoever passes a
//! transaction on, puts other bytes in their place that choose the same; its id stays.

use crate::totals::Seen;
use crate::world::World;
use astrape_regtest::RegtestChain;
use bitcoin::opcodes::all::OP_IF;
use bitcoin::{Transaction, Witness};
use rand::Rng as _;
use rand::seq::SliceRandom as _;

/// What is true to a script, in other words than 1. Blocks take it, and mempools do not.
const TRUTHS: [&[u8]; 4] = [&[2], &[1, 0], &[0x80, 0], &[0xff; 5]];

/// What is false, in other words than nothing.
const FALSEHOODS: [&[u8]; 4] = [&[0], &[0x80], &[0, 0], &[0, 0, 0x80]];

/// What is no preimage: of any length but 32.
const DUMMIES: [&[u8]; 6] = [&[0], &[1], &[0; 2], &[7; 31], &[7; 33], &[0xff; 80]];

/// A block of what pays best, in which every transaction has other bytes wherever nobody signs them.
pub(super) fn mine(world: &mut World) {
    world.chain.set_now(world.now);
    let mut changed = 0;
    let template = world.chain.template();
    let txs: Vec<Transaction> = template
        .iter()
        .map(|tx| {
            let other = other_bytes(world, tx);
            changed += u64::from(other.is_some());
            other.unwrap_or_else(|| (**tx).clone())
        })
        .collect();
    if changed == 0 || world.chain.mine_with(&txs, &RegtestChain::faucet_script()).is_err() {
        world.mine(1);
        return;
    }
    world.totals.court.saw_many(Seen::Rewritten, changed);
    world.totals.blocks += 1;
    world.trace.say(|| format!("{} a block of {changed} transactions with other witnesses", world.now.0));
    world.blocks_are_there();
}

/// The same transaction with other bytes; `None` where all of them are signed.
pub(super) fn other_bytes(world: &mut World, tx: &Transaction) -> Option<Transaction> {
    let mut other = tx.clone();
    for input in &mut other.input {
        if let Some((index, choices)) = free_item(&input.witness) {
            let chosen = choices.choose(&mut world.rng).copied().unwrap_or_default();
            let items = input.witness.iter().enumerate();
            let items: Vec<&[u8]> = items.map(|(at, item)| if at == index { chosen } else { item }).collect();
            input.witness = Witness::from_slice(&items);
        }
    }
    (other != *tx).then_some(other)
}

/// The item that only chooses a branch, and what chooses the same.
fn free_item(witness: &Witness) -> Option<(usize, &'static [&'static [u8]])> {
    let item = |index: usize| witness.nth(index).unwrap_or_default();
    let script = witness.last()?;
    match witness.len() {
        // HTLC-timeout by the commitment's owner.
        5 if item(3).is_empty() => Some((3, &DUMMIES)),
        // The outputs that wait for a delay ask first whether it is a penalty.
        3 if script.first() == Some(&OP_IF.to_u8()) => match item(1) {
            [] => Some((1, &FALSEHOODS)),
            [1] => Some((1, &TRUTHS)),
            _ => None,
        },
        // An HTLC of the other side's commitment by timeout.
        3 if item(1).is_empty() => Some((1, &DUMMIES)),
        _ => None,
    }
}

/// Whether chance wants other bytes.
pub(super) fn perhaps(world: &mut World, tx: Transaction) -> Transaction {
    if !world.rng.gen_bool(0.5) {
        return tx;
    }
    match other_bytes(world, &tx) {
        Some(other) => {
            world.totals.court.saw(Seen::RewrittenTheft);
            other
        }
        None => tx,
    }
}
