//! What we say of our own channels and of ourselves (BOLT 7), and what their peers say of them. What concerns others is not
//! the core's.
//!
//! What was said last is kept as it was said, so that a restart says the same again and nothing new; something new is said
//! when it differs, or before the network would forget the old.

use super::Turn;
use super::policy::{asks_the_same, with_inbound};
use crate::effect::{Announcement, Effect, Speech};
use crate::index::real_scid;
use crate::state::{OwnNode, OwnUpdate, unsigned};
use astrape_channel::{Channel, Event, Link, Open, Phase, Shutdown};
use astrape_primitives::{ChannelKeysId, Feature, Features, Msat, NodeId, ShortChannelId};
use astrape_wire::{ChannelAnnouncement, ChannelUpdate, Message, NodeAnnouncement};
use bitcoin::hashes::Hash as _;
use bitcoin::secp256k1::Message as Digest;
use std::sync::Arc;

/// How often what we say is compared with what should be said.
const LOOK_MILLIS: u64 = 60_000;

/// A channel whose peer is away for so long is disabled: a restart of the peer is no news for the network.
const DISABLE_AFTER_MILLIS: u64 = 20 * 60_000;

/// What was said so long ago is said anew: others forget it after two weeks (BOLT 7).
pub(crate) const REFRESH_SECS: u32 = 10 * 24 * 60 * 60;

impl Turn<'_> {
    /// Now and then, over all channels: peers that stay away, what grows old, what the operator has changed.
    pub(super) fn look_at_gossip(&mut self) {
        if self.now.since(self.node.gossip_looked_at) < LOOK_MILLIS {
            return;
        }
        self.node.gossip_looked_at = self.now;
        for keys in self.node.channels.keys() {
            self.note_absence(keys);
            self.forget_old_policies(keys);
            self.refresh_update(keys);
            self.sign_updates(keys);
        }
        self.refresh_node();
    }

    /// A channel is announced: the network hears of it, and of how we relay over it, and of us.
    pub(crate) fn announced(&mut self, keys: ChannelKeysId) {
        let Some(open) = self.node.channels.get(&keys).and_then(|c| c.open().cloned()) else {
            return;
        };
        self.effects.extend(announcement_of(keys, &open, &self.node.config).map(Effect::Announce));
        let of_peer = self.node.peer_updates.get(&keys);
        self.effects.extend(of_peer.and_then(|update| public_update(&open, update)).map(Effect::Announce));
        self.refresh_update(keys);
        self.refresh_node();
    }

    /// The peer is back. What was said to it alone may not have reached it.
    pub(crate) fn say_update_again(&mut self, keys: ChannelKeysId) {
        self.node.away.remove(&keys);
        if !self.refresh_update(keys)
            && let Some(said) = self.node.own_updates.get(&keys).cloned()
            && said.is_private()
        {
            self.say_to_peer(keys, said.0);
        }
    }

    fn note_absence(&mut self, keys: ChannelKeysId) {
        let is_here = self.node.channels.get(&keys).is_some_and(|c| matches!(c.link, Link::Up(_)));
        if is_here {
            self.node.away.remove(&keys);
        } else if !self.node.away.contains_key(&keys) {
            self.node.away.insert(keys, self.now);
        }
    }

    /// Says how we relay over a channel, if that is not what was said last. Whether something was said.
    pub(super) fn refresh_update(&mut self, keys: ChannelKeysId) -> bool {
        let Some(wanted) = self.wanted_update(keys) else {
            return false;
        };
        if let Some(said) = self.node.own_updates.get(&keys)
            && said.0
                == (ChannelUpdate {
                    timestamp: said.0.timestamp,
                    signature: said.0.signature,
                    ..wanted.clone()
                })
            && !self.is_to_be_said_anew(said.0.timestamp)
        {
            return false;
        }
        if let Some(said) = self.node.own_updates.get(&keys).cloned()
            && !asks_the_same(&said.0, &wanted)
        {
            self.take_for_a_while(keys, &said.0);
        }
        let update = ChannelUpdate { timestamp: self.gossip_timestamp(), signature: unsigned(), ..wanted };
        let own = OwnUpdate(update.clone());
        if !own.is_private() {
            self.effects.push(Effect::Announce(Announcement::Update(Box::new(update.clone()))));
        }
        self.node.own_updates.set(keys, own);
        self.say_to_peer(keys, update);
        self.sign_updates(keys);
        true
    }

    fn say_to_peer(&mut self, keys: ChannelKeysId, update: ChannelUpdate) {
        if let Some(peer) = self.node.channels.get(&keys).map(|c| c.peer()) {
            self.say(peer, Speech::SignChannelUpdate(Box::new(update)));
        }
    }

    /// What should be known of a channel: to the network once it is announced, to the peer alone before.
    fn wanted_update(&self, keys: ChannelKeysId) -> Option<ChannelUpdate> {
        let channel = self.node.channels.get(&keys)?;
        let said = self.node.own_updates.get(&keys);
        match &channel.phase {
            Phase::Open(open) if open.is_ready() => Some(self.update_of(channel, open, said, keys)?),
            // One that is not told of any more stays as it was, but that it is of no use.
            Phase::Closing(_) => {
                let mut update = said.filter(|said| !said.is_private())?.0.clone();
                update.channel_flags |= ChannelUpdate::DISABLE;
                Some(update)
            }
            _ => None,
        }
    }

    fn update_of(
        &self,
        channel: &Channel,
        open: &Open,
        said: Option<&OwnUpdate>,
        keys: ChannelKeysId,
    ) -> Option<ChannelUpdate> {
        let config = &self.node.config;
        let (short_channel_id, message_flags) = if open.is_announced() {
            (real_scid(open)?, ChannelUpdate::MUST_BE_ONE)
        } else {
            (scid_towards_peer(open)?, ChannelUpdate::MUST_BE_ONE | ChannelUpdate::DONT_FORWARD)
        };
        let mut channel_flags = u8::from(config.node_id > open.params.peer);
        if open.is_announced() && self.is_out_of_use(channel, open, said, keys) {
            channel_flags |= ChannelUpdate::DISABLE;
        }
        let policy = self.node.policy(&keys);
        let capacity = open.funding.terms.capacity.to_msat();
        let most = capacity.min(open.params.remote.max_htlc_value_in_flight);
        let mut htlc_maximum_msat = policy.htlc_maximum.unwrap_or(most).min(most);
        if open.params.announce && !open.is_announced() {
            // LND takes an update that differs in nothing but what it is not to do with it for a repetition, and keeps the older one for
            // a day: others would never be told of the channel.
            htlc_maximum_msat = htlc_maximum_msat.saturating_sub(Msat(1));
        }
        Some(ChannelUpdate {
            signature: unsigned(),
            chain_hash: config.channel.network.chain_hash(),
            short_channel_id,
            timestamp: 0,
            message_flags,
            channel_flags,
            cltv_expiry_delta: policy.cltv_expiry_delta,
            htlc_minimum_msat: policy
                .htlc_minimum
                .max(open.params.remote.htlc_minimum)
                .min(htlc_maximum_msat),
            fee_base_msat: u32::try_from(policy.fee_base.0).unwrap_or(u32::MAX),
            fee_proportional_millionths: policy.fee_proportional_millionths,
            htlc_maximum_msat,
            extension: with_inbound(&policy.inbound),
        })
    }

    /// Whether nothing can be relayed over a channel for longer than a moment.
    fn is_out_of_use(
        &self,
        channel: &Channel,
        open: &Open,
        said: Option<&OwnUpdate>,
        keys: ChannelKeysId,
    ) -> bool {
        if open.shutdown != Shutdown::default() {
            return true;
        }
        if matches!(channel.link, Link::Up(_)) {
            return false;
        }
        let was_disabled = said.is_some_and(|said| said.0.channel_flags & ChannelUpdate::DISABLE != 0);
        let away_for = self.node.away.get(&keys).map_or(0, |since| self.now.since(*since));
        was_disabled || away_for >= DISABLE_AFTER_MILLIS
    }

    /// Says who we are, if that is not what was said last. Nobody takes it before a channel of ours is announced.
    fn refresh_node(&mut self) {
        if !self.node.channels.iter().any(|(_, c)| c.open().is_some_and(Open::is_announced)) {
            return;
        }
        let config = &self.node.config;
        let appearance = &config.appearance;
        let wanted = NodeAnnouncement {
            signature: unsigned(),
            features: announced_features(config).into(),
            timestamp: 0,
            node_id: config.node_id,
            rgb_color: appearance.rgb_color,
            alias: NodeAnnouncement::alias_from_text(&appearance.alias),
            addresses: appearance.addresses.clone(),
            extension: Default::default(),
        };
        if let Some(said) = self.node.own_node.get(&())
            && said.0 == (NodeAnnouncement { timestamp: said.0.timestamp, ..wanted.clone() })
            && !self.is_to_be_said_anew(said.0.timestamp)
        {
            return;
        }
        let announcement = NodeAnnouncement { timestamp: self.gossip_timestamp(), ..wanted };
        self.node.own_node.set((), OwnNode(announcement.clone()));
        self.effects.push(Effect::Announce(Announcement::Node(Box::new(announcement))));
    }

    /// The whole announcement of a channel with the peer that says it, which holds its signatures.
    pub(super) fn announced_by_peer(&mut self, peer: NodeId, announcement: ChannelAnnouncement) {
        if let Some(keys) = self.node.channel_of_peer(peer, announcement.short_channel_id) {
            self.drive(keys, Event::Message(Message::ChannelAnnouncement(announcement)));
        }
    }

    /// The peer tells what it asks for payments towards us.
    pub(super) fn channel_update(&mut self, peer: NodeId, update: ChannelUpdate) {
        let Some(keys) = self.node.channel_of_peer(peer, update.short_channel_id) else {
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
}

/// What the network may know of a channel of ours, with the peer's signatures; none before both ends have signed.
pub(crate) fn announcement_of(
    keys: ChannelKeysId,
    open: &Open,
    config: &crate::Config,
) -> Option<Announcement> {
    if !open.is_announced() {
        return None;
    }
    let chain_hash = config.channel.network.chain_hash();
    let announcement = Box::new(open.channel_announcement(config.node_id, chain_hash)?);
    let we_are_first = config.node_id < open.params.peer;
    let funding = (open.funding.terms.outpoint, open.funding.terms.capacity);
    Some(Announcement::Channel { keys, announcement, we_are_first, funding })
}

/// What the peer of an announced channel has said of it, if that is for the network: under the id that the network knows, and
/// not for us alone.
pub(crate) fn public_update(open: &Open, said: &Arc<ChannelUpdate>) -> Option<Announcement> {
    let is_public = open.is_announced()
        && said.message_flags & ChannelUpdate::DONT_FORWARD == 0
        && real_scid(open) == Some(said.short_channel_id);
    is_public.then(|| Announcement::PeerUpdate(Arc::clone(said)))
}

/// The short channel id under which the peer knows the channel: its own alias, or the real one.
pub(crate) fn scid_towards_peer(open: &Open) -> Option<ShortChannelId> {
    match open.readiness.remote_alias {
        Some(alias) if open.params.scid_alias || !open.params.announce => Some(alias),
        alias => real_scid(open).or(alias),
    }
}

/// What `node_announcement` says that we support: what `init` says, and what BOLT 9 and bLIP 3 have there only.
fn announced_features(config: &crate::Config) -> Features {
    let features = config.features.clone();
    if config.payment.accept_keysend { features.with_optional(Feature::Keysend) } else { features }
}
