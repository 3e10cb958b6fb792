//! What lookups in prepare may have missed, because it was not on the disk yet when they looked.

use crate::journal::SeenOnion;
use crate::state::Ended;
use astrape_primitives::{ChannelKeysId, HtlcId, PaymentHash, SharedMap};
use std::sync::Arc;

/// Onions that the lookup in prepare may have missed: more than the steps that may run ahead of the disk, each of which
/// can make [`crate::MAX_UNCOMMITTED`] steps' worth of HTLCs durable.
pub(crate) const MAX_RECENT_ONIONS: usize = 65_536;

/// Payments whose end the lookup in prepare may have missed.
const MAX_RECENT_ENDED: usize = 16_384;

/// What lookups in prepare may have missed, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Recent {
    onions: Queue<[u8; 32]>,
    holders: SharedMap<[u8; 32], (ChannelKeysId, HtlcId)>,
    ended: Queue<PaymentHash>,
    /// The newest end of a payment, with its place in the queue.
    ends: SharedMap<PaymentHash, (u64, Arc<Ended>)>,
}

impl Recent {
    /// Remembers who has brought an onion. The first keeps it.
    pub(crate) fn see(&mut self, onion: &SeenOnion, holder: (ChannelKeysId, HtlcId)) {
        if self.holders.contains_key(&onion.replay_id) {
            return;
        }
        self.holders.insert(onion.replay_id, holder);
        self.onions.push(onion.replay_id);
        if let Some((_, oldest)) = self.onions.pop_beyond(MAX_RECENT_ONIONS) {
            self.holders.remove(&oldest);
        }
    }

    /// Who has brought an onion first.
    pub(crate) fn holder(&self, replay_id: &[u8; 32]) -> Option<(ChannelKeysId, HtlcId)> {
        self.holders.get(replay_id).copied()
    }

    pub(crate) fn end(&mut self, ended: Ended) {
        let payment_hash = ended.payment_hash;
        let number = self.ended.push(payment_hash);
        self.ends.insert(payment_hash, (number, Arc::new(ended)));
        if let Some((number, oldest)) = self.ended.pop_beyond(MAX_RECENT_ENDED)
            && self.ends.get(&oldest).is_some_and(|(newest, _)| *newest == number)
        {
            self.ends.remove(&oldest);
        }
    }

    /// The newest end of a payment.
    pub(crate) fn ended(&self, payment_hash: &PaymentHash) -> Option<&Ended> {
        self.ends.get(payment_hash).map(|(_, ended)| &**ended)
    }
}

/// A queue whose clones share what is in it: each thing under a number that counts up.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Queue<T: Clone> {
    next: u64,
    things: SharedMap<u64, T>,
}

impl<T: Clone> Default for Queue<T> {
    fn default() -> Self {
        Self { next: 0, things: SharedMap::new() }
    }
}

impl<T: Clone> Queue<T> {
    /// Appends a thing, and gives its number.
    fn push(&mut self, thing: T) -> u64 {
        let number = self.next;
        self.things.insert(number, thing);
        self.next += 1;
        number
    }

    /// Takes the oldest away when there are more than `most`.
    fn pop_beyond(&mut self, most: usize) -> Option<(u64, T)> {
        if self.things.len() <= most {
            return None;
        }
        let oldest = *self.things.keys().next()?;
        self.things.remove(&oldest).map(|thing| (oldest, thing))
    }
}
