//! What the clock asks for: saving, flushing in batches (BOLT 7, "Rebroadcasting"), pruning, the next step of the sync.

use super::conversation::ToServe;
use super::to_core::ToCore;
use super::{GossipEngine, State, seconds};
use crate::engine::{Shared, clock};
use astrape_routing::gossip::MAX_UNSAVED;
use astrape_routing::gossip::relay::FLUSH_MILLIS;
use std::sync::Arc;
use std::time::Duration;

/// How often the clock is looked at.
const TICK: Duration = Duration::from_secs(1);

/// The same where everything is fast.
const FAST_TICK: Duration = Duration::from_millis(100);

/// Longest pause before a log that could not be written is tried again.
const MAX_PAUSE: Duration = Duration::from_secs(300);

/// How often what is old is pruned, in milliseconds.
const PRUNE_MILLIS: u64 = 60 * 60_000;

/// How often batches are flushed where everything is fast.
const FAST_FLUSH_MILLIS: u64 = 300;

/// Runs until the engine stops, then writes what is left.
pub(super) async fn run(shared: Arc<Shared>) {
    let stop = shared.shutdown.clone();
    tokio::select! {
        () = stop.begun() => {}
        () = keep(&shared) => {}
        () = save(&shared) => {}
    }
    shared.gossip.store.hurry();
    let last = Arc::clone(&shared);
    let closing = tokio::task::spawn_blocking(move || last.gossip.store.close(&last.gossip));
    drop(closing.await);
}

async fn keep(shared: &Arc<Shared>) {
    let (tick, flush_after) =
        if shared.dev_fast { (FAST_TICK, FAST_FLUSH_MILLIS) } else { (TICK, FLUSH_MILLIS) };
    let begun = clock::now().0;
    let (mut flushed_at, mut pruned_at, mut minute) = (begun, begun, begun / 60_000);
    loop {
        tokio::time::sleep(tick).await;
        let now = clock::now().0;
        shared.gossip.tick(now);
        if now / 60_000 != minute {
            minute = now / 60_000;
            shared.gossip.lock().peers.values_mut().for_each(|of_peer| of_peer.to_core = ToCore::default());
        }
        if now.saturating_sub(flushed_at) >= flush_after {
            flushed_at = now;
            shared.gossip.flush();
        }
        if now.saturating_sub(pruned_at) >= PRUNE_MILLIS {
            pruned_at = now;
            let pruned = shared.gossip.lock().gossip.prune(seconds());
            tracing::debug!(pruned, "channels of which an end was silent for two weeks");
        }
    }
}

/// Writes what waits for it, beside all else: a log that is written anew takes its time. Where it cannot be written, that is tried ever
/// more rarely.
async fn save(shared: &Arc<Shared>) {
    let tick = if shared.dev_fast { FAST_TICK } else { TICK };
    let mut pause = tick;
    loop {
        tokio::time::sleep(pause).await;
        let saving = Arc::clone(shared);
        let saved = tokio::task::spawn_blocking(move || saving.gossip.store.save(&saving.gossip)).await;
        let failed = matches!(saved, Ok(Err(_)));
        shared.gossip.lock().log_fails = failed;
        pause = if failed { pause.saturating_mul(2).min(MAX_PAUSE) } else { tick };
        if let Ok(Err(error)) = saved {
            // It is no reason to stop: the network is there, and so is the money.
            tracing::warn!(
                %error, again_in = ?pause, limit = MAX_UNSAVED,
                "the log of gossip cannot be written: once so much waits for it, nothing more is taken"
            );
        }
    }
}

impl GossipEngine {
    fn tick(&self, now: u64) {
        let mut state = self.lock();
        let State { sync, gossip, .. } = &mut *state;
        let said = sync.tick(now, gossip);
        state.say(said);
    }

    fn flush(&self) {
        let mut state = self.lock();
        let batch = state.gossip.flush(seconds());
        if batch.is_empty() {
            return;
        }
        let batch = Arc::new(batch);
        for of_peer in state.peers.values() {
            if let Some(filter) = of_peer.filter {
                // One that has not read the last flushes asks again later.
                drop(of_peer.to_serve.try_send(ToServe::Batch(Arc::clone(&batch), filter)));
            }
        }
    }
}
