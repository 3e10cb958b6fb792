//! No message is longer than the transport can carry.

use crate::encode;
use astrape_primitives::{ChannelId, HtlcId};
use astrape_wire::{
    AttributionData, DecodeError, EncodeError, MAX_MESSAGE_LEN, MAX_PEER_STORAGE_BLOB_LEN, Message,
    PeerStorage, Ping, Pong, UpdateFailHtlc,
};

// BOLT 1.the-peer_storage-and-peer_storage_retrieval-messages.2
#[test]
fn the_largest_blob_fits_and_one_byte_more_does_not() {
    let fits = Message::from(PeerStorage { blob: vec![1; MAX_PEER_STORAGE_BLOB_LEN] });
    assert_eq!(encode(&fits).len(), MAX_MESSAGE_LEN);
    let too_long = Message::from(PeerStorage { blob: vec![1; MAX_PEER_STORAGE_BLOB_LEN + 1] });
    assert_eq!(too_long.encode(), Err(EncodeError { message: "peer_storage", size: MAX_MESSAGE_LEN + 1 }));
}

// attack 74
#[test]
fn a_failure_that_grew_too_long_is_an_error_and_is_never_cut() {
    let attribution_data = Some(AttributionData::from_bytes(&[0; AttributionData::LEN]));
    let reason = vec![0; 65_000];
    let message = UpdateFailHtlc { channel_id: ChannelId::ALL, id: HtlcId(0), reason, attribution_data };
    assert_eq!(Message::from(message).encode().map_err(|e| e.message), Err("update_fail_htlc"));
    let reason = vec![0; 70_000];
    let message =
        UpdateFailHtlc { channel_id: ChannelId::ALL, id: HtlcId(0), reason, attribution_data: None };
    assert_eq!(Message::from(message).encode().map_err(|e| e.size), Err(70_044));
}

#[test]
fn bytes_that_no_transport_could_have_carried_are_refused() {
    assert_eq!(Message::decode(&[0; MAX_MESSAGE_LEN + 1]), Err(DecodeError::Size(MAX_MESSAGE_LEN + 1)));
    assert_eq!(Message::decode(&[]), Err(DecodeError::Size(0)));
    assert_eq!(Message::decode(&[0]), Err(DecodeError::Size(1)));
}

#[test]
fn the_longest_pong_fits_and_the_next_is_not_asked_for() {
    let pong = Message::from(Pong { ignored: vec![0; usize::from(Ping::NO_PONG - 1)] });
    assert_eq!(encode(&pong).len(), MAX_MESSAGE_LEN);
}
