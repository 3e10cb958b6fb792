//! Where a way begins and ends: channels of our own, route hints, and circles.

use crate::kit::{find, in_parts, line, nodes, request, scid};
use astrape_primitives::{CltvDelta, Msat, ShortChannelId};
use astrape_routing::search::{Bound, FirstHop, HintHop, InFlight, Start};
use astrape_routing::{Direction, NoRoute, Request};

fn own(number: u64, peer: astrape_primitives::NodeId, sendable: u64) -> FirstHop {
    FirstHop {
        short_channel_id: ShortChannelId(number),
        peer,
        sendable: Msat(sendable),
        htlc_minimum: Msat(1_000),
    }
}

#[test]
fn our_own_channels_hold_what_they_really_hold_and_cost_nothing() {
    let ids = nodes(4);
    let mut graph = line(&ids[..3]);
    // One to node 0 with little, one to node 1 with enough.
    let channels = [own(77, ids[1], 499_000), own(78, ids[0], 502_500)];
    let from = Start::Own { node: ids[3], channels: &channels };
    let wanted = Request { from, ..request(ids[3], ids[2], Msat(499_000)) };
    let route = find(&mut graph, &wanted).expect("by node 0");
    let hops: Vec<_> = route.parts[0].hops.iter().map(|hop| (hop.short_channel_id, hop.amount)).collect();
    let first = 499_000 + 1_499;
    assert_eq!(hops[2], (scid(1), Msat(499_000)));
    assert_eq!(hops[1], (scid(0), Msat(first)));
    assert_eq!(hops[0], (ShortChannelId(78), Msat(first + 1_000 + first / 1_000)));
    assert_eq!(route.parts[0].hops[0].public, None);
    let less = Request { amount: Msat(497_000), ..wanted };
    let route = find(&mut graph, &less).expect("by node 1");
    assert_eq!(route.parts[0].hops[0].short_channel_id, ShortChannelId(77));
}

#[test]
fn all_our_channels_together_carry_what_none_does() {
    let ids = nodes(4);
    let mut graph = line(&ids[..2]);
    let channels = [own(1, ids[0], 40_000_000), own(2, ids[0], 40_000_000), own(3, ids[1], 30_000_000)];
    let from = Start::Own { node: ids[3], channels: &channels };
    let wanted = in_parts(Request { from, ..request(ids[3], ids[1], Msat(100_000_000)) }, 5);
    let route = find(&mut graph, &wanted).expect("110,000 sat are there");
    assert_eq!(route.parts.len(), 3);
    for part in &route.parts {
        let own = channels.iter().find(|own| own.short_channel_id == part.hops[0].short_channel_id);
        assert!(own.is_some_and(|own| part.hops[0].amount <= own.sendable));
    }
}

#[test]
fn a_route_hint_leads_to_a_node_that_nobody_knows() {
    let ids = nodes(5);
    let mut graph = line(&ids[..3]);
    let hop = |node, number| HintHop {
        node,
        short_channel_id: ShortChannelId(number),
        fee_base_msat: 500,
        fee_proportional_millionths: 2_000,
        cltv_expiry_delta: CltvDelta(25),
    };
    let hints = [vec![hop(ids[2], 900), hop(ids[3], 901)]];
    let wanted = request(ids[0], ids[4], Msat(10_000_000));
    assert_eq!(find(&mut graph, &wanted), Err(NoRoute::UnknownNode(ids[4])));
    let wanted = Request { hints: &hints, ..wanted };
    let route = find(&mut graph, &wanted).expect("by the hint");
    let hops = &route.parts[0].hops;
    assert_eq!(hops.iter().map(|hop| hop.node).collect::<Vec<_>>(), ids[1..]);
    assert_eq!(
        hops.iter().map(|hop| hop.short_channel_id).skip(2).collect::<Vec<_>>(),
        [900, 901].map(ShortChannelId)
    );
    assert_eq!(hops[2].amount, Msat(10_000_000 + 500 + 20_000));
    assert_eq!(hops.iter().map(|hop| hop.blocks).collect::<Vec<_>>(), [90, 50, 25, 0]);
}

#[test]
fn a_hint_of_a_channel_that_the_network_knows_makes_it_no_wider() {
    let ids = nodes(3);
    let mut graph = line(&ids);
    let hint = HintHop {
        node: ids[1],
        short_channel_id: scid(1),
        fee_base_msat: 0,
        fee_proportional_millionths: 0,
        cltv_expiry_delta: CltvDelta(6),
    };
    let hints = [vec![hint]];
    let most = find(&mut graph, &request(ids[0], ids[2], Msat(990_000_000))).map(|route| route.fee);
    let hinted = Request { hints: &hints, ..request(ids[0], ids[2], Msat(990_000_000)) };
    assert_eq!(find(&mut graph, &hinted).map(|route| route.fee), most, "nor cheaper");
    let more = Request { amount: Msat(2_000_000_000), ..hinted };
    assert!(find(&mut graph, &more).is_err(), "it holds less");
    // Of one that it does not know, what is under way counts beside what a request allows.
    let from_1 = if ids[1] < ids[2] { Direction::FromNode1 } else { Direction::FromNode2 };
    let hints = [vec![HintHop { short_channel_id: ShortChannelId(900), ..hint }]];
    let (short_channel_id, direction) = (ShortChannelId(900), from_1);
    let most = [Bound { short_channel_id, direction, most: Msat(500_000) }];
    let without = [scid(1)];
    let wanted = Request {
        hints: &hints,
        at_most: &most,
        without_channels: &without,
        ..request(ids[0], ids[2], Msat(300_000))
    };
    assert!(find(&mut graph, &wanted).is_ok());
    let busy = [InFlight { short_channel_id, direction, amount: Msat(300_000) }];
    assert!(find(&mut graph, &Request { in_flight: &busy, ..wanted }).is_err());
}

#[test]
fn our_peer_may_be_the_node_of_a_hint() {
    let ids = nodes(5);
    let mut graph = line(&ids[..2]);
    let hint = HintHop {
        node: ids[3],
        short_channel_id: ShortChannelId(9),
        fee_base_msat: 1,
        fee_proportional_millionths: 0,
        cltv_expiry_delta: CltvDelta(6),
    };
    let (hints, channels) = ([vec![hint]], [own(1, ids[3], 5_000_000)]);
    let from = Start::Own { node: ids[2], channels: &channels };
    let wanted = Request { from, hints: &hints, ..request(ids[2], ids[4], Msat(4_000_000)) };
    let route = find(&mut graph, &wanted).expect("neither is in the graph");
    assert_eq!(route.parts[0].hops[0].amount, Msat(4_000_001));
}

/// The payer has a small channel to the recipient, whose invoice leads over it, and a large one to another node that reaches it.
#[test]
fn a_hint_that_leads_over_a_channel_of_the_payer_makes_it_no_wider() {
    let ids = nodes(4);
    let mut graph = line(&ids[..3]);
    let hop = |node, number| HintHop {
        node,
        short_channel_id: ShortChannelId(number),
        fee_base_msat: 0,
        fee_proportional_millionths: 0,
        cltv_expiry_delta: CltvDelta(6),
    };
    let channels = [own(9, ids[2], 1_000_000), own(10, ids[0], 50_000_000)];
    let from = Start::Own { node: ids[3], channels: &channels };
    for hints in [[vec![hop(ids[3], 9)]], [vec![hop(ids[1], 11), hop(ids[3], 9)]]] {
        let wanted = Request { from, hints: &hints, ..request(ids[3], ids[2], Msat(5_000_000)) };
        let route = find(&mut graph, &wanted).expect("by the large one");
        let hops = &route.parts[0].hops;
        assert_eq!(hops.iter().map(|hop| hop.node).collect::<Vec<_>>(), ids[..3]);
    }
}

#[test]
fn money_goes_in_a_circle_from_one_channel_of_ours_into_another() {
    let ids = nodes(4);
    let mut graph = line(&ids[..3]);
    // Node 0 is us: out by a channel to node 2 that is not public, and in by channel 0.
    let channels = [own(5, ids[2], 50_000_000)];
    let from = Start::Own { node: ids[0], channels: &channels };
    let wanted = Request { from, ..request(ids[0], ids[0], Msat(10_000_000)) };
    let route = find(&mut graph, &wanted).expect("a circle");
    assert_eq!(route.parts[0].hops.iter().map(|hop| hop.node).collect::<Vec<_>>(), [ids[2], ids[1], ids[0]]);
    let wanted = request(ids[0], ids[0], Msat(10_000_000));
    assert_eq!(find(&mut graph, &wanted), Err(NoRoute::ToItself));
}

/// The network tells for two weeks of channels of ours that are closed; and nothing of private ones.
#[test]
fn money_in_a_circle_comes_back_over_the_channels_that_we_name_and_no_other() {
    let ids = nodes(4);
    let mut graph = line(&ids[..3]);
    let channels = [own(5, ids[2], 50_000_000)];
    let from = Start::Own { node: ids[0], channels: &channels };
    let hop = HintHop {
        node: ids[2],
        short_channel_id: ShortChannelId(77),
        fee_base_msat: 1,
        fee_proportional_millionths: 1,
        cltv_expiry_delta: CltvDelta(6),
    };
    let hints = [vec![hop]];
    let wanted = Request { from, hints: &hints, ..request(ids[0], ids[0], Msat(10_000_000)) };
    let route = find(&mut graph, &wanted).expect("a circle");
    let back = route.parts[0].hops.last().expect("it has some");
    assert_eq!((back.short_channel_id, route.parts[0].hops.len()), (ShortChannelId(77), 2));
    // One that it knows is named like any other.
    let known = graph.channels(..).next().expect("the first");
    let hints = [vec![HintHop { node: ids[1], short_channel_id: known.short_channel_id, ..hop }]];
    let route = find(&mut graph, &Request { hints: &hints, ..wanted }).expect("a circle");
    assert_eq!(route.parts[0].hops.iter().map(|hop| hop.node).collect::<Vec<_>>(), [ids[2], ids[1], ids[0]]);
}
