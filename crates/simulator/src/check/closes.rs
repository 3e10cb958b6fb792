//! No channel closes unless somebody asked for it, and then only by the transaction that both sign.

use crate::machine::Machine;
use crate::totals::Seen;
use crate::violation::{Checker, Violation, ensure};
use crate::world::World;
use astrape_node::{ChannelFact, Fact};
use astrape_primitives::ChannelKeysId;

/// How a channel tells that it was closed by both.
const BY_BOTH: &str = "the closing transaction that both sides signed";

/// A fact of the ledger.
pub(super) fn fact(world: &mut World, node: usize, fact: &Fact) -> Result<(), Violation> {
    let Fact::Channel { keys, channel_id, event, .. } = fact else {
        return Ok(());
    };
    if matches!(event, ChannelFact::Quarantined { .. }) && world.still.failed.contains_key(&(node, *keys)) {
        return Ok(());
    }
    if world.late.is_some() {
        return late(world, node, event);
    }
    if world.court.sits {
        return before_court(world, node, event);
    }
    let closes = match event {
        // The opener died before it broadcast the funding, and does not know the channel any more.
        ChannelFact::ForceClosing { .. } if !is_funded(world, node, keys) => false,
        ChannelFact::ForceClosing { reason }
        | ChannelFact::WaitingForPeersCommitment { reason }
        | ChannelFact::Quarantined { reason } => {
            return Err(Violation::new(
                Checker::Closes,
                format!("node {node} gives up {channel_id}: {reason}"),
            ));
        }
        ChannelFact::Spent { how, .. } => {
            ensure(how == BY_BOTH, Checker::Closes, || {
                format!("node {node}: {channel_id} was spent by {how}")
            })?;
            true
        }
        ChannelFact::Over { .. } => {
            world.totals.closes += 1;
            true
        }
        ChannelFact::ShuttingDown { .. } | ChannelFact::ClosingAgreed { .. } => true,
        ChannelFact::Ready => {
            world.totals.opens += 1;
            false
        }
        ChannelFact::NotOpened { .. }
        | ChannelFact::Opened { .. }
        | ChannelFact::FundingConfirmed
        | ChannelFact::FundingReorged
        | ChannelFact::OnChain { .. } => false,
    };
    let asked = !closes || world.users.asked_to_close.contains(channel_id);
    ensure(asked, Checker::Closes, || {
        format!("node {node}: {event:?} of {channel_id}, which nobody asked for")
    })
}

/// Channels may go on chain: only our own program must not fail, and nobody is late.
fn before_court(world: &mut World, node: usize, event: &ChannelFact) -> Result<(), Violation> {
    match event {
        ChannelFact::ForceClosing { .. } => world.totals.court.saw(Seen::ForcedClose),
        ChannelFact::Spent { how, .. } => world.totals.court.saw(match how.as_str() {
            BY_BOTH => Seen::ByBoth,
            "our commitment" => Seen::ByOurs,
            "the peer's commitment" => Seen::ByTheirs,
            "a revoked commitment of the peer" => Seen::ByRevoked,
            other => {
                let what = format!("node {node}: a channel was spent by {other}");
                return Err(Violation::new(Checker::Closes, what));
            }
        }),
        ChannelFact::Over { .. } => world.totals.court.saw(Seen::Over),
        ChannelFact::Ready => world.totals.opens += 1,
        ChannelFact::Quarantined { reason } | ChannelFact::WaitingForPeersCommitment { reason } => {
            let what = format!("node {node} gives up a channel: {reason}");
            return Err(Violation::new(Checker::Closes, what));
        }
        _ => {}
    }
    Ok(())
}

/// A node is late, or its peer: the late one waits, the other goes on chain.
fn late(world: &mut World, node: usize, event: &ChannelFact) -> Result<(), Violation> {
    match event {
        ChannelFact::WaitingForPeersCommitment { .. } => world.totals.waits_for_peer += 1,
        ChannelFact::Over { .. } => world.totals.closes += 1,
        ChannelFact::ForceClosing { .. } => {
            world.totals.force_closes += 1;
            ensure(world.late != Some(node), Checker::Closes, || {
                format!("node {node} is late and goes on chain with a commitment that may be revoked")
            })?;
        }
        _ => {}
    }
    Ok(())
}

/// A liar may make its peer close, never stumble.
pub(super) fn under_siege(node: usize, fact: &Fact) -> Result<(), Violation> {
    match fact {
        Fact::Channel { channel_id, event: ChannelFact::Quarantined { reason }, .. } => {
            Err(Violation::new(Checker::Closes, format!("node {node} stumbles over {channel_id}: {reason}")))
        }
        _ => Ok(()),
    }
}

/// Whether the chain or the mempool knows the funding of a channel.
pub(crate) fn is_funded(world: &World, node: usize, keys: &ChannelKeysId) -> bool {
    let channel = world.process(node).and_then(|p| p.node.channel(keys));
    let outpoint = channel.and_then(|c| c.open()).map(|open| open.funding.terms.outpoint);
    outpoint.is_some_and(|outpoint| world.chain.transaction(&outpoint.txid).is_some())
}

/// Whether the ledger knows a channel as funded.
pub(crate) fn was_opened(machine: &Machine, keys: &ChannelKeysId) -> bool {
    machine.disk.journal.ledger().iter().any(|entry| {
        matches!(&entry.fact, Fact::Channel { keys: k, event: ChannelFact::Opened { .. }, .. } if k == keys)
    })
}

/// Whether the ledger knows a channel as ended: over, or never come to be.
pub(crate) fn has_ended(machine: &Machine, keys: &ChannelKeysId) -> bool {
    machine.disk.journal.ledger().iter().any(|entry| {
        matches!(&entry.fact,
            Fact::Channel { keys: k, event: ChannelFact::Over { .. } | ChannelFact::NotOpened { .. }, .. } if k == keys)
    })
}
