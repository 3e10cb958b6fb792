//! Probes that nobody has asked for: they keep what is known of liquidity fresh, so that a payment finds its way at the first attempt.
//!
//! They take what others need: slots and balance, ours and those of everybody on the way. So there are none unless the operator
//! wants them; they are small and few, they go one at a time, and only while nothing else is under way.

use astrape_primitives::{Msat, NodeId, Timestamp};

/// Least time between two, in milliseconds.
pub const MIN_INTERVAL_MILLIS: u64 = 10_000;

/// HTLCs in an hour when the operator says nothing.
pub const DEFAULT_HTLCS_PER_HOUR: u32 = 60;

/// Most HTLCs in an hour, whatever the operator wants: one each ten seconds.
pub const MAX_HTLCS_PER_HOUR: u32 = 360;

/// Ways that one may try: more is to be learnt of other nodes than of one that cannot be reached.
pub const MAX_WAYS: u64 = 3;

/// For how long one is tried and waited for, in seconds.
pub const PATIENCE_SECS: u64 = 60;

/// What they carry: what is usual to pay, small, middling and large.
pub const AMOUNTS: [Msat; 3] = [Msat(1_000_000), Msat(10_000_000), Msat(100_000_000)];

/// No more than this part of what our largest channel can send: one in so many.
pub const MAX_SHARE: u64 = 4;

/// None begin while more than this share of the slots of a channel of ours is taken.
pub const MAX_BUSY_PERCENT: usize = 10;

/// Nodes that are looked at for one probe.
pub const MAX_TARGETS: usize = 200;

const HOUR_MILLIS: u64 = 3_600_000;

/// How often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackgroundProbes {
    /// One in this time, in milliseconds.
    pub interval_millis: u64,
    /// HTLCs for all of them in an hour.
    pub htlcs_per_hour: u32,
}

impl BackgroundProbes {
    /// When the next may begin after one that began at `began` and offered so many HTLCs.
    #[must_use]
    pub fn next_at(&self, began: Timestamp, htlcs: u64) -> Timestamp {
        let per_hour = self.htlcs_per_hour.clamp(1, MAX_HTLCS_PER_HOUR);
        let paid_off = htlcs.saturating_mul(HOUR_MILLIS) / u64::from(per_hour);
        began.plus(self.interval_millis.max(MIN_INTERVAL_MILLIS).max(paid_off))
    }
}

/// One of the nodes, by random bytes.
#[must_use]
pub fn pick(random: [u8; 32], nodes: &[NodeId]) -> Option<NodeId> {
    let [a, b, c, d, ..] = random;
    let len = u32::try_from(nodes.len()).ok().filter(|len| *len > 0)?;
    nodes.get((u32::from_be_bytes([a, b, c, d]) % len) as usize).copied()
}

/// One of the amounts that are not too large, by random bytes; `None` when there is so little that even the smallest is.
#[must_use]
pub fn amount(random: [u8; 32], largest_sendable: Msat) -> Option<Msat> {
    let most = Msat(largest_sendable.0 / MAX_SHARE);
    let fitting = AMOUNTS.iter().filter(|amount| **amount <= most).count();
    let at = usize::from(random[4]).checked_rem(fitting)?;
    AMOUNTS.get(at).copied()
}

/// Whether a channel has room for what nobody has asked for.
#[must_use]
pub const fn is_mostly_free(used_slots: usize, slots: usize) -> bool {
    used_slots * 100 <= slots * MAX_BUSY_PERCENT
}
