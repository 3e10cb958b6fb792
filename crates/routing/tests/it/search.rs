//! What is found: hops with their amounts and expiries, the choice between ways, and what must not be used.

use crate::check::holds;
use crate::kit::{Sketch, channel, find, in_parts, line, nodes, policy, request, scid, sketched, ways};
use astrape_primitives::{CltvDelta, Feature, Features, Msat, NodeId, Timestamp};
use astrape_routing::search::{Asked, Bound, InFlight, Limits, Weights};
use astrape_routing::{
    Crossing, Direction, Finder, NewChannel, NoRoute, NodeInfo, Outcome, Policy, Request, Scores,
};

/// From node 0 to node 3 by 1 or by 2; all channels alike.
fn diamond() -> Sketch {
    [[0, 1], [1, 3], [0, 2], [2, 3]].map(|ends| (ends, 1_000_000, [policy(5), policy(5)])).to_vec()
}

fn features(of: &NodeInfo, features: Features) -> NodeInfo {
    NodeInfo { features, ..of.clone() }
}

fn info() -> NodeInfo {
    NodeInfo {
        timestamp: 5,
        features: Features::empty(),
        color: [0; 3],
        alias: [0; 32],
        addresses: Vec::new(),
        stored: None,
    }
}

#[test]
fn each_hop_gets_the_fee_and_the_expiry_that_it_asks_for() {
    let ids = nodes(4);
    let mut graph = line(&ids);
    let odd = Policy {
        fee_base_msat: 7,
        fee_proportional_millionths: 333,
        cltv_expiry_delta: CltvDelta(18),
        ..policy(5)
    };
    graph.set_policy(scid(1), Direction::FromNode1, odd).expect("the channel is there");
    let wanted = request(ids[0], ids[3], Msat(100_000_999));
    let route = find(&mut graph, &wanted).expect("a line has a way");
    // 1,000 msat and a thousandth for the last channel, 7 msat and 333 millionths for the one before; nothing for our own.
    let last = 100_000_999;
    let middle = last + 1_000 + 100_000;
    let first = middle + 7 + middle * 333 / 1_000_000;
    let hops: Vec<_> = route.parts[0].hops.iter().map(|hop| (hop.node, hop.amount.0, hop.blocks)).collect();
    assert_eq!(hops, [(ids[1], first, 58), (ids[2], middle, 40), (ids[3], last, 0)]);
    assert_eq!(route.fee, Msat(first - last));
    holds(&graph, &wanted, ids[0], &route);
}

#[test]
fn the_cheaper_of_two_ways_is_taken() {
    let ids = nodes(4);
    for (dear, way) in [(1, vec![2, 3]), (3, vec![1, 3])] {
        let mut sketch = diamond();
        sketch[dear].2 = [Policy { fee_proportional_millionths: 1_200, ..policy(5) }; 2];
        let route =
            find(&mut sketched(&sketch, &ids), &request(ids[0], ids[3], Msat(10_000_000))).expect("two ways");
        assert_eq!(ways(&route, &ids), [way]);
    }
}

#[test]
fn the_likelier_and_the_quicker_of_two_ways_is_taken() {
    let ids = nodes(4);
    let mut sketch = diamond();
    sketch[1].1 = 5_000_000;
    let wanted = request(ids[0], ids[3], Msat(100_000_000));
    let route = find(&mut sketched(&sketch, &ids), &wanted).expect("two ways");
    assert_eq!(ways(&route, &ids), [[1, 3]]);
    let mut sketch = diamond();
    sketch[1].2 = [Policy { cltv_expiry_delta: CltvDelta(400), ..policy(5) }; 2];
    let wanted = Request { weights: Weights { lock_billionths: 1_000, ..wanted.weights }, ..wanted };
    let route = find(&mut sketched(&sketch, &ids), &wanted).expect("two ways");
    assert_eq!(ways(&route, &ids), [[2, 3]]);
}

#[test]
fn what_no_single_way_holds_goes_in_parts() {
    let ids = nodes(4);
    let mut graph = sketched(&diamond(), &ids);
    let one = request(ids[0], ids[3], Msat(1_500_000_000));
    assert!(find(&mut graph, &one).is_err());
    let two = in_parts(one, 2);
    let route = find(&mut graph, &two).expect("both ways together hold it");
    holds(&graph, &two, ids[0], &route);
    assert_eq!(route.parts.len(), 2);
}

#[test]
fn a_large_amount_is_split_where_that_is_likelier_though_one_way_holds_it() {
    let ids = nodes(4);
    let sketch: Sketch = diamond()
        .into_iter()
        .map(|(ends, _, _)| {
            (ends, 1_000_000, [Policy { fee_base_msat: 0, fee_proportional_millionths: 0, ..policy(5) }; 2])
        })
        .collect();
    let mut graph = sketched(&sketch, &ids);
    let weights = Weights { risk_msat: 10_000_000, hop_msat: 1, hop_millionths: 0, ..Weights::default() };
    let one = Request { weights, ..request(ids[0], ids[3], Msat(960_000_000)) };
    let single = find(&mut graph, &one).expect("each way holds it");
    let several = find(&mut graph, &in_parts(one, 10)).expect("more so in parts");
    assert_eq!((single.parts.len(), several.parts.len()), (1, 2));
    assert!(several.cost < single.cost && several.chance_millionths > single.chance_millionths);
}

#[test]
fn a_small_amount_is_not_split() {
    let ids = nodes(4);
    let mut graph = sketched(&diamond(), &ids);
    let route = find(&mut graph, &in_parts(request(ids[0], ids[3], Msat(10_000_000)), 10)).expect("two ways");
    assert_eq!(route.parts.len(), 1, "each part would pay the base fee");
}

#[test]
fn what_is_under_way_is_not_there_twice() {
    let ids = nodes(4);
    let mut graph = sketched(&diamond(), &ids);
    let direction = if ids[1] < ids[3] { Direction::FromNode1 } else { Direction::FromNode2 };
    let busy = [InFlight { short_channel_id: scid(1), direction, amount: Msat(900_000_000) }];
    let wanted = Request { in_flight: &busy, ..request(ids[0], ids[3], Msat(500_000_000)) };
    assert_eq!(find(&mut graph, &wanted).map(|route| ways(&route, &ids)), Ok(vec![vec![2, 3]]));
    let wanted = Request { without_nodes: &ids[2..3], ..wanted };
    assert!(find(&mut graph, &wanted).is_err());
}

#[test]
fn a_channel_carries_no_more_than_the_request_allows_all_parts_together() {
    let ids = nodes(4);
    let mut graph = sketched(&diamond(), &ids);
    let direction = if ids[1] < ids[3] { Direction::FromNode1 } else { Direction::FromNode2 };
    let bound = Bound { short_channel_id: scid(1), direction, most: Msat(299_999_999) };
    let back = [Bound { direction: direction.reverse(), ..bound }];
    let most = [bound];
    let wanted = Request { at_most: &most, ..request(ids[0], ids[3], Msat(300_000_000)) };
    assert_eq!(find(&mut graph, &wanted).map(|route| ways(&route, &ids)), Ok(vec![vec![2, 3]]));
    let by_one = Request { without_nodes: &ids[2..3], ..wanted };
    assert!(find(&mut graph, &in_parts(by_one, 4)).is_err());
    let less = Request { amount: Msat(299_999_999), ..by_one };
    assert!(find(&mut graph, &less).is_ok());
    // What one request says is forgotten with it.
    let mut finder = Finder::new(graph.snapshot(), &Scores::new());
    assert!(finder.find(&by_one).is_err());
    assert!(finder.find(&Request { at_most: &[], ..by_one }).is_ok());
    assert!(finder.find(&Request { at_most: &back, ..by_one }).is_ok(), "the other way is another matter");
}

#[test]
fn what_a_channel_asks_in_truth_holds_for_one_request_and_keeps_what_is_known_of_it() {
    let ids = nodes(4);
    let mut graph = sketched(&diamond(), &ids);
    let direction = if ids[1] < ids[3] { Direction::FromNode1 } else { Direction::FromNode2 };
    let asked = Asked {
        short_channel_id: scid(1),
        direction,
        fee_base_msat: 5_000,
        fee_proportional_millionths: 0,
        cltv_expiry_delta: CltvDelta(100),
        htlc_minimum: Msat(1_000),
        htlc_maximum: Msat(200_000_000),
    };
    let plain = Request { without_nodes: &ids[2..3], ..request(ids[0], ids[3], Msat(100_000_000)) };
    let told = [asked];
    let wanted = Request { asked: &told, ..plain };
    let mut finder = Finder::new(graph.snapshot(), &Scores::new());
    let known = finder.find(&plain).expect("by node 1");
    let route = finder.find(&wanted).expect("by node 1");
    assert_eq!((route.fee, route.parts[0].hops[0].blocks), (Msat(5_000), 100));
    let chances = [&route, &known].map(|route| route.chance_millionths);
    assert!(chances[0].abs_diff(chances[1]) < 1_000, "but for the fee before it: {chances:?}");
    assert_eq!(route.parts[0].hops[1].public, known.parts[0].hops[1].public, "it is the same channel");
    // Limits hold for what is asked in truth.
    let dear = Request { limits: Limits { max_fee: Msat(4_999), ..plain.limits }, ..wanted };
    assert!(finder.find(&dear).is_err());
    let large = Request { amount: Msat(200_000_001), ..wanted };
    assert!(finder.find(&large).is_err() && finder.find(&Request { asked: &[], ..large }).is_ok());
    let back = [Asked { direction: direction.reverse(), ..asked }];
    assert_eq!(
        finder.find(&Request { asked: &back, ..plain }),
        Ok(known.clone()),
        "the other way is another matter"
    );
    assert_eq!(finder.find(&plain), Ok(known), "what one request says is forgotten with it");
}

#[test]
fn a_channel_that_failed_is_the_last_resort_until_that_is_long_ago() {
    let ids = nodes(4);
    let mut graph = sketched(&diamond(), &ids);
    let wanted = Request { without_nodes: &ids[2..3], ..request(ids[0], ids[3], Msat(100_000_000)) };
    let snapshot = graph.snapshot();
    let mut finder = Finder::new(snapshot.clone(), &Scores::new());
    let route = finder.find(&wanted).expect("by node 1");
    let failed: Crossing = route.parts[0].hops[1].crossing().expect("a channel of the graph");
    let mut scores = Scores::new();
    scores.learn(&failed, Outcome::Stuck, wanted.now);
    finder.look_at(&snapshot, &scores);
    let free = Request { without_nodes: &[], ..wanted };
    let now = finder.find(&wanted).expect("what is known may not be true any more").chance_millionths;
    assert!(now <= 1_000, "and that is hardly so: {now}");
    assert_eq!(finder.find(&free).map(|route| ways(&route, &ids)), Ok(vec![vec![2, 3]]));
    let closed = [failed.short_channel_id];
    let without = Request { without_channels: &closed, ..wanted };
    assert!(finder.find(&without).is_err(), "what the request leaves out is not doubted");
    let later = Request { now: Timestamp::from_secs(10_000 + 3_600), ..wanted };
    let after_an_hour = finder.find(&later).expect("it may have changed").chance_millionths;
    assert!((now..route.chance_millionths).contains(&after_an_hour));
    let much_later = Request { now: Timestamp::from_secs(10_000 + 100 * 3_600), ..wanted };
    let in_the_end = finder.find(&much_later).expect("nothing is known any more").chance_millionths;
    assert!(in_the_end.abs_diff(route.chance_millionths) < 100);
}

#[test]
fn a_slow_channel_is_avoided_while_the_other_way_is_hardly_dearer_and_the_chance_is_told_as_it_is() {
    let ids = nodes(4);
    // By node 1 it is a little cheaper than by node 2.
    let mut sketch = diamond();
    sketch[3].2 = [Policy { fee_base_msat: 2_000, ..policy(5) }; 2];
    let mut graph = sketched(&sketch, &ids);
    let wanted = request(ids[0], ids[3], Msat(100_000_000));
    let snapshot = graph.snapshot();
    let mut finder = Finder::new(snapshot.clone(), &Scores::new());
    let route = finder.find(&wanted).expect("by node 1");
    assert_eq!(ways(&route, &ids), [[1, 3]]);
    let crossing = route.parts[0].hops[1].crossing().expect("a channel of the graph");
    // A word that says nothing of liquidity.
    let nothing = Crossing { amount: Msat(0), ..crossing };
    let mut scores = Scores::new();
    scores.learn(&nothing, Outcome::Passed, wanted.now);
    let found = |finder: &mut Finder, scores: &Scores, wanted: &Request<'_>| {
        finder.look_at(&snapshot, scores);
        let route = finder.find(wanted).expect("there are two ways");
        (ways(&route, &ids), route.chance_millionths)
    };
    let quick = found(&mut finder, &scores, &wanted);
    assert_eq!(quick.0, [[1, 3]]);
    scores.learn_delay(crossing.short_channel_id, 4_000);
    assert_eq!(found(&mut finder, &scores, &wanted), quick, "two seconds are as usual");
    scores.learn_delay(crossing.short_channel_id, 30_000);
    assert_eq!(found(&mut finder, &scores, &wanted).0, [[2, 3]]);
    let only = Request { without_nodes: &ids[2..3], ..wanted };
    assert_eq!(found(&mut finder, &scores, &only), quick, "it is slow, and as likely as before");
    let later = Request { now: wanted.now.plus(10 * 3_600_000), ..wanted };
    assert_eq!(found(&mut finder, &scores, &later).0, [[1, 3]], "that was long ago");
}

#[test]
fn channels_and_nodes_can_be_left_out() {
    let ids = nodes(4);
    let mut graph = sketched(&diamond(), &ids);
    let (channels, nodes) = ([scid(1)], [ids[2]]);
    let wanted = request(ids[0], ids[3], Msat(1_000_000));
    let without = Request { without_channels: &channels, ..wanted };
    assert_eq!(find(&mut graph, &without).map(|route| ways(&route, &ids)), Ok(vec![vec![2, 3]]));
    let without = Request { without_nodes: &nodes, ..wanted };
    assert_eq!(find(&mut graph, &without).map(|route| ways(&route, &ids)), Ok(vec![vec![1, 3]]));
    let without = Request { without_nodes: &nodes, without_channels: &channels, ..wanted };
    assert!(find(&mut graph, &without).is_err());
}

#[test]
fn nodes_in_the_middle_support_what_is_asked() {
    let ids = nodes(4);
    let mut graph = sketched(&diamond(), &ids);
    let able = features(&info(), Features::empty().with_optional(Feature::OnionMessages));
    graph.set_node(ids[2], able).expect("it has channels");
    let through = [Feature::OnionMessages];
    let wanted = Request { through: &through, ..request(ids[0], ids[3], Msat(1_000_000)) };
    assert_eq!(find(&mut graph, &wanted).map(|route| ways(&route, &ids)), Ok(vec![vec![2, 3]]));
    graph.set_node(ids[2], info()).expect("it has channels");
    assert_eq!(find(&mut graph, &wanted), Err(NoRoute::NotSupported(Feature::OnionMessages)));
}

// BOLT 7.the-node_announcement-message.28
#[test]
fn nothing_goes_through_a_node_that_requires_what_is_unknown() {
    let ids = nodes(3);
    let mut graph = line(&ids);
    let wanted = request(ids[0], ids[2], Msat(1_000_000));
    graph.set_node(ids[1], features(&info(), Features::empty().with_bit(1_001))).expect("it has channels");
    assert!(find(&mut graph, &wanted).is_ok(), "it's ok to be odd");
    graph.set_node(ids[1], features(&info(), Features::empty().with_bit(1_000))).expect("it has channels");
    assert!(find(&mut graph, &wanted).is_err());
}

// BOLT 7.the-node_announcement-message.27
#[test]
fn a_node_that_requires_what_is_unknown_is_paid_only_if_its_invoice_does_not() {
    let ids = nodes(3);
    let mut graph = line(&ids);
    graph.set_node(ids[2], features(&info(), Features::empty().with_bit(1_000))).expect("it has channels");
    let wanted = request(ids[0], ids[2], Msat(1_000_000));
    let refused = Err(NoRoute::ForeignNode { to: ids[2], bit: 1_000 });
    assert_eq!(find(&mut graph, &wanted), refused);
    let requires = Features::empty().with_bit(1_000);
    assert_eq!(find(&mut graph, &Request { invoice_features: Some(&requires), ..wanted }), refused);
    let does_not = Features::empty();
    assert!(find(&mut graph, &Request { invoice_features: Some(&does_not), ..wanted }).is_ok());
}

// BOLT 7.the-channel_announcement-message.17
#[test]
fn nothing_goes_over_a_channel_that_requires_what_is_unknown() {
    let ids = nodes(2);
    for (bit, found) in [(1_000, false), (1_001, true)] {
        let mut graph = astrape_routing::Graph::new();
        let features = Features::empty().with_bit(bit);
        graph.add_channel(NewChannel { features, ..channel(0, [ids[0], ids[1]]) }).expect("a new channel");
        graph.set_policy(scid(0), Direction::FromNode1, policy(5)).expect("the channel is there");
        assert_eq!(find(&mut graph, &request(ids[0], ids[1], Msat(1_000_000))).is_ok(), found);
    }
}

#[test]
fn a_way_within_the_limits_is_found_behind_a_cheaper_one_that_breaks_them() {
    let ids = nodes(4);
    let mut sketch = diamond();
    // By node 1 it is cheap and takes long; by node 2 the other way round.
    sketch[1].2 = [Policy {
        fee_proportional_millionths: 0,
        fee_base_msat: 0,
        cltv_expiry_delta: CltvDelta(1_000),
        ..policy(5)
    }; 2];
    let mut graph = sketched(&sketch, &ids);
    let wanted = request(ids[0], ids[3], Msat(10_000_000));
    let way = |limits: Limits, graph: &mut astrape_routing::Graph, ids: &[NodeId]| {
        find(graph, &Request { limits, ..wanted }).map(|route| ways(&route, ids))
    };
    assert_eq!(way(wanted.limits, &mut graph, &ids), Ok(vec![vec![1, 3]]));
    let quick = Limits { max_blocks: 144, ..wanted.limits };
    assert_eq!(way(quick, &mut graph, &ids), Ok(vec![vec![2, 3]]));
    let neither = Limits { max_fee: Msat(10), ..quick };
    assert_eq!(
        way(neither, &mut graph, &ids),
        Err(NoRoute::FeeTooHigh { least: Msat(1_000 + 10_000), limit: Msat(10) })
    );
}
