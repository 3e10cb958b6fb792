//! Peers that are not where they were: the network tells where they are.

use crate::support::{Down, Member, until};
use astrape_daemon::engine::{ConnectError, EmbeddedChain, EngineConfig};
use astrape_primitives::{Msat, Sat};
use astrape_regtest::ports;
use astrape_wire::{Address, Addresses};
use std::net::SocketAddr;

const FUNDING: Sat = Sat(1_000_000);

/// Where nobody listens, yet.
pub(crate) fn free_place() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], ports::free().unwrap()))
}

/// Listens at a place, and tells the network so.
pub(crate) fn announced_at(place: SocketAddr) -> impl FnOnce(&mut EngineConfig) {
    move |config| {
        config.listen = vec![place];
        config.node.appearance.addresses = Addresses::new(&[Address::from(place)]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_has_moved_is_found_where_it_says_to_the_network_that_it_is() {
    let chain = EmbeddedChain::new();
    let (alice, bob, carol) =
        (Member::start(21, &chain).await, Member::start(22, &chain).await, Member::start(23, &chain).await);
    alice.fund(Sat(2_000_000)).await;
    alice.connect(&bob).await;
    alice.open_announced(&bob, FUNDING, Msat(0)).await;
    for member in [&alice, &bob] {
        member.connect(&carol).await;
    }
    until("carol knows bob", async || carol.handle.graph_node(&bob.id()).is_some()).await;

    // Bob remembers where carol is, and carol passes on where he is: alice hears it from her.
    let (place, bob) = (free_place(), bob.stopped().await);
    let bob_id = bob.id();
    let bob = bob.start_with(announced_at(place)).await;
    let is_called = async || alice.handle.peer_address(&bob_id) == Some((place.to_string(), false));
    until("alice has called bob where he is now", is_called).await;

    // Who has no channel with him and is asked to connect finds him too.
    bob.handle.disconnect(carol.id()).await.unwrap();
    until("they are apart", async || carol.handle.peer_address(&bob_id).is_none()).await;
    carol.handle.connect_known(bob_id).await.unwrap();
    assert_eq!(carol.handle.peer_address(&bob_id), Some((place.to_string(), false)));
    let unknown = carol.handle.connect_known(Down::id_of(29)).await.unwrap_err();
    assert!(matches!(unknown, ConnectError::NoAddress(id) if id == Down::id_of(29)), "{unknown}");
    for member in [alice, bob, carol] {
        member.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_is_remembered_once_the_peer_was_reached_there() {
    let chain = EmbeddedChain::new();
    let (alice, bob) = (Member::start(24, &chain).await, Member::start(25, &chain).await);
    bob.connect(&alice).await;
    let remembered = || -> Vec<String> {
        let node = alice.handle.snapshot();
        node.known_peers().flat_map(|(_, known)| known.addresses.clone()).collect()
    };
    until("bob is up", async || alice.handle.peer_address(&bob.id()).is_some()).await;
    until("alice knows it", async || alice.handle.snapshot().connected_peers().count() == 1).await;
    alice.handle.connect(bob.id(), &free_place().to_string()).await.unwrap();
    assert_eq!(remembered(), Vec::<String>::new(), "nobody has tried it");
    bob.handle.disconnect(alice.id()).await.unwrap();
    until("they are apart", async || alice.handle.peer_address(&bob.id()).is_none()).await;
    alice.handle.connect(bob.id(), &free_place().to_string()).await.unwrap_err();
    alice.connect(&bob).await;
    assert_eq!(remembered(), [bob.address()]);
    for member in [alice, bob] {
        member.stop().await.unwrap();
    }
}
