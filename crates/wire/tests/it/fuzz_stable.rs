//! Mutation of valid messages on a stable compiler, with a fixed seed: the property of the fuzz targets in `fuzz/`, for
//! every run of the tests. `FUZZ_ITERATIONS` sets the number of mutants of each message.

use crate::encode;
use crate::generate::{Gen, message};
use crate::hostile::check;
use astrape_wire::{MAX_MESSAGE_LEN, Message};

/// Mutants of each message when nothing else is asked for: a second or so in all.
const DEFAULT_ITERATIONS: u64 = 300;

#[expect(clippy::disallowed_methods, reason = "how long a test runs is its caller's choice")]
fn iterations() -> u64 {
    match std::env::var("FUZZ_ITERATIONS") {
        Ok(text) => text.parse().expect("FUZZ_ITERATIONS is a number"),
        Err(_) => DEFAULT_ITERATIONS,
    }
}

/// Integers at which code tends to break, in the sizes of the wire.
const INTERESTING: [&[u8]; 10] = [
    &[0],
    &[0xff],
    &[0xfd],
    &[0xfe],
    &[0xff, 0xff],
    &[0x00, 0xfc],
    &[0xff, 0xff, 0xff, 0xff],
    &[0x7f, 0xff, 0xff, 0xff],
    &[0xff; 9],
    &[0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff],
];

fn mutate(bytes: &mut Vec<u8>, g: &mut Gen) {
    // The type stays: each message is to be met as often as the others.
    let at = 2 + g.below(bytes.len().saturating_sub(1).max(1));
    let at = at.min(bytes.len());
    let end = (at + g.below(40)).min(bytes.len());
    match g.below(8) {
        0 if at < bytes.len() => bytes[at] ^= 1 << g.below(8),
        1 if at < bytes.len() => bytes[at] = g.any(),
        2 => bytes.truncate(at),
        3 => drop(bytes.drain(at..end)),
        4 => {
            let copy = bytes[at..end].to_vec();
            bytes.splice(at..at, copy);
        }
        5 => {
            let value = INTERESTING[g.below(INTERESTING.len())];
            let end = (at + value.len()).min(bytes.len());
            bytes.splice(at..end, value.iter().copied());
        }
        6 => bytes.extend(g.any::<Vec<u8>>()),
        _ => {
            // A record at the end, of a type and length that may be anything.
            let record = [g.any::<[u8; 1]>()[0] % 8, g.any::<[u8; 1]>()[0] % 70];
            bytes.extend(record);
            bytes.extend(g.any::<Vec<u8>>());
        }
    }
    bytes.truncate(MAX_MESSAGE_LEN);
}

#[test]
fn mutants_of_every_message_are_refused_or_a_message() {
    for number in Message::TYPES {
        for seed in 0..iterations() {
            let mut g = Gen::new(u64::from(*number) << 48 | seed);
            let mut bytes = encode(&message(*number, &mut g));
            for _ in 0..=g.below(4) {
                mutate(&mut bytes, &mut g);
                check(&bytes);
            }
        }
    }
}
