//! Our side.

use crate::model::{Found, WEIGHTS};
use astrape_primitives::{Msat, NodeId, Timestamp};
use astrape_routing::search::{Limits, Start};
use astrape_routing::{Finder, Request};

pub fn find(
    finder: &mut Finder,
    from: NodeId,
    to: NodeId,
    amount_msat: u64,
    max_parts: usize,
    now: u64,
) -> Option<Found> {
    let request = Request {
        from: Start::Node(from),
        to,
        invoice_features: None,
        hints: &[],
        amount: Msat(amount_msat),
        limits: Limits {
            max_fee: Msat(amount_msat / 100 + 50_000),
            max_blocks: 1_008 - 42,
            max_hops: 20,
            max_parts,
        },
        through: &[],
        without_channels: &[],
        at_most: &[],
        without_nodes: &[],
        in_flight: &[],
        weights: WEIGHTS,
        now: Timestamp::from_secs(now),
    };
    let route = finder.find(&request).ok()?;
    let part = |part: &astrape_routing::search::RoutePart| {
        let hops = part.hops.iter().map(|hop| (hop.short_channel_id.0, hop.amount.0));
        (part.amount.0, hops.collect())
    };
    Some(Found { parts: route.parts.iter().map(part).collect() })
}
