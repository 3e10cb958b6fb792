//! Channels that stand still in the middle of payments: those whose state a node has reason to doubt after a restart, until
//! their peer has told where it is, and those in which its program failed.

use crate::machine::Taken;
use crate::network::Loss;
use crate::violation::Violation;
use crate::world::World;
use astrape_channel::htlc::Direction;
use astrape_channel::{Open, Origin};
use astrape_node::{Input, SignerAnswer};
use astrape_primitives::{ChannelKeysId, Height, HtlcId, Side};
use rand::Rng as _;
use std::collections::{BTreeMap, BTreeSet};

/// How long the peer of a channel that stands still is away at most, in milliseconds.
const MAX_AWAY_MILLIS: u64 = 6_000;

/// An HTLC of a peer.
type OfPeer = (usize, ChannelKeysId, HtlcId);

/// What is remembered of channels that stand still.
#[derive(Clone, Debug, Default)]
pub(crate) struct Still {
    /// Channels that chance has let fail, with the height at which it did last.
    pub(crate) failed: BTreeMap<(usize, ChannelKeysId), Height>,
    /// HTLCs of peers whose end is known.
    ended: BTreeSet<OfPeer>,
}

/// The node in the middle of a forward dies and has reason to doubt its records, though they are whole; the peer from which the
/// HTLC came is away for a while.
pub(crate) fn doubt(world: &mut World) {
    let Some((node, _, peer)) = forward(world) else { return };
    let Some(process) = world.process(node) else { return };
    let is_there = |open: &Open| world.index_of(&open.params.peer).is_some_and(|p| world.court.is_honest(p));
    let channels = process.node.channels().filter(|(_, channel)| channel.open().is_some_and(is_there));
    let doubted: BTreeSet<ChannelKeysId> = channels.map(|(keys, _)| keys).collect();
    let away = world.rng.gen_range(200..MAX_AWAY_MILLIS);
    world.sleep(peer, away);
    world.crash(node, Loss::Tail);
    world.totals.suspects += doubted.len() as u64;
    for keys in &doubted {
        world.know_the_ends(node, keys);
    }
    world.machines[node].doubted = doubted;
}

/// The program of the node in the middle of a forward fails in the channel from which the HTLC came.
pub(crate) fn quarantine(world: &mut World) -> Result<(), Violation> {
    let Some((node, keys, _)) = forward(world) else { return Ok(()) };
    world.totals.quarantines += 1;
    world.know_the_ends(node, &keys);
    world.still.failed.insert((node, keys), world.chain.tip().height);
    let failed = Input::Signer(SignerAnswer::Refused { channel: keys });
    world.step(node, failed, Taken::Other)
}

/// Blocks for which a channel stands still at most: its peer goes on chain for its HTLCs when their deadline is near, and is right to.
const MAX_BLOCKS_STILL: u32 = 2;

/// Somebody looks after the nodes: what failed stands still until a restart.
pub(crate) fn restart_in_time(world: &mut World) {
    let tip = world.chain.tip().height;
    restart(world, |since| tip >= since.plus(MAX_BLOCKS_STILL));
}

/// Nodes with channels that have stood still since a height that counts start anew.
pub(crate) fn restart(world: &mut World, counts: impl Fn(Height) -> bool) {
    for node in 0..world.machines.len() {
        let quarantined = world.process(node).into_iter().flat_map(|p| p.node.quarantined());
        let since = |keys| world.still.failed.get(&(node, keys)).copied().unwrap_or_default();
        if quarantined.map(|(keys, _)| since(keys)).any(&counts) {
            world.crash(node, Loss::None);
        }
    }
}

/// An honest node that has passed on an HTLC which has not ended, with the channel and the peer from which it came.
fn forward(world: &mut World) -> Option<(usize, ChannelKeysId, usize)> {
    let honest = (0..world.machines.len()).filter(|node| world.court.is_honest(*node));
    let of_node = |node: usize| {
        let process = world.process(node)?;
        let htlcs =
            process.node.channels().filter_map(|(_, c)| c.open()).flat_map(|open| open.htlcs.values());
        let upstream = |htlc: &_| {
            origin(htlc).and_then(|keys| {
                let peer = world.index_of(&process.node.channel(&keys)?.open()?.params.peer)?;
                world.court.is_honest(peer).then_some((node, keys, peer))
            })
        };
        htlcs.map(|htlc| &**htlc).find_map(upstream)
    };
    let all: Vec<_> = honest.filter_map(of_node).collect();
    (!all.is_empty()).then(|| all[world.rng.gen_range(0..all.len())])
}

/// The channel from which an HTLC came that has not ended.
fn origin(htlc: &astrape_channel::Htlc) -> Option<ChannelKeysId> {
    match &htlc.direction {
        Direction::Outgoing { origin: Origin::Relay { channel, .. }, preimage: None, .. } => Some(*channel),
        _ => None,
    }
}

/// HTLCs of the peer in a channel whose end is decided.
fn decided(open: &Open) -> impl Iterator<Item = HtlcId> {
    let of_peer =
        open.htlcs.iter().filter(|((side, _), htlc)| *side == Side::Remote && htlc.removal.is_some());
    of_peer.map(|((_, id), _)| *id)
}

impl World {
    /// What has ended before is no end that a channel takes while it stands still.
    fn know_the_ends(&mut self, node: usize, keys: &ChannelKeysId) {
        let known = self.ends(node, keys);
        self.still.ended.extend(known);
    }

    fn ends(&self, node: usize, keys: &ChannelKeysId) -> Vec<OfPeer> {
        let channel = self.process(node).and_then(|p| p.node.channel(keys));
        let open = channel.and_then(|c| c.open());
        open.into_iter().flat_map(decided).map(|id| (node, *keys, id)).collect()
    }

    /// Counts the ends of HTLCs that channels have taken while they stand still.
    pub(crate) fn count_ends_while_still(&mut self, node: usize) {
        let Some(process) = self.process(node) else { return };
        let quarantined = process.node.quarantined().map(|(keys, _)| keys);
        let still: Vec<ChannelKeysId> = process.node.suspect().chain(quarantined).collect();
        for keys in still {
            for end in self.ends(node, &keys) {
                self.totals.ends_while_still += u64::from(self.still.ended.insert(end));
            }
        }
    }
}
