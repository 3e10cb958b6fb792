//! Commands that wait for their answer.

use astrape_node::{CommandId, Refusal, Reply};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use tokio::sync::oneshot;

/// Who waits for what. The core answers each command in the step that takes it, so this holds no more than the core's queue
/// and what is being committed.
#[derive(Default)]
pub(crate) struct Commands {
    next: AtomicU64,
    waiting: Mutex<BTreeMap<CommandId, oneshot::Sender<Result<Reply, Refusal>>>>,
}

impl Commands {
    /// A name for a command, and where its answer comes.
    pub(crate) fn ask(&self) -> (CommandId, oneshot::Receiver<Result<Reply, Refusal>>) {
        let id = CommandId(self.next.fetch_add(1, Ordering::Relaxed));
        let (asking, answer) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(id, asking);
        (id, answer)
    }

    /// The answer of the core.
    pub(crate) fn answer(&self, id: CommandId, reply: Result<Reply, Refusal>) {
        let asking = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        // Who asked may be gone.
        asking.map(|asking| asking.send(reply));
    }

    /// There will be no answers any more.
    pub(crate) fn close(&self) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// A command that never reached the core.
    pub(crate) fn forget(&self, id: CommandId) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }
}
