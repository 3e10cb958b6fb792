//! How much of what the core says may wait to be said to one peer: a named bound, and more for each channel with the peer, so that
//! the state alone never makes more than fits. A peer for which more waits does not read.

use astrape_channel::Outgoing;
use astrape_channel::policy::MAX_ACCEPTED_HTLCS;
use astrape_node::Speech;
use astrape_payment::answer::MAX_RELAYED_REASON;
use astrape_wire::AttributionData;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// So many usual messages may wait whatever channels there are.
pub(super) const USUAL_MESSAGES: usize = 4_096;

/// What a message takes at least while it waits, in bytes: `update_add_htlc` with its onion, or what a commitment is signed from.
pub(super) const USUAL_BYTES: usize = 2_048;

/// The longest end of an HTLC: `update_fail_htlc` with channel, id, length, reason and attribution data, in bytes.
const LONGEST_END: usize = 2 + 32 + 8 + 2 + MAX_RELAYED_REASON + 4 + AttributionData::LEN;

/// What one commitment of a channel can have to say, in bytes: an end for each HTLC that the peer offered, each HTLC that we
/// offer, a fee and signatures. After a disconnection all of it is said at once.
const BYTES_PER_CHANNEL: usize = MAX_ACCEPTED_HTLCS as usize * (LONGEST_END + USUAL_BYTES) + 16 * USUAL_BYTES;

/// The room of one connection.
pub(super) struct Room {
    bytes: Arc<Semaphore>,
    /// For so many channels there is room.
    channels: AtomicUsize,
}

impl Room {
    pub(super) fn new() -> Self {
        Self { bytes: Arc::new(Semaphore::new(USUAL_MESSAGES * USUAL_BYTES)), channels: AtomicUsize::new(0) }
    }

    /// Makes room for what `channels` channels have to say at most.
    pub(super) fn grow(&self, channels: usize) {
        let before = self.channels.fetch_max(channels, Ordering::Relaxed);
        self.bytes.add_permits(channels.saturating_sub(before) * BYTES_PER_CHANNEL);
    }

    /// A place for what is to be said, until it is written; `None` when there is none.
    pub(super) fn take(&self, speech: &Speech) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.bytes).try_acquire_many_owned(weight(speech)).ok()
    }
}

/// What something takes while it waits, in bytes.
fn weight(speech: &Speech) -> u32 {
    let length = match speech {
        Speech::Plain(message) | Speech::Channel(Outgoing::Plain(message)) => {
            message.encode().map_or(0, |bytes| bytes.len())
        }
        Speech::Channel(_) | Speech::Probe | Speech::SignChannelUpdate(_) => 0,
    };
    u32::try_from(length.max(USUAL_BYTES)).expect("a message has 64 KiB at most")
}

#[cfg(test)]
mod tests {
    use super::*;
    use astrape_primitives::{ChannelId, HtlcId};
    use astrape_wire::{Message, UpdateFailHtlc};

    fn longest_end(id: usize) -> Speech {
        let id = HtlcId(u64::try_from(id).expect("few"));
        let attribution_data = Some(AttributionData::from_bytes(&[7; AttributionData::LEN]));
        let reason = vec![7; MAX_RELAYED_REASON];
        let end = UpdateFailHtlc { channel_id: ChannelId([7; 32]), id, reason, attribution_data };
        Speech::Channel(Outgoing::Plain(Message::UpdateFailHtlc(end)))
    }

    // attack 63: nobody else makes an honest peer look like one that does not read.
    #[test]
    fn full_channels_with_the_longest_failures_always_fit() {
        assert_eq!(usize::try_from(weight(&longest_end(0))), Ok(LONGEST_END));
        let (room, channels) = (Room::new(), 12);
        room.grow(channels);
        let htlcs = channels * usize::from(MAX_ACCEPTED_HTLCS);
        let mut waiting: Vec<_> =
            (0..htlcs).map(|id| room.take(&longest_end(id)).expect("it fits")).collect();
        let add = Speech::Channel(Outgoing::Plain(Message::Ping(astrape_wire::Ping {
            num_pong_bytes: 0,
            ignored: vec![0; 1_500],
        })));
        waiting.extend((0..htlcs).map(|_| room.take(&add).expect("it fits")));
    }

    #[test]
    fn room_for_channels_is_made_once_and_ends() {
        let room = Room::new();
        let most = room.bytes.available_permits();
        for channels in [2, 1, 2, 3] {
            room.grow(channels);
        }
        assert_eq!(room.bytes.available_permits(), most + 3 * BYTES_PER_CHANNEL);
        let room = Room::new();
        let waiting: Vec<_> = std::iter::from_fn(|| room.take(&longest_end(0))).collect();
        assert!(waiting.len() > 1_000 && waiting.len() < USUAL_MESSAGES, "{}", waiting.len());
        drop(waiting);
        assert_eq!(room.bytes.available_permits(), most);
    }
}
