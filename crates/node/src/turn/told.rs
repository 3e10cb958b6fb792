//! Which forwards that failed are told of: each is a row of the ledger for good, and costs the peer whose HTLC it was nothing.

use super::Turn;
use astrape_primitives::{ChannelKeysId, Timestamp};

/// Most failures of forwards from one channel that are told of within [`FAILURES_MILLIS`]. A busy channel has some hundred.
pub(crate) const MAX_FAILURES_TOLD: u32 = 2_000;

/// An hour.
pub(crate) const FAILURES_MILLIS: u64 = 3_600_000;

/// Failures of forwards from one channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failures {
    since: Timestamp,
    count: u32,
}

impl Turn<'_> {
    /// Counts a failure of a forward from a channel: whether it is told of.
    pub(crate) fn is_failure_told(&mut self, incoming: ChannelKeysId) -> bool {
        let is_recent = |known: &Failures| self.now.since(known.since) < FAILURES_MILLIS;
        let known = self.node.failures.get(&incoming).copied().filter(is_recent);
        let Failures { since, count } = known.unwrap_or(Failures { since: self.now, count: 0 });
        let count = count.saturating_add(1);
        self.node.failures.insert(incoming, Failures { since, count });
        count <= MAX_FAILURES_TOLD
    }
}
