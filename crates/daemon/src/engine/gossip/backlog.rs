//! Which filter of a peer waits to be told what is known: the newest alone, however many it sends. Looking through the whole
//! network costs more than a filter does.

use astrape_routing::gossip::Filter;

/// The filter of which a peer was not told what is known.
#[derive(Debug, Default)]
pub(super) struct Untold(Option<Filter>);

impl Untold {
    /// Takes a new filter in place of what waits. Whether the peer's conversation is to be told: not where one waits already.
    pub(super) fn put(&mut self, filter: Filter) -> bool {
        let waits = self.is_some();
        self.0 = (!filter.is_shut()).then_some(filter);
        !waits && self.is_some()
    }

    pub(super) fn take(&mut self) -> Option<Filter> {
        self.0.take()
    }

    pub(super) fn is_some(&self) -> bool {
        self.0.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use astrape_wire::GossipTimestampFilter;

    fn filter(first_timestamp: u32, timestamp_range: u32) -> Filter {
        Filter::new(&GossipTimestampFilter { chain_hash: [0; 32], first_timestamp, timestamp_range })
    }

    #[test]
    fn of_many_filters_the_newest_is_followed_once() {
        let mut untold = Untold::default();
        assert!(untold.put(filter(1, u32::MAX)));
        for first in 2..1_000 {
            assert!(!untold.put(filter(first, u32::MAX)), "one waits already");
        }
        assert_eq!((untold.take(), untold.take()), (Some(filter(999, u32::MAX)), None));
        assert!(untold.put(filter(1, 1)), "and then the next");
    }

    #[test]
    fn a_filter_that_lets_nothing_through_is_no_work_and_ends_what_waits() {
        let mut untold = Untold::default();
        for shut in [filter(0, 0), filter(u32::MAX, 0), filter(u32::MAX, u32::MAX)] {
            assert!(!untold.put(shut) && untold.take().is_none());
            untold.put(filter(1, u32::MAX));
            assert!(!untold.put(shut) && untold.take().is_none());
        }
    }
}
