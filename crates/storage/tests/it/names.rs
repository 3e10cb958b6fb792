//! Hashes are found wherever they are on their way into an index: collected, being merged, merged; now, after a restart, and by who
//! reads beside the writer.

use crate::support::{node, open};
use astrape_node::{Entry, Fact, Journal as _, JournalError, SeenOnion, Writes};
use astrape_primitives::{CltvExpiry, Msat, PaymentHash, ReplayId, Timestamp};
use astrape_storage::SqliteJournal;
use astrape_storage::sqlite::DATABASE;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// Names of each kind in one commit.
const EACH: u64 = 500;
/// So many commits make more names than are collected before they are merged.
const MANY: u64 = 90;

/// Strewn as hashes are.
fn bytes(n: u64) -> [u8; 32] {
    let mut bytes = [7; 32];
    bytes[..8].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    bytes
}

fn onion(n: u64) -> SeenOnion {
    SeenOnion { expiry: CltvExpiry(100 + u32::try_from(n / 20_000).unwrap()), replay_id: ReplayId(bytes(n)) }
}

/// Each third fact is of a payment that the commit before had, too.
const fn is_again(number: u64) -> bool {
    number >= EACH && number.is_multiple_of(3)
}

fn hash(number: u64) -> PaymentHash {
    PaymentHash(bytes(if is_again(number) { number - EACH } else { number }))
}

/// The newest fact of the payment that fact `number` is of, where there are facts below `end`.
const fn newest(number: u64, end: u64) -> Option<u64> {
    let next = number + EACH;
    let has_next = !is_again(number) && is_again(next) && next < end;
    Some(if has_next { next } else { number })
}

fn commit(journal: &mut SqliteJournal, commit: u64) {
    let numbers = commit * EACH..(commit + 1) * EACH;
    let fact = |number: u64| Entry {
        number,
        at: Timestamp(7),
        fact: Fact::PaymentFailed {
            payment_hash: hash(number),
            amount: Msat(number),
            destination: node(),
            reason: String::new(),
            rebalance: false,
        },
    };
    let (facts, onions) = (numbers.clone().map(fact).collect(), numbers.map(onion).collect());
    let none = BTreeMap::new();
    journal.commit(&Writes::by_hand(none, facts, vec![], onions, None, BTreeMap::new())).unwrap();
}

/// Looks for names of all ages below `end`, and for some that never were.
fn look(journal: &SqliteJournal, end: u64) {
    for n in (0..end).step_by(997).chain(end - 5..end) {
        assert!(journal.onion_seen(&onion(n)).unwrap(), "onion {n} of {end}");
        let found = journal.last_payment_fact(&hash(n)).unwrap();
        assert_eq!(found.map(|entry| entry.number), newest(n, end), "payment {n} of {end}");
    }
    for n in end..end + 20 {
        assert!(!journal.onion_seen(&onion(n)).unwrap());
        let other = SeenOnion { expiry: CltvExpiry(99), ..onion(5) };
        assert!(!journal.onion_seen(&other).unwrap());
    }
}

fn rows(directory: &Path, table: &str) -> u64 {
    let conn = rusqlite::Connection::open(directory.join(DATABASE)).unwrap();
    let count: i64 = conn.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap();
    count.cast_unsigned()
}

// attack 49
#[test]
fn names_are_found_while_they_are_collected_while_they_are_merged_and_after_both_and_by_a_process_that_comes_later()
 {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(dir.path());
    for number in 0..MANY {
        commit(&mut journal, number);
        if number % 15 == 14 {
            look(&journal, (number + 1) * EACH);
        }
        if number % 40 == 39 {
            drop(journal);
            journal = open(dir.path()).0;
            look(&journal, (number + 1) * EACH);
        }
    }
    let merged = rows(dir.path(), "onions");
    assert!(merged > 10_000 && merged < 30_000, "{merged} are merged");
    // The rows that are merged go, a bounded part with each commit, and what is expired goes from everywhere.
    let nothing = Writes::by_hand(BTreeMap::new(), vec![], vec![], vec![], None, BTreeMap::new());
    for _ in 0..600 {
        journal.commit(&nothing).unwrap();
    }
    look(&journal, MANY * EACH);
    let all = MANY * EACH;
    let (fresh, merged) = (rows(dir.path(), "fresh_onions"), rows(dir.path(), "onions"));
    assert_eq!(fresh + merged, all, "each is in one place");
    let forget = Some(CltvExpiry(102));
    let forget = Writes::by_hand(BTreeMap::new(), vec![], vec![], vec![], forget, BTreeMap::new());
    journal.commit(&forget).unwrap();
    for _ in 0..2 {
        assert!(!journal.onion_seen(&onion(39_999)).unwrap() && !journal.onion_seen(&onion(0)).unwrap());
        assert!(journal.onion_seen(&onion(40_000)).unwrap() && journal.onion_seen(&onion(all - 1)).unwrap());
        drop(journal);
        journal = open(dir.path()).0;
    }
}

#[test]
fn who_reads_beside_the_writer_misses_no_name_that_was_committed() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(dir.path());
    let reader = journal.reader().unwrap();
    let committed = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let committed = &committed;
        let looks = scope.spawn(move || {
            let (mut n, mut looks) = (0_u64, 0_u64);
            loop {
                let end = committed.load(Ordering::SeqCst);
                if end == MANY * EACH {
                    return looks;
                }
                if end > 0 {
                    n = (n + 7_919) % end;
                    let some: Vec<SeenOnion> = (n..(n + 40).min(end)).map(onion).collect();
                    assert!(reader.onions_seen(&some).unwrap().into_iter().all(|seen| seen), "{n} of {end}");
                    let found = reader.last_payment_fact(&hash(n)).unwrap().unwrap();
                    assert!(Some(found.number) >= newest(n, end), "{n} of {end}");
                    looks += 1;
                }
            }
        });
        for number in 0..MANY {
            commit(&mut journal, number);
            committed.store((number + 1) * EACH, Ordering::SeqCst);
        }
        assert!(looks.join().unwrap() > 50);
    });
}

// attack 83
#[test]
fn a_wrong_word_on_what_is_merged_is_damage_and_no_payment_is_forgotten_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(dir.path());
    commit(&mut journal, 0);
    drop(journal);
    let change = |sql: &str| {
        rusqlite::Connection::open(dir.path().join(DATABASE)).unwrap().execute_batch(sql).unwrap();
    };
    let opened = || SqliteJournal::open(dir.path(), astrape_primitives::Network::Regtest, node());
    for name in ["payments", "onions"] {
        change(&format!("UPDATE merged SET number = number + 1000 WHERE name = '{name}'"));
        assert!(matches!(opened(), Err(JournalError::Damaged(what)) if what.contains(name)));
        change(&format!("UPDATE merged SET number = number - 1000 WHERE name = '{name}'"));
    }
    look(&opened().unwrap().0, EACH);
    // An index that names a fact of another payment is no proof that this one was never paid.
    change(&format!("INSERT INTO payments VALUES (x'{}', 3)", "ab".repeat(32)));
    let (journal, _) = opened().unwrap();
    let found = journal.last_payment_fact(&PaymentHash([0xab; 32]));
    assert!(matches!(found, Err(JournalError::Damaged(_))), "{found:?}");
}
