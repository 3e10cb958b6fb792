//! Signed gossip is kept as it came.

use crate::generate::{Gen, message};
use crate::{decode, encode, hex};
use astrape_primitives::Features;
use astrape_wire::{DecodeError, Message, ValueError};
use bitcoin::hashes::{Hash as _, sha256d};
use proptest::prelude::*;

fn signed_hash(message: &Message) -> sha256d::Hash {
    match message {
        Message::ChannelAnnouncement(m) => m.signed_hash(),
        Message::NodeAnnouncement(m) => m.signed_hash(),
        Message::ChannelUpdate(m) => m.signed_hash(),
        other => panic!("{} is not signed as a whole", other.name()),
    }
}

proptest! {
    // BOLT 7.the-channel_announcement-message.9
    // BOLT 7.the-channel_announcement-message.10
    #[test]
    fn what_is_signed_is_all_after_the_signatures_as_it_came(seed: u64, tail in proptest::collection::vec(any::<u8>(), 0..50)) {
        for (number, signatures) in [(256, 4), (257, 1), (258, 1)] {
            let bytes = [encode(&message(number, &mut Gen::new(seed))), tail.clone()].concat();
            let decoded = decode(&bytes);
            prop_assert_eq!(&encode(&decoded), &bytes);
            prop_assert_eq!(signed_hash(&decoded), sha256d::Hash::hash(&bytes[2 + signatures * 64..]));
        }
    }
}

#[test]
fn padded_features_are_kept_for_the_signature_and_read_without_padding() {
    let bytes = encode(&message(256, &mut Gen::minimal(1)));
    let padded = [&bytes[..258], &hex("0003 000002"), &bytes[260..]].concat();
    let Message::ChannelAnnouncement(announcement) = decode(&padded) else {
        panic!("not a channel_announcement")
    };
    assert_eq!(announcement.features.features(), Features::empty().with_bit(1));
    assert_eq!(encode(&announcement.into()), padded);
}

// BOLT 7.the-channel_announcement-message.14
#[test]
fn our_own_features_are_as_short_as_they_can_be() {
    let Message::ChannelAnnouncement(mut announcement) = message(256, &mut Gen::minimal(1)) else {
        panic!("not a channel_announcement")
    };
    announcement.features = Features::from_be_bytes(&[0, 0, 0x20]).into();
    assert_eq!(encode(&announcement.into())[258..261], [0, 1, 0x20]);
}

// BOLT 7.the-node_announcement-message.22
#[test]
fn an_announcement_of_a_node_that_is_no_key_is_refused() {
    let mut bytes = encode(&message(257, &mut Gen::minimal(1)));
    bytes[2 + 64 + 2 + 4] = 5;
    let problem = ValueError::InvalidPoint;
    let expected = DecodeError::Field { message: "node_announcement", field: "node_id", problem };
    assert_eq!(Message::decode(&bytes), Err(expected));
}

#[test]
fn the_checksum_of_an_update_leaves_out_signature_and_timestamp_only() {
    let Message::ChannelUpdate(update) = message(258, &mut Gen::new(9)) else {
        panic!("not a channel_update")
    };
    let Message::ChannelUpdate(other) = message(258, &mut Gen::new(10)) else {
        panic!("not a channel_update")
    };
    let mut same = update.clone();
    same.timestamp = other.timestamp;
    same.signature = other.signature;
    assert_eq!(same.checksum(), update.checksum());
    let mut dearer = update.clone();
    dearer.fee_base_msat ^= 1;
    assert_ne!(dearer.checksum(), update.checksum());
    let mut elsewhere = update.clone();
    elsewhere.short_channel_id = other.short_channel_id;
    assert_ne!(elsewhere.checksum(), update.checksum());
}
