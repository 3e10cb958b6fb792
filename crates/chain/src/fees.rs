//! Feerates, as a source sees them.

use astrape_primitives::{FEE_TARGETS, FeeratePerKw, Feerates, Network};
use std::collections::BTreeMap;

/// The numbers of blocks that estimates are asked for.
pub const TARGETS: [u16; 5] = [2, 6, 24, 144, 1008];

/// Feerates for the next blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeeEstimates {
    floor: FeeratePerKw,
    by_target: BTreeMap<u16, FeeratePerKw>,
    guessed: bool,
}

/// No estimate is believed to be more: the dearest block there was, that of the fourth halving, cost less than 4,000 sat/vbyte on
/// average. What is above is a fault of the source, and would burn coins without anybody having asked for it; a claim that nears its
/// deadline pays more than the estimate by itself.
pub const MAX_ESTIMATE: FeeratePerKw = FeeratePerKw::from_sat_per_vb(5_000);

impl FeeEstimates {
    /// Puts together what a source knows, none of it above [`MAX_ESTIMATE`]. `mempool_min` is the least that its mempool takes.
    /// Where it has no estimate at all, a fixed one for the network stands in, and [`FeeEstimates::is_guessed`] says so.
    #[must_use]
    pub fn new(network: Network, mempool_min: FeeratePerKw, by_target: BTreeMap<u16, FeeratePerKw>) -> Self {
        let floor = mempool_min.clamp(FeeratePerKw::FLOOR, MAX_ESTIMATE);
        let by_target: BTreeMap<u16, FeeratePerKw> =
            by_target.into_iter().map(|(target, rate)| (target, rate.min(MAX_ESTIMATE))).collect();
        if by_target.is_empty() {
            return Self {
                floor,
                by_target: BTreeMap::from([(TARGETS[0], fallback(network))]),
                guessed: true,
            };
        }
        Self { floor, by_target, guessed: false }
    }

    /// Least feerate that is relayed now: the mempool's floor, never below [`FeeratePerKw::FLOOR`].
    #[must_use]
    pub fn floor(&self) -> FeeratePerKw {
        self.floor
    }

    /// Feerate to confirm within `blocks`: that of the slowest estimate that is fast enough, or of the fastest one; never
    /// below the floor.
    #[must_use]
    pub fn for_target(&self, blocks: u16) -> FeeratePerKw {
        let fast_enough = self.by_target.range(..=blocks).next_back();
        let (_, rate) = fast_enough.or_else(|| self.by_target.first_key_value()).unwrap_or((&0, &self.floor));
        self.floor.max(*rate)
    }

    /// What the core is told.
    #[must_use]
    pub fn curve(&self) -> Feerates {
        Feerates::new(self.floor, FEE_TARGETS.map(|target| self.for_target(target)))
    }

    /// Whether the source had no estimate and the numbers are fixed ones: a reason for a warning on a real network.
    #[must_use]
    pub fn is_guessed(&self) -> bool {
        self.guessed
    }
}

/// What stands in for an estimate: 20 sat/vbyte where money is real, 4 elsewhere.
fn fallback(network: Network) -> FeeratePerKw {
    match network {
        Network::Bitcoin => FeeratePerKw::from_sat_per_vb(20),
        Network::Testnet4 | Network::Signet | Network::Regtest => FeeratePerKw::from_sat_per_vb(4),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_estimate_that_is_fast_enough_is_taken() {
        let by_target =
            BTreeMap::from([(2, FeeratePerKw(5_000)), (6, FeeratePerKw(2_000)), (144, FeeratePerKw(300))]);
        let fees = FeeEstimates::new(Network::Bitcoin, FeeratePerKw(250), by_target);
        for (blocks, rate) in [(1, 5_000), (2, 5_000), (5, 5_000), (6, 2_000), (100, 2_000), (2_000, 300)] {
            assert_eq!(fees.for_target(blocks), FeeratePerKw(rate), "{blocks}");
        }
        assert!(!fees.is_guessed());
        assert_eq!(fees.floor(), FeeratePerKw::FLOOR);
    }

    #[test]
    fn no_estimate_is_below_the_mempools_floor() {
        let by_target = BTreeMap::from([(2, FeeratePerKw(5_000)), (144, FeeratePerKw(300))]);
        let fees = FeeEstimates::new(Network::Bitcoin, FeeratePerKw(4_000), by_target);
        assert_eq!(fees.for_target(144), FeeratePerKw(4_000));
        assert_eq!(fees.for_target(2), FeeratePerKw(5_000));
    }

    #[test]
    fn no_estimate_is_above_what_any_block_has_cost() {
        let absurd = FeeratePerKw(u32::MAX);
        let high = FeeratePerKw::from_sat_per_vb(4_000);
        let by_target = BTreeMap::from([(2, absurd), (6, high)]);
        let fees = FeeEstimates::new(Network::Bitcoin, FeeratePerKw::FLOOR, by_target.clone());
        assert_eq!([2, 6].map(|blocks| fees.for_target(blocks)), [MAX_ESTIMATE, high]);
        let fees = FeeEstimates::new(Network::Bitcoin, absurd, by_target);
        assert_eq!((fees.floor(), fees.curve().within(144)), (MAX_ESTIMATE, MAX_ESTIMATE));
    }

    #[test]
    fn the_curve_has_each_targets_estimate_and_the_floor() {
        let by_target =
            BTreeMap::from([(2, FeeratePerKw(5_000)), (6, FeeratePerKw(2_000)), (144, FeeratePerKw(300))]);
        let curve = FeeEstimates::new(Network::Bitcoin, FeeratePerKw(400), by_target).curve();
        assert_eq!(curve.floor(), FeeratePerKw(400));
        assert_eq!([2, 6, 24, 144].map(|blocks| curve.within(blocks).0), [5_000, 2_000, 2_000, 400]);
    }

    #[test]
    fn without_estimates_a_fixed_feerate_stands_in() {
        let fees = FeeEstimates::new(Network::Regtest, FeeratePerKw(0), BTreeMap::new());
        assert!(fees.is_guessed());
        assert_eq!(fees.for_target(6), FeeratePerKw(1_000));
    }
}
