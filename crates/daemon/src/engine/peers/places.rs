//! Where a peer may be reached: the addresses that the node remembers of it, then those that it announces to the network.
//! Somebody who has moved is found by the latter.

use crate::engine::Shared;
use astrape_primitives::NodeId;
use astrape_wire::Address;

/// Announced addresses of one peer that are tried: one of each kind, and some more. Each may take as long as a dial may.
pub(crate) const MAX_ANNOUNCED: usize = 6;

/// What the node knows of where a peer is, as `host:port`, in the order in which it is tried.
pub(crate) fn known(shared: &Shared, peer: NodeId) -> Vec<String> {
    let node = shared.published.get();
    let remembered = node.known_peers().find(|(id, _)| *id == peer);
    with_announced(shared, peer, remembered.map(|(_, known)| known.addresses.clone()).unwrap_or_default())
}

/// Addresses that are remembered of a peer, and after them what its newest announcement adds.
pub(crate) fn with_announced(shared: &Shared, peer: NodeId, remembered: Vec<String>) -> Vec<String> {
    in_order(remembered, &shared.gossip.addresses(&peer))
}

fn in_order(remembered: Vec<String>, announced: &[Address]) -> Vec<String> {
    let most = remembered.len() + MAX_ANNOUNCED;
    let mut places = remembered;
    for address in announced.iter().filter(|address| is_dialled(address)) {
        let place = address.to_string();
        if places.len() < most && !places.contains(&place) {
            places.push(place);
        }
    }
    places
}

/// Whether we can connect to such an address: not to onion services.
fn is_dialled(address: &Address) -> bool {
    match address {
        Address::Ipv4(..) | Address::Ipv6(..) => true,
        // Names of the DNS do not end so, and a lookup would tell the name server.
        Address::Hostname(name, _) => !name.as_str().to_ascii_lowercase().ends_with(".onion"),
        Address::TorV3(..) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use astrape_wire::Hostname;
    use std::net::{Ipv4Addr, Ipv6Addr};

    fn ip(last: u8) -> Address {
        Address::Ipv4(Ipv4Addr::new(203, 0, 113, last), 9735)
    }

    fn name(name: &str) -> Address {
        Address::Hostname(Hostname::new(name).expect("a name"), 9735)
    }

    #[test]
    fn what_is_remembered_is_tried_before_what_is_announced_and_nothing_twice() {
        let remembered = vec!["203.0.113.2:9735".to_owned(), "old.example:1".to_owned()];
        let v6 = Address::Ipv6(Ipv6Addr::LOCALHOST, 1);
        let announced = [ip(1), ip(2), v6, name("node.example.com"), ip(1)];
        let expected =
            ["203.0.113.2:9735", "old.example:1", "203.0.113.1:9735", "[::1]:1", "node.example.com:9735"];
        assert_eq!(in_order(remembered, &announced), expected);
        assert!(in_order(Vec::new(), &[]).is_empty());
    }

    #[test]
    fn onion_services_are_not_dialled() {
        assert!(in_order(Vec::new(), &[Address::TorV3([7; 35], 9735), name("abc.ONION")]).is_empty());
    }

    #[test]
    fn a_peer_that_announces_many_addresses_has_few_of_them_tried() {
        let many: Vec<Address> = (0..=255).map(ip).collect();
        let places = in_order(vec!["old.example:1".to_owned()], &many);
        assert_eq!(places.len(), 1 + MAX_ANNOUNCED);
    }
}
