//! Who writes next. The journal and the wallet's changesets are written by connections of their own, and SQLite's lock is not
//! fair: a slow disk under load would let the wallet wait for so long that its write fails, which stops the node. So they take
//! turns in the order in which they came, and wait longer for writers outside this process.

use super::error::failed;
use astrape_node::JournalError;
use rusqlite::{Connection, Error, ErrorCode, Transaction, TransactionBehavior};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// How often a write is tried that others keep out for the whole of SQLite's own timeout: ten minutes at five seconds. Who has the
/// database for that long (a copy by hand, a frozen disk) has it for ever.
const MAX_TRIES: u32 = 120;

/// The queue of this process's writers.
#[derive(Debug, Default)]
pub(super) struct Turns {
    queue: Mutex<Queue>,
    moved: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    next: u64,
    serving: u64,
}

/// The right to write, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn<'a>(&'a Turns);

impl Turns {
    /// Waits until all that came before have written.
    pub(super) fn take(&self) -> Turn<'_> {
        let mut queue = self.lock();
        let ours = queue.next;
        queue.next += 1;
        drop(
            self.moved
                .wait_while(queue, |queue| queue.serving != ours)
                .unwrap_or_else(PoisonError::into_inner),
        );
        Turn(self)
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.lock().serving += 1;
        self.0.moved.notify_all();
    }
}

/// Begins a transaction that writes, however long another process has the database. Whether it is still ours is then to be
/// checked.
///
/// # Errors
/// When it is kept out for [`MAX_TRIES`] timeouts, or SQLite cannot.
pub(super) fn begin(conn: &Connection) -> Result<Transaction<'_>, JournalError> {
    for tried in 1..MAX_TRIES {
        match Transaction::new_unchecked(conn, TransactionBehavior::Immediate) {
            Err(Error::SqliteFailure(failure, _)) if failure.code == ErrorCode::DatabaseBusy => {
                tracing::warn!(tried, "somebody else writes to the database: the node waits for it");
            }
            begun => return begun.map_err(failed),
        }
    }
    Transaction::new_unchecked(conn, TransactionBehavior::Immediate).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::super::{DATABASE, SqliteJournal};
    use super::*;
    use astrape_node::{Journal as _, Key, Writes};
    use astrape_primitives::{Network, NodeId};
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use std::thread;
    use std::time::Duration;

    #[test]
    fn writers_take_turns_in_the_order_in_which_they_came() {
        let (turns, wrote) = (Arc::new(Turns::default()), Arc::new(Mutex::new(Vec::new())));
        let first = turns.take();
        let begin_to_wait = |number: u64| {
            let (waiting, wrote) = (Arc::clone(&turns), Arc::clone(&wrote));
            let writer = thread::spawn(move || {
                let _turn = waiting.take();
                wrote.lock().expect("no panic").push(number);
            });
            while turns.lock().next <= number {
                thread::yield_now();
            }
            writer
        };
        let writers: Vec<_> = (1..4).map(begin_to_wait).collect();
        assert!(wrote.lock().expect("no panic").is_empty(), "they wait for the first");
        drop(first);
        writers.into_iter().for_each(|writer| writer.join().expect("no panic"));
        assert_eq!(*wrote.lock().expect("no panic"), [1, 2, 3]);
    }

    #[test]
    fn writers_wait_for_others_for_longer_than_sqlite_does() {
        let dir = tempfile::tempdir().expect("a directory");
        let node = NodeId::from_bytes([2; 33]).expect("a point");
        let (mut journal, _) =
            SqliteJournal::open(dir.path(), Network::Regtest, node).expect("it can be opened");
        let mut changesets = journal.wallet_changesets().expect("it can be opened once more");
        for conn in [&journal.conn, &changesets.conn] {
            conn.busy_timeout(Duration::from_millis(10)).expect("a timeout");
        }
        let other = Connection::open(dir.path().join(DATABASE)).expect("it can be opened");
        other.execute_batch("BEGIN IMMEDIATE").expect("nobody writes");
        let letting_go = thread::spawn(move || {
            thread::sleep(Duration::from_millis(200));
            other.execute_batch("ROLLBACK").expect("it is ours");
        });
        let wallet = thread::spawn(move || changesets.append("{}").map(|()| changesets));
        let record = BTreeMap::from([(Key(b"a".to_vec()), Some(vec![7]))]);
        let writes = Writes::by_hand(record, vec![], vec![], vec![], None, BTreeMap::new());
        journal.commit(&writes).expect("it has waited");
        let changesets = wallet.join().expect("no panic").expect("it has waited");
        assert_eq!(changesets.read().expect("readable"), ["{}"]);
        letting_go.join().expect("no panic");
    }
}
