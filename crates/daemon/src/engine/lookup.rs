//! Lookups in what was committed, beside the core: by prepare, and by the API.
//!
//! All readers are opened at the start. A lookup that had to open a file could fail for want of one, at a time that any
//! stranger may choose, and a journal that cannot be asked ends the node.

use astrape_node::request::Errand;
use astrape_node::{Command, Entry, JournalError, PastRequest, Request, SeenOnion};
use astrape_primitives::PaymentHash;
use astrape_storage::{SqliteJournal, SqliteReader};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Readers, and so lookups at a time. Who finds none waits for one.
const MAX_READERS: usize = 8;

/// Of which so many may be asked what takes long: lists, sums. Those for one row find another one soon.
const MAX_LONG: usize = 6;

/// Readers of the journal, each used by one at a time.
pub(crate) struct Lookups {
    idle: Mutex<Vec<SqliteReader>>,
    returned: Condvar,
    long: Arc<Semaphore>,
}

impl Lookups {
    /// Opens the readers of a journal.
    ///
    /// # Errors
    /// When too few files can be opened.
    pub(crate) fn of(journal: &SqliteJournal) -> Result<Self, JournalError> {
        let readers = (0..MAX_READERS).map(|_| journal.reader()).collect::<Result<_, _>>()?;
        let long = Arc::new(Semaphore::new(MAX_LONG));
        Ok(Self { idle: Mutex::new(readers), returned: Condvar::new(), long })
    }

    /// Asks a reader. Blocks for the time of the query, some microseconds for one row, and of those before it if all readers
    /// are in use. The question must not ask for another reader, or wait for anything.
    pub(crate) fn read<T>(
        &self,
        ask: impl FnOnce(&SqliteReader) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        let borrowed = Borrowed { reader: Some(self.take()), lookups: self };
        ask(borrowed.reader.as_ref().expect("it is given back at the end"))
    }

    /// Waits until one more may ask for what takes long. What is returned is kept until the answer is there.
    pub(crate) async fn turn(&self) -> OwnedSemaphorePermit {
        Arc::clone(&self.long).acquire_owned().await.expect("it is never closed")
    }

    /// Whether each of these onions was acted on before.
    pub(crate) fn onions_seen(&self, onions: &[SeenOnion]) -> Result<Vec<bool>, JournalError> {
        if onions.is_empty() { Ok(Vec::new()) } else { self.read(|reader| reader.onions_seen(onions)) }
    }

    /// Looks up what a command must know of the past: an earlier payment with the same hash, an earlier request with the same id.
    pub(crate) fn look_back(&self, command: &mut Command) -> Result<(), JournalError> {
        match command {
            Command::Pay(pay) => pay.earlier = self.payment(&pay.payee.payment_hash())?,
            Command::SettleInvoice { payment_hash, earlier, .. }
            | Command::CancelInvoice { payment_hash, earlier } => *earlier = self.payment(payment_hash)?,
            Command::Recall { request, earlier } => *earlier = self.request(request)?,
            Command::Once(once) => {
                once.earlier = self.request(&once.request)?;
                if let Errand::Pay(pay) = &mut once.errand {
                    pay.earlier = self.payment(&pay.payee.payment_hash())?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The last fact about a payment that this node sent or received.
    pub(crate) fn payment(&self, hash: &PaymentHash) -> Result<Option<Entry>, JournalError> {
        self.read(|reader| reader.last_payment_fact(hash))
    }

    fn request(&self, request: &Request) -> Result<Option<PastRequest>, JournalError> {
        self.read(|reader| reader.past_request(&request.id))
    }

    fn take(&self) -> SqliteReader {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let mut idle =
            self.returned.wait_while(idle, |idle| idle.is_empty()).unwrap_or_else(PoisonError::into_inner);
        idle.pop().expect("it was waited for")
    }
}

/// A reader in use. It goes back also when the question panics.
struct Borrowed<'a> {
    reader: Option<SqliteReader>,
    lookups: &'a Lookups,
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        self.lookups.idle.lock().unwrap_or_else(PoisonError::into_inner).extend(self.reader.take());
        self.lookups.returned.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use astrape_primitives::{Network, NodeId};
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::path::Path;
    use std::sync::Barrier;
    use std::thread;
    use std::time::Duration;

    fn lookups(directory: &Path) -> Lookups {
        let node = NodeId::from_bytes([2; 33]).expect("a point");
        let (journal, _) = SqliteJournal::open(directory, Network::Regtest, node).expect("a new journal");
        Lookups::of(&journal).expect("there is a journal")
    }

    fn works(lookups: &Lookups) {
        assert_eq!(lookups.read(SqliteReader::newest_fact).expect("it can be asked"), None);
    }

    #[test]
    fn many_at_a_time_are_answered_though_no_file_can_be_opened_any_more() {
        let directory = tempfile::tempdir().expect("a directory");
        let lookups = lookups(directory.path());
        directory.close().expect("it can be removed");
        let begin = Barrier::new(8 * MAX_READERS);
        thread::scope(|scope| {
            for _ in 0..8 * MAX_READERS {
                scope.spawn(|| {
                    begin.wait();
                    let newest = lookups.read(|reader| {
                        thread::sleep(Duration::from_millis(1));
                        reader.newest_fact()
                    });
                    assert_eq!(newest.expect("it waits for a reader"), None);
                });
            }
        });
    }

    #[tokio::test]
    async fn what_takes_long_leaves_readers_to_those_who_ask_for_one_row() {
        let directory = tempfile::tempdir().expect("a directory");
        let lookups = lookups(directory.path());
        let mut turns = Vec::new();
        for _ in 0..MAX_LONG {
            turns.push(lookups.turn().await);
        }
        assert!(Arc::clone(&lookups.long).try_acquire_owned().is_err(), "one more waits");
        let (all_ask, all_know) = (Barrier::new(MAX_LONG + 1), Barrier::new(MAX_LONG + 1));
        thread::scope(|scope| {
            for _ in &turns {
                scope.spawn(|| {
                    lookups.read(|reader| {
                        all_ask.wait();
                        all_know.wait();
                        reader.newest_fact()
                    })
                });
            }
            all_ask.wait();
            works(&lookups);
            all_know.wait();
        });
        drop(turns);
        drop(lookups.turn().await);
    }

    #[test]
    fn a_question_that_panics_loses_no_reader() {
        let directory = tempfile::tempdir().expect("a directory");
        let lookups = lookups(directory.path());
        for _ in 0..2 * MAX_READERS {
            let asked = AssertUnwindSafe(|| lookups.read::<()>(|_| panic!("a question")));
            assert!(catch_unwind(asked).is_err());
        }
        works(&lookups);
    }
}
