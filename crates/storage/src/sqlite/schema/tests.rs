use super::*;
use crate::SqliteJournal;
use crate::sqlite::{DATABASE, checksum, fact};
use astrape_node::{
    Entry, Fact, Journal as _, Key, Outcome, PastRequest, Request, RequestId, RetiredHtlc, SeenOnion, Writes,
};
use astrape_primitives::{
    ChannelKeysId, CltvExpiry, CommitmentNumber, HtlcId, Msat, PaymentHash, ReplayId, Side, Timestamp,
};
use rusqlite::params_from_iter;
use rusqlite::types::Value;
use std::collections::BTreeMap;
use std::path::Path;

fn node() -> NodeId {
    NodeId::from_bytes([2; 33]).expect("a point")
}

/// An HTLC of one of two channels, of which some live long.
fn htlc(n: u64) -> RetiredHtlc {
    let life = if n.is_multiple_of(50) { 300 } else { 1 + n % 7 };
    RetiredHtlc {
        channel: ChannelKeysId([u8::try_from(n % 2).expect("small"); 32]),
        offered_by: if n.is_multiple_of(3) { Side::Local } else { Side::Remote },
        id: HtlcId(n),
        amount: Msat(1_000 + n),
        payment_hash: PaymentHash([u8::try_from(n % 251).expect("small"); 32]),
        cltv_expiry: CltvExpiry(800_000),
        first_remote: CommitmentNumber(n),
        end_remote: CommitmentNumber(n + life),
    }
}

/// As the fourth schema had them.
fn old_values(htlc: &RetiredHtlc) -> Vec<Value> {
    let mut values = vec![
        Value::Blob(htlc.channel.0.to_vec()),
        Value::Integer(i64::from(htlc.offered_by == Side::Remote)),
        Value::Integer(htlc.id.0.cast_signed()),
        Value::Integer(htlc.amount.0.cast_signed()),
        Value::Blob(htlc.payment_hash.0.to_vec()),
        Value::Integer(i64::from(htlc.cltv_expiry.0)),
        Value::Integer(htlc.first_remote.0.cast_signed()),
        Value::Integer(htlc.end_remote.0.cast_signed()),
    ];
    values.push(Value::Blob(checksum::of_values("retired_htlcs", &values).to_vec()));
    values
}

fn written_by_the_fourth(directory: &Path, htlcs: &[RetiredHtlc]) {
    let mut conn = Connection::open(directory.join(DATABASE)).expect("a file");
    migrate_to(BEFORE_ARCHIVES, &mut conn, Network::Regtest, node()).expect("it was today's once");
    assert_eq!(version(&conn).expect("ours"), BEFORE_ARCHIVES);
    for htlc in htlcs {
        let sql = "INSERT INTO retired_htlcs VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
        conn.execute(sql, params_from_iter(old_values(htlc))).expect("written");
    }
}

#[test]
fn archived_htlcs_of_an_older_database_are_found_as_before() {
    let directory = tempfile::tempdir().expect("a directory");
    let htlcs: Vec<RetiredHtlc> = (0..400).map(htlc).collect();
    written_by_the_fourth(directory.path(), &htlcs);
    for _ in 0..2 {
        let (journal, _) =
            SqliteJournal::open(directory.path(), Network::Regtest, node()).expect("it is brought to today");
        for number in (0..720).map(CommitmentNumber) {
            for channel in [0, 1].map(|byte| ChannelKeysId([byte; 32])) {
                let had = |h: &&RetiredHtlc| {
                    h.channel == channel && h.first_remote <= number && number < h.end_remote
                };
                let mut expected: Vec<RetiredHtlc> = htlcs.iter().filter(had).cloned().collect();
                expected.sort_by_key(|h| (h.offered_by == Side::Remote, h.id));
                let found = journal.retired_htlcs(&channel, number).expect("readable");
                assert_eq!(found, expected, "commitment {}", number.0);
            }
        }
    }
}

#[test]
fn records_of_an_older_database_are_found_as_before_and_keep_their_place_when_they_change() {
    let directory = tempfile::tempdir().expect("a directory");
    let key = |n: u8| Key(vec![200 - n; 5]);
    let old: BTreeMap<Key, Vec<u8>> = (0..100).map(|n| (key(n), vec![n; 50])).collect();
    let mut conn = Connection::open(directory.path().join(DATABASE)).expect("a file");
    migrate_to(BEFORE_AGES, &mut conn, Network::Regtest, node()).expect("it was today's once");
    for (key, value) in &old {
        let row = (&key.0, checksum::seal("records", &key.0, value));
        conn.execute("INSERT INTO records (key, value) VALUES (?1, ?2)", row).expect("written");
    }
    drop(conn);
    let open = || SqliteJournal::open(directory.path(), Network::Regtest, node()).expect("today's").0;
    let mut journal = open();
    assert_eq!(journal.load().expect("readable"), old);
    let change = |key: Key, value: Option<Vec<u8>>| {
        Writes::by_hand(BTreeMap::from([(key, value)]), vec![], vec![], vec![], None, BTreeMap::new())
    };
    journal.commit(&change(key(7), Some(vec![1; 51]))).expect("changed");
    journal.commit(&change(key(8), None)).expect("deleted");
    journal.commit(&change(key(100), Some(vec![2]))).expect("added");
    drop(journal);
    let mut new = old;
    new.insert(key(7), vec![1; 51]);
    new.remove(&key(8));
    new.insert(key(100), vec![2]);
    assert_eq!(open().load().expect("readable"), new);
    let conn = Connection::open(directory.path().join(DATABASE)).expect("a file");
    let place = |key: Key| -> i64 {
        conn.query_row("SELECT number FROM records WHERE key = ?1", [&key.0], |row| row.get(0))
            .expect("it is there")
    };
    assert_eq!(place(key(7)), place(key(6)) - 1, "the older rows lie in the order of their keys");
    assert_eq!(place(key(100)), 101, "what is new comes last");
}

/// Writes a fact as it was written before paid invoices were kept.
fn insert_as_before(conn: &Connection, entry: &Entry) {
    let columns = fact::COLUMNS.replace("invoice, ", "");
    let sql = format!(
        "INSERT INTO ledger ({columns}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, \
         ?16, ?17, ?18, ?19, ?20, ?21, ?22)"
    );
    let mut values = fact::values(entry);
    let of_invoice = values.len() - 2;
    assert_eq!(values.remove(of_invoice), Value::Null, "there was none");
    conn.execute(&sql, params_from_iter(values)).expect("written");
}

#[test]
fn payments_that_an_older_version_received_are_read_and_what_is_new_keeps_its_invoice() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut conn = Connection::open(directory.path().join(DATABASE)).expect("a file");
    migrate_to(BEFORE_PAID_INVOICES, &mut conn, Network::Regtest, node()).expect("it was today's once");
    let received = |number: u64, bolt11: &str| Entry {
        number,
        at: Timestamp(7),
        fact: Fact::PaymentReceived {
            payment_hash: PaymentHash([u8::try_from(number).expect("small"); 32]),
            preimage: astrape_primitives::PaymentPreimage([2; 32]),
            amount: Msat(5),
            keysend: false,
            custom_records: BTreeMap::new(),
            rebalance: false,
            description: "two teas".to_owned(),
            bolt11: bolt11.to_owned(),
        },
    };
    let (old, new) = (received(0, ""), received(1, "lnbcrt1new"));
    insert_as_before(&conn, &old);
    drop(conn);
    let open = || SqliteJournal::open(directory.path(), Network::Regtest, node()).expect("today's").0;
    let mut journal = open();
    let writes = Writes::by_hand(BTreeMap::new(), vec![new.clone()], vec![], vec![], None, BTreeMap::new());
    journal.commit(&writes).expect("written");
    drop(journal);
    let journal = open();
    for entry in [old, new] {
        let Fact::PaymentReceived { payment_hash, .. } = &entry.fact else { continue };
        assert_eq!(journal.last_payment_fact(payment_hash).expect("readable"), Some(entry));
    }
}

#[test]
fn payments_and_onions_of_an_older_database_are_found_as_before() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut conn = Connection::open(directory.path().join(DATABASE)).expect("a file");
    migrate_to(BEFORE_NAMES, &mut conn, Network::Regtest, node()).expect("it was today's once");
    let hash = |n: u64| PaymentHash([u8::try_from(n % 40).expect("small"); 32]);
    let canceled =
        |n: u64| Fact::InvoiceCanceled { payment_hash: hash(n), amount: Msat(n), reason: String::new() };
    let failed = |n: u64| Fact::PaymentFailed {
        payment_hash: hash(n),
        amount: Msat(n),
        destination: node(),
        reason: String::new(),
        rebalance: false,
    };
    for number in 0..100_u64 {
        let fact = if number.is_multiple_of(5) { canceled(number) } else { failed(number) };
        let entry = Entry { number, at: Timestamp(7), fact };
        insert_as_before(&conn, &entry);
    }
    let onion =
        |n: u8| SeenOnion { expiry: CltvExpiry(800_000 + u32::from(n)), replay_id: ReplayId([n; 32]) };
    for seen in (0..50).map(onion) {
        conn.execute("INSERT INTO onions VALUES (?1, ?2)", (seen.expiry.0, seen.replay_id.0))
            .expect("written");
    }
    drop(conn);
    for _ in 0..2 {
        let (journal, _) =
            SqliteJournal::open(directory.path(), Network::Regtest, node()).expect("it is brought to today");
        for n in 0..40 {
            let newest = (0..100_u64).rev().find(|number| number % 40 == n && !number.is_multiple_of(5));
            let found = journal.last_payment_fact(&hash(n)).expect("readable");
            assert_eq!(found.map(|entry| entry.number), newest, "hash {n}");
        }
        assert!((0..50).all(|n| journal.onion_seen(&onion(n)).expect("readable")));
        assert!(!journal.onion_seen(&onion(50)).expect("readable"));
    }
}

#[test]
fn requests_are_remembered_in_a_database_that_is_older_than_their_ids() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut conn = Connection::open(directory.path().join(DATABASE)).expect("a file");
    migrate_to(BEFORE_REQUESTS, &mut conn, Network::Regtest, node()).expect("it was today's once");
    let row = (b"key", checksum::seal("records", b"key", b"old"));
    conn.execute("INSERT INTO records (key, value) VALUES (?1, ?2)", row).expect("written");
    drop(conn);
    let open = || SqliteJournal::open(directory.path(), Network::Regtest, node()).expect("today's").0;
    let id: RequestId = "rent".parse().expect("short");
    let request = Request { id: id.clone(), digest: [3; 32] };
    let past = PastRequest { request, outcome: Outcome::Opening { channel: ChannelKeysId([4; 32]) } };
    let mut journal = open();
    assert_eq!(journal.past_request(&id).expect("readable"), None);
    journal.commit(&Writes::default().with_requests(vec![past.clone()])).expect("written");
    drop(journal);
    let journal = open();
    assert_eq!(journal.past_request(&id).expect("readable"), Some(past));
    assert_eq!(journal.load().expect("readable")[&Key(b"key".to_vec())], b"old");
}

#[test]
fn a_record_that_its_index_does_not_know_is_damage() {
    let directory = tempfile::tempdir().expect("a directory");
    let open = || SqliteJournal::open(directory.path(), Network::Regtest, node());
    let records = (0..50).map(|n| (Key(vec![n; 40]), Some(vec![n]))).collect();
    let writes = Writes::by_hand(records, vec![], vec![], vec![], None, BTreeMap::new());
    open().expect("new").0.commit(&writes).expect("written");
    drop(open().expect("it is whole"));
    let execute = |sql: &str| {
        let conn = Connection::open(directory.path().join(DATABASE)).expect("a file");
        conn.execute_batch(sql).expect("changed");
    };
    // The key of a row is changed and, while the schema hides the index, changed back: all is as it was but the index.
    execute("UPDATE records SET key = x'00' WHERE number = 10");
    execute(
        "PRAGMA writable_schema = on;
         CREATE TABLE hidden AS SELECT * FROM sqlite_schema WHERE tbl_name = 'records';
         UPDATE sqlite_schema SET sql = replace(sql, 'UNIQUE', '') WHERE name = 'records';
         DELETE FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'records';",
    );
    let key = "09".repeat(40);
    execute(&format!("UPDATE records SET key = x'{key}' WHERE number = 10"));
    execute(
        "PRAGMA writable_schema = on;
         DELETE FROM sqlite_schema WHERE tbl_name = 'records';
         INSERT INTO sqlite_schema SELECT * FROM hidden;",
    );
    execute("DROP TABLE hidden");
    let opened = open();
    let of_the_index = matches!(&opened, Err(JournalError::Damaged(what)) if what.contains("index"));
    assert!(of_the_index, "{opened:?}");
}

#[test]
fn an_archived_htlc_that_was_damaged_before_is_not_brought_along() {
    let directory = tempfile::tempdir().expect("a directory");
    written_by_the_fourth(directory.path(), &[htlc(1), htlc(2)]);
    let conn = Connection::open(directory.path().join(DATABASE)).expect("a file");
    conn.execute_batch("UPDATE retired_htlcs SET amount_msat = 7 WHERE id = 2").expect("changed");
    drop(conn);
    for _ in 0..2 {
        let opened = SqliteJournal::open(directory.path(), Network::Regtest, node());
        assert!(matches!(opened, Err(JournalError::Damaged(_))), "{opened:?}");
    }
}
