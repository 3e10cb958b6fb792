//! Scripts with a crash of each kind forked at each step.

use astrape_primitives::FeeratePerKw;
use astrape_simulator::{Flaw, Forks, Scenario, line, sat};
use astrape_transactions::CommitmentFormat;

fn every_crash(scenario: &Scenario) -> Forks {
    let forks = scenario.run_with_every_crash().unwrap_or_else(|violation| panic!("{violation}"));
    let totals = &forks.totals;
    assert!(forks.count > 100, "{}", forks.count);
    assert!(totals.crashes_before > 0 && totals.crashes_after > 0 && totals.crashes_partly > 0);
    assert!(totals.crashes_released > 0 && totals.crashes_grouped > 0 && totals.cuts > 0);
    println!("{} forks\n{totals}", forks.count);
    forks
}

#[test]
fn two_nodes_with_anchors_survive_a_crash_at_every_step() {
    every_crash(&line(2).open_balanced(0, 1, sat(1_000_000)).pay(0, 1, sat(20_000)).close(1, 0));
}

#[test]
fn two_nodes_with_static_remotekey_survive_a_crash_at_every_step() {
    let script = line(2).open_balanced(0, 1, sat(1_000_000)).pay(1, 0, sat(20_000)).close(0, 1);
    every_crash(&script.format(CommitmentFormat::StaticRemotekey));
}

#[test]
fn a_failing_payment_survives_a_crash_at_every_step() {
    every_crash(&line(2).open_balanced(0, 1, sat(1_000_000)).pay_flawed(0, 1, sat(20_000), Flaw::Unknown));
}

#[test]
fn a_fee_change_survives_a_crash_at_every_step() {
    let script =
        line(2).open_balanced(0, 1, sat(1_000_000)).feerate(FeeratePerKw(2_000)).pay(0, 1, sat(1_000));
    every_crash(&script.format(CommitmentFormat::StaticRemotekey));
}

#[test]
fn a_reconnection_survives_a_crash_at_every_step() {
    every_crash(&line(2).open_balanced(0, 1, sat(1_000_000)).cut(0, 1).pay(0, 1, sat(1_000)));
}
