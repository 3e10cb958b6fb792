//! The same seed is the same world.

use astrape_simulator::{Plant, line, run_seed, sat};

#[test]
fn the_same_seed_twice_gives_the_same_trace() {
    for seed in [1, 2] {
        let first = run_seed(seed, 60, false).unwrap();
        let again = run_seed(seed, 60, false).unwrap();
        assert_eq!(first.hash, again.hash);
        assert_eq!(first.totals, again.totals);
    }
}

#[test]
fn another_seed_gives_another_trace() {
    assert_ne!(run_seed(1, 40, false).unwrap().hash, run_seed(3, 40, false).unwrap().hash);
}

#[test]
fn chance_from_elsewhere_shows_in_the_trace() {
    let script = line(2).open(0, 1, sat(1_000_000)).pay(0, 1, sat(1_000));
    let hash = |script: &astrape_simulator::Scenario| script.run().unwrap().trace_hash();
    assert_eq!(hash(&script), hash(&script));
    let wrong = script.plant(Plant::DrawsElsewhere);
    assert_ne!(hash(&wrong), hash(&wrong));
}
