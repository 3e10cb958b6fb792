//! BOLT 7's vectors of extended queries. The compressed ones are refused: that encoding must not be used.

use crate::generate::{Gen, message};
use crate::{decode, encode, hex};
use astrape_primitives::{Height, ShortChannelId};
use astrape_wire::tlv::BigSize;
use astrape_wire::{
    ChannelUpdateChecksums, ChannelUpdateTimestamps, DecodeError, Message, QueryChannelRange, QueryFlags,
    QueryShortChannelIds, ReplyChannelRange, ValueError, WANT_CHECKSUMS, WANT_TIMESTAMPS,
};

/// The genesis hash of all vectors.
const CHAIN: &str = "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206";

fn chain_hash() -> [u8; 32] {
    hex(CHAIN).try_into().unwrap()
}

fn ids<const N: usize>(texts: [&str; N]) -> Vec<ShortChannelId> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn assert_vector(text: &str, expected: impl Into<Message>) {
    let (bytes, expected) = (hex(&text.replace("CHAIN", CHAIN)), expected.into());
    assert_eq!(decode(&bytes), expected);
    assert_eq!(encode(&expected), bytes);
}

#[test]
fn a_range_is_asked_for_as_in_the_vectors() {
    let plain = QueryChannelRange {
        chain_hash: chain_hash(),
        first_blocknum: Height(100_000),
        number_of_blocks: 1500,
        query_option: None,
    };
    assert_vector("0107 CHAIN 000186a0 000005dc", plain.clone());
    let extended = QueryChannelRange {
        first_blocknum: Height(35_000),
        number_of_blocks: 100,
        query_option: Some(BigSize(WANT_TIMESTAMPS | WANT_CHECKSUMS)),
        ..plain
    };
    assert_vector("0107 CHAIN 000088b8 00000064 01 01 03", extended);
}

// BOLT 7.the-query_short_channel_ids-reply_short_channel_ids_end-messages.4
// BOLT 7.the-query_short_channel_ids-reply_short_channel_ids_end-messages.5
#[test]
fn a_range_is_answered_as_in_the_vectors() {
    let plain = ReplyChannelRange {
        chain_hash: chain_hash(),
        first_blocknum: Height(756_230),
        number_of_blocks: 1500,
        sync_complete: true,
        encoded_short_ids: ids(["0x0x142", "0x0x15465", "0x69x42692"]),
        timestamps_tlv: None,
        checksums_tlv: None,
    };
    let text = "0108 CHAIN 000b8a06 000005dc 01 0019 00 000000000000008e 0000000000003c69 000000000045a6c4";
    assert_vector(text, plain.clone());
    let timestamps = |(timestamp_node_id_1, timestamp_node_id_2)| ChannelUpdateTimestamps {
        timestamp_node_id_1,
        timestamp_node_id_2,
    };
    let checksums = |(checksum_node_id_1, checksum_node_id_2)| ChannelUpdateChecksums {
        checksum_node_id_1,
        checksum_node_id_2,
    };
    let extended = ReplyChannelRange {
        first_blocknum: Height(122_334),
        encoded_short_ids: ids(["0x0x12355", "0x7x30934", "0x70x57793"]),
        timestamps_tlv: Some(
            [(164_545, 948_165), (489_645, 4_786_864), (46_456, 9_788_415)].map(timestamps).into(),
        ),
        checksums_tlv: Some([(1111, 2222), (3333, 4444), (5555, 6666)].map(checksums).into()),
        ..plain
    };
    let text = "0108 CHAIN 0001ddde 000005dc 01 0019 00 0000000000003043 00000000000778d6 000000000046e1c1
        01 19 00 000282c1 000e77c5 000778ad 00490ab0 0000b578 00955bff
        03 18 00000457 000008ae 00000d05 0000115c 000015b3 00001a0a";
    assert_vector(text, extended);
}

#[test]
fn channels_are_asked_for_as_in_the_vectors() {
    let plain = QueryShortChannelIds {
        chain_hash: chain_hash(),
        encoded_short_ids: ids(["0x0x142", "0x0x15465", "0x69x42692"]),
        query_flags: None,
    };
    let text = "0105 CHAIN 0019 00 000000000000008e 0000000000003c69 000000000045a6c4";
    assert_vector(text, plain.clone());
    // The vectors have flags in compressed form only; these are the same ones as they are.
    let flags = QueryShortChannelIds { query_flags: Some(QueryFlags(vec![1, 2, 4])), ..plain };
    assert_vector(&format!("{text} 01 04 00 01 02 04"), flags);
}

// BOLT 7.query-messages.1
// attack 65
#[test]
fn the_compressed_vectors_are_refused() {
    for (text, field) in [
        (
            "0108 CHAIN 00000640 0000006e 01 0016 01789c636000833e08659309a65878be010010a9023a",
            "encoded_short_ids",
        ),
        (
            "0108 CHAIN 0001ddde 000005dc 01 0018 01789c63600001036730c55e710d4cbb3d3c080017c303b1
             01 22 01789c63606a3ac8c0577e9481bd622d8327d7060686ad150c53a3ff0300554707db
             03 18 00000457000008ae00000d050000115c000015b300001a0a",
            "encoded_short_ids",
        ),
        ("0105 CHAIN 0018 01789c63600001c12b608a69e73e30edbaec0800203b040e", "encoded_short_ids"),
        (
            "0105 CHAIN 0019 000000000000002fc80000000000003cc4000000000045a6c4 01 0c 01789c6364620100000e0008",
            "query_flags",
        ),
        (
            "0105 CHAIN 0018 01789c63600001f30a30c5b0cd144cb92e3b020017c6034a 01 0c 01789c6364620100000e0008",
            "encoded_short_ids",
        ),
    ] {
        let Err(DecodeError::Field { field: wrong, problem, .. }) =
            Message::decode(&hex(&text.replace("CHAIN", CHAIN)))
        else {
            panic!("{text} is not refused")
        };
        assert_eq!((wrong, problem), (field, ValueError::UnknownEncoding(1)));
    }
}

#[test]
fn arrays_that_are_cut_or_of_unknown_encoding_are_refused() {
    let query = |ids: &str| match Message::decode(&hex(&format!("0105 {CHAIN} {ids}"))) {
        Err(DecodeError::Field { problem, .. }) => problem,
        other => panic!("{ids}: {other:?}"),
    };
    assert_eq!(query("0000"), ValueError::Truncated, "without an encoding");
    assert_eq!(query("0008 00 00000000000000"), ValueError::Truncated, "no whole number of ids");
    assert_eq!(query("0001 02"), ValueError::UnknownEncoding(2));
    assert_eq!(query("0001 00 01 00"), ValueError::Truncated, "flags without an encoding");
    assert_eq!(query("0001 00 01 04 00 fd0001"), ValueError::NotMinimal);
    let reply = encode(&message(264, &mut Gen::minimal(1)));
    for bad in ["01 02 00 01", "03 01 00"] {
        let refused = Message::decode(&[reply.clone(), hex(bad)].concat());
        assert!(
            matches!(refused, Err(DecodeError::Field { problem: ValueError::Truncated, .. })),
            "{refused:?}"
        );
    }
}
