//! What spends a funding is recognised, and nothing odd does harm.

use crate::kit::{ACKED, Court, EXPIRY, FORMATS, Htlcs, NEXT, REVOKED, elsewhere, empty, htlc, input};
use astrape_onchain::{Event, Output, Spender, Story, classify};
use astrape_primitives::{HtlcId, Sat, Side};
use bitcoin::{OutPoint, ScriptBuf, Sequence, Transaction, TxOut, Witness};
use std::sync::Arc;

fn both() -> Vec<astrape_transactions::CommittedHtlc> {
    vec![htlc(Side::Local, 0, 60_000, 1, EXPIRY), htlc(Side::Remote, 0, 80_000, 2, EXPIRY + 30)]
}

#[test]
fn whatever_spends_the_funding_is_recognised() {
    for format in FORMATS {
        let court = Court::new(format, Htlcs { next: Some(vec![]), ..Htlcs::everywhere(both()) });
        let of = |tx: &Transaction| classify(&court.secp, &court.evidence, tx).0;
        assert!(
            matches!(of(&court.our_commitment()), Spender::Ours { number } if number.0 == crate::kit::OURS)
        );
        for number in [ACKED, NEXT] {
            let tx = court.their_commitment(number);
            assert!(matches!(of(&tx), Spender::Theirs { number: n, .. } if n.0 == number));
        }
        for number in [0, REVOKED, 2] {
            assert!(
                matches!(of(&court.their_commitment(number)), Spender::Revoked { number: n, .. } if n.0 == number)
            );
        }
        assert!(matches!(of(&court.their_commitment(9)), Spender::Future { number } if number.0 == 9));
    }
}

// attack 73
// BOLT 5.general-requirements.1
// BOLT 5.general-requirements.2
#[test]
fn odd_transactions_do_no_harm_and_an_unknown_spend_is_told() {
    for format in FORMATS {
        let mut court = Court::new(format, Htlcs { revoked: both(), ..Htlcs::everywhere(both()) });
        let outpoint = court.terms.outpoint;
        let with = |f: &dyn Fn(&mut Transaction)| {
            let mut tx = empty();
            tx.input.push(input(outpoint, Sequence::MAX));
            tx.output.push(TxOut { value: Sat(1_000).into(), script_pubkey: elsewhere() });
            f(&mut tx);
            tx
        };
        let commitment = court.their_commitment(REVOKED);
        let mut cut = commitment.clone();
        cut.output.clear();
        let mut doubled = commitment.clone();
        doubled.output.extend(commitment.output.clone());
        let mut many = commitment.clone();
        many.output =
            (0..2_000).map(|n| TxOut { value: Sat(n).into(), script_pubkey: ScriptBuf::new() }).collect();
        let odd = [
            empty(),
            with(&|tx| tx.output.clear()),
            with(&|tx| tx.output[0].value = bitcoin::Amount::MAX),
            with(&|tx| tx.input.push(input(OutPoint::null(), Sequence::ZERO))),
            with(&|tx| tx.input[0].witness = Witness::from_slice(&vec![vec![7_u8; 32]; 500])),
            with(&|tx| {
                tx.lock_time = bitcoin::absolute::LockTime::from_consensus(0x20ff_ffff);
                tx.input[0].sequence = Sequence(0x80ff_ffff);
            }),
            cut,
            doubled,
            many,
        ];
        let height = court.tip();
        for tx in &odd {
            let fresh = court.resolution.clone();
            let out = court.event(Event::FundingSpent { tx: Arc::new(tx.clone()), height });
            assert!(out.iter().any(|o| matches!(o, Output::Story(Story::Spent { .. }))));
            for other in &odd {
                court.event(Event::Spent { tx: Arc::new(other.clone()), height });
                court.see(&[other]);
            }
            court.event(Event::Block);
            court.event(Event::Reorged { from: height });
            court.resolution = fresh;
        }
        let unknown = with(&|_| {});
        let out = court.event(Event::FundingSpent { tx: Arc::new(unknown), height });
        let told = |o: &Output| matches!(o, Output::Story(Story::Spent { spender: Spender::Unknown, .. }));
        assert!(out.iter().any(told));
        assert!(!court.has_failed(0), "its HTLCs may still be paid");
    }
}

// attack 73
#[test]
fn a_second_stage_with_an_odd_output_is_not_followed() {
    let mut court = Court::new(
        astrape_transactions::CommitmentFormat::Anchors,
        Htlcs { revoked: both(), retired: both(), ..Htlcs::default() },
    );
    let tx = court.their_commitment(REVOKED);
    court.mine_with(&[tx]);
    let output = court.output_of((Side::Remote, HtlcId(0)));
    let witness =
        |script: &ScriptBuf| Witness::from_slice(&[&[][..], &[1; 71], &[1; 71], &[], script.as_bytes()]);
    let script = court.resolution.outputs[&output].witness_script.clone().expect("a script");
    let height = court.tip();
    let before = court.resolution.outputs.len();
    for outputs in [vec![], vec![TxOut { value: Sat(1).into(), script_pubkey: elsewhere() }]] {
        let mut tx = empty();
        tx.input.push(input(output, Sequence(1)));
        tx.input[0].witness = witness(&script);
        tx.output = outputs;
        court.event(Event::Spent { tx: Arc::new(tx), height });
        assert_eq!(court.resolution.outputs.len(), before);
    }
}

#[test]
fn nothing_of_a_cooperative_close_is_claimed() {
    let mut court = Court::new(astrape_transactions::CommitmentFormat::Anchors, Htlcs::default());
    court.evidence.shutdown = Some((elsewhere(), elsewhere()));
    let mut tx = empty();
    tx.input.push(input(court.terms.outpoint, Sequence::MAX));
    tx.output.push(TxOut { value: Sat(9_000_000).into(), script_pubkey: elsewhere() });
    let height = court.tip();
    court.event(Event::FundingSpent { tx: Arc::new(tx), height });
    assert!(court.resolution.outputs.is_empty());
    assert!(!court.told.contains(&Output::ScriptNeeded));
}

#[test]
fn a_cooperative_close_that_pays_to_the_script_of_to_remote_is_swept() {
    for format in FORMATS {
        let mut court = Court::new(format, Htlcs::default());
        let plain = format.to_remote_script(&court.terms.local.basepoints.payment);
        court.evidence.shutdown = Some((plain.clone(), elsewhere()));
        let mut tx = empty();
        tx.input.push(input(court.terms.outpoint, Sequence::MAX));
        tx.output.push(TxOut { value: Sat(5_990_000).into(), script_pubkey: plain });
        tx.output.push(TxOut { value: Sat(4_000_000).into(), script_pubkey: elsewhere() });
        let tx = court.signed_by_both(&tx);
        court.mine_with(&[tx]);
        assert_eq!(court.resolution.close.as_ref().map(|close| close.spender), Some(Spender::Cooperative));
        court.mine(2);
        court.assert_none_refused();
        let swept = court.in_our_wallet();
        assert!(swept > Sat(5_980_000) && swept < Sat(5_990_000), "{format:?}: {swept}");
        assert!(!court.is_resolved(), "the sweep is followed too");
        court.mine(10);
        assert!(court.is_resolved());
    }
}
