//! Between peers and the work on what they say: a queue with a bound for each peer and one for all, served in turns.
//!
//! A peer that floods fills its own part and loses what does not fit; what others say is taken as soon as before. Nothing
//! here ever makes a peer wait, so that its payments never wait behind its gossip. What is lost comes with the next sync.

use astrape_primitives::NodeId;
use std::collections::{BTreeMap, VecDeque};

/// Messages of one peer that wait: more than the answer to one of our queries, with room for what is new meanwhile.
pub const MAX_OF_PEER: usize = 4_096;

/// Bytes of one peer that wait.
pub const MAX_BYTES_OF_PEER: usize = 2 << 20;

/// Bytes of all peers that wait.
pub const MAX_BYTES: usize = 64 << 20;

/// What waits, by peer.
#[derive(Debug)]
pub struct FairQueue<T> {
    peers: BTreeMap<NodeId, OfPeer<T>>,
    /// Whose turn it is: each peer with something that waits, once.
    turns: VecDeque<NodeId>,
    bytes: usize,
}

#[derive(Debug)]
struct OfPeer<T> {
    items: VecDeque<(T, usize)>,
    bytes: usize,
}

impl<T> Default for FairQueue<T> {
    fn default() -> Self {
        Self { peers: BTreeMap::new(), turns: VecDeque::new(), bytes: 0 }
    }
}

impl<T> FairQueue<T> {
    /// Adds what a peer said; `false` if there is no room for it.
    pub fn push(&mut self, peer: NodeId, item: T, bytes: usize) -> bool {
        if self.bytes + bytes > MAX_BYTES {
            return false;
        }
        let of_peer = self.peers.entry(peer).or_insert_with(|| OfPeer { items: VecDeque::new(), bytes: 0 });
        if of_peer.items.len() >= MAX_OF_PEER || of_peer.bytes + bytes > MAX_BYTES_OF_PEER {
            return false;
        }
        if of_peer.items.is_empty() {
            self.turns.push_back(peer);
        }
        of_peer.items.push_back((item, bytes));
        of_peer.bytes += bytes;
        self.bytes += bytes;
        true
    }

    /// Takes up to `most` of the peer whose turn it is.
    pub fn take(&mut self, most: usize) -> Option<(NodeId, Vec<T>)> {
        let peer = self.turns.pop_front()?;
        let of_peer = self.peers.get_mut(&peer)?;
        let count = of_peer.items.len().min(most);
        let mut taken = Vec::with_capacity(count);
        for (item, bytes) in of_peer.items.drain(..count) {
            of_peer.bytes -= bytes;
            self.bytes -= bytes;
            taken.push(item);
        }
        if of_peer.items.is_empty() {
            self.peers.remove(&peer);
        } else {
            self.turns.push_back(peer);
        }
        Some((peer, taken))
    }

    /// Forgets what a peer said.
    pub fn forget(&mut self, peer: &NodeId) {
        if let Some(of_peer) = self.peers.remove(peer) {
            self.bytes -= of_peer.bytes;
            self.turns.retain(|other| other != peer);
        }
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// How much waits.
    #[must_use]
    pub fn len(&self) -> usize {
        self.peers.values().map(|of_peer| of_peer.items.len()).sum()
    }

    /// Bytes that wait.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}
