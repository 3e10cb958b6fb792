//! Something that happens once, and that tasks wait for: the end of a connection, the end of the engine.

use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// A flag that is raised once and never taken back. Clones are the same flag.
#[derive(Clone, Debug)]
pub(crate) struct Signal(Arc<watch::Sender<bool>>);

impl Signal {
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// Raises it. Again is fine.
    pub(crate) fn raise(&self) {
        self.0.send_replace(true);
    }

    pub(crate) fn is_raised(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns once it is raised, at once if it is.
    pub(crate) async fn raised(&self) {
        let mut receiver = self.0.subscribe();
        // It cannot be closed while `self` holds the sender.
        let _ = receiver.wait_for(|raised| *raised).await;
    }
}

/// The end of the engine: asked for, or forced by a failure.
#[derive(Clone, Debug)]
pub(crate) struct Shutdown {
    begun: Signal,
    failure: Arc<Mutex<Option<String>>>,
}

impl Shutdown {
    pub(crate) fn new() -> Self {
        Self { begun: Signal::new(), failure: Arc::default() }
    }

    /// Asks for the end.
    pub(crate) fn begin(&self) {
        self.begun.raise();
    }

    /// The node cannot go on: says why, loudly, and ends it. The first reason counts.
    pub(crate) fn fail(&self, reason: impl std::fmt::Display) {
        tracing::error!(%reason, "the node stops");
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.get_or_insert_with(|| reason.to_string());
        drop(failure);
        self.begun.raise();
    }

    pub(crate) fn failure(&self) -> Option<String> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn has_begun(&self) -> bool {
        self.begun.is_raised()
    }

    /// Returns once the end has begun.
    pub(crate) async fn begun(&self) {
        self.begun.raised().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_signal_wakes_those_who_wait_and_those_who_come_late() {
        let signal = Signal::new();
        let waiting = tokio::spawn({
            let signal = signal.clone();
            async move { signal.raised().await }
        });
        signal.raise();
        waiting.await.expect("it was woken");
        signal.raised().await;
        assert!(signal.is_raised());
    }

    #[test]
    fn the_first_failure_is_the_one_that_is_told() {
        let shutdown = Shutdown::new();
        shutdown.fail("the disk is full");
        shutdown.fail("a consequence");
        assert_eq!(shutdown.failure().as_deref(), Some("the disk is full"));
        assert!(shutdown.has_begun());
    }
}
