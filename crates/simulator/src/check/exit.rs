//! Whose channel is funded can always go on chain alone: from the journal comes a commitment of its own, with the peer's
//! signature, that spends the funding. Else what left before its commit would bind one side and not the other (attack 24).

use crate::plant::Plant;
use crate::violation::{Checker, Violation, ensure};
use crate::world::World;
use astrape_channel::{Open, Phase};
use astrape_transactions::signing::Signer as _;
use bitcoin::OutPoint;
use std::collections::BTreeSet;

/// When a process has just started: its state is the journal's.
pub(crate) fn after_restart(world: &World, node: usize) -> Result<(), Violation> {
    // What an old copy has lost is the peer's to bring; what is before the court may be spent.
    if world.late.is_some() || world.besieged || world.court.sits {
        return Ok(());
    }
    let Some(process) = world.process(node) else { return Ok(()) };
    let mut own: BTreeSet<OutPoint> = BTreeSet::new();
    for (_, channel) in process.node.channels() {
        if let Phase::Open(open) = &channel.phase {
            own.insert(open.funding.terms.outpoint);
            if is_there(world, &open.funding.terms.outpoint) {
                commitment(world, node, open)?;
            }
        }
    }
    // What any peer of it has that is on the network, it has too.
    for other in (0..world.machines.len()).filter(|other| *other != node) {
        let channels = world.process(other).into_iter().flat_map(|p| p.node.channels());
        for (_, channel) in channels {
            let Phase::Open(open) = &channel.phase else { continue };
            let outpoint = open.funding.terms.outpoint;
            let is_theirs = open.params.peer == world.machines[node].node_id;
            ensure(
                !is_theirs || !is_there(world, &outpoint) || knows(world, node, &own, &outpoint),
                Checker::Exit,
                || format!("node {node} does not know the channel of {outpoint}, which is funded"),
            )?;
        }
    }
    Ok(())
}

/// Whether a node has a channel, open or on its way to its end.
fn knows(world: &World, node: usize, open: &BTreeSet<OutPoint>, outpoint: &OutPoint) -> bool {
    let channels = world.process(node).into_iter().flat_map(|p| p.node.channels());
    let mut all = channels.filter_map(|(_, channel)| channel.open());
    open.contains(outpoint) || all.any(|open| open.funding.terms.outpoint == *outpoint)
}

/// Whether a funding is on the network, and nothing spends it.
fn is_there(world: &World, outpoint: &OutPoint) -> bool {
    world.chain.is_unspent(outpoint)
}

/// The newest commitment of its own is valid: judged by the engine of the chain, whatever it pays.
fn commitment(world: &World, node: usize, open: &Open) -> Result<(), Violation> {
    let mut request = open.local_request();
    if world.plant == Some(Plant::BlursSignature { node }) {
        request.content.feerate.0 += 100;
    }
    let signed = world.machines[node].signer.clone().sign_local_commitment(&request);
    let outpoint = open.funding.terms.outpoint;
    let signed = signed.map_err(|error| {
        Violation::new(
            Checker::Exit,
            format!("node {node} cannot sign its commitment of {outpoint}: {error}"),
        )
    })?;
    // A block may hold what mempools do not take: its fee is no question here.
    let mut chain = world.chain.clone();
    let spends = |tx: &bitcoin::Transaction| tx.input.iter().any(|i| i.previous_output == outpoint);
    let waiting = chain.mempool().into_iter().filter(|tx| !spends(tx)).map(|tx| (*tx).clone());
    let block: Vec<bitcoin::Transaction> = waiting.chain([signed]).collect();
    let mined = chain.mine_with(&block, &astrape_regtest::RegtestChain::faucet_script());
    ensure(mined.is_ok(), Checker::Exit, || {
        format!("node {node} cannot go on chain from {outpoint}: {mined:?}")
    })
}
