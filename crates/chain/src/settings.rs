//! How a source is followed.

use crate::patience::MAX_SILENCE;
use crate::status::FreshnessLimits;
use astrape_primitives::{Network, Timestamp};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How a follower goes about it.
#[derive(Clone, Copy, Debug)]
pub struct FollowerSettings {
    /// Pause between two looks at the source; with a source that tells of new blocks by itself it is only a safety net.
    pub poll_interval: Duration,
    /// Longest time for one answer.
    pub max_silence: Duration,
    /// When the source's word is doubted.
    pub freshness: FreshnessLimits,
    /// The clock.
    pub now: fn() -> Timestamp,
}

impl FollowerSettings {
    /// A look every 2 seconds, [`MAX_SILENCE`], and the limits of the network.
    #[must_use]
    pub fn for_network(network: Network) -> Self {
        Self {
            poll_interval: Duration::from_secs(2),
            max_silence: MAX_SILENCE,
            freshness: FreshnessLimits::for_network(network),
            now: system_now,
        }
    }
}

/// The time of the system's clock.
fn system_now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
