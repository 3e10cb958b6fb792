//! Blocks that were there before we could look: nothing of ours could have been in them.
//!
//! The fee of a claim rises with the blocks that it has missed. Those which came while our node, or its source, did not run
//! have not been missed: nobody was asked for a place in them. A claim that has time left begins cheap all the same.

use astrape_primitives::Height;

/// The blocks that we slept through, as far as that is remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nights {
    /// First and last block of each run, ascending, never adjacent.
    runs: Vec<(Height, Height)>,
}

impl Nights {
    /// Runs that are remembered. The oldest is forgotten first, and counts as waking then: fees only rise earlier by that.
    pub const MAX: usize = 32;

    /// None yet.
    pub const NONE: Nights = Nights { runs: Vec::new() };

    /// Of runs that were written down; `None` when they are no such runs.
    #[must_use]
    pub fn from_runs(runs: Vec<(Height, Height)>) -> Option<Self> {
        let in_order = runs.iter().all(|(first, last)| first <= last)
            && runs.windows(2).all(|pair| matches!(pair, [a, b] if a.1.plus(1) < b.0));
        (in_order && runs.len() <= Self::MAX).then_some(Self { runs })
    }

    /// First and last block of each run, ascending.
    pub fn runs(&self) -> impl Iterator<Item = (Height, Height)> + '_ {
        self.runs.iter().copied()
    }

    /// The block at this height, above all that were told before, came while we slept.
    pub fn sleep_through(&mut self, height: Height) {
        match self.runs.last_mut() {
            Some((_, last)) if last.plus(1) == height => *last = height,
            Some((_, last)) if *last >= height => {}
            _ => self.runs.push((height, height)),
        }
        let excess = self.runs.len().saturating_sub(Self::MAX);
        self.runs.drain(..excess);
    }

    /// The blocks from this height on are gone.
    pub fn reorganised(&mut self, from: Height) {
        self.runs.retain(|(first, _)| *first < from);
        if let Some((_, last)) = self.runs.last_mut() {
            *last = (*last).min(Height(from.0.saturating_sub(1)));
        }
    }

    /// How many of the blocks above `since` up to `tip` came while we slept.
    #[must_use]
    pub fn between(&self, since: Height, tip: Height) -> u32 {
        let of = |(first, last): &(Height, Height)| {
            let (first, last) = ((*first).max(since.plus(1)), (*last).min(tip));
            last.plus(1).0.saturating_sub(first.0)
        };
        self.runs.iter().map(of).fold(0, u32::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nights(blocks: &[u32]) -> Nights {
        let mut nights = Nights::default();
        blocks.iter().for_each(|height| nights.sleep_through(Height(*height)));
        nights
    }

    #[test]
    fn what_was_slept_through_is_counted_within_bounds() {
        let nights = nights(&[10, 11, 12, 20, 21]);
        assert_eq!(nights.runs().collect::<Vec<_>>(), [(Height(10), Height(12)), (Height(20), Height(21))]);
        let between = |since, tip| nights.between(Height(since), Height(tip));
        assert_eq!(between(0, 100), 5);
        assert_eq!(between(9, 12), 3);
        assert_eq!(between(10, 20), 3, "above ten, up to twenty");
        assert_eq!((between(12, 19), between(50, 60), between(20, 10)), (0, 0, 0));
    }

    #[test]
    fn blocks_that_are_gone_were_not_slept_through() {
        let mut nights = nights(&[10, 11, 12, 20, 21]);
        nights.reorganised(Height(21));
        assert_eq!(nights.between(Height(0), Height(100)), 4);
        nights.reorganised(Height(12));
        assert_eq!(nights.runs().collect::<Vec<_>>(), [(Height(10), Height(11))]);
        nights.reorganised(Height(10));
        assert_eq!(nights, Nights::NONE);
    }

    #[test]
    fn runs_are_bounded_and_only_such_are_read_again() {
        let blocks: Vec<u32> = (0..100).map(|n| 10 * n).collect();
        let nights = nights(&blocks);
        assert_eq!(nights.runs().count(), Nights::MAX);
        assert_eq!(Nights::from_runs(nights.runs().collect()), Some(nights));
        let run = |first, last| (Height(first), Height(last));
        for bad in [vec![run(5, 4)], vec![run(1, 3), run(4, 5)], vec![run(9, 9), run(1, 1)]] {
            assert_eq!(Nights::from_runs(bad), None);
        }
        assert_eq!(Nights::from_runs(vec![run(1, 1); Nights::MAX + 1]), None);
    }
}
