//! Peers that answer pings but not a `commitment_signed`: nothing can be signed any more until they do. A new connection may help
//! them, and tells everybody else that the channel is not usable.

use super::Turn;
use astrape_channel::{Channel, Link, Phase};
use astrape_primitives::{ChannelKeysId, CommitmentNumber, Timestamp};

/// How long a `revoke_and_ack` may take.
const ANSWER_MILLIS: u64 = 60_000;

/// A commitment that was signed and not answered, and since when that is known. The time begins anew with each connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unanswered {
    number: CommitmentNumber,
    since: Timestamp,
}

impl Turn<'_> {
    /// Hangs up on peers that owe an answer for too long.
    pub(super) fn look_at_unanswered(&mut self) {
        let before = std::mem::take(&mut self.node.unanswered);
        let quarantined = &self.node.quarantined;
        let listening = self.node.channels.iter().filter(|(keys, _)| !quarantined.contains_key(*keys));
        let waiting = listening.filter_map(|(keys, channel)| {
            let number = unanswered(channel)?;
            let known = before.get(keys).filter(|known| known.number == number);
            Some((
                *keys,
                Unanswered { number, since: known.map_or(self.now, |known| known.since.min(self.now)) },
            ))
        });
        self.node.unanswered = waiting.collect();
        let is_late = |of: &Unanswered| self.now.since(of.since) >= ANSWER_MILLIS;
        let late: Vec<ChannelKeysId> =
            self.node.unanswered.iter().filter(|(_, of)| is_late(of)).map(|(keys, _)| *keys).collect();
        for keys in late {
            self.hang_up(keys, "it has not answered a commitment_signed for a minute");
        }
    }
}

/// The peer's commitment that it has not answered, on a connection that is up. Once the funding is being spent no answer is taken any
/// more; a cooperative close begins when all are there.
fn unanswered(channel: &Channel) -> Option<CommitmentNumber> {
    let (Phase::Open(open), Link::Up(_)) = (&channel.phase, &channel.link) else { return None };
    open.remote.unrevoked.map(|_| open.remote.number)
}
