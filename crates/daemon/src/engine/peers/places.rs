//! Where a peer may be reached: the addresses that the node remembers of it, then those that it announces to the network.
//! Somebody who has moved is found by the latter. Anybody announces any address, so of those only such are called where a node of
//! the network can be: no peer has us call into our own machine or house.

use crate::engine::Shared;
use astrape_primitives::{Network, NodeId};
use astrape_routing::bootstrap::strangers::is_public;
use astrape_wire::Address;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Announced addresses of one peer that are tried: one of each kind, and some more. Each may take as long as a dial may.
pub(crate) const MAX_ANNOUNCED: usize = 6;

/// How long a name server may take for a name that a peer announces.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);

/// What the node remembers of where a peer is, as `host:port`, in the order in which it is tried.
pub(crate) fn remembered(shared: &Shared, peer: &NodeId) -> Vec<String> {
    let node = shared.published.get();
    let remembered = node.known_peers().find(|(id, _)| id == peer);
    remembered.map(|(_, known)| known.addresses.clone()).unwrap_or_default()
}

/// What the newest announcement of a peer adds to what is remembered of it. Names are looked up first.
pub(crate) async fn announced(shared: &Shared, peer: &NodeId, remembered: &[String]) -> Vec<String> {
    // On regtest all nodes are in one machine.
    let is_local = shared.network == Network::Regtest;
    let may_be_called = |ip: IpAddr| is_local || is_public(ip);
    let mut places = Vec::new();
    for address in usable(&shared.gossip.addresses(peer)) {
        let found = match address {
            Address::Ipv4(ip, port) => vec![(*ip, *port).into()],
            Address::Ipv6(ip, port) => vec![(*ip, *port).into()],
            name => look_up(name.to_string()).await,
        };
        let found = found.into_iter().find(|place| may_be_called(place.ip()));
        places.extend(found.map(|place: SocketAddr| place.to_string()));
    }
    news(places, remembered)
}

/// Those of the announced addresses that we can connect to, as many as are tried: no onion services.
fn usable(announced: &[Address]) -> impl Iterator<Item = &Address> {
    let is_dialled = |address: &&Address| match address {
        Address::Ipv4(..) | Address::Ipv6(..) => true,
        // Names of the DNS do not end so, and a lookup would tell the name server.
        Address::Hostname(name, _) => !name.as_str().to_ascii_lowercase().ends_with(".onion"),
        Address::TorV3(..) => false,
    };
    announced.iter().filter(is_dialled).take(MAX_ANNOUNCED)
}

async fn look_up(name: String) -> Vec<SocketAddr> {
    let found = tokio::time::timeout(LOOKUP_TIMEOUT, tokio::net::lookup_host(name)).await;
    found.ok().and_then(Result::ok).into_iter().flatten().collect()
}

/// What is not remembered, each once.
fn news(announced: Vec<String>, remembered: &[String]) -> Vec<String> {
    let mut news: Vec<String> = Vec::new();
    for place in announced {
        if !remembered.contains(&place) && !news.contains(&place) {
            news.push(place);
        }
    }
    news
}

#[cfg(test)]
mod tests {
    use super::*;
    use astrape_wire::Hostname;
    use std::net::Ipv4Addr;

    fn ip(last: u8) -> Address {
        Address::Ipv4(Ipv4Addr::new(203, 0, 113, last), 9735)
    }

    fn name(name: &str) -> Address {
        Address::Hostname(Hostname::new(name).expect("a name"), 9735)
    }

    #[test]
    fn what_is_announced_adds_to_what_is_remembered_and_nothing_is_tried_twice() {
        let places = |all: [&str; 4]| all.map(str::to_owned).to_vec();
        let announced = places(["203.0.113.1:9735", "203.0.113.2:9735", "[2001::1]:1", "203.0.113.1:9735"]);
        let remembered = ["203.0.113.2:9735".to_owned(), "old.example:1".to_owned()];
        assert_eq!(news(announced, &remembered), ["203.0.113.1:9735", "[2001::1]:1"]);
        assert!(news(Vec::new(), &remembered).is_empty());
    }

    #[test]
    fn onion_services_are_not_dialled() {
        assert_eq!(usable(&[Address::TorV3([7; 35], 9735), name("abc.ONION")]).count(), 0);
        assert_eq!(usable(&[name("node.example.com")]).count(), 1);
    }

    #[test]
    fn a_peer_that_announces_many_addresses_has_few_of_them_tried() {
        let many: Vec<Address> = (0..=255).map(ip).collect();
        assert_eq!(usable(&many).count(), MAX_ANNOUNCED);
    }

    #[tokio::test]
    async fn a_name_is_an_address_of_whoever_it_names_and_nobody_where_there_is_none() {
        assert!(look_up("localhost:9".to_owned()).await.iter().any(|found| found.ip().is_loopback()));
        assert!(!is_public(look_up("localhost:9".to_owned()).await[0].ip()), "so it is not called");
        assert!(look_up("no name at all:9".to_owned()).await.is_empty());
    }
}
