//! What was written is read again, only what changed is written, and what was not written so is refused.

pub(crate) mod examples;

use super::*;
use crate::journal::Key;
use astrape_channel::htlc::{Direction, Htlc, OnionSource, Resolution};
use astrape_channel::{How, Open, Phase};
use astrape_onion::{Hop, PeelFailure, Peeled};
use astrape_payment::send::{Lessons, Limit, What};
use astrape_payment::{ForwardPolicy, InboundFee, Payment};
use astrape_primitives::{HtlcId, Msat, PaymentPreimage, ShortChannelId, Side, Timestamp};
use astrape_routing::Direction as Way;
use examples::Gen;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

type Rows = BTreeMap<Key, Vec<u8>>;
type Changes = BTreeMap<Key, Option<Vec<u8>>>;

/// Rows made from these seeds are frozen in the fixtures: together they have every kind, phase and way to end.
const FROZEN_SEEDS: [u64; 6] = [0, 4, 5, 23, 72, 176];
const FROZEN: &str = include_str!("../../tests/fixtures/records-v1.txt");

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

#[test]
fn policies_of_channels_are_read_again_and_stay_readable() {
    for seed in 0..100 {
        let (policy, keys) = (Gen(7_000 + seed).channel_policy(), keys(seed));
        let mut rows = Rows::new();
        single_rows([(keys, policy.clone())], &mut rows);
        let read = restore(&rows).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        assert_eq!(*read.policies[&keys], policy, "seed {seed}");
    }
    // Written by the first version that had them.
    let frozen = "010026000000000000000700000064005000000000000000010000000000002710fffffffeffffffce\
                  022e000000000000000800000064005000000000000000010000000000002710fffffffeffffffce0000018bcfe56800";
    let bytes: Vec<u8> = (0..frozen.len() / 2)
        .map(|i| u8::from_str_radix(&frozen[2 * i..2 * i + 2], 16).expect("hexadecimal"))
        .collect();
    let asked = |base| ForwardPolicy {
        fee_base: Msat(base),
        htlc_maximum: Some(Msat(10_000)),
        inbound: InboundFee { base_msat: -2, proportional_millionths: -50 },
        ..ForwardPolicy::default()
    };
    let before = vec![(asked(8), Timestamp::from_secs(1_700_000_000))];
    let policy = ChannelPolicy { own: Some(asked(7)), before };
    assert_eq!(ChannelPolicy::decode(&keys(1), &bytes), Ok(policy.clone()));
    assert_eq!(policy.encode(), bytes);
}

/// The first version had neither.
#[test]
fn nights_and_channels_that_their_peer_has_failed_are_read_again_and_stay_readable() {
    let mut chain = Gen(11).chain_state();
    let without = chain.encode();
    for height in [10, 11, 12, 40] {
        chain.nights.sleep_through(astrape_primitives::Height(height));
    }
    let frozen = "05100000000a0000000c0000002800000028";
    assert_eq!(hex(&chain.encode()), hex(&without) + frozen, "and a record without stays as it was");
    assert_eq!(ChainState::decode(&(), &chain.encode()), Ok(chain));
    let unordered = unhex(&(hex(&without) + "05100000000a0000000c0000000100000002"));
    assert!(ChainState::decode(&(), &unordered).is_err());
    let failed =
        FailedByPeer { since: astrape_primitives::Height(700_000), words: "the peer sent: x".to_owned() };
    let frozen = "010004000aae6002107468652070656572 2073656e743a2078".replace(' ', "");
    assert_eq!(hex(&failed.encode()), frozen);
    let rows = BTreeMap::from([(Kind::FailedByPeer.key(&keys(1).0), failed.encode())]);
    let read = restore(&rows).expect("readable");
    assert_eq!(read.failed_by_peer, BTreeMap::from([(keys(1), failed)]));
}

#[test]
fn a_forward_that_waits_for_an_application_is_read_again_and_stays_readable() {
    let (id, held) = ((keys(1), HtlcId(7)), Held { since: Timestamp::from_secs(1_700_000_000) });
    let mut rows = Rows::new();
    single_rows([(id, held)], &mut rows);
    assert_eq!(restore(&rows).expect("readable").held, BTreeMap::from([(id, held)]));
    // Written by the first version that had them.
    assert_eq!(held.encode(), unhex("0100080000018bcfe56800"));
    let of_another = Key([&rows.keys().next().expect("one").0[..], &[0]].concat());
    let rows = BTreeMap::from([(of_another, held.encode())]);
    assert!(restore(&rows).is_err(), "an id that is too long is none");
}

#[test]
fn invoices_that_are_held_and_what_is_held_for_them_are_read_again() {
    for seed in 0..100 {
        let mut g = Gen(9_000 + seed);
        let (invoice, set) = (g.held_invoice(), g.held_set());
        assert_eq!(
            OpenInvoice::decode(&invoice.payment_hash, &invoice.encode()),
            Ok(invoice.clone()),
            "{seed}"
        );
        assert_eq!(Receiving::decode(&set.payment_hash, &set.encode()), Ok(set.clone()), "{seed}");
    }
}

#[test]
fn an_invoice_that_settles_by_itself_cannot_lack_its_preimage() {
    let invoice = Gen(1).invoice();
    let lacking = OpenInvoice { preimage: None, ..invoice.clone() };
    assert_eq!(OpenInvoice::decode(&invoice.payment_hash, &lacking.encode()), Err(Unreadable::Missing(0)));
    let held = OpenInvoice { hold: true, ..lacking };
    assert_eq!(OpenInvoice::decode(&invoice.payment_hash, &held.encode()), Ok(held));
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

#[test]
fn the_rows_that_a_change_writes_make_the_old_rows_the_new_ones() {
    for seed in 0..200 {
        let (mut g, keys) = (Gen(1_000 + seed), keys(seed));
        let (old, new) = (g.channel(keys), g.channel(keys));
        let mut rows = rows_of(&old);
        apply(&mut rows, changes(Some(&old), Some(&new)));
        assert_eq!(rows, rows_of(&new), "seed {seed}");
        apply(&mut rows, changes(Some(&new), None));
        assert!(rows.is_empty(), "seed {seed}: what is forgotten leaves nothing");
        assert!(changes(Some(&new), Some(&new)).is_empty(), "seed {seed}: nothing changed");
    }
}

#[test]
fn the_rows_that_a_change_of_a_resolution_writes_make_the_old_rows_the_new_ones() {
    for seed in 0..200 {
        let (mut g, keys) = (Gen(5_000 + seed), keys(seed));
        let old = g.court(keys);
        // Some of it stays, as in life.
        let mut new = g.court(keys);
        new.outputs.extend(old.outputs.iter().take(2).map(|(o, t)| (*o, t.clone())));
        let rows_of = |r: &astrape_onchain::Resolution| {
            let (mut rows, mut out) = (Rows::new(), Changes::new());
            diff_resolution(&keys, None, Some(r), &mut out);
            apply(&mut rows, out);
            rows
        };
        let mut rows = rows_of(&old);
        let mut change = |old: Option<_>, new: Option<_>| {
            let mut out = Changes::new();
            diff_resolution(&keys, old, new, &mut out);
            let count = out.len();
            apply(&mut rows, out);
            (count, rows.clone())
        };
        assert_eq!(change(Some(&old), Some(&new)).1, rows_of(&new), "seed {seed}");
        assert_eq!(change(Some(&new), Some(&new)).0, 0, "seed {seed}: nothing changed");
        assert!(change(Some(&new), None).1.is_empty(), "seed {seed}: what is over leaves nothing");
    }
}

#[test]
fn a_coin_that_is_set_aside_for_claims_is_read_again() {
    let mut coin = Gen(8).coin();
    coin.reserved = Some(astrape_wallet::Reservation::Claim(keys(1)));
    assert_eq!(Coin::decode(&coin.outpoint(), &coin.encode()), Ok(coin));
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

#[test]
fn a_payment_writes_its_own_rows_and_not_the_channel() {
    let old = full_channel();
    let mut new = old.clone();
    let htlc: &mut Arc<Htlc> = new.htlcs.get_mut(&(Side::Remote, HtlcId(241))).expect("it is there");
    Arc::make_mut(htlc).over_dust_exposure ^= true;
    new.balances.local = Msat(5);
    let changes = changes(Some(&channel_of(&old)), Some(&channel_of(&new)));
    let written: Vec<_> = changes.keys().cloned().collect();
    let expected = [ChannelRow::Head, ChannelRow::Htlc(Side::Remote, HtlcId(241))];
    assert_eq!(written, expected.map(|row| row.key(&old.params.keys)));
}

#[test]
fn what_lives_as_long_as_a_connection_writes_nothing() {
    let down = Gen(3).channel(keys(3));
    let up = Channel { link: astrape_channel::Link::Up(astrape_channel::Up::default()), ..down.clone() };
    assert!(changes(Some(&down), Some(&up)).is_empty());
    assert_eq!(rows_of(&up), rows_of(&down));
}

#[test]
fn coins_are_written_one_by_one() {
    let mut g = Gen(4);
    let mut coins: Vec<Coin> = (0..5).map(|_| g.coin()).collect();
    let mut table =
        Table::restored(BTreeMap::from([((), Arc::new(coins.iter().cloned().collect::<Coins>()))]));
    let gone = coins.remove(1);
    coins[2].spent = Some(astrape_primitives::Height(7));
    let added = g.coin();
    coins.push(added.clone());
    table.set((), Arc::new(coins.iter().cloned().collect()));
    let mut out = Changes::new();
    diff_coins(&table, &mut out);
    let key = |coin: &Coin| Kind::Coin.key(&Coin::id_bytes(&coin.outpoint()));
    let expected = [(&gone, None), (&coins[2], Some(coins[2].encode())), (&added, Some(added.encode()))];
    assert_eq!(out, expected.into_iter().map(|(coin, row)| (key(coin), row)).collect());
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

/// The rows of each seed: a line `# seed`, then a line `key value` for each row.
fn frozen() -> BTreeMap<u64, Rows> {
    let mut all: BTreeMap<u64, Rows> = BTreeMap::new();
    let mut seed = 0;
    for line in FROZEN.lines() {
        if let Some(number) = line.strip_prefix("# ") {
            seed = number.parse().expect("a number");
        } else {
            let (key, value) = line.split_once(' ').expect("two words");
            all.entry(seed).or_default().insert(Key(unhex(key)), unhex(value));
        }
    }
    all
}

#[test]
fn rows_of_version_1_are_read_as_they_always_were() {
    let frozen = frozen();
    assert!(frozen.keys().eq(&FROZEN_SEEDS));
    for (seed, rows) in frozen {
        let read = restore(&rows).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        assert_same(&read, &node(seed));
    }
}

/// Rows of payments that the first rows could not have: a question to path search, and a payment without an invoice.
#[test]
fn a_payment_that_asks_for_a_way_or_has_no_invoice_is_read_again() {
    let plain = Gen(9).payment();
    let asking = Payment { searches: 3, asked_at: Some(Timestamp(7)), ..plain.clone() };
    let preimage = PaymentPreimage([5; 32]);
    let custom_records = BTreeMap::from([(65_537, vec![1, 2]), (70_000, Vec::new())]);
    let what = What::Keysend { preimage, custom_records };
    let without = Payment { what: what.clone(), ..plain.clone() };
    let none = Payment { what: What::Keysend { preimage, custom_records: BTreeMap::new() }, ..plain.clone() };
    let lessons = Lessons {
        suspects: BTreeMap::from([(Gen(3).node(), 1), (Gen(4).node(), 1)]),
        bears: 1,
        channels: BTreeMap::from([
            ((ShortChannelId(8), Way::FromNode1), Limit::default()),
            ((ShortChannelId(8), Way::FromNode2), Limit::default()),
            ((ShortChannelId(9), Way::FromNode2), Limit { most: Msat(7), dared: 2 }),
        ]),
        ..plain.lessons.clone()
    };
    let doubting = Payment { lessons, ..plain.clone() };
    for payment in [&plain, &asking, &without, &none, &doubting] {
        let read = Payment::decode(&payment.payment_hash, &payment.encode());
        assert_eq!(read.as_ref(), Ok(payment));
    }
    // The bytes of what is new stand as they were first written.
    let of_asking = hex(&asking.encode());
    assert!(of_asking.contains("1a0800000000000000031c080000000000000007"), "{of_asking}");
    let of_what = hex(&without.encode());
    let records = "201600000000000100010002010200000000000111700000";
    let of_doubting = hex(&doubting.encode());
    assert!(
        of_doubting.ends_with("000000012404000000012615000000000000000901000000000000000700000002"),
        "{of_doubting}"
    );
    assert!(of_what.ends_with(&format!("1e20{}{records}", "05".repeat(32))), "{of_what}");
}

/// What a channel has of what may stand in a record.
fn seen_in(channel: &Channel) -> Vec<&'static str> {
    let mut seen = vec![match &channel.phase {
        Phase::Opening(_) => "opening",
        Phase::Open(_) => "open",
        Phase::Closed(_) => "closed",
        Phase::Closing(closing) => match closing.how {
            How::Cooperative { .. } => "cooperative",
            How::OurCommitment { .. } => "our commitment",
            How::AwaitPeersCommitment { .. } => "the peer's commitment",
            How::Spent => "spent",
        },
    }];
    let onion = |onion: &OnionSource| match onion {
        OnionSource::Packet(_) => "packet",
        OnionSource::Recipe(_) => "recipe",
    };
    for htlc in channel.open().into_iter().flat_map(|open| open.htlcs.values()) {
        seen.extend(htlc.removal.iter().map(|removal| match &removal.resolution {
            Resolution::Fulfilled { .. } => "fulfilled",
            Resolution::Failed(_) => "failed",
            Resolution::Malformed { .. } => "malformed",
        }));
        seen.push(match &htlc.direction {
            Direction::Outgoing { onion: source, .. } => onion(source),
            Direction::Incoming(peeled) => match &**peeled {
                Ok(Peeled { hop: Hop::Forward { .. }, .. }) => "forward",
                Ok(Peeled { hop: Hop::Final { .. }, .. }) => "final",
                Err(PeelFailure::Malformed { .. }) => "unreadable onion",
                Err(PeelFailure::Payload { .. }) => "unreadable payload",
            },
        });
    }
    seen.extend(channel.open().into_iter().flat_map(|open| open.waiting.iter().map(|new| onion(&new.onion))));
    seen
}

#[test]
fn the_frozen_rows_have_everything_that_a_channel_may_have() {
    let frozen = frozen().into_values().map(|rows| restore(&rows).expect("readable"));
    let channels: Vec<Arc<Channel>> = frozen.flat_map(|read| read.channels.into_values()).collect();
    let seen: BTreeSet<&str> = channels.iter().flat_map(|channel| seen_in(channel)).collect();
    let expected = [
        "open",
        "closed",
        "cooperative",
        "our commitment",
        "the peer's commitment",
        "spent",
        "fulfilled",
        "failed",
        "malformed",
        "packet",
        "recipe",
        "forward",
        "final",
        "unreadable onion",
        "unreadable payload",
    ];
    assert_eq!(seen, BTreeSet::from(expected));
}

#[test]
fn a_close_that_left_the_chain_is_read_as_it_was_written() {
    for seed in 0..24 {
        let (mut g, keys) = (Gen(seed), keys(seed));
        let mut before = g.court(keys);
        before.left = Some(g.left());
        let mut changes = Changes::new();
        diff_resolution(&keys, None, Some(&before), &mut changes);
        let mut rows = ResolutionRows::default();
        for (key, value) in &changes {
            let (of, row) = ResolutionRow::of(&key.0[1..]).expect("a key of ours");
            rows.add(&of, row, value.as_ref().expect("written")).expect("readable");
        }
        assert_eq!(rows.restore().expect("whole"), before, "seed {seed}");
    }
}

#[test]
fn rows_are_written_as_they_always_were() {
    let mut now = String::new();
    for seed in FROZEN_SEEDS {
        writeln!(now, "# {seed}").expect("a string takes all");
        for (key, value) in rows_of_node(node(seed)) {
            writeln!(now, "{} {}", hex(&key.0), hex(&value)).expect("a string takes all");
        }
    }
    // A new kind of row is added to the file; what is there stays.
    let differs = now.lines().zip(FROZEN.lines()).find(|(now, frozen)| now != frozen);
    assert!(differs.is_none() && now.len() == FROZEN.len(), "a new form needs a new version: {differs:?}");
}

// attack 83
#[test]
fn damaged_rows_are_refused_or_read_and_never_a_panic() {
    for seed in FROZEN_SEEDS {
        let rows = rows_of_node(node(seed));
        for (key, value) in &rows {
            // A row is read with those of its channel. Onions are bytes to it: each of them would be the same case.
            let beside: Rows = rows.clone().into_iter().filter(|(other, _)| other.0[0] == key.0[0]).collect();
            for at in (0..value.len()).step_by(1 + value.len() / 60) {
                for damage in [&[value[at] ^ 0x01][..], &[value[at] ^ 0x80], &[]] {
                    let mut damaged = beside.clone();
                    let after = if damage.is_empty() { &[][..] } else { &value[at + 1..] };
                    damaged.insert(key.clone(), [&value[..at], damage, after].concat());
                    let _ = restore(&damaged);
                }
            }
        }
    }
}

// attack 83
#[test]
fn random_bytes_under_any_key_are_refused_and_never_a_panic() {
    let mut g = Gen(77);
    for (key, _) in rows_of_node(node(5)) {
        for _ in 0..300 {
            let len = usize::try_from(g.below(120)).expect("small");
            let mut value = g.bytes::<120>()[..len].to_vec();
            if let Some(version) = value.first_mut() {
                *version = 1;
            }
            let _ = restore(&Rows::from([(key.clone(), value)]));
        }
    }
}

fn error_of(rows: &Rows) -> String {
    match restore(rows) {
        Ok(_) => panic!("it was read"),
        Err(e) => e.to_string(),
    }
}

#[test]
fn a_field_that_is_unknown_is_refused_when_it_is_even_and_ignored_when_it_is_odd() {
    let rows = rows_of_node(node(0));
    for (key, value) in &rows {
        let with = |number: u64| {
            let mut rows = rows.clone();
            let mut value = value.clone();
            astrape_wire::tlv::write_record(&mut value, number, b"new");
            rows.insert(key.clone(), value);
            rows
        };
        assert!(error_of(&with(1_000)).contains("field 1000 is not known"), "{key:?}");
        let read = restore(&with(1_001)).unwrap_or_else(|e| panic!("{e}"));
        assert_same(&read, &node(0));
    }
}

#[test]
fn a_row_of_a_newer_version_is_refused_and_named() {
    let rows = rows_of_node(node(0));
    for key in rows.keys() {
        let mut newer = rows.clone();
        newer.get_mut(key).expect("it is there")[0] = 2;
        let error = error_of(&newer);
        assert!(error.contains("version 2 is not known"), "{error}");
    }
}

#[test]
fn a_row_that_nothing_claims_is_refused() {
    let channel = keys(0);
    let strange: [&[u8]; 8] = [
        &[],
        &[0],
        &[200, 1, 2],
        &[Kind::Chain as u8, 0],
        &[Kind::Counters as u8, 1, 2, 3],
        &[Kind::Payment as u8, 9],
        &[&[Kind::Channel as u8], channel.0.as_slice()].concat(),
        &[&[Kind::Channel as u8], channel.0.as_slice(), &[99]].concat(),
    ];
    for key in strange {
        let mut rows = rows_of_node(node(0));
        rows.insert(Key(key.to_vec()), vec![1]);
        assert!(restore(&rows).is_err(), "{key:?}");
    }
}

#[test]
fn a_channel_without_one_of_its_rows_is_refused() {
    let open = full_channel();
    let rows = rows_of(&channel_of(&open));
    let single =
        |key: &&Key| ChannelRow::of(&key.0[1..]).is_some_and(|(_, row)| !matches!(row, ChannelRow::Htlc(..)));
    let parts: Vec<Key> = rows.keys().filter(single).cloned().collect();
    assert!(parts.len() >= 6);
    for key in parts {
        // The last of the HTLCs that wait leaves no gap, and a channel may be without an announcement.
        if matches!(ChannelRow::of(&key.0[1..]), Some((_, ChannelRow::Waiting(_) | ChannelRow::Announcement)))
        {
            continue;
        }
        let mut rows = rows.clone();
        rows.remove(&key);
        assert_eq!(error_of(&rows), format!("the record {key:?} is not readable: it is missing"));
    }
}

#[test]
fn rows_that_contradict_each_other_are_refused() {
    let seeds = || (0..100).filter(|seed| matches!(Gen(*seed).channel(keys(*seed)).phase, Phase::Open(_)));
    for seed in seeds() {
        let channel = Gen(seed).channel(keys(seed));
        let rows = rows_of(&channel);
        let secrets = ChannelRow::Secrets.key(&keys(seed));
        let others = rows_of(&channel_of(&Gen(seed + 1).open(keys(seed))));
        let mut mixed = rows.clone();
        mixed.insert(secrets.clone(), others[&secrets].clone());
        if others[&secrets] != rows[&secrets] {
            assert!(error_of(&mixed).contains("secrets"), "seed {seed}");
        }
        let params =
            rows_of(&Gen(seed).channel(keys(seed + 1)))[&ChannelRow::Params.key(&keys(seed + 1))].clone();
        let mut foreign = rows;
        foreign.insert(ChannelRow::Params.key(&keys(seed)), params);
        assert!(error_of(&foreign).contains("another channel"), "seed {seed}");
    }
}
