//! What both journals promise, asked of both.

use crate::support::{Make, channel, facts, htlc, onion, open, typical};
use astrape_node::{
    Fact, Journal, JournalError, Key, MAX_FORGOTTEN_PER_COMMIT, Outcome, PastRequest, Request, RequestId,
};
use astrape_primitives::{CommitmentNumber, Msat, PaymentHash, PaymentPreimage, Sat, Side};
use astrape_storage::MemoryJournal;
use bitcoin::Txid;
use bitcoin::hashes::Hash as _;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Runs a check on a journal in memory and on one in SQLite.
fn on_both(check: impl Fn(&mut dyn Journal)) {
    check(&mut MemoryJournal::new());
    let dir = tempfile::tempdir().unwrap();
    check(&mut open(dir.path()).0);
}

#[test]
fn what_was_committed_is_loaded_and_what_was_taken_away_is_not() {
    on_both(|journal| {
        journal.commit(&Make::default().set(b"a", b"1").set(b"b", b"").done()).unwrap();
        journal
            .commit(&Make::default().set(b"a", b"2").delete(b"b").set(b"", b"3").delete(b"c").done())
            .unwrap();
        let expected = [(b"".to_vec(), b"3".to_vec()), (b"a".to_vec(), b"2".to_vec())];
        let expected: BTreeMap<_, _> = expected.into_iter().map(|(k, v)| (Key(k), v)).collect();
        assert_eq!(journal.load().unwrap(), expected);
    });
}

// attack 49
#[test]
fn an_onion_is_remembered_until_it_is_expired() {
    on_both(|journal| {
        journal.commit(&Make::default().onion(100, 1).onion(101, 2).onion(100, 1).done()).unwrap();
        assert!(journal.onion_seen(&onion(100, 1)).unwrap());
        assert!(!journal.onion_seen(&onion(101, 1)).unwrap(), "another expiry is another onion");
        journal.commit(&Make::default().forget_before(101).done()).unwrap();
        assert!(!journal.onion_seen(&onion(100, 1)).unwrap());
        assert!(journal.onion_seen(&onion(101, 2)).unwrap());
    });
}

#[test]
fn the_last_fact_of_a_payment_is_the_newest_of_our_own_ends() {
    on_both(|journal| {
        let failed = facts().swap_remove(1);
        let forwarded = facts().swap_remove(3);
        let sent = Fact::PaymentSent {
            payment_hash: PaymentHash([1; 32]),
            preimage: PaymentPreimage([2; 32]),
            amount: Msat(5),
            fee: Msat(1),
            destination: crate::support::node(),
            rebalance: false,
        };
        let writes = Make::default().fact(0, failed).fact(1, sent.clone()).fact(2, forwarded);
        journal.commit(&writes.done()).unwrap();
        let last = journal.last_payment_fact(&PaymentHash([1; 32])).unwrap().unwrap();
        assert_eq!((last.number, last.fact), (1, sent));
        assert_eq!(journal.last_payment_fact(&PaymentHash([2; 32])).unwrap(), None);
    });
}

#[test]
fn a_request_is_found_by_its_id_with_what_came_of_it() {
    let outcomes = [
        Outcome::Invoiced { bolt11: "lnbcrt1".to_owned() },
        Outcome::Opening { channel: channel(3) },
        Outcome::Paying { payment_hash: PaymentHash([4; 32]) },
        Outcome::Withdrawing { txid: Txid::from_byte_array([5; 32]), amount: Sat(u64::MAX), fee: Sat(0) },
    ];
    let id = |n: usize| -> RequestId { format!("'; -- {n}").parse().unwrap() };
    let past = |(n, outcome): (usize, &Outcome)| {
        let request = Request { id: id(n), digest: [u8::try_from(n).unwrap(); 32] };
        PastRequest { request, outcome: outcome.clone() }
    };
    on_both(|journal| {
        assert_eq!(journal.past_request(&id(0)).unwrap(), None);
        let requests: Vec<PastRequest> = outcomes.iter().enumerate().map(past).collect();
        journal.commit(&Make::default().set(b"a", b"1").done().with_requests(requests.clone())).unwrap();
        for (n, past) in requests.into_iter().enumerate() {
            assert_eq!(journal.past_request(&id(n)).unwrap(), Some(past));
        }
        assert_eq!(journal.past_request(&id(9)).unwrap(), None);
    });
}

#[test]
fn archived_htlcs_are_found_by_each_commitment_that_had_them_and_no_other() {
    on_both(|journal| {
        let (ours, theirs) =
            (htlc(channel(1), Side::Local, 3, 5, 8), htlc(channel(1), Side::Remote, 3, 7, 9));
        let other = htlc(channel(2), Side::Local, 3, 0, 100);
        let never = htlc(channel(1), Side::Local, 4, 6, 6);
        let retired = [&ours, &theirs, &other, &never].into_iter().cloned();
        journal.commit(&retired.fold(Make::default(), Make::retire).done()).unwrap();
        for (number, expected) in [
            (4, vec![]),
            (5, vec![&ours]),
            (6, vec![&ours]),
            (7, vec![&ours, &theirs]),
            (8, vec![&theirs]),
            (9, vec![]),
        ] {
            let found = journal.retired_htlcs(&channel(1), CommitmentNumber(number)).unwrap();
            assert_eq!(found.iter().collect::<Vec<_>>(), expected, "commitment {number}");
        }
    });
}

#[test]
fn a_journal_in_memory_crashes_at_the_commit_it_was_told_to_and_keeps_what_was_before() {
    let mut journal = MemoryJournal::new();
    journal.crash_after(1);
    journal.commit(&Make::default().set(b"a", b"1").done()).unwrap();
    let before = journal.load().unwrap();
    for _ in 0..2 {
        let crashed = journal.commit(&Make::default().set(b"a", b"2").set(b"b", b"2").done());
        assert!(matches!(crashed, Err(JournalError::Io(_))));
        assert_eq!(journal.load().unwrap(), before);
    }
    journal.mend();
    journal.commit(&Make::default().set(b"a", b"3").done()).unwrap();
    assert_eq!(journal.commits(), 2);
}

#[test]
fn a_fork_of_a_journal_in_memory_goes_its_own_way() {
    let mut journal = MemoryJournal::new();
    journal.commit(&typical(1)).unwrap();
    let mut fork = journal.clone();
    assert_eq!(fork, journal);
    fork.commit(&typical(2)).unwrap();
    assert_eq!((journal.ledger().len(), fork.ledger().len()), (1, 2));
    assert!(fork.load().unwrap() != journal.load().unwrap());
    assert_eq!(journal.retired().count(), 1);
    assert_eq!(journal.marks()[&channel(1)], CommitmentNumber(1));
    assert!(journal.size() > 3_000);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Whatever is written in whatever order and with whatever restarts, SQLite holds what memory holds.
    #[test]
    fn sqlite_and_memory_hold_the_same(
        steps in prop::collection::vec(
            (prop::collection::vec((0u8..8, prop::option::of(prop::collection::vec(any::<u8>(), 0..200))), 0..6), any::<bool>()),
            1..12,
        )
    ) {
        let dir = tempfile::tempdir().unwrap();
        let (mut memory, mut sqlite) = (MemoryJournal::new(), open(dir.path()).0);
        for (number, (records, restart)) in steps.into_iter().enumerate() {
            let make = records.into_iter().fold(Make::default(), |make, (key, value)| match value {
                Some(value) => make.set(&[key], &value),
                None => make.delete(&[key]),
            });
            let writes = make.fact(number as u64, facts().swap_remove(number)).done();
            memory.commit(&writes).unwrap();
            sqlite.commit(&writes).unwrap();
            if restart {
                drop(sqlite);
                sqlite = open(dir.path()).0;
            }
            prop_assert_eq!(memory.load().unwrap(), sqlite.load().unwrap());
        }
        let kept = sqlite.reader().unwrap().facts_from(0, 1_000).unwrap();
        prop_assert_eq!(memory.ledger(), kept.as_slice());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    /// However long HTLCs have lived: also from the first commitment on, and across the middle of all numbers.
    #[test]
    fn archived_htlcs_are_found_alike_in_sqlite_and_memory(
        lives in prop::collection::vec((0u64..130, 0u64..130, any::<bool>()), 1..60),
        far in prop::collection::vec((0u64..20, 0u64..20), 0..6),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let (mut memory, mut sqlite) = (MemoryJournal::new(), open(dir.path()).0);
        let middle = (1 << 47) - 10;
        let far = far.into_iter().map(|(first, life)| (middle + first, life, false));
        let mut make = Make::default();
        for (id, (first, life, ours)) in (0..).zip(lives.into_iter().chain(far)) {
            let side = if ours { Side::Local } else { Side::Remote };
            make = make.retire(htlc(channel(1), side, id, first, first + life));
        }
        let writes = make.done();
        memory.commit(&writes).unwrap();
        sqlite.commit(&writes).unwrap();
        for number in (0..264).chain(middle - 5..middle + 45).map(CommitmentNumber) {
            let found = sqlite.retired_htlcs(&channel(1), number).unwrap();
            prop_assert_eq!(&found, &memory.retired_htlcs(&channel(1), number).unwrap());
            prop_assert_eq!(found, sqlite.reader().unwrap().retired_htlcs(&channel(1), number).unwrap());
        }
    }
}

// attack 84
#[test]
fn what_a_channel_that_is_over_has_left_is_deleted_a_bounded_part_with_each_commit() {
    on_both(|journal| {
        let most = u64::try_from(MAX_FORGOTTEN_PER_COMMIT).unwrap();
        let (over, living) = (channel(1), channel(2));
        let mut writes = Make::default().retire(htlc(living, Side::Local, 0, 1, 9));
        for id in 0..2 * most + 10 {
            writes = writes.retire(htlc(over, Side::Remote, id, 1, 9));
        }
        journal.commit(&writes.done()).unwrap();
        let left = |journal: &dyn Journal, channel| {
            u64::try_from(journal.retired_htlcs(&channel, CommitmentNumber(5)).unwrap().len()).unwrap()
        };
        assert_eq!(left(journal, over), 2 * most + 10);
        journal.commit(&Make::default().done().forgetting_retired([over])).unwrap();
        assert_eq!(left(journal, over), most + 10, "no more at a time");
        for expected in [10, 0, 0] {
            journal.commit(&Make::default().set(b"a", b"1").done()).unwrap();
            assert_eq!(left(journal, over), expected);
        }
        assert_eq!(left(journal, living), 1, "those of others stay");
        // The same name, should it come again, keeps what it archives from then on.
        journal.commit(&Make::default().retire(htlc(over, Side::Local, 7, 1, 9)).done()).unwrap();
        journal.commit(&Make::default().set(b"a", b"2").done()).unwrap();
        assert_eq!(left(journal, over), 1);
    });
}
