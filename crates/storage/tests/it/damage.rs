//! Files that are not as they were left: refused, or intact. Never a panic, never something in between.

use crate::support::{Contents, channel, contents, node, open, typical};
use astrape_node::{Journal as _, JournalError, Outcome, PastRequest, Request, RequestId, Writes};
use astrape_primitives::{CommitmentNumber, Network, PaymentHash};
use astrape_storage::sqlite::DATABASE;
use astrape_storage::{Opened, SqliteJournal};
use std::path::Path;

const WAL: &str = "journal.sqlite-wal";

/// A journal with some commits, closed: all is in the database.
fn written(dir: &Path) -> Contents {
    let (mut journal, _) = open(dir);
    for number in 1..20 {
        journal.commit(&typical(number)).unwrap();
    }
    contents(&journal).unwrap()
}

fn try_open(dir: &Path) -> Result<(Contents, Opened), JournalError> {
    let (journal, opened) = SqliteJournal::open(dir, Network::Regtest, node())?;
    Ok((contents(&journal)?, opened))
}

/// A directory like another but for one file.
fn with(dir: &Path, file: &str, bytes: &[u8]) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    std::fs::write(copy.path().join(file), bytes).unwrap();
    copy
}

/// An archived HTLC whose commitments were damaged may be found by none of them: its checksum is seen only where it is found.
/// Whoever needs it sees the output in the chain and misses it. Nothing else may differ.
fn is_intact(now: &Contents, before: &Contents) -> bool {
    now.0 == before.0 && now.1 == before.1 && now.2.iter().all(|htlc| before.2.contains(htlc))
}

// attack 83
#[test]
fn a_flipped_bit_in_the_database_is_found_or_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let before = written(dir.path());
    let whole = std::fs::read(dir.path().join(DATABASE)).unwrap();
    let (mut refused, mut intact) = (0, 0);
    // Each byte of the header and the schema would be the same few cases over and over: a stride that meets every page.
    for at in (0..100).chain((100..whole.len()).step_by(617)) {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        let copy = with(dir.path(), DATABASE, &flipped);
        match try_open(copy.path()) {
            Err(_) => refused += 1,
            Ok((now, _)) => {
                assert!(is_intact(&now, &before), "byte {at} changed what is stored, and nobody noticed");
                intact += 1;
            }
        }
    }
    assert!(refused > 20 && intact > 20, "{refused} refused, {intact} intact");
}

// attack 83
#[test]
fn a_request_whose_row_was_changed_is_damage_and_neither_unknown_nor_something_else() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(dir.path());
    let id: RequestId = "rent".parse().unwrap();
    let request = Request { id: id.clone(), digest: [1; 32] };
    let outcome = Outcome::Paying { payment_hash: PaymentHash([2; 32]) };
    journal.commit(&Writes::default().with_requests(vec![PastRequest { request, outcome }])).unwrap();
    for change in ["digest = x'00'", "payment_hash = zeroblob(32)", "kind = 'opening'", "checksum = x''"] {
        let conn = rusqlite::Connection::open(dir.path().join(DATABASE)).unwrap();
        conn.execute(&format!("UPDATE requests SET {change}"), []).unwrap();
        let found = journal.reader().unwrap().past_request(&id);
        assert!(matches!(found, Err(JournalError::Damaged(_))), "{change}: {found:?}");
    }
}

// attack 83
#[test]
fn a_truncated_database_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let before = written(dir.path());
    let whole = std::fs::read(dir.path().join(DATABASE)).unwrap();
    for len in (0..whole.len()).step_by(1_777).chain([whole.len() - 1]) {
        let copy = with(dir.path(), DATABASE, &whole[..len]);
        match try_open(copy.path()) {
            Err(e) => assert!(matches!(e, JournalError::Damaged(_) | JournalError::Io(_)), "{e}"),
            Ok((now, _)) => assert!(now == before, "{len} bytes are enough for something else"),
        }
    }
}

/// A write-ahead log carries checksums of its own; a frame that does not fit ends it, as after a crash. So damage there is
/// an old state, which only the mark can tell.
// attack 83
#[test]
fn a_flipped_bit_in_the_write_ahead_log_is_found_by_the_mark() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(dir.path());
    for number in 1..20 {
        journal.commit(&typical(number)).unwrap();
    }
    let before = contents(&journal).unwrap();
    // The files as a killed process leaves them.
    let killed = with(dir.path(), "unused", b"");
    drop(journal);
    assert!(try_open(killed.path()).unwrap().0 == before);
    let killed = with(dir.path(), "unused", b"");
    let (mut journal, _) = open(killed.path());
    for number in 20..30 {
        journal.commit(&typical(number)).unwrap();
    }
    let before = contents(&journal).unwrap();
    let log = std::fs::read(killed.path().join(WAL)).unwrap();
    let (mut suspect, mut intact) = (0, 0);
    for at in (0..log.len()).step_by(4_099) {
        let mut flipped = log.clone();
        flipped[at] ^= 1 << (at % 8);
        let copy = with(killed.path(), WAL, &flipped);
        let _ = std::fs::remove_file(copy.path().join("journal.sqlite-shm"));
        match try_open(copy.path()) {
            Err(_) => {}
            Ok((now, opened)) if now == before => {
                assert!(opened.suspect.is_empty());
                intact += 1;
            }
            Ok((_, opened)) => {
                assert!(
                    !opened.suspect.is_empty() && opened.stale.is_some(),
                    "byte {at}: old, and not suspect"
                );
                suspect += 1;
            }
        }
    }
    assert!(suspect > 10, "{suspect} suspect, {intact} intact");
}

#[test]
fn a_process_that_is_killed_between_commits_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(dir.path());
    for number in 1..5 {
        journal.commit(&typical(number)).unwrap();
        let before = contents(&journal).unwrap();
        let killed = with(dir.path(), "unused", b"");
        let (now, opened) = try_open(killed.path()).unwrap();
        assert!(now == before);
        assert!(opened.suspect.is_empty() && opened.stale.is_none(), "{opened:?}");
    }
}

#[test]
fn a_process_that_is_killed_inside_a_commit_leaves_all_of_it_or_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(dir.path());
    journal.commit(&typical(1)).unwrap();
    let before = contents(&journal).unwrap();
    let start = std::fs::metadata(dir.path().join(WAL)).unwrap().len();
    journal.commit(&typical(2)).unwrap();
    let after = contents(&journal).unwrap();
    let log = std::fs::read(dir.path().join(WAL)).unwrap();
    let start = usize::try_from(start).unwrap();
    for len in (start..log.len()).step_by(1_303) {
        let killed = with(dir.path(), WAL, &log[..len]);
        let _ = std::fs::remove_file(killed.path().join("journal.sqlite-shm"));
        let (now, _) = try_open(killed.path()).unwrap();
        assert!(now == before || now == after, "half a commit at {len}");
    }
}

#[test]
fn a_table_that_is_gone_is_damage() {
    let dir = tempfile::tempdir().unwrap();
    written(dir.path());
    let conn = rusqlite::Connection::open(dir.path().join(DATABASE)).unwrap();
    conn.execute_batch("DROP TABLE records").unwrap();
    drop(conn);
    assert!(matches!(try_open(dir.path()), Err(JournalError::Damaged(_))));
}

#[test]
fn a_value_that_was_edited_is_damage() {
    for edit in [
        "UPDATE records SET value = x'00' WHERE key = (SELECT min(key) FROM records)",
        "UPDATE records SET key = x'ff' WHERE key = (SELECT min(key) FROM records)",
        "UPDATE ledger SET amount_msat = amount_msat + 1 WHERE number = 3",
        "UPDATE ledger SET peer = zeroblob(33) WHERE number = 3",
        "UPDATE archives SET number = 7",
        "UPDATE archives SET channel = zeroblob(32)",
        "UPDATE marks SET number = 1000",
        "DELETE FROM meta",
        "UPDATE meta SET node_id = x''",
    ] {
        let dir = tempfile::tempdir().unwrap();
        written(dir.path());
        let conn = rusqlite::Connection::open(dir.path().join(DATABASE)).unwrap();
        conn.execute_batch(edit).unwrap();
        drop(conn);
        let found = try_open(dir.path());
        assert!(
            matches!(found, Err(JournalError::Damaged(_) | JournalError::Foreign(_))),
            "{edit}: {found:?}"
        );
    }
}

/// The one time when archives are read is when a thief is on the chain.
#[test]
fn a_damaged_row_of_the_archive_keeps_no_other_from_being_claimed() {
    let dir = tempfile::tempdir().unwrap();
    written(dir.path());
    let archived = |journal: &SqliteJournal| {
        let of = |number| journal.retired_htlcs(&channel(1), CommitmentNumber(number)).unwrap();
        (0..64).flat_map(of).map(|htlc| htlc.id).collect::<std::collections::BTreeSet<_>>()
    };
    let (journal, _) = SqliteJournal::open(dir.path(), Network::Regtest, node()).unwrap();
    let before = archived(&journal);
    drop(journal);
    for damage in ["amount_msat = 4", "payment_hash = x'00'", "cltv_expiry = -1"] {
        let conn = rusqlite::Connection::open(dir.path().join(DATABASE)).unwrap();
        conn.execute_batch(&format!("UPDATE archived_htlcs SET {damage} WHERE id = 4")).unwrap();
        drop(conn);
        let (journal, _) = SqliteJournal::open(dir.path(), Network::Regtest, node()).unwrap();
        let mut left = before.clone();
        assert!(left.remove(&astrape_primitives::HtlcId(4)) && !left.is_empty());
        assert_eq!(archived(&journal), left, "{damage}");
    }
}
