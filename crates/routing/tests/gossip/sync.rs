//! Our own queries: whom we ask, for what, and when we stop asking.

use crate::kit::{NOW, Net, channel_message, chosen, peer, scid, signed_channel, stranger};
use astrape_primitives::{Height, Network, NodeId, ShortChannelId};
use astrape_routing::gossip::Record;
use astrape_routing::gossip::sync::{
    MAX_IDS_IN_QUERY, MAX_LIVE, Progress, RESYNC_MILLIS, STAGE_MILLIS, Say, Standing, Sync, SyncFault,
};
use astrape_wire::{
    ChannelUpdateChecksums, ChannelUpdateTimestamps, GossipTimestampFilter, Message, QueryFlags,
    ReplyChannelRange, ReplyShortChannelIdsEnd,
};

pub(crate) const MILLIS: u64 = NOW as u64 * 1_000;
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

pub(crate) fn filters(said: &[Say]) -> Vec<(NodeId, GossipTimestampFilter)> {
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
    let said = sync.connected(MILLIS, peer(1), chosen(extended), &net.gossip);
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
    let useless =
        sync.connected(MILLIS, peer(9), Standing { is_useful: false, ..chosen(false) }, &net.gossip);
    assert!(useless.is_empty(), "a peer without gossip_queries is told nothing of them");
    let mut said = Vec::new();
    for n in 10..20 {
        said.extend(sync.connected(MILLIS, peer(n), chosen(true), &net.gossip));
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
        // Nothing of it is ahead of this.
        let later = MILLIS + 8 * 24 * 60 * 60 * SECOND;
        let said = sync.range_reply(later, peer(1), &part, &net.gossip).expect("good");
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
    assert!(asked_for_all(&sync.connected(MILLIS, peer(2), chosen(true), &net.gossip)).is_empty());
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
    let back = sync.connected(MILLIS + 204 * SECOND, peer(1), chosen(true), &net.gossip);
    assert_eq!(asked_for_all(&back), [peer(1)]);
}

#[test]
fn answers_that_do_not_fit_end_the_sync_with_that_peer() {
    let net = Net::new();
    let ids = [scid(10), scid(11)];
    let mut lopsided = reply(&ids, 0, 100, false);
    lopsided.timestamps_tlv = Some(vec![ChannelUpdateTimestamps::default()]);
    let mut elsewhere = reply(&ids, 0, 100, false);
    elsewhere.chain_hash = [7; 32];
    let outside = reply(&ids, 0, 9, false);
    let gap = reply(&ids, 5, 100, false);
    for bad in [&mut lopsided, &mut elsewhere] {
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

/// Core Lightning tells channels in the order in which it heard of them.
#[test]
fn a_part_in_any_order_is_taken() {
    let net = Net::new();
    let mut sync = asking(&net, true);
    let part = reply(&[scid(11), scid(10), scid(12)], 0, u32::MAX, true);
    let said = sync.range_reply(MILLIS, peer(1), &part, &net.gossip).expect("it covers them");
    let asked: Vec<ShortChannelId> = ids_of(&said).into_iter().map(|(id, _)| id).collect();
    assert_eq!(asked, [scid(10), scid(11), scid(12)]);
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

/// A sync that waits for the answer about one channel, and another peer that may be asked.
fn fetching(net: &Net) -> Sync {
    let mut sync = asking(net, false);
    sync.connected(MILLIS, peer(2), chosen(false), &net.gossip);
    let said = sync.range_reply(MILLIS, peer(1), &reply(&[scid(7)], 0, u32::MAX, true), &net.gossip);
    assert_eq!(ids_of(&said.expect("good")).len(), 1);
    sync
}

/// Time goes by, and each ten seconds the peer tells of a channel. Whom else we ask, and when.
fn told_of(net: &Net, sync: &mut Sync, about: ShortChannelId) -> Option<(u64, Vec<NodeId>)> {
    (1..200).map(|n| n * 10 * SECOND).find_map(|after| {
        sync.heard(MILLIS + after, &peer(1), about);
        let asked = asked_for_all(&sync.tick(MILLIS + after, &net.gossip));
        (!asked.is_empty()).then_some((after, asked))
    })
}

#[test]
fn a_peer_that_tells_what_is_new_and_does_not_answer_is_left() {
    let net = Net::new();
    let mut sync = fetching(&net);
    assert_eq!(told_of(&net, &mut sync, scid(8)), Some((60 * SECOND, vec![peer(2)])));
}

#[test]
fn a_peer_whose_answer_has_no_end_is_left() {
    let net = Net::new();
    let mut sync = fetching(&net);
    assert_eq!(told_of(&net, &mut sync, scid(7)), Some((STAGE_MILLIS, vec![peer(2)])));
}

#[test]
fn a_list_that_comes_too_slowly_is_left() {
    let net = Net::new();
    let mut sync = asking(&net, true);
    sync.connected(MILLIS, peer(2), chosen(true), &net.gossip);
    let asked = (0..100).find_map(|n| {
        let now = MILLIS + u64::from(n) * 30 * SECOND;
        sync.range_reply(now, peer(1), &reply(&[], n, 1, false), &net.gossip).expect("it fits");
        let asked = asked_for_all(&sync.tick(now, &net.gossip));
        (!asked.is_empty()).then_some((now - MILLIS, asked))
    });
    assert_eq!(asked, Some((STAGE_MILLIS, vec![peer(2)])));
}

/// LDK answers no `query_short_channel_ids`, and gives what it knows to whoever sends an old filter as the first.
#[test]
fn a_peer_that_did_not_answer_is_asked_for_two_weeks_of_gossip_on_its_next_connection() {
    let net = Net::new();
    let mut sync = fetching(&net);
    sync.tick(MILLIS + 60 * SECOND, &net.gossip);
    sync.disconnected(MILLIS + 70 * SECOND, &peer(1), &net.gossip);
    let now = MILLIS + 80 * SECOND;
    let back = sync.connected(now, peer(1), chosen(false), &net.gossip);
    let two_weeks = NOW + 80 - 14 * 24 * 60 * 60;
    assert!(matches!(&filters(&back)[..], [(_, m)] if m.first_timestamp == two_weeks));
    // Once it has answered it is like any other.
    sync.range_reply(now, peer(2), &reply(&[], 0, u32::MAX, true), &net.gossip).expect("good");
    let now = now + RESYNC_MILLIS;
    sync.disconnected(now, &peer(2), &net.gossip);
    assert_eq!(asked_for_all(&sync.tick(now, &net.gossip)), [peer(1)]);
    sync.range_reply(now, peer(1), &reply(&[scid(7)], 0, u32::MAX, true), &net.gossip).expect("good");
    sync.ids_end(now, peer(1), &end(), &net.gossip).expect("asked");
    sync.disconnected(now, &peer(1), &net.gossip);
    let back = sync.connected(now, peer(1), chosen(false), &net.gossip);
    assert!(matches!(&filters(&back)[..], [(_, m)] if u64::from(m.first_timestamp) == now / 1_000 - 3_600));
}

/// LDK names the channels of the block after a part in that part, and again in the next.
#[test]
fn channels_of_the_block_between_two_parts_may_be_in_both() {
    let net = Net::new();
    let mut sync = asking(&net, false);
    let ids = [scid(9), scid(10)];
    assert_eq!(sync.range_reply(MILLIS, peer(1), &reply(&ids, 0, 10, false), &net.gossip), Ok(vec![]));
    let said = sync
        .range_reply(MILLIS, peer(1), &reply(&ids[1..], 10, u32::MAX - 10, true), &net.gossip)
        .expect("it fits");
    assert_eq!(ids_of(&said), [(scid(9), None), (scid(10), None)]);
}

/// LND tells timestamps to whoever asks, and offers no `gossip_queries_ex`.
#[test]
fn what_changed_while_we_were_off_is_asked_of_peers_without_extended_queries_too() {
    let mut net = Net::new();
    net.add_open_channel(1, 2, scid(900));
    let told = |timestamp: u32| {
        let mut sync = Sync::default();
        let said = sync.connected(MILLIS, peer(1), chosen(false), &net.gossip);
        let asks = |say: &Say| matches!(&say.message, Message::QueryChannelRange(query) if query.query_option.is_some());
        assert!(said.iter().any(asks));
        let mut part = reply(&[scid(900)], 0, u32::MAX, true);
        let times = ChannelUpdateTimestamps { timestamp_node_id_1: timestamp, timestamp_node_id_2: 0 };
        part.timestamps_tlv = Some(vec![times]);
        ids_of(&sync.range_reply(MILLIS, peer(1), &part, &net.gossip).expect("good"))
    };
    assert_eq!(told(NOW - 99), [(scid(900), None)]);
    assert_eq!(told(NOW - 100), [], "known");
    assert_eq!(told(u32::MAX), [], "LND says so of an update that it does not have");
}

#[test]
fn a_start_asks_for_what_is_new_since_gossip_was_last_kept_and_for_two_weeks_at_most() {
    let net = Net::new();
    const DAY: u32 = 24 * 60 * 60;
    for (known_until, from) in [
        (None, NOW - 3_600),
        (Some(NOW - 60), NOW - 3_600),
        (Some(NOW - 3 * DAY), NOW - 3 * DAY),
        (Some(NOW - 30 * DAY), NOW - 14 * DAY),
    ] {
        let mut sync = Sync::new(known_until, 7);
        let said = sync.connected(MILLIS, peer(1), chosen(false), &net.gossip);
        assert!(matches!(&filters(&said)[..], [(_, m)] if m.first_timestamp == from), "{known_until:?}");
        // Once all was told the usual is enough.
        sync.range_reply(MILLIS, peer(1), &reply(&[], 0, u32::MAX, true), &net.gossip).expect("good");
        let said = sync.connected(MILLIS, peer(2), chosen(false), &net.gossip);
        assert!(matches!(&filters(&said)[..], [(_, m)] if m.first_timestamp == NOW - 3_600));
    }
}

#[test]
fn each_hour_another_peer_is_asked_until_all_were() {
    let net = Net::new();
    let mut sync = asking(&net, true);
    let mut asked = vec![peer(1)];
    for n in [2, 3] {
        sync.connected(MILLIS, peer(n), chosen(true), &net.gossip);
    }
    let mut now = MILLIS;
    for _ in 0..3 {
        let last = asked[asked.len() - 1];
        sync.range_reply(now, last, &reply(&[], 0, u32::MAX, true), &net.gossip).expect("good");
        now += RESYNC_MILLIS;
        asked.extend(asked_for_all(&sync.tick(now, &net.gossip)));
    }
    assert_eq!(asked.len(), 4);
    assert_eq!(asked.iter().collect::<std::collections::BTreeSet<_>>().len(), 3);
    assert_eq!(asked[3], asked[0], "then from the first on");
}

#[test]
fn where_nobody_has_told_all_it_is_tried_again_an_hour_later() {
    let net = Net::new();
    let mut sync = asking(&net, true);
    for n in [2, 3] {
        sync.connected(MILLIS, peer(n), chosen(true), &net.gossip);
    }
    let minute = 60 * SECOND;
    for n in [1, 2] {
        assert_eq!(asked_for_all(&sync.tick(MILLIS + n * minute, &net.gossip)).len(), 1);
    }
    assert!(sync.tick(MILLIS + 3 * minute, &net.gossip).is_empty(), "nobody is left to ask");
    // One has answered at last, to a sync that was given up. The others owe an answer: BOLT 7 forbids to ask them.
    sync.range_reply(MILLIS + 4 * minute, peer(2), &reply(&[], 0, u32::MAX, true), &net.gossip)
        .expect("owed");
    assert!(sync.tick(MILLIS + 61 * minute, &net.gossip).is_empty());
    let again = sync.tick(MILLIS + 2 * minute + RESYNC_MILLIS, &net.gossip);
    assert_eq!(asked_for_all(&again), [peer(2)]);
}

#[test]
fn peers_that_we_chose_and_others_are_asked_for_all_by_turns() {
    let net = Net::new();
    let mut sync = Sync::new(None, 1);
    for n in 20..40 {
        sync.connected(MILLIS, peer(n), stranger(), &net.gossip);
    }
    let first = sync_peer(&mut sync, &net);
    sync.disconnected(MILLIS, &first, &net.gossip);
    for n in [1, 2] {
        sync.connected(MILLIS, peer(n), chosen(true), &net.gossip);
    }
    let mut now = MILLIS;
    let mut asked = Vec::new();
    for _ in 0..4 {
        let of = sync_peer(&mut sync, &net);
        sync.range_reply(now, of, &reply(&[], 0, u32::MAX, true), &net.gossip).expect("good");
        now += RESYNC_MILLIS;
        sync.tick(now, &net.gossip);
        asked.push([peer(1), peer(2)].contains(&of));
    }
    assert_eq!(asked.iter().filter(|is_chosen| **is_chosen).count(), 2, "{asked:?}");
}

/// Who is being asked: the one whose answer fits.
fn sync_peer(sync: &mut Sync, net: &Net) -> NodeId {
    let is_asked = |sync: &mut Sync, id: NodeId| {
        sync.range_reply(MILLIS, id, &reply(&[], 0, 1, false), &net.gossip).is_ok()
    };
    (1..60).map(peer).find(|id| is_asked(sync, *id)).expect("one is")
}

/// A graph of so many channels, as if it had been kept.
fn knowing(channels: u32) -> Net {
    let mut net = Net::new();
    for n in 0..channels {
        let message = Message::from(channel_message(1, 2, ShortChannelId::new(1 + n, 2, 0).expect("small")));
        let record =
            Record::Channel { bytes: message.encode().expect("short").into(), funding: None, received: NOW };
        assert!(net.gossip.replay(&record, record.frame().len()));
    }
    net
}

#[test]
fn who_lists_less_than_half_of_what_is_known_has_not_told_all() {
    let net = knowing(1_000);
    let known: Vec<ShortChannelId> = net.gossip.graph().channels(..).map(|c| c.short_channel_id).collect();
    let listing = |ids: &[ShortChannelId]| {
        let mut sync = asking(&net, true);
        sync.connected(MILLIS, peer(2), chosen(true), &net.gossip);
        let said =
            sync.range_reply(MILLIS, peer(1), &reply(ids, 0, u32::MAX, true), &net.gossip).expect("good");
        (sync.progress(), asked_for_all(&said))
    };
    assert_eq!(listing(&known[..499]), (Progress::Listing, vec![peer(2)]), "the next one is asked");
    assert_eq!(listing(&known[..500]), (Progress::Complete, vec![]));
}

#[test]
fn the_next_portion_waits_for_the_chain_and_so_does_the_end() {
    let mut net = crate::channels::flooded(1_001, |_| peer(1));
    let mut sync = Sync::default();
    sync.connected(MILLIS, peer(1), chosen(false), &net.gossip);
    let all: Vec<ShortChannelId> = (1..=501).map(scid).collect();
    let said = sync.range_reply(MILLIS, peer(1), &reply(&all, 0, u32::MAX, true), &net.gossip).expect("good");
    assert_eq!((said, sync.progress()), (vec![], Progress::Fetching(501)), "too much waits for the chain");
    let hour = 60 * 60 * SECOND;
    assert!(sync.tick(MILLIS + hour, &net.gossip).is_empty(), "the peer is not to blame");
    let waiting = |n: u32| ShortChannelId::new(1_000 + n, 1, 0).expect("small");
    net.answer(waiting(0), &astrape_routing::gossip::ChainAnswer::Gone);
    assert_eq!(ids_of(&sync.tick(MILLIS + hour, &net.gossip)).len(), 500);
    assert_eq!(ids_of(&sync.ids_end(MILLIS + hour, peer(1), &end(), &net.gossip).expect("asked")).len(), 1);
    assert_eq!(sync.ids_end(MILLIS + hour, peer(1), &end(), &net.gossip), Ok(vec![]));
    assert_eq!(sync.progress(), Progress::Fetching(0), "not all of it is known yet");
    for n in 1..=1_000 {
        net.answer(waiting(n), &astrape_routing::gossip::ChainAnswer::Gone);
    }
    sync.tick(MILLIS + hour, &net.gossip);
    assert_eq!(sync.progress(), Progress::Complete);
}

#[test]
fn neither_what_others_invent_nor_what_the_peer_does_holds_the_sync_for_ever() {
    let all: Vec<ShortChannelId> = (1..=501).map(scid).collect();
    let listed = |net: &Net| {
        let mut sync = Sync::default();
        sync.connected(MILLIS, peer(1), chosen(false), &net.gossip);
        sync.connected(MILLIS, peer(2), chosen(false), &net.gossip);
        let part = reply(&all, 0, u32::MAX, true);
        let said = sync.range_reply(MILLIS, peer(1), &part, &net.gossip).expect("good");
        (sync, ids_of(&said).len())
    };
    let of_others = crate::channels::flooded(2_500, |_| peer(9));
    assert_eq!(listed(&of_others).1, 500);
    // Who is asked tells ever more of what is not there.
    let mut net = crate::channels::flooded(1_001, |_| peer(1));
    let (mut sync, asked) = listed(&net);
    assert_eq!(asked, 0);
    let one = signed_channel(channel_message(1, 2, scid(900)), 1, 2);
    let mut n = 1_001;
    while sync.progress() == Progress::Fetching(501) {
        assert!(n < 12_000, "it is held");
        let mut message = one.clone();
        message.short_channel_id = ShortChannelId::new(1_000 + n, 1, 0).expect("small");
        crate::channels::invent(&mut net, message, peer(1));
        let oldest = ShortChannelId::new(n - 1, 1, 0).expect("small");
        net.answer(oldest, &astrape_routing::gossip::ChainAnswer::Gone);
        n += 1;
        sync.tick(MILLIS, &net.gossip);
    }
    assert_eq!(sync.progress(), Progress::Listing, "another one is asked");
    assert!(n > 10_000);
}

#[test]
fn who_is_left_is_followed_by_another() {
    let net = Net::new();
    let mut sync = asking(&net, true);
    sync.connected(MILLIS, peer(2), chosen(true), &net.gossip);
    sync.leave(&peer(2));
    assert!(sync.tick(MILLIS, &net.gossip).is_empty(), "nothing was asked of it");
    sync.leave(&peer(1));
    assert_eq!(asked_for_all(&sync.tick(MILLIS, &net.gossip)), [peer(2)]);
}

#[test]
fn what_would_be_pruned_at_once_is_not_asked_for() {
    let mut net = Net::new();
    net.add_channel(1, 2, scid(900));
    let two_weeks = 14 * 24 * 60 * 60;
    let asked = |id: ShortChannelId, one: u32, other: u32| {
        let mut sync = asking(&net, true);
        let mut part = reply(&[id], 0, u32::MAX, true);
        let times = ChannelUpdateTimestamps { timestamp_node_id_1: one, timestamp_node_id_2: other };
        part.timestamps_tlv = Some(vec![times]);
        let said = sync.range_reply(MILLIS, peer(1), &part, &net.gossip).expect("good");
        ids_of(&said).first().and_then(|(_, flags)| *flags)
    };
    assert_eq!(asked(scid(900), NOW, NOW - two_weeks - 1), Some(QueryFlags::CHANNEL_UPDATE_1));
    assert_eq!(asked(scid(900), NOW - two_weeks - 1, 0), None);
    assert_eq!(asked(scid(901), NOW, NOW - two_weeks - 1), None);
    assert_eq!(asked(scid(901), NOW, 0), Some(31), "one end is yet to say something");
    assert_eq!(asked(scid(901), NOW, NOW - two_weeks), Some(31));
}
