//! How much the opener offers: little at first, since some peers take all that is offered, and more where that is not enough.

use super::{FIRST_MOST, WEIGHT, agreed_fee, first_proposal, proposal, shut_down};
use crate::pair::{A, B, Pair, Setup};
use astrape_channel::{Fault, Reaction};
use astrape_wire::{ClosingSigned, FeeRange, Message, Warning};

/// What A says next.
fn next_proposal(pair: &mut Pair) -> (u64, FeeRange) {
    let ClosingSigned { fee_satoshis, fee_range, .. } = first_proposal(pair);
    (fee_satoshis.0, fee_range.expect("always"))
}

fn warning(pair: &Pair) -> Message {
    Message::Warning(Warning { channel_id: pair.channel_id(), data: b"too little".to_vec() })
}

#[test]
fn who_takes_all_that_is_offered_gets_a_tenth_more_than_the_estimate() {
    let mut pair = shut_down(Setup::default(), |_| {});
    let (_, range) = next_proposal(&mut pair);
    let most = range.max_fee_satoshis.0;
    let m = proposal(&pair, B, most, Some((100, 500_000)));
    pair.receive(A, m).expect("it is in the overlap");
    assert_eq!((agreed_fee(&pair, A), most), (Some(FIRST_MOST), FIRST_MOST));
}

// BOLT 2.legacy-closing-negotiation-closing_signed.13
#[test]
fn a_peer_that_warns_of_our_range_is_offered_three_times_the_estimate_also_after_a_cut() {
    let mut pair = shut_down(Setup::default(), |_| {});
    first_proposal(&mut pair);
    let m = warning(&pair);
    pair.receive(A, m.clone()).expect("a warning");
    let (fee, range) = next_proposal(&mut pair);
    assert_eq!((fee, range.max_fee_satoshis.0), (WEIGHT, 3 * WEIGHT));
    pair.receive(A, m.clone()).expect("another");
    assert!(pair.nodes[A].outbox.is_empty(), "there is no more to offer");
    pair.cut();
    pair.connect();
    pair.deliver_until(A, "channel_reestablish");
    pair.deliver_until(B, "channel_reestablish");
    pair.deliver_until(A, "shutdown");
    pair.deliver_until(B, "shutdown");
    assert_eq!(next_proposal(&mut pair).1.max_fee_satoshis.0, 3 * WEIGHT);
    let m = proposal(&pair, B, 2 * WEIGHT, Some((2 * WEIGHT, 500_000)));
    pair.receive(A, m).expect("it is in the overlap");
    assert_eq!(agreed_fee(&pair, A), Some(2 * WEIGHT));
}

#[test]
fn a_warning_that_has_nothing_to_do_with_a_fee_changes_nothing() {
    let mut pair = Pair::default_ready();
    let m = warning(&pair);
    pair.receive(A, m.clone()).expect("a warning");
    let mut pair = shut_down(Setup::default(), |_| {});
    pair.receive(B, m).expect("a warning to who does not pay");
    assert_eq!(next_proposal(&mut pair).1.max_fee_satoshis.0, FIRST_MOST);
    assert!(!pair.nodes[B].open().shutdown.fees_apart);
}

#[test]
fn a_peer_whose_range_begins_above_ours_is_answered_with_what_it_takes_if_that_is_not_too_much() {
    let mut pair = shut_down(Setup::default(), |_| {});
    first_proposal(&mut pair);
    let least = FIRST_MOST + 1;
    let m = proposal(&pair, B, 2 * WEIGHT, Some((least, 500_000)));
    pair.receive(A, m).expect("there is more to offer");
    let (fee, range) = next_proposal(&mut pair);
    assert_eq!((fee, range.max_fee_satoshis.0), (least, 3 * WEIGHT));
    assert_eq!(agreed_fee(&pair, A), None);
    for range in [(3 * WEIGHT + 1, 500_000), (1, WEIGHT / 4 - 1)] {
        let mut pair = shut_down(Setup::default(), |_| {});
        first_proposal(&mut pair);
        let m = proposal(&pair, B, range.0, Some(range));
        let (fault, reaction) = pair.refused(A, m);
        assert!(matches!(fault, Fault::ClosingFeesApart { .. }));
        assert_eq!(reaction, Reaction::Warn);
    }
}
