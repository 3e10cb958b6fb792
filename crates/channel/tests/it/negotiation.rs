//! `closing_signed`: fees, ranges, signatures, dust.

mod dust;
mod offers;

use crate::funding::high_s;
use crate::pair::{A, B, Pair, Setup};
use astrape_channel::output::Story;
use astrape_channel::{Command, Fault, Link, Output, Reaction};
use astrape_primitives::{FeeratePerKw, Msat, Sat};
use astrape_transactions::{ClosingContent, ClosingRequest, ClosingTransaction, Signer};
use astrape_wire::{ClosingSigned, FeeRange, Message};
use proptest::prelude::*;

/// Both have said `shutdown`, and A (the opener) has proposed a fee that has not arrived.
fn shut_down(setup: Setup, change: impl FnOnce(&mut Pair)) -> Pair {
    let mut pair = Pair::ready(setup);
    change(&mut pair);
    let script = pair.nodes[A].shutdown_script.clone();
    pair.command(A, Command::Shutdown { script });
    pair.deliver_until(A, "shutdown");
    pair.deliver_until(B, "shutdown");
    pair
}

fn first_proposal(pair: &mut Pair) -> ClosingSigned {
    match pair.intercept(A) {
        Message::ClosingSigned(m) => m,
        other => panic!("{other:?}"),
    }
}

/// The closing transaction as `who` sees it.
fn closing_transaction(pair: &Pair, who: usize, fee: u64) -> ClosingTransaction {
    let open = pair.nodes[who].open();
    let content = ClosingContent {
        local_script: open.shutdown.local.clone().expect("shut down"),
        remote_script: open.shutdown.remote.clone().expect("shut down"),
        local_balance: open.balances.local,
        remote_balance: open.balances.remote,
        fee: Sat(fee),
    };
    ClosingTransaction::build(&open.funding.terms, &content).expect("both can pay")
}

/// A `closing_signed` of `who` over this transaction.
fn signed(pair: &Pair, who: usize, tx: &ClosingTransaction, fee: u64, range: Option<(u64, u64)>) -> Message {
    let node = &pair.nodes[who];
    let terms = node.open().funding.terms.clone();
    let request = ClosingRequest { keys: node.keys, terms, tx: tx.tx().clone() };
    Message::ClosingSigned(ClosingSigned {
        channel_id: pair.channel_id(),
        fee_satoshis: Sat(fee),
        signature: node.signer.sign_closing(&request).expect("consistent"),
        fee_range: range
            .map(|(min, max)| FeeRange { min_fee_satoshis: Sat(min), max_fee_satoshis: Sat(max) }),
    })
}

fn proposal(pair: &Pair, who: usize, fee: u64, range: Option<(u64, u64)>) -> Message {
    signed(pair, who, &closing_transaction(pair, who, fee), fee, range)
}

fn agreed_fee(pair: &Pair, who: usize) -> Option<u64> {
    pair.nodes[who].seen.iter().find_map(|o| match o {
        Output::Story(Story::ClosingAgreed { fee, .. }) => Some(fee.0),
        _ => None,
    })
}

/// Weight of a closing transaction with two P2WPKH outputs.
const WEIGHT: u64 = 42 + 164 + 222 + 2 * 4 * 31;

/// The most that the opener offers at first: a tenth more than what it estimates.
const FIRST_MOST: u64 = (11 * WEIGHT).div_ceil(10);

// BOLT 2.legacy-closing-negotiation-closing_signed.2
// BOLT 2.legacy-closing-negotiation-closing_signed.3
// BOLT 2.legacy-closing-negotiation-closing_signed.7
#[test]
fn the_opener_proposes_what_its_estimate_says_and_a_range() {
    let mut pair = shut_down(Setup::default(), |_| {});
    let m = first_proposal(&mut pair);
    assert_eq!(m.fee_satoshis.0, WEIGHT);
    let range = m.fee_range.expect("always");
    assert_eq!((range.min_fee_satoshis.0, range.max_fee_satoshis.0), (WEIGHT / 4, FIRST_MOST));
    let tx = closing_transaction(&pair, A, m.fee_satoshis.0);
    let key = pair.nodes[A].open().params.local.basepoints.funding;
    pair.secp.verify_ecdsa(&tx.sighash(), &m.signature, &key).expect("of this very transaction");
}

// BOLT 2.legacy-closing-negotiation-closing_signed.9
// BOLT 2.legacy-closing-negotiation-closing_signed.11
// BOLT 2.legacy-closing-negotiation-closing_signed.12
#[test]
fn a_fee_that_suits_both_takes_two_messages() {
    let mut pair = shut_down(Setup::default(), |_| {});
    pair.run();
    assert!(pair.nodes.iter().all(|n| n.times_said("closing_signed") == 1));
    assert_eq!([agreed_fee(&pair, A), agreed_fee(&pair, B)], [Some(WEIGHT); 2]);
    for node in &pair.nodes {
        let broadcast = node.seen.iter().filter(|o| matches!(o, Output::BroadcastClosing { .. })).count();
        assert_eq!(broadcast, 1);
    }
    assert_eq!(pair.closing_txid(A), pair.closing_txid(B));
}

// BOLT 2.legacy-closing-negotiation-closing_signed.5
// BOLT 2.legacy-closing-negotiation-closing_signed.6
// BOLT 2.legacy-closing-negotiation-closing_signed.17
// BOLT 2.legacy-closing-negotiation-closing_signed.19
#[test]
fn the_other_side_picks_a_fee_in_the_overlap_and_the_opener_follows() {
    let mut pair = shut_down(Setup::default(), |pair| pair.nodes[B].feerate = FeeratePerKw(1500));
    first_proposal(&mut pair);
    // A would pay less than the least that is relayed, or more.
    let m = proposal(&pair, A, 100, Some((100, 700)));
    pair.receive(B, m).expect("the ranges overlap");
    let Some(Message::ClosingSigned(answer)) = pair.nodes[B].outbox.front().cloned() else {
        panic!("an answer");
    };
    let range = answer.fee_range.expect("always");
    assert!(answer.fee_satoshis >= range.min_fee_satoshis && answer.fee_satoshis <= Sat(700));
    assert!(range.max_fee_satoshis >= Sat(700) && range.min_fee_satoshis.0 == WEIGHT / 4);
    pair.run();
    assert_eq!(agreed_fee(&pair, A), Some(answer.fee_satoshis.0));
    assert_eq!(agreed_fee(&pair, B), Some(answer.fee_satoshis.0));
}

// BOLT 2.legacy-closing-negotiation-closing_signed.14
// BOLT 2.legacy-closing-negotiation-closing_signed.15
#[test]
fn ranges_without_overlap_are_warned_of_and_may_be_bettered() {
    let mut pair = shut_down(Setup::default(), |_| {});
    first_proposal(&mut pair);
    let m = proposal(&pair, A, 50, Some((10, 100)));
    let (fault, reaction) = pair.refused(B, m);
    assert!(matches!(fault, Fault::ClosingFeesApart { .. }));
    assert_eq!(reaction, Reaction::Warn);
    let m = proposal(&pair, A, 500, Some((10, 1000)));
    pair.receive(B, m).expect("better");
    assert_eq!(agreed_fee(&pair, B), Some(500));
}

// BOLT 2.legacy-closing-negotiation-closing_signed.16
#[test]
fn the_opener_fails_a_channel_whose_fee_is_picked_outside_of_the_overlap() {
    for fee in [WEIGHT / 4 - 1, FIRST_MOST + 1, 100_000] {
        let mut pair = shut_down(Setup::default(), |_| {});
        first_proposal(&mut pair);
        let m = proposal(&pair, B, fee, Some((1, 500_000)));
        let (fault, reaction) = pair.refused(A, m);
        assert!(matches!(fault, Fault::ClosingFee(_)));
        assert_eq!(reaction, Reaction::FailChannel);
    }
}

// BOLT 2.legacy-closing-negotiation-closing_signed.18
#[test]
fn the_other_side_fails_a_channel_whose_opener_does_not_follow() {
    let mut pair = shut_down(Setup::default(), |_| {});
    first_proposal(&mut pair);
    let m = proposal(&pair, A, 100, Some((100, 2000)));
    pair.receive(B, m).expect("the ranges overlap");
    let m = proposal(&pair, A, 1999, Some((100, 2000)));
    let (fault, reaction) = pair.refused(B, m);
    assert!(matches!(fault, Fault::ClosingFee(_)));
    assert_eq!(reaction, Reaction::FailChannel);
}

// BOLT 2.legacy-closing-negotiation-closing_signed.8
#[test]
fn a_signature_that_fits_no_variant_or_has_high_s_is_refused() {
    let mut pair = shut_down(Setup::default(), |_| {});
    let good = first_proposal(&mut pair);
    let other_fee = ClosingSigned { fee_satoshis: Sat(good.fee_satoshis.0 + 1), ..good.clone() };
    let high = ClosingSigned { signature: high_s(&good.signature), ..good.clone() };
    for bad in [other_fee, high] {
        let (fault, reaction) = pair.refused(B, Message::ClosingSigned(bad));
        assert!(matches!(fault, Fault::Signature(_)));
        assert_eq!(reaction, Reaction::Disconnect);
    }
    pair.receive(B, Message::ClosingSigned(good)).expect("good");
}

#[test]
fn closing_signed_has_no_place_before_its_time() {
    let mut pair = Pair::default_ready();
    pair.pay_held(A, Msat(9_000_000));
    pair.run();
    let script = pair.nodes[A].shutdown_script.clone();
    pair.command(A, Command::Shutdown { script });
    pair.run();
    for (from, to) in [(A, B), (B, A)] {
        let signature = pair.nodes[from].open().local.signatures.commitment;
        let channel_id = pair.channel_id();
        let m = ClosingSigned { channel_id, fee_satoshis: Sat(500), signature, fee_range: None };
        let (fault, _) = pair.refused(to, Message::ClosingSigned(m));
        assert!(matches!(fault, Fault::Unexpected { .. }));
    }
}

/// Two of an older kind talk without ranges: what arrives has its range taken off.
fn run_without_ranges(pair: &mut Pair) -> Result<usize, Fault> {
    let mut messages = 0;
    loop {
        let from = if pair.nodes[A].outbox.is_empty() { B } else { A };
        if pair.nodes[from].outbox.is_empty() {
            return Ok(messages);
        }
        let mut message = pair.intercept(from);
        if let Message::ClosingSigned(m) = &mut message {
            m.fee_range = None;
        }
        pair.receive(1 - from, message)?;
        messages += 1;
        assert!(messages < 100, "it must converge");
    }
}

// BOLT 2.legacy-closing-negotiation-closing_signed.21
#[test]
fn without_ranges_a_fee_that_suits_is_taken() {
    let mut pair = shut_down(Setup::default(), |_| {});
    assert_eq!(run_without_ranges(&mut pair), Ok(2));
    assert_eq!([agreed_fee(&pair, A), agreed_fee(&pair, B)], [Some(WEIGHT); 2]);
}

// BOLT 2.legacy-closing-negotiation-closing_signed.20
// BOLT 2.legacy-closing-negotiation-closing_signed.22
#[test]
fn without_ranges_fees_come_nearer_with_each_message() {
    let mut pair = shut_down(Setup::default(), |_| {});
    first_proposal(&mut pair);
    let (mut sent, mut received) = (WEIGHT, 9 * WEIGHT);
    for _ in 0..3 {
        let m = proposal(&pair, B, received, None);
        pair.receive(A, m).expect("nearer");
        let Message::ClosingSigned(answer) = pair.intercept(A) else {
            panic!("a counter-proposal");
        };
        assert!(answer.fee_satoshis.0 > sent && answer.fee_satoshis.0 < received, "strictly between");
        sent = answer.fee_satoshis.0;
        received -= 1000;
    }
    for fee in [received + 1000, received + 2000, WEIGHT / 8] {
        let m = proposal(&pair, B, fee, None);
        let (fault, reaction) = pair.refused(A, m);
        assert!(matches!(fault, Fault::ClosingFeeNotBetween { .. }));
        assert_eq!(reaction, Reaction::Disconnect);
    }
    let m = proposal(&pair, B, 2 * WEIGHT, None);
    pair.receive(A, m).expect("it suits");
    assert_eq!(agreed_fee(&pair, A), Some(2 * WEIGHT));
}

#[test]
fn a_close_goes_on_after_a_cut_with_whatever_was_agreed_or_not() {
    for messages in 0..3 {
        let mut pair = shut_down(Setup::default(), |_| {});
        for n in 0..messages {
            pair.deliver(n % 2).expect("good");
        }
        pair.cut();
        // Estimates have changed meanwhile.
        pair.nodes[A].feerate = FeeratePerKw(4000);
        pair.connect();
        pair.run();
        assert_eq!(pair.closing_txid(A), pair.closing_txid(B));
        assert!(pair.closing_txid(A).is_some());
        assert!(pair.nodes.iter().all(|n| matches!(n.channel.as_ref().map(|c| &c.link), Some(Link::Up(_)))));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_estimates_two_of_us_agree(
        a in 0u32..2_000_000,
        b in 0u32..2_000_000,
        push in 0u64..=989_000,
        ranges: bool,
    ) {
        let setup = Setup { push: Msat(push * 1000), ..Setup::default() };
        let mut pair = shut_down(setup, |pair| {
            pair.nodes[A].feerate = FeeratePerKw(a);
            pair.nodes[B].feerate = FeeratePerKw(b);
        });
        if ranges {
            pair.run();
        } else {
            run_without_ranges(&mut pair).expect("they come to terms");
        }
        prop_assert!(pair.closing_txid(A).is_some());
        prop_assert_eq!(pair.closing_txid(A), pair.closing_txid(B));
    }
}
