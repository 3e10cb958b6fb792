//! An old copy of the database is found by the mark beside it.

use crate::support::{Make, channel, node, open, typical};
use astrape_node::{Journal as _, JournalError};
use astrape_primitives::Network;
use astrape_storage::SqliteJournal;
use astrape_storage::sqlite::{DATABASE, MARK};
use std::path::Path;

/// The files of the database without the mark, as someone would copy them.
fn copy(from: &Path, to: &Path) {
    for file in [DATABASE.to_owned(), format!("{DATABASE}-wal"), format!("{DATABASE}-shm")] {
        let _ = std::fs::remove_file(to.join(&file));
        if from.join(&file).exists() {
            std::fs::copy(from.join(&file), to.join(&file)).unwrap();
        }
    }
}

#[test]
fn a_restart_is_not_suspect() {
    let dir = tempfile::tempdir().unwrap();
    for number in 1..4 {
        let (mut journal, opened) = open(dir.path());
        assert!(opened.suspect.is_empty() && opened.stale.is_none(), "{opened:?}");
        journal.commit(&typical(number)).unwrap();
    }
}

// attack 48
#[test]
fn what_an_old_copy_has_forgotten_of_a_channel_makes_it_suspect_until_it_is_past_its_mark() {
    let (dir, backup) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (mut journal, _) = open(dir.path());
    let start = Make::default().set(b"a", b"old").mark(channel(1), 5).mark(channel(2), 5);
    journal.commit(&start.done()).unwrap();
    drop(journal);
    copy(dir.path(), backup.path());
    let (mut journal, _) = open(dir.path());
    journal.commit(&Make::default().set(b"a", b"new").mark(channel(2), 7).done()).unwrap();
    drop(journal);
    copy(backup.path(), dir.path());

    let (mut journal, opened) = open(dir.path());
    assert_eq!(opened.led, [channel(2)]);
    assert_eq!(opened.suspect, [channel(1), channel(2)], "what was forgotten may have closed any of them");
    assert!(opened.stale.is_some());
    // What is written without the peer's agreement clears nothing, nor does another channel.
    journal.commit(&Make::default().mark(channel(1), 8).mark(channel(2), 5).done()).unwrap();
    drop(journal);
    let (mut journal, opened) = open(dir.path());
    assert_eq!((&opened.suspect, &opened.led), (&vec![channel(2)], &vec![channel(2)]), "until it moves on");
    // Whoever moves it from where it never stood again: its mark says 7.
    journal.commit(&Make::default().mark(channel(2), 6).done()).unwrap();
    drop(journal);
    let (mut journal, opened) = open(dir.path());
    assert_eq!((&opened.suspect, &opened.led), (&vec![channel(2)], &vec![channel(2)]), "old all the same");
    journal.commit(&Make::default().mark(channel(2), 7).done()).unwrap();
    drop(journal);
    let (_, opened) = open(dir.path());
    assert_eq!((opened.suspect, opened.led, opened.stale), (vec![], vec![], None));
}

// attack 48
#[test]
fn an_old_copy_makes_all_channels_suspect_though_none_has_moved_since() {
    let (dir, backup) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (mut journal, _) = open(dir.path());
    journal.commit(&Make::default().set(b"a", b"open").mark(channel(1), 5).done()).unwrap();
    drop(journal);
    copy(dir.path(), backup.path());
    let (mut journal, _) = open(dir.path());
    journal.commit(&Make::default().set(b"a", b"on its way to the chain").done()).unwrap();
    drop(journal);
    copy(backup.path(), dir.path());

    let (mut journal, opened) = open(dir.path());
    assert_eq!((opened.suspect, opened.led), (vec![channel(1)], vec![]));
    assert!(opened.stale.is_some());
    journal.commit(&Make::default().mark(channel(1), 6).done()).unwrap();
    drop(journal);
    assert_eq!(open(dir.path()).1.suspect, [], "its peer was where we were");
}

// attack 48
#[test]
fn a_copy_without_its_mark_is_suspect_as_a_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(dir.path());
    journal.commit(&typical(1)).unwrap();
    drop(journal);
    std::fs::remove_file(dir.path().join(MARK)).unwrap();
    let (journal, opened) = open(dir.path());
    assert_eq!(opened.suspect, [channel(1), channel(2)]);
    assert!(opened.stale.is_some());
    drop(journal);
    assert_eq!(open(dir.path()).1.suspect, [channel(1), channel(2)], "a restart changes nothing about it");
}

#[test]
fn a_mark_that_lags_is_no_cause_for_suspicion() {
    let (dir, kept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (mut journal, _) = open(dir.path());
    journal.commit(&typical(1)).unwrap();
    drop(journal);
    std::fs::copy(dir.path().join(MARK), kept.path().join(MARK)).unwrap();
    let (mut journal, _) = open(dir.path());
    journal.commit(&typical(2)).unwrap();
    drop(journal);
    std::fs::copy(kept.path().join(MARK), dir.path().join(MARK)).unwrap();
    let (_, opened) = open(dir.path());
    assert!(opened.suspect.is_empty() && opened.stale.is_none(), "{opened:?}");
}

#[test]
fn a_database_that_is_gone_is_not_made_anew_where_a_node_has_been() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(dir.path());
    journal.commit(&typical(1)).unwrap();
    drop(journal);
    std::fs::remove_file(dir.path().join(DATABASE)).unwrap();
    let refused = SqliteJournal::open(dir.path(), Network::Regtest, node());
    assert!(matches!(refused, Err(JournalError::Damaged(_))), "{refused:?}");
}

#[test]
fn a_mark_of_another_node_does_not_speak_for_this_one() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(MARK), b"not a mark").unwrap();
    let (_, opened) = open(dir.path());
    assert!(opened.new && opened.suspect.is_empty());
}
