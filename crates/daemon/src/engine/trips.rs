//! Parts of our payments that ended lately: what became of them, and how long each hop held them. For people, and for path search, which
//! likes channels less that are slow to cross. Nothing here is durable.

use super::{Handle, Shared, clock};
use astrape_payment::Trip;
use astrape_primitives::{PaymentHash, Timestamp};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tokio::runtime::Handle as Runtime;

/// Parts that are remembered: some kilobytes each.
const MAX_KEPT: usize = 1_000;

/// Parts whose hold times are read in one second, though nobody has asked for them: each takes some multiplications on the curve for
/// each of its hops, and to know a few is enough. When payments end faster, only who looks at them later is told.
const MAX_READ_PER_SEC: u32 = 32;

/// A part that ended.
pub(crate) struct Ended {
    trip: Trip,
    hold_times: OnceLock<Vec<u64>>,
}

impl Ended {
    fn new(trip: Trip) -> Self {
        Self { trip, hold_times: OnceLock::new() }
    }

    /// The part, and how it ended.
    pub(crate) const fn trip(&self) -> &Trip {
        &self.trip
    }

    /// As [`Trip::hold_times`], read once.
    pub(crate) fn hold_times(&self) -> &[u64] {
        self.hold_times.get_or_init(|| self.trip.hold_times())
    }

    /// As [`Ended::hold_times`], if they were read already; none otherwise.
    pub(crate) fn known_hold_times(&self) -> &[u64] {
        self.hold_times.get().map_or(&[], Vec::as_slice)
    }
}

/// Parts that ended lately.
#[derive(Default)]
pub(crate) struct Trips {
    kept: Mutex<Kept>,
    pace: Mutex<Pace>,
}

/// Parts by the hash of their payment, in the order in which they ended.
pub(crate) type ByPayment = BTreeMap<String, Vec<Arc<Ended>>>;

/// The parts that are remembered: whoever waits for one payment does not look through those of all others.
#[derive(Default)]
struct Kept {
    /// Those of each payment, oldest first.
    parts: BTreeMap<PaymentHash, VecDeque<Arc<Ended>>>,
    /// Whose they are, oldest first.
    order: VecDeque<PaymentHash>,
}

impl Kept {
    /// Adds one, in place of the oldest when there are enough.
    fn push(&mut self, ended: Arc<Ended>) {
        if self.order.len() >= MAX_KEPT {
            self.pop();
        }
        let hash = ended.trip.payment_hash;
        self.order.push_back(hash);
        self.parts.entry(hash).or_default().push_back(ended);
    }

    fn pop(&mut self) {
        let Some(hash) = self.order.pop_front() else { return };
        if let Entry::Occupied(mut parts) = self.parts.entry(hash) {
            parts.get_mut().pop_front();
            if parts.get().is_empty() {
                parts.remove();
            }
        }
    }
}

/// How many were read in the second that is now.
#[derive(Default)]
struct Pace {
    second: u64,
    read: u32,
}

impl Pace {
    /// Whether one more may be read.
    fn allows(&mut self, now: Timestamp) -> bool {
        if self.second != now.secs() {
            *self = Self { second: now.secs(), read: 0 };
        }
        self.read += 1;
        self.read <= MAX_READ_PER_SEC
    }
}

impl Trips {
    fn keep(&self, trip: Trip) -> Arc<Ended> {
        let ended = Arc::new(Ended::new(trip));
        self.kept().push(Arc::clone(&ended));
        ended
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, payment_hash: &PaymentHash) -> Vec<Arc<Ended>> {
        self.kept().parts.get(payment_hash).into_iter().flatten().cloned().collect()
    }

    fn by_payment(&self) -> ByPayment {
        let kept = self.kept();
        kept.parts.iter().map(|(hash, parts)| (hash.to_string(), parts.iter().cloned().collect())).collect()
    }

    fn may_read(&self, now: Timestamp) -> bool {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner).allows(now)
    }
}

impl Handle {
    /// The parts of a payment of ours that ended a moment ago and are remembered. Hold times are read of as many as may be in a
    /// second: whoever pays hundreds of times in it waits for an answer each, not for these.
    pub(crate) fn trips_of(&self, payment_hash: &PaymentHash) -> Vec<Arc<Ended>> {
        let ended = self.shared.trips.of(payment_hash);
        for part in &ended {
            if self.shared.trips.may_read(clock::now()) {
                part.hold_times();
            }
        }
        ended
    }

    /// All parts that are remembered.
    pub(crate) fn trips(&self) -> ByPayment {
        self.shared.trips.by_payment()
    }
}

/// Keeps a part that ended. What it says of liquidity is learnt at once; its hold times are read on a thread that may take its time.
pub(crate) fn take(shared: &Arc<Shared>, runtime: &Runtime, trip: Trip) {
    shared.router.learn(&shared.gossip, &trip.taught());
    let crosses = !trip.part.channels.is_empty();
    let ended = shared.trips.keep(trip);
    if crosses && shared.trips.may_read(clock::now()) {
        let shared = Arc::clone(shared);
        runtime.spawn_blocking(move || {
            shared.router.learn_delays(&ended.trip.delays(ended.hold_times()));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use astrape_onion::OnionRecipe;
    use astrape_payment::{PaymentPart, TripEnd};
    use astrape_primitives::{ChannelKeysId, Msat};

    fn trip(payment: u16, number: u64) -> Trip {
        let mut hash = [0; 32];
        hash[30..].copy_from_slice(&payment.to_be_bytes());
        let payment_hash = PaymentHash(hash);
        let recipe = OnionRecipe { session_key: [1; 32], hops: vec![], associated_data: payment_hash };
        let part = PaymentPart::new(ChannelKeysId([2; 32]), Msat(1), Msat(0), vec![], Arc::new(recipe));
        Trip { payment_hash, number, part, took_ms: 1, end: TripEnd::Arrived { attribution_data: None } }
    }

    #[test]
    fn the_newest_are_kept_each_with_its_payment_and_the_oldest_are_forgotten() {
        let trips = Trips::default();
        let payments = u16::try_from(MAX_KEPT / 2).expect("few");
        // Two parts of each payment, the second ones later; then one part of one payment more.
        for number in 0..2 {
            for payment in 0..payments {
                trips.keep(trip(payment, number));
            }
        }
        let numbers = |payment| {
            let parts = trips.of(&trip(payment, 0).payment_hash);
            parts.iter().map(|part| part.trip().number).collect::<Vec<_>>()
        };
        assert_eq!((numbers(0), numbers(payments - 1)), (vec![0, 1], vec![0, 1]));
        trips.keep(trip(payments, 0));
        assert_eq!((numbers(0), numbers(1), numbers(payments)), (vec![1], vec![0, 1], vec![0]));
        for number in 0..MAX_KEPT as u64 {
            trips.keep(trip(payments + 1, number));
        }
        let all = trips.by_payment();
        assert_eq!(all.len(), 1, "payments without a part that is kept leave nothing behind");
        assert_eq!(all.values().map(Vec::len).sum::<usize>(), MAX_KEPT);
    }

    #[test]
    fn so_many_are_read_in_a_second_and_no_more_until_the_next() {
        let mut pace = Pace::default();
        let now = Timestamp::from_secs(1_700_000_000);
        let read = (0..100).filter(|_| pace.allows(now)).count();
        assert_eq!(read, MAX_READ_PER_SEC as usize);
        assert!(pace.allows(now.plus(1_000)));
    }
}
