//! When the log was written anew without what is old: where everything is now.

use super::Gossip;
use super::log::{LogEnd, Record};
use crate::graph::StoredAt;
use core::num::NonZeroU64;

/// From the places in one log to those in the log that follows it.
#[derive(Debug)]
pub struct Moved {
    /// Old and new places of what was copied, by the old.
    places: Vec<(u64, u64)>,
    /// Where the old log ended when its copy was begun: what comes after it follows the copy in its order.
    old_end: LogEnd,
    new_end: LogEnd,
}

impl Moved {
    /// Before anything is copied of a log that ends at `old_end`.
    #[must_use]
    pub const fn new(old_end: LogEnd) -> Self {
        Self { places: Vec::new(), old_end, new_end: LogEnd::EMPTY }
    }

    /// A frame of `len` bytes was copied from a place to the end of the new log.
    pub fn copied(&mut self, from: StoredAt, len: usize) {
        let to = self.new_end.advance(len);
        self.places.push((from.0.get(), to.0.get()));
    }

    /// A frame of `len` bytes was added that has no place in the old log.
    pub fn added(&mut self, len: usize) {
        self.new_end.advance(len);
    }

    /// Where the old log ended when its copy was begun.
    #[must_use]
    pub const fn old_end(&self) -> LogEnd {
        self.old_end
    }

    /// How long the new log is.
    #[must_use]
    pub const fn new_end(&self) -> LogEnd {
        self.new_end
    }

    fn place(&self, old: StoredAt) -> Option<StoredAt> {
        let old = old.0.get();
        let new = match old.checked_sub(self.old_end.bytes()) {
            Some(since) => self.new_end.bytes() + since,
            None => self.places[self.places.binary_search_by_key(&old, |(old, _)| *old).ok()?].1,
        };
        NonZeroU64::new(new).map(StoredAt)
    }
}

impl Gossip {
    /// The log was written anew, but for what is unsaved.
    pub fn moved(&mut self, mut moved: Moved) {
        moved.places.sort_unstable();
        let since = self.end.bytes().saturating_sub(moved.old_end.bytes());
        self.graph.move_places(|old| moved.place(old));
        self.outgoing.move_places(|old| moved.place(old));
        self.end = LogEnd::at(moved.new_end.bytes() + since).unwrap_or(LogEnd::EMPTY);
    }

    /// What a log without what is old says beside the messages that are known: which fundings are spent.
    #[must_use]
    pub fn spent_records(&self) -> Vec<Record> {
        self.closed.spent().map(|(id, height)| Record::Spent(*id, *height)).collect()
    }
}
