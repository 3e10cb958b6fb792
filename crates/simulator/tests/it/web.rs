//! A small whole network; `cargo xtask simulate --web` runs those of 200 nodes.

use astrape_simulator::{Checker, Plant, Size, Totals, run_web_seed, run_web_seed_with};

/// Networks that are played.
const LEAST_SEEDS: u64 = 6;
/// Those that are played at most until each kind of hostility was seen.
const MOST_SEEDS: u64 = 20;

#[test]
fn in_a_network_of_liars_and_hostile_forwarders_every_payment_ends_once() {
    let mut totals = Totals::default();
    let has_all = |totals: &Totals| totals.web.counts().iter().all(|(_, count)| *count > 0);
    for seed in 1..=MOST_SEEDS {
        if seed > LEAST_SEEDS && has_all(&totals) {
            break;
        }
        match run_web_seed(seed, Size::SMALL, false) {
            Ok(outcome) => totals.add(&outcome.totals),
            Err(violation) => panic!("seed {seed}: {violation}"),
        }
    }
    println!("{totals}");
    for (name, count) in totals.web.counts() {
        assert!(count > 0, "{name} were not seen");
    }
    assert!(totals.payments_settled > 60 && totals.payments_failed > 10 && totals.forwards > 60);
}

#[test]
fn the_same_seed_of_a_network_twice_gives_the_same_trace() {
    let size = Size { nodes: 8, payments: 8 };
    let [first, again] = [3, 3].map(|seed| run_web_seed(seed, size, false).expect("all is well"));
    assert_eq!((first.hash, first.totals), (again.hash, again.totals));
}

/// What is found in a network with a bug.
fn found(plant: Plant) -> Checker {
    let size = Size { nodes: 8, payments: 4 };
    run_web_seed(5, size, false).expect("without the bug all is well");
    let Err(violation) = run_web_seed_with(5, size, plant) else {
        panic!("nobody has found {plant:?}");
    };
    println!("{plant:?}: {violation}");
    violation.checker
}

#[test]
fn a_payment_that_ends_as_paid_and_as_failed_is_noticed() {
    assert_eq!(found(Plant::TellsFailedToo { node: 1 }), Checker::Payments);
}

#[test]
fn a_payment_that_is_paid_twice_is_noticed() {
    assert_eq!(found(Plant::TellsTwice { node: 1 }), Checker::Payments);
}

#[test]
fn a_payment_that_only_its_payer_knows_of_is_noticed() {
    assert_eq!(found(Plant::HidesReceived { node: 0 }), Checker::Payments);
}

#[test]
fn a_payment_that_never_ends_is_noticed() {
    assert_eq!(found(Plant::SwallowsRevocations { node: 0 }), Checker::Rest);
}
