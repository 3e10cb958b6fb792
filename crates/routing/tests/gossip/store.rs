//! The log: what was taken is there again after a restart.

use crate::kit::{NOW, Net, TIP, funding, node, node_announcement, scid, update};
use astrape_primitives::Network;
use astrape_routing::Gossip;
use astrape_routing::gossip::image::{ImageError, ImageFile, tail};
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

fn sealed(net: &Net) -> Vec<u8> {
    net.gossip.image().seal(&whole_log(net))
}

/// The log is short: it is its own tail.
fn whole_log(net: &Net) -> Vec<u8> {
    let log = [&MAGIC[..], &net.gossip.unsaved()].concat();
    let tail = tail(net.gossip.end());
    log[usize::try_from(tail.start).expect("short")..].to_vec()
}

fn from_image(image: &[u8], log_tail: &[u8]) -> Result<Gossip, ImageError> {
    ImageFile::open(image)?.load(Network::Regtest.chain_hash(), node(0), log_tail)
}

#[test]
fn an_image_says_what_the_log_says() {
    let net = lively();
    let mut loaded = from_image(&sealed(&net), &whole_log(&net)).expect("it was made here");
    let mut replayed = load(&net.gossip.unsaved());
    assert_eq!(channels(&loaded), channels(&replayed));
    assert_eq!(loaded.graph().node(&node(1)), replayed.graph().node(&node(1)));
    assert_eq!(loaded.end(), replayed.end());
    // And the chain is followed alike from there.
    for gossip in [&mut loaded, &mut replayed] {
        gossip.block_connected(TIP.plus(81), [funding(1, 2, scid(900)).outpoint]);
        assert!(gossip.is_closed(scid(900)) && gossip.is_closed(scid(903)));
        assert_eq!(gossip.closed_at(scid(903)), Some(TIP.plus(80)));
        gossip.block_connected(TIP.plus(80 + 72), []);
    }
    assert_eq!(channels(&loaded), channels(&replayed));
    assert!(loaded.graph().channel(scid(903)).is_none() && loaded.graph().channel(scid(900)).is_some());
    assert_eq!(loaded.unsaved(), replayed.unsaved());
}

// attack 83
#[test]
fn an_image_with_a_flipped_bit_or_a_part_of_one_is_refused() {
    let net = lively();
    let (image, log_tail) = (sealed(&net), whole_log(&net));
    for at in 0..image.len() {
        let mut damaged = image.clone();
        damaged[at] ^= 1 << (at % 8);
        assert!(from_image(&damaged, &log_tail).is_err(), "byte {at}");
        assert!(from_image(&image[..at], &log_tail).is_err(), "{at} bytes");
    }
    for more in [&[0][..], &[0; 8], &[1; 64]] {
        assert!(from_image(&[&image, more].concat(), &log_tail).is_err());
    }
}

#[test]
fn an_image_of_another_log_version_or_chain_is_refused() {
    let net = lively();
    let (image, log_tail) = (sealed(&net), whole_log(&net));
    let mut other = log_tail.clone();
    *other.last_mut().expect("not empty") ^= 1;
    assert_eq!(from_image(&image, &other).err(), Some(ImageError::OtherLog));
    assert_eq!(from_image(&image, &log_tail[1..]).err(), Some(ImageError::OtherLog));
    let mut old = image.clone();
    old[7] = 0;
    assert_eq!(from_image(&old, &log_tail).err(), Some(ImageError::Format));
    let elsewhere = ImageFile::open(&image).expect("whole").load([3; 32], node(0), &log_tail);
    assert_eq!(elsewhere.err(), Some(ImageError::OtherChain));
}
