//! What the shell of a simulated node serves.

use crate::event::Event;
use crate::world::{Advance, World};
use astrape_node::{ChainInput, Effect, Find, Found, Input, Journal as _, Watch};
use astrape_primitives::{CommitmentNumber, Height, Msat, Sat};
use astrape_regtest::RegtestChain;
use astrape_transactions::CommitmentFormat;
use bitcoin::{OutPoint, Transaction, TxIn, TxOut, Witness};

fn to_rest(world: &mut World) {
    while world.advance().expect("no rule is broken") != Advance::Quiet {}
}

/// Two nodes with a channel over which something was paid.
fn two_with_a_channel() -> World {
    let mut world = World::line(2, CommitmentFormat::Anchors, 7);
    to_rest(&mut world);
    world.open(0, 1, Sat(1_000_000), Msat(400_000_000));
    for _ in 0..5 {
        to_rest(&mut world);
        world.mine(1);
    }
    to_rest(&mut world);
    world.pay(0, 1, Msat(20_000_000), crate::user::Flaw::None);
    to_rest(&mut world);
    world
}

/// The next input that the shell of a node has for its core, taken out of the queue.
fn inputs(world: &World, node: usize) -> Vec<Input> {
    let of_node = |event: &Event| match event {
        Event::Local { node: at, input, .. } if *at == node => Some((**input).clone()),
        _ => None,
    };
    world.queue.events().filter_map(of_node).collect()
}

#[test]
fn archived_htlcs_are_looked_up_in_the_journal() {
    let mut world = two_with_a_channel();
    let row = world.machines[0].disk.journal.retired().next().expect("a payment was settled").clone();
    let (channel, number) = (row.channel, row.first_remote);
    let nobody = Default::default();
    let ask = |number| Effect::Find(Find::RetiredHtlcs { channel, number });
    world.release_one(0, &nobody, ask(number)).expect("it is answered");
    world.release_one(0, &nobody, ask(CommitmentNumber(0))).expect("it is answered");
    let found: Vec<Found> = inputs(&world, 0)
        .into_iter()
        .filter_map(|input| match input {
            Input::Found(found) => Some(found),
            _ => None,
        })
        .collect();
    let rows = world.machines[0].disk.retired_htlcs(&channel, number).expect("it is in memory");
    assert!(rows.contains(&row));
    assert_eq!(
        found,
        [
            Found::RetiredHtlcs { channel, number, rows },
            Found::RetiredHtlcs { channel, number: CommitmentNumber(0), rows: vec![] },
        ]
    );
}

/// A gift of the faucet that anyone can spend, and two transactions that do so, one after the other.
fn gift_and_spends(world: &mut World) -> (OutPoint, bitcoin::ScriptBuf, [Transaction; 2]) {
    let script = RegtestChain::faucet_script();
    let gift = world.chain.fund(&script, Sat(100_000)).expect("the faucet has coins");
    let spend = |from: OutPoint, sat: u64| {
        let witness = Witness::from_slice(&[[0x51_u8]]);
        Transaction {
            version: bitcoin::transaction::Version::TWO,
            lock_time: bitcoin::absolute::LockTime::ZERO,
            input: vec![TxIn { previous_output: from, witness, ..TxIn::default() }],
            output: vec![TxOut { value: bitcoin::Amount::from_sat(sat), script_pubkey: script.clone() }],
        }
    };
    let first = spend(gift, 90_000);
    let second = spend(OutPoint { txid: first.compute_txid(), vout: 0 }, 80_000);
    (gift, script, [first, second])
}

#[test]
fn spends_of_a_watched_output_are_told_from_the_mempool_and_from_the_block() {
    let mut world = two_with_a_channel();
    let (outpoint, script, [first, second]) = gift_and_spends(&mut world);
    world.mine(1);
    to_rest(&mut world);
    let from = Height(world.chain.tip().height.0);
    let watch = Effect::Watch(Watch::Output { outpoint, script, from });
    world.release_one(0, &Default::default(), watch).expect("it is taken");
    let told = |world: &World, node: usize| world.process(node).and_then(|p| p.watch.told.clone());
    assert_eq!(told(&world, 0), Some(vec![]));

    world.broadcast(1, &[first.clone(), second.clone()]);
    to_rest(&mut world);
    let mut both = vec![first.compute_txid(), second.compute_txid()];
    both.sort_unstable();
    assert_eq!(told(&world, 0), Some(both), "the spend, and what hangs on it");
    assert_eq!(told(&world, 1), Some(vec![]), "which does not wait for it");

    let watch = world.process(0).expect("it runs").watch.clone();
    world.mine(1);
    let tip = world.chain.tip();
    let block = world.chain.block(&tip.hash).expect("it is there");
    let event = watch.event(&astrape_regtest::BlockEvent::Connected { id: tip, block });
    let astrape_primitives::ChainEvent::Connected { matched, .. } = event else { panic!("it connects") };
    assert_eq!(matched.len(), 2, "both are told of the block");
    to_rest(&mut world);
    assert_eq!(told(&world, 0), Some(vec![]), "nothing is unconfirmed any more");

    world.release_one(0, &Default::default(), Effect::Watch(Watch::Forget(outpoint))).expect("it is taken");
    world.reorganise(1);
    to_rest(&mut world);
    assert_eq!(told(&world, 0), Some(vec![]), "it was forgotten");
}

#[test]
fn what_became_of_a_broadcast_is_told_by_the_id_of_the_last() {
    let mut world = two_with_a_channel();
    let (_, _, [first, second]) = gift_and_spends(&mut world);
    let results = |world: &World| -> Vec<(bitcoin::Txid, Option<String>)> {
        inputs(world, 0)
            .into_iter()
            .filter_map(|input| match input {
                Input::Chain(ChainInput::BroadcastResult { txid, refused }) => Some((txid, refused)),
                _ => None,
            })
            .collect()
    };
    world.broadcast(0, std::slice::from_ref(&second));
    let [(txid, Some(reason))] = &results(&world)[..] else { panic!("one is told") };
    assert_eq!(*txid, second.compute_txid());
    assert!(reason.contains("missing"), "{reason}");
    to_rest(&mut world);
    world.broadcast(0, &[first, second.clone()]);
    assert_eq!(results(&world), [(second.compute_txid(), None)]);
}
