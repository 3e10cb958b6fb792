//! Payments of ours whose end is waited for. Each end is told to those who wait for it and wakes nobody else, however many
//! payments are under way.

use super::core::Stopped;
use super::{Handle, Shared};
use astrape_node::{Entry, Fact};
use astrape_primitives::PaymentHash;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::oneshot;

/// Who waits for which payment. It holds no more than there are calls that wait.
#[derive(Default)]
pub(crate) struct Outcomes {
    next: AtomicU64,
    waiting: Mutex<BTreeMap<(PaymentHash, u64), oneshot::Sender<Entry>>>,
}

impl Outcomes {
    /// A fact is durable: tells it to those for whose payment it is the end.
    pub(crate) fn tell(&self, entry: &Entry) {
        let (Fact::PaymentSent { payment_hash, .. } | Fact::PaymentFailed { payment_hash, .. }) = &entry.fact
        else {
            return;
        };
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(key) =
            waiting.range((*payment_hash, 0)..=(*payment_hash, u64::MAX)).next().map(|(k, _)| *k)
        {
            // Who waited may be gone.
            if let Some(asking) = waiting.remove(&key) {
                // Who asked may be gone.
                let _ = asking.send(entry.clone());
            }
        }
    }

    /// Nothing more will be told.
    pub(crate) fn close(&self) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// The end of a payment, to be waited for. What ends between its making and the waiting is not missed.
pub struct PaymentEnd {
    shared: Arc<Shared>,
    key: (PaymentHash, u64),
    told: oneshot::Receiver<Entry>,
}

impl PaymentEnd {
    /// The fact that ended the payment.
    ///
    /// # Errors
    /// When the engine stops.
    pub async fn told(mut self) -> Result<Entry, Stopped> {
        (&mut self.told).await.map_err(|_| Stopped)
    }
}

impl Drop for PaymentEnd {
    fn drop(&mut self) {
        let mut waiting = self.shared.outcomes.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.remove(&self.key);
    }
}

impl Handle {
    /// Listens for the end of a payment of ours from now on.
    #[must_use]
    pub fn payment_end(&self, payment_hash: PaymentHash) -> PaymentEnd {
        let outcomes = &self.shared.outcomes;
        let key = (payment_hash, outcomes.next.fetch_add(1, Ordering::Relaxed));
        let (asking, told) = oneshot::channel();
        outcomes.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(key, asking);
        PaymentEnd { shared: Arc::clone(&self.shared), key, told }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use astrape_primitives::{Msat, NodeId, Timestamp};

    fn failed(hash: u8) -> Entry {
        let destination = NodeId::from_bytes([2; 33]).expect("a point");
        let payment_hash = PaymentHash([hash; 32]);
        let fact = Fact::PaymentFailed {
            payment_hash,
            amount: Msat(1),
            destination,
            reason: "no way".into(),
            rebalance: false,
        };
        Entry { number: hash.into(), at: Timestamp(0), fact }
    }

    #[test]
    fn the_end_of_a_payment_is_told_to_all_who_wait_for_it_and_to_nobody_else() {
        let outcomes = Outcomes::default();
        let ask = |hash: u8, number| {
            let (asking, told) = oneshot::channel();
            outcomes.waiting.lock().expect("no panic").insert((PaymentHash([hash; 32]), number), asking);
            told
        };
        let (mut first, mut second, mut other) = (ask(1, 0), ask(1, 7), ask(2, 3));
        outcomes.tell(&failed(1));
        assert_eq!(first.try_recv(), Ok(failed(1)));
        assert_eq!(second.try_recv(), Ok(failed(1)));
        assert_eq!(other.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        outcomes.close();
        assert_eq!(other.try_recv(), Err(oneshot::error::TryRecvError::Closed));
    }
}
