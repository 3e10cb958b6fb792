//! Small random networks, where all ways can be tried and the largest flow is known exactly.

use crate::check::{fee, holds, towards};
use crate::kit::{Sketch, find, in_parts, nodes, policy, request, sketched};
use astrape_primitives::{CltvDelta, Msat, NodeId, ShortChannelId};
use astrape_routing::search::{Limits, Weights};
use astrape_routing::synthetic::flow::Balances;
use astrape_routing::{Graph, Policy, Request};
use proptest::prelude::*;

const NODES: usize = 7;

fn policies() -> impl Strategy<Value = Policy> {
    (0u32..5_000, 0u32..20_000, 0u16..200, 0u64..100_000, 100_000u64..3_000_000_000, 0u8..8).prop_map(
        |(base, millionths, delta, least, most, disabled)| Policy {
            fee_base_msat: base,
            fee_proportional_millionths: millionths,
            cltv_expiry_delta: CltvDelta(delta),
            htlc_minimum: Msat(least),
            htlc_maximum: Msat(most),
            disabled: disabled == 0,
            ..policy(5)
        },
    )
}

fn sketches() -> impl Strategy<Value = Sketch> {
    let ends = (0..NODES, 0..NODES).prop_map(|(one, two)| [one, two]);
    let channel = (ends, 1_000u64..3_000_000, policies(), policies());
    let channel = channel.prop_map(|(ends, capacity, one, two)| (ends, capacity, [one, two]));
    proptest::collection::vec(channel, 3..20)
}

/// All ways without a node twice, as channels with their receivers.
fn all_ways(graph: &Graph, from: NodeId, to: NodeId) -> Vec<Vec<(ShortChannelId, NodeId)>> {
    let channels: Vec<_> = graph.channels(..).collect();
    let (mut found, mut open) = (Vec::new(), vec![(from, Vec::new())]);
    while let Some((node, way)) = open.pop() {
        if node == to {
            found.push(way);
            continue;
        }
        for channel in &channels {
            let Some(next) = [channel.node_1, channel.node_2].into_iter().find(|end| *end != node) else {
                continue;
            };
            let touches = channel.node_1 == node || channel.node_2 == node;
            if touches && next != from && way.iter().all(|(_, seen)| *seen != next) {
                let mut longer: Vec<(ShortChannelId, NodeId)> = way.clone();
                longer.push((channel.short_channel_id, next));
                open.push((next, longer));
            }
        }
    }
    found
}

/// What a way costs by the definition of the weights, in msat, with its fee and blocks; `None` where it cannot be used.
fn cost(
    graph: &Graph,
    way: &[(ShortChannelId, NodeId)],
    amount: Msat,
    weights: &Weights,
) -> Option<(f64, u64, u32)> {
    let share = |parts: u64, of: f64| amount.0 as f64 * parts as f64 / of;
    let nat = weights.risk_msat as f64 + share(weights.risk_millionths, 1e6);
    let hop = weights.hop_msat as f64 + share(weights.hop_millionths, 1e6);
    let block = share(weights.lock_billionths, 1e9);
    let (mut over, mut total, mut blocks) = (amount.0, 0.0, 0);
    for (at, (id, to)) in way.iter().enumerate().rev() {
        let channel = graph.channel(*id)?;
        let policy = *channel.policy(towards(&channel, *to))?;
        let capacity = channel.capacity?.to_msat().0;
        if policy.disabled || over < policy.htlc_minimum.0 || over > policy.htlc_maximum.0.min(capacity) {
            return None;
        }
        let x = 2.0 * over as f64 / capacity as f64 - 1.0;
        total += hop - ((2.0 - x - x.powi(9)) / 4.0).max(0.001).ln() * nat;
        if at > 0 {
            total += f64::from(policy.cltv_expiry_delta.0) * block;
            blocks += u32::from(policy.cltv_expiry_delta.0);
            over += u64::try_from(fee(&policy, Msat(over))).ok()?;
        }
    }
    Some((total + (over - amount.0) as f64, over - amount.0, blocks))
}

/// The largest flow, where a channel holds its capacity in each direction that is open.
fn max_flow(sketch: &Sketch, from: usize, to: usize) -> u64 {
    let mut balances = Balances::default();
    for (ends, capacity, policies) in sketch.iter().filter(|(ends, ..)| ends[0] != ends[1]) {
        for ((one, two), policy) in [(ends[0], ends[1]), (ends[1], ends[0])].into_iter().zip(policies) {
            if !policy.disabled {
                balances.add(one, two, capacity * 1_000);
            }
        }
    }
    balances.max_flow(from, to)
}

/// A sketch where only the capacities count.
fn plain(sketch: Sketch) -> Sketch {
    let open = |policy: Policy| Policy {
        fee_base_msat: 0,
        fee_proportional_millionths: 0,
        cltv_expiry_delta: CltvDelta(0),
        htlc_minimum: Msat(0),
        htlc_maximum: Msat(u64::MAX),
        ..policy
    };
    sketch.into_iter().map(|(ends, capacity, policies)| (ends, capacity, policies.map(open))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_other_way_costs_less(sketch in sketches(), amount in 1_000u64..2_000_000_000) {
        let ids = nodes(7);
        let mut graph = sketched(&sketch, &ids);
        let wanted = request(ids[0], ids[1], Msat(amount));
        let costs = all_ways(&graph, ids[0], ids[1]).into_iter().filter_map(|way| {
            cost(&graph, &way, Msat(amount), &wanted.weights).map(|(cost, ..)| cost)
        });
        let least = costs.fold(f64::INFINITY, f64::min);
        match find(&mut graph, &wanted) {
            Ok(route) => {
                holds(&graph, &wanted, ids[0], &route);
                // What a hop forwards depends on the fees behind it: of two ways to a node the dearer one may be the better
                // by a fee on a fee.
                prop_assert!(route.cost as f64 <= least * 1.005 + 200.0, "{} but {least}", route.cost);
                prop_assert!(route.cost as f64 >= least * 0.995 - 200.0, "{} but {least}", route.cost);
            }
            Err(why) => prop_assert!(least.is_infinite(), "{why}, but one costs {least}"),
        }
    }

    // BOLT 7.the-channel_update-message.45
    #[test]
    fn no_limit_is_exceeded(
        sketch in sketches(),
        amount in 1_000u64..2_000_000_000,
        (max_fee, max_blocks, max_hops, max_parts) in (0u64..3_000_000, 0u32..500, 1usize..7, 1usize..12),
        closed in 0u32..20,
    ) {
        let ids = nodes(7);
        let mut graph = sketched(&sketch, &ids);
        let closed = [crate::kit::scid(closed)];
        let limits = Limits { max_fee: Msat(max_fee), max_blocks, max_hops, max_parts };
        let wanted = Request {
            limits,
            without_channels: &closed,
            without_nodes: &ids[2..3],
            ..request(ids[0], ids[1], Msat(amount))
        };
        if let Ok(route) = find(&mut graph, &wanted) {
            holds(&graph, &wanted, ids[0], &route);
        }
    }

    #[test]
    fn a_flow_that_exists_is_found_and_another_is_not(sketch in sketches(), share in 1u64..=110) {
        let ids = nodes(7);
        let sketch = plain(sketch);
        let mut graph = sketched(&sketch, &ids);
        let most = max_flow(&sketch, 0, 1);
        let amount = if share > 100 { most + share } else { (most / 100 * share).max(most.min(1)) };
        prop_assume!(amount > 0);
        let wanted = in_parts(request(ids[0], ids[1], Msat(amount)), 32);
        match find(&mut graph, &wanted) {
            Ok(route) => {
                holds(&graph, &wanted, ids[0], &route);
                prop_assert!(amount <= most);
            }
            Err(why) => prop_assert!(amount > most, "{why}, but {most} of {amount} can flow"),
        }
    }

    #[test]
    fn the_same_search_finds_the_same(sketch in sketches(), amount in 1_000u64..2_000_000_000) {
        let ids = nodes(7);
        let mut graph = sketched(&sketch, &ids);
        let wanted = in_parts(request(ids[0], ids[1], Msat(amount)), 10);
        let mut finder = astrape_routing::Finder::new(graph.snapshot(), &astrape_routing::Scores::new());
        let first = finder.find(&wanted);
        let _ = finder.find(&request(ids[2], ids[3], Msat(amount / 2 + 1)));
        prop_assert_eq!(&finder.find(&wanted), &first);
        prop_assert_eq!(&find(&mut graph, &wanted), &first);
    }
}
