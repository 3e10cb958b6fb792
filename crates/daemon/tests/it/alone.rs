//! Nodes that know the network and have no peer.

use crate::gossip::{name_server, scid_of, until_known};
use crate::moved::{announced_at, free_place};
use crate::support::{Down, Member, until};
use astrape_daemon::engine::EmbeddedChain;
use astrape_primitives::{Msat, Sat};
use astrape_routing::bootstrap::seed::Listed;
use astrape_wire::Address;
use std::net::SocketAddr;
use std::time::Duration;

/// Alice and Bob with a channel that the network knows; Bob listens at a place that it knows too. Carol knows all that and
/// remembers nobody.
async fn network(seeds: [u8; 3], chain: &EmbeddedChain, place: SocketAddr) -> (Member, Member, Down) {
    let alice = Member::start(seeds[0], chain).await;
    let bob = Member::start_with(seeds[1], chain, announced_at(place)).await;
    let carol = Member::start(seeds[2], chain).await;
    alice.fund(Sat(2_000_000)).await;
    alice.connect(&bob).await;
    alice.open_announced(&bob, Sat(1_000_000), Msat(0)).await;
    carol.connect(&bob).await;
    until_known(&carol, scid_of(&alice, &bob).await).await;
    carol.handle.disconnect(bob.id()).await.unwrap();
    (alice, bob, carol.stopped().await)
}

async fn stop(members: [Member; 3]) {
    for member in members {
        member.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_left_alone_calls_nodes_of_the_network_and_no_strangers_where_it_shall_not() {
    let chain = EmbeddedChain::new();
    let place = free_place();
    let (alice, bob, carol) = network([11, 12, 13], &chain, place).await;
    let carol = carol.start_with(|config| config.dns_seeds = None).await;
    assert!(carol.handle.graph_node(&bob.id()).is_some(), "it knows the network");
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(carol.handle.snapshot().connected_peers().count(), 0);

    let carol = carol.stopped().await.start_with(|config| config.dns_seeds = Some(Vec::new())).await;
    until("bob is called", async || carol.handle.peer_address(&bob.id()) == Some((place.to_string(), false)))
        .await;
    // Whenever it is alone; who came to it by itself is no company.
    let dave = Member::start(17, &chain).await;
    dave.connect(&carol).await;
    carol.handle.disconnect(bob.id()).await.unwrap();
    until("bob is called again", async || carol.handle.peer_address(&bob.id()).is_some()).await;
    assert!(carol.handle.peer_address(&dave.id()).is_some_and(|(_, inbound)| inbound));
    dave.stop().await.unwrap();
    stop([alice, bob, carol]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_reaches_nobody_of_the_network_asks_a_dns_seed() {
    let chain = EmbeddedChain::new();
    let (alice, bob, carol) = network([14, 15, 16], &chain, free_place()).await;
    // Bob is elsewhere now, and has told nobody.
    let bob = bob.restart().await;
    let address = Address::from(bob.address().parse::<SocketAddr>().unwrap());
    let server = name_server(vec![Listed { node_id: bob.id(), addresses: vec![address] }]).await;
    let carol = carol.start_with(|config| {
        config.dns_seeds = Some(vec!["seed.example.com".into()]);
        config.name_server = Some(server);
    });
    let carol = carol.await;
    until("bob is found", async || carol.handle.peer_address(&bob.id()).is_some()).await;
    stop([alice, bob, carol]).await;
}
