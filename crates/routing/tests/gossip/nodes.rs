//! `node_announcement`: what is believed and shown.

use crate::kit::{
    NOW, Net, Outcome, channel, funding, heard, node, node_announcement, node_message, scid, signed_node,
};
use astrape_routing::gossip::{ChainAnswer, Ignored};
use astrape_wire::{Addresses, Decoded, Message, NodeAnnouncement};

fn ignored(why: Ignored) -> Outcome {
    Outcome::Ignored(why)
}

fn open() -> Net {
    let mut net = Net::new();
    net.add_open_channel(1, 2, scid(900));
    net
}

// BOLT 7.the-node_announcement-message.19
// BOLT 7.the-node_announcement-message.22
#[test]
fn a_node_speaks_for_itself_alone() {
    let mut net = open();
    assert!(matches!(net.hear(signed_node(node_message(1, NOW), 2)), Outcome::Fault(_)));
    assert!(net.gossip.graph().node(&node(1)).is_none());
    assert_eq!(net.hear(node_announcement(1, NOW)), Outcome::Taken(vec![]));
    assert_eq!(net.gossip.graph().node(&node(1)).map(|info| info.timestamp), Some(NOW));
}

// BOLT 7.the-node_announcement-message.19
#[test]
fn a_node_id_that_is_no_point_is_no_message() {
    let mut bytes = Message::NodeAnnouncement(node_message(1, NOW)).encode().expect("short");
    // Type, signature, an empty feature vector, timestamp.
    let at = 2 + 64 + 2 + 4;
    bytes[at] = 5;
    assert!(Message::decode(&bytes).is_err());
}

// BOLT 7.the-node_announcement-message.33
#[test]
fn a_node_without_a_channel_is_not_known() {
    let mut net = open();
    assert_eq!(net.hear(node_announcement(3, NOW)), ignored(Ignored::Early));
    assert!(!net.gossip.graph().has_node(&node(3)));
    net.gossip.flush(NOW);
    assert!(net.gossip.flush(NOW).is_empty(), "nor passed on");
}

// BOLT 7.the-node_announcement-message.33
#[test]
fn an_older_announcement_changes_nothing() {
    let mut net = open();
    net.hear(node_announcement(1, NOW));
    assert_eq!(net.hear(node_announcement(1, NOW)), ignored(Ignored::Known));
    assert_eq!(net.hear(node_announcement(1, NOW - 1)), ignored(Ignored::Old));
    let mut newer = node_message(1, NOW + 1);
    newer.rgb_color = [9, 9, 9];
    assert_eq!(net.hear(signed_node(newer, 1)), Outcome::Taken(vec![]));
    assert_eq!(net.gossip.graph().node(&node(1)).map(|info| info.color), Some([9, 9, 9]));
}

#[test]
fn a_node_that_comes_before_the_chain_has_answered_is_taken_with_its_channel() {
    let mut net = Net::new();
    net.hear(channel(1, 2, scid(900)));
    assert_eq!(net.hear(node_announcement(1, NOW)), ignored(Ignored::Early));
    net.answer(scid(900), &ChainAnswer::Unspent(funding(1, 2, scid(900))));
    assert!(net.gossip.graph().node(&node(1)).is_some());
}

/// The announcement with other bytes for its addresses, signed.
fn with_addresses(descriptors: &[u8]) -> Result<NodeAnnouncement, String> {
    let mut message = node_message(1, NOW);
    message.addresses = Addresses::default();
    let mut bytes = Message::NodeAnnouncement(message).encode().expect("short");
    // It ends with the length of no addresses.
    bytes.truncate(bytes.len() - 2);
    bytes.extend(u16::try_from(descriptors.len()).expect("short").to_be_bytes());
    bytes.extend(descriptors);
    match Message::decode(&bytes) {
        Ok(Decoded::Known(Message::NodeAnnouncement(message))) => Ok(message),
        other => Err(format!("{other:?}")),
    }
}

const IPV4: [u8; 7] = [1, 192, 0, 2, 1, 0x26, 0x07];

// BOLT 7.the-node_announcement-message.28
// BOLT 7.the-node_announcement-message.29
// BOLT 7.the-node_announcement-message.37
#[test]
fn addresses_of_unknown_types_and_of_old_onions_are_passed_over_and_the_rest_is_kept() {
    let mut net = open();
    let mut all = IPV4.to_vec();
    all.extend([3; 13]);
    all.extend(IPV4);
    all.extend([200, 1, 2, 3]);
    let message = with_addresses(&all).expect("an unknown type is no error");
    assert_eq!(net.hear(signed_node(message, 1)), Outcome::Taken(vec![]));
    let info = net.gossip.graph().node(&node(1)).expect("taken");
    let places: Vec<String> = info.addresses.iter().map(|address| address.to_string()).collect();
    assert_eq!(places, ["192.0.2.1:9735"], "once, though it was said twice");
}

// BOLT 7.the-node_announcement-message.32
#[test]
fn a_port_of_zero_is_nowhere() {
    let message = with_addresses(&[1, 192, 0, 2, 1, 0, 0]).expect("it can be read");
    let mut net = open();
    net.hear(signed_node(message, 1));
    assert!(net.gossip.graph().node(&node(1)).expect("taken").addresses.is_empty());
}

// BOLT 7.the-node_announcement-message.40
#[test]
fn a_node_with_two_dns_names_is_known_and_not_passed_on() {
    let mut net = open();
    net.gossip.flush(NOW);
    let name = |text: &str| {
        let len = u8::try_from(text.len()).expect("short");
        [&[5, len], text.as_bytes(), &9735_u16.to_be_bytes()].concat()
    };
    let message = with_addresses(&[name("a.example"), name("b.example")].concat()).expect("readable");
    assert_eq!(net.hear(signed_node(message, 1)), Outcome::Taken(vec![]));
    assert!(net.gossip.graph().node(&node(1)).is_some());
    assert!(net.gossip.flush(NOW).is_empty());
    let one = with_addresses(&name("a.example")).expect("readable");
    let one = NodeAnnouncement { timestamp: NOW + 1, ..one };
    assert_eq!(net.hear(signed_node(one, 1)), Outcome::Taken(vec![]));
    assert_eq!(net.gossip.flush(NOW).len(), 1);
}

// attack 80
#[test]
fn an_alias_with_control_characters_is_shown_without_them() {
    let mut message = node_message(1, NOW);
    let hostile = "ok\u{202e}evil\u{2028}\n\x1b[31m\0x";
    message.alias[..hostile.len()].copy_from_slice(hostile.as_bytes());
    let mut net = open();
    let announcement = signed_node(message.clone(), 1);
    assert_eq!(net.hear(announcement), Outcome::Taken(vec![]));
    let shown = message.alias_text();
    let is_hostile = |c: char| {
        c.is_control()
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    assert!(!shown.chars().any(is_hostile), "{shown:?}");
    assert!(shown.contains("ok") && shown.contains("evil"));
    let kept = net.gossip.graph().node(&node(1)).expect("taken").alias;
    assert_eq!(kept, message.alias, "what is signed is kept as it is");
    let _ = heard(message);
}
