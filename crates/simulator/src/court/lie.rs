//! What a liar says that its node would not, and what it leaves unsaid.
//!
//! It names scripts of its own making when it closes, so that a commitment which it has revoked pays to nothing but what both
//! named; it claims that its peer is behind; it takes signatures and gives no secret for them, and answers pings all the while.

use super::theft::{self, Kept};
use crate::network::{Loss, Packet};
use crate::totals::Seen;
use crate::violation::Violation;
use crate::world::World;
use astrape_primitives::ChannelKeysId;
use astrape_transactions::{Commitment, CommitmentFormat};
use astrape_wire::{ChannelReestablish, Message, Shutdown};
use bitcoin::ScriptBuf;
use rand::Rng as _;

/// Most events until the peer has answered a `shutdown`.
const MAX_EVENTS_TO_AN_ANSWER: u32 = 60;

/// By how much a liar claims to be ahead at most.
const MAX_AHEAD: u64 = 3;

/// What is wrong with what a node says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lie {
    /// Its revocations go out no more: both of its last commitments stay valid.
    Withholds,
    /// It claims that its peer is behind, and has no proof.
    ClaimsAhead,
    /// It says nothing any more.
    IsMute,
}

impl World {
    /// What a node says that lies, in place of what it would say.
    pub(crate) fn lied(&mut self, node: usize, message: Message) -> Option<Message> {
        let lie = self.court.lie.filter(|(liar, _)| *liar == node).map(|(_, lie)| lie);
        match (lie, message) {
            (Some(Lie::IsMute), _) => None,
            (Some(Lie::Withholds), Message::RevokeAndAck(_)) => {
                self.totals.court.saw(Seen::Withheld);
                None
            }
            // It would make no sense to the peer without.
            (Some(Lie::Withholds), Message::CommitmentSigned(_)) => None,
            (Some(Lie::ClaimsAhead), Message::ChannelReestablish(message)) => {
                self.totals.court.saw(Seen::FalseClaim);
                let ahead = self.rng.gen_range(1..=MAX_AHEAD);
                Some(Message::ChannelReestablish(ChannelReestablish {
                    next_revocation_number: message.next_revocation_number.plus(ahead),
                    your_last_per_commitment_secret: self.draw(),
                    ..message
                }))
            }
            (_, message) => Some(message),
        }
    }
}

/// A neighbour claims, as soon as they are connected again, that the other is behind.
pub(super) fn claim_to_be_ahead(world: &mut World, liar: usize, connection: u64) {
    world.court.lie = Some((liar, Lie::ClaimsAhead));
    world.cut(connection, Loss::None, Loss::None);
}

/// The keeper says `shutdown` with the script of an output of a commitment that it has revoked. When the peer has answered, it
/// broadcasts that commitment. Whether it could.
pub(super) fn steal_in_guise(world: &mut World) -> Result<bool, Violation> {
    let guises: Vec<(Kept, ScriptBuf)> = theft::stealable(world)
        .into_iter()
        .filter_map(|kept| Some((kept.clone(), guise(world, &kept)?)))
        .collect();
    if guises.is_empty() {
        return Ok(false);
    }
    let (kept, script) = guises[world.rng.gen_range(0..guises.len())].clone();
    if !say_shutdown(world, &kept, script) {
        return Ok(false);
    }
    for _ in 0..MAX_EVENTS_TO_AN_ANSWER {
        if has_answered(world, &kept) {
            break;
        }
        world.advance()?;
    }
    if has_answered(world, &kept) {
        world.totals.court.saw(Seen::Guise);
    }
    theft::steal_with(world, kept);
    Ok(true)
}

/// The script to name so that a commitment looks like a close by both: that of its one output that is not the peer's. Only
/// without anchors, which have scripts of their own.
fn guise(world: &World, kept: &Kept) -> Option<ScriptBuf> {
    if kept.request.terms.format != CommitmentFormat::StaticRemotekey || is_bound(world, kept) {
        return None;
    }
    let commitment = Commitment::build(&world.secp, &kept.request.terms, &kept.request.content).ok()?;
    let to_local = commitment.to_local()?;
    let is_alone = commitment.htlcs().is_empty();
    is_alone.then(|| commitment.output(to_local.index).map(|(_, out)| out.script_pubkey.clone()))?
}

/// Whether the keeper named its script when the channel was opened: the peer takes no other.
fn is_bound(world: &World, kept: &Kept) -> bool {
    let channel = world.process(kept.node).and_then(|p| p.node.channel(&kept.keys));
    channel.and_then(|c| c.open()).is_none_or(|open| open.params.local.upfront_shutdown_script.is_some())
}

fn say_shutdown(world: &mut World, kept: &Kept, scriptpubkey: ScriptBuf) -> bool {
    let Some((peer, channel_id)) = peer_of(world, kept.node, &kept.keys) else { return false };
    let connections = world.process(kept.node).map(|p| p.connections.clone()).unwrap_or_default();
    let Some(connection) = connections.get(&peer).copied() else { return false };
    let message = Message::Shutdown(Shutdown { channel_id, scriptpubkey });
    let Ok(bytes) = message.encode() else { return false };
    world.court.lie = Some((kept.node, Lie::IsMute));
    world.send(connection, peer, Packet::Message(bytes));
    true
}

fn peer_of(
    world: &World,
    node: usize,
    keys: &ChannelKeysId,
) -> Option<(usize, astrape_primitives::ChannelId)> {
    let open = world.process(node)?.node.channel(keys)?.open()?;
    Some((world.index_of(&open.params.peer)?, open.params.channel_id))
}

/// Whether both have named a script, as the peer has it.
fn has_answered(world: &World, kept: &Kept) -> bool {
    let outpoint = kept.request.terms.outpoint;
    let others = (0..world.machines.len()).filter(|node| *node != kept.node);
    let mut channels = others.filter_map(|node| world.process(node)).flat_map(|p| p.node.channels());
    channels.any(|(_, channel)| {
        channel.open().is_some_and(|open| {
            let scripts = (&open.shutdown.local, &open.shutdown.remote);
            open.funding.terms.outpoint == outpoint && matches!(scripts, (Some(_), Some(_)))
        })
    })
}
