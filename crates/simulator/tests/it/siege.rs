//! A hostile peer at the bounds of what a channel takes.

use astrape_simulator::{AtBounds, run_bounds_seed};

/// Seeds that are played.
const SEEDS: u64 = 60;

// attack 39
#[test]
fn feerates_near_all_that_an_opener_has_leave_a_commitment_to_sign_whatever_the_dust_limits() {
    let mut all = AtBounds::default();
    for seed in 0..SEEDS {
        let seen = run_bounds_seed(seed).unwrap_or_else(|violation| panic!("seed {seed}: {violation}"));
        all.htlcs += seen.htlcs;
        all.taken += seen.taken;
        all.refused += seen.refused;
        all.signed += seen.signed;
    }
    assert!(all.htlcs > SEEDS && all.taken > 0 && all.refused > 0 && all.signed > 0, "{all:?}");
}
