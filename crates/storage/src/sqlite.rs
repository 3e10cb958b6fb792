//! A journal in one SQLite file, for a node on one machine.
//!
//! A directory holds the database, its lock and its mark. The lock keeps a second process out; should it fail (a network
//! file system, a lock that was deleted), the epoch does: it is checked in the transaction of each commit.

use crate::mark::MarkFile;
use astrape_node::{
    Entry, Journal, JournalError, Key, PastRequest, RequestId, RetiredHtlc, SeenOnion, Writes,
};
use astrape_primitives::{ChannelKeysId, CommitmentNumber, Network, NodeId, PaymentHash};
use error::failed;
use names::Names;
use owner::{Epoch, take_over, write_mark};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use turns::{Turns, begin};
use write::{execute, write_rows};

mod archive;
mod checksum;
mod error;
mod fact;
mod fresh;
mod names;
mod owner;
mod query;
mod reader;
mod request;
mod schema;
mod tally;
mod turns;
mod wallet;
mod write;

pub use reader::{MAX_PAGE, SqliteReader};
pub use tally::{ChannelTally, Tally};
pub use wallet::WalletChangesets;

/// The database, in the directory of the journal.
pub const DATABASE: &str = "journal.sqlite";
/// The file that is locked while a process has the journal.
pub const LOCK: &str = "journal.lock";
/// The high-water mark. A copy of the database alone does not copy it: that is its point.
pub const MARK: &str = "journal.mark";

/// How long SQLite waits by itself for whoever else writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Statements that are kept ready: more than there are.
const CACHED_STATEMENTS: usize = 64;

/// Memory for pages that the writer has read or written, in KiB. What a commit writes lies together (ADR 24, 27), so a few commits'
/// worth is enough; and SQLite looks through all that is kept whenever a page of an index was split.
const WRITERS_CACHE_KIB: i64 = 8 * 1024;

/// The journal of one node, open for writing.
#[derive(Debug)]
pub struct SqliteJournal {
    conn: Connection,
    directory: PathBuf,
    epoch: Epoch,
    mark: MarkFile,
    marks: BTreeMap<ChannelKeysId, CommitmentNumber>,
    suspects: BTreeSet<ChannelKeysId>,
    names: Arc<Names>,
    commits: u64,
    /// Shared with the wallet's changesets.
    turns: Arc<Turns>,
    /// A write has failed: whatever the disk holds, this process may not go on.
    failed: bool,
    /// Held as long as the journal; let go last.
    _lock: File,
}

/// What was found when a journal was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// Whether it was made now.
    pub new: bool,
    /// Channels that may have gone on since what the journal knows. No commitment of ours may be broadcast for them before
    /// their peers have reestablished at our number. A channel is taken off when it moves on, past its mark.
    pub suspect: Vec<ChannelKeysId>,
    /// Those of them of which the mark has a higher number: they have gone on, whatever their peers say.
    pub led: Vec<ChannelKeysId>,
    /// Why the journal seems to be an old copy, if it does.
    pub stale: Option<String>,
}

impl SqliteJournal {
    /// Opens the journal of a node in a directory, or makes one. It is this process's alone until it is dropped.
    ///
    /// # Errors
    /// When another process has it, it belongs to another node or network, it is of a newer version, it is damaged, or the
    /// disk fails. Nothing that is damaged is changed.
    pub fn open(directory: &Path, network: Network, node_id: NodeId) -> Result<(Self, Opened), JournalError> {
        std::fs::create_dir_all(directory)
            .map_err(|e| JournalError::Io(format!("{}: {e}", directory.display())))?;
        let lock = lock(&directory.join(LOCK))?;
        let (mut mark, found) = MarkFile::open(&directory.join(MARK), node_id)?;
        let path = directory.join(DATABASE);
        let mut conn = open_for_writing(&path)?;
        let new = schema::version(&conn)? == 0;
        if new && mark.commits() > 0 {
            return Err(JournalError::Damaged(format!(
                "{} is empty, but {} says that the node has made {} commits",
                path.display(),
                directory.join(MARK).display(),
                mark.commits()
            )));
        }
        check(&conn)?;
        schema::migrate(&mut conn, network, node_id)?;
        archive::check(&conn)?;
        let (epoch, marks, commits, opened) = take_over(&mut conn, network, node_id, new, (&mark, found))?;
        // Only now that what was found is durable.
        mark.begin(&marks, commits)?;
        let suspects = opened.suspect.iter().copied().collect();
        let names = Arc::new(Names::load(&conn)?);
        let directory = directory.to_owned();
        let turns = Arc::default();
        let journal = Self {
            conn,
            directory,
            epoch,
            mark,
            marks,
            suspects,
            names,
            commits,
            turns,
            failed: false,
            _lock: lock,
        };
        Ok((journal, opened))
    }

    /// A reader of the same journal.
    ///
    /// # Errors
    /// When it cannot be opened once more.
    pub fn reader(&self) -> Result<SqliteReader, JournalError> {
        SqliteReader::open(&self.directory, Arc::clone(&self.names))
    }

    /// The changesets of the on-chain wallet, which lie in the same file.
    ///
    /// # Errors
    /// When it cannot be opened once more.
    pub fn wallet_changesets(&self) -> Result<WalletChangesets, JournalError> {
        let conn = open_for_writing(&self.directory.join(DATABASE))?;
        Ok(WalletChangesets::new(conn, self.epoch, Arc::clone(&self.turns)))
    }

    /// How many commits there were, those of earlier processes included.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.commits
    }

    fn write(&mut self, writes: &Writes) -> Result<(), JournalError> {
        let turn = self.turns.take();
        let tx = begin(&self.conn)?;
        let commits = self.commits + 1;
        self.epoch.count(&tx, commits)?;
        let merging = write_rows(&tx, writes, &self.names)?;
        let mut cleared = Vec::new();
        for (channel, number) in writes.marks() {
            write_mark(&tx, &channel, number)?;
            // It moves only with a peer that has reestablished at our number; and one below its mark is old wherever it moves.
            let has_moved = self.marks.get(&channel).is_some_and(|known| *known < number);
            let is_at_mark = self.mark.marks().get(&channel).is_none_or(|mark| *mark <= number);
            if self.suspects.contains(&channel) && has_moved && is_at_mark {
                execute(&tx, "DELETE FROM suspects WHERE channel = ?1", [channel.0])?;
                cleared.push(channel);
            }
        }
        tx.commit().map_err(failed)?;
        self.names.committed(writes, &merging);
        drop(turn);
        self.commits = commits;
        self.marks.extend(writes.marks());
        self.suspects.retain(|channel| !cleared.contains(channel));
        // What is still suspect keeps the mark that made it so.
        let suspects = &self.suspects;
        self.mark.advance(commits, writes.marks().filter(|(channel, _)| !suspects.contains(channel)))
    }
}

impl Journal for SqliteJournal {
    fn commit(&mut self, writes: &Writes) -> Result<(), JournalError> {
        if self.failed {
            return Err(JournalError::Io("an earlier write has failed".to_owned()));
        }
        let written = self.write(writes);
        self.failed = written.is_err();
        written
    }

    fn load(&self) -> Result<BTreeMap<Key, Vec<u8>>, JournalError> {
        query::records(&self.conn)
    }

    fn onion_seen(&self, onion: &SeenOnion) -> Result<bool, JournalError> {
        Ok(query::onions_seen(&self.conn, &self.names, &[*onion])?.contains(&true))
    }

    fn last_payment_fact(&self, payment_hash: &PaymentHash) -> Result<Option<Entry>, JournalError> {
        query::last_payment_fact(&self.conn, &self.names, payment_hash)
    }

    fn past_request(&self, id: &RequestId) -> Result<Option<PastRequest>, JournalError> {
        request::find(&self.conn, id)
    }

    fn retired_htlcs(
        &self,
        channel: &ChannelKeysId,
        commitment: CommitmentNumber,
    ) -> Result<Vec<RetiredHtlc>, JournalError> {
        archive::of_commitment(&self.conn, channel, commitment)
    }
}

fn lock(path: &Path) -> Result<File, JournalError> {
    let io = |e: std::io::Error| JournalError::Io(format!("{}: {e}", path.display()));
    let file = private(OpenOptions::new().write(true).create(true).truncate(false)).open(path).map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(JournalError::Fenced(format!("{} is locked; stop the other one first", path.display())))
        }
        Err(TryLockError::Error(e)) => Err(io(e)),
    }
}

/// Files that only the user may read: records hold preimages.
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options
}

fn open_for_writing(path: &Path) -> Result<Connection, JournalError> {
    // Made by hand first, for its permissions, which SQLite gives to the files beside it.
    private(OpenOptions::new().append(true).create(true))
        .open(path)
        .map_err(|e| JournalError::Io(format!("{}: {e}", path.display())))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).map_err(failed)?;
    set_up(&conn)?;
    // A newer database is refused before the mode of its journal is touched.
    schema::version(&conn)?;
    let mode: String =
        conn.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0)).map_err(failed)?;
    if mode != "wal" {
        return Err(JournalError::Io(format!(
            "{} cannot have a write-ahead log (mode `{mode}`): put it on a local file system",
            path.display()
        )));
    }
    // Durable when a commit returns, and on macOS past the cache of the drive.
    for (pragma, value) in [("synchronous", "full"), ("fullfsync", "on"), ("checkpoint_fullfsync", "on")] {
        conn.pragma_update(None, pragma, value).map_err(failed)?;
    }
    // Below zero it is memory, above it would be pages.
    conn.pragma_update(None, "cache_size", -WRITERS_CACHE_KIB).map_err(failed)?;
    Ok(conn)
}

/// What holds for readers and writers.
fn set_up(conn: &Connection) -> Result<(), JournalError> {
    conn.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    conn.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    // The file may hold anything: check pages as they are read, and run no code that a schema may contain.
    conn.pragma_update(None, "cell_size_check", true).map_err(failed)?;
    conn.pragma_update(None, "trusted_schema", false).map_err(failed)?;
    // A statement is planned once, whatever is bound to it: otherwise each lookup by a partial index is planned anew.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(failed)?;
    Ok(())
}

/// Tables that grow with all that ever was: their rows carry checksums and are looked at when they are read, so that the time
/// to start does not depend on how many states a channel has had.
const ARCHIVES: [&str; 6] = ["archived_htlcs", "retired_htlcs", "ledger", "onions", "payments", "requests"];

/// Looks whether the tables that the node lives in are whole, and whether their indexes know all rows.
fn check(conn: &Connection) -> Result<(), JournalError> {
    let mut names =
        conn.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").map_err(failed)?;
    let names: Vec<String> =
        names.query_map([], |row| row.get(0)).and_then(Iterator::collect).map_err(failed)?;
    for name in names.iter().filter(|name| !ARCHIVES.contains(&name.as_str())) {
        let sql = "SELECT integrity_check FROM pragma_integrity_check(?1)";
        let verdict: String = conn.query_row(sql, [name], |row| row.get(0)).map_err(failed)?;
        if verdict != "ok" {
            return Err(JournalError::Damaged(verdict));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(directory: &Path) -> (SqliteJournal, Opened) {
        let node = NodeId::from_bytes([2; 33]).expect("a point");
        SqliteJournal::open(directory, Network::Regtest, node).expect("it can be opened")
    }

    fn records(records: &[(&str, usize)]) -> Writes {
        let record = |(key, len): &(&str, usize)| (Key(key.as_bytes().to_vec()), Some(vec![7; *len]));
        let records = records.iter().map(record).collect();
        Writes::by_hand(records, vec![], vec![], vec![], None, BTreeMap::new())
    }

    #[test]
    fn a_full_disk_stops_the_journal_and_leaves_nothing_half_written() {
        let dir = tempfile::tempdir().expect("a directory");
        let (mut journal, _) = open(dir.path());
        journal.commit(&records(&[("a", 100)])).expect("there is room");
        let before = journal.load().expect("readable");
        let pages: i64 = journal.conn.query_row("PRAGMA page_count", [], |row| row.get(0)).expect("a number");
        journal
            .conn
            .pragma_update_and_check(None, "max_page_count", pages + 2, |_| Ok(()))
            .expect("the disk is nearly full");
        let full = journal.commit(&records(&[("a", 50), ("b", 100_000), ("c", 1)]));
        assert!(matches!(full, Err(JournalError::Io(_))), "{full:?}");
        assert_eq!(journal.load().expect("readable"), before);
        let after = journal.commit(&records(&[("a", 1)]));
        assert!(after.is_err(), "who has failed once stays silent");
        drop(journal);
        let (journal, opened) = open(dir.path());
        assert_eq!(journal.load().expect("readable"), before);
        assert_eq!((opened.stale, journal.commits()), (None, 1));
    }
}
