//! What a start finds after any end.
#![allow(clippy::unwrap_used)]

use super::{IMAGE, LOG};
use crate::engine::gossip::GossipEngine;
use astrape_primitives::{CltvDelta, Height, Msat, Network, NodeId, Sat, ShortChannelId};
use astrape_routing::gossip::Heard;
use astrape_routing::graph::Channel;
use astrape_wire::{ChannelAnnouncement, ChannelUpdate, Message};
use bitcoin::hashes::Hash as _;
use bitcoin::secp256k1::ecdsa::Signature;
use bitcoin::secp256k1::{PublicKey, Secp256k1, SecretKey};
use bitcoin::{OutPoint, Txid};
use std::path::{Path, PathBuf};

const NOW: u32 = 1_790_000_000;
const TIP: Height = Height(1_000);

fn key(n: u8) -> PublicKey {
    SecretKey::from_slice(&[n; 32]).unwrap().public_key(&Secp256k1::new())
}

fn id(n: u32) -> ShortChannelId {
    ShortChannelId::new(n, 1, 0).unwrap()
}

fn outpoint(n: u32) -> OutPoint {
    let mut txid = [7; 32];
    txid[..4].copy_from_slice(&n.to_be_bytes());
    OutPoint { txid: Txid::from_byte_array(txid), vout: 0 }
}

fn no_signature() -> Signature {
    Signature::from_compact(&[0; 64]).unwrap()
}

fn announcement(n: u32) -> ChannelAnnouncement {
    let mut nodes = [key(1 + (n % 50) as u8), key(100 + (n % 70) as u8)].map(|key| NodeId::from_key(&key));
    nodes.sort();
    ChannelAnnouncement {
        node_signature_1: no_signature(),
        node_signature_2: no_signature(),
        bitcoin_signature_1: no_signature(),
        bitcoin_signature_2: no_signature(),
        features: Default::default(),
        chain_hash: Network::Regtest.chain_hash(),
        short_channel_id: id(n),
        node_id_1: nodes[0].into(),
        node_id_2: nodes[1].into(),
        bitcoin_key_1: key(3),
        bitcoin_key_2: key(4),
        extension: Default::default(),
    }
}

fn update(n: u32, fee_base_msat: u32) -> ChannelUpdate {
    ChannelUpdate {
        signature: no_signature(),
        chain_hash: Network::Regtest.chain_hash(),
        short_channel_id: id(n),
        timestamp: NOW + fee_base_msat,
        message_flags: 1,
        channel_flags: (n % 2) as u8,
        cltv_expiry_delta: CltvDelta(40),
        htlc_minimum_msat: Msat(1),
        fee_base_msat,
        fee_proportional_millionths: 10,
        htlc_maximum_msat: Msat(900_000),
        extension: Default::default(),
    }
}

/// A directory, and what is done to its files between two starts.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn open(&self) -> GossipEngine {
        open(self.0.path(), Network::Regtest)
    }

    /// Puts another file in the place of one.
    fn change(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = std::fs::read(self.path(name)).unwrap();
        change(&mut bytes);
        std::fs::write(self.path(name), bytes).unwrap();
    }

    /// As the files of a node that knows `channels` and was stopped.
    fn stopped(&self, channels: std::ops::Range<u32>) -> Known {
        let engine = self.open();
        channels.for_each(|n| learn(&engine, n));
        engine.lock().gossip.block_connected(TIP.plus(1), [outpoint(3)]);
        engine.store.close(&engine);
        known(&engine)
    }
}

fn open(directory: &Path, network: Network) -> GossipEngine {
    GossipEngine::open(directory, network, NodeId::from_key(&key(99)), TIP).unwrap()
}

fn learn(engine: &GossipEngine, n: u32) {
    let mut state = engine.lock();
    let channel = Heard::new(Message::ChannelAnnouncement(announcement(n))).unwrap();
    assert!(state.gossip.own(NOW, &channel, Some((outpoint(n), Sat(1_000)))).is_some());
    assert!(
        state.gossip.own(NOW, &Heard::new(Message::ChannelUpdate(update(n, n))).unwrap(), None).is_some()
    );
}

fn reprice(engine: &GossipEngine, n: u32, fee: u32) {
    let heard = Heard::new(Message::ChannelUpdate(update(n, fee))).unwrap();
    assert!(engine.lock().gossip.own(NOW, &heard, None).is_some());
}

/// All that is known: channels, and which of them are closed.
type Known = Vec<(Channel, Option<Height>)>;

fn known(engine: &GossipEngine) -> Known {
    let state = engine.lock();
    let channels = state.gossip.graph().channels(..);
    channels.map(|channel| (channel.clone(), state.gossip.closed_at(channel.short_channel_id))).collect()
}

/// Where the image that a start used ended; zero when it used none.
fn imaged(engine: &GossipEngine) -> u64 {
    engine.store.written.lock().unwrap().imaged
}

#[test]
fn a_start_reads_the_image_and_what_the_log_says_since() {
    let home = Home::new();
    home.stopped(1..200);
    // Learnt since, and no time for another image.
    let engine = home.open();
    learn(&engine, 300);
    reprice(&engine, 5, 9_000);
    engine.lock().gossip.block_connected(TIP.plus(2), [outpoint(4)]);
    engine.store.save(&engine).unwrap();
    let before = known(&engine);
    drop(engine);
    // Where the first channel stands in the log, nobody looks.
    home.change(LOG, |log| log[20] ^= 1);
    let engine = home.open();
    assert!(imaged(&engine) > 0);
    assert_eq!(known(&engine), before);
    assert_eq!(before.len(), 200);
    assert_eq!(before.iter().filter(|(_, closed)| closed.is_some()).count(), 2);
    // The chain is followed from there, and messages are found where the graph says.
    engine.lock().gossip.block_connected(TIP.plus(3), [outpoint(150)]);
    assert!(engine.lock().gossip.is_closed(id(150)));
    let at = before[150].0.stored.unwrap();
    assert_eq!(engine.store.messages(&engine, &[at]).len(), 1);
    assert_eq!(engine.store.messages(&engine, &[before[0].0.stored.unwrap()]).len(), 0, "it was damaged");
}

#[test]
fn without_a_whole_image_all_is_read_from_the_log() {
    let home = Home::new();
    let before = home.stopped(1..60);
    let image = std::fs::read(home.path(IMAGE)).unwrap();
    let damages: Vec<Vec<u8>> = (0..image.len())
        .step_by(41)
        .flat_map(|at| {
            let mut flipped = image.clone();
            flipped[at] ^= 4;
            [image[..at].to_vec(), flipped]
        })
        .chain([[&image[..], &[0]].concat(), vec![0; image.len()]])
        .collect();
    for damaged in damages {
        std::fs::write(home.path(IMAGE), damaged).unwrap();
        let engine = home.open();
        assert_eq!(imaged(&engine), 0, "it is not believed");
        assert_eq!(known(&engine), before);
    }
    std::fs::remove_file(home.path(IMAGE)).unwrap();
    let engine = home.open();
    assert_eq!((imaged(&engine), known(&engine)), (0, before.clone()));
    // And the next end makes a new one.
    engine.store.close(&engine);
    drop(engine);
    let engine = home.open();
    assert!(imaged(&engine) > 0);
    assert_eq!(known(&engine), before);
}

#[test]
fn an_image_of_another_version_or_chain_is_not_read() {
    let home = Home::new();
    let before = home.stopped(1..20);
    home.change(IMAGE, |image| image[7] += 1);
    let engine = home.open();
    assert_eq!((imaged(&engine), known(&engine)), (0, before));
    engine.store.close(&engine);
    drop(engine);
    let elsewhere = open(home.0.path(), Network::Testnet4);
    assert_eq!(imaged(&elsewhere), 0);
}

#[test]
fn an_image_that_is_ahead_of_its_log_or_of_another_log_is_not_believed() {
    let home = Home::new();
    home.stopped(1..30);
    let short = std::fs::read(home.path(LOG)).unwrap();
    let engine = home.open();
    let before = known(&engine);
    drop(engine);
    // The log lost its end, with what the image knows of it.
    let ahead = Home::new();
    ahead.stopped(1..40);
    std::fs::write(ahead.path(LOG), &short).unwrap();
    let engine = ahead.open();
    assert_eq!((imaged(&engine), known(&engine)), (0, before));
    // The log has gone another way since, and is longer.
    let other = Home::new();
    let theirs = other.stopped(100..180);
    std::fs::copy(home.path(IMAGE), other.path(IMAGE)).unwrap();
    let engine = other.open();
    assert_eq!((imaged(&engine), known(&engine)), (0, theirs));
    // There is no log.
    std::fs::remove_file(home.path(LOG)).unwrap();
    let engine = home.open();
    assert_eq!((imaged(&engine), known(&engine)), (0, Vec::new()));
}

#[test]
fn a_crash_at_any_byte_of_the_log_loses_only_what_was_last() {
    let home = Home::new();
    let imaged_first = home.stopped(1..30);
    let engine = home.open();
    (30..33).for_each(|n| learn(&engine, n));
    engine.store.save(&engine).unwrap();
    let (all, image_end) = (known(&engine), imaged(&engine));
    drop(engine);
    let log = std::fs::read(home.path(LOG)).unwrap();
    for cut in (0..log.len()).step_by(67).chain([log.len()]) {
        std::fs::write(home.path(LOG), &log[..cut]).unwrap();
        let engine = home.open();
        let found = known(&engine);
        let ids =
            |known: &Known| known.iter().map(|(channel, _)| channel.short_channel_id).collect::<Vec<_>>();
        assert!(ids(&all).starts_with(&ids(&found)), "cut at {cut}");
        if cut as u64 >= image_end {
            assert!(imaged(&engine) > 0 && found.len() >= imaged_first.len(), "cut at {cut}");
        } else {
            assert_eq!(imaged(&engine), 0, "cut at {cut}");
        }
        let end = engine.lock().gossip.end().bytes();
        drop(engine);
        assert_eq!(std::fs::metadata(home.path(LOG)).unwrap().len(), end, "what was cut is gone");
    }
}

/// A node whose log is mostly old, and as long as one that is worth writing anew.
fn grown(home: &Home) -> GossipEngine {
    let engine = home.open();
    (1..40).for_each(|n| learn(&engine, n));
    engine.lock().gossip.block_connected(TIP.plus(1), [outpoint(3)]);
    let mut fee = 1_000;
    while engine.lock().gossip.end().bytes() < 16 << 20 {
        (1..40).for_each(|n| reprice(&engine, n, fee));
        fee += 1;
        if engine.lock().gossip.unsaved_len() > 1 << 20 {
            engine.store.save(&engine).unwrap();
        }
    }
    engine
}

fn log_len(home: &Home) -> u64 {
    std::fs::metadata(home.path(LOG)).unwrap().len()
}

/// What is known but where it is kept.
fn content(known: Known) -> Vec<(ShortChannelId, [Option<u32>; 2], Option<Height>)> {
    let content = |(c, at): (Channel, _)| {
        (c.short_channel_id, c.policies.map(|policy| policy.map(|p| p.fee_base_msat)), at)
    };
    known.into_iter().map(content).collect()
}

/// How much of what is known is found where it is said to be.
fn found(engine: &GossipEngine) -> usize {
    let places: Vec<_> = engine.lock().gossip.graph().places().collect();
    engine.store.messages(engine, &places).len()
}

#[test]
fn a_log_that_is_mostly_old_is_written_anew_while_the_node_runs() {
    let home = Home::new();
    let engine = grown(&home);
    let waiting = engine.lock().gossip.unsaved_len();
    assert!(imaged(&engine) > 4 << 20 && waiting > 0, "there was an image, and something waits");
    let whole = content(known(&engine));
    engine.store.save(&engine).unwrap();
    let short = log_len(&home);
    assert!(short < 100_000, "{short}");
    assert_eq!(content(known(&engine)), whole);
    assert_eq!(found(&engine), 39 + 39);
    // It goes on from there: what comes now is found, and there after a start.
    learn(&engine, 50);
    reprice(&engine, 7, 950_000);
    assert_eq!(found(&engine), 40 + 40, "also what is not written yet");
    engine.store.save(&engine).unwrap();
    assert_eq!(found(&engine), 40 + 40);
    let now = known(&engine);
    drop(engine);
    let engine = home.open();
    assert_eq!((imaged(&engine), known(&engine)), (0, now.clone()), "the old image is gone");
    engine.store.close(&engine);
    drop(engine);
    let engine = home.open();
    assert!(imaged(&engine) > 0);
    assert_eq!((known(&engine), found(&engine)), (now, 40 + 40));
}

#[test]
fn a_log_that_cannot_be_written_anew_stays_and_keeps_no_node_from_starting() {
    let home = Home::new();
    let engine = grown(&home);
    // Something is in the way.
    std::fs::create_dir_all(home.path("gossip.log.new")).unwrap();
    engine.store.save(&engine).unwrap();
    let long = log_len(&home);
    assert!(long > 16 << 20);
    reprice(&engine, 7, 950_000);
    engine.store.close(&engine);
    let before = known(&engine);
    drop(engine);
    let engine = home.open();
    assert_eq!(known(&engine), before);
    assert_eq!(found(&engine), 39 + 39);
    // Nothing is, any more.
    std::fs::remove_dir_all(home.path("gossip.log.new")).unwrap();
    engine.store.save(&engine).unwrap();
    assert!(log_len(&home) < 100_000);
    assert_eq!((content(known(&engine)), found(&engine)), (content(before), 39 + 39));
}

#[test]
fn a_log_that_is_being_written_anew_is_given_up_when_the_engine_ends() {
    let home = Home::new();
    let engine = grown(&home);
    engine.store.hurry();
    engine.store.save(&engine).unwrap();
    assert!(log_len(&home) > 16 << 20 && !home.path("gossip.log.new").exists());
    engine.store.close(&engine);
    let before = known(&engine);
    drop(engine);
    assert_eq!(known(&home.open()), before);
}

#[test]
fn a_start_does_not_make_the_log_younger() {
    let home = Home::new();
    drop(home.stopped(1..4));
    let heard = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
    let log = std::fs::OpenOptions::new().write(true).open(home.path(LOG)).unwrap();
    log.set_modified(heard).unwrap();
    for _ in 0..2 {
        let engine = home.open();
        assert_eq!(crate::engine::gossip::Store::last_saved(home.0.path()), Some(1_700_000_000));
        drop(engine);
    }
}

#[test]
fn while_the_log_cannot_be_written_no_more_waits_for_it_than_its_bound() {
    let home = Home::new();
    let engine = home.open();
    (1..40).for_each(|n| learn(&engine, n));
    let mut fee = 100_000;
    while engine.lock().gossip.unsaved_len() < astrape_routing::gossip::MAX_UNSAVED {
        (1..40).for_each(|n| reprice(&engine, n, fee));
        fee += 1;
    }
    let peer = NodeId::from_key(&key(98));
    let offer = |n| {
        let heard = Heard::new(Message::ChannelAnnouncement(announcement(n))).unwrap();
        engine.lock().offer(peer, heard).is_some()
    };
    assert!(offer(50), "it is written in a moment");
    engine.lock().log_fails = true;
    assert!(!offer(51));
    engine.store.save(&engine).unwrap();
    assert!(offer(51), "there is room again");
}
