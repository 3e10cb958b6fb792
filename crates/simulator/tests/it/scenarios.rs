//! Scripts without faults.

use astrape_primitives::{FeeratePerKw, Msat};
use astrape_simulator::{Flaw, Scenario, World, line, sat};
use astrape_transactions::CommitmentFormat;

const FORMATS: [CommitmentFormat; 2] = [CommitmentFormat::Anchors, CommitmentFormat::StaticRemotekey];

fn run(scenario: &Scenario) -> World {
    scenario.run().unwrap_or_else(|violation| panic!("{violation}"))
}

fn two() -> Scenario {
    line(2).open_balanced(0, 1, sat(1_000_000))
}

fn three() -> Scenario {
    line(3).open_balanced(0, 1, sat(1_000_000)).open_balanced(1, 2, sat(1_000_000))
}

#[test]
fn two_nodes_open_pay_both_ways_and_close_in_both_formats() {
    for format in FORMATS {
        let script = two().pay(0, 1, sat(20_000)).pay(1, 0, sat(5_000)).close(1, 0);
        let world = run(&script.format(format));
        assert_eq!((world.totals().payments_settled, world.totals().closes), (2, 2));
    }
}

#[test]
fn three_nodes_pay_through_the_middle_and_close_in_both_formats() {
    for format in FORMATS {
        let script = three().pay(0, 2, sat(1_000)).pay(2, 0, sat(30_000)).close(0, 1).close(1, 2);
        let world = run(&script.format(format));
        let totals = world.totals();
        assert_eq!((totals.payments_settled, totals.forwards, totals.closes), (2, 2, 4));
    }
}

#[test]
fn a_payment_that_cannot_be_fails_and_nobody_loses() {
    for flaw in [Flaw::Unknown, Flaw::Expired, Flaw::NoFeeGranted, Flaw::NoRoute] {
        let world = run(&three().pay_flawed(0, 2, sat(1_000), flaw));
        let totals = world.totals();
        assert_eq!(
            (totals.payments_settled, totals.payments_failed, totals.payments_refused),
            (0, 1, 0),
            "{flaw:?}"
        );
    }
}

#[test]
fn a_payment_whose_hint_is_outdated_is_told_what_the_channel_asks_and_arrives() {
    let world = run(&three().pay_flawed(0, 2, sat(1_000), Flaw::FeeTooLow));
    let totals = world.totals();
    assert_eq!((totals.payments_settled, totals.payments_failed, totals.payments_refused), (1, 0, 0));
}

#[test]
fn a_payment_that_is_held_is_settled_given_back_or_goes_back_by_itself() {
    for (flaw, settled, given_back) in [(Flaw::Held, 1, 0), (Flaw::GivenBack, 0, 1), (Flaw::Forgotten, 0, 1)]
    {
        let world = run(&three().pay_flawed(0, 2, sat(1_000), flaw).calm().pay(2, 0, sat(100)));
        let totals = world.totals();
        let seen = (totals.payments_held, totals.payments_settled, totals.payments_given_back);
        assert_eq!(seen, (1, settled + 1, given_back), "{flaw:?}");
        assert_eq!((totals.payments_failed, totals.force_closes), (1 - settled, 0), "{flaw:?}");
    }
}

#[test]
fn a_node_that_asks_more_for_forwarding_gets_it() {
    let script =
        three().pay(0, 2, sat(1_000)).policy(1, Msat(4_000)).pay(0, 2, sat(1_000)).policy(1, Msat(2_000));
    let world = run(&script.pay(2, 0, sat(1_000)));
    let totals = world.totals();
    assert_eq!((totals.payments_settled, totals.forwards), (3, 3));
}

#[test]
fn more_than_there_is_cannot_be_paid() {
    let world = run(&three().pay(0, 2, sat(900_000)).pay(0, 2, sat(1_000)));
    assert_eq!(world.totals().payments_settled, 1);
}

#[test]
fn the_feerate_changes_and_payments_go_on() {
    for format in FORMATS {
        let script = two().feerate(FeeratePerKw(2_000)).pay(0, 1, sat(1_000)).feerate(FeeratePerKw(700)).pay(
            1,
            0,
            sat(500),
        );
        let world = run(&script.format(format));
        assert!(world.totals().fee_changes >= 2);
        assert_eq!(world.totals().payments_settled, 2);
    }
}

#[test]
fn a_connection_that_comes_back_goes_on() {
    let world = run(&three().cut(0, 1).pay(0, 2, sat(1_000)).cut(1, 2).pay(2, 0, sat(1_000)));
    assert_eq!(world.totals().payments_settled, 2);
    assert!(world.totals().reestablish[0][0] >= 2);
}

// attack 48
#[test]
fn a_node_that_starts_from_an_old_copy_waits_for_its_peer_to_close() {
    for late in [0, 1] {
        for format in FORMATS {
            let script = two().pay(0, 1, sat(5_000)).copy_disk(late).pay(1, 0, sat(2_000)).use_copy(late);
            let world = run(&script.cut(0, 1).format(format));
            let totals = world.totals();
            assert_eq!((totals.waits_for_peer, totals.force_closes), (1, 1), "{late} {format:?}");
        }
    }
}

/// Blocks after which all that follows from a close without HTLCs is deep: the delay of 144, and the depths before and after.
const TO_THE_END: u32 = 165;

// BOLT 5.general-nomenclature.2
// BOLT 5.failing-a-channel.5
#[test]
fn a_close_by_one_side_is_resolved_to_the_end_on_both() {
    for late in [0, 1] {
        for format in FORMATS {
            let script = two().pay(0, 1, sat(5_000)).copy_disk(late).pay(1, 0, sat(2_000)).use_copy(late);
            let world = run(&script.cut(0, 1).mine(TO_THE_END).format(format));
            let totals = world.totals();
            assert_eq!((totals.force_closes, totals.closes), (1, 2), "{late} {format:?}");
        }
    }
}
