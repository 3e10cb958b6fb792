//! Payments over a ready channel.

use crate::pair::{A, B, Pair, Setup, failure};
use astrape_channel::Resolution;
use astrape_primitives::{HtlcId, Msat, Side};

#[test]
fn payments_flow_both_ways_in_both_formats() {
    for anchors in [false, true] {
        for eager in [false, true] {
            let mut pair = Pair::ready(Setup { anchors, ..Setup::default() });
            pair.eager = eager;
            let (a, b) = (pair.balance(A), pair.balance(B));
            let there = pair.pay(A, Msat(25_000_001));
            let back = pair.pay(B, Msat(7_000_999));
            pair.run();
            assert!(
                pair.nodes[A].fulfilled.contains_key(&there) && pair.nodes[B].fulfilled.contains_key(&back)
            );
            assert_eq!(pair.balance(A), Msat(a.0 - 25_000_001 + 7_000_999));
            assert_eq!(pair.balance(B), Msat(b.0 + 25_000_001 - 7_000_999));
            assert!(pair.nodes[A].open().htlcs.is_empty() && pair.nodes[B].open().htlcs.is_empty());
        }
    }
}
