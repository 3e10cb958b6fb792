//! What the world is asked: which channels there are, and how far they are.

use crate::world::World;
use astrape_channel::{Channel, Phase};
use astrape_node::{ChannelFact, Fact};
use astrape_primitives::ChannelKeysId;

impl World {
    /// The other side's value of a channel.
    pub(crate) fn twin<'a>(&'a self, node: usize, other: usize, channel: &Channel) -> Option<&'a Channel> {
        let peer = &self.process(other)?.node;
        let keys = peer.channel_by_id(self.machines[node].node_id, channel.channel_id())?;
        peer.channel(&keys)
    }

    /// The channels between two nodes that are open.
    pub(crate) fn channels_between(&self, node: usize, other: usize) -> Vec<ChannelKeysId> {
        let peer = self.machines[other].node_id;
        let Some(process) = self.process(node) else { return Vec::new() };
        let open =
            process.node.channels().filter(|(_, c)| c.peer() == peer && matches!(c.phase, Phase::Open(_)));
        open.map(|(keys, _)| keys).collect()
    }

    /// Whether a wanted channel is ready on both sides.
    pub(crate) fn is_usable(&self, wanted: usize) -> bool {
        let wanted = &self.users.wanted[wanted];
        let usable = || {
            let channel = self.process(wanted.from)?.node.channel(&wanted.keys?)?;
            let twin = self.twin(wanted.from, wanted.to, channel)?;
            Some(channel.is_usable() && twin.is_usable())
        };
        usable().unwrap_or(false)
    }

    /// Whether a wanted channel has not come to be, and nothing is left that could make it.
    pub(crate) fn must_ask_again(&self, wanted: usize) -> bool {
        let wanted = &self.users.wanted[wanted];
        let exists = || self.process(wanted.from)?.node.channel(&wanted.keys?);
        wanted.refused || exists().is_none()
    }

    /// Whether a channel is neither closing nor closed nor shutting down.
    pub(crate) fn is_open(&self, node: usize, keys: &ChannelKeysId) -> bool {
        let channel = self.process(node).and_then(|p| p.node.channel(keys));
        channel.is_some_and(|c| matches!(&c.phase, Phase::Open(open) if open.shutdown == Default::default()))
    }

    /// Whether a channel is over on both sides.
    pub(crate) fn is_over(&self, node: usize, keys: &ChannelKeysId) -> bool {
        let gone = |at: usize, keys: &ChannelKeysId| {
            self.process(at).is_some_and(|p| p.node.channel(keys).is_none())
        };
        let id = self.machines[node].disk.journal.ledger().iter().find_map(|entry| match &entry.fact {
            Fact::Channel { keys: k, channel_id, event: ChannelFact::Opened { .. }, .. } if k == keys => {
                Some(*channel_id)
            }
            _ => None,
        });
        let left = (0..self.machines.len())
            .filter_map(|at| self.process(at))
            .flat_map(|p| p.node.channels())
            .any(|(_, channel)| Some(channel.channel_id()) == id);
        gone(node, keys) && !left
    }
}
