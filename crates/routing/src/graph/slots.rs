//! Channels and nodes by number: small, stable while they live, reused afterwards.

use super::channel::{ChannelMarks, Policy, StoredAt};
use super::node::NodeInfo;
use astrape_primitives::{Features, NodeId, Sat, ShortChannelId};
use std::sync::Arc;

/// A channel in its place.
#[derive(Clone, Debug)]
pub(crate) struct ChannelSlot {
    pub(crate) id: ShortChannelId,
    /// The numbers of its nodes.
    pub(crate) ends: [u32; 2],
    pub(crate) capacity: Option<Sat>,
    /// Almost no channel asks for any: `None` then.
    pub(crate) features: Option<Box<Features>>,
    pub(crate) received: u32,
    pub(crate) stored: Option<StoredAt>,
    pub(crate) policies: [Option<Policy>; 2],
}

impl ChannelSlot {
    /// When the direction that was silent for longer was last heard.
    pub(super) fn last_heard(&self) -> u32 {
        let heard = self.policies.map(|policy| policy.map_or(self.received, |p| p.timestamp));
        heard[0].min(heard[1])
    }

    /// Whether an end of it has said what it asks for.
    pub(super) fn is_told(&self) -> bool {
        self.policies.iter().any(Option::is_some)
    }

    pub(super) fn marks(&self) -> ChannelMarks {
        ChannelMarks {
            short_channel_id: self.id,
            timestamps: self.policies.map(|policy| policy.map_or(0, |p| p.timestamp)),
            checksums: self.policies.map(|policy| policy.map_or(0, |p| p.checksum)),
        }
    }
}

/// A node in its place.
#[derive(Clone, Debug)]
pub(crate) struct NodeSlot {
    pub(crate) id: NodeId,
    /// How many channels it has; never zero.
    pub(crate) degree: u32,
    /// How many of them somebody asks something for: before that nothing is told of a channel.
    pub(crate) told: u32,
    pub(crate) info: Option<Arc<NodeInfo>>,
}

/// Values by number.
#[derive(Clone, Debug)]
pub(crate) struct Slots<T> {
    items: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { items: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slots<T> {
    pub(super) fn insert(&mut self, item: T) -> u32 {
        if let Some(number) = self.free.pop() {
            self.items[number as usize] = Some(item);
            return number;
        }
        let number = u32::try_from(self.items.len()).expect("there are far fewer than 2^32 slots");
        self.items.push(Some(item));
        number
    }

    pub(super) fn remove(&mut self, number: u32) -> T {
        let item = self.items[number as usize].take().expect("only numbers in use are removed");
        self.free.push(number);
        item
    }

    pub(crate) fn get(&self, number: u32) -> &T {
        self.items[number as usize].as_ref().expect("only numbers in use are looked up")
    }

    pub(super) fn get_mut(&mut self, number: u32) -> &mut T {
        self.items[number as usize].as_mut().expect("only numbers in use are looked up")
    }

    /// Of items in their places.
    pub(crate) fn from_items(items: Vec<Option<T>>) -> Self {
        let free = (0..).zip(&items).filter(|(_, item)| item.is_none()).map(|(number, _)| number);
        Self { free: free.collect(), items }
    }

    /// What is in a place, if anything is.
    pub(crate) fn find(&self, number: u32) -> Option<&T> {
        self.items.get(number as usize)?.as_ref()
    }

    /// One more than the highest number that was ever in use.
    pub(crate) fn bound(&self) -> usize {
        self.items.len()
    }

    /// All, in any order, to be changed.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> + '_ {
        self.items.iter_mut().flatten()
    }

    /// All, by number.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &T)> + '_ {
        self.items.iter().enumerate().filter_map(|(number, item)| item.as_ref().map(|item| (number, item)))
    }
}
