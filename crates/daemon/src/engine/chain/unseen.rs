//! Blocks that are to be looked through for spends of outputs which nobody watched when they were told. How far that has come is kept,
//! whatever fails between.

use astrape_primitives::Height;
use bitcoin::OutPoint;
use std::collections::{BTreeMap, BTreeSet};

/// The outputs, and from which height on blocks are unseen for each. No more of them than are watched.
#[derive(Debug, Default)]
pub(super) struct Unseen {
    from: BTreeMap<OutPoint, Height>,
    pruned: Pruned,
}

/// Blocks that the source has deleted: they are asked for last, and one by one.
#[derive(Debug, Default)]
struct Pruned {
    heights: BTreeSet<Height>,
    from: BTreeMap<OutPoint, Height>,
}

/// One block that is to be looked through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) height: Height,
    /// What to look for, and from where on that was unseen when the look began.
    pub(super) outputs: BTreeMap<OutPoint, Height>,
}

impl Unseen {
    pub(super) fn add(&mut self, outpoint: OutPoint, from: Height) {
        self.from.insert(outpoint, from);
    }

    pub(super) fn forget(&mut self, outpoint: &OutPoint) {
        self.from.remove(outpoint);
        self.pruned.from.remove(outpoint);
        self.pruned.tidy();
    }

    /// A block was looked at after all these watches were set: those that begin with it miss nothing.
    pub(super) fn looked_at(&mut self, height: Height) {
        self.from.retain(|_, from| *from < height);
    }

    /// The lowest block that is unseen, pruned or not.
    pub(super) fn lowest(&self) -> Option<Height> {
        self.from.values().min().into_iter().chain(self.pruned.heights.first()).min().copied()
    }

    /// Whether there is a block to look through up to `tip`, and none that is further below it than `depth`.
    pub(super) fn is_near(&self, tip: Height, depth: u32) -> bool {
        let lowest = self.from.values().min();
        lowest.is_some_and(|from| *from <= tip && from.0.saturating_add(depth) >= tip.0)
    }

    /// The next block to look through, pruned ones aside. Those above `tip` are told with all that is watched.
    pub(super) fn next(&mut self, tip: Height) -> Option<Look> {
        self.from.retain(|_, from| *from <= tip);
        let height = *self.from.values().min()?;
        let outputs = self.from.iter().filter(|(_, from)| **from <= height);
        Some(Look { height, outputs: outputs.map(|(outpoint, from)| (*outpoint, *from)).collect() })
    }

    /// The next one of those that were pruned, from a height on or the lowest.
    pub(super) fn next_pruned(&self, from: Height) -> Option<Look> {
        let Pruned { heights, from: outputs } = &self.pruned;
        let height = *heights.range(from..).next().or(heights.first())?;
        let outputs = outputs.iter().filter(|(_, from)| **from <= height);
        Some(Look { height, outputs: outputs.map(|(outpoint, from)| (*outpoint, *from)).collect() })
    }

    /// The block was looked through.
    pub(super) fn looked(&mut self, look: &Look) {
        self.pruned.heights.remove(&look.height);
        self.pruned.tidy();
        for (outpoint, before) in &look.outputs {
            // One that was asked for anew meanwhile begins anew.
            if let Some(from) = self.from.get_mut(outpoint).filter(|from| *from == before) {
                *from = (*from).max(look.height.plus(1));
            }
        }
    }

    /// The block is not there now: what is above it is looked through first.
    pub(super) fn was_pruned(&mut self, look: &Look) {
        self.looked(look);
        self.pruned.heights.insert(look.height);
        for (outpoint, from) in &look.outputs {
            let known = self.pruned.from.entry(*outpoint).or_insert(*from);
            *known = (*known).min(*from);
        }
    }
}

impl Pruned {
    /// Without an output no block is wanted, and the other way round.
    fn tidy(&mut self) {
        match self.from.values().min().copied() {
            Some(lowest) => self.heights = self.heights.split_off(&lowest),
            None => self.heights.clear(),
        }
        if self.heights.is_empty() {
            self.from.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bitcoin::Txid;
    use bitcoin::hashes::Hash as _;

    fn output(number: u8) -> OutPoint {
        OutPoint { txid: Txid::from_byte_array([number; 32]), vout: 0 }
    }

    /// The heights that are looked through until nothing is left.
    fn looks(unseen: &mut Unseen, tip: Height) -> Vec<(u32, usize)> {
        let mut looks = Vec::new();
        while let Some(look) = unseen.next(tip) {
            looks.push((look.height.0, look.outputs.len()));
            unseen.looked(&look);
        }
        looks
    }

    #[test]
    fn each_block_is_looked_through_once_for_all_that_may_be_in_it() {
        let mut unseen = Unseen::default();
        unseen.add(output(1), Height(5));
        unseen.add(output(2), Height(7));
        assert_eq!(looks(&mut unseen, Height(8)), [(5, 1), (6, 1), (7, 2), (8, 2)]);
        assert_eq!(unseen.lowest(), None);
        unseen.add(output(3), Height(9));
        assert_eq!(looks(&mut unseen, Height(8)), [], "it is told with what is watched");
    }

    #[test]
    fn how_far_a_look_back_has_come_is_kept_and_a_watch_that_is_set_anew_begins_anew() {
        let mut unseen = Unseen::default();
        unseen.add(output(1), Height(5));
        let look = unseen.next(Height(9)).expect("there is one");
        unseen.looked(&look);
        // The next one fails: nothing is said of it.
        assert_eq!(unseen.next(Height(9)).map(|look| look.height), Some(Height(6)));
        let stale = unseen.next(Height(9)).expect("there is one");
        unseen.add(output(1), Height(4));
        unseen.looked(&stale);
        assert_eq!(unseen.next(Height(9)).map(|look| look.height), Some(Height(4)));
        unseen.forget(&output(1));
        assert_eq!(unseen.next(Height(9)), None);
    }

    // attack 6
    #[test]
    fn pruned_blocks_come_last_and_none_of_them_keeps_back_the_others() {
        let mut unseen = Unseen::default();
        unseen.add(output(1), Height(5));
        unseen.add(output(2), Height(6));
        for _ in 0..2 {
            let look = unseen.next(Height(8)).expect("there is one");
            unseen.was_pruned(&look);
        }
        assert_eq!(looks(&mut unseen, Height(8)), [(7, 2), (8, 2)]);
        assert_eq!(unseen.lowest(), Some(Height(5)), "it is still wanted");
        let first = unseen.next_pruned(Height(0)).expect("there is one");
        assert_eq!((first.height, first.outputs.len()), (Height(5), 1));
        // Nobody gives it: the next one is tried, and then it again.
        let second = unseen.next_pruned(first.height.plus(1)).expect("there is one");
        assert_eq!((second.height, second.outputs.len()), (Height(6), 2));
        unseen.looked(&second);
        assert_eq!(unseen.next_pruned(second.height.plus(1)), Some(first.clone()));
        unseen.looked(&first);
        assert_eq!((unseen.next_pruned(Height(0)), unseen.lowest()), (None, None));
    }

    #[test]
    fn what_is_near_is_worth_a_wait() {
        let mut unseen = Unseen::default();
        assert!(!unseen.is_near(Height(9), 4));
        unseen.add(output(1), Height(10));
        assert!(!unseen.is_near(Height(9), 4), "there is nothing to look through");
        unseen.add(output(2), Height(5));
        assert!(unseen.is_near(Height(9), 4));
        unseen.add(output(3), Height(4));
        assert!(!unseen.is_near(Height(9), 4));
    }
}
