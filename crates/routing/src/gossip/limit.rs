//! How much of what is validly signed is taken of one channel or node. Nothing is counted before a signature holds, so that
//! nobody can use up what belongs to another (attack 67).

use std::collections::BTreeMap;

/// Updates of one direction of a channel, or announcements of a node, that may come in a row.
pub(super) const BURST: u32 = 8;

/// After so many seconds one more may come.
pub(super) const REFILL_SECS: u32 = 10 * 60;

/// Counters by key. One that is full again is forgotten: what is kept is bounded by what came within [`BURST`] times
/// [`REFILL_SECS`], for keys that are in the graph.
#[derive(Clone, Debug)]
pub(crate) struct Limits<K> {
    used: BTreeMap<K, Bucket>,
}

impl<K> Default for Limits<K> {
    fn default() -> Self {
        Self { used: BTreeMap::new() }
    }
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// How many are used up.
    used: u32,
    /// When the last of them comes free, counted from here.
    since: u32,
}

impl Bucket {
    fn at(self, now: u32) -> Self {
        let refilled = now.saturating_sub(self.since) / REFILL_SECS;
        Self {
            used: self.used.saturating_sub(refilled),
            since: self.since.saturating_add(refilled.saturating_mul(REFILL_SECS)),
        }
    }
}

impl<K: Ord> Limits<K> {
    /// Counts one; `false` if it is one too many.
    pub(crate) fn take(&mut self, key: K, now: u32) -> bool {
        let bucket = self.used.entry(key).or_insert(Bucket { used: 0, since: now });
        *bucket = bucket.at(now);
        if bucket.used >= BURST {
            return false;
        }
        if bucket.used == 0 {
            bucket.since = now;
        }
        bucket.used += 1;
        true
    }

    /// Forgets the counters that are full again.
    pub(crate) fn sweep(&mut self, now: u32) {
        self.used.retain(|_, bucket| bucket.at(now).used > 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_taken_and_then_one_in_each_interval() {
        let mut limits = Limits::default();
        let taken = |limits: &mut Limits<u8>, now| (0..20).filter(|_| limits.take(1, now)).count();
        assert_eq!(taken(&mut limits, 1_000), 8);
        assert_eq!(taken(&mut limits, 1_000 + REFILL_SECS - 1), 0);
        assert_eq!(taken(&mut limits, 1_000 + REFILL_SECS), 1);
        assert_eq!(taken(&mut limits, 1_000 + 4 * REFILL_SECS), 3);
        assert!(limits.take(2, 1_000), "another has its own");
    }

    #[test]
    fn counters_that_are_full_again_take_no_memory() {
        let mut limits = Limits::default();
        for key in 0..100_u32 {
            assert!(limits.take(key, 50));
        }
        limits.sweep(50 + REFILL_SECS - 1);
        assert_eq!(limits.used.len(), 100);
        limits.sweep(50 + REFILL_SECS);
        assert!(limits.used.is_empty());
    }
}
