//! The facts: every kind comes back as it was, a page at a time.

use crate::support::{Make, channel, facts, open};
use astrape_node::{ChannelFact, Fact, Journal as _, JournalError};
use astrape_primitives::{ChannelId, Msat, PaymentHash, Sat};
use astrape_storage::Tally;
use bitcoin::hashes::Hash as _;
use bitcoin::{OutPoint, Txid};

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
    assert_eq!(reader.forwards_of(None, (0, u64::MAX), None, 1_000).unwrap().len(), 30);
    let from = reader.facts_from(58, 10).unwrap();
    assert_eq!(from.iter().map(|e| e.number).collect::<Vec<_>>(), [58, 59]);
    assert!(reader.facts_from(u64::MAX, 10).unwrap().is_empty());
    assert_eq!(reader.facts_from(0, usize::MAX).unwrap().len(), 60);
}

#[test]
fn how_an_opening_ended_is_found_however_long_the_story_of_the_channel_is() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(dir.path());
    let reader = journal.reader().unwrap();
    let of = |keys, event| Fact::Channel {
        keys,
        channel_id: ChannelId([8; 32]),
        peer: crate::support::node(),
        event,
    };
    let outpoint = OutPoint { txid: Txid::from_byte_array([3; 32]), vout: 1 };
    let opened = of(channel(1), ChannelFact::Opened { outpoint, capacity: Sat(5), by_us: true });
    let failed = of(channel(2), ChannelFact::NotOpened { reason: "no".to_owned() });
    let mut make = Make::default().fact(0, opened.clone()).fact(1, failed.clone());
    for number in 2..1_500 {
        make = make.fact(number, of(channel(1), ChannelFact::Ready));
    }
    journal.commit(&make.done()).unwrap();
    let end = |keys| reader.end_of_opening(&keys).unwrap().map(|entry| entry.fact);
    assert_eq!((end(channel(1)), end(channel(2)), end(channel(3))), (Some(opened), Some(failed), None));
}

#[test]
fn the_story_of_a_channel_is_found_by_its_end_and_by_the_beginning_of_its_id() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(dir.path());
    let told: Vec<Fact> = facts().into_iter().filter(|fact| matches!(fact, Fact::Channel { .. })).collect();
    let Some(Fact::Channel { keys, channel_id, .. }) = told.first() else { panic!("facts of a channel") };
    let writes =
        (0..).zip(facts()).fold(Make::default(), |make, (number, fact)| make.fact(number, fact)).done();
    journal.commit(&writes).unwrap();
    let reader = journal.reader().unwrap();
    let story: Vec<Fact> =
        reader.story_of_channel(keys).unwrap().into_iter().map(|entry| entry.fact).collect();
    assert_eq!(story, told, "the oldest first, and nothing else");
    let ends = |digits: &str| reader.ends_of_channels(digits, None, 10).unwrap();
    let all = ends("");
    assert!(all.len() == 2 && all[0].number > all[1].number, "the newest first: {all:?}");
    assert_eq!(ends(&channel_id.to_string()[..6]), all);
    assert_eq!(ends(&keys.to_string()), all, "by our own name too");
    assert_eq!(reader.ends_of_channels("", Some(all[0].number), 10).unwrap(), all[1..], "the next page");
    assert_eq!(reader.ends_of_channels("", None, 1).unwrap(), all[..1]);
    assert!(ends(&"ef".repeat(32)).is_empty());
    assert!(ends("%").is_empty() && ends("_").is_empty(), "no pattern");
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

#[test]
fn forwards_are_found_and_counted_by_time_and_by_channel() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(dir.path());
    let forwarded = |amount_out: u64, fee: u64, outgoing: u8| Fact::Forwarded {
        payment_hash: PaymentHash([1; 32]),
        incoming: channel(1),
        outgoing: channel(outgoing),
        amount_in: Msat(amount_out + fee),
        amount_out: Msat(amount_out),
        took_ms: 100 * fee,
    };
    let failed = |by_us: bool, outgoing: Option<u8>| Fact::ForwardFailed {
        payment_hash: PaymentHash([1; 32]),
        incoming: channel(1),
        outgoing: outgoing.map(channel),
        amount_in: Msat(9),
        amount_out: Msat(8),
        took_ms: 5,
        by_us,
        reason: "why".to_owned(),
    };
    let facts = [
        (999, forwarded(7, 7, 2)),
        (1_000, forwarded(100, 1, 2)),
        (1_999, failed(true, None)),
        (3_000, forwarded(50, 2, 3)),
        (3_500, failed(false, Some(2))),
        (4_000, forwarded(8, 8, 2)),
    ];
    let writes =
        (0..).zip(facts).fold(Make::default(), |make, (number, (at, fact))| make.fact_at(number, at, fact));
    journal.commit(&writes.done()).unwrap();
    let reader = journal.reader().unwrap();
    let first = Tally {
        forwarded: 1,
        failed_here: 1,
        amount_msat: 100,
        fee_msat: 1,
        took_ms: 100,
        ..Tally::default()
    };
    let third = Tally {
        forwarded: 1,
        failed_beyond: 1,
        amount_msat: 50,
        fee_msat: 2,
        took_ms: 200,
        ..Tally::default()
    };
    assert_eq!(reader.forwards_by_period(1_000, 4_000, 1_000).unwrap(), [(1, first), (3, third)]);
    let later = reader.forwards_by_period(1_500, 4_000, 1_000).unwrap();
    assert_eq!(later[0], (1, Tally { failed_here: 1, ..Tally::default() }), "periods begin where they did");
    assert_eq!(
        reader.forwards_by_period(1_000, 4_000, 0).unwrap().len(),
        4,
        "a period is a millisecond at least"
    );
    assert!(reader.forwards_by_period(4_001, u64::MAX, u64::MAX).unwrap().is_empty());
    let numbers = |of: Option<u8>, times, before| {
        let listed = reader.forwards_of(of.map(channel).as_ref(), times, before, 3).unwrap();
        listed.into_iter().map(|entry| entry.number).collect::<Vec<_>>()
    };
    assert_eq!(numbers(Some(2), (1_000, 4_000), None), [4, 1], "also those that failed");
    assert_eq!(numbers(Some(1), (1_000, 4_000), None), [4, 3, 2], "a page, the newest first");
    assert_eq!(numbers(Some(1), (1_000, 4_000), Some(2)), [1], "the next page");
    assert_eq!(numbers(None, (3_000, u64::MAX), None), [5, 4, 3], "of all channels");
    assert!(numbers(Some(9), (0, u64::MAX), None).is_empty());
    let channels = reader.forwards_by_channel(1_000, 4_000).unwrap();
    let of = |number: u8| channels.iter().find(|tally| tally.channel == [number; 32]).copied().unwrap();
    assert_eq!(channels.len(), 3);
    assert_eq!(of(1).incoming, first.with(&third));
    assert_eq!(of(1).outgoing, Tally::default());
    assert_eq!((of(2).outgoing.forwarded, of(2).outgoing.failed_beyond, of(2).outgoing.fee_msat), (1, 1, 1));
    assert_eq!((of(3).outgoing.forwarded, of(3).outgoing.amount_msat), (1, 50));
}
