//! What time it is for what lasts: no clock of a machine that is wrong once may be believed for ever.
//!
//! Timestamps of gossip only grow, and an invoice that is forgotten does not come back. So the clock is not believed in these where it
//! is far ahead of the chain, nor where it is behind: what is said with an older timestamp than before nobody takes.

use super::Turn;
use astrape_primitives::{Network, Timestamp};

/// The clock may be so far ahead of the newest block, in seconds: more than any pause between two blocks, and what others take in
/// gossip.
const MAX_AHEAD_SECS: u64 = 24 * 60 * 60;

/// The time of a block may be so far ahead of the hour, in seconds: nodes take no other (Bitcoin Core).
const MAX_BLOCK_AHEAD_SECS: u64 = 2 * 60 * 60;

impl Turn<'_> {
    /// The hour by the clock, or the latest or earliest that the chain allows. On regtest blocks come on demand and tell nothing of the hour.
    pub(super) fn credible_now(&self) -> Timestamp {
        let tip_time = self.node.chain.get(&()).map_or(0, |chain| chain.tip_time);
        if self.node.config.channel.network == Network::Regtest || tip_time == 0 {
            return self.now;
        }
        let tip_time = u64::from(tip_time);
        let earliest = Timestamp::from_secs(tip_time.saturating_sub(MAX_BLOCK_AHEAD_SECS));
        self.now.clamp(earliest, Timestamp::from_secs(tip_time + MAX_AHEAD_SECS))
    }

    /// A timestamp for gossip, greater than any before (BOLT 7). One that a wrong clock has left far ahead is not followed: the network
    /// refuses what would come after it, and forgets our channels meanwhile.
    pub(super) fn gossip_timestamp(&mut self) -> u32 {
        let now = seconds(self.credible_now());
        let mut counters = self.node.counters.get(&()).copied().unwrap_or_default();
        let next = counters.last_gossip_timestamp.saturating_add(1);
        counters.last_gossip_timestamp = if is_far_ahead(next, now) { now } else { now.max(next) };
        self.node.counters.set((), counters);
        counters.last_gossip_timestamp
    }

    /// Whether what was said with a timestamp is to be said anew: others forget it soon, or do not take it for a time yet to come.
    pub(super) fn is_to_be_said_anew(&self, timestamp: u32) -> bool {
        let now = seconds(self.credible_now());
        now.saturating_sub(timestamp) >= super::gossip::REFRESH_SECS || is_far_ahead(timestamp, now)
    }
}

fn is_far_ahead(timestamp: u32, now: u32) -> bool {
    u64::from(timestamp) > u64::from(now) + MAX_AHEAD_SECS
}

fn seconds(time: Timestamp) -> u32 {
    u32::try_from(time.secs()).unwrap_or(u32::MAX)
}
