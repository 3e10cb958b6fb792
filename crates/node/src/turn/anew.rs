//! Channels with LND that get on only when the connection begins anew. Each is hung up on once, and not again before it has got on.

use super::Turn;
use astrape_channel::{Channel, Link};
use astrape_primitives::{ChannelKeysId, CommitmentNumber, Timestamp};

/// How long a `channel_reestablish` may follow a `channel_ready` that came before it.
const REESTABLISH_MILLIS: u64 = 5_000;

impl Turn<'_> {
    /// Hangs up where nothing else helps.
    pub(super) fn look_at_connections(&mut self) {
        let before = std::mem::take(&mut self.node.early);
        let since = |keys: &ChannelKeysId| before.get(keys).map_or(self.now, |since| self.now.min(*since));
        let (mut early, mut refused) = (Vec::new(), Vec::new());
        for (keys, channel) in self.node.channels.iter() {
            // One that stands still has no news of its connection.
            if self.node.quarantined.contains_key(keys) {
                continue;
            }
            if is_ready_too_early(channel) {
                early.push((*keys, since(keys)));
            } else if may_shut_down_now(channel) {
                refused.push(*keys);
            }
        }
        let is_late = |since: &Timestamp| self.now.since(*since) >= REESTABLISH_MILLIS;
        let late: Vec<ChannelKeysId> =
            early.iter().filter(|(_, since)| is_late(since)).map(|(keys, _)| *keys).collect();
        self.node.early = early.into_iter().collect();
        for keys in late {
            self.hang_up(keys, "it is ready and does not say where it is (channel_reestablish)");
        }
        for keys in refused {
            self.hang_up(keys, "it refused shutdown while there were HTLCs, and now there are none");
        }
    }
}

/// A new channel whose peer has become ready before it told where it is. LND tells that only once it has our `channel_ready`, if the
/// funding was unconfirmed when we came back; and that is not said before it has told. On the next connection it tells at once.
/// After that its `channel_ready` is no longer the first, and there is nothing to wait for.
fn is_ready_too_early(channel: &Channel) -> bool {
    let is_new = |number: CommitmentNumber| number == CommitmentNumber(0);
    let Link::Reestablishing(early) = &channel.link else { return false };
    early.ready && channel.open().is_some_and(|open| is_new(open.local.number) && is_new(open.remote.number))
}

/// A channel whose peer could not take `shutdown` while there were HTLCs, and can now. It is said again on a new connection.
fn may_shut_down_now(channel: &Channel) -> bool {
    let Link::Up(up) = &channel.link else { return false };
    up.shutdown_refused
        && channel.open().is_some_and(|open| !open.is_held_open() && open.shutdown.remote.is_none())
}
