//! Our own queries: whom we ask, for what, and when we stop asking.

use crate::kit::{NOW, Net, peer, scid};
use astrape_primitives::{Height, Network, NodeId, ShortChannelId};
use astrape_routing::gossip::sync::{MAX_IDS_IN_QUERY, MAX_LIVE, Progress, Say, Sync, SyncFault};
use astrape_wire::{
    ChannelUpdateChecksums, ChannelUpdateTimestamps, GossipTimestampFilter, Message, QueryFlags,
    ReplyChannelRange, ReplyShortChannelIdsEnd,
};

const MILLIS: u64 = NOW as u64 * 1_000;
const SECOND: u64 = 1_000;

fn reply(ids: &[ShortChannelId], first: u32, count: u32, sync_complete: bool) -> ReplyChannelRange {
    ReplyChannelRange {
        chain_hash: Network::Regtest.chain_hash(),
        first_blocknum: Height(first),
        number_of_blocks: count,
        sync_complete,
        encoded_short_ids: ids.to_vec(),
        timestamps_tlv: None,
        checksums_tlv: None,
    }
}

fn end() -> ReplyShortChannelIdsEnd {
    ReplyShortChannelIdsEnd { chain_hash: Network::Regtest.chain_hash(), full_information: true }
}

fn filters(said: &[Say]) -> Vec<(NodeId, GossipTimestampFilter)> {
    let filter = |say: &Say| match &say.message {
        Message::GossipTimestampFilter(m) => Some((say.peer, m.clone())),
        _ => None,
    };
    said.iter().filter_map(filter).collect()
}

fn asked_for_all(said: &[Say]) -> Vec<NodeId> {
    let is_range = |say: &&Say| matches!(say.message, Message::QueryChannelRange(_));
    said.iter().filter(is_range).map(|say| say.peer).collect()
}

fn ids_of(said: &[Say]) -> Vec<(ShortChannelId, Option<u64>)> {
    let Some(Message::QueryShortChannelIds(query)) = said.first().map(|say| &say.message) else {
        return Vec::new();
    };
    assert_eq!(query.chain_hash, Network::Regtest.chain_hash());
    let flag = |n: usize| query.query_flags.as_ref().map(|QueryFlags(flags)| flags[n]);
    query.encoded_short_ids.iter().enumerate().map(|(n, id)| (*id, flag(n))).collect()
}

/// A sync with one peer that was just asked for all.
fn asking(net: &Net, extended: bool) -> Sync {
    let mut sync = Sync::default();
    let said = sync.connected(MILLIS, peer(1), true, extended, &net.gossip);
    assert_eq!(asked_for_all(&said), [peer(1)]);
    sync
}

// BOLT 7.the-gossip_timestamp_filter-message.1
// BOLT 7.the-gossip_timestamp_filter-message.2
// BOLT 7.the-query_channel_range-and-reply_channel_range-messages.1
// BOLT 7.the-query_channel_range-and-reply_channel_range-messages.3
// BOLT 7.the-query_channel_range-and-reply_channel_range-messages.4
// BOLT 7.the-query_channel_range-and-reply_channel_range-messages.5
#[test]
fn some_peers_tell_what_is_new_one_tells_all_and_the_rest_is_quiet() {
    let net = Net::new();
    let mut sync = Sync::default();
    let useless = sync.connected(MILLIS, peer(9), false, false, &net.gossip);
    assert!(useless.is_empty(), "a peer without gossip_queries is told nothing of them");
    let mut said = Vec::new();
    for n in 10..20 {
        said.extend(sync.connected(MILLIS, peer(n), true, true, &net.gossip));
    }
    let filters = filters(&said);
    assert!(filters.iter().all(|(_, m)| m.chain_hash == Network::Regtest.chain_hash()));
    let (live, quiet): (Vec<_>, Vec<_>) = filters.iter().partition(|(_, m)| m.timestamp_range > 0);
    assert_eq!((live.len(), quiet.len()), (MAX_LIVE, 10 - MAX_LIVE));
    assert!(quiet.iter().all(|(_, m)| m.first_timestamp == u32::MAX));
    assert!(
        filters.iter().filter(|(_, m)| m.timestamp_range > 0).all(|(_, m)| m.first_timestamp == NOW - 3_600)
    );
    assert_eq!(asked_for_all(&said).len(), 1);
    let Some(Message::QueryChannelRange(query)) =
        said.iter().map(|say| &say.message).find(|m| matches!(m, Message::QueryChannelRange(_)))
    else {
        panic!("one was asked");
    };
    assert_eq!(query.chain_hash, Network::Regtest.chain_hash());
    assert_eq!((query.first_blocknum, query.number_of_blocks), (Height(0), u32::MAX));
}

// BOLT 7.the-query_short_channel_ids-reply_short_channel_ids_end-messages.2
// BOLT 7.the-query_short_channel_ids-reply_short_channel_ids_end-messages.3
// BOLT 7.the-query_short_channel_ids-reply_short_channel_ids_end-messages.8
// BOLT 7.the-query_short_channel_ids-reply_short_channel_ids_end-messages.10
#[test]
fn what_is_not_known_is_asked_for_in_portions_one_after_the_other() {
    let net = Net::new();
    for extended in [true, false] {
        let mut sync = asking(&net, extended);
        let all: Vec<ShortChannelId> = (1..1_201).map(scid).collect();
        assert_eq!(
            sync.range_reply(MILLIS, peer(1), &reply(&all[..600], 0, 601, false), &net.gossip),
            Ok(vec![])
        );
        assert_eq!(sync.progress(), Progress::Listing);
        let mut said = sync
            .range_reply(MILLIS, peer(1), &reply(&all[600..], 601, u32::MAX - 601, true), &net.gossip)
            .unwrap();
        let mut seen = Vec::new();
        while !said.is_empty() {
            assert_eq!(said.len(), 1, "one query at a time");
            let portion = ids_of(&said);
            assert!(portion.len() <= MAX_IDS_IN_QUERY && portion.is_sorted());
            assert!(portion.iter().all(|(_, flags)| *flags == extended.then_some(31)));
            seen.extend(portion.into_iter().map(|(id, _)| id));
            assert_eq!(sync.tick(MILLIS, &net.gossip), vec![], "nothing more before the end of the answer");
            said = sync.ids_end(MILLIS, peer(1), &end(), &net.gossip).expect("asked");
        }
        seen.sort_unstable();
        assert_eq!(seen, all);
        assert_eq!(sync.progress(), Progress::Complete);
    }
}

#[test]
fn of_known_channels_only_updates_that_are_newer_and_different_are_asked_for() {
    let mut net = Net::new();
    net.add_open_channel(1, 2, scid(900));
    let ours =
        net.gossip.graph().channel(scid(900)).expect("there").policies.map(|policy| policy.expect("there"));
    let told = |timestamps: [u32; 2], checksums: Option<[u32; 2]>| {
        let mut sync = asking(&net, true);
        let mut part = reply(&[scid(900)], 0, u32::MAX, true);
        part.timestamps_tlv = Some(vec![ChannelUpdateTimestamps {
            timestamp_node_id_1: timestamps[0],
            timestamp_node_id_2: timestamps[1],
        }]);
        part.checksums_tlv = checksums.map(|sums| {
            vec![ChannelUpdateChecksums { checksum_node_id_1: sums[0], checksum_node_id_2: sums[1] }]
        });
        let said = sync.range_reply(MILLIS, peer(1), &part, &net.gossip).expect("good");
        ids_of(&said).first().and_then(|(_, flags)| *flags)
    };
    let (at, sums) = (NOW - 100, [ours[0].checksum, ours[1].checksum]);
    assert_eq!(told([at, at], None), None);
    assert_eq!(told([at + 1, at], None), Some(QueryFlags::CHANNEL_UPDATE_1));
    assert_eq!(told([at, at + 1], None), Some(QueryFlags::CHANNEL_UPDATE_2));
    assert_eq!(told([at - 1, at - 1], Some([1, 2])), None, "older");
    assert_eq!(told([at + 1, at + 1], Some(sums)), None, "the same said anew");
    assert_eq!(told([at + 1, at + 1], Some([sums[0], 9])), Some(QueryFlags::CHANNEL_UPDATE_2));
    let week = 7 * 24 * 60 * 60;
    assert_eq!(
        told([at + week + 1, at], Some(sums)),
        Some(QueryFlags::CHANNEL_UPDATE_1),
        "before it is forgotten"
    );
}

// BOLT 7.the-query_channel_range-and-reply_channel_range-messages.2
#[test]
fn a_peer_that_falls_silent_is_left_for_another_and_not_asked_again_while_it_owes_an_answer() {
    let net = Net::new();
    let mut sync = asking(&net, true);
    assert!(asked_for_all(&sync.connected(MILLIS, peer(2), true, true, &net.gossip)).is_empty());
    assert!(sync.tick(MILLIS + 59 * SECOND, &net.gossip).is_empty());
    assert_eq!(asked_for_all(&sync.tick(MILLIS + 60 * SECOND, &net.gossip)), [peer(2)]);
    assert!(sync.tick(MILLIS + 200 * SECOND, &net.gossip).is_empty(), "nobody is left to ask");
    // The first answers at last, to a sync that was given up.
    assert!(
        sync.range_reply(MILLIS + 201 * SECOND, peer(1), &reply(&[], 0, u32::MAX, true), &net.gossip).is_ok()
    );
    let gone = sync.disconnected(MILLIS + 202 * SECOND, &peer(2), &net.gossip);
    assert!(asked_for_all(&gone).is_empty(), "it was asked on this connection");
    sync.disconnected(MILLIS + 203 * SECOND, &peer(1), &net.gossip);
    let back = sync.connected(MILLIS + 204 * SECOND, peer(1), true, true, &net.gossip);
    assert_eq!(asked_for_all(&back), [peer(1)]);
}

#[test]
fn answers_that_do_not_fit_end_the_sync_with_that_peer() {
    let net = Net::new();
    let ids = [scid(10), scid(11)];
    let mut descending = reply(&[scid(11), scid(10)], 0, 100, false);
    let mut lopsided = reply(&ids, 0, 100, false);
    lopsided.timestamps_tlv = Some(vec![ChannelUpdateTimestamps::default()]);
    let mut elsewhere = reply(&ids, 0, 100, false);
    elsewhere.chain_hash = [7; 32];
    let outside = reply(&ids, 0, 10, false);
    let gap = reply(&ids, 5, 100, false);
    for bad in [&mut descending, &mut lopsided, &mut elsewhere] {
        let mut sync = asking(&net, true);
        assert_eq!(sync.range_reply(MILLIS, peer(1), bad, &net.gossip), Err(SyncFault::Range));
        assert_eq!(sync.progress(), Progress::NoPeer);
        assert!(sync.tick(MILLIS, &net.gossip).is_empty(), "it is not asked again");
    }
    for bad in [outside, gap] {
        let mut sync = asking(&net, true);
        assert_eq!(sync.range_reply(MILLIS, peer(1), &bad, &net.gossip), Err(SyncFault::Range));
    }
    let mut sync = asking(&net, true);
    assert_eq!(sync.ids_end(MILLIS, peer(1), &end(), &net.gossip), Err(SyncFault::Unasked));
    assert_eq!(
        sync.range_reply(MILLIS, peer(2), &reply(&[], 0, 1, true), &net.gossip),
        Err(SyncFault::Unasked),
        "nobody asked this one"
    );
}

// attack 65
#[test]
fn an_answer_without_an_end_is_left() {
    let net = Net::new();
    let mut sync = asking(&net, true);
    let mut parts = 0;
    let fault = loop {
        match sync.range_reply(MILLIS, peer(1), &reply(&[scid(7)], 0, 100, false), &net.gossip) {
            Ok(_) => parts += 1,
            Err(fault) => break fault,
        }
    };
    assert!(parts <= 4_000);
    assert!(matches!(fault, SyncFault::TooMuch | SyncFault::Range));
}

#[test]
fn after_an_hour_another_peer_is_asked_for_what_all_have_missed() {
    let net = Net::new();
    let mut sync = asking(&net, true);
    sync.range_reply(MILLIS, peer(1), &reply(&[], 0, u32::MAX, true), &net.gossip).expect("good");
    assert_eq!(sync.progress(), Progress::Complete);
    assert!(sync.tick(MILLIS + 59 * 60 * SECOND, &net.gossip).is_empty());
    assert_eq!(asked_for_all(&sync.tick(MILLIS + 60 * 60 * SECOND, &net.gossip)), [peer(1)]);
}
