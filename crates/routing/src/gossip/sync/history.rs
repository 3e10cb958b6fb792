//! What is remembered of peers beyond a connection: when each was asked for everything, and whether it answered.

use astrape_primitives::NodeId;
use std::collections::BTreeMap;

/// Peers that are remembered: more than are connected at a time, and few enough to look through. Who was asked longest ago
/// is forgotten first.
const MAX_REMEMBERED: usize = 1_000;

/// What is remembered of peers.
#[derive(Debug, Default)]
pub(super) struct History {
    peers: BTreeMap<NodeId, Past>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Past {
    /// When it was asked for everything last, in milliseconds.
    asked_at: u64,
    /// Whether it left a `query_short_channel_ids` without an answer.
    is_silent: bool,
}

impl History {
    /// A peer is asked for everything.
    pub(super) fn asked(&mut self, peer: NodeId, now: u64) {
        self.peers.entry(peer).or_default().asked_at = now;
        if self.peers.len() > MAX_REMEMBERED
            && let Some(oldest) = self.peers.iter().min_by_key(|(_, past)| past.asked_at).map(|(id, _)| *id)
        {
            self.peers.remove(&oldest);
        }
    }

    /// A peer has answered a query for channels, or has not.
    pub(super) fn tells_nothing(&mut self, peer: NodeId, is_silent: bool) {
        if let Some(past) = self.peers.get_mut(&peer) {
            past.is_silent = is_silent;
        }
    }

    /// Whether a peer left the last query for channels without an answer.
    pub(super) fn is_silent(&self, peer: &NodeId) -> bool {
        self.peers.get(peer).is_some_and(|past| past.is_silent)
    }

    /// Whose turn it is: the least of all. Who answers comes first, and among these who was asked longest ago or never.
    pub(super) fn turn_of(&self, peer: &NodeId) -> (bool, u64) {
        self.peers.get(peer).map_or((false, 0), |past| (past.is_silent, past.asked_at))
    }
}
