//! Nodes of the graph that a node without peers may call. Anybody can announce any address, so those are left out where no node
//! of the network can be, and names, which a name server would have to be asked for.

use super::Found;
use crate::graph::NodeInfo;
use crate::lot::lot;
use astrape_primitives::NodeId;
use astrape_wire::Address;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Some of the nodes, `most` of them, with an address each that `may_be_called`: others with each `entropy`, in an order that
/// nobody can foresee.
pub fn strangers<'a>(
    nodes: impl Iterator<Item = (NodeId, Option<&'a NodeInfo>)>,
    most: usize,
    entropy: [u8; 32],
    may_be_called: impl Fn(IpAddr) -> bool,
) -> Vec<Found> {
    let mut chosen = BTreeMap::new();
    for (node_id, info) in nodes {
        let addresses = info.into_iter().flat_map(|info| &info.addresses);
        let Some(address) = addresses.filter_map(socket).find(|at| may_be_called(at.ip())) else {
            continue;
        };
        chosen.insert(lot(&entropy, &node_id), (node_id, address));
        if chosen.len() > most {
            chosen.pop_last();
        }
    }
    let found = |(node_id, address): (NodeId, SocketAddr)| Found { node_id, address: address.to_string() };
    chosen.into_values().map(found).collect()
}

fn socket(address: &Address) -> Option<SocketAddr> {
    match address {
        Address::Ipv4(ip, port) => Some((*ip, *port).into()),
        Address::Ipv6(ip, port) => Some((*ip, *port).into()),
        Address::TorV3(..) | Address::Hostname(..) => None,
    }
}

/// Whether a node of the network can be at an address: not in the machine itself, nor in a network of one household or company.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, ..] = ip.octets();
    let is_shared_by_a_provider = a == 100 && b & 0xc0 == 64;
    let is_reserved = a == 0 || a >= 240;
    !(ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_multicast()
        || ip.is_documentation()
        || is_shared_by_a_provider
        || is_reserved)
}

/// All that was given out so far is in 2000::/3.
fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [first, second, ..] = ip.segments();
    let is_documentation = first == 0x2001 && second == 0xdb8;
    first & 0xe000 == 0x2000 && !is_documentation
}
