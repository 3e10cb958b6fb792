//! What is read in payloads, and what is refused.

use crate::support::{HASH, ecdh_with, forged_payload, node_key, peel_as};
use astrape_onion::{
    Failure, FinalPayload, ForwardPayload, Hop, PaymentData, PeelFailure, encode_final, encode_forward, peel,
};
use astrape_primitives::{CltvExpiry, Msat, PaymentPreimage, PaymentSecret, ShortChannelId};
use astrape_wire::tlv::{TlvRecord, TlvStream};
use proptest::prelude::*;
use std::collections::BTreeMap;

const AMOUNT: [u8; 4] = [2, 2, 0x03, 0xe8];
const EXPIRY: [u8; 3] = [4, 1, 100];
const CHANNEL: [u8; 10] = [6, 8, 0, 0, 0, 0, 0, 0, 0, 7];

fn refused(records: &[&[u8]], last: bool) -> (u64, u16) {
    match peel(&forged_payload(&records.concat(), last), &HASH, ecdh_with(node_key(0))) {
        Err(PeelFailure::Payload { failure: Failure::InvalidOnionPayload { tlv_type, offset }, .. }) => {
            (tlv_type, offset)
        }
        other => panic!("expected invalid_onion_payload: {other:?}"),
    }
}

fn forwarded(records: &[&[u8]]) -> ForwardPayload {
    // The HMAC that follows is wrong for the next node, which this node cannot know.
    match peel_as(0, &forged_payload(&records.concat(), false)).hop {
        Hop::Forward { payload, .. } => payload,
        Hop::Final { .. } => panic!("the next HMAC is not zero"),
    }
}

fn received(records: &[&[u8]]) -> FinalPayload {
    match peel_as(0, &forged_payload(&records.concat(), true)).hop {
        Hop::Final { payload } => payload,
        Hop::Forward { .. } => panic!("the next HMAC is zero"),
    }
}

fn records_of(payload: &[u8]) -> Vec<TlvRecord<'_>> {
    TlvStream::new(payload, |_| true).collect::<Result<_, _>>().expect("our own payload is well formed")
}

fn types_of(payload: &[u8]) -> Vec<u64> {
    records_of(payload).iter().map(|record| record.number).collect()
}

#[test]
fn a_forwarding_payload_is_read() {
    let payload = forwarded(&[&AMOUNT, &EXPIRY, &CHANNEL]);
    assert_eq!(payload.amt_to_forward, Msat(1_000));
    assert_eq!(payload.outgoing_cltv_value, CltvExpiry(100));
    assert_eq!(payload.short_channel_id, ShortChannelId(7));
}

// BOLT 4.payload-format.49
// BOLT 4.payload-format.50
// BOLT 4.failure-messages.6
// BOLT 2.adding-an-htlc-update_add_htlc.25
#[test]
fn a_missing_field_is_named() {
    assert_eq!(refused(&[&EXPIRY, &CHANNEL], false), (2, 0));
    assert_eq!(refused(&[&AMOUNT, &CHANNEL], false), (4, 0));
    assert_eq!(refused(&[&AMOUNT, &EXPIRY], false), (6, 0));
    assert_eq!(refused(&[&EXPIRY], true), (2, 0));
    assert_eq!(refused(&[&AMOUNT], true), (4, 0));
}

// BOLT 2.adding-an-htlc-update_add_htlc.24
#[test]
fn what_is_wrong_is_named_with_its_place() {
    // Counted from the length in front of the payload.
    assert_eq!(refused(&[&AMOUNT, &EXPIRY, &CHANNEL, &[20, 0]], false), (20, 18), "unknown and even");
    assert_eq!(refused(&[&AMOUNT, &EXPIRY, &EXPIRY], true), (4, 8), "twice");
    assert_eq!(refused(&[&EXPIRY, &AMOUNT], true), (2, 4), "out of order");
    assert_eq!(refused(&[&[2, 2, 0, 1], &EXPIRY], true), (2, 1), "not minimal");
    assert_eq!(refused(&[&AMOUNT, &[4, 5, 1, 1, 1, 1, 1]], true), (4, 5), "longer than 32 bits");
    assert_eq!(refused(&[&AMOUNT, &EXPIRY, &[6, 7, 0, 0, 0, 0, 0, 0, 0]], false), (6, 8), "7 bytes");
    assert_eq!(refused(&[&AMOUNT, &EXPIRY, &[8, 31], &[1; 31]], true), (8, 8), "no whole secret");
    assert_eq!(refused(&[&AMOUNT, &EXPIRY, &[16, 200, 1]], true), (16, 8), "cut short");
    assert_eq!(refused(&[&AMOUNT, &EXPIRY, &[0xfd, 0]], true), (0, 8), "no whole type");
}

// BOLT 4.payload-format.48
#[test]
fn the_fields_of_blinded_paths_are_refused_by_the_recipient() {
    let path_key = [&[12, 33, 2][..], &[1; 32]].concat();
    assert_eq!(refused(&[&AMOUNT, &EXPIRY, &path_key], true), (12, 8));
    assert_eq!(refused(&[&AMOUNT, &EXPIRY, &[10, 1, 1]], true), (10, 8));
    assert_eq!(refused(&[&AMOUNT, &EXPIRY, &[18, 1, 1]], true), (18, 8));
}

// BOLT 4.payload-format.48
// BOLT 4.failure-messages.2
// BOLT 4.failure-messages.11
// BOLT 2.removing-an-htlc-update_fulfill_htlc-update_fail_htlc-and-update_fail_malformed_htlc.4
// BOLT 2.removing-an-htlc-update_fulfill_htlc-update_fail_htlc-and-update_fail_malformed_htlc.5
// attack 50
#[test]
fn an_introduction_to_a_blinded_path_is_refused_without_telling_more() {
    let path_key = [&[12, 33, 2][..], &[1; 32]].concat();
    for records in [&[&[10, 1, 1][..], &path_key][..], &[&AMOUNT, &[8, 0], &path_key, &[20, 0]], &[&path_key]]
    {
        let packet = forged_payload(&records.concat(), false);
        let sha256_of_onion = {
            use bitcoin::hashes::{Hash as _, sha256};
            sha256::Hash::hash(packet.as_bytes()).to_byte_array()
        };
        match peel(&packet, &HASH, ecdh_with(node_key(0))) {
            Err(PeelFailure::Payload { failure, .. }) => {
                assert_eq!(failure, Failure::InvalidOnionBlinding { sha256_of_onion });
            }
            other => panic!("expected invalid_onion_blinding: {other:?}"),
        }
    }
}

#[test]
fn an_unknown_odd_field_is_ignored() {
    assert_eq!(
        forwarded(&[&AMOUNT, &EXPIRY, &CHANNEL, &[21, 1, 1]]),
        forwarded(&[&AMOUNT, &EXPIRY, &CHANNEL])
    );
    assert_eq!(received(&[&AMOUNT, &EXPIRY, &[21, 1, 1]]), received(&[&AMOUNT, &EXPIRY]));
}

#[test]
fn custom_records_are_kept_when_odd_and_refused_when_even() {
    let odd = [0xfe, 0, 1, 0, 1, 2, 8, 9];
    let payload = received(&[&AMOUNT, &EXPIRY, &odd]);
    assert_eq!(payload.custom_records, BTreeMap::from([(65_537, vec![8, 9])]));
    let even = [0xfe, 0, 1, 0, 0, 2, 8, 9];
    assert_eq!(refused(&[&AMOUNT, &EXPIRY, &even], true), (65_536, 8));
}

/// LND sends messages with keysends in records of even types, and takes them.
#[test]
fn custom_records_of_a_keysend_are_kept_whatever_their_type() {
    let preimage = [&[0xff, 0, 0, 0, 1, 0x46, 0xc6, 0x61, 0x6c, 32][..], &[7; 32]].concat();
    let even = [0xfe, 0, 1, 0, 0, 2, 8, 9];
    let payload = received(&[&AMOUNT, &EXPIRY, &even, &preimage]);
    assert_eq!(payload.custom_records, BTreeMap::from([(65_536, vec![8, 9])]));
    // What is no application's record is refused all the same.
    assert_eq!(refused(&[&AMOUNT, &EXPIRY, &[100, 1, 1], &preimage], true), (100, 8));
    // And where the preimage is none, nothing is.
    let short = [&[0xff, 0, 0, 0, 1, 0x46, 0xc6, 0x61, 0x6c, 31][..], &[7; 31]].concat();
    refused(&[&AMOUNT, &EXPIRY, &even, &short], true);
}

// BOLT 4.payload-format.54
#[test]
fn the_total_is_that_of_the_part_when_it_is_not_said() {
    assert_eq!(received(&[&AMOUNT, &EXPIRY]).total_msat(), Msat(1_000));
    let data = [&[8, 34][..], &[5; 32], &[0x07, 0xd0]].concat();
    assert_eq!(received(&[&AMOUNT, &EXPIRY, &data]).total_msat(), Msat(2_000));
}

// BOLT 4.payload-format.17
// BOLT 4.payload-format.18
// BOLT 4.payload-format.19
#[test]
fn a_forwarding_node_is_told_amount_expiry_and_channel_and_no_more() {
    let payload = ForwardPayload {
        short_channel_id: ShortChannelId(7),
        amt_to_forward: Msat(1_000),
        outgoing_cltv_value: CltvExpiry(100),
    };
    assert_eq!(encode_forward(&payload), [&AMOUNT[..], &EXPIRY, &CHANNEL].concat());
}

// BOLT 4.payload-format.17
// BOLT 4.payload-format.20
// BOLT 4.payload-format.21
// BOLT 4.payload-format.22
// BOLT 4.payload-format.23
// BOLT 4.payload-format.24
// BOLT 4.payload-format.25
#[test]
fn the_recipient_is_told_all_that_its_invoice_asked_for() {
    let payload = FinalPayload {
        amt_to_forward: Msat(1_000),
        outgoing_cltv_value: CltvExpiry(100),
        payment_data: Some(PaymentData { payment_secret: PaymentSecret([5; 32]), total_msat: Msat(2_000) }),
        payment_metadata: Some(vec![6; 1_150]),
        keysend_preimage: None,
        custom_records: BTreeMap::new(),
    };
    let bytes = encode_final(&payload);
    assert_eq!(types_of(&bytes), [2, 4, 8, 16]);
    let records = records_of(&bytes);
    assert_eq!(records[2].value, [&[5; 32][..], &[0x07, 0xd0]].concat());
    assert_eq!(records[3].value, [6; 1_150]);
    assert!(
        crate::support::recipe(vec![bytes.clone()]).build().is_ok(),
        "only the onion limits the metadata"
    );
}

#[test]
fn custom_records_below_their_range_are_not_written() {
    let payload = FinalPayload {
        amt_to_forward: Msat(1_000),
        outgoing_cltv_value: CltvExpiry(100),
        payment_data: None,
        payment_metadata: None,
        keysend_preimage: Some(PaymentPreimage([7; 32])),
        custom_records: BTreeMap::from([(6, vec![1]), (65_537, vec![2]), (5_482_373_485, vec![3])]),
    };
    assert_eq!(types_of(&encode_final(&payload)), [2, 4, 65_537, 5_482_373_484, 5_482_373_485]);
}

prop_compose! {
    fn any_final()(
        amount in any::<u64>(),
        expiry in any::<u32>(),
        data in any::<Option<([u8; 32], u64)>>(),
        payment_metadata in prop::option::of(prop::collection::vec(any::<u8>(), 0..40)),
        keysend in any::<Option<[u8; 32]>>(),
        custom in prop::collection::btree_map(32_768u64.., prop::collection::vec(any::<u8>(), 0..20), 0..3),
    ) -> FinalPayload {
        let data = data.map(|(secret, total)| {
            PaymentData { payment_secret: PaymentSecret(secret), total_msat: Msat(total) }
        });
        FinalPayload {
            amt_to_forward: Msat(amount),
            outgoing_cltv_value: CltvExpiry(expiry),
            payment_data: data,
            payment_metadata,
            keysend_preimage: keysend.map(PaymentPreimage),
            custom_records: custom.into_iter().map(|(kind, value)| ((kind >> 1 << 1 | 1).max(65_537), value)).collect(),
        }
    }
}

proptest! {
    #[test]
    fn the_recipient_reads_what_the_sender_wrote(payload in any_final()) {
        let bytes = encode_final(&payload);
        prop_assume!(bytes.len() < 0xfd);
        prop_assert_eq!(received(&[&bytes]), payload);
    }
}
