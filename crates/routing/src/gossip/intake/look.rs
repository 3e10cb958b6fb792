//! What is looked at before any signature: whether a message fits what is known already.

use crate::gossip::Gossip;
use crate::gossip::check::{self, Heard, Ignored, MAX_AGE_SECS, MAX_MESSAGE};
use crate::graph::Direction;
use astrape_primitives::{Height, NodeId};
use astrape_wire::{ChannelAnnouncement, ChannelUpdate, NodeAnnouncement};

/// Confirmations from which an announcement is taken: one less than it needs, since the newest block may not have reached
/// us (BOLT 7). Those with fewer wait for their blocks.
const LEAST_DEPTH: u32 = 5;

/// Blocks that we may be behind the one who announces a channel: what lies further ahead is not true, or we are far behind
/// and ask again later.
const MAX_AHEAD_BLOCKS: u32 = 12;

impl Gossip {
    pub(super) fn look_at_channel(&self, m: &ChannelAnnouncement, heard: &Heard) -> Result<(), Ignored> {
        let id = m.short_channel_id;
        self.is_of_our_chain(m.chain_hash, heard)?;
        if self.banned.contains(&m.node_id_1) || self.banned.contains(&m.node_id_2) {
            return Err(Ignored::Banned);
        }
        if self.closed.contains(id) || self.closed.is_gone(id) {
            return Err(Ignored::Closed);
        }
        let known = self.graph.channel(id);
        if known.is_some_and(|c| m.node_id_1 == c.node_1 && m.node_id_2 == c.node_2) {
            return Err(Ignored::Known);
        }
        let block = Height(id.block());
        if block.confirmations_at(self.tip) < LEAST_DEPTH {
            let is_near = block.0 <= self.tip.0.saturating_add(MAX_AHEAD_BLOCKS);
            return Err(if is_near { Ignored::Early } else { Ignored::Chain });
        }
        if self.waiting.has_room_for(heard, id) { Ok(()) } else { Err(Ignored::TooMany) }
    }

    /// Whose signature an update must have.
    pub(super) fn look_at_update(
        &self,
        now: u32,
        m: &ChannelUpdate,
        heard: &Heard,
    ) -> Result<NodeId, Ignored> {
        let id = m.short_channel_id;
        self.is_of_our_chain(m.chain_hash, heard)?;
        check::timestamp(m.timestamp, now)?;
        if m.message_flags & ChannelUpdate::DONT_FORWARD != 0 {
            return Err(Ignored::Private);
        }
        if m.timestamp < now.saturating_sub(MAX_AGE_SECS) {
            return Err(Ignored::Old);
        }
        let Some(channel) = self.graph.channel(id) else {
            return Err(if self.closed.is_gone(id) { Ignored::Closed } else { Ignored::Early });
        };
        let direction = Direction::from_flags(m.channel_flags);
        if let Some(policy) = channel.policy(direction) {
            newer(m.timestamp, policy.timestamp)?;
        }
        if self.closed.contains(id) && m.channel_flags & ChannelUpdate::DISABLE == 0 {
            return Err(Ignored::Closed);
        }
        if channel.capacity.is_some_and(|capacity| m.htlc_maximum_msat > capacity.to_msat()) {
            return Err(Ignored::OverCapacity);
        }
        Ok(channel.sender(direction))
    }

    pub(super) fn look_at_node(&self, now: u32, m: &NodeAnnouncement, heard: &Heard) -> Result<(), Ignored> {
        if heard.bytes.len() > MAX_MESSAGE {
            return Err(Ignored::TooLong);
        }
        check::timestamp(m.timestamp, now)?;
        if self.banned.contains(&m.node_id.into()) {
            return Err(Ignored::Banned);
        }
        if let Some(node) = self.graph.node(&m.node_id) {
            return newer(m.timestamp, node.timestamp);
        }
        // Its channel may be on its way to the chain and back, or in the batch that is being checked.
        if self.graph.has_node(&m.node_id) { Ok(()) } else { Err(Ignored::Early) }
    }

    fn is_of_our_chain(&self, chain_hash: [u8; 32], heard: &Heard) -> Result<(), Ignored> {
        if chain_hash != self.chain_hash {
            return Err(Ignored::OtherChain);
        }
        if heard.bytes.len() > MAX_MESSAGE {
            return Err(Ignored::TooLong);
        }
        Ok(())
    }
}

/// BOLT 7: only what is newer counts; of two with the same timestamp the first.
fn newer(timestamp: u32, known: u32) -> Result<(), Ignored> {
    match timestamp.cmp(&known) {
        std::cmp::Ordering::Less => Err(Ignored::Old),
        std::cmp::Ordering::Equal => Err(Ignored::Known),
        std::cmp::Ordering::Greater => Ok(()),
    }
}
