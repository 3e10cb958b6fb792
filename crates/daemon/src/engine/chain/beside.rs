//! What goes on beside the telling of blocks, each at its own pace: a source that is slow to answer one question keeps no answer to
//! another waiting, and blocks least of all.

use super::tell::{Told, tell_fees, tell_mempool};
use super::{found, tell_found};
use crate::engine::Shared;
use crate::engine::core::Stopped;
use astrape_chain::{ChainSource, MempoolView, Status};
use astrape_primitives::BlockId;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::{Interval, MissedTickBehavior};

/// How often feerates are asked for.
const FEE_INTERVAL: Duration = Duration::from_secs(60);

/// How long it may take, where they are not known yet, until it is said that we are at the tip.
const FEE_PATIENCE: Duration = Duration::from_secs(5);

/// How often the mempool is asked for spends of what is watched: a preimage that shows there is a race (attack 36).
const MEMPOOL_INTERVAL: Duration = Duration::from_secs(5);

/// How often is looked whether the wallet is behind.
const READING_INTERVAL: Duration = Duration::from_millis(50);

/// What those who work beside each other tell each other.
pub(super) struct Beside {
    /// The newest block that the core was told; changed only in the wallet's [`order`](crate::engine::wallet::Wallet::order).
    pub(super) tip: watch::Sender<BlockId>,
    fees_wanted: Notify,
    /// Whether fees were told, again after each attempt.
    fees: watch::Sender<bool>,
    /// Somebody waits for the look back, and it has come as far as it can.
    pub(super) look_wanted: Notify,
    pub(super) looked_back: Notify,
}

impl Beside {
    pub(super) fn new(tip: BlockId) -> Self {
        Self {
            tip: watch::Sender::new(tip),
            fees_wanted: Notify::new(),
            fees: watch::Sender::new(false),
            look_wanted: Notify::new(),
            looked_back: Notify::new(),
        }
    }

    /// Waits until fees are known, or one more attempt was made.
    pub(super) async fn fees_are_known(&self) {
        let mut fees = self.fees.subscribe();
        if *fees.borrow_and_update() {
            return;
        }
        self.fees_wanted.notify_one();
        drop(tokio::time::timeout(FEE_PATIENCE, fees.changed()).await);
    }

    /// Tells fees.
    pub(super) async fn fees(&self, shared: &Shared, source: &dyn ChainSource) -> Result<(), Stopped> {
        let mut due = every(if shared.dev_fast { Duration::from_secs(1) } else { FEE_INTERVAL });
        let mut told = Told::default();
        loop {
            tokio::select! {
                _ = due.tick() => {}
                () = self.fees_wanted.notified() => {}
            }
            tell_fees(shared, source, &mut told).await?;
            self.fees.send_replace(!told.knows_no_fees());
        }
    }

    /// Tells what the mempool has, after each block at once. While blocks are being caught up with, it is of a later time than the core.
    pub(super) async fn mempool(&self, shared: &Shared, source: &dyn ChainSource) -> Result<(), Stopped> {
        let mut due = every(if shared.dev_fast { Duration::from_millis(200) } else { MEMPOOL_INTERVAL });
        let (mut tip, mut status) = (self.tip.subscribe(), shared.chain_status.subscribe());
        let mut view = MempoolView::default();
        loop {
            tokio::select! {
                _ = due.tick() => {}
                _ = tip.changed() => {}
            }
            // The sender is shared: it cannot be gone.
            drop(status.wait_for(Status::is_at_tip).await);
            tell_mempool(shared, source, &mut view, &mut tip).await?;
        }
    }

    /// Lets the wallet read the blocks that it misses.
    pub(super) async fn reading(&self, shared: &Shared, source: &dyn ChainSource) -> Result<(), Stopped> {
        let mut due = every(READING_INTERVAL);
        loop {
            due.tick().await;
            while shared.wallet.is_behind() {
                let tip = self.tip.borrow().height;
                let read = shared.wallet.read(source, tip).await;
                let _order = shared.wallet.order.lock().await;
                let found = found(shared, shared.wallet.take(read).await)?;
                tell_found(shared, found).await?;
            }
        }
    }
}

/// Shows the numbers of the follower's status as they change. That it is of another kind is shown once the core was told.
pub(super) async fn show(shared: &Shared, mut status: watch::Receiver<Status>) -> Result<(), Stopped> {
    while status.changed().await.is_ok() {
        let seen = status.borrow_and_update().clone();
        shared.chain_status.send_if_modified(|shown| {
            let is_news = shown.same_kind(&seen) && *shown != seen;
            if is_news {
                *shown = seen;
            }
            is_news
        });
    }
    Ok(())
}

fn every(period: Duration) -> Interval {
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}
