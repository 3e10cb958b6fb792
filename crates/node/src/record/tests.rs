//! What was written is read again, only what changed is written, and what was not written so is refused.
//!
//! | room | what is in it |
//! |---|---|
//! | `examples` | values of every kind, each made from a number |
//! | `changes` | only what changed is written |
//! | `frozen` | rows that the first version wrote |
//! | `later` | what came after it |
//! | `refused` | what was not written so |

mod changes;
pub(crate) mod examples;
mod frozen;
mod later;
mod refused;

use super::*;
use crate::journal::Key;
use astrape_channel::{Open, Phase};
use astrape_primitives::{HtlcId, Side};
use examples::Gen;
use std::collections::BTreeMap;
use std::fmt::Write as _;

type Rows = BTreeMap<Key, Vec<u8>>;
type Changes = BTreeMap<Key, Option<Vec<u8>>>;

/// Rows made from these seeds are frozen in the fixtures: together they have every kind, phase and way to end.
const FROZEN_SEEDS: [u64; 6] = [0, 4, 5, 23, 72, 176];
fn keys(seed: u64) -> ChannelKeysId {
    ChannelKeysId(Gen(seed).bytes())
}

fn apply(rows: &mut Rows, changes: Changes) {
    for (key, value) in changes {
        match value {
            Some(value) => rows.insert(key, value),
            None => {
                assert!(rows.contains_key(&key), "{key:?} is taken away, though it is not there");
                rows.remove(&key)
            }
        };
    }
}

fn changes(old: Option<&Channel>, new: Option<&Channel>) -> Changes {
    let mut out = Changes::new();
    diff_channel(old, new, &mut out);
    out
}

fn rows_of(channel: &Channel) -> Rows {
    let mut rows = Rows::new();
    apply(&mut rows, changes(None, Some(channel)));
    rows
}

/// A node with one of each, from a seed.
fn node(seed: u64) -> Restored {
    let mut g = Gen(seed);
    let keys = keys(seed);
    let (invoice, receiving, coin, owed) = (g.invoice(), g.receiving(), g.coin(), g.owed());
    let payment = g.payment();
    Restored {
        channels: BTreeMap::from([(keys, Arc::new(g.channel(keys)))]),
        payments: BTreeMap::from([(payment.payment_hash, Arc::new(payment))]),
        invoices: BTreeMap::from([(invoice.payment_hash, Arc::new(invoice))]),
        receiving: BTreeMap::from([(receiving.payment_hash, Arc::new(receiving))]),
        coins: [coin].into_iter().collect(),
        peers: BTreeMap::from([g.known_peer()]),
        peer_updates: BTreeMap::from([(keys, Arc::new(g.channel_update()))]),
        owed: BTreeMap::from([(owed.tx.compute_txid(), owed)]),
        chain: g.chain_state(),
        counters: g.counters(),
        own_updates: BTreeMap::from([(keys, OwnUpdate(g.channel_update()))]),
        own_node: BTreeMap::from([((), OwnNode(g.node_announcement()))]),
        policies: BTreeMap::new(),
        failed_by_peer: BTreeMap::new(),
        held: BTreeMap::new(),
        resolutions: BTreeMap::from([(keys, Arc::new(g.court(keys)))]),
    }
}

fn single_rows<V: Row>(values: impl IntoIterator<Item = (V::Id, V)>, rows: &mut Rows) {
    for (id, value) in values {
        rows.insert(V::KIND.key(&V::id_bytes(&id)), value.encode());
    }
}

fn rows_of_node(node: Restored) -> Rows {
    let mut rows = Rows::new();
    for channel in node.channels.values() {
        rows.extend(rows_of(channel));
    }
    single_rows(node.payments, &mut rows);
    single_rows(node.invoices, &mut rows);
    single_rows(node.receiving, &mut rows);
    single_rows(node.coins.iter().map(|coin| (coin.outpoint(), coin.clone())), &mut rows);
    single_rows(node.peers, &mut rows);
    single_rows(node.peer_updates, &mut rows);
    single_rows(node.own_updates, &mut rows);
    single_rows(node.own_node, &mut rows);
    single_rows(node.policies, &mut rows);
    single_rows(node.failed_by_peer, &mut rows);
    single_rows(node.owed, &mut rows);
    single_rows([((), node.chain)], &mut rows);
    single_rows([((), node.counters)], &mut rows);
    for (keys, resolution) in &node.resolutions {
        let mut out = Changes::new();
        diff_resolution(keys, None, Some(resolution), &mut out);
        apply(&mut rows, out);
    }
    rows
}

fn assert_same(read: &Restored, written: &Restored) {
    assert_eq!(read.channels, written.channels);
    assert_eq!(read.payments, written.payments);
    assert_eq!(read.invoices, written.invoices);
    assert_eq!(read.receiving, written.receiving);
    assert!(read.coins.iter().eq(written.coins.iter()));
    assert_eq!(read.peers, written.peers);
    assert_eq!(read.peer_updates, written.peer_updates);
    assert_eq!(read.own_updates, written.own_updates);
    assert_eq!(read.own_node, written.own_node);
    assert_eq!(read.policies, written.policies);
    assert_eq!(read.failed_by_peer, written.failed_by_peer);
    assert_eq!(read.owed, written.owed);
    assert_eq!(read.chain, written.chain);
    assert_eq!(read.counters, written.counters);
    assert_eq!(read.resolutions, written.resolutions);
}

#[test]
fn what_was_written_is_read_again() {
    for seed in 0..200 {
        let rows = rows_of_node(node(seed));
        let read = restore(&rows).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        assert_same(&read, &node(seed));
        assert_eq!(rows_of_node(read), rows, "seed {seed}: the same bytes");
    }
}

/// An open channel with as many HTLCs as BOLT 2 allows in one direction.
fn full_channel() -> Open {
    let mut open = Gen(1).open(keys(1));
    let mut g = Gen(2);
    open.htlcs =
        (0..483).map(HtlcId).map(|id| ((Side::Remote, id), Arc::new(g.htlc(Side::Remote, id)))).collect();
    open
}

fn channel_of(open: &Open) -> Channel {
    Channel { link: astrape_channel::Link::Down, phase: Phase::Open(Box::new(open.clone())) }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, b| {
        write!(out, "{b:02x}").expect("a string takes all");
        out
    })
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("two digits");
    (0..text.len()).step_by(2).map(digits).collect()
}
