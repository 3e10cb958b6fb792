//! Which channel carries a forward: the one that its onion names or, where that cannot now, another one with the same peer (BOLT 4,
//! "Non-strict Forwarding"). Whoever has two channels with a peer routes by both.

use super::Turn;
use astrape_channel::{Htlc, NewHtlc};
use astrape_onion::{Failure, ForwardPayload};
use astrape_payment::relay::{RelayTarget, relay};
use astrape_primitives::ChannelKeysId;
use astrape_wire::OnionPacket;

/// The channel that was chosen and what is offered in it, or the failure for the sender.
type Decided = Result<(ChannelKeysId, NewHtlc), Failure>;

impl Turn<'_> {
    /// What becomes of a forward over the channel that its onion names, and which that is; or over one in its stead.
    pub(super) fn carried(
        &self,
        keys: ChannelKeysId,
        htlc: &Htlc,
        payload: &ForwardPayload,
        next: &OnionPacket,
    ) -> (Option<ChannelKeysId>, Decided) {
        let named = self.node.index.by_scid(payload.short_channel_id);
        let decided = self.judged(keys, htlc, payload, next, named);
        // What a channel carries is looked at only where there is another.
        let others = named.map(|named| self.in_its_stead(named, keys)).filter(|others| !others.is_empty());
        let Some((named, others)) = named.zip(others).filter(|(named, _)| !self.carries(*named, payload))
        else {
            return (named, decided);
        };
        let instead = others.into_iter().filter(|other| self.carries(*other, payload));
        let mut chosen =
            instead.map(|other| (Some(other), self.judged(keys, htlc, payload, next, Some(other))));
        chosen.find(|(_, decided)| decided.is_ok()).unwrap_or((Some(named), decided))
    }

    /// The other channels with its peer that are as public as it is: one that nobody else knows is not found out by another's name.
    /// Not the one that the HTLC came by: a circle would pay for nothing.
    pub(crate) fn in_its_stead(&self, named: ChannelKeysId, came_by: ChannelKeysId) -> Vec<ChannelKeysId> {
        let Some(open) = self.open_of(named) else { return Vec::new() };
        let is_public = open.params.announce;
        let mut others = self.node.index.of_peer(&open.params.peer);
        others.retain(|other| {
            ![named, came_by].contains(other)
                && self.open_of(*other).is_some_and(|other| other.params.announce == is_public)
        });
        others
    }

    /// Whether a channel can carry a forward now, as far as its balance and state go.
    fn carries(&self, keys: ChannelKeysId, payload: &ForwardPayload) -> bool {
        let channel = self.node.channels.get(&keys).filter(|_| self.usable(keys).is_ok());
        channel.is_some_and(|channel| channel.sendable() >= payload.amt_to_forward)
    }

    fn judged(
        &self,
        keys: ChannelKeysId,
        htlc: &Htlc,
        payload: &ForwardPayload,
        next: &OnionPacket,
        target: Option<ChannelKeysId>,
    ) -> Decided {
        let policies = target.map(|keys| self.node.policies_taken(&keys, self.now)).unwrap_or_default();
        let inbound = self.node.policies_taken(&keys, self.now);
        let inbound: Vec<_> = inbound.iter().map(|policy| policy.inbound).collect();
        let target = target.map(|keys| RelayTarget {
            keys,
            policies: &policies,
            inbound: &inbound,
            usable: self.usable(keys),
        });
        let fresh = self.node.world.stale.is_none();
        relay(htlc, keys, payload, next, target, fresh, self.height(), &self.node.config.payment)
    }
}
