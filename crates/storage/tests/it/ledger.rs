//! The facts: every kind comes back as it was, a page at a time.

use crate::support::{Make, facts, open};
use astrape_node::{Fact, Journal as _, JournalError};

fn is_payment(fact: &Fact) -> bool {
    matches!(fact, Fact::PaymentSent { .. } | Fact::PaymentFailed { .. } | Fact::PaymentReceived { .. })
}

#[test]
fn every_fact_comes_back_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(dir.path());
    let writes =
        (0..).zip(facts()).fold(Make::default(), |make, (number, fact)| make.fact(number, fact)).done();
    journal.commit(&writes).unwrap();
    let reader = journal.reader().unwrap();
    assert_eq!(reader.facts_from(0, 1_000).unwrap(), writes.ledger());
    assert_eq!(reader.newest_fact().unwrap(), Some(writes.ledger().len() as u64 - 1));
}

#[test]
fn a_list_goes_on_where_the_last_page_ended() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(dir.path());
    let reader = journal.reader().unwrap();
    assert_eq!(reader.newest_fact().unwrap(), None);
    for number in 0..60u64 {
        let fact = facts().swap_remove(usize::try_from(number % 6).unwrap());
        journal.commit(&Make::default().fact(number, fact).done()).unwrap();
    }
    let (mut before, mut listed) = (None, Vec::new());
    loop {
        let page = reader.payments(before, 7).unwrap();
        assert!(page.len() <= 7);
        let Some(last) = page.last() else { break };
        before = Some(last.number);
        listed.extend(page);
    }
    assert_eq!(listed.len(), 30);
    assert!(listed.iter().all(|entry| is_payment(&entry.fact)));
    assert!(listed.windows(2).all(|pair| pair[0].number > pair[1].number), "newest first");
    assert_eq!(reader.forwards(None, 1_000).unwrap().len(), 30);
    let from = reader.facts_from(58, 10).unwrap();
    assert_eq!(from.iter().map(|e| e.number).collect::<Vec<_>>(), [58, 59]);
    assert!(reader.facts_from(u64::MAX, 10).unwrap().is_empty());
    assert_eq!(reader.facts_from(0, usize::MAX).unwrap().len(), 60);
}

#[test]
fn a_number_is_given_once() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(dir.path());
    journal.commit(&Make::default().fact(5, facts().swap_remove(0)).done()).unwrap();
    let again = journal.commit(&Make::default().set(b"a", b"1").fact(5, facts().swap_remove(1)).done());
    assert!(matches!(again, Err(JournalError::Damaged(_))));
    assert!(journal.load().unwrap().is_empty(), "all or nothing");
}

#[test]
fn a_reader_beside_the_journal_sees_each_commit() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(dir.path());
    let reader = journal.reader().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut seen = 0;
            while seen < 50 {
                let now = reader.newest_fact().unwrap().map_or(0, |n| n + 1);
                assert!(now >= seen, "never back");
                seen = now;
            }
        });
        for number in 0..50 {
            journal.commit(&Make::default().fact(number, facts().swap_remove(0)).done()).unwrap();
        }
    });
}
