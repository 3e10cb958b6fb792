//! The changesets of the wallet's library.

use crate::support::{Make, open};
use astrape_node::{Journal as _, JournalError};
use astrape_storage::sqlite::DATABASE;

#[test]
fn changesets_come_back_in_their_order_and_one_may_replace_all() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(dir.path());
    let mut changesets = journal.wallet_changesets().unwrap();
    assert!(changesets.read().unwrap().is_empty());
    changesets.append("{\"a\":1}").unwrap();
    journal.commit(&Make::default().set(b"a", b"1").done()).unwrap();
    changesets.append("{\"b\":2}").unwrap();
    assert_eq!(changesets.read().unwrap(), ["{\"a\":1}", "{\"b\":2}"]);
    drop((journal, changesets));
    let (journal, _) = open(dir.path());
    let mut changesets = journal.wallet_changesets().unwrap();
    changesets.replace("{\"c\":3}").unwrap();
    changesets.append("{}").unwrap();
    assert_eq!(changesets.read().unwrap(), ["{\"c\":3}", "{}"]);
}

#[test]
fn a_changeset_that_was_edited_is_damage() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    let mut changesets = journal.wallet_changesets().unwrap();
    changesets.append("{\"a\":1}").unwrap();
    let conn = rusqlite::Connection::open(dir.path().join(DATABASE)).unwrap();
    conn.execute_batch("UPDATE wallet_changesets SET json = '{\"a\":2}'").unwrap();
    assert!(matches!(changesets.read(), Err(JournalError::Damaged(_))));
}
