//! Behaviour of the codecs, one file each.
#![allow(clippy::unwrap_used, missing_docs)]

mod address;
mod bigsize;
mod frozen;
mod fuzz_stable;
mod generate;
mod gossip;
mod hostile;
mod init;
mod limits;
mod queries;
mod round_trip;
mod text;
mod tlv_stream;
mod values;

use astrape_wire::{Decoded, Message};

/// Bytes from hexadecimal digits; spaces are for the reader.
fn hex(text: &str) -> Vec<u8> {
    hex::decode(text.split_whitespace().collect::<String>()).expect("the test's hex is valid")
}

/// The message that `bytes` are.
fn decode(bytes: &[u8]) -> Message {
    match Message::decode(bytes) {
        Ok(Decoded::Known(message)) => message,
        other => panic!("not a known message: {other:?}"),
    }
}

fn encode(message: &Message) -> Vec<u8> {
    message.encode().expect("the test's message fits")
}
