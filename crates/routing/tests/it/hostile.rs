//! Updates that say anything at all: a search neither panics nor believes what cannot be.

use crate::check::holds;
use crate::kit::{find, in_parts, nodes, policy, request, sketched};
use astrape_primitives::{CltvDelta, Msat, Sat};
use astrape_routing::search::{Limits, Weights};
use astrape_routing::{Crossing, Direction, Finder, Outcome, Policy, Request, Scores};
use proptest::prelude::*;

fn extreme() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(1), 0u64..5_000_000_000, any::<u64>(), Just(u64::MAX - 1), Just(u64::MAX)]
}

fn extreme_32() -> impl Strategy<Value = u32> {
    prop_oneof![Just(0), Just(1), 0u32..5_000, any::<u32>(), Just(u32::MAX)]
}

fn policies() -> impl Strategy<Value = Policy> {
    (extreme_32(), extreme_32(), any::<u16>(), extreme(), extreme(), extreme_32()).prop_map(
        |(base, millionths, delta, least, most, timestamp)| Policy {
            fee_base_msat: base,
            fee_proportional_millionths: millionths,
            cltv_expiry_delta: CltvDelta(delta),
            htlc_minimum: Msat(least),
            htlc_maximum: Msat(most),
            ..policy(timestamp)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    // attack 74
    #[test]
    fn no_policy_and_no_capacity_breaks_a_search(
        channels in proptest::collection::vec(((0usize..5, 0usize..5), extreme(), policies(), policies()), 1..12),
        amount in extreme(),
        limits in (extreme(), extreme_32(), 0usize..40, 0usize..40),
        weights in (extreme(), extreme(), extreme(), extreme(), extreme()),
        unknown in 0u32..12,
        learnt in proptest::collection::vec((0u32..12, any::<bool>(), extreme(), extreme(), 0usize..3), 0..6),
    ) {
        let ids = nodes(5);
        let sketch = channels.into_iter().map(|((one, two), sat, a, b)| ([one, two], sat, [a, b])).collect();
        let mut graph = sketched(&sketch, &ids);
        let _ = graph.set_capacity(crate::kit::scid(unknown), None);
        let (max_fee, max_blocks, max_hops, max_parts) = limits;
        let (risk_msat, risk_millionths, hop_msat, hop_millionths, lock_billionths) = weights;
        let wanted = Request {
            limits: Limits { max_fee: Msat(max_fee), max_blocks, max_hops, max_parts },
            weights: Weights { risk_msat, risk_millionths, hop_msat, hop_millionths, lock_billionths },
            ..request(ids[0], ids[1], Msat(amount))
        };
        let mut scores = Scores::new();
        for (number, forth, capacity, amount, outcome) in learnt {
            let direction = if forth { Direction::FromNode1 } else { Direction::FromNode2 };
            let crossing = Crossing {
                short_channel_id: crate::kit::scid(number),
                direction,
                capacity: Msat(capacity),
                amount: Msat(amount),
            };
            scores.learn(&crossing, [Outcome::Passed, Outcome::Stuck, Outcome::Paid][outcome], wanted.now);
        }
        let mut finder = Finder::new(graph.snapshot(), &scores);
        if let Ok(route) = finder.find(&wanted) {
            holds(&graph, &wanted, ids[0], &route);
        }
    }
}

#[test]
fn a_channel_without_money_is_no_way() {
    let ids = nodes(2);
    let mut graph = sketched(&vec![([0, 1], 0, [policy(1); 2])], &ids);
    assert!(find(&mut graph, &in_parts(request(ids[0], ids[1], Sat(1).to_msat()), 5)).is_err());
}
