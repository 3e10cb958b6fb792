//! What every route must be, whatever the network: recomputed from the policies, apart from the search.

use astrape_primitives::{Msat, NodeId, ShortChannelId};
use astrape_routing::search::{Limits, MAX_HOPS};
use astrape_routing::{Channel, Direction, Graph, Policy, Request, Route};
use std::collections::{BTreeMap, BTreeSet};

/// The fee of BOLT 7, by the letter.
pub(crate) fn fee(policy: &Policy, amount: Msat) -> u128 {
    u128::from(policy.fee_base_msat)
        + u128::from(amount.0) * u128::from(policy.fee_proportional_millionths) / 1_000_000
}

/// Which way a channel is crossed to get to a node.
pub(crate) fn towards(channel: &Channel, node: NodeId) -> Direction {
    if channel.node_2 == node { Direction::FromNode1 } else { Direction::FromNode2 }
}

/// Asserts that a route from a node of the graph holds what it must.
pub(crate) fn holds(graph: &Graph, request: &Request<'_>, from: NodeId, route: &Route) {
    let Limits { max_fee, max_blocks, max_hops, max_parts } = request.limits;
    let mut flows: BTreeMap<(ShortChannelId, Direction), u64> = BTreeMap::new();
    let delivered: u64 = route.parts.iter().map(|part| part.amount.0).sum();
    assert_eq!(delivered, request.amount.0, "the parts are the amount");
    assert!((1..=max_parts).contains(&route.parts.len()), "no more parts than allowed");
    assert!(route.fee <= max_fee, "no more fees than allowed");
    assert_eq!(route.fee, route.parts.iter().map(|part| part.fee).sum());
    for part in &route.parts {
        assert!(part.hops.len() <= max_hops.min(MAX_HOPS) && part.hops[0].blocks <= max_blocks);
        assert_eq!(part.hops[0].amount, Msat(part.amount.0 + part.fee.0));
        assert_eq!(
            part.hops.last().map(|hop| (hop.node, hop.amount, hop.blocks)),
            Some((request.to, part.amount, 0))
        );
        let (mut sender, mut seen) = (from, BTreeSet::from([from]));
        for (at, hop) in part.hops.iter().enumerate() {
            assert!(seen.insert(hop.node), "no node twice");
            assert!(!request.without_channels.contains(&hop.short_channel_id));
            assert!(hop.node == request.to || !request.without_nodes.contains(&hop.node));
            let channel = graph.channel(hop.short_channel_id).expect("a channel of the graph");
            let direction = towards(&channel, hop.node);
            assert_eq!((channel.sender(direction), hop.public.map(|p| p.0)), (sender, Some(direction)));
            let policy = channel.policy(direction).expect("somebody forwards");
            assert!(!policy.disabled);
            assert!(policy.htlc_minimum <= hop.amount && hop.amount <= policy.htlc_maximum);
            *flows.entry((hop.short_channel_id, direction)).or_default() += hop.amount.0;
            if at > 0 {
                let before = &part.hops[at - 1];
                assert_eq!(u128::from(before.amount.0), u128::from(hop.amount.0) + fee(policy, hop.amount));
                assert_eq!(before.blocks, hop.blocks + u32::from(policy.cltv_expiry_delta.0));
            }
            sender = hop.node;
        }
    }
    for ((id, _), flow) in flows {
        let capacity = graph.channel(id).expect("a channel of the graph").capacity;
        assert!(capacity.is_none_or(|capacity| flow <= capacity.to_msat().0), "no more than a channel holds");
    }
}
