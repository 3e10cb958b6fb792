//! Counts what was tried and what was accepted, by label, for `cargo xtask fuzz --report`.
//!
//! A fuzzer's process ends without a farewell, so the counts are written now and then, to the file that
//! `ASTRAPE_FUZZ_TALLY` names.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The file for the counts.
pub const FILE: &str = "ASTRAPE_FUZZ_TALLY";

/// The counts are written each time that so many inputs were counted.
const EVERY: u64 = 1 << 8;

/// How often something was tried, and accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Tried.
    pub tried: u64,
    /// Of these, accepted.
    pub accepted: u64,
}

#[derive(Default)]
struct Tally {
    inputs: u64,
    counts: BTreeMap<&'static str, Count>,
}

thread_local! {
    static TALLY: RefCell<Tally> = RefCell::new(Tally::default());
}

/// Something was tried.
pub fn count(label: &'static str, accepted: bool) {
    TALLY.with_borrow_mut(|tally| {
        let count = tally.counts.entry(label).or_default();
        count.tried += 1;
        count.accepted += u64::from(accepted);
    });
}

/// An input is over.
pub fn input_is_over() {
    TALLY.with_borrow_mut(|tally| {
        tally.inputs += 1;
        if tally.inputs.is_multiple_of(EVERY)
            && let Some(file) = std::env::var_os(FILE)
        {
            // A count that cannot be written is no reason to stop.
            let _ = std::fs::write(file, written(&tally.counts));
        }
    });
}

/// One line a label: label, tried, accepted.
fn written(counts: &BTreeMap<&'static str, Count>) -> String {
    counts.iter().fold(String::new(), |mut text, (label, count)| {
        let _ = writeln!(text, "{label}\t{}\t{}", count.tried, count.accepted);
        text
    })
}

/// What this thread has counted of a label.
#[must_use]
pub fn so_far(label: &str) -> Count {
    TALLY.with_borrow(|tally| tally.counts.get(label).copied().unwrap_or_default())
}
