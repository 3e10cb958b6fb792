//! All messages by type: two bytes of type and any body. The body is also read as a TLV stream and shown as a text.

use crate::tally;
use astrape_wire::tlv::TlvStream;
use astrape_wire::{Decoded, Message, printable, text};

/// Counts of types that are no message of ours.
const NO_MESSAGE: &str = "no message of ours";

/// Reads a message: no panic, and what is read is written and read again, the same.
///
/// # Panics
/// When it is not.
pub fn run(input: &[u8]) {
    let decoded = Message::decode(input);
    let known = input.first_chunk().and_then(|number| name(u16::from_be_bytes(*number)));
    let accepted = matches!(&decoded, Ok(Decoded::Known(_)));
    tally::count(known.unwrap_or(NO_MESSAGE), accepted);
    if let Ok(Decoded::Known(message)) = decoded {
        assert_eq!(known, Some(message.name()));
        let again = message.encode().expect("what was decoded always encodes");
        assert_eq!(Message::decode(&again), Ok(Decoded::Known(message)));
    }
    let body = input.get(2..).unwrap_or_default();
    tlv_stream(body);
    show(body);
    tally::input_is_over();
}

/// Whatever a TLV stream is: its records are the bytes of the stream, in order of their types.
fn tlv_stream(bytes: &[u8]) {
    let records: Result<Vec<_>, _> = TlvStream::new(bytes, |number| number % 4 == 0).collect();
    if let Ok(records) = records {
        assert!(records.is_sorted_by(|a, b| a.number < b.number));
        assert!(records.iter().flat_map(|record| record.raw).eq(bytes));
    }
}

/// Whatever a peer writes: what is shown is short and without control characters.
fn show(bytes: &[u8]) {
    let shown = printable(bytes);
    assert!(shown.chars().count() <= text::MAX_PRINTABLE_CHARS);
    assert!(!shown.contains(char::is_control));
}

/// The name of a type of ours.
fn name(number: u16) -> Option<&'static str> {
    let at = Message::NAMES.binary_search_by_key(&number, |(number, _)| *number).ok()?;
    Some(Message::NAMES[at].1)
}

/// Turns an input to a message of a type that we know, by `choice`: what a fuzzer changes is the body, mostly.
pub fn retype(input: &mut [u8], choice: u32) {
    let known = input.first_chunk().and_then(|number| name(u16::from_be_bytes(*number)));
    let leave = known.is_some() && !choice.is_multiple_of(8);
    if let (false, Some(number)) = (leave, input.first_chunk_mut()) {
        let at = usize::try_from(choice / 8).unwrap_or(0) % Message::NAMES.len();
        *number = Message::NAMES[at].0.to_be_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_by_their_numbers() {
        assert!(Message::NAMES.is_sorted_by_key(|(number, _)| *number), "they are searched by halving");
        assert_eq!((name(128), name(129)), (Some("update_add_htlc"), None));
    }

    #[test]
    fn a_type_is_replaced_when_it_is_unknown_and_now_and_then_when_it_is_not() {
        let mut input = [0xff, 0xff, 7];
        retype(&mut input, 1);
        assert!(name(u16::from_be_bytes([input[0], input[1]])).is_some());
        let before = input;
        retype(&mut input, 8 * 3 + 1);
        assert_eq!(input, before);
        retype(&mut input, 8 * 3);
        assert_eq!(u16::from_be_bytes([input[0], input[1]]), Message::NAMES[3].0);
        retype(&mut [], 0);
    }
}
