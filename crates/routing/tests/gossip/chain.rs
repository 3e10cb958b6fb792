//! Blocks come and go: channels close, come back, and are forgotten.

use crate::kit::{NOW, Net, Outcome, TIP, channel, funding, node, scid, update};
use astrape_routing::gossip::serve::Backlog;
use astrape_routing::gossip::{ChainAnswer, Filter, Ignored};
use astrape_wire::GossipTimestampFilter;

fn all() -> Filter {
    Filter::new(&GossipTimestampFilter { chain_hash: [0; 32], first_timestamp: 0, timestamp_range: u32::MAX })
}

// BOLT 7.the-channel_announcement-message.30
// BOLT 7.the-channel_announcement-message.31
// BOLT 7.pruning-the-network-view.2
// BOLT 7.the-gossip_timestamp_filter-message.8
#[test]
fn a_channel_whose_funding_is_spent_is_forgotten_after_72_blocks_and_not_passed_on_before() {
    let mut net = Net::new();
    net.add_open_channel(1, 2, scid(900));
    net.gossip.block_connected(TIP.plus(1), [funding(1, 2, scid(900)).outpoint]);
    assert!(net.gossip.is_closed(scid(900)));
    assert!(net.gossip.flush(NOW).is_empty(), "what was gathered of it is not passed on");
    assert_eq!(Backlog::new(all()).next(&net.gossip), Some(Vec::new()));
    for n in 2..73 {
        net.gossip.block_connected(TIP.plus(n), []);
        assert!(net.gossip.graph().channel(scid(900)).is_some(), "block {n}");
    }
    net.gossip.block_connected(TIP.plus(73), []);
    assert!(net.gossip.graph().channel(scid(900)).is_none());
    assert!(!net.gossip.graph().has_node(&node(1)), "with its last channel a node is forgotten");
    assert_eq!(net.hear(channel(1, 2, scid(900))), Outcome::Ignored(Ignored::Closed));
    assert_eq!(net.hear(update(1, 2, scid(900), NOW)), Outcome::Ignored(Ignored::Closed));
}

#[test]
fn a_spend_that_leaves_the_chain_opens_the_channel_again() {
    let mut net = Net::new();
    net.add_open_channel(1, 2, scid(900));
    net.gossip.block_connected(TIP.plus(1), [funding(1, 2, scid(900)).outpoint]);
    assert!(net.gossip.block_disconnected(TIP.plus(1)).is_empty());
    assert!(!net.gossip.is_closed(scid(900)));
    assert_eq!(net.hear(update(1, 2, scid(900), NOW)), Outcome::Taken(vec![]));
}

#[test]
fn a_funding_that_leaves_the_chain_is_asked_for_again() {
    let mut net = Net::new();
    let deep = scid(TIP.0 - 5);
    net.add_open_channel(1, 2, deep);
    net.add_open_channel(1, 3, scid(900));
    for n in 0..=5 {
        let asked = net.gossip.block_disconnected(astrape_primitives::Height(TIP.0 - n));
        assert_eq!(asked, if n == 5 { vec![deep] } else { vec![] });
    }
    assert!(net.gossip.is_closed(deep) && !net.gossip.is_closed(scid(900)));
    net.answer(deep, &ChainAnswer::Unspent(funding(1, 2, deep)));
    assert!(!net.gossip.is_closed(deep), "it is in the same place of the new chain");
    net.gossip.block_disconnected(astrape_primitives::Height(deep.block()));
    net.answer(deep, &ChainAnswer::Gone);
    assert!(net.gossip.is_closed(deep));
    for n in 0..72 {
        net.gossip.block_connected(TIP.plus(n), []);
    }
    assert!(net.gossip.graph().channel(deep).is_none());
}

// BOLT 7.recommendation-on-pruning-stale-entries.1
#[test]
fn a_channel_of_which_an_end_was_silent_for_two_weeks_is_pruned() {
    let mut net = Net::new();
    net.add_open_channel(1, 2, scid(900));
    net.add_open_channel(3, 4, scid(901));
    let day = 24 * 60 * 60;
    net.now = NOW + 10 * day;
    for (from, to) in [(3, 4), (4, 3), (1, 2)] {
        let id = if from == 1 { scid(900) } else { scid(901) };
        assert_eq!(net.hear(update(from, to, id, net.now)), Outcome::Taken(vec![]));
    }
    assert_eq!(net.gossip.prune(NOW + 13 * day), 0);
    assert_eq!(net.gossip.prune(NOW + 15 * day), 1);
    assert!(net.gossip.graph().channel(scid(900)).is_none());
    assert!(net.gossip.graph().channel(scid(901)).is_some());
    net.now = NOW + 15 * day;
    assert!(matches!(net.hear(channel(1, 2, scid(900))), Outcome::Taken(_)), "it may come back");
}

#[test]
fn a_channel_of_ours_stays_though_its_peer_was_silent_for_two_weeks_and_says_something_when_it_is_back() {
    let mut net = Net::new();
    // We are node 0.
    net.add_open_channel(0, 1, scid(900));
    let day = 24 * 60 * 60;
    net.now = NOW + 15 * day;
    assert_eq!(net.gossip.prune(net.now), 0);
    assert!(
        net.gossip.own(net.now, &update(0, 1, scid(900), net.now), None).is_some(),
        "it is still told of"
    );
    assert_eq!(net.hear(update(1, 0, scid(900), net.now)), Outcome::Taken(vec![]));
}

#[test]
fn a_channel_that_the_chain_did_not_know_is_asked_for_again_four_weeks_later() {
    let mut net = Net::new();
    net.hear(channel(1, 2, scid(900)));
    net.answer(scid(900), &ChainAnswer::Gone);
    net.gossip.block_connected(TIP.plus(4_031), []);
    assert_eq!(net.hear(channel(1, 2, scid(900))), Outcome::Ignored(Ignored::Closed));
    net.gossip.block_connected(TIP.plus(4_032), []);
    assert!(matches!(net.hear(channel(1, 2, scid(900))), Outcome::Taken(_)), "the chain may have been wrong");
}
