//! Between the core and the disk: sealed steps wait here, merged, while the commit thread is busy. That is group commit.

use astrape_node::{Effect, Journal, MAX_UNCOMMITTED, Node, Step};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// The commit thread is gone, or the engine stops: nothing goes in any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Closed;

/// What is to be told once all steps up to here are durable and their effects are out.
pub(crate) enum After {
    /// That it is so.
    Done(oneshot::Sender<()>),
    /// The node as it was then: a reader must not see what could still be lost.
    Snapshot(oneshot::Sender<Arc<Node>>, Arc<Node>),
}

impl After {
    fn tell(self) {
        // Who does not wait any more is not told.
        match self {
            After::Done(waiting) => drop(waiting.send(())),
            After::Snapshot(waiting, node) => drop(waiting.send(node)),
        }
    }
}

/// The queue before the disk.
pub(crate) struct Door {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    /// All steps that wait, as one.
    step: Option<Step>,
    after: Vec<After>,
    /// Steps that wait.
    queued: usize,
    /// Steps that the commit thread has in hand.
    in_hand: usize,
    closed: bool,
}

impl Door {
    pub(crate) fn new() -> Self {
        Self { waiting: Mutex::default(), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a step over. Waits only while [`MAX_UNCOMMITTED`] steps are ahead of the disk.
    pub(crate) fn push(&self, step: Step, after: Option<After>) -> Result<(), Closed> {
        let mut waiting = self.lock();
        while waiting.queued + waiting.in_hand >= MAX_UNCOMMITTED && !waiting.closed {
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        if waiting.closed {
            return Err(Closed);
        }
        let is_idle = step.writes().is_empty() && step.sealed_len() == 0;
        if !is_idle {
            waiting.step = Some(match waiting.step.take() {
                Some(before) => before.then(step),
                None => step,
            });
            waiting.queued += 1;
        }
        waiting.after.extend(after);
        drop(waiting);
        self.changed.notify_all();
        Ok(())
    }

    /// Nothing more comes. What is there is still committed.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// All that waits; `None` when the door is closed and nothing is left.
    fn take(&self) -> Option<(Option<Step>, Vec<After>)> {
        let mut waiting = self.lock();
        loop {
            if waiting.step.is_some() || !waiting.after.is_empty() {
                waiting.in_hand = std::mem::take(&mut waiting.queued);
                return Some((waiting.step.take(), std::mem::take(&mut waiting.after)));
            }
            if waiting.closed {
                return None;
            }
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn committed(&self) {
        self.lock().in_hand = 0;
        self.changed.notify_all();
    }

    /// The commit thread: commits what waits and lets its effects out, until the door is closed or the disk fails. After a
    /// failure nothing is let out and nobody is told anything.
    pub(crate) fn serve<J: Journal + ?Sized>(
        &self,
        journal: &mut J,
        mut let_out: impl FnMut(Vec<Effect>),
    ) -> Result<(), astrape_node::JournalError> {
        while let Some((step, after)) = self.take() {
            if let Some(step) = step {
                let effects = step.commit(journal).inspect_err(|_| self.close())?;
                let_out(effects);
            }
            self.committed();
            after.into_iter().for_each(After::tell);
        }
        Ok(())
    }
}
