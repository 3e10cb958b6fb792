//! The kept inputs, played on every compiler.

use astrape_fuzz::TARGETS;
use std::fs;
use std::path::Path;

/// The kept inputs of a target: one a line, in hexadecimal.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../fuzz/corpus/{target}.hex"));
    let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    text.lines().map(|line| hex::decode(line).unwrap_or_else(|error| panic!("{line}: {error}"))).collect()
}

/// Plays all that is kept of a target; an input that breaks a promise is told.
fn play(name: &str) {
    let (_, target) = TARGETS.iter().find(|(target, _)| *target == name).expect("a target of that name");
    let inputs = corpus(name);
    assert!(inputs.len() >= 10, "only {} inputs are kept", inputs.len());
    for input in inputs {
        if std::panic::catch_unwind(|| target(&input)).is_err() {
            panic!("{name}: {} breaks a promise", hex::encode(input));
        }
    }
}

#[test]
fn kept_messages_are_refused_or_the_same_when_written_again() {
    play("messages");
}

#[test]
fn kept_streams_of_a_hostile_peer_hold_the_bounds_of_the_transport() {
    play("transport");
}

#[test]
fn kept_onions_are_peeled_or_refused() {
    play("onion");
}

#[test]
fn kept_invoices_are_refused_or_the_same_when_read_again() {
    play("invoice");
}

#[test]
fn kept_sieges_leave_a_node_that_equals_its_disk() {
    play("step");
}
