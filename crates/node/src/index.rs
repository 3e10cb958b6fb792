//! Ways to find a channel: by id, by short channel id, by outpoint, by peer. Derived from the channels, never stored.

use astrape_channel::{Channel, Link, Open, Phase};
use astrape_onchain::Resolution;
use astrape_primitives::{ChannelId, ChannelKeysId, NodeId, ShortChannelId, Side};
use bitcoin::{OutPoint, Txid};
use std::collections::{BTreeMap, BTreeSet};

/// All ways to find channels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Index {
    by_id: BTreeMap<(NodeId, ChannelId), ChannelKeysId>,
    by_scid: BTreeMap<ShortChannelId, ChannelKeysId>,
    /// A set: whatever a peer names as its funding, no channel hides another from the chain.
    by_outpoint: BTreeSet<(OutPoint, ChannelKeysId)>,
    by_peer: BTreeMap<NodeId, BTreeSet<ChannelKeysId>>,
    wants_tip: BTreeSet<ChannelKeysId>,
    by_tracked: BTreeMap<OutPoint, ChannelKeysId>,
    unconfirmed_incoming: BTreeMap<ChannelKeysId, NodeId>,
}

impl Index {
    pub(crate) fn by_id(&self, peer: NodeId, id: ChannelId) -> Option<ChannelKeysId> {
        self.by_id.get(&(peer, id)).copied()
    }

    pub(crate) fn by_scid(&self, scid: ShortChannelId) -> Option<ChannelKeysId> {
        self.by_scid.get(&scid).copied()
    }

    pub(crate) fn by_outpoint(&self, outpoint: &OutPoint) -> Vec<ChannelKeysId> {
        self.between(*outpoint, *outpoint)
    }

    pub(crate) fn by_funding_txid(&self, txid: Txid) -> Vec<ChannelKeysId> {
        self.between(OutPoint { txid, vout: 0 }, OutPoint { txid, vout: u32::MAX })
    }

    fn between(&self, first: OutPoint, last: OutPoint) -> Vec<ChannelKeysId> {
        let (least, most) = (ChannelKeysId([0; 32]), ChannelKeysId([u8::MAX; 32]));
        self.by_outpoint.range((first, least)..=(last, most)).map(|(_, keys)| *keys).collect()
    }

    pub(crate) fn of_peer(&self, peer: &NodeId) -> Vec<ChannelKeysId> {
        self.by_peer.get(peer).into_iter().flatten().copied().collect()
    }

    /// Channels for which a new block may change something.
    pub(crate) fn wants_tip(&self) -> Vec<ChannelKeysId> {
        self.wants_tip.iter().copied().collect()
    }

    /// Channels that peers opened and whose funding is not confirmed: all of them, and those of one peer.
    pub(crate) fn unconfirmed_incoming(&self, peer: &NodeId) -> (usize, usize) {
        let of_peer = self.unconfirmed_incoming.values().filter(|p| *p == peer).count();
        (self.unconfirmed_incoming.len(), of_peer)
    }

    /// The channel whose end an output is followed for.
    pub(crate) fn by_tracked(&self, outpoint: &OutPoint) -> Option<ChannelKeysId> {
        self.by_tracked.get(outpoint).copied()
    }

    /// Follows the change of one resolution.
    pub(crate) fn update_outputs(
        &mut self,
        keys: ChannelKeysId,
        old: Option<&Resolution>,
        new: Option<&Resolution>,
    ) {
        let is_in = |r: Option<&Resolution>, o: &OutPoint| r.is_some_and(|r| r.outputs.contains_key(o));
        for outpoint in old.into_iter().flat_map(|r| r.outputs.keys()).filter(|o| !is_in(new, o)) {
            self.by_tracked.remove(outpoint);
        }
        for outpoint in new.into_iter().flat_map(|r| r.outputs.keys()).filter(|o| !is_in(old, o)) {
            self.by_tracked.insert(*outpoint, keys);
        }
    }

    /// Follows the change of one channel.
    pub(crate) fn update(&mut self, keys: ChannelKeysId, old: Option<&Channel>, new: Option<&Channel>) {
        if let Some(old) = old {
            self.remove(keys, old);
        }
        if let Some(new) = new {
            self.insert(keys, new);
        }
    }

    fn remove(&mut self, keys: ChannelKeysId, channel: &Channel) {
        self.by_id.remove(&(channel.peer(), channel.channel_id()));
        for scid in scids(channel) {
            self.by_scid.remove(&scid);
        }
        if let Some(open) = channel.open() {
            self.by_outpoint.remove(&(open.funding.terms.outpoint, keys));
        }
        if let Some(of_peer) = self.by_peer.get_mut(&channel.peer()) {
            of_peer.remove(&keys);
            if of_peer.is_empty() {
                self.by_peer.remove(&channel.peer());
            }
        }
        self.wants_tip.remove(&keys);
        self.unconfirmed_incoming.remove(&keys);
    }

    fn insert(&mut self, keys: ChannelKeysId, channel: &Channel) {
        if matches!(channel.phase, Phase::Closed(_)) {
            return;
        }
        self.by_id.insert((channel.peer(), channel.channel_id()), keys);
        for scid in scids(channel) {
            self.by_scid.insert(scid, keys);
        }
        if let Some(open) = channel.open() {
            self.by_outpoint.insert((open.funding.terms.outpoint, keys));
        }
        self.by_peer.entry(channel.peer()).or_default().insert(keys);
        let is_settled = |open: &Open| {
            let announcing = open.params.announce && !open.announcement.sent;
            open.readiness.sent && open.funding.confirmed.is_some() && !announcing
        };
        let settled = matches!(&channel.phase, Phase::Open(open) if is_settled(open));
        if !settled && !matches!(channel.phase, Phase::Opening(_)) {
            self.wants_tip.insert(keys);
        }
        if is_unconfirmed_incoming(channel) {
            self.unconfirmed_incoming.insert(keys, channel.peer());
        }
    }
}

fn is_unconfirmed_incoming(channel: &Channel) -> bool {
    match &channel.phase {
        Phase::Opening(opening) => opening.proposal().opener == Side::Remote,
        // One that was given up before it was funded is kept for as long.
        Phase::Open(_) | Phase::Closing(_) => channel.open().is_some_and(|open| {
            let funded = open.funding.confirmed.is_some() || open.funding.spent.is_some();
            open.params.opener == Side::Remote && !funded
        }),
        Phase::Closed(_) => false,
    }
}

/// The short channel ids under which others may ask us to forward over a channel: our alias, and the real one.
fn scids(channel: &Channel) -> Vec<ShortChannelId> {
    let Some(open) = channel.open() else {
        return Vec::new();
    };
    let real = if open.params.scid_alias { None } else { real_scid(open) };
    real.into_iter().chain([open.params.local_alias]).collect()
}

/// Where the funding stands in the chain (BOLT 7).
pub(crate) fn real_scid(open: &Open) -> Option<ShortChannelId> {
    open.short_channel_id()
}

/// Whether signing now could do anything: spares the work of asking.
pub(crate) fn could_sign(channel: &Channel) -> bool {
    matches!(channel.link, Link::Up(_))
        && matches!(&channel.phase, Phase::Open(open) if open.is_ready() && open.remote.unrevoked.is_none())
}
