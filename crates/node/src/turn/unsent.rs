//! HTLCs that are to be offered to a peer that takes nothing: it is away, or does not answer our last signature. It has never heard of
//! them. Whoever sent them waits, and a payment of ours may have another way, so they are not kept for it.

use super::Turn;
use astrape_channel::{Command, Event};
use astrape_primitives::{ChannelKeysId, CommitmentNumber, Timestamp};

/// How long HTLCs wait to be signed. A restart, or a connection that is lost and comes back, takes less.
pub(crate) const MAX_UNSENT_MILLIS: u64 = 60_000;

/// Something waits for the peer of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unsent {
    /// The last commitment that was signed for it.
    number: CommitmentNumber,
    /// Since when nothing was signed.
    since: Timestamp,
}

impl Turn<'_> {
    /// Notes what waits, and takes back what has waited for too long.
    pub(super) fn look_at_unsent(&mut self) {
        let (before, now) = (std::mem::take(&mut self.node.unsent), self.now);
        let waiting = self.node.channels.iter().filter_map(|(keys, channel)| {
            let open = channel.open().filter(|open| !open.waiting.is_empty())?;
            let number = open.remote.number;
            let known = before.get(keys).filter(|known| known.number == number);
            Some((*keys, Unsent { number, since: known.map_or(now, |known| known.since.min(now)) }))
        });
        self.node.unsent = waiting.collect();
        let is_late = |unsent: &Unsent| now.since(unsent.since) >= MAX_UNSENT_MILLIS;
        let late = self.node.unsent.iter().filter(|(_, unsent)| is_late(unsent));
        let late: Vec<ChannelKeysId> = late.map(|(keys, _)| *keys).collect();
        for keys in late {
            self.drive(keys, Event::Command(Command::RefuseWaiting));
        }
    }
}
