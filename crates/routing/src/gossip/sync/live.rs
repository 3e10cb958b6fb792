//! Who tells us what is new as it comes: peers that we chose before those that came to us, and in turns.

use super::{MAX_LIVE, MAX_LIVE_STRANGERS, Peer, ROTATE_MILLIS, Say, Sync};
use crate::gossip::Gossip;
use crate::gossip::check::MAX_AGE_SECS;
use astrape_primitives::NodeId;
use astrape_wire::{GossipTimestampFilter, Message};

/// Live peers tell from so many seconds before now on: what came while we were not connected.
const LIVE_FROM_SECS: u32 = 60 * 60;

impl Sync {
    /// Asks useful peers for what is new, while there are too few that tell it.
    pub(super) fn go_live(&mut self, now: u64, gossip: &Gossip) -> Vec<Say> {
        let mut said = Vec::new();
        while let Some(id) = self.next_live() {
            let from = self.live_from(now, &id);
            if let Some(peer) = self.peers.get_mut(&id) {
                peer.live_since = Some(now);
            }
            said.push(Say { peer: id, message: filter(gossip, from, u32::MAX) });
        }
        said
    }

    /// Whose turn it is to tell what is new, if there is a place: who was not asked to for longest.
    fn next_live(&self) -> Option<NodeId> {
        let live = || self.peers.values().filter(|peer| peer.live_since.is_some());
        if live().count() >= MAX_LIVE {
            return None;
        }
        let no_more_strangers = live().filter(|peer| !peer.standing.is_chosen).count() >= MAX_LIVE_STRANGERS;
        let may = |peer: &Peer| {
            let standing = peer.standing;
            standing.is_useful && peer.live_since.is_none() && (standing.is_chosen || !no_more_strangers)
        };
        let able = self.peers.iter().filter(|(_, peer)| may(peer));
        able.min_by_key(|(_, peer)| (!peer.standing.is_chosen, peer.live_until, peer.lot)).map(|(id, _)| *id)
    }

    /// From when on a peer is to tell, in seconds of UNIX time. Who answers no queries may yet tell what is known to whoever asks
    /// from far back. LDK minds one filter alone of each connection.
    fn live_from(&self, now: u64, peer: &NodeId) -> u32 {
        let now = u32::try_from(now / 1_000).unwrap_or(u32::MAX);
        let oldest = now.saturating_sub(MAX_AGE_SECS);
        let usual = now.saturating_sub(LIVE_FROM_SECS);
        if self.history.is_silent(peer) {
            return oldest;
        }
        self.known_until.map_or(usual, |known| known.clamp(oldest, usual))
    }

    /// Now and then the one that has told for longest gives its place to another: one that leaves things out hides them for a
    /// while only.
    pub(super) fn rotate(&mut self, now: u64, gossip: &Gossip) -> Vec<Say> {
        if now.saturating_sub(self.rotated_at) < ROTATE_MILLIS {
            return Vec::new();
        }
        self.rotated_at = now;
        let waits = |is_chosen: bool| {
            let is_one = |peer: &Peer| peer.live_since.is_none() && peer.standing.is_chosen == is_chosen;
            self.peers.values().any(|peer| peer.standing.is_useful && is_one(peer))
        };
        let may_go = [false, true].map(waits);
        let live = self.peers.iter_mut().filter_map(|(id, peer)| Some((peer.live_since?, id, peer)));
        // It is followed by one of its own kind, or a stranger by one that we chose.
        let may_go = live.filter(|(_, _, peer)| may_go[1] || may_go[0] && !peer.standing.is_chosen);
        let Some((_, id, peer)) = may_go.min_by_key(|(since, id, _)| (*since, **id)) else {
            return Vec::new();
        };
        (peer.live_since, peer.live_until) = (None, now);
        let mut said = vec![Say { peer: *id, message: filter(gossip, u32::MAX, 0) }];
        said.extend(self.go_live(now, gossip));
        said
    }
}

/// Asks a peer to tell what is of a range of time.
pub(super) fn filter(gossip: &Gossip, first_timestamp: u32, timestamp_range: u32) -> Message {
    let chain_hash = gossip.chain_hash();
    Message::GossipTimestampFilter(GossipTimestampFilter { chain_hash, first_timestamp, timestamp_range })
}
