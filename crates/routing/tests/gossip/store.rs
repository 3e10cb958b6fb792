//! The log: what was taken is there again after a restart.

use crate::kit::{NOW, Net, TIP, funding, node, node_announcement, scid, update};
use astrape_primitives::Network;
use astrape_routing::Gossip;
use astrape_routing::gossip::log::{Frame, LogEnd, MAGIC, read_frame};
use astrape_routing::graph::Channel;

/// Reads a log as the shell does.
fn load(log: &[u8]) -> Gossip {
    let mut gossip = Gossip::new(Network::Regtest.chain_hash(), node(0));
    let mut rest = log;
    while let Frame::Whole(record, len) = read_frame(rest) {
        assert!(gossip.replay(&record, len));
        rest = &rest[len..];
    }
    gossip
}

fn channels(gossip: &Gossip) -> Vec<Channel> {
    gossip.graph().channels(..).collect()
}

fn lively() -> Net {
    let mut net = Net::new();
    for n in 0..5 {
        net.add_open_channel(1, 2 + n, scid(900 + u32::from(n)));
    }
    net.hear(node_announcement(1, NOW));
    net.hear(update(1, 2, scid(900), NOW));
    net.gossip
        .block_connected(TIP.plus(1), [funding(1, 3, scid(901)).outpoint, funding(1, 4, scid(902)).outpoint]);
    net.gossip.block_disconnected(TIP.plus(1));
    net.gossip.block_connected(TIP.plus(1), [funding(1, 4, scid(902)).outpoint]);
    for n in 2..80 {
        net.gossip.block_connected(TIP.plus(n), []);
    }
    net.gossip.block_connected(TIP.plus(80), [funding(1, 5, scid(903)).outpoint]);
    net
}

#[test]
fn what_is_replayed_is_what_was_there() {
    let net = lively();
    let log = net.gossip.unsaved();
    let loaded = load(&log);
    assert_eq!(channels(&loaded), channels(&net.gossip));
    assert_eq!(loaded.graph().node(&node(1)), net.gossip.graph().node(&node(1)));
    assert_eq!(loaded.end(), net.gossip.end());
    assert_eq!(loaded.end().bytes(), (MAGIC.len() + log.len()) as u64);
    for block in 900..905 {
        assert_eq!(loaded.is_closed(scid(block)), net.gossip.is_closed(scid(block)), "{block}");
    }
    assert!(loaded.is_closed(scid(903)) && loaded.graph().channel(scid(902)).is_none());
}

#[test]
fn a_log_that_was_cut_by_a_crash_is_read_up_to_there() {
    let log = lively().gossip.unsaved();
    for cut in (0..log.len()).step_by(97) {
        let loaded = load(&log[..cut]);
        assert!(loaded.end().bytes() <= (MAGIC.len() + cut) as u64);
    }
    assert_eq!(load(&[]).end(), LogEnd::EMPTY);
}

#[test]
fn what_is_saved_leaves_memory_and_what_is_not_can_be_read_from_there() {
    let mut net = Net::new();
    net.add_open_channel(1, 2, scid(900));
    let first = net.gossip.graph().channel(scid(900)).expect("there").stored.expect("kept");
    assert!(net.gossip.unsaved_message(first).is_some());
    let len = net.gossip.unsaved_len();
    net.add_open_channel(1, 3, scid(901));
    net.gossip.saved(len);
    assert!(net.gossip.unsaved_message(first).is_none(), "it is in the file");
    let second = net.gossip.graph().channel(scid(901)).expect("there").stored.expect("kept");
    assert!(net.gossip.unsaved_message(second).is_some());
}
