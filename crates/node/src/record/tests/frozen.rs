//! Rows that the first version wrote.

use super::*;
use astrape_channel::How;
use astrape_channel::htlc::{Direction, OnionSource, Resolution};
use astrape_onion::{Hop, PeelFailure, Peeled};
use std::collections::BTreeSet;

const FROZEN: &str = include_str!("../../../tests/fixtures/records-v1.txt");

/// The rows of each seed: a line `# seed`, then a line `key value` for each row.
fn frozen() -> BTreeMap<u64, Rows> {
    let mut all: BTreeMap<u64, Rows> = BTreeMap::new();
    let mut seed = 0;
    for line in FROZEN.lines() {
        if let Some(number) = line.strip_prefix("# ") {
            seed = number.parse().expect("a number");
        } else {
            let (key, value) = line.split_once(' ').expect("two words");
            all.entry(seed).or_default().insert(Key(unhex(key)), unhex(value));
        }
    }
    all
}

#[test]
fn rows_of_version_1_are_read_as_they_always_were() {
    let frozen = frozen();
    assert!(frozen.keys().eq(&FROZEN_SEEDS));
    for (seed, rows) in frozen {
        let read = restore(&rows).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        assert_same(&read, &node(seed));
    }
}

/// What a channel has of what may stand in a record.
fn seen_in(channel: &Channel) -> Vec<&'static str> {
    let mut seen = vec![match &channel.phase {
        Phase::Opening(_) => "opening",
        Phase::Open(_) => "open",
        Phase::Closed(_) => "closed",
        Phase::Closing(closing) => match closing.how {
            How::Cooperative { .. } => "cooperative",
            How::OurCommitment { .. } => "our commitment",
            How::AwaitPeersCommitment { .. } => "the peer's commitment",
            How::Spent => "spent",
        },
    }];
    let onion = |onion: &OnionSource| match onion {
        OnionSource::Packet(_) => "packet",
        OnionSource::Recipe(_) => "recipe",
    };
    for htlc in channel.open().into_iter().flat_map(|open| open.htlcs.values()) {
        seen.extend(htlc.removal.iter().map(|removal| match &removal.resolution {
            Resolution::Fulfilled { .. } => "fulfilled",
            Resolution::Failed(_) => "failed",
            Resolution::Malformed { .. } => "malformed",
        }));
        seen.push(match &htlc.direction {
            Direction::Outgoing { onion: source, .. } => onion(source),
            Direction::Incoming(peeled) => match &**peeled {
                Ok(Peeled { hop: Hop::Forward { .. }, .. }) => "forward",
                Ok(Peeled { hop: Hop::Final { .. }, .. }) => "final",
                Err(PeelFailure::Malformed { .. }) => "unreadable onion",
                Err(PeelFailure::Payload { .. }) => "unreadable payload",
            },
        });
    }
    seen.extend(channel.open().into_iter().flat_map(|open| open.waiting.iter().map(|new| onion(&new.onion))));
    seen
}

#[test]
fn the_frozen_rows_have_everything_that_a_channel_may_have() {
    let frozen = frozen().into_values().map(|rows| restore(&rows).expect("readable"));
    let channels: Vec<Arc<Channel>> = frozen.flat_map(|read| read.channels.into_values()).collect();
    let seen: BTreeSet<&str> = channels.iter().flat_map(|channel| seen_in(channel)).collect();
    let expected = [
        "open",
        "closed",
        "cooperative",
        "our commitment",
        "the peer's commitment",
        "spent",
        "fulfilled",
        "failed",
        "malformed",
        "packet",
        "recipe",
        "forward",
        "final",
        "unreadable onion",
        "unreadable payload",
    ];
    assert_eq!(seen, BTreeSet::from(expected));
}

#[test]
fn rows_are_written_as_they_always_were() {
    let mut now = String::new();
    for seed in FROZEN_SEEDS {
        writeln!(now, "# {seed}").expect("a string takes all");
        for (key, value) in rows_of_node(node(seed)) {
            writeln!(now, "{} {}", hex(&key.0), hex(&value)).expect("a string takes all");
        }
    }
    // A new kind of row is added to the file; what is there stays.
    let differs = now.lines().zip(FROZEN.lines()).find(|(now, frozen)| now != frozen);
    assert!(differs.is_none() && now.len() == FROZEN.len(), "a new form needs a new version: {differs:?}");
}
