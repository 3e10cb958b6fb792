//! The bytes of yesterday's messages: what goes over the wire and into the gossip store does not change by accident.

use crate::{decode, encode};
use astrape_wire::Message;
use std::path::PathBuf;

/// The seeds of the fuzz targets: for each message, bodies of the smallest and of a full one.
fn seeds() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "..", "fuzz", "seeds"].iter().collect()
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test may read its vectors")]
fn frozen_messages_are_read_and_written_as_ever() {
    for number in Message::TYPES {
        let name = crate::generate::message(*number, &mut crate::generate::Gen::new(0)).name();
        for kind in ["minimal", "full"] {
            let path = seeds().join(name).join(kind);
            let body = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            let bytes = [number.to_be_bytes().to_vec(), body].concat();
            assert_eq!(encode(&decode(&bytes)), bytes, "{name}, {kind}");
        }
    }
}
