//! The queries of others, answered.

use crate::kit::{
    CAPACITY, NOW, Net, TIP, channel, channel_message, chosen, funding, node, node_announcement, scid, update,
};
use astrape_primitives::{Height, Network, ShortChannelId};
use astrape_routing::Gossip;
use astrape_routing::gossip::serve::{Backlog, IdsAnswer, MAX_IDS_IN_REPLY, Piece, QueryFault, RangeAnswer};
use astrape_routing::gossip::sync::{Say, Sync};
use astrape_routing::gossip::{ChainAnswer, Filter, Record};
use astrape_wire::tlv::BigSize;
use astrape_wire::{
    GossipTimestampFilter, Message, QueryChannelRange, QueryFlags, QueryShortChannelIds, ReplyChannelRange,
};
use bitcoin::hashes::Hash as _;
use bitcoin::{OutPoint, Txid};

fn range(first: u32, count: u32, options: Option<u64>) -> QueryChannelRange {
    QueryChannelRange {
        chain_hash: Network::Regtest.chain_hash(),
        first_blocknum: Height(first),
        number_of_blocks: count,
        query_option: options.map(BigSize),
    }
}

fn parts(net: &Net, query: &QueryChannelRange) -> Vec<ReplyChannelRange> {
    parts_of(&net.gossip, query)
}

fn parts_of(gossip: &Gossip, query: &QueryChannelRange) -> Vec<ReplyChannelRange> {
    let mut answer = RangeAnswer::new(query.clone());
    std::iter::from_fn(|| answer.next(gossip)).collect()
}

fn some() -> Net {
    let mut net = Net::new();
    for block in [100, 500, 501, 900] {
        net.add_channel(1, 2, scid(block));
    }
    net
}

fn ids(parts: &[ReplyChannelRange]) -> Vec<u32> {
    parts.iter().flat_map(|part| &part.encoded_short_ids).map(|id| id.block()).collect()
}

/// What BOLT 7 asks of the parts of one answer.
fn check(query: &QueryChannelRange, parts: &[ReplyChannelRange]) {
    let first = u64::from(query.first_blocknum.0);
    let end = (first + u64::from(query.number_of_blocks)).min(u64::from(u32::MAX));
    let begin_of = |part: &ReplyChannelRange| u64::from(part.first_blocknum.0);
    let end_of = |part: &ReplyChannelRange| begin_of(part) + u64::from(part.number_of_blocks);
    assert!(parts.iter().all(|part| part.chain_hash == query.chain_hash));
    assert!(begin_of(&parts[0]) <= first && end_of(&parts[0]) > first);
    // LND refuses a part that begins neither in the last block of the one before nor in the block after it.
    for pair in parts.windows(2) {
        let (ended, begins) = (end_of(&pair[0]), begin_of(&pair[1]));
        assert!(
            begins == ended || begins + 1 == ended,
            "one part ends at {ended}, the next begins at {begins}"
        );
    }
    let (last, before) = parts.split_last().expect("one at least");
    assert!(last.sync_complete && before.iter().all(|part| !part.sync_complete));
    assert!(end_of(last) >= end);
    for part in parts {
        let inside = |id: &ShortChannelId| (begin_of(part)..end_of(part)).contains(&u64::from(id.block()));
        assert!(part.encoded_short_ids.iter().all(inside));
        assert!(Message::ReplyChannelRange(part.clone()).encode().is_ok(), "it fits a message");
    }
}

// BOLT 7.the-query_channel_range-and-reply_channel_range-messages.9
// BOLT 7.the-query_channel_range-and-reply_channel_range-messages.10
// BOLT 7.the-query_channel_range-and-reply_channel_range-messages.12
// BOLT 7.the-query_channel_range-and-reply_channel_range-messages.13
// BOLT 7.the-query_channel_range-and-reply_channel_range-messages.16
// BOLT 7.the-query_channel_range-and-reply_channel_range-messages.17
#[test]
fn a_range_is_answered_with_the_channels_in_it() {
    let net = some();
    let asked = [
        (0, u32::MAX, vec![100, 500, 501, 900]),
        (500, 1, vec![500]),
        (500, 2, vec![500, 501]),
        (101, 399, vec![]),
        (901, 10, vec![]),
        (0, 1, vec![]),
        (500, u32::MAX, vec![500, 501, 900]),
        (u32::MAX, u32::MAX, vec![]),
        (20_000_000, 1, vec![]),
    ];
    for (first, count, expected) in asked {
        let query = range(first, count, None);
        let said = parts(&net, &query);
        check(&query, &said);
        assert_eq!(ids(&said), expected, "{first} + {count}");
        assert!(said.iter().all(|part| part.timestamps_tlv.is_none() && part.checksums_tlv.is_none()));
    }
}

/// Peers add the two fields of an answer in 32 bits, and take a sum that does not fit them for a small one.
#[test]
fn who_asks_for_more_blocks_than_have_numbers_is_answered_in_numbers_that_fit() {
    let said = parts(&some(), &range(500, u32::MAX, None));
    let last = said.last().expect("one at least");
    assert_eq!(last.first_blocknum.0.checked_add(last.number_of_blocks), Some(u32::MAX));
}

// BOLT 7.the-query_channel_range-and-reply_channel_range-messages.9
#[test]
fn of_another_chain_nothing_is_known_and_that_is_said() {
    let net = some();
    let query = QueryChannelRange { chain_hash: [7; 32], ..range(0, 1_000, None) };
    let said = parts(&net, &query);
    check(&query, &said);
    assert!(ids(&said).is_empty());
}

/// Whoever asks looks at the chain and finds nothing there: LND bans a peer that told of a hundred such channels.
#[test]
fn nobody_is_answered_with_a_channel_whose_funding_is_spent() {
    let mut net = told();
    net.gossip.block_connected(TIP.plus(1), [funding(1, 2, scid(900)).outpoint]);
    assert!(
        net.gossip.graph().channel(scid(900)).is_some(),
        "it is kept for the case that this was a splice"
    );
    let query = range(0, 1_000, Some(3));
    let said = parts(&net, &query);
    check(&query, &said);
    assert_eq!(ids(&said), [901]);
    assert_eq!(said[0].timestamps_tlv.as_ref().map(Vec::len), Some(1));
    assert_eq!(answered(&net, by_ids(&[scid(900)], None), true), (vec![], true));
    net.gossip.block_disconnected(TIP.plus(1));
    assert_eq!(ids(&parts(&net, &query)), [900, 901], "the spend has left the chain");
    assert!(!answered(&net, by_ids(&[scid(900)], None), true).0.is_empty());
}

// BOLT 7.the-query_channel_range-and-reply_channel_range-messages.18
// BOLT 7.the-query_channel_range-and-reply_channel_range-messages.19
#[test]
fn timestamps_and_checksums_are_added_when_they_are_asked_for() {
    let mut net = some();
    net.add_open_channel(3, 4, scid(950));
    let said = parts(&net, &range(0, 1_000, Some(3)));
    let timestamps = said[0].timestamps_tlv.as_ref().expect("asked for");
    let checksums = said[0].checksums_tlv.as_ref().expect("asked for");
    assert_eq!((timestamps.len(), checksums.len()), (5, 5));
    assert_eq!((timestamps[0].timestamp_node_id_1, checksums[0].checksum_node_id_1), (0, 0), "no update");
    assert_eq!(timestamps[4].timestamp_node_id_1, NOW - 100);
    let policy = net.gossip.graph().channel(scid(950)).expect("there").policies[0].expect("there");
    assert_eq!(checksums[4].checksum_node_id_1, policy.checksum);
    let one = parts(&net, &range(0, 1_000, Some(1)));
    assert!(one[0].timestamps_tlv.is_some() && one[0].checksums_tlv.is_none());
    let other = parts(&net, &range(0, 1_000, Some(2)));
    assert!(other[0].timestamps_tlv.is_none() && other[0].checksums_tlv.is_some());
}

/// So many channels of which nobody checked anything: only their ids count here. Between two blocks that have some are others
/// without any.
fn large(count: usize, in_a_block: usize, apart: usize) -> Gossip {
    let mut gossip = Gossip::new(Network::Regtest.chain_hash(), node(0));
    let mut message = channel_message(1, 2, scid(1));
    for n in 0..count {
        let (block, index) = (apart * (n / in_a_block) + 100, n % in_a_block + 1);
        message.short_channel_id =
            ShortChannelId::new(u32::try_from(block).unwrap(), u32::try_from(index).unwrap(), 0).unwrap();
        let bytes = Message::ChannelAnnouncement(message.clone()).encode().expect("short").into();
        let funding =
            u32::try_from(n).ok().map(|vout| (OutPoint { txid: Txid::all_zeros(), vout }, CAPACITY));
        assert!(gossip.replay(&Record::Channel { bytes, funding, received: NOW }, 1));
    }
    gossip
}

// BOLT 7.the-query_channel_range-and-reply_channel_range-messages.10
// BOLT 7.the-query_channel_range-and-reply_channel_range-messages.11
// BOLT 7.the-query_channel_range-and-reply_channel_range-messages.14
// BOLT 7.the-query_channel_range-and-reply_channel_range-messages.15
#[test]
fn a_large_range_is_answered_in_parts_that_follow_each_other() {
    for (in_a_block, apart) in [(1, 1), (6_000, 1), (7, 3), (MAX_IDS_IN_REPLY, 3)] {
        let count = 2 * MAX_IDS_IN_REPLY + 1;
        let query = range(0, 1_000_000, Some(3));
        let said = parts_of(&large(count, in_a_block, apart), &query);
        assert_eq!(said.len(), 3);
        check(&query, &said);
        let all: Vec<ShortChannelId> = said.iter().flat_map(|part| part.encoded_short_ids.clone()).collect();
        assert!(all.is_sorted() && all.len() == count);
        assert!(said.iter().all(|part| {
            part.timestamps_tlv.as_ref().is_some_and(|t| t.len() == part.encoded_short_ids.len())
        }));
        assert!(taken_by_another(&said));
    }
}

/// Anybody can invent a channel where the chain source cannot tell, and whoever checks it bans who has passed it on.
#[test]
fn nobody_is_told_of_a_channel_whose_funding_was_never_seen() {
    let mut net = some();
    let before = parts(&net, &range(0, 1_000, None))[0].encoded_short_ids.clone();
    let invented = scid(955);
    net.hear(channel(8, 9, invented));
    net.answer(invented, &ChainAnswer::Unknown);
    net.hear(update(8, 9, invented, NOW - 50));
    let known = net.gossip.graph().channel(invented).expect("it is of use to path search");
    assert!(known.policies.iter().any(Option::is_some));
    assert_eq!(parts(&net, &range(0, 1_000, None))[0].encoded_short_ids, before);
    let query = QueryShortChannelIds {
        chain_hash: net.gossip.chain_hash(),
        encoded_short_ids: vec![invented],
        query_flags: None,
    };
    let mut answer = IdsAnswer::new(query).expect("it has no flags");
    assert!(matches!(answer.next(&net.gossip, true), Some(Piece::End(_))));
    let stored = known.stored.expect("it is kept");
    assert!(net.gossip.flush(NOW).iter().all(|item| item.stored != stored && item.timestamp != NOW - 50));
    let everything = GossipTimestampFilter {
        chain_hash: net.gossip.chain_hash(),
        first_timestamp: 0,
        timestamp_range: u32::MAX,
    };
    let mut backlog = Backlog::new(Filter::new(&everything));
    let told: Vec<_> = std::iter::from_fn(|| backlog.next(&net.gossip)).flatten().collect();
    assert!(!told.contains(&stored));
    assert!(!net.gossip.nodes_with_funding().contains(&known.node_1));
}

#[test]
fn the_parts_of_an_answer_follow_each_other_though_channels_among_them_are_closed() {
    let mut gossip = large(2 * MAX_IDS_IN_REPLY, 7, 3);
    let is_closed = |n: usize| n.is_multiple_of(3) || n.abs_diff(MAX_IDS_IN_REPLY) < 20;
    let ids: Vec<ShortChannelId> = gossip.graph().channels(..).map(|c| c.short_channel_id).collect();
    let mut open = Vec::new();
    for (n, id) in ids.into_iter().enumerate() {
        if is_closed(n) { assert!(gossip.replay(&Record::Spent(id, TIP), 1)) } else { open.push(id) }
    }
    let query = range(0, 1_000_000, None);
    let said = parts_of(&gossip, &query);
    check(&query, &said);
    assert!(said.iter().flat_map(|part| &part.encoded_short_ids).eq(&open));
    assert!(said.len() == 2 && taken_by_another(&said));
}

/// Whether a node that knows nothing and asks for everything takes these parts of an answer.
fn taken_by_another(said: &[ReplyChannelRange]) -> bool {
    let net = Net::new();
    let mut sync = Sync::default();
    let peer = node(9);
    sync.connected(0, peer, chosen(true), &net.gossip);
    let (last, before) = said.split_last().expect("one at least");
    let all_taken = before.iter().all(|part| sync.range_reply(1, peer, part, &net.gossip) == Ok(Vec::new()));
    let asks = sync.range_reply(1, peer, last, &net.gossip).expect("the last fits too");
    all_taken && matches!(asks[..], [Say { message: Message::QueryShortChannelIds(_), .. }])
}

fn by_ids(ids: &[ShortChannelId], flags: Option<Vec<u64>>) -> QueryShortChannelIds {
    QueryShortChannelIds {
        chain_hash: Network::Regtest.chain_hash(),
        encoded_short_ids: ids.to_vec(),
        query_flags: flags.map(QueryFlags),
    }
}

fn answered(net: &Net, query: QueryShortChannelIds, complete: bool) -> (Vec<&'static str>, bool) {
    let mut answer = IdsAnswer::new(query).expect("a good query");
    let (mut said, mut full) = (Vec::new(), None);
    while let Some(piece) = answer.next(&net.gossip, complete) {
        assert_eq!(full, None, "nothing follows the end");
        match piece {
            Piece::Stored(places) => said.extend(net.messages(places).iter().map(Message::name)),
            Piece::End(end) => full = Some(end.full_information),
        }
    }
    (said, full.expect("it ends"))
}

fn told() -> Net {
    let mut net = Net::new();
    net.add_open_channel(1, 2, scid(900));
    net.add_open_channel(1, 3, scid(901));
    for n in [1, 2, 3] {
        net.hear(node_announcement(n, NOW));
    }
    net
}

// BOLT 7.the-query_short_channel_ids-reply_short_channel_ids_end-messages.21
// BOLT 7.the-query_short_channel_ids-reply_short_channel_ids_end-messages.22
// BOLT 7.the-query_short_channel_ids-reply_short_channel_ids_end-messages.23
// BOLT 7.the-query_short_channel_ids-reply_short_channel_ids_end-messages.30
// BOLT 7.the-query_short_channel_ids-reply_short_channel_ids_end-messages.31
// BOLT 7.the-query_short_channel_ids-reply_short_channel_ids_end-messages.33
#[test]
fn a_channel_is_told_with_its_updates_and_nodes_and_each_node_once() {
    let (said, full) = answered(&told(), by_ids(&[scid(900), scid(901), scid(902)], None), true);
    let channel = ["channel_announcement", "channel_update", "channel_update"];
    let expected = [&channel[..], &["node_announcement"; 2], &channel[..], &["node_announcement"]].concat();
    assert_eq!(said, expected);
    assert!(full);
    assert_eq!(answered(&told(), by_ids(&[], None), true), (vec![], true));
}

// BOLT 7.the-query_short_channel_ids-reply_short_channel_ids_end-messages.24
// BOLT 7.the-query_short_channel_ids-reply_short_channel_ids_end-messages.25
// BOLT 7.the-query_short_channel_ids-reply_short_channel_ids_end-messages.26
// BOLT 7.the-query_short_channel_ids-reply_short_channel_ids_end-messages.27
// BOLT 7.the-query_short_channel_ids-reply_short_channel_ids_end-messages.28
#[test]
fn each_flag_asks_for_its_own() {
    let net = told();
    let asked = |flag: u64| {
        let mut answer = IdsAnswer::new(by_ids(&[scid(900)], Some(vec![flag]))).expect("good");
        match answer.next(&net.gossip, true) {
            Some(Piece::Stored(places)) => net.messages(places),
            _ => Vec::new(),
        }
    };
    let (one, two) = crate::kit::ordered(1, 2);
    assert!(asked(0).is_empty());
    assert!(matches!(&asked(1)[..], [Message::ChannelAnnouncement(_)]));
    assert!(matches!(&asked(2)[..], [Message::ChannelUpdate(m)] if m.channel_flags == 0));
    assert!(matches!(&asked(4)[..], [Message::ChannelUpdate(m)] if m.channel_flags == 1));
    assert!(matches!(&asked(8)[..], [Message::NodeAnnouncement(m)] if m.node_id == node(one)));
    assert!(matches!(&asked(16)[..], [Message::NodeAnnouncement(m)] if m.node_id == node(two)));
    assert_eq!(asked(31).len(), 5);
}

// BOLT 7.the-query_short_channel_ids-reply_short_channel_ids_end-messages.32
#[test]
fn who_does_not_know_all_says_so() {
    let net = told();
    assert_eq!(answered(&net, by_ids(&[scid(902)], None), false), (vec![], false));
    let elsewhere = QueryShortChannelIds { chain_hash: [7; 32], ..by_ids(&[scid(900)], None) };
    assert_eq!(answered(&net, elsewhere, true), (vec![], false));
}

// BOLT 7.the-query_short_channel_ids-reply_short_channel_ids_end-messages.19
#[test]
fn flags_that_are_not_one_for_each_channel_are_refused() {
    for flags in [vec![], vec![1], vec![1, 2, 3]] {
        let refused = IdsAnswer::new(by_ids(&[scid(900), scid(901)], Some(flags.clone()))).err();
        assert_eq!(refused, Some(QueryFault::Flags { flags: flags.len(), ids: 2 }));
    }
}

// BOLT 7.query-messages.1
// attack 65
#[test]
fn compressed_arrays_are_no_message_whatever_they_would_become() {
    let query = Message::QueryShortChannelIds(by_ids(&[scid(900)], Some(vec![1])));
    let reply = Message::ReplyChannelRange(ReplyChannelRange {
        chain_hash: [0; 32],
        first_blocknum: Height(0),
        number_of_blocks: 1,
        sync_complete: true,
        encoded_short_ids: vec![scid(900)],
        timestamps_tlv: None,
        checksums_tlv: None,
    });
    // Where the encoding byte of the ids stands in each.
    for (message, at) in [(query, 2 + 32 + 2), (reply, 2 + 32 + 4 + 4 + 1 + 2)] {
        let mut bytes = message.encode().expect("short");
        assert_eq!(bytes[at], 0, "we never compress");
        bytes[at] = 1;
        assert!(Message::decode(&bytes).is_err());
    }
}
