//! What the operator chose for payments: numbers with names.

mod forward;

pub(crate) use forward::forwarding_fee;
pub use forward::{
    ChannelPolicy, ForwardPolicy, INBOUND_FEE_TLV, InboundFee, MAX_CLTV_EXPIRY_DELTA, MAX_FEE_MILLIONTHS,
    MAX_OLD_POLICIES, MIN_CLTV_EXPIRY_DELTA, OLD_POLICY_MILLIS, PolicyRefusal,
};

use crate::background::BackgroundProbes;
use crate::intercept::Intercept;
use astrape_primitives::{CltvDelta, Msat};

/// Blocks before its expiry by which an HTLC that we fulfil must be settled, or its channel goes on chain: `2R+G+S` of BOLT 2
/// ("`cltv_expiry_delta` Selection") with R = 2, G = 2, S = 12. An HTLC that comes with less is failed.
pub const FULFIL_DEADLINE_BLOCKS: u16 = 18;

/// Blocks that our invoices ask for beyond what must be left when a payment comes: some are mined while it is on its way.
pub const FINAL_EXPIRY_MARGIN_BLOCKS: u16 = 6;

/// Blocks beyond [`FULFIL_DEADLINE_BLOCKS`] that a payment has left when it is taken, or given back if it was held until then: a
/// settlement is still in time though the peer is away for an hour, and nobody has to go on chain for a payment that came late.
pub const SETTLE_MARGIN_BLOCKS: u16 = 6;

/// Blocks for which a payment of a hold invoice can be held when the user says nothing: about a day.
pub const DEFAULT_HOLD_BLOCKS: u16 = 144;

/// Most blocks for which a payment can be held: more than twelve days, and few senders lock money for longer.
pub const MAX_HOLD_BLOCKS: u16 = 1_800;

/// A payment may bring up to this many times what was asked: it lets the sender hide the true amount, and still catches slips
/// of the pen (BOLT 4, "Failure Messages").
pub const MAX_OVERPAYMENT_FACTOR: u64 = 2;

/// Parts of a payment that may be in flight after some have failed, as a multiple of those at the beginning: what failed is split
/// further, and what is in flight cannot be joined again. A payment of nearly all that can flow needs them.
pub const RETRY_PARTS_FACTOR: usize = 3;

/// The operator's choices for payments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentPolicy {
    /// What we ask for forwarding, over every channel.
    pub forward: ForwardPolicy,
    /// Farthest expiry that we pass on or offer, in blocks from the tip (`max_htlc_cltv`): for so long money may be locked.
    pub max_expiry_blocks: u32,
    /// Least blocks from the tip to the expiry of an HTLC that we pass on: one that expires at once would force its
    /// channel on chain.
    pub min_forward_expiry_blocks: u32,
    /// An HTLC with fewer blocks left is not fulfilled.
    pub fulfil_deadline_blocks: u32,
    /// What our invoices ask for. Above [`PaymentPolicy::fulfil_deadline_blocks`].
    pub min_final_cltv_expiry_delta: CltvDelta,
    /// Life of our invoices when the user says nothing, in seconds.
    pub default_expiry_secs: u64,
    /// For how long the parts of a set are held while others are missing, in milliseconds. At least a minute (BOLT 4).
    pub mpp_timeout_ms: u64,
    /// Whether payments without an invoice are taken (keysend, bLIP 3).
    pub accept_keysend: bool,
    /// Most unpaid invoices at a time: each is a record in memory.
    pub max_open_invoices: usize,
    /// Most parts of a payment to us: each holds a slot of a channel, and the set is one record.
    pub max_parts_per_set: usize,
    /// Most parts into which a payment of ours is split at once. Retries may bring it to [`RETRY_PARTS_FACTOR`] times as many.
    pub max_payment_parts: usize,
    /// Most HTLCs that one payment of ours offers, retries included.
    pub max_payment_attempts: u64,
    /// Most channels that a part of a payment of ours crosses, the first included: each takes time and room in the onion.
    pub max_hops: usize,
    /// Smallest part that a payment is split into.
    pub min_part: Msat,
    /// Most that the way of a payment may cost when the user says nothing, in millionths of its amount.
    pub max_fee_millionths: u32,
    /// A lower limit than this is never set by [`PaymentPolicy::max_fee_millionths`]: small payments meet base fees too.
    pub max_fee_floor: Msat,
    /// About which forwards an application is asked.
    pub intercept: Intercept,
    /// For how long such a forward waits for its answer, in milliseconds.
    pub intercept_millis: u64,
    /// How long a payment is retried when the user says nothing, in seconds.
    pub retry_secs: u64,
    /// How often to probe while nothing is under way, if at all.
    pub background_probes: Option<BackgroundProbes>,
    /// Blocks added to what the recipient asks for, since some may be mined on the way.
    pub expiry_slack_blocks: u16,
    /// Most blocks added at random, so that no hop can tell from the expiry how far the recipient is (BOLT 7,
    /// "Recommendations for Routing").
    pub max_shadow_blocks: u16,
}

impl Default for PaymentPolicy {
    fn default() -> Self {
        Self {
            forward: ForwardPolicy::default(),
            max_expiry_blocks: 2_016,
            min_forward_expiry_blocks: 3,
            fulfil_deadline_blocks: FULFIL_DEADLINE_BLOCKS.into(),
            min_final_cltv_expiry_delta: CltvDelta(
                FULFIL_DEADLINE_BLOCKS + SETTLE_MARGIN_BLOCKS + FINAL_EXPIRY_MARGIN_BLOCKS,
            ),
            default_expiry_secs: 3_600,
            mpp_timeout_ms: 60_000,
            accept_keysend: true,
            max_open_invoices: 100_000,
            max_parts_per_set: 128,
            max_payment_parts: 16,
            max_payment_attempts: 256,
            max_hops: 20,
            min_part: Msat(1_000_000),
            max_fee_millionths: 5_000,
            max_fee_floor: Msat(5_000),
            intercept: Intercept::Nothing,
            intercept_millis: 10 * 60_000,
            retry_secs: 60,
            background_probes: None,
            expiry_slack_blocks: 3,
            max_shadow_blocks: 36,
        }
    }
}

impl PaymentPolicy {
    /// What a hold invoice asks for when its payment may be held for `blocks`.
    #[must_use]
    pub fn hold_cltv_expiry_delta(&self, blocks: u16) -> CltvDelta {
        CltvDelta(self.min_final_cltv_expiry_delta.0.saturating_add(blocks.min(MAX_HOLD_BLOCKS)))
    }

    /// What the way of a payment may cost when the user says nothing.
    #[must_use]
    pub fn default_max_fee(&self, amount: Msat) -> Msat {
        forwarding_fee(Msat::ZERO, self.max_fee_millionths, amount).unwrap_or(amount).max(self.max_fee_floor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_payments_may_cost_the_floor_and_large_ones_a_share() {
        let policy = PaymentPolicy::default();
        assert_eq!(policy.default_max_fee(Msat(1_000)), Msat(5_000));
        assert_eq!(policy.default_max_fee(Msat(1_000_000)), Msat(5_000));
        assert_eq!(policy.default_max_fee(Msat(2_000_000)), Msat(10_000));
    }
}
