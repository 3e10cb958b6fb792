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

/// The names of all messages, by number.
pub const NAMES: [(u16, &str); 50] = [
    (1, "warning"),
    (2, "stfu"),
    (7, "peer_storage"),
    (9, "peer_storage_retrieval"),
    (16, "init"),
    (17, "error"),
    (18, "ping"),
    (19, "pong"),
    (32, "open_channel"),
    (33, "accept_channel"),
    (34, "funding_created"),
    (35, "funding_signed"),
    (36, "channel_ready"),
    (38, "shutdown"),
    (39, "closing_signed"),
    (40, "closing_complete"),
    (41, "closing_sig"),
    (64, "open_channel2"),
    (65, "accept_channel2"),
    (66, "tx_add_input"),
    (67, "tx_add_output"),
    (68, "tx_remove_input"),
    (69, "tx_remove_output"),
    (70, "tx_complete"),
    (71, "tx_signatures"),
    (72, "tx_init_rbf"),
    (73, "tx_ack_rbf"),
    (74, "tx_abort"),
    (77, "splice_locked"),
    (80, "splice_init"),
    (81, "splice_ack"),
    (127, "start_batch"),
    (128, "update_add_htlc"),
    (130, "update_fulfill_htlc"),
    (131, "update_fail_htlc"),
    (132, "commitment_signed"),
    (133, "revoke_and_ack"),
    (134, "update_fee"),
    (135, "update_fail_malformed_htlc"),
    (136, "channel_reestablish"),
    (256, "channel_announcement"),
    (257, "node_announcement"),
    (258, "channel_update"),
    (259, "announcement_signatures"),
    (261, "query_short_channel_ids"),
    (262, "reply_short_channel_ids_end"),
    (263, "query_channel_range"),
    (264, "reply_channel_range"),
    (265, "gossip_timestamp_filter"),
    (513, "onion_message"),
];

/// The name of a type of ours.
fn name(number: u16) -> Option<&'static str> {
    let at = NAMES.binary_search_by_key(&number, |(number, _)| *number).ok()?;
    Some(NAMES[at].1)
}

/// Turns an input to a message of a type that we know, by `choice`: what a fuzzer changes is the body, mostly.
pub fn retype(input: &mut [u8], choice: u32) {
    let known = input.first_chunk().and_then(|number| name(u16::from_be_bytes(*number)));
    let leave = known.is_some() && !choice.is_multiple_of(8);
    if let (false, Some(number)) = (leave, input.first_chunk_mut()) {
        let at = usize::try_from(choice / 8).unwrap_or(0) % NAMES.len();
        *number = NAMES[at].0.to_be_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_has_its_name_here() {
        assert!(NAMES.is_sorted_by_key(|(number, _)| *number));
        let mut ours: Vec<u16> = Message::TYPES.to_vec();
        ours.sort_unstable();
        assert!(NAMES.iter().map(|(number, _)| *number).eq(ours));
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
        assert_eq!(u16::from_be_bytes([input[0], input[1]]), NAMES[3].0);
        retype(&mut [], 0);
    }
}
