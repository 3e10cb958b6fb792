//! `channel_update`s of our own channels, to and from the peer of each: what it costs to be paid over them. What concerns
//! others is not the core's.

use super::Turn;
use crate::effect::Speech;
use crate::index::real_scid;
use astrape_channel::Open;
use astrape_primitives::{ChannelKeysId, NodeId, ShortChannelId};
use astrape_wire::ChannelUpdate;
use bitcoin::hashes::Hash as _;
use bitcoin::secp256k1::{Message as Digest, ecdsa::Signature};
use std::sync::Arc;

impl Turn<'_> {
    /// Tells the peer of a channel what we ask for forwarding to it.
    pub(super) fn say_channel_update(&mut self, keys: ChannelKeysId) {
        let Some(channel) = self.node.channels.get(&keys).cloned() else {
            return;
        };
        let Some(open) = channel.open().filter(|o| o.is_ready()) else {
            return;
        };
        let Some(short_channel_id) = scid_towards_peer(open) else {
            return;
        };
        let policy = self.node.config.payment.forward.clone();
        let timestamp = self.gossip_timestamp();
        let direction = u8::from(self.node.config.node_id > open.params.peer);
        let capacity = open.funding.terms.capacity.to_msat();
        let update = ChannelUpdate {
            signature: unsigned(),
            chain_hash: self.node.config.channel.network.chain_hash(),
            short_channel_id,
            timestamp,
            message_flags: ChannelUpdate::MUST_BE_ONE | ChannelUpdate::DONT_FORWARD,
            channel_flags: direction,
            cltv_expiry_delta: policy.cltv_expiry_delta,
            htlc_minimum_msat: policy.htlc_minimum.max(open.params.remote.htlc_minimum),
            fee_base_msat: u32::try_from(policy.fee_base.0).unwrap_or(u32::MAX),
            fee_proportional_millionths: policy.fee_proportional_millionths,
            htlc_maximum_msat: policy.htlc_maximum.unwrap_or(capacity).min(capacity),
            extension: Default::default(),
        };
        self.say(open.params.peer, Speech::SignChannelUpdate(Box::new(update)));
    }

    /// Greater than any before, whatever the clock says (BOLT 7).
    fn gossip_timestamp(&mut self) -> u32 {
        let mut counters = self.node.counters.get(&()).copied().unwrap_or_default();
        let now = u32::try_from(self.now.secs()).unwrap_or(u32::MAX);
        counters.last_gossip_timestamp = now.max(counters.last_gossip_timestamp.saturating_add(1));
        self.node.counters.set((), counters);
        counters.last_gossip_timestamp
    }

    /// The peer tells what it asks for payments towards us.
    pub(super) fn channel_update(&mut self, peer: NodeId, update: ChannelUpdate) {
        let Some(keys) = self.channel_with(peer, update.short_channel_id) else {
            return;
        };
        let towards_us = u8::from(peer > self.node.config.node_id);
        let right_way = update.channel_flags & ChannelUpdate::DIRECTION == towards_us;
        let newer = self.node.peer_updates.get(&keys).is_none_or(|old| old.timestamp < update.timestamp);
        let here = update.chain_hash == self.node.config.channel.network.chain_hash();
        if !(right_way && newer && here) {
            return;
        }
        let digest = Digest::from_digest(update.signed_hash().to_byte_array());
        if self.node.secp.verify_ecdsa(&digest, &update.signature, &peer.key()).is_ok() {
            self.node.peer_updates.set(keys, Arc::new(update));
        }
    }

    /// The channel with a peer that has this short channel id, real or an alias of either side. LDK names the real one also
    /// where `option_scid_alias` was agreed on, which only keeps it from others.
    fn channel_with(&self, peer: NodeId, scid: ShortChannelId) -> Option<ChannelKeysId> {
        self.node.index.of_peer(&peer).into_iter().find(|keys| {
            let channel = self.node.channels.get(keys);
            channel.and_then(|c| c.open()).is_some_and(|open| {
                let known = [real_scid(open), Some(open.params.local_alias), open.readiness.remote_alias];
                known.contains(&Some(scid))
            })
        })
    }
}

/// The short channel id under which the peer knows the channel: its own alias, or the real one.
pub(crate) fn scid_towards_peer(open: &Open) -> Option<ShortChannelId> {
    match open.readiness.remote_alias {
        Some(alias) if open.params.scid_alias || !open.params.announce => Some(alias),
        alias => real_scid(open).or(alias),
    }
}

/// Stands where the signature will be.
fn unsigned() -> Signature {
    Signature::from_compact(&[0; 64]).expect("zeroes are below the order of the curve")
}
