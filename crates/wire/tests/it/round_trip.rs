//! What is encoded is decoded again, the same.

use crate::generate::{Gen, message};
use crate::{decode, encode, hex};
use astrape_primitives::{ChannelId, HtlcId, PaymentPreimage};
use astrape_wire::{Decoded, Message, UpdateFulfillHtlc};
use proptest::prelude::*;

proptest! {
    // BOLT 1.type-length-value-format.1
    // BOLT 1.type-length-value-format.2
    // BOLT 1.type-length-value-format.11
    #[test]
    fn every_message_is_decoded_as_it_was_encoded(seed: u64) {
        for number in Message::TYPES {
            let before = message(*number, &mut Gen::new(seed));
            let bytes = encode(&before);
            prop_assert_eq!(&bytes[..2], number.to_be_bytes());
            prop_assert_eq!(Message::decode(&bytes), Ok(Decoded::Known(before.clone())));
            prop_assert_eq!(before.message_type(), *number);
        }
    }
}

#[test]
fn numbers_and_names_are_those_of_the_bolts() {
    let named: Vec<(u16, &str)> =
        Message::TYPES.iter().map(|n| (*n, message(*n, &mut Gen::new(1)).name())).collect();
    let expected = [
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
    assert_eq!(named, expected);
    assert_eq!(Message::NAMES, expected);
}

#[test]
fn fields_stand_in_the_order_and_size_of_the_bolt() {
    let message = Message::from(UpdateFulfillHtlc {
        channel_id: ChannelId([0x11; 32]),
        id: HtlcId(0x0102),
        payment_preimage: PaymentPreimage([0x22; 32]),
        attribution_data: None,
    });
    let bytes = [hex("0082"), vec![0x11; 32], hex("0000000000000102"), vec![0x22; 32]].concat();
    assert_eq!(encode(&message), bytes);
    assert_eq!(decode(&bytes), message);
}

/// Sizes of the fixed fields as the BOLT's tables add up, type included.
#[test]
fn every_message_has_the_size_that_its_fields_add_up_to() {
    let sizes: [(u16, usize); 50] = [
        (1, 36),
        (2, 35),
        (7, 4),
        (9, 4),
        (16, 6),
        (17, 36),
        (18, 6),
        (19, 4),
        (32, 2 + 32 + 32 + 6 * 8 + 4 + 2 * 2 + 6 * 33 + 1),
        (33, 2 + 32 + 4 * 8 + 4 + 2 * 2 + 6 * 33),
        (34, 2 + 32 + 32 + 2 + 64),
        (35, 2 + 32 + 64),
        (36, 2 + 32 + 33),
        (38, 2 + 32 + 2),
        (39, 2 + 32 + 8 + 64),
        (40, 2 + 32 + 2 + 2 + 8 + 4),
        (41, 2 + 32 + 2 + 2 + 8 + 4),
        (64, 2 + 32 + 32 + 4 + 4 + 4 * 8 + 2 * 2 + 4 + 7 * 33 + 1),
        (65, 2 + 32 + 4 * 8 + 4 + 2 * 2 + 7 * 33),
        (66, 2 + 32 + 8 + 2 + 4 + 4),
        (67, 2 + 32 + 8 + 8 + 2),
        (68, 2 + 32 + 8),
        (69, 2 + 32 + 8),
        (70, 2 + 32),
        (71, 2 + 32 + 32 + 2),
        (72, 2 + 32 + 4 + 4),
        (73, 2 + 32),
        (74, 2 + 32 + 2),
        (77, 2 + 32 + 32),
        (80, 2 + 32 + 8 + 4 + 4 + 33),
        (81, 2 + 32 + 8 + 33),
        (127, 2 + 32 + 2),
        (128, 2 + 32 + 8 + 8 + 32 + 4 + 1366),
        (130, 2 + 32 + 8 + 32),
        (131, 2 + 32 + 8 + 2),
        (132, 2 + 32 + 64 + 2),
        (133, 2 + 32 + 32 + 33),
        (134, 2 + 32 + 4),
        (135, 2 + 32 + 8 + 32 + 2),
        (136, 2 + 32 + 8 + 8 + 32 + 33),
        (256, 2 + 4 * 64 + 2 + 32 + 8 + 4 * 33),
        (257, 2 + 64 + 2 + 4 + 33 + 3 + 32 + 2),
        (258, 2 + 64 + 32 + 8 + 4 + 1 + 1 + 2 + 8 + 4 + 4 + 8),
        (259, 2 + 32 + 8 + 64 + 64),
        (261, 2 + 32 + 2 + 1),
        (262, 2 + 32 + 1),
        (263, 2 + 32 + 4 + 4),
        (264, 2 + 32 + 4 + 4 + 1 + 2 + 1),
        (265, 2 + 32 + 4 + 4),
        (513, 2 + 33 + 2),
    ];
    for (number, size) in sizes {
        let message = message(number, &mut Gen::minimal(7));
        assert_eq!(encode(&message).len(), size, "{}", message.name());
    }
}

/// Types of the TLV records of each message, as in the BOLTs' tables.
#[test]
fn every_message_knows_the_records_of_its_bolt() {
    let records: &[(u16, &[(u64, usize)])] = &[
        (16, &[(1, 64), (3, 7)]),
        (32, &[(0, 22), (1, 2)]),
        (33, &[(0, 0), (1, 2)]),
        (36, &[(1, 8)]),
        (39, &[(1, 16)]),
        (40, &[(1, 64), (2, 64), (3, 64)]),
        (41, &[(1, 64), (2, 64), (3, 64)]),
        (64, &[(0, 22), (1, 2), (2, 0)]),
        (65, &[(0, 22), (1, 2), (2, 0)]),
        (66, &[(0, 32)]),
        (71, &[(0, 64)]),
        (72, &[(0, 8), (2, 0)]),
        (73, &[(0, 8), (2, 0)]),
        (80, &[(2, 0)]),
        (81, &[(2, 0)]),
        (127, &[(1, 2)]),
        (128, &[(0, 33)]),
        (130, &[(1, 20 * 4 + 210 * 4)]),
        (131, &[(1, 20 * 4 + 210 * 4)]),
        (132, &[(1, 32)]),
        (136, &[(1, 33), (5, 33)]),
        (261, &[(1, 1)]),
        (263, &[(1, 1)]),
        (264, &[(1, 1), (3, 8)]),
    ];
    for (number, records) in records {
        for (record, len) in *records {
            // A value that no field type refuses for its content: 02.. is a point, a signature and an integer.
            let value = if *number >= 261 { vec![0; *len] } else { vec![2; *len] };
            let mut bytes = encode(&message(*number, &mut Gen::minimal(3)));
            astrape_wire::tlv::write_record(&mut bytes, *record, &value);
            let message = decode(&bytes);
            assert_eq!(encode(&message), bytes, "record {record} of {} is kept", message.name());
        }
    }
}

#[test]
fn a_message_says_which_channel_it_is_about() {
    for number in Message::TYPES {
        let message = message(*number, &mut Gen::new(5));
        let bytes = encode(&message);
        let expected = match number {
            // After the type, or after the chain hash.
            32 | 64 => Some(&bytes[34..66]),
            1 | 2 | 17 | 33..=41 | 65..=136 | 259 => Some(&bytes[2..34]),
            _ => None,
        };
        assert_eq!(
            message.channel_id().map(|id| id.0.to_vec()),
            expected.map(<[u8]>::to_vec),
            "{}",
            message.name()
        );
    }
}
