//! Ways to find a channel: by id, by short channel id, by outpoint, by peer. Derived from the channels, never stored.

use astrape_channel::{Channel, Link, Open, Phase};
use astrape_onchain::Resolution;
use astrape_primitives::{ChannelId, ChannelKeysId, NodeId, SharedMap, ShortChannelId, Side};
use bitcoin::{OutPoint, Txid};

/// All ways to find channels. Clones share what they have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Index {
    by_id: SharedMap<(NodeId, ChannelId), ChannelKeysId>,
    by_scid: SharedMap<ShortChannelId, ChannelKeysId>,
    /// A set: whatever a peer names as its funding, no channel hides another from the chain.
    by_outpoint: SharedMap<(OutPoint, ChannelKeysId), ()>,
    by_peer: SharedMap<(NodeId, ChannelKeysId), ()>,
    wants_tip: SharedMap<ChannelKeysId, ()>,
    by_tracked: SharedMap<OutPoint, ChannelKeysId>,
    unconfirmed_incoming: SharedMap<ChannelKeysId, NodeId>,
}

/// What the index has of one channel. It rarely changes, while the channel does with every message.
#[derive(PartialEq)]
struct Names {
    peer: NodeId,
    id: ChannelId,
    alias: Option<ShortChannelId>,
    real_scid: Option<ShortChannelId>,
    outpoint: Option<OutPoint>,
    wants_tip: bool,
    is_unconfirmed_incoming: bool,
}

impl Names {
    fn of(channel: &Channel) -> Option<Self> {
        if matches!(channel.phase, Phase::Closed(_)) {
            return None;
        }
        let open = channel.open();
        let is_settled = |open: &Open| {
            let announcing = open.params.announce && !open.announcement.sent;
            open.readiness.sent && open.funding.confirmed.is_some() && !announcing
        };
        let settled = matches!(&channel.phase, Phase::Open(open) if is_settled(open));
        Some(Self {
            peer: channel.peer(),
            id: channel.channel_id(),
            alias: open.map(|open| open.params.local_alias),
            real_scid: open.filter(|open| !open.params.scid_alias).and_then(real_scid),
            outpoint: open.map(|open| open.funding.terms.outpoint),
            wants_tip: (!settled || open.is_some_and(|open| !open.waiting.is_empty()))
                && !matches!(channel.phase, Phase::Opening(_)),
            is_unconfirmed_incoming: is_unconfirmed_incoming(channel),
        })
    }

    /// The short channel ids under which others may ask us to forward over the channel: our alias, and the real one.
    fn scids(&self) -> impl Iterator<Item = ShortChannelId> {
        self.real_scid.into_iter().chain(self.alias)
    }
}

impl Index {
    pub(crate) fn by_id(&self, peer: NodeId, id: ChannelId) -> Option<ChannelKeysId> {
        self.by_id.get(&(peer, id)).copied()
    }

    pub(crate) fn by_scid(&self, scid: ShortChannelId) -> Option<ChannelKeysId> {
        self.by_scid.get(&scid).copied()
    }

    pub(crate) fn by_outpoint(&self, outpoint: &OutPoint) -> Vec<ChannelKeysId> {
        self.funded_from(*outpoint, |found| found == outpoint)
    }

    pub(crate) fn by_funding_txid(&self, txid: Txid) -> Vec<ChannelKeysId> {
        self.funded_from(OutPoint { txid, vout: 0 }, |found| found.txid == txid)
    }

    /// Channels by their funding, from one on as long as they are meant.
    fn funded_from(&self, first: OutPoint, is_meant: impl Fn(&OutPoint) -> bool) -> Vec<ChannelKeysId> {
        let from = self.by_outpoint.iter_from(&(first, ChannelKeysId([0; 32])));
        from.map(|(key, ())| key).take_while(|(found, _)| is_meant(found)).map(|(_, keys)| *keys).collect()
    }

    pub(crate) fn of_peer(&self, peer: &NodeId) -> Vec<ChannelKeysId> {
        let from = self.by_peer.iter_from(&(*peer, ChannelKeysId([0; 32])));
        from.take_while(|((of, _), ())| of == peer).map(|((_, keys), ())| *keys).collect()
    }

    /// Channels for which a new block may change something.
    pub(crate) fn wants_tip(&self) -> Vec<ChannelKeysId> {
        self.wants_tip.keys().copied().collect()
    }

    /// Channels that peers opened and whose funding is not confirmed: how many in all, and those of one peer.
    pub(crate) fn unconfirmed_incoming(&self, peer: &NodeId) -> (usize, Vec<ChannelKeysId>) {
        let of_peer = self.unconfirmed_incoming.iter().filter(|(_, p)| *p == peer);
        (self.unconfirmed_incoming.len(), of_peer.map(|(keys, _)| *keys).collect())
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
        let (old, new) = (old.and_then(Names::of), new.and_then(Names::of));
        if old == new {
            return;
        }
        if let Some(old) = old {
            self.remove(keys, &old);
        }
        if let Some(new) = new {
            self.insert(keys, &new);
        }
    }

    fn remove(&mut self, keys: ChannelKeysId, names: &Names) {
        self.by_id.remove(&(names.peer, names.id));
        for scid in names.scids() {
            self.by_scid.remove(&scid);
        }
        if let Some(outpoint) = &names.outpoint {
            self.by_outpoint.remove(&(*outpoint, keys));
        }
        self.by_peer.remove(&(names.peer, keys));
        self.wants_tip.remove(&keys);
        self.unconfirmed_incoming.remove(&keys);
    }

    fn insert(&mut self, keys: ChannelKeysId, names: &Names) {
        self.by_id.insert((names.peer, names.id), keys);
        for scid in names.scids() {
            self.by_scid.insert(scid, keys);
        }
        if let Some(outpoint) = names.outpoint {
            self.by_outpoint.insert((outpoint, keys), ());
        }
        self.by_peer.insert((names.peer, keys), ());
        if names.wants_tip {
            self.wants_tip.insert(keys, ());
        }
        if names.is_unconfirmed_incoming {
            self.unconfirmed_incoming.insert(keys, names.peer);
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

/// Where the funding stands in the chain (BOLT 7).
pub(crate) fn real_scid(open: &Open) -> Option<ShortChannelId> {
    open.short_channel_id()
}

/// Whether signing now could do anything: spares the work of asking.
pub(crate) fn could_sign(channel: &Channel) -> bool {
    matches!(channel.link, Link::Up(_))
        && matches!(&channel.phase, Phase::Open(open) if open.is_ready() && open.remote.unrevoked.is_none())
}
