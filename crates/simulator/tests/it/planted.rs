//! Planted bugs, each found by the checker that is there for it.

use astrape_simulator::{Checker, Plant, Scenario, line, sat};

fn three() -> Scenario {
    line(3)
        .open_balanced(0, 1, sat(1_000_000))
        .open_balanced(1, 2, sat(1_000_000))
        .pay(0, 2, sat(10_000))
        .pay(2, 0, sat(20_000))
}

/// What is found when the script runs with a bug.
fn found(script: &Scenario, plant: Plant) -> Checker {
    script.run().expect("without the bug all is well");
    let Err(violation) = script.clone().plant(plant).run() else {
        panic!("nobody has found {plant:?}");
    };
    println!("{plant:?}: {violation}");
    violation.checker
}

#[test]
fn a_disk_that_drops_a_record_is_not_the_node() {
    assert_eq!(found(&three(), Plant::DropsRecord { node: 1 }), Checker::Disk);
}

#[test]
fn without_the_archive_of_htlcs_there_is_no_justice() {
    assert_eq!(found(&three(), Plant::ForgetsRetired { node: 1 }), Checker::Justice);
}

// attack 24
#[test]
fn a_commitment_that_its_owner_could_not_bring_to_the_chain_is_noticed_at_a_restart() {
    let script = line(2).open_balanced(0, 1, sat(1_000_000)).calm().pay(0, 1, sat(10_000));
    let planted = script.clone().plant(Plant::BlursSignature { node: 1 });
    script.run_with_every_crash().expect("without the bug all is well");
    let Err(violation) = planted.run_with_every_crash() else { panic!("nobody has found it") };
    assert_eq!(violation.checker, Checker::Exit, "{violation}");
}

#[test]
fn a_payment_that_was_sent_and_not_received_is_noticed() {
    assert_eq!(found(&three(), Plant::HidesReceived { node: 2 }), Checker::Payments);
}

#[test]
fn what_is_failed_upstream_after_its_preimage_is_known_is_noticed() {
    assert_eq!(found(&three(), Plant::FailsUpstream { node: 1 }), Checker::Preimage);
}

#[test]
fn forwarding_for_less_than_the_policy_asks_is_noticed() {
    assert_eq!(found(&three(), Plant::ChargesNothing { node: 1 }), Checker::Fees);
}

#[test]
fn sides_that_differ_by_a_millisatoshi_are_noticed() {
    assert_eq!(found(&three(), Plant::BlursMirror { node: 1 }), Checker::Mirror);
}

#[test]
fn money_out_of_nothing_is_noticed() {
    assert_eq!(found(&three(), Plant::InventsMoney { node: 2 }), Checker::Money);
}

#[test]
fn a_close_that_nobody_asked_for_is_noticed() {
    assert_eq!(found(&three().close(0, 1), Plant::ClosesUnasked { node: 0 }), Checker::Closes);
}

#[test]
fn a_message_that_is_said_twice_costs_the_channel() {
    assert_eq!(found(&three(), Plant::RepeatsRevocation { node: 1 }), Checker::Closes);
}

#[test]
fn a_message_that_is_never_said_keeps_the_world_from_its_rest() {
    assert_eq!(found(&three(), Plant::SwallowsRevocations { node: 2 }), Checker::Rest);
}

#[test]
fn messages_out_of_their_order_are_noticed() {
    let checker = found(&three(), Plant::SwapsEffects { node: 0 });
    assert!(matches!(checker, Checker::Rest | Checker::Closes), "{checker:?}");
}

#[test]
fn effects_of_what_is_not_durable_are_found_at_a_crash() {
    let script = line(2).open_balanced(0, 1, sat(1_000_000)).pay(0, 1, sat(10_000));
    let lying = script.clone().plant(Plant::DoesNotSync { node: 1 });
    lying.run().expect("without a crash nobody can tell");
    let Err(violation) = lying.run_with_every_crash() else {
        panic!("nobody has found it");
    };
    println!("{violation}");
    assert!(matches!(violation.checker, Checker::Justice | Checker::Closes), "{violation}");
}
