//! What nodes learn of the network from each other.

use crate::strangers::Stranger;
use crate::support::{Member, PATIENCE, until};
use astrape_daemon::engine::EmbeddedChain;
use astrape_node::{Command, Reply};
use astrape_primitives::{Height, Msat, Network, Sat, ShortChannelId};
use astrape_routing::bootstrap::seed::{Listed, Seed};
use astrape_routing::gossip::sync::Progress;
use astrape_wire::{
    Address, GossipTimestampFilter, Message, QueryChannelRange, QueryFlags, QueryShortChannelIds,
};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::UdpSocket;

const FUNDING: Sat = Sat(1_000_000);

/// Where the channel of two nodes stands in the chain.
pub(crate) async fn scid_of(member: &Member, other: &Member) -> ShortChannelId {
    let node = member.handle.snapshot();
    let (keys, _) = node.channels().find(|(_, channel)| channel.peer() == other.id()).unwrap();
    node.short_channel_id(&keys).unwrap()
}

/// Waits until a node knows a channel with the terms of both ends, and both ends.
pub(crate) async fn until_known(by: &Member, id: ShortChannelId) {
    until("the channel, its terms and its ends are known", async || {
        by.handle.graph_channel(id).is_some_and(|(channel, _)| {
            let ends = [channel.node_1, channel.node_2];
            channel.policies.iter().all(Option::is_some)
                && ends.iter().all(|end| by.handle.graph_node(end).is_some_and(|node| node.info.is_some()))
        })
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gossip_reaches_all_survives_a_restart_and_forgets_a_closed_channel() {
    let chain = EmbeddedChain::new();
    let (alice, bob, carol) =
        (Member::start(61, &chain).await, Member::start(62, &chain).await, Member::start(63, &chain).await);
    alice.fund(Sat(2_000_000)).await;
    bob.fund(Sat(2_000_000)).await;
    alice.connect(&bob).await;
    let first = alice.open_announced(&bob, FUNDING, Msat(0)).await;
    let first_id = scid_of(&alice, &bob).await;
    for member in [&alice, &bob] {
        until_known(member, first_id).await;
    }

    // Carol comes later and asks for what there is.
    carol.connect(&bob).await;
    until_known(&carol, first_id).await;
    until("the sync is complete", async || carol.handle.graph_progress().0 == Progress::Complete).await;
    let (channel, closed) = carol.handle.graph_channel(first_id).unwrap();
    assert_eq!((channel.capacity, closed), (Some(FUNDING), false));

    // Alice hears of what happens further away as it happens.
    bob.open_announced(&carol, FUNDING, Msat(0)).await;
    let second_id = scid_of(&bob, &carol).await;
    for member in [&alice, &bob, &carol] {
        until_known(member, second_id).await;
    }

    // What was learnt is there again, without asking anybody.
    let alone = carol.stopped().await;
    bob.handle.disconnect(alone.id()).await.unwrap();
    let carol = alone.start().await;
    let known = carol.handle.graph_summary();
    assert_eq!((known.channels, known.nodes, known.updates), (2, 3, 4));
    carol.connect(&bob).await;

    let script = alice.handle.new_address().await.unwrap().script_pubkey();
    let closing = alice.handle.command(Command::CloseChannel { channel: first, script }).await;
    assert_eq!(closing, Ok(Reply::Done));
    until("the channel is closed on chain", async || {
        chain.mine(1);
        [&alice, &bob, &carol]
            .iter()
            .all(|member| member.handle.graph_channel(first_id).is_none_or(|(_, closed)| closed))
    })
    .await;
    chain.mine(72);
    for member in [&alice, &bob, &carol] {
        until("the closed channel is forgotten", async || member.handle.graph_channel(first_id).is_none())
            .await;
        assert!(member.handle.graph_channel(second_id).is_some());
    }
    assert_eq!(carol.handle.graph().edge_count(), 2, "path search sees what is left");
    for member in [alice, bob, carol] {
        member.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_private_channel_is_nobody_elses_business() {
    let chain = EmbeddedChain::new();
    let (alice, bob, carol) =
        (Member::start(71, &chain).await, Member::start(72, &chain).await, Member::start(73, &chain).await);
    alice.fund(Sat(2_000_000)).await;
    alice.connect(&bob).await;
    carol.connect(&bob).await;
    alice.open(&bob, FUNDING, Msat(0)).await;
    chain.mine(10);
    until("the sync is complete", async || carol.handle.graph_progress().0 == Progress::Complete).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    for member in [&alice, &bob, &carol] {
        assert_eq!(member.handle.graph_summary().channels, 0);
    }
    for member in [alice, bob, carol] {
        member.stop().await.unwrap();
    }
}

/// A name server that answers for one seed.
pub(crate) async fn name_server(nodes: Vec<Listed>) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let seed = Seed::new("seed.example.com");
        let mut buffer = [0; 512];
        while let Ok((len, from)) = socket.recv_from(&mut buffer).await {
            // Somebody guesses first.
            let _ = socket.send_to(&[0; 40], from).await;
            if let Some(answer) = seed.answer(&buffer[..len], &nodes, [1; 32]) {
                socket.send_to(&answer, from).await.unwrap();
            }
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_knows_nobody_finds_its_first_peers_by_a_dns_seed() {
    let chain = EmbeddedChain::new();
    let (alice, bob) = (Member::start(81, &chain).await, Member::start(82, &chain).await);
    alice.fund(Sat(2_000_000)).await;
    alice.connect(&bob).await;
    alice.open_announced(&bob, FUNDING, Msat(0)).await;
    let id = scid_of(&alice, &bob).await;
    until_known(&bob, id).await;

    let place = |address: String| Address::from(address.parse::<SocketAddr>().unwrap());
    let nobody =
        Listed { node_id: crate::support::Down::id_of(99), addresses: vec![place("127.0.0.1:1".into())] };
    let listed = Listed { node_id: bob.id(), addresses: vec![place(bob.address())] };
    let server = name_server(vec![nobody, listed]).await;
    let carol = Member::start_with(83, &chain, |config| {
        config.dns_seeds = Some(vec!["seed.example.com".into()]);
        config.name_server = Some(server);
    })
    .await;
    until_known(&carol, id).await;
    for member in [alice, bob, carol] {
        member.stop().await.unwrap();
    }
}

/// What a stranger hears of the network within a time.
async fn heard(stranger: &mut Stranger, within: Duration) -> Vec<Message> {
    let mut heard = Vec::new();
    let listening = async {
        loop {
            heard.push(next_heard(stranger).await);
        }
    };
    drop(tokio::time::timeout(within, listening).await);
    heard
}

/// The first so many, however long they take.
async fn heard_so_many(stranger: &mut Stranger, count: usize) -> Vec<Message> {
    let mut heard = Vec::new();
    let listening = async {
        while heard.len() < count {
            heard.push(next_heard(stranger).await);
        }
    };
    tokio::time::timeout(PATIENCE, listening).await.expect("they come");
    heard
}

/// The next one of a channel or a node.
async fn next_heard(stranger: &mut Stranger) -> Message {
    loop {
        let message = stranger.hear().await;
        if matches!(
            message,
            Message::ChannelAnnouncement(_) | Message::ChannelUpdate(_) | Message::NodeAnnouncement(_)
        ) {
            return message;
        }
    }
}

/// Queries that come while a long one is being answered are not kept, nor those whose flags do not fit: a peer that does not read
/// makes the node hold one of each kind.
async fn refuses_queries_that_do_not_wait(stranger: &mut Stranger, id: ShortChannelId) {
    let chain_hash = Network::Regtest.chain_hash();
    let with_flags = |flags| QueryShortChannelIds {
        chain_hash,
        encoded_short_ids: vec![id],
        query_flags: Some(QueryFlags(flags)),
    };
    let long = QueryShortChannelIds { chain_hash, encoded_short_ids: vec![id; 8_000], query_flags: None };
    stranger.say(&Message::QueryShortChannelIds(long)).await.unwrap();
    for query in [with_flags(vec![1; 60_000]), with_flags(vec![1]), with_flags(vec![2])] {
        stranger.say(&Message::QueryShortChannelIds(query)).await.unwrap();
    }
    let (mut ends, mut warnings) = (0, Vec::new());
    while ends == 0 || warnings.len() < 3 {
        match tokio::time::timeout(PATIENCE, stranger.hear()).await.unwrap() {
            Message::ReplyShortChannelIdsEnd(_) => ends += 1,
            Message::Warning(warning) => warnings.push(String::from_utf8(warning.data).unwrap()),
            _ => {}
        }
    }
    let early = "a query before the answer to the one before was complete";
    let flags = "query_short_channel_ids has 60000 flags for 1 channels";
    assert_eq!((ends, warnings), (1, [flags, early, early].map(str::to_owned).to_vec()));

    stranger.say(&Message::QueryShortChannelIds(with_flags(vec![1]))).await.unwrap();
    while !matches!(stranger.hear().await, Message::ReplyShortChannelIdsEnd(_)) {}
}

// BOLT 7.the-gossip_timestamp_filter-message.12
// BOLT 7.rebroadcasting.5
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_hears_of_others_only_what_it_asks_for() {
    let chain = EmbeddedChain::new();
    let (alice, bob, carol) =
        (Member::start(91, &chain).await, Member::start(92, &chain).await, Member::start(93, &chain).await);
    alice.fund(Sat(2_000_000)).await;
    alice.connect(&bob).await;
    let mut stranger = Stranger::connect(94, &carol).await;
    stranger.say_init().await;
    carol.connect(&bob).await;
    alice.open_announced(&bob, FUNDING, Msat(0)).await;
    let id = scid_of(&alice, &bob).await;
    until_known(&carol, id).await;
    assert_eq!(heard(&mut stranger, Duration::from_secs(2)).await, [], "it has asked for nothing");

    let chain_hash = Network::Regtest.chain_hash();
    let range = QueryChannelRange {
        chain_hash,
        first_blocknum: Height(0),
        number_of_blocks: u32::MAX,
        query_option: None,
    };
    stranger.say(&Message::QueryChannelRange(range)).await.unwrap();
    let reply = tokio::time::timeout(PATIENCE, async {
        loop {
            if let Message::ReplyChannelRange(reply) = stranger.hear().await {
                return reply;
            }
        }
    });
    assert_eq!(reply.await.unwrap().encoded_short_ids, [id]);

    let query = QueryShortChannelIds { chain_hash, encoded_short_ids: vec![id], query_flags: None };
    stranger.say(&Message::QueryShortChannelIds(query)).await.unwrap();
    let mut names = Vec::new();
    while names.last() != Some(&"reply_short_channel_ids_end") {
        let message = tokio::time::timeout(PATIENCE, stranger.hear()).await.unwrap();
        names.push(message.name());
    }
    let count = |name: &str| names.iter().filter(|said| **said == name).count();
    let told = ["channel_announcement", "channel_update", "node_announcement"].map(count);
    assert_eq!(told, [1, 2, 2], "{names:?}");

    refuses_queries_that_do_not_wait(&mut stranger, id).await;

    let filter = GossipTimestampFilter { chain_hash, first_timestamp: 0, timestamp_range: u32::MAX };
    stranger.say(&Message::GossipTimestampFilter(filter)).await.unwrap();
    let told = heard_so_many(&mut stranger, 5).await;
    assert!(matches!(told.first(), Some(Message::ChannelAnnouncement(m)) if m.short_channel_id == id));
    assert_eq!(heard(&mut stranger, Duration::from_secs(2)).await, [], "and no more than that");
    for member in [alice, bob, carol] {
        member.stop().await.unwrap();
    }
}
