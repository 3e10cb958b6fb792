//! Who may open a journal, and who may go on writing.

use crate::support::{Make, node, open};
use astrape_node::{Journal as _, JournalError};
use astrape_primitives::{Network, NodeId};
use astrape_storage::SqliteJournal;
use astrape_storage::sqlite::{DATABASE, LOCK, MARK};

#[test]
fn a_second_opener_is_refused_while_the_first_lives() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, opened) = open(dir.path());
    assert!(opened.new);
    let second = SqliteJournal::open(dir.path(), Network::Regtest, node());
    assert!(matches!(second, Err(JournalError::Fenced(_))), "{second:?}");
    drop(journal);
    assert!(!open(dir.path()).1.new);
}

#[test]
fn who_was_taken_over_commits_nothing_more() {
    let dir = tempfile::tempdir().unwrap();
    let (mut first, _) = open(dir.path());
    first.commit(&Make::default().set(b"a", b"1").done()).unwrap();
    let mut changesets = first.wallet_changesets().unwrap();
    // A lock that was lost, as on a network file system.
    std::fs::remove_file(dir.path().join(LOCK)).unwrap();
    let (mut second, _) = open(dir.path());
    let late = first.commit(&Make::default().set(b"a", b"2").done());
    assert!(matches!(late, Err(JournalError::Fenced(_))), "{late:?}");
    assert!(matches!(changesets.append("{}"), Err(JournalError::Fenced(_))));
    let again = first.commit(&Make::default().set(b"a", b"2").done());
    assert!(again.is_err(), "who has failed once stays silent");
    second.commit(&Make::default().set(b"a", b"3").done()).unwrap();
    assert_eq!(second.load().unwrap().into_values().collect::<Vec<_>>(), [b"3"]);
}

#[test]
fn the_journal_of_another_node_or_network_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    let mut other = [2; 33];
    other[0] = 3;
    let other = NodeId::from_bytes(other).unwrap();
    for (network, node) in [(Network::Bitcoin, node()), (Network::Regtest, other)] {
        let refused = SqliteJournal::open(dir.path(), network, node);
        assert!(matches!(refused, Err(JournalError::Foreign(_))), "{refused:?}");
    }
    open(dir.path());
}

#[test]
fn a_database_of_a_newer_version_is_refused_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    let path = dir.path().join(DATABASE);
    let conn = rusqlite::Connection::open(&path).unwrap();
    conn.pragma_update(None, "user_version", 1_000).unwrap();
    drop(conn);
    let before = std::fs::read(&path).unwrap();
    let refused = SqliteJournal::open(dir.path(), Network::Regtest, node());
    assert!(matches!(refused, Err(JournalError::Newer(_))), "{refused:?}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn the_database_of_another_program_is_refused_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(DATABASE);
    let conn = rusqlite::Connection::open(&path).unwrap();
    conn.execute_batch("CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1)").unwrap();
    drop(conn);
    let before = std::fs::read(&path).unwrap();
    let refused = SqliteJournal::open(dir.path(), Network::Regtest, node());
    assert!(matches!(refused, Err(JournalError::Damaged(_))), "{refused:?}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_reader_opens_no_journal_that_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    journal.reader().unwrap();
    std::fs::remove_file(dir.path().join(DATABASE)).unwrap();
    assert!(journal.reader().is_err());
    assert!(!dir.path().join(DATABASE).exists());
}

#[cfg(unix)]
#[test]
fn only_the_user_may_read_the_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(dir.path());
    journal.commit(&Make::default().set(b"a", b"1").done()).unwrap();
    for file in [DATABASE.to_owned(), format!("{DATABASE}-wal"), LOCK.to_owned()] {
        let mode = std::fs::metadata(dir.path().join(&file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{file}");
    }
    assert!(dir.path().join(MARK).exists());
}
