//! The graph as its one owner writes it: channels, policies and nodes.
//!
//! It believes what it is told: whether a message may be believed (signatures, the chain, timestamps) is decided before
//! (BOLT 7). What it holds itself to is its own shape: ends of a channel in order, no channel twice, no node without a
//! channel, no more than [`MAX_CHANNELS`].

pub mod channel;
pub mod node;
pub(crate) mod slots;

pub use channel::{Channel, ChannelMarks, Direction, NewChannel, Policy, StoredAt};
pub use node::{MAX_ADDRESSES, NodeInfo};

use crate::snapshot::Snapshot;
use astrape_primitives::{NodeId, Sat, ShortChannelId};
use slots::{ChannelSlot, NodeSlot, Slots};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeBounds;
use std::sync::Arc;

/// Most channels in a graph: twenty times those of today's network. Each takes some 300 bytes of memory.
pub const MAX_CHANNELS: usize = 1_000_000;

/// Why the graph was not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// The ends are not in the order of BOLT 7, or the same.
    #[error("the node ids of channel {0} are not in ascending order")]
    NodeOrder(ShortChannelId),
    /// The channel is there.
    #[error("channel {0} is in the graph already")]
    KnownChannel(ShortChannelId),
    /// The channel is not there.
    #[error("channel {0} is not in the graph")]
    UnknownChannel(ShortChannelId),
    /// No channel leads to the node.
    #[error("node {0} has no channel in the graph")]
    UnknownNode(NodeId),
    /// There are [`MAX_CHANNELS`].
    #[error("the graph is full: it holds {MAX_CHANNELS} channels")]
    Full,
}

/// Channels, policies and nodes.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    by_id: BTreeMap<ShortChannelId, u32>,
    by_node: BTreeMap<NodeId, u32>,
    channels: Slots<ChannelSlot>,
    nodes: Slots<NodeSlot>,
    /// What was handed out last, while nothing but policies has changed since.
    current: Option<Arc<Snapshot>>,
    /// Channels whose policies have changed since.
    repriced: BTreeSet<u32>,
}

impl Graph {
    /// An empty graph.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many channels there are.
    #[must_use]
    pub fn channel_count(&self) -> usize {
        self.by_id.len()
    }

    /// How many nodes there are.
    #[must_use]
    pub fn node_count(&self) -> usize {
        self.by_node.len()
    }

    /// Adds a channel without policies, and its ends where they are new.
    ///
    /// # Errors
    /// When it is there already, its ends are out of order, or the graph is full.
    pub fn add_channel(&mut self, new: NewChannel) -> Result<(), GraphError> {
        let id = new.short_channel_id;
        if new.node_1 >= new.node_2 {
            return Err(GraphError::NodeOrder(id));
        }
        if self.by_id.contains_key(&id) {
            return Err(GraphError::KnownChannel(id));
        }
        if self.by_id.len() >= MAX_CHANNELS {
            return Err(GraphError::Full);
        }
        let ends = [self.join(new.node_1), self.join(new.node_2)];
        let slot = self.channels.insert(ChannelSlot {
            id,
            ends,
            capacity: new.capacity,
            features: (!new.features.is_empty()).then(|| Box::new(new.features)),
            received: new.received,
            stored: new.stored,
            policies: [None, None],
        });
        self.by_id.insert(id, slot);
        self.reshape();
        Ok(())
    }

    /// Removes a channel, and those of its ends that have no other.
    pub fn remove_channel(&mut self, id: ShortChannelId) -> Option<Channel> {
        let slot = self.by_id.remove(&id)?;
        let removed = self.channels.remove(slot);
        let channel = self.shown(&removed);
        if removed.is_told() {
            removed.ends.into_iter().for_each(|end| self.nodes.get_mut(end).told -= 1);
        }
        removed.ends.into_iter().for_each(|end| self.leave(end));
        self.reshape();
        Some(channel)
    }

    /// Sets what the chain source said late about a channel.
    ///
    /// # Errors
    /// When the channel is not there.
    pub fn set_capacity(&mut self, id: ShortChannelId, capacity: Option<Sat>) -> Result<(), GraphError> {
        self.slot_mut(id)?.capacity = capacity;
        Ok(())
    }

    /// Sets the policy of one direction; returns the one that it replaces.
    ///
    /// # Errors
    /// When the channel is not there.
    pub fn set_policy(
        &mut self,
        id: ShortChannelId,
        direction: Direction,
        policy: Policy,
    ) -> Result<Option<Policy>, GraphError> {
        let slot = self.slot_mut(id)?;
        let (is_first, ends) = (!slot.is_told(), slot.ends);
        let before = slot.policies[direction.index()].replace(policy);
        if is_first {
            ends.into_iter().for_each(|end| self.nodes.get_mut(end).told += 1);
        }
        Ok(before)
    }

    /// Sets what a node says of itself; addresses beyond [`MAX_ADDRESSES`] are dropped.
    ///
    /// # Errors
    /// When the node has no channel (BOLT 7: its announcement is ignored then).
    pub fn set_node(&mut self, id: NodeId, mut info: NodeInfo) -> Result<(), GraphError> {
        let slot = *self.by_node.get(&id).ok_or(GraphError::UnknownNode(id))?;
        info.addresses.truncate(MAX_ADDRESSES);
        info.addresses.shrink_to_fit();
        self.nodes.get_mut(slot).info = Some(Arc::new(info));
        self.reshape();
        Ok(())
    }

    /// A channel.
    #[must_use]
    pub fn channel(&self, id: ShortChannelId) -> Option<Channel> {
        self.by_id.get(&id).map(|slot| self.shown(self.channels.get(*slot)))
    }

    /// Whether there is such a channel.
    #[must_use]
    pub fn contains(&self, id: ShortChannelId) -> bool {
        self.by_id.contains_key(&id)
    }

    /// Whether all that is said to be kept is kept before a place.
    pub(crate) fn is_stored_before(&self, end: u64) -> bool {
        let is_before = |stored: &Option<StoredAt>| stored.is_none_or(|at| at.0.get() < end);
        self.channels.iter().all(|(_, slot)| {
            is_before(&slot.stored) && slot.policies.iter().flatten().all(|policy| is_before(&policy.stored))
        }) && self.nodes.iter().all(|(_, node)| node.info.as_ref().is_none_or(|info| is_before(&info.stored)))
    }

    /// Where all that is said is kept, in the order in which it can be heard again: of each channel its announcement and its
    /// updates, then what nodes say.
    pub fn places(&self) -> impl Iterator<Item = StoredAt> + '_ {
        self.channel_places().chain(self.node_places())
    }

    /// The same of channels alone.
    pub fn channel_places(&self) -> impl Iterator<Item = StoredAt> + '_ {
        self.channels.iter().flat_map(|(_, slot)| {
            let updates = slot.policies.iter().flatten().filter_map(|policy| policy.stored);
            slot.stored.into_iter().chain(updates)
        })
    }

    /// The same of nodes alone, which are heard once a channel of theirs is.
    pub fn node_places(&self) -> impl Iterator<Item = StoredAt> + '_ {
        self.nodes.iter().filter_map(|(_, node)| node.info.as_ref().and_then(|info| info.stored))
    }

    /// All that is said is kept elsewhere now; what has no new place is kept nowhere.
    pub(crate) fn move_places(&mut self, to: impl Fn(StoredAt) -> Option<StoredAt>) {
        for slot in self.channels.iter_mut() {
            slot.stored = slot.stored.and_then(&to);
            for policy in slot.policies.iter_mut().flatten() {
                policy.stored = policy.stored.and_then(&to);
            }
        }
        for node in self.nodes.iter_mut() {
            if let Some(info) = &mut node.info {
                let stored = info.stored.and_then(&to);
                *info = Arc::new(NodeInfo { stored, ..NodeInfo::clone(info) });
            }
        }
    }

    /// Whether a node has a channel.
    #[must_use]
    pub fn has_node(&self, id: &NodeId) -> bool {
        self.by_node.contains_key(id)
    }

    /// Whether a node has a channel of which others are told: without a `channel_update` there is none (BOLT 7).
    #[must_use]
    pub fn is_told(&self, id: &NodeId) -> bool {
        self.by_node.get(id).is_some_and(|slot| self.nodes.get(*slot).told > 0)
    }

    /// What a node has said of itself.
    #[must_use]
    pub fn node(&self, id: &NodeId) -> Option<&NodeInfo> {
        self.nodes.get(*self.by_node.get(id)?).info.as_deref()
    }

    /// The channels whose ids are in a range, upwards.
    pub fn channels(&self, ids: impl RangeBounds<ShortChannelId>) -> impl Iterator<Item = Channel> + '_ {
        self.by_id.range(ids).map(|(_, slot)| self.shown(self.channels.get(*slot)))
    }

    /// What `reply_channel_range` says of the channels whose ids are in a range, upwards.
    pub fn marks(&self, ids: impl RangeBounds<ShortChannelId>) -> impl Iterator<Item = ChannelMarks> + '_ {
        self.by_id.range(ids).map(|(_, slot)| self.channels.get(*slot).marks())
    }

    /// The nodes with what they have said of themselves, upwards by id.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeId, Option<&NodeInfo>)> + '_ {
        self.by_node.iter().map(|(id, slot)| (*id, self.nodes.get(*slot).info.as_deref()))
    }

    /// Removes the channels of which one direction was last heard before `before` (in seconds of UNIX time), or not at all
    /// although the channel is older than that (BOLT 7, "Pruning the Network View"). Those of one node are kept: it knows by
    /// itself when a channel of its own is over.
    pub fn prune(&mut self, before: u32, but_of: &NodeId) -> Vec<ShortChannelId> {
        let ours = self.by_node.get(but_of).copied();
        let is_ours = |slot: &ChannelSlot| ours.is_some_and(|ours| slot.ends.contains(&ours));
        let stale = |slot: &ChannelSlot| slot.last_heard() < before && !is_ours(slot);
        let slots = self.by_id.iter().filter(|(_, slot)| stale(self.channels.get(**slot)));
        let pruned: Vec<ShortChannelId> = slots.map(|(id, _)| *id).collect();
        pruned.iter().for_each(|id| drop(self.remove_channel(*id)));
        pruned
    }

    /// The graph as it stands, to be read by others. It is built when something has changed since the last call, which
    /// takes milliseconds, fewer when only policies have: call it in intervals and not after each change.
    #[must_use]
    pub fn snapshot(&mut self) -> Arc<Snapshot> {
        let repriced = core::mem::take(&mut self.repriced);
        let slots = repriced.iter().map(|slot| self.channels.get(*slot));
        let next = match &self.current {
            Some(current) if repriced.is_empty() => return Arc::clone(current),
            Some(current) => current.repriced(slots),
            None => None,
        };
        let built = Arc::new(next.unwrap_or_else(|| Snapshot::build(&self.nodes, &self.channels)));
        self.current = Some(Arc::clone(&built));
        built
    }

    /// Forgets the last snapshot: more has changed than policies.
    fn reshape(&mut self) {
        self.current = None;
        self.repriced.clear();
    }

    /// The graph of such nodes and channels, whose degrees and ends fit; `None` when an id is there twice, or there are
    /// too many.
    pub(crate) fn from_slots(mut nodes: Slots<NodeSlot>, channels: Slots<ChannelSlot>) -> Option<Self> {
        let number = |at: usize| u32::try_from(at).expect("slots are numbered by u32");
        let mut by_id: Vec<(ShortChannelId, u32)> =
            channels.iter().map(|(at, slot)| (slot.id, number(at))).collect();
        let mut by_node: Vec<(NodeId, u32)> = nodes.iter().map(|(at, slot)| (slot.id, number(at))).collect();
        for end in channels.iter().filter(|(_, slot)| slot.is_told()).flat_map(|(_, slot)| slot.ends) {
            nodes.get_mut(end).told += 1;
        }
        by_id.sort_unstable();
        by_node.sort_unstable();
        let twice = by_id.windows(2).any(|pair| pair[0].0 == pair[1].0)
            || by_node.windows(2).any(|pair| pair[0].0 == pair[1].0);
        let fits = !twice && by_id.len() <= MAX_CHANNELS;
        fits.then(|| Self {
            by_id: by_id.into_iter().collect(),
            by_node: by_node.into_iter().collect(),
            channels,
            nodes,
            current: None,
            repriced: BTreeSet::new(),
        })
    }

    pub(crate) const fn slots(&self) -> (&Slots<NodeSlot>, &Slots<ChannelSlot>) {
        (&self.nodes, &self.channels)
    }

    fn slot_mut(&mut self, id: ShortChannelId) -> Result<&mut ChannelSlot, GraphError> {
        let slot = *self.by_id.get(&id).ok_or(GraphError::UnknownChannel(id))?;
        self.repriced.insert(slot);
        Ok(self.channels.get_mut(slot))
    }

    fn join(&mut self, id: NodeId) -> u32 {
        let slot = *self
            .by_node
            .entry(id)
            .or_insert_with(|| self.nodes.insert(NodeSlot { id, degree: 0, told: 0, info: None }));
        self.nodes.get_mut(slot).degree += 1;
        slot
    }

    fn leave(&mut self, slot: u32) {
        let node = self.nodes.get_mut(slot);
        node.degree -= 1;
        if node.degree == 0 {
            let removed = self.nodes.remove(slot);
            self.by_node.remove(&removed.id);
        }
    }

    fn shown(&self, slot: &ChannelSlot) -> Channel {
        let [node_1, node_2] = slot.ends.map(|end| self.nodes.get(end).id);
        Channel {
            short_channel_id: slot.id,
            node_1,
            node_2,
            capacity: slot.capacity,
            features: slot.features.as_deref().cloned().unwrap_or_default(),
            received: slot.received,
            stored: slot.stored,
            policies: slot.policies,
        }
    }
}
