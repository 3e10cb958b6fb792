//! Why there is no way: the reason, and its words.

use crate::kit::{find, in_parts, line, nodes, policy, request, sketched};
use astrape_primitives::{CltvDelta, Msat, Sat, ShortChannelId};
use astrape_routing::search::{FirstHop, Limits, Start};
use astrape_routing::{Crossing, Direction, Finder, NoRoute, Outcome, Policy, Request, Scores};

#[test]
fn too_little_of_our_own_is_told_with_what_is_missing() {
    let ids = nodes(4);
    let mut graph = line(&ids[..3]);
    let own = |peer| FirstHop {
        short_channel_id: ShortChannelId(1),
        peer,
        sendable: Msat(30_000_000),
        htlc_minimum: Msat(1),
    };
    let channels = [own(ids[0]), own(ids[1])];
    let from = Start::Own { node: ids[3], channels: &channels };
    let wanted = Request { from, ..request(ids[3], ids[2], Msat(100_000_000)) };
    let why = find(&mut graph, &wanted).expect_err("60,000 sat are there");
    assert_eq!(why, NoRoute::NotEnoughOutbound { missing: Msat(40_000_000) });
    assert_eq!(why.to_string(), "no channel with enough outbound: 40,000 sat missing");
    let wanted = Request { from: Start::Own { node: ids[3], channels: &[] }, ..wanted };
    assert_eq!(find(&mut graph, &wanted), Err(NoRoute::NoChannel));
}

#[test]
fn what_the_recipient_cannot_receive_is_told() {
    let ids = nodes(3);
    let small = vec![
        ([0, 1], 5_000_000, [Policy { htlc_maximum: Msat(u64::MAX), ..policy(1) }; 2]),
        ([1, 2], 100_000, [policy(1); 2]),
    ];
    let mut graph = sketched(&small, &ids);
    let wanted = in_parts(request(ids[0], ids[2], Sat(150_000).to_msat()), 10);
    let why = NoRoute::NotEnoughInbound { to: ids[2], missing: Sat(50_000).to_msat() };
    assert_eq!(find(&mut graph, &wanted), Err(why));
}

#[test]
fn a_bottleneck_in_between_is_told() {
    let ids = nodes(4);
    let open = Policy {
        fee_base_msat: 0,
        fee_proportional_millionths: 0,
        htlc_maximum: Msat(u64::MAX),
        ..policy(1)
    };
    let narrow =
        vec![([0, 1], 5_000_000, [open; 2]), ([1, 2], 100_000, [open; 2]), ([2, 3], 5_000_000, [open; 2])];
    let mut graph = sketched(&narrow, &ids);
    let wanted = in_parts(request(ids[0], ids[3], Sat(170_000).to_msat()), 10);
    let why = NoRoute::NotEnoughBetween { to: ids[3], missing: Sat(70_000).to_msat() };
    assert_eq!(find(&mut graph, &wanted), Err(why));
}

#[test]
fn the_limit_that_stands_in_the_way_is_named() {
    let ids = nodes(5);
    let mut graph = line(&ids);
    let wanted = request(ids[0], ids[4], Msat(1_000_000));
    let with = |limits: Limits| Request { limits, ..wanted };
    let cheap = with(Limits { max_fee: Msat(5_000), ..wanted.limits });
    let least = Msat(6_006);
    assert_eq!(find(&mut graph, &cheap), Err(NoRoute::FeeTooHigh { least, limit: Msat(5_000) }));
    let quick = with(Limits { max_blocks: 119, ..wanted.limits });
    assert_eq!(find(&mut graph, &quick), Err(NoRoute::TooLong { blocks: 120, limit: 119 }));
    let short = with(Limits { max_hops: 3, ..wanted.limits });
    assert_eq!(find(&mut graph, &short), Err(NoRoute::TooManyHops { limit: 3 }));
    assert!(
        find(&mut graph, &with(Limits { max_hops: 4, max_blocks: 120, max_fee: least, max_parts: 1 }))
            .is_ok()
    );
}

#[test]
fn more_parts_are_asked_for_where_they_would_help() {
    let ids = nodes(5);
    let open = Policy { cltv_expiry_delta: CltvDelta(1), ..policy(1) };
    let wide =
        [1, 2, 3].into_iter().flat_map(|by| [([0, by], 100_000, [open; 2]), ([by, 4], 100_000, [open; 2])]);
    let mut graph = sketched(&wide.collect(), &ids);
    let wanted = request(ids[0], ids[4], Sat(250_000).to_msat());
    for limit in [1, 2] {
        let why = NoRoute::TooManyParts { amount: wanted.amount, limit };
        assert_eq!(find(&mut graph, &in_parts(wanted, limit)), Err(why));
    }
    assert_eq!(find(&mut graph, &in_parts(wanted, 3)).map(|route| route.parts.len()), Ok(3));
}

#[test]
fn nothing_and_more_than_all_money_are_no_amounts() {
    let ids = nodes(2);
    let mut graph = line(&ids);
    for amount in [Msat(0), Msat(u64::MAX)] {
        assert_eq!(find(&mut graph, &request(ids[0], ids[1], amount)), Err(NoRoute::NoAmount(amount)));
    }
}

#[test]
fn unknown_ends_are_told_apart() {
    let ids = nodes(4);
    let mut graph = line(&ids[..2]);
    assert_eq!(find(&mut graph, &request(ids[3], ids[0], Msat(1_000))), Err(NoRoute::NoChannel));
    assert_eq!(find(&mut graph, &request(ids[0], ids[3], Msat(1_000))), Err(NoRoute::UnknownNode(ids[3])));
}

/// What was learnt may be over, and is doubted before nothing is found: the limit is all that stands in the way then.
#[test]
fn a_limit_is_named_also_where_a_channel_has_failed_before() {
    let ids = nodes(3);
    let mut graph = line(&ids);
    let last = graph.channels(..).last().expect("there are two");
    let direction = if last.node_1 == ids[1] { Direction::FromNode1 } else { Direction::FromNode2 };
    let capacity = last.capacity.expect("known").to_msat();
    let short_channel_id = last.short_channel_id;
    let wanted = request(ids[0], ids[2], Msat(50_000_000));
    let mut scores = Scores::new();
    let crossing = Crossing { short_channel_id, direction, capacity, amount: Msat(10_000_000) };
    scores.learn(&crossing, Outcome::Stuck, wanted.now);
    let mut finder = Finder::new(graph.snapshot(), &scores);
    let fee = finder.find(&wanted).expect("it may have changed").fee;
    let limits = Limits { max_fee: Msat(fee.0 - 1), ..wanted.limits };
    let why = finder.find(&Request { limits, ..wanted });
    assert_eq!(why, Err(NoRoute::FeeTooHigh { least: fee, limit: limits.max_fee }));
}
