//! Blocks that are to be looked through for spends of outputs which nobody watched when they were told. How far that has come is kept,
//! whatever fails between.

use astrape_primitives::Height;
use bitcoin::OutPoint;
use std::collections::{BTreeMap, BTreeSet};

/// The outputs, and from which height on blocks are unseen for each. No more of them than are watched.
#[derive(Debug, Default)]
pub(super) struct Unseen {
    wanted: BTreeMap<OutPoint, Wanted>,
    pruned: Pruned,
    /// Those of which all blocks were seen, with the height that was asked; not told yet.
    done: BTreeMap<OutPoint, Height>,
}

/// What is to be looked for.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    /// From where on by the core's wish.
    asked: Height,
    /// From where on now.
    from: Height,
}

/// Blocks that the source has deleted: they are asked for last, and one by one.
#[derive(Debug, Default)]
struct Pruned {
    heights: BTreeSet<Height>,
    wanted: BTreeMap<OutPoint, Wanted>,
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
        self.forget(&outpoint);
        self.wanted.insert(outpoint, Wanted { asked: from, from });
    }

    pub(super) fn forget(&mut self, outpoint: &OutPoint) {
        self.wanted.remove(outpoint);
        self.done.remove(outpoint);
        self.pruned.wanted.remove(outpoint);
        self.tidy();
    }

    /// A block was looked at after all these watches were set: those that begin with it miss nothing.
    pub(super) fn looked_at(&mut self, height: Height) {
        self.end(|wanted| wanted.from >= height);
    }

    /// The lowest block that is unseen, pruned or not.
    pub(super) fn lowest(&self) -> Option<Height> {
        self.wanted.values().map(|wanted| wanted.from).chain(self.pruned.heights.first().copied()).min()
    }

    /// Whether there is a block to look through up to `tip`, and none that is further below it than `depth`.
    pub(super) fn is_near(&self, tip: Height, depth: u32) -> bool {
        let lowest = self.wanted.values().map(|wanted| wanted.from).min();
        lowest.is_some_and(|from| from <= tip && from.0.saturating_add(depth) >= tip.0)
    }

    /// The next block to look through, pruned ones aside. Those above `tip` are told with all that is watched.
    pub(super) fn next(&mut self, tip: Height) -> Option<Look> {
        self.end(|wanted| wanted.from > tip);
        let height = self.wanted.values().map(|wanted| wanted.from).min()?;
        Some(Look::of(&self.wanted, height))
    }

    /// The next one of those that were pruned, from a height on or the lowest.
    pub(super) fn next_pruned(&self, from: Height) -> Option<Look> {
        let Pruned { heights, wanted } = &self.pruned;
        let height = *heights.range(from..).next().or(heights.first())?;
        Some(Look::of(wanted, height))
    }

    /// The block was looked through.
    pub(super) fn looked(&mut self, look: &Look) {
        self.pass(look);
        self.pruned.heights.remove(&look.height);
        self.tidy();
    }

    /// The block is not there now: what is above it is looked through first.
    pub(super) fn was_pruned(&mut self, look: &Look) {
        for (outpoint, wanted) in self.pass(look) {
            self.pruned.wanted.entry(outpoint).or_insert(wanted);
            self.pruned.heights.insert(look.height);
        }
    }

    /// Goes on above a block; returns what was looked for in it, as it was. One that was asked for anew meanwhile begins anew.
    fn pass(&mut self, look: &Look) -> Vec<(OutPoint, Wanted)> {
        let mut passed = Vec::new();
        for (outpoint, before) in &look.outputs {
            if let Some(wanted) = self.wanted.get_mut(outpoint).filter(|wanted| wanted.from == *before) {
                passed.push((*outpoint, *wanted));
                wanted.from = wanted.from.max(look.height.plus(1));
            }
        }
        passed
    }

    /// The outputs that were looked for in all blocks since the last time, with the heights that were asked.
    pub(super) fn take_done(&mut self) -> Vec<(OutPoint, Height)> {
        std::mem::take(&mut self.done).into_iter().collect()
    }

    /// Nothing more is to be looked for but in blocks that are pruned.
    fn end(&mut self, is_over: impl Fn(&Wanted) -> bool) {
        let over = self.wanted.extract_if(.., |_, wanted| is_over(wanted));
        let seen = over.filter(|(outpoint, _)| !self.pruned.wanted.contains_key(outpoint));
        self.done.extend(seen.map(|(outpoint, wanted)| (outpoint, wanted.asked)));
    }

    /// Without an output no pruned block is wanted, and the other way round.
    fn tidy(&mut self) {
        let Pruned { heights, wanted } = &mut self.pruned;
        match wanted.values().map(|wanted| wanted.from).min() {
            Some(lowest) => *heights = heights.split_off(&lowest),
            None => heights.clear(),
        }
        if heights.is_empty() {
            let seen = std::mem::take(wanted).into_iter();
            let seen = seen.filter(|(outpoint, _)| !self.wanted.contains_key(outpoint));
            self.done.extend(seen.map(|(outpoint, wanted)| (outpoint, wanted.asked)));
        }
    }
}

impl Look {
    fn of(wanted: &BTreeMap<OutPoint, Wanted>, height: Height) -> Self {
        let outputs = wanted.iter().filter(|(_, wanted)| wanted.from <= height);
        Self { height, outputs: outputs.map(|(outpoint, wanted)| (*outpoint, wanted.from)).collect() }
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
        assert_eq!(unseen.take_done(), [(output(1), Height(5)), (output(2), Height(7))]);
        assert_eq!(unseen.take_done(), [], "that is told once");
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
        assert_eq!(unseen.take_done(), []);
        assert_eq!(unseen.next_pruned(second.height.plus(1)), Some(first.clone()));
        unseen.looked(&first);
        assert_eq!((unseen.next_pruned(Height(0)), unseen.lowest()), (None, None));
        assert_eq!(unseen.take_done(), [(output(1), Height(5)), (output(2), Height(6))]);
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
