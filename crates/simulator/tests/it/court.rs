//! Worlds whose channels end on chain, and the planted bugs that prove their checkers.

use astrape_simulator::{Checker, Plant, Totals, run_court_seed, run_court_seed_with};

/// The acts of chance before the end begins.
const ACTS: u32 = 40;

/// Seeds until a planted bug must be found.
const MAX_SEEDS: u64 = 60;

// attack 11
// attack 27
// attack 36
#[test]
fn honest_nodes_lose_nothing_to_thieves_silence_nonsense_and_miners() {
    let mut totals = Totals::default();
    for seed in 1..=24 {
        match run_court_seed(seed, ACTS, false) {
            Ok(outcome) => totals.add(&outcome.totals),
            Err(violation) => panic!("seed {seed}: {violation}"),
        }
    }
    let seldom =
        ["closes with the previous", "thefts of HTLCs by timeout", "thefts of several HTLCs", "nonsense"];
    let must = [
        "silences",
        "thefts",
        "forced closes",
        "resolved",
        "deep reorganisations",
        "outages of chain sources",
    ];
    for (name, count) in
        totals.court.counts().filter(|(name, _)| must.contains(name) && !seldom.contains(name))
    {
        assert!(count > 0, "{name} were not seen\n{totals}");
    }
}

#[test]
fn the_same_seed_before_the_court_gives_the_same_trace() {
    let one = run_court_seed(3, ACTS, false).expect("it is fine").hash;
    assert_eq!(one, run_court_seed(3, ACTS, false).expect("it is fine").hash);
}

/// Which checker finds a bug first, over some seeds: in some the bug has no occasion.
fn found(plant: impl Fn(usize) -> Plant) -> Checker {
    for seed in 1..=MAX_SEEDS {
        let node = usize::try_from(seed % 3).expect("small");
        if let Err(violation) = run_court_seed_with(seed, ACTS, plant(node)) {
            return violation.checker;
        }
    }
    panic!("nobody notices {:?}", plant(0))
}

#[test]
fn a_node_that_broadcasts_an_old_commitment_is_found() {
    assert_eq!(found(|node| Plant::BroadcastsOld { node }), Checker::Punished);
}

#[test]
fn claims_that_never_go_out_are_found() {
    assert_eq!(found(|node| Plant::LosesClaims { node }), Checker::Resolved);
}

#[test]
fn claims_to_a_stranger_are_found() {
    assert_eq!(found(|node| Plant::ClaimsElsewhere { node }), Checker::Unclaimed);
}

#[test]
fn a_loss_on_chain_is_found() {
    assert_eq!(found(|node| Plant::LosesCoins { node }), Checker::Wealth);
}

#[test]
fn a_claim_that_pays_too_much_is_found() {
    assert_eq!(found(|node| Plant::PaysTooMuch { node }), Checker::Budget);
}
