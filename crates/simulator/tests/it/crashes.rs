//! Scripts with a crash of each kind forked at each step, and every connection cut at each step.

use astrape_primitives::{FeeratePerKw, Msat};
use astrape_simulator::{Flaw, Scenario, Totals, line, sat};
use astrape_transactions::CommitmentFormat::{self, Anchors, StaticRemotekey};

fn every_crash(scenario: &Scenario, format: CommitmentFormat) -> Totals {
    let script = scenario.clone().format(format);
    let forks = script.run_with_every_crash().unwrap_or_else(|violation| panic!("{violation}"));
    let totals = forks.totals;
    println!("{} forks\n{totals}", forks.count);
    assert!(forks.count > 50, "{} forks", forks.count);
    let crashes =
        [totals.crashes_before, totals.crashes_after, totals.crashes_released, totals.crashes_grouped];
    assert!(!crashes.contains(&0) && totals.cuts > 0, "a kind of crash is missing");
    totals
}

fn two() -> Scenario {
    line(2).calm().open_balanced(0, 1, sat(1_000_000)).perilous()
}

fn three() -> Scenario {
    line(3).calm().open_balanced(0, 1, sat(1_000_000)).open_balanced(2, 1, sat(1_000_000)).perilous()
}

// attack 24
#[test]
fn an_opening_with_anchors_survives_a_crash_at_every_step() {
    every_crash(&line(2).open_balanced(0, 1, sat(1_000_000)).calm().pay(0, 1, sat(1_000)), Anchors);
}

// attack 24
#[test]
fn an_opening_with_static_remotekey_survives_a_crash_at_every_step() {
    every_crash(&line(2).open_balanced(0, 1, sat(1_000_000)).calm().pay(0, 1, sat(1_000)), StaticRemotekey);
}

#[test]
fn payments_both_ways_survive_a_crash_at_every_step() {
    for format in [Anchors, StaticRemotekey] {
        let totals = every_crash(&two().pay(0, 1, sat(20_000)).pay(1, 0, sat(5_000)), format);
        assert!(totals.crashes_partly > 0);
        for (case, [opener, other]) in (0..5).map(|case| (case, totals.reestablish.map(|side| side[case]))) {
            assert!(
                opener > 0 && other > 0 || case > 2,
                "case {case}: {opener} by the opener, {other} by the other"
            );
        }
    }
}

#[test]
fn a_payment_through_the_middle_with_anchors_survives_a_crash_at_every_step() {
    every_crash(&three().pay(0, 2, sat(20_000)), Anchors);
}

#[test]
fn a_payment_through_the_middle_with_static_remotekey_survives_a_crash_at_every_step() {
    every_crash(&three().pay(2, 0, sat(20_000)), StaticRemotekey);
}

#[test]
fn a_payment_whose_way_only_gossip_tells_survives_a_crash_at_every_step() {
    let totals = every_crash(&three().pay_flawed(0, 2, sat(20_000), Flaw::ByGossip), Anchors);
    // A question that a crash takes is asked again.
    assert!(totals.payments_settled > 10 * totals.payments_failed);
}

#[test]
fn a_payment_that_fails_at_its_end_survives_a_crash_at_every_step() {
    every_crash(&three().pay_flawed(0, 2, sat(20_000), Flaw::Unknown), Anchors);
}

#[test]
fn a_payment_that_fails_on_its_way_survives_a_crash_at_every_step() {
    let script =
        three().pay_flawed(0, 2, sat(20_000), Flaw::FeeTooLow).pay_flawed(0, 2, sat(20_000), Flaw::NoRoute);
    every_crash(&script.calm().pay(0, 2, sat(1_000)), StaticRemotekey);
}

#[test]
fn a_held_payment_that_is_settled_survives_a_crash_at_every_step() {
    let totals = every_crash(&three().pay_flawed(0, 2, sat(20_000), Flaw::Held), Anchors);
    // Where the payer dies before it has offered anything, its payment may fail and is never held.
    assert!(totals.payments_settled == totals.payments_held && totals.payments_given_back == 0);
    assert!(totals.payments_held > 10 * totals.payments_failed);
}

#[test]
fn a_held_payment_that_is_given_back_survives_a_crash_at_every_step() {
    let totals = every_crash(&three().pay_flawed(0, 2, sat(20_000), Flaw::GivenBack), Anchors);
    assert_eq!(totals.payments_settled, 0);
    assert!(totals.payments_held > 0 && totals.payments_given_back == totals.payments_held);
}

// attack 32
#[test]
fn a_held_payment_that_is_forgotten_goes_back_without_a_close_whenever_anyone_crashes() {
    let totals = every_crash(&two().pay_flawed(0, 1, sat(20_000), Flaw::Forgotten), Anchors);
    assert_eq!((totals.payments_settled, totals.force_closes), (0, 0));
    assert!(totals.payments_given_back > 0);
}

#[test]
fn a_payment_in_parts_survives_a_crash_at_every_step() {
    let two = line(2).calm().open_balanced(0, 1, sat(200_000)).open_balanced(0, 1, sat(200_000)).perilous();
    let totals = every_crash(&two.pay(0, 1, sat(150_000)), Anchors);
    assert!(totals.payments_settled > 10 * totals.payments_failed);
}

#[test]
fn a_change_of_what_is_asked_for_forwarding_survives_a_crash_at_every_step() {
    let script = three().policy(1, Msat(4_000)).calm().pay(0, 2, sat(1_000));
    let forks = script.run_with_every_crash().unwrap_or_else(|violation| panic!("{violation}"));
    assert!(forks.count > 10, "{} forks", forks.count);
    assert_eq!((forks.totals.payments_settled, forks.totals.payments_failed), (forks.count, 0));
}

#[test]
fn a_fee_change_survives_a_crash_at_every_step() {
    for format in [Anchors, StaticRemotekey] {
        let totals = every_crash(&two().feerate(FeeratePerKw(2_000)).calm().pay(0, 1, sat(1_000)), format);
        assert!(totals.fee_changes > 0);
    }
}

#[test]
fn a_reconnection_survives_a_crash_at_every_step() {
    every_crash(&two().cut(0, 1).calm().pay(0, 1, sat(1_000)), Anchors);
}

#[test]
fn a_close_by_the_opener_survives_a_crash_at_every_step() {
    every_crash(&two().close(0, 1), Anchors);
}

#[test]
fn a_close_by_the_other_side_survives_a_crash_at_every_step() {
    every_crash(&two().pay(0, 1, sat(3_000)).close(1, 0), StaticRemotekey);
}

#[test]
fn three_nodes_that_close_both_channels_survive_a_crash_at_every_step() {
    every_crash(&three().close(1, 0).close(1, 2), Anchors);
}
