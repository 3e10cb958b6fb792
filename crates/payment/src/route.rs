//! Amounts and expiries along a way, computed from its end (BOLT 4, "Payload"; BOLT 7, "HTLC Fees").
//!
//! A way is one of our channels and a tail: the hops of a route hint from our peer on. The tail is empty when our peer is
//! the recipient.

use crate::policy::forwarding_fee;
use astrape_invoice::RouteHint;
use astrape_onion::{FinalPayload, ForwardPayload, OnionHop, encode_final, encode_forward};
use astrape_primitives::{CltvDelta, CltvExpiry, Msat, NodeId};
use astrape_routing::search::RouteHop;

/// What the first node of `tail` must get so that `delivered` arrives at its end; `None` when that is no money.
#[must_use]
pub fn sent(tail: &[RouteHint], delivered: Msat) -> Option<Msat> {
    tail.iter().rev().try_fold(delivered, |amount, hop| amount.checked_add(fee(hop, amount)?))
}

/// The most that arrives at the end of `tail` when its first node gets `sent`; zero when the fees eat all of it.
#[must_use]
pub fn delivered(tail: &[RouteHint], sent: Msat) -> Msat {
    tail.iter().fold(sent, |amount, hop| most_forwarded(hop, amount))
}

/// Blocks that `tail` adds to the expiry that the recipient gets.
#[must_use]
pub fn delay(tail: &[RouteHint]) -> u32 {
    tail.iter().map(|hop| u32::from(hop.cltv_expiry_delta.0)).fold(0, u32::saturating_add)
}

fn fee(hop: &RouteHint, amount: Msat) -> Option<Msat> {
    forwarding_fee(Msat(hop.fee_base_msat.into()), hop.fee_proportional_millionths, amount)
}

/// The largest amount that `hop` forwards when it gets `received`.
fn most_forwarded(hop: &RouteHint, received: Msat) -> Msat {
    let above_base = received.saturating_sub(Msat(hop.fee_base_msat.into()));
    let share =
        u128::from(above_base.0) * 1_000_000 / (1_000_000 + u128::from(hop.fee_proportional_millionths));
    let amount = Msat(u64::try_from(share).expect("a part of a u64 is one"));
    // The fee is rounded down, so that one more may go through.
    let one_more = amount.saturating_add(Msat(1));
    let fits = |amount: Msat| {
        fee(hop, amount).and_then(|fee| fee.checked_add(amount)).is_some_and(|s| s <= received)
    };
    if fits(one_more) { one_more } else { amount }
}

/// One HTLC of ours, with all that its hops are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// What our peer gets.
    pub amount: Msat,
    /// When our HTLC times out.
    pub cltv_expiry: CltvExpiry,
    /// The hops with their payloads, our peer first and the recipient last.
    pub hops: Vec<OnionHop>,
}

/// Lays out a way over `tail` to `destination`, which is told `last`. `None` when an amount or expiry does not fit.
#[must_use]
pub fn lay_out(tail: &[RouteHint], destination: NodeId, last: &FinalPayload) -> Option<Way> {
    let mut way = Way {
        amount: last.amt_to_forward,
        cltv_expiry: last.outgoing_cltv_value,
        hops: vec![OnionHop { node: destination.key(), payload: encode_final(last) }],
    };
    for hop in tail.iter().rev() {
        let payload = ForwardPayload {
            short_channel_id: hop.short_channel_id,
            amt_to_forward: way.amount,
            outgoing_cltv_value: way.cltv_expiry,
        };
        way.hops.push(OnionHop { node: hop.node_id.key(), payload: encode_forward(&payload) });
        way.amount = way.amount.checked_add(fee(hop, way.amount)?)?;
        way.cltv_expiry = way.cltv_expiry.checked_add(hop.cltv_expiry_delta)?;
    }
    way.hops.reverse();
    Some(way)
}

/// Lays out a way that was found: over our own channel first, then over those between the hops. The recipient, who is the last,
/// is told `last`. `None` when the way is none, or an expiry does not fit.
#[must_use]
pub fn follow(hops: &[RouteHop], last: &FinalPayload) -> Option<Way> {
    let first = hops.first()?;
    let expiry = |hop: &RouteHop| {
        let blocks = u16::try_from(hop.blocks).ok()?;
        last.outgoing_cltv_value.checked_add(CltvDelta(blocks))
    };
    let mut onion = Vec::with_capacity(hops.len());
    // Each hop is told of the channel behind it.
    for pair in hops.windows(2) {
        let payload = ForwardPayload {
            short_channel_id: pair[1].short_channel_id,
            amt_to_forward: pair[1].amount,
            outgoing_cltv_value: expiry(&pair[1])?,
        };
        onion.push(OnionHop { node: pair[0].node.key(), payload: encode_forward(&payload) });
    }
    onion.push(OnionHop { node: hops.last()?.node.key(), payload: encode_final(last) });
    Some(Way { amount: first.amount, cltv_expiry: expiry(first)?, hops: onion })
}

/// Blocks from the tip to the expiry that the recipient gets, without the shadow.
pub(crate) fn final_delay(asked: CltvDelta, slack_blocks: u16) -> u32 {
    u32::from(asked.0) + u32::from(slack_blocks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use astrape_primitives::ShortChannelId;
    use proptest::prelude::*;

    fn hop(base: u32, millionths: u32) -> RouteHint {
        RouteHint {
            node_id: NodeId::from_bytes([2; 33]).expect("a point"),
            short_channel_id: ShortChannelId(1),
            fee_base_msat: base,
            fee_proportional_millionths: millionths,
            cltv_expiry_delta: CltvDelta(80),
        }
    }

    #[test]
    fn fees_of_later_hops_are_paid_fees_on_by_earlier_ones() {
        let tail = [hop(1_000, 10_000), hop(500, 0)];
        assert_eq!(sent(&tail, Msat(100_000)), Some(Msat(102_505)));
        assert_eq!(delivered(&tail, Msat(102_505)), Msat(100_000));
        assert_eq!(delay(&tail), 160);
    }

    proptest! {
        #[test]
        fn what_is_delivered_is_the_most_that_can_be(
            hops in proptest::collection::vec((0u32.., 0u32..2_000_000), 0..4),
            amount in 0u64..10_000_000_000,
        ) {
            let tail: Vec<RouteHint> = hops.into_iter().map(|(base, rate)| hop(base, rate)).collect();
            let most = delivered(&tail, Msat(amount));
            prop_assert!(most == Msat::ZERO || sent(&tail, most).is_some_and(|s| s <= Msat(amount)));
            prop_assert!(sent(&tail, Msat(most.0 + 1)).is_none_or(|s| s > Msat(amount)));
        }
    }
}
