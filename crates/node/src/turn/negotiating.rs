//! Closes by both that stand still: both have said `shutdown`, nothing is in flight, and no fee is agreed on. Whoever wants its money
//! may go on chain alone. That costs a delay, so the node never does it of its own accord: it tells its user.

use super::Turn;
use astrape_channel::{Channel, Link, Open, Phase};
use astrape_primitives::Timestamp;

/// How long two peers may take to agree on the fee of a closing transaction: with both there it is a matter of seconds.
pub(crate) const CLOSING_FEE_MILLIS: u64 = 600_000;

/// A fee that is not agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Negotiating {
    /// Since when that is known.
    since: Timestamp,
    /// When the peer was last seen to be there. A connection that comes and goes starts nothing anew, a long absence does.
    there_at: Timestamp,
    /// Whether it takes too long.
    pub(crate) is_late: bool,
}

impl Turn<'_> {
    /// Notes which negotiations of a closing fee take too long.
    pub(super) fn look_at_negotiations(&mut self) {
        let (before, now) = (std::mem::take(&mut self.node.negotiating), self.now);
        let waiting = self.node.channels.iter().filter(|(_, channel)| waits_for_a_fee(channel));
        let waiting = waiting.filter_map(|(keys, channel)| {
            let known = before.get(keys).copied();
            let there_at = match (&channel.link, known) {
                (Link::Up(_), _) => now,
                (_, Some(known)) if now.since(known.there_at) < CLOSING_FEE_MILLIS => known.there_at,
                _ => return None,
            };
            let since = known.map_or(now, |known| known.since.min(now));
            let is_late = now.since(since) >= CLOSING_FEE_MILLIS;
            Some((*keys, Negotiating { since, there_at, is_late }))
        });
        self.node.negotiating = waiting.collect();
    }
}

/// Whether nothing but a fee is missing for a close by both.
fn waits_for_a_fee(channel: &Channel) -> bool {
    let is_over = |open: &Open| open.shutdown.local.is_some() && open.shutdown.remote.is_some();
    matches!(&channel.phase, Phase::Open(open) if is_over(open) && open.htlcs.is_empty())
}
