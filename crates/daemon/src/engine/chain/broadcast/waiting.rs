//! Broadcasts that wait to be signed and sent, the most urgent first. With a thousand channels on chain at once, whoever waits
//! longest must not keep back who has the least time.

use astrape_node::Broadcast;
use astrape_primitives::Height;
use bitcoin::Txid;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Broadcasts that wait. One that finds no room, or has to make room, comes again with the next block.
pub(crate) const MAX_WAITING: usize = 16_384;

/// By deadline, and in the order in which they came.
type Place = (Height, u64);

/// The queue.
#[derive(Default)]
pub(crate) struct WaitingBroadcasts {
    inside: Mutex<Inside>,
    came: Notify,
}

#[derive(Default)]
struct Inside {
    by_place: BTreeMap<Place, Broadcast>,
    /// Of those whose id is known before they are signed.
    places: BTreeMap<Txid, Place>,
    next: u64,
}

impl WaitingBroadcasts {
    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues one; the same again takes the place of the former. `false` when something was left out for want of room: this
    /// one, or one that has more time.
    pub(crate) fn push(&self, broadcast: Broadcast) -> bool {
        let fits = self.lock().push(broadcast, MAX_WAITING);
        self.came.notify_one();
        fits
    }

    /// The most urgent one; waits until there is one.
    pub(crate) async fn next(&self) -> Broadcast {
        loop {
            if let Some(broadcast) = self.lock().pop() {
                return broadcast;
            }
            self.came.notified().await;
        }
    }
}

impl Inside {
    fn push(&mut self, broadcast: Broadcast, most: usize) -> bool {
        if let Some(txid) = broadcast.txid()
            && let Some(place) = self.places.remove(&txid)
        {
            self.by_place.remove(&place);
        }
        let place = (urgency(&broadcast), self.next);
        self.next += 1;
        if let Some(txid) = broadcast.txid() {
            self.places.insert(txid, place);
        }
        self.by_place.insert(place, broadcast);
        let fits = self.by_place.len() <= most;
        if !fits && let Some((_, left_out)) = self.by_place.pop_last() {
            self.forget_place(&left_out);
        }
        fits
    }

    fn pop(&mut self) -> Option<Broadcast> {
        let (_, broadcast) = self.by_place.pop_first()?;
        self.forget_place(&broadcast);
        Some(broadcast)
    }

    fn forget_place(&mut self, broadcast: &Broadcast) {
        if let Some(txid) = broadcast.txid() {
            self.places.remove(&txid);
        }
    }
}

/// Our commitments go first: all else about their channel waits for them.
fn urgency(broadcast: &Broadcast) -> Height {
    match broadcast {
        Broadcast::Commitment(_) => Height(0),
        other => other.deadline().unwrap_or(Height(u32::MAX)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use astrape_transactions::signing::ClaimRequest;
    use bitcoin::absolute::LockTime;
    use bitcoin::{Transaction, transaction};

    /// A claim that is told apart by its lock time.
    fn claim(number: u32, deadline: Option<u32>) -> Broadcast {
        let lock_time = LockTime::from_consensus(number);
        let tx = Transaction { version: transaction::Version::TWO, lock_time, input: vec![], output: vec![] };
        let request = Box::new(ClaimRequest { tx, inputs: vec![] });
        Broadcast::Claim { request, parent: None, deadline: deadline.map(Height) }
    }

    fn drain(inside: &mut Inside) -> Vec<u32> {
        let number = |broadcast: Broadcast| match broadcast {
            Broadcast::Claim { request, .. } => request.tx.lock_time.to_consensus_u32(),
            other => panic!("not of this test: {other:?}"),
        };
        std::iter::from_fn(|| inside.pop()).map(number).collect()
    }

    #[test]
    fn the_least_time_goes_first_and_no_deadline_last() {
        let mut inside = Inside::default();
        for (number, deadline) in [(1, None), (2, Some(300)), (3, Some(200)), (4, Some(300)), (5, None)] {
            assert!(inside.push(claim(number, deadline), 10));
        }
        assert_eq!(drain(&mut inside), [3, 2, 4, 1, 5]);
        assert!(inside.places.is_empty());
    }

    #[test]
    fn the_same_again_takes_the_place_of_the_former() {
        let mut inside = Inside::default();
        assert!(inside.push(claim(1, Some(500)), 2));
        assert!(inside.push(claim(2, Some(300)), 2));
        assert!(inside.push(claim(1, Some(200)), 2), "it takes no room of its own");
        assert_eq!(drain(&mut inside), [1, 2]);
    }

    #[test]
    fn for_want_of_room_the_one_with_the_most_time_is_left_out() {
        let mut inside = Inside::default();
        assert!(inside.push(claim(1, None), 2));
        assert!(inside.push(claim(2, Some(300)), 2));
        assert!(!inside.push(claim(3, Some(200)), 2));
        assert_eq!(drain(&mut inside), [3, 2]);
        assert!(inside.places.is_empty());
    }
}
