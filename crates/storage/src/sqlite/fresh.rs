//! Names that were written lately and are in no index yet.
//!
//! Hashes are strewn: each that a commit adds to an index lies on a page of its own, and whole pages are what is written. So a new
//! name goes to the end of a table only, where its neighbours in time are, and is kept here, where it is looked for first. When there
//! are many they are merged into the index in their order, a few with each commit: then neighbours share pages.

use std::collections::BTreeMap;

/// So many names are collected before they are merged.
const MAX_COLLECTED: usize = 32_768;

/// With each commit at least so many are merged, where there are some to merge.
const LEAST_MERGED: usize = 64;

/// Names with what belongs to each.
#[derive(Debug)]
pub(super) struct Fresh<K, V> {
    /// Those that are collected.
    newer: BTreeMap<K, V>,
    /// Those that are being merged and were not yet.
    older: BTreeMap<K, V>,
    /// The row of the newest of those that are being merged, while there are any.
    merging_to: Option<i64>,
    /// The row that was written last.
    newest: i64,
}

/// What one commit merges.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Portion<K, V> {
    /// These go into the index.
    pub(super) names: Vec<(K, V)>,
    /// With them all rows up to this one are in the index.
    pub(super) done: Option<i64>,
}

impl<K: Ord + Copy, V: Copy> Fresh<K, V> {
    /// Nothing, behind row `merged`.
    pub(super) const fn behind(merged: i64) -> Self {
        Self { newer: BTreeMap::new(), older: BTreeMap::new(), merging_to: None, newest: merged }
    }

    /// What belongs to a name, the later one where it came twice; `None` where the index has to be asked.
    pub(super) fn find(&self, key: &K) -> Option<V> {
        self.newer.get(key).or_else(|| self.older.get(key)).copied()
    }

    /// The row that was written last.
    pub(super) const fn newest(&self) -> i64 {
        self.newest
    }

    /// One more, of a row behind all others.
    pub(super) fn add(&mut self, row: i64, key: K, value: V) {
        self.newer.insert(key, value);
        self.newest = row;
    }

    /// Names below `first` are not looked for any more.
    pub(super) fn forget_below(&mut self, first: &K) {
        self.newer = self.newer.split_off(first);
        self.older = self.older.split_off(first);
    }

    /// What a commit that adds `added` names is to merge: twice as many, so that when all are merged half as many were collected
    /// meanwhile.
    pub(super) fn portion(&self, added: usize) -> Portion<K, V> {
        let Some(to) = self.merging_to else { return Portion { names: Vec::new(), done: None } };
        let most = added.saturating_mul(2).max(LEAST_MERGED);
        let names: Vec<(K, V)> = self.older.iter().take(most).map(|(key, value)| (*key, *value)).collect();
        let done = (names.len() == self.older.len()).then_some(to);
        Portion { names, done }
    }

    /// A portion is in the index by now.
    pub(super) fn merged(&mut self, portion: &Portion<K, V>) {
        for (key, _) in &portion.names {
            self.older.remove(key);
        }
        if portion.done.is_some() {
            self.merging_to = None;
        }
        if self.merging_to.is_none() && self.newer.len() >= MAX_COLLECTED {
            self.older = core::mem::take(&mut self.newer);
            self.merging_to = Some(self.newest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Strewn as hashes are.
    fn strewn(n: u64) -> u64 {
        n.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    #[test]
    fn every_name_is_found_here_or_in_the_index_and_few_wait() {
        let mut fresh = Fresh::behind(0);
        let (mut index, mut done) = (BTreeSet::new(), 0);
        let mut row = 0_u32;
        for commit in 0..4_000_u64 {
            let added = usize::try_from(commit % 7 * 10).expect("few");
            let portion = fresh.portion(added);
            index.extend(portion.names.iter().map(|(key, ())| *key));
            for _ in 0..added {
                row += 1;
                fresh.add(i64::from(row), strewn(u64::from(row)), ());
            }
            fresh.merged(&portion);
            if let Some(to) = portion.done {
                done = to;
                let all = (1..=u64::try_from(to).expect("counted")).map(strewn);
                assert!(all.into_iter().all(|name| index.contains(&name)), "all up to row {to}");
            }
            assert!(fresh.newer.len() + fresh.older.len() <= MAX_COLLECTED * 3 / 2 + 200);
        }
        assert!(done > i64::from(row) / 2, "{done} of {row}");
        let all = (1..=u64::from(row)).map(strewn);
        assert!(all.into_iter().all(|name| fresh.find(&name).is_some() || index.contains(&name)));
    }

    #[test]
    fn of_a_name_that_came_twice_the_later_counts_wherever_the_first_is() {
        let mut fresh = Fresh::behind(7);
        assert_eq!(fresh.newest(), 7);
        fresh.add(8, 1, 'a');
        fresh.add(9, 1, 'b');
        assert_eq!(fresh.find(&1), Some('b'));
        for n in 0..MAX_COLLECTED {
            fresh.add(10 + i64::try_from(n).expect("few"), 100 + n, 'c');
        }
        let nothing = fresh.portion(0);
        assert_eq!(nothing, Portion { names: vec![], done: None });
        fresh.merged(&nothing);
        assert!(fresh.newer.is_empty() && fresh.older.contains_key(&1));
        fresh.add(100_000, 1, 'd');
        assert_eq!(fresh.find(&1), Some('d'));
        let first = fresh.portion(0);
        assert_eq!((first.names.len(), first.names[0], first.done), (LEAST_MERGED, (1, 'b'), None));
        fresh.merged(&first);
        assert_eq!((fresh.find(&1), fresh.find(&100)), (Some('d'), None));
    }

    #[test]
    fn what_is_forgotten_while_it_is_merged_does_not_keep_the_rest_from_an_end() {
        let mut fresh = Fresh::behind(0);
        for n in 1..=MAX_COLLECTED {
            fresh.add(i64::try_from(n).expect("few"), n, ());
        }
        fresh.merged(&fresh.portion(0));
        fresh.forget_below(&(MAX_COLLECTED + 1));
        assert_eq!(fresh.find(&5), None);
        let last = fresh.portion(0);
        assert_eq!((last.names.len(), last.done), (0, i64::try_from(MAX_COLLECTED).ok()));
        fresh.merged(&last);
        assert_eq!(fresh.portion(0).done, None);
    }
}
