//! What it costs to be in a block soon: a curve of feerates.

use crate::FeeratePerKw;

/// The numbers of blocks that a curve has a feerate for.
pub const FEE_TARGETS: [u16; 4] = [2, 6, 24, 144];

/// Feerates by how soon a transaction shall confirm, and the least that mempools take. A faster one is never cheaper than a
/// slower one, and none is below the floor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feerates {
    floor: FeeratePerKw,
    within: [FeeratePerKw; FEE_TARGETS.len()],
}

impl Feerates {
    /// From the mempool's floor (`mempoolminfee`) and one estimate for each of [`FEE_TARGETS`]. An estimate below that of a
    /// slower target is raised to it: who waits less never pays less.
    #[must_use]
    pub fn new(floor: FeeratePerKw, estimates: [FeeratePerKw; FEE_TARGETS.len()]) -> Self {
        let floor = floor.max(FeeratePerKw::FLOOR);
        let mut within = estimates;
        let mut least = floor;
        for feerate in within.iter_mut().rev() {
            least = least.max(*feerate);
            *feerate = least;
        }
        Self { floor, within }
    }

    /// The same feerate however soon.
    #[must_use]
    pub fn flat(feerate: FeeratePerKw) -> Self {
        Self::new(FeeratePerKw::FLOOR, [feerate; FEE_TARGETS.len()])
    }

    /// The least that mempools take now (`mempoolminfee`), never below [`FeeratePerKw::FLOOR`].
    #[must_use]
    pub fn floor(&self) -> FeeratePerKw {
        self.floor
    }

    /// The feerate to confirm within `blocks`: that of the slowest target that is fast enough, or of the fastest there is.
    #[must_use]
    pub fn within(&self, blocks: u32) -> FeeratePerKw {
        let fast_enough =
            FEE_TARGETS.iter().zip(&self.within).rfind(|(target, _)| u32::from(**target) <= blocks);
        fast_enough.map_or(self.within[0], |(_, feerate)| *feerate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_target_that_is_fast_enough_is_taken() {
        let curve = Feerates::new(FeeratePerKw(253), [5_000, 2_000, 800, 300].map(FeeratePerKw));
        for (blocks, feerate) in
            [(0, 5_000), (2, 5_000), (5, 5_000), (6, 2_000), (23, 2_000), (24, 800), (144, 300), (9_999, 300)]
        {
            assert_eq!(curve.within(blocks), FeeratePerKw(feerate), "{blocks}");
        }
    }

    #[test]
    fn who_waits_less_never_pays_less_and_nobody_less_than_the_floor() {
        let curve = Feerates::new(FeeratePerKw(1_000), [500, 3_000, 200, 4_000].map(FeeratePerKw));
        assert_eq!([2, 6, 24, 144].map(|blocks| curve.within(blocks).0), [4_000; 4]);
        let low = Feerates::new(FeeratePerKw(0), [10, 9, 8, 7].map(FeeratePerKw));
        assert_eq!((low.floor(), low.within(144)), (FeeratePerKw::FLOOR, FeeratePerKw::FLOOR));
    }
}
