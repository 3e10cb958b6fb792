//! A few random worlds; `cargo xtask simulate` runs thousands.

use astrape_simulator::{Totals, run_seed};

fn seeds(from: u64, to: u64) -> Totals {
    let mut totals = Totals::default();
    for seed in from..to {
        match run_seed(seed, 120, false) {
            Ok(outcome) => totals.add(&outcome.totals),
            Err(violation) => panic!("seed {seed}: {violation}"),
        }
    }
    totals
}

#[test]
fn random_worlds_come_to_rest_with_every_rule_kept() {
    let totals = seeds(1_000, 1_030);
    for (name, count) in totals.counts() {
        let may_be_missing = ["hang-ups", "force-closes", "waits for the peer"].contains(&name);
        assert!(count > 0 || may_be_missing, "{name} were not seen\n{totals}");
    }
}
