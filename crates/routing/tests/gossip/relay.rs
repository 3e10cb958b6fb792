//! What is passed on, to whom, and in which order.

use crate::kit::{NOW, Net, Outcome, node, node_announcement, peer, scid, update};
use astrape_routing::gossip::serve::{Backlog, PIECE};
use astrape_routing::gossip::{ChainAnswer, Filter, Ignored, Output};
use astrape_wire::{GossipTimestampFilter, Message};

fn filter(first_timestamp: u32, timestamp_range: u32) -> Filter {
    Filter::new(&GossipTimestampFilter { chain_hash: [0; 32], first_timestamp, timestamp_range })
}

fn names(messages: &[Message]) -> Vec<&'static str> {
    messages.iter().map(Message::name).collect()
}

fn flushed(net: &mut Net) -> Vec<Message> {
    let batch = net.gossip.flush(NOW);
    net.messages(batch.into_iter().map(|item| item.stored))
}

// BOLT 7.the-gossip_timestamp_filter-message.7
// BOLT 7.the-gossip_timestamp_filter-message.10
// BOLT 7.the-gossip_timestamp_filter-message.11
// BOLT 7.the-channel_announcement-message.26
#[test]
fn a_channel_is_passed_on_with_its_first_update_and_before_all_that_needs_it() {
    let mut net = Net::new();
    net.add_channel(1, 2, scid(900));
    assert!(flushed(&mut net).is_empty(), "without an update nobody can use it");
    net.hear(node_announcement(1, NOW));
    net.hear(update(1, 2, scid(900), NOW));
    let said = flushed(&mut net);
    assert_eq!(names(&said), ["channel_announcement", "channel_update", "node_announcement"]);
    net.hear(update(2, 1, scid(900), NOW));
    assert_eq!(names(&flushed(&mut net)), ["channel_update"], "the second update needs no announcement");
}

// BOLT 7.the-channel_announcement-message.26
#[test]
fn a_node_is_passed_on_with_the_first_update_of_one_of_its_channels_and_not_before() {
    let mut net = Net::new();
    net.add_channel(1, 2, scid(900));
    net.hear(node_announcement(1, NOW));
    assert!(flushed(&mut net).is_empty(), "no peer knows it");
    assert!(pieces(&net, filter(0, u32::MAX)).concat().is_empty());
    net.hear(update(2, 1, scid(900), NOW));
    let all = ["channel_announcement", "channel_update", "node_announcement"];
    assert_eq!(names(&flushed(&mut net)), all);
    assert_eq!(names(&pieces(&net, filter(0, u32::MAX)).concat()), all);
    net.add_channel(1, 3, scid(901));
    net.hear(update(3, 1, scid(901), NOW));
    assert_eq!(names(&flushed(&mut net)), ["channel_announcement", "channel_update"], "it is known by then");
}

// BOLT 7.the-channel_update-message.40
// BOLT 7.the-node_announcement-message.34
// BOLT 7.rebroadcasting.6
#[test]
fn of_several_updates_between_two_flushes_the_newest_is_passed_on() {
    let mut net = Net::new();
    net.add_open_channel(1, 2, scid(900));
    flushed(&mut net);
    for n in 0..3 {
        net.hear(update(1, 2, scid(900), NOW + n));
        net.hear(node_announcement(1, NOW + n));
    }
    let said = flushed(&mut net);
    assert_eq!(names(&said), ["channel_update", "node_announcement"]);
    assert!(matches!(&said[0], Message::ChannelUpdate(m) if m.timestamp == NOW + 2));
    assert!(matches!(&said[1], Message::NodeAnnouncement(m) if m.timestamp == NOW + 2));
    assert!(flushed(&mut net).is_empty(), "once");
}

// BOLT 7.the-gossip_timestamp_filter-message.6
// BOLT 7.the-gossip_timestamp_filter-message.9
#[test]
fn a_filter_lets_through_what_lies_in_its_range() {
    let wanted = filter(100, 50);
    for (timestamp, wants) in [(99, false), (100, true), (149, true), (150, false), (u32::MAX, false)] {
        assert_eq!(wanted.wants(timestamp), wants, "{timestamp}");
    }
    assert!(filter(0, u32::MAX).wants(NOW));
    assert!(!filter(u32::MAX, 0).wants(u32::MAX));
    assert!(filter(NOW, u32::MAX).wants(u32::MAX - 1), "no overflow");
    let mut net = Net::new();
    net.add_open_channel(1, 2, scid(900));
    let batch = net.gossip.flush(NOW);
    assert_eq!(batch.len(), 3);
    assert!(batch.iter().all(|item| filter(NOW - 100, 1).passes(item, &peer(2))));
    assert!(!batch.iter().any(|item| filter(NOW - 99, 1_000).passes(item, &peer(2))));
    let back = batch.iter().filter(|item| filter(0, u32::MAX).passes(item, &peer(1)));
    assert_eq!(back.count(), 0, "who told us is not told");
}

#[test]
fn what_is_ours_is_taken_at_its_word_and_told_at_once() {
    let mut net = Net::new();
    let id = scid(999);
    let ours = crate::kit::channel(0, 1, id);
    let funding = crate::kit::funding(0, 1, id);
    assert_eq!(net.gossip.own(NOW, &ours, Some((funding.outpoint, funding.amount))), Some(vec![]));
    let again = net.gossip.own(NOW, &ours, Some((funding.outpoint, funding.amount)));
    assert_eq!(again, None, "it is no news twice");
    assert_eq!(net.gossip.own(NOW, &update(0, 1, id, NOW), None), Some(vec![]));
    assert_eq!(net.gossip.own(NOW, &update(0, 1, id, NOW), None), None);
    assert_eq!(net.gossip.own(NOW, &node_announcement(0, NOW), None), Some(vec![]));
    assert!(net.gossip.graph().node(&node(0)).is_some());
    assert_eq!(net.policy_at(0, 1, id), Some(NOW));
}

#[test]
fn what_a_peer_said_of_our_channel_before_we_announced_it_is_looked_at_then() {
    let mut net = Net::new();
    let id = scid(999);
    for early in [update(1, 0, id, NOW), node_announcement(1, NOW)] {
        assert_eq!(net.hear(early), Outcome::Ignored(Ignored::Early));
    }
    let funding = crate::kit::funding(0, 1, id);
    let ours = crate::kit::channel(0, 1, id);
    let freed = net.gossip.own(NOW, &ours, Some((funding.outpoint, funding.amount))).expect("it is news");
    assert_eq!(freed.len(), 2);
    for output in freed {
        let Output::Verify(job) = output else { panic!("its signature is not checked yet: {output:?}") };
        assert_eq!(net.check(peer(1), *job), Outcome::Taken(vec![]));
    }
    assert_eq!(net.policy_at(1, 0, id), Some(NOW));
    assert!(net.gossip.graph().node(&node(1)).is_some());
    assert_eq!(net.gossip.early_count(), 0);
}

#[test]
fn a_channel_of_ours_that_its_peer_announced_first_does_not_wait_for_the_chain() {
    let mut net = Net::new();
    let id = scid(900);
    let funding = crate::kit::funding(0, 1, id);
    let announced = crate::kit::channel(0, 1, id);
    assert_eq!(net.hear(announced.clone()), Outcome::Taken(vec![Output::AskChain(id)]));
    assert_eq!(net.hear(update(1, 0, id, NOW)), Outcome::Ignored(Ignored::Early));
    let freed = net.gossip.own(NOW, &announced, Some((funding.outpoint, funding.amount)));
    assert_eq!(freed.map(|freed| freed.len()), Some(1), "its update, which waited with it");
    assert_eq!(net.gossip.waiting_count(), 0);
    net.answer(id, &ChainAnswer::Unspent(funding));
    assert!(!net.gossip.is_closed(id), "the answer comes late and changes nothing");
}

/// All that a backlog has, in pieces.
fn pieces(net: &Net, filter: Filter) -> Vec<Vec<Message>> {
    let mut backlog = Backlog::new(filter);
    std::iter::from_fn(|| backlog.next(&net.gossip)).map(|piece| net.messages(piece)).collect()
}

// BOLT 7.the-gossip_timestamp_filter-message.3
// BOLT 7.the-gossip_timestamp_filter-message.7
// BOLT 7.the-gossip_timestamp_filter-message.11
#[test]
fn a_filter_is_answered_with_what_is_known_already() {
    let mut net = Net::new();
    net.add_open_channel(1, 2, scid(900));
    net.add_channel(1, 3, scid(901));
    net.hear(node_announcement(1, NOW - 100));
    net.hear(node_announcement(2, NOW - 50));
    let all: Vec<Message> = pieces(&net, filter(0, u32::MAX)).concat();
    let expected = [
        "channel_announcement",
        "channel_update",
        "channel_update",
        "node_announcement",
        "node_announcement",
    ];
    assert_eq!(names(&all), expected, "the channel without updates is left out");
    assert_eq!(names(&pieces(&net, filter(NOW - 60, 60)).concat()), ["node_announcement"]);
    assert_eq!(net.hear(update(1, 3, scid(901), NOW)), Outcome::Taken(vec![]));
    let new = pieces(&net, filter(NOW, 1)).concat();
    assert_eq!(names(&new), ["channel_announcement", "channel_update"]);
}

// attack 62
#[test]
fn a_filter_from_the_beginning_of_time_is_answered_in_small_pieces() {
    let mut net = Net::new();
    for n in 0..300 {
        net.add_open_channel(1, 2, scid(500 + n));
    }
    let answers = pieces(&net, filter(0, u32::MAX));
    assert!(answers.len() > 3);
    assert!(answers.iter().all(|piece| piece.len() <= PIECE + 3));
    assert_eq!(answers.concat().len(), 900);
    // What stays between two pieces is a place, however large the graph is.
    assert!(size_of::<Backlog>() < 200);
}
