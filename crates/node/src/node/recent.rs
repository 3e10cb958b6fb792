//! What lookups in prepare may have missed, because it was not on the disk yet when they looked.

use crate::journal::SeenOnion;
use crate::request::{PastRequest, RequestId};
use crate::state::Ended;
use astrape_primitives::{ChannelKeysId, HtlcId, PaymentHash, ReplayId, SharedMap};
use std::sync::Arc;

/// Onions that are remembered because the lookup in prepare may have missed them. Half of them are always there: more
/// than the steps that may run ahead of the disk ([`crate::MAX_UNCOMMITTED`]) and the inputs that may wait for the core make durable.
pub(crate) const MAX_RECENT_ONIONS: usize = 136_000;

/// Payments whose end the lookup in prepare may have missed: by each of those inputs one may end.
const MAX_RECENT_ENDED: usize = 76_000;

/// Requests that a lookup before their step may have missed.
const MAX_RECENT_REQUESTS: usize = 76_000;

/// What a step of each of these leaves is remembered until whoever looked before it has had its step.
const MAX_UNSEEN_BY_LOOKUPS: usize = crate::MAX_WAITING_INPUTS + crate::MAX_UNCOMMITTED;

const _: () = assert!(MAX_RECENT_ENDED / GENERATIONS >= MAX_UNSEEN_BY_LOOKUPS);
const _: () = assert!(MAX_RECENT_REQUESTS / GENERATIONS >= MAX_UNSEEN_BY_LOOKUPS);
const _: () = assert!(MAX_RECENT_ONIONS / GENERATIONS >= MAX_UNSEEN_BY_LOOKUPS);

/// What lookups in prepare may have missed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Recent {
    /// By their names: who has brought each first.
    onions: Generations<ReplayId, (ChannelKeysId, HtlcId), MAX_RECENT_ONIONS>,
    /// The newest end of each payment.
    ended: Generations<PaymentHash, Arc<Ended>, MAX_RECENT_ENDED>,
    /// By the ids that their callers chose.
    requests: Generations<RequestId, Arc<PastRequest>, MAX_RECENT_REQUESTS>,
}

impl Recent {
    /// Remembers who has brought an onion. The first keeps it.
    pub(crate) fn see(&mut self, onion: &SeenOnion, holder: (ChannelKeysId, HtlcId)) {
        if self.onions.get(&onion.replay_id).is_none() {
            self.onions.insert(onion.replay_id, holder);
        }
    }

    /// Who has brought an onion first.
    pub(crate) fn holder(&self, replay_id: &ReplayId) -> Option<(ChannelKeysId, HtlcId)> {
        self.onions.get(replay_id).copied()
    }

    pub(crate) fn end(&mut self, ended: Ended) {
        self.ended.insert(ended.payment_hash, Arc::new(ended));
    }

    /// The newest end of a payment.
    pub(crate) fn ended(&self, payment_hash: &PaymentHash) -> Option<&Ended> {
        self.ended.get(payment_hash).map(|ended| &**ended)
    }

    pub(crate) fn carry_out(&mut self, past: PastRequest) {
        self.requests.insert(past.request.id.clone(), Arc::new(past));
    }

    /// What was carried out under an id.
    pub(crate) fn request(&self, id: &RequestId) -> Option<&PastRequest> {
        self.requests.get(id).map(|past| &**past)
    }
}

/// How many generations a thing lives. Each is one more map to look in, and nearly all that is looked for is in none.
const GENERATIONS: usize = 2;

/// A map of the newest things: `MAX` at most, and half of that for certain. All that came in one generation is forgotten together, so
/// that nothing need be known about the age of each.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Generations<K: Ord + Clone, V: Clone + PartialEq, const MAX: usize> {
    /// The youngest first.
    maps: [SharedMap<K, V>; GENERATIONS],
}

impl<K: Ord + Clone, V: Clone + PartialEq, const MAX: usize> Default for Generations<K, V, MAX> {
    fn default() -> Self {
        Self { maps: core::array::from_fn(|_| SharedMap::new()) }
    }
}

impl<K: Ord + Clone, V: Clone + PartialEq, const MAX: usize> Generations<K, V, MAX> {
    /// Things of one generation.
    const WIDTH: usize = MAX / GENERATIONS;

    /// The newest value of a key.
    fn get(&self, key: &K) -> Option<&V> {
        self.maps.iter().find_map(|map| map.get(key))
    }

    fn insert(&mut self, key: K, value: V) {
        if self.maps[0].len() >= Self::WIDTH {
            self.maps.rotate_right(1);
            self.maps[0].clear();
        }
        self.maps[0].insert(key, value);
    }
}
