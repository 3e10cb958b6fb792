//! Worlds whose channels end on chain, and the planted bugs that prove their checkers.

use astrape_simulator::{
    Checker, Kind, Mass, Plant, Totals, run_court_seed, run_court_seed_with, run_mass_close, run_resolution,
};
use astrape_transactions::CommitmentFormat;

/// The acts of chance before the end begins.
const ACTS: u32 = 40;

/// Seeds until a planted bug must be found.
const MAX_SEEDS: u64 = 60;

// attack 11
// attack 27
// attack 36
// attack 47
#[test]
fn honest_nodes_lose_nothing_to_thieves_silence_nonsense_and_miners() {
    let must = [
        "silences",
        "thefts",
        "forced closes",
        "resolved",
        "deep reorganisations",
        "outages of chain sources",
        "invoices paid by two",
        "closes undone",
        "claims cycled",
        "last words",
        "spends by both",
        "spends by our commitment",
        "spends by theirs",
        "spends by a revoked one",
        "thefts in the guise of a close",
        "peers that stall",
        "false claims to be ahead",
        "witnesses rewritten",
    ];
    let mut totals = Totals::default();
    let unseen = |totals: &Totals| must.into_iter().find(|name| seen(totals, name) == 0);
    for seed in 1..=LAST_SEED {
        match run_court_seed(seed, ACTS, false) {
            Ok(outcome) => totals.add(&outcome.totals),
            Err(violation) => panic!("seed {seed}: {violation}"),
        }
        if seed >= LEAST_SEEDS && unseen(&totals).is_none() {
            return;
        }
    }
    panic!("{:?} were not seen\n{totals}", unseen(&totals));
}

/// Seeds that are played at least, and the last that is played until all that must be seen was seen.
const LEAST_SEEDS: u64 = 24;
const LAST_SEED: u64 = 150;

/// Every so many steps of a script a crash of each kind is forked; `simulate --resolutions` does so at each.
const EVERY: u64 = 19;

/// A script in both formats.
fn every_crash(kind: Kind) -> Totals {
    let mut totals = Totals::default();
    for (first, format) in [(0, CommitmentFormat::Anchors), (7, CommitmentFormat::StaticRemotekey)] {
        let forks =
            run_resolution(kind, format, EVERY, first).unwrap_or_else(|violation| panic!("{violation}"));
        assert!(forks.count >= forks.steps / EVERY * 5, "{} forks of {} steps", forks.count, forks.steps);
        totals.add(&forks.totals);
    }
    totals
}

fn seen(totals: &Totals, name: &str) -> u64 {
    totals.court.counts().find(|(n, _)| *n == name).map(|(_, count)| count).expect("a name")
}

#[test]
fn our_commitment_with_htlcs_both_ways_is_resolved_whatever_step_we_die_in() {
    let totals = every_crash(Kind::Ours);
    for name in ["forced closes", "HTLC-success", "HTLC-timeout", "claims of delayed outputs"] {
        assert!(seen(&totals, name) > 0, "{name}\n{totals}");
    }
}

#[test]
fn the_peers_commitment_with_htlcs_both_ways_is_resolved_whatever_step_we_die_in() {
    let totals = every_crash(Kind::Theirs);
    for name in ["spends by theirs", "claims by preimage", "claims by timeout", "claims of to_remote"] {
        assert!(seen(&totals, name) > 0, "{name}\n{totals}");
    }
}

// attack 25
#[test]
fn a_close_that_leaves_the_chain_and_all_mempools_is_brought_back_whatever_step_we_die_in() {
    let totals = every_crash(Kind::Undone);
    for name in ["closes brought back", "spends by theirs", "claims by preimage", "claims by timeout"] {
        assert!(seen(&totals, name) > 0, "{name}\n{totals}");
    }
}

#[test]
fn a_theft_with_its_second_stage_is_punished_whatever_step_we_die_in() {
    let totals = every_crash(Kind::Revoked);
    for name in ["spends by a revoked one", "thefts of HTLCs by preimage", "penalties on delayed outputs"] {
        assert!(seen(&totals, name) > 0, "{name}\n{totals}");
    }
}

// attack 48
#[test]
fn after_a_loss_of_data_the_peer_pays_us_out_whatever_step_we_die_in() {
    let totals = every_crash(Kind::Future);
    assert!(totals.waits_for_peer > 0 && seen(&totals, "claims of to_remote") > 0, "{totals}");
}

#[test]
fn a_close_of_both_comes_to_its_end_whatever_step_we_die_in() {
    let totals = every_crash(Kind::Together);
    assert!(seen(&totals, "spends by both") > 0 && seen(&totals, "resolved") > 0, "{totals}");
}

// attack 27
// attack 46
#[test]
fn twelve_channels_go_on_chain_in_full_blocks_with_the_coins_of_one_wallet_and_all_is_ours_in_time() {
    let mass = Mass { channels: 12, payments: 1, one_coin: false, estimates_lie: false };
    let close = run_mass_close(mass, None, false).unwrap_or_else(|violation| panic!("{violation}"));
    println!("{close:?}");
    assert!(close.coins < 12 && close.htlcs >= 12 && close.claimed >= 6, "{close:?}");
}

// attack 13
// attack 27
// attack 46
#[test]
fn one_coin_pays_for_all_of_them_though_the_estimates_stay_below_what_every_block_asks() {
    let mass = Mass { channels: 12, payments: 1, one_coin: true, estimates_lie: true };
    let close = run_mass_close(mass, None, false).unwrap_or_else(|violation| panic!("{violation}"));
    println!("{close:?}");
    assert!(close.coins == 1 && close.htlcs >= 12 && close.claimed >= 6, "{close:?}");
}

#[test]
fn the_same_seed_before_the_court_gives_the_same_trace() {
    let one = run_court_seed(3, ACTS, false).expect("it is fine").hash;
    assert_eq!(one, run_court_seed(3, ACTS, false).expect("it is fine").hash);
}

/// Whether a checker finds a bug, over some seeds: in some it has no occasion, and in some another is first.
fn finds(checker: Checker, plant: impl Fn(usize) -> Plant) -> bool {
    (1..=MAX_SEEDS).any(|seed| {
        let node = usize::try_from(seed % 3).expect("small");
        run_court_seed_with(seed, ACTS, plant(node)).is_err_and(|violation| violation.checker == checker)
    })
}

#[test]
fn a_node_that_broadcasts_an_old_commitment_is_found() {
    assert!(finds(Checker::Punished, |node| Plant::BroadcastsOld { node }));
}

#[test]
fn claims_that_never_go_out_are_found() {
    assert!(finds(Checker::Resolved, |node| Plant::LosesClaims { node }));
}

#[test]
fn claims_to_a_stranger_are_found() {
    assert!(finds(Checker::Unclaimed, |node| Plant::ClaimsElsewhere { node }));
}

#[test]
fn a_loss_on_chain_is_found() {
    assert!(finds(Checker::Wealth, |node| Plant::LosesCoins { node }));
}

#[test]
fn a_claim_that_pays_too_much_is_found() {
    assert!(finds(Checker::Budget, |node| Plant::PaysTooMuch { node }));
}

#[test]
fn a_coin_that_pays_for_two_things_is_found() {
    assert!(finds(Checker::Coins, |node| Plant::SharesCoins { node }));
}
