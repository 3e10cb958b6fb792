//! Outputs of the closing transaction that are small, and those that their owner leaves out.

use super::{WEIGHT, agreed_fee, closing_transaction, first_proposal, proposal, shut_down, signed};
use crate::pair::{A, B, Pair, Setup};
use astrape_channel::{Command, Fault, Output};
use astrape_primitives::{FeeratePerKw, Msat, Sat, Side};
use astrape_wire::Message;
use bitcoin::{ScriptBuf, Transaction};

#[test]
fn a_peer_may_leave_out_its_own_output() {
    let mut pair = shut_down(Setup::default(), |_| {});
    first_proposal(&mut pair);
    let whole = closing_transaction(&pair, A, 500);
    let without = whole.without_output_of(Side::Local).expect("B's is left");
    let m = signed(&pair, A, &without, 500, Some((1, 1000)));
    pair.receive(B, m).expect("its own loss");
    assert_eq!(pair.closing_txid(B), Some(without.txid()), "that is what A has signed");
    // But not the other's.
    let mut pair = shut_down(Setup::default(), |_| {});
    first_proposal(&mut pair);
    let without = closing_transaction(&pair, A, 500).without_output_of(Side::Remote).expect("A's is left");
    let m = signed(&pair, A, &without, 500, Some((1, 1000)));
    pair.refused(B, m);
}

// BOLT 2.legacy-closing-negotiation-closing_signed.23
#[test]
fn outputs_that_would_be_dust_are_left_out_by_both() {
    // B has 100 sat.
    let mut pair = Pair::new(Setup { push: Msat(100_000), ..Setup::default() });
    pair.propose_channel();
    pair.run();
    let script = pair.nodes[A].shutdown_script.clone();
    pair.command(A, Command::Shutdown { script });
    pair.run();
    assert_eq!(pair.closing_txid(A), pair.closing_txid(B));
    let Some(Output::BroadcastClosing { request, .. }) =
        pair.nodes[B].seen.iter().find(|o| matches!(o, Output::BroadcastClosing { .. }))
    else {
        panic!("agreed");
    };
    assert_eq!(request.tx.output.len(), 1);
}

/// Both have said `shutdown`; the closing transaction would pay this much to one of them, and these are their dust limits.
fn with_final_output(limits: [u64; 2], who: usize, value: u64) -> Pair {
    const FEERATE: u32 = 20;
    let setup = Setup::default();
    let pushed = if who == B { value } else { setup.funding.0 - value - u64::from(FEERATE) * WEIGHT };
    let mut pair = Pair::new(Setup { push: Sat(pushed).to_msat(), ..setup });
    for (node, limit) in pair.nodes.iter_mut().zip(limits) {
        node.policy.dust_limit = Sat(limit);
    }
    pair.propose_channel();
    pair.run();
    for node in &mut pair.nodes {
        node.feerate = FeeratePerKw(FEERATE * 1000);
    }
    let script = pair.nodes[A].shutdown_script.clone();
    pair.command(A, Command::Shutdown { script });
    pair.deliver_until(A, "shutdown");
    pair.deliver_until(B, "shutdown");
    pair
}

/// What many peers reckon with, and nothing else: no output below the larger of both limits.
fn strict_transaction(pair: &Pair, who: usize, fee: u64) -> Transaction {
    let limit = pair.nodes.iter().map(|node| node.policy.dust_limit).max().expect("two");
    let tx = closing_transaction(pair, who, fee);
    assert!(tx.tx().output.iter().all(|output| Sat::from(output.value) >= limit));
    tx.tx().clone()
}

// BOLT 3.legacy-closing-transaction.3
#[test]
fn what_we_sign_has_no_output_that_either_side_takes_for_dust() {
    for limits in [[354, 546], [546, 354], [354, 354]] {
        for (who, value) in [A, B].iter().flat_map(|who| [353, 354, 545, 546].map(|value| (*who, value))) {
            let mut pair = with_final_output(limits, who, value);
            // The opener signs first, and the other side signs the same.
            let proposed = first_proposal(&mut pair);
            let expected = strict_transaction(&pair, B, proposed.fee_satoshis.0);
            assert_eq!(expected.output.len(), if value < limits[0].max(limits[1]) { 1 } else { 2 });
            let by_opener = closing_transaction(&pair, A, proposed.fee_satoshis.0);
            assert_eq!(by_opener.tx(), &expected);
            assert!(by_opener.verify(&pair.secp, Side::Local, &proposed.signature));
            pair.receive(B, Message::ClosingSigned(proposed)).expect("one that it knows");
            let Message::ClosingSigned(answer) = pair.intercept(B) else { panic!("an answer") };
            assert!(by_opener.verify(&pair.secp, Side::Remote, &answer.signature));
            pair.receive(A, Message::ClosingSigned(answer)).expect("one that it knows");
            assert_eq!([A, B].map(|n| pair.closing_txid(n)), [Some(expected.compute_txid()); 2]);
        }
    }
}

#[test]
fn the_answer_signs_the_variant_that_the_peer_chose() {
    let mut pair = shut_down(Setup::default(), |_| {});
    first_proposal(&mut pair);
    let without = closing_transaction(&pair, A, 500).without_output_of(Side::Local).expect("B's is left");
    let m = signed(&pair, A, &without, 500, Some((1, 1000)));
    pair.receive(B, m).expect("its own loss");
    let Message::ClosingSigned(answer) = pair.intercept(B) else { panic!("an answer") };
    assert!(without.verify(&pair.secp, Side::Remote, &answer.signature));
}

/// Weight of a closing transaction with one P2TR output, and the least fee for it that is relayed.
const LONE_WEIGHT: u64 = 42 + 164 + 222 + 4 * 43;
const LONE_LEAST: u64 = LONE_WEIGHT / 4;

/// Both have said `shutdown` with P2TR scripts, and B has so much.
fn where_b_has(msat: u64) -> Pair {
    shut_down(Setup { push: Msat(msat), ..Setup::default() }, |pair| {
        for (node, byte) in pair.nodes.iter_mut().zip([1, 2]) {
            node.shutdown_script = ScriptBuf::from([vec![0x51, 32], vec![byte; 32]].concat());
        }
    })
}

/// CLN reckons with 253 sat for each 1,000 of the weight that the transaction has, and offers nothing else.
#[test]
fn an_opener_pays_for_the_outputs_that_are_there_and_no_more() {
    for msat in [0, 999, 353_999] {
        let mut pair = where_b_has(msat);
        first_proposal(&mut pair);
        let m = proposal(&pair, A, LONE_LEAST - 1, Some((LONE_LEAST - 1, LONE_LEAST - 1)));
        let (fault, _) = pair.refused(B, m);
        assert!(matches!(fault, Fault::ClosingFeesApart { .. }), "less than is relayed");
        let m = proposal(&pair, A, 151, Some((151, 151)));
        pair.receive(B, m).expect("it is relayed");
        assert_eq!(agreed_fee(&pair, B), Some(151), "{msat}");
        // The same without ranges.
        let mut pair = where_b_has(msat);
        first_proposal(&mut pair);
        let m = proposal(&pair, A, 151, None);
        pair.receive(B, m).expect("it is relayed");
        assert_eq!(agreed_fee(&pair, B), Some(151), "{msat}");
    }
    // With an output of B that is no dust the same fee is too little.
    let mut pair = where_b_has(354_000);
    first_proposal(&mut pair);
    let m = proposal(&pair, A, 151, Some((151, 151)));
    let (fault, _) = pair.refused(B, m);
    assert!(matches!(fault, Fault::ClosingFeesApart { .. }));
    // But not where A leaves out its own.
    let without = closing_transaction(&pair, A, 151).without_output_of(Side::Local).expect("B's is left");
    let m = signed(&pair, A, &without, 151, Some((151, 151)));
    pair.receive(B, m).expect("it is relayed");
    assert_eq!(agreed_fee(&pair, B), Some(151));
}

#[test]
fn we_as_the_opener_offer_for_the_outputs_that_are_there() {
    for msat in [0, 353_999] {
        let mut pair = where_b_has(msat);
        let offered = first_proposal(&mut pair);
        let range = offered.fee_range.expect("always");
        let most = (LONE_WEIGHT * 11).div_ceil(10);
        assert_eq!(offered.fee_satoshis, Sat(LONE_WEIGHT));
        assert_eq!((range.min_fee_satoshis, range.max_fee_satoshis), (Sat(LONE_LEAST), Sat(most)));
        let m = proposal(&pair, B, 151, Some((151, 151)));
        pair.receive(A, m).expect("it is in the overlap");
        assert_eq!(agreed_fee(&pair, A), Some(151), "{msat}");
    }
}

#[test]
fn two_of_us_close_a_channel_in_which_one_has_nothing() {
    for msat in [0, 353_999] {
        for who in [A, B] {
            let mut pair = Pair::ready(Setup { push: Msat(msat), ..Setup::default() });
            let script = pair.nodes[who].shutdown_script.clone();
            pair.command(who, Command::Shutdown { script });
            pair.run();
            assert!(pair.closing_txid(A).is_some());
            assert_eq!(pair.closing_txid(A), pair.closing_txid(B));
        }
    }
}
