//! An honest node is never punished: it broadcasts no commitment whose secret the peer has, whatever crashes and forks it goes
//! through.

use crate::siege::VICTIM;
use crate::violation::{Checker, Violation, ensure};
use crate::world::World;
use astrape_channel::Open;
use astrape_primitives::CommitmentNumber;
use astrape_transactions::numbering::commitment_number;
use bitcoin::Transaction;

/// What a node brings to the chain of its own accord: what was in a block before, or is in the mempool, is no news to anybody.
pub(crate) fn check(world: &World, node: usize, tx: &Transaction) -> Result<(), Violation> {
    // A liar gives secrets away of which its own node knows nothing.
    if world.besieged && node != VICTIM {
        return Ok(());
    }
    let own = world.process(node).into_iter().flat_map(|p| p.node.channels());
    for open in own.filter_map(|(_, channel)| channel.open()) {
        let number = number_of(open, tx);
        ensure(number.is_none_or(|number| number >= open.local.number), Checker::Punished, || {
            format!("node {node} broadcasts a commitment that it has revoked")
        })?;
    }
    for other in (0..world.machines.len()).filter(|other| *other != node) {
        let channels = world.process(other).into_iter().flat_map(|p| p.node.channels());
        for open in channels.filter_map(|(_, channel)| channel.open()) {
            ensure(!is_revoked(open, tx), Checker::Punished, || {
                format!("node {node} broadcasts a commitment whose secret node {other} has")
            })?;
        }
    }
    Ok(())
}

/// Whether a transaction is a commitment of the peer of this channel that is revoked.
fn is_revoked(open: &Open, tx: &Transaction) -> bool {
    number_of(open, tx)
        .is_some_and(|number| number < open.remote.acked() && open.remote.secrets.get(number).is_some())
}

/// The number of a commitment of this channel, whichever side's.
fn number_of(open: &Open, tx: &Transaction) -> Option<CommitmentNumber> {
    let funding = open.funding.terms.outpoint;
    let spends_it = tx.input.iter().any(|input| input.previous_output == funding);
    commitment_number(&open.funding.terms, tx).filter(|_| spends_it)
}
