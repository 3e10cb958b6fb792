//! What came before what it needs: channels before the chain was asked, updates and nodes before their channel. All of it
//! bounded, the oldest of what is in excess forgotten (attacks 59 and 66): it can be had again by a query.

use super::check::{Heard, Said};
use astrape_primitives::{NodeId, ShortChannelId};
use astrape_wire::ChannelAnnouncement;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};

/// Channels that wait for the chain: as many as a source answers within a minute or so. Their announcements and updates
/// take up to 20 MB.
pub(super) const MAX_WAITING: usize = 10_000;

/// Those of them that one peer told of first: it takes no more than a quarter of the places from the others.
pub(super) const MAX_WAITING_OF_PEER: usize = MAX_WAITING / 4;

/// Announcements of one channel that contradict each other and are signed all: the chain tells which one is true.
pub(super) const MAX_RIVALS: usize = 4;

/// Updates that wait with a channel, signatures not checked.
pub(super) const MAX_UPDATES: usize = 4;

/// Announcements of channels whose blocks have not reached us.
pub(super) const MAX_EARLY_CHANNELS: usize = 500;

/// Updates of channels that nobody announced.
pub(super) const MAX_EARLY_UPDATES: usize = 1_000;

/// Announcements of nodes that have no channel yet.
pub(super) const MAX_EARLY_NODES: usize = 2_000;

/// Channels that wait for the chain.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    channels: BTreeMap<ShortChannelId, WaitingChannel>,
    /// How many announcements of each peer wait.
    of_peers: BTreeMap<NodeId, usize>,
    /// Channels that waited and do no more.
    answered: u64,
}

/// One of them.
#[derive(Debug, Default)]
pub(super) struct WaitingChannel {
    /// Signed announcements of it; usually one.
    pub(super) rivals: Vec<(Heard, Option<NodeId>)>,
    /// Updates that came meanwhile.
    pub(super) updates: Vec<Heard>,
}

impl Waiting {
    pub(super) fn len(&self) -> usize {
        self.channels.len()
    }

    /// How many announcements of a peer wait.
    pub(super) fn of(&self, peer: &NodeId) -> usize {
        self.of_peers.get(peer).copied().unwrap_or_default()
    }

    /// How many channels have waited and do no more.
    pub(super) fn answered(&self) -> u64 {
        self.answered
    }

    pub(super) fn contains(&self, id: ShortChannelId) -> bool {
        self.channels.contains_key(&id)
    }

    /// Whether one more announcement of a channel may wait.
    pub(super) fn has_room_for(&self, heard: &Heard, id: ShortChannelId) -> bool {
        match self.channels.get(&id) {
            None => self.channels.len() < MAX_WAITING,
            Some(waiting) => {
                waiting.rivals.len() < MAX_RIVALS && waiting.rivals.iter().all(|(other, _)| other != heard)
            }
        }
    }

    /// Whether one more announcement of a peer may wait.
    pub(super) fn has_room_of(&self, peer: &NodeId) -> bool {
        self.of(peer) < MAX_WAITING_OF_PEER
    }

    /// Whether the chain is to be asked: it is, when this is the first announcement of the channel.
    pub(super) fn add(&mut self, id: ShortChannelId, heard: Heard, from: Option<NodeId>) -> bool {
        if let Some(from) = from {
            *self.of_peers.entry(from).or_default() += 1;
        }
        let waiting = self.channels.entry(id).or_default();
        waiting.rivals.push((heard, from));
        waiting.rivals.len() == 1
    }

    pub(super) fn add_update(&mut self, id: ShortChannelId, heard: Heard) -> bool {
        let Some(waiting) = self.channels.get_mut(&id) else {
            return false;
        };
        let fits = waiting.updates.len() < MAX_UPDATES && !waiting.updates.contains(&heard);
        if fits {
            waiting.updates.push(heard);
        }
        fits
    }

    pub(super) fn take(&mut self, id: ShortChannelId) -> Option<WaitingChannel> {
        let taken = self.channels.remove(&id)?;
        self.answered += 1;
        for from in taken.rivals.iter().filter_map(|(_, from)| *from) {
            if let Entry::Occupied(mut waiting) = self.of_peers.entry(from) {
                *waiting.get_mut() -= 1;
                if *waiting.get() == 0 {
                    waiting.remove();
                }
            }
        }
        Some(taken)
    }
}

/// The announcement among what was heard.
pub(super) fn announcement(heard: &Heard) -> Option<&ChannelAnnouncement> {
    match &heard.said {
        Said::Channel(m) => Some(m),
        Said::Update(_) | Said::Node(_) => None,
    }
}

/// What came before its channel, and channels that came before their blocks.
#[derive(Debug, Default)]
pub(super) struct Early {
    channels: Oldest<ShortChannelId>,
    updates: Oldest<ShortChannelId>,
    nodes: Oldest<NodeId>,
}

impl Early {
    pub(super) fn add_channel(&mut self, id: ShortChannelId, heard: Heard) {
        self.channels.add(id, heard, MAX_EARLY_CHANNELS);
    }

    /// Takes all announcements that came before their blocks.
    pub(super) fn take_channels(&mut self) -> Vec<Heard> {
        let channels = std::mem::take(&mut self.channels);
        channels.by_key.into_values().flatten().collect()
    }

    pub(super) fn add_update(&mut self, id: ShortChannelId, heard: Heard) {
        self.updates.add(id, heard, MAX_EARLY_UPDATES);
    }

    pub(super) fn add_node(&mut self, id: NodeId, heard: Heard) {
        self.nodes.add(id, heard, MAX_EARLY_NODES);
    }

    pub(super) fn take_updates(&mut self, id: ShortChannelId) -> Vec<Heard> {
        self.updates.take(&id)
    }

    pub(super) fn take_node(&mut self, id: &NodeId) -> Vec<Heard> {
        self.nodes.take(id)
    }

    pub(super) fn len(&self) -> usize {
        self.channels.order.len() + self.updates.order.len() + self.nodes.order.len()
    }
}

/// Messages by what they are about, of which the oldest go first.
#[derive(Debug)]
struct Oldest<K> {
    by_key: BTreeMap<K, Vec<Heard>>,
    order: VecDeque<K>,
}

impl<K> Default for Oldest<K> {
    fn default() -> Self {
        Self { by_key: BTreeMap::new(), order: VecDeque::new() }
    }
}

impl<K: Ord + Copy> Oldest<K> {
    fn add(&mut self, key: K, heard: Heard, most: usize) {
        if self.by_key.get(&key).is_some_and(|held| held.contains(&heard)) {
            return;
        }
        if self.order.len() >= most {
            self.drop_oldest();
        }
        self.by_key.entry(key).or_default().push(heard);
        self.order.push_back(key);
    }

    fn drop_oldest(&mut self) {
        let Some(key) = self.order.pop_front() else {
            return;
        };
        if let Some(held) = self.by_key.get_mut(&key) {
            held.remove(0);
            if held.is_empty() {
                self.by_key.remove(&key);
            }
        }
    }

    fn take(&mut self, key: &K) -> Vec<Heard> {
        let Some(taken) = self.by_key.remove(key) else {
            return Vec::new();
        };
        self.order.retain(|other| other != key);
        taken
    }
}
