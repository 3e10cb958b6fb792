//! The bytes of yesterday's messages: what goes over the wire and into the gossip store does not change by accident.

use crate::{decode, encode};
use astrape_wire::Message;
use std::collections::BTreeMap;

/// For each message, bodies of the smallest and of a full one.
const FROZEN: &str = include_str!("../vectors/frozen.txt");

#[test]
fn frozen_messages_are_read_and_written_as_ever() {
    let rows = FROZEN.lines().filter(|line| !line.starts_with('#'));
    let bodies: BTreeMap<(&str, &str), Vec<u8>> = rows
        .map(|row| {
            let mut words = row.split(' ');
            let (name, kind) = (words.next().unwrap(), words.next().unwrap());
            ((name, kind), hex::decode(words.next().unwrap_or_default()).unwrap())
        })
        .collect();
    for number in Message::TYPES {
        let name = crate::generate::message(*number, &mut crate::generate::Gen::new(0)).name();
        for kind in ["minimal", "full"] {
            let body = bodies.get(&(name, kind)).unwrap_or_else(|| panic!("no frozen {name}, {kind}"));
            let bytes = [&number.to_be_bytes()[..], body].concat();
            assert_eq!(encode(&decode(&bytes)), bytes, "{name}, {kind}");
        }
    }
    assert_eq!(bodies.len(), Message::TYPES.len() * 2, "of every message, and of no other");
}
