//! What is passed on to peers: gathered and flushed once a minute (BOLT 7, "Rebroadcasting"), the newest of each channel and
//! node alone, announcements before what needs them. What is ours goes out at once and to everybody, elsewhere.

use crate::graph::{Direction, StoredAt};
use astrape_primitives::{NodeId, ShortChannelId};
use astrape_wire::GossipTimestampFilter;
use std::collections::{BTreeMap, BTreeSet};

/// How often what was gathered is flushed, in milliseconds.
pub const FLUSH_MILLIS: u64 = 60_000;

/// Most that is gathered between two flushes; what is more is not passed on (it is in the graph, and served to those who
/// ask).
pub const MAX_OUTGOING: usize = 50_000;

/// One message to be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// Where it is kept.
    pub stored: StoredAt,
    /// Its timestamp; that of an update for the announcement of a channel.
    pub timestamp: u32,
    /// Who told us: it need not be told.
    pub from: Option<NodeId>,
}

/// What one flush passes on, in the order in which it is to be said.
pub type Batch = Vec<Item>;

/// What a peer wants to hear (BOLT 7 `gossip_timestamp_filter`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filter {
    first: u32,
    range: u32,
}

impl Filter {
    /// As it is asked for.
    #[must_use]
    pub fn new(message: &GossipTimestampFilter) -> Self {
        Self { first: message.first_timestamp, range: message.timestamp_range }
    }

    /// Whether it lets nothing through: that is how a peer asks to be told nothing, or nothing yet.
    #[must_use]
    pub fn is_shut(&self) -> bool {
        self.range == 0 || self.first == u32::MAX
    }

    /// Whether a message of this time is wanted.
    #[must_use]
    pub fn wants(&self, timestamp: u32) -> bool {
        timestamp.checked_sub(self.first).is_some_and(|after| after < self.range)
    }

    /// Whether one item is to be said to a peer.
    #[must_use]
    pub fn passes(&self, item: &Item, to: &NodeId) -> bool {
        self.wants(item.timestamp) && item.from.as_ref() != Some(to)
    }
}

/// What is gathered for the next flush.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    channels: BTreeMap<ShortChannelId, Item>,
    updates: BTreeMap<(ShortChannelId, Direction), Item>,
    nodes: BTreeMap<NodeId, Item>,
}

impl Outgoing {
    pub(super) fn channel(&mut self, id: ShortChannelId, item: Item) {
        if self.has_room() {
            self.channels.insert(id, item);
        }
    }

    pub(super) fn update(&mut self, id: ShortChannelId, direction: Direction, item: Item) {
        if self.has_room() || self.updates.contains_key(&(id, direction)) {
            self.updates.insert((id, direction), item);
        }
    }

    pub(super) fn node(&mut self, id: NodeId, item: Item) {
        if self.has_room() || self.nodes.contains_key(&id) {
            self.nodes.insert(id, item);
        }
    }

    /// Nothing is passed on of a channel that is closed or gone, but that it is disabled.
    pub(super) fn forget_channel(&mut self, id: ShortChannelId) {
        self.channels.remove(&id);
        for direction in Direction::BOTH {
            self.updates.remove(&(id, direction));
        }
    }

    /// What is to be said is kept elsewhere now.
    pub(super) fn move_places(&mut self, to: impl Fn(StoredAt) -> Option<StoredAt>) {
        let is_kept = |item: &mut Item| to(item.stored).map(|stored| item.stored = stored).is_some();
        self.channels.retain(|_, item| is_kept(item));
        self.updates.retain(|_, item| is_kept(item));
        self.nodes.retain(|_, item| is_kept(item));
    }

    fn has_room(&self) -> bool {
        self.channels.len() + self.updates.len() + self.nodes.len() < MAX_OUTGOING
    }

    pub(super) fn flush(&mut self) -> Batch {
        let channels = std::mem::take(&mut self.channels).into_values();
        let updates = std::mem::take(&mut self.updates).into_values();
        channels.chain(updates).chain(std::mem::take(&mut self.nodes).into_values()).collect()
    }
}

impl super::Gossip {
    /// Whether others are told of a channel: its funding is there unspent, or the channel is ours. One that was believed where the chain
    /// source could not tell is of use to path search alone: whoever checks what we tell would count it against us.
    #[must_use]
    pub fn is_passed_on(&self, id: ShortChannelId) -> bool {
        let is_ours = || {
            let channel = self.graph.channel(id);
            channel.is_some_and(|channel| [channel.node_1, channel.node_2].contains(&self.our_id))
        };
        !self.is_closed(id) && (self.fundings.contains_key(&id) || is_ours())
    }

    /// The nodes that have such a channel: nobody has made them up for nothing.
    #[must_use]
    pub fn nodes_with_funding(&self) -> BTreeSet<NodeId> {
        let channels = self.fundings.keys().filter_map(|id| self.graph.channel(*id));
        channels.flat_map(|channel| [channel.node_1, channel.node_2]).collect()
    }

    /// What was gathered since the last flush. Called every [`FLUSH_MILLIS`].
    pub fn flush(&mut self, now: u32) -> Batch {
        self.update_limits.sweep(now);
        self.node_limits.sweep(now);
        self.outgoing.flush()
    }
}
