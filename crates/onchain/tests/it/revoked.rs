//! A revoked commitment on chain: its broadcaster loses all.

use crate::kit::{Court, DELAY, EXPIRY, FORMATS, Htlcs, REVOKED, htlc, preimage};
use astrape_onchain::{Output, Role, Spender, Story};
use astrape_primitives::{HtlcId, Sat, Side};
use astrape_transactions::{CommitmentFormat, CommittedHtlc};
use bitcoin::{OutPoint, Transaction};

/// Retired, live and dust HTLCs in the revoked commitment; one live that it has not.
fn htlcs() -> Htlcs {
    let live = htlc(Side::Local, 7, 50_000, 7, EXPIRY);
    let retired: Vec<CommittedHtlc> = vec![
        htlc(Side::Local, 0, 60_000, 1, EXPIRY),
        htlc(Side::Local, 1, 60_000, 1, EXPIRY),
        htlc(Side::Remote, 0, 80_000, 2, EXPIRY + 3),
        htlc(Side::Remote, 1, 80_000, 2, EXPIRY + 4),
        htlc(Side::Remote, 2, 200, 3, EXPIRY),
    ];
    let newer = htlc(Side::Local, 8, 40_000, 8, EXPIRY);
    let mut revoked = retired.clone();
    revoked.push(live);
    Htlcs { ours: vec![live, newer], acked: vec![live, newer], next: None, revoked, retired }
}

fn cheated(format: CommitmentFormat) -> Court {
    let mut court = Court::new(format, htlcs());
    let tx = court.their_commitment(REVOKED);
    court.mine_with(&[tx]);
    assert!(matches!(court.resolution.close.as_ref().map(|c| c.spender), Some(Spender::Revoked { .. })));
    court
}

/// The HTLC outputs of the revoked commitment, with the preimage where its owner needs one.
fn htlc_outputs(court: &Court) -> Vec<(OutPoint, Option<astrape_primitives::PaymentPreimage>)> {
    let of = |(outpoint, t): (&OutPoint, &astrape_onchain::Tracked)| {
        let htlc = t.htlc()?;
        let hash = if htlc.id.0 == 7 { 7 } else { 1 };
        Some((*outpoint, (htlc.offered_by == Side::Local).then(|| preimage(hash))))
    };
    court.resolution.outputs.iter().filter_map(of).collect()
}

// BOLT 5.revoked-transaction-close-handling.4
// BOLT 5.revoked-transaction-close-handling.5
// BOLT 5.revoked-transaction-close-handling.8
#[test]
fn every_output_of_a_revoked_commitment_is_taken_at_once() {
    for format in FORMATS {
        let mut court = cheated(format);
        assert_eq!(htlc_outputs(&court).len(), 5, "twins too; dust has no output");
        court.mine(1);
        court.assert_none_refused();
        let left = court.resolution.outputs.values().filter(|t| t.spent.is_none());
        let left: Vec<_> = left.filter(|t| !matches!(t.role, Role::Anchor { .. })).collect();
        assert!(left.is_empty(), "{left:?}");
        assert!(court.resolution.outputs.values().filter_map(|t| t.spent).all(|s| s.by_us));
        // All but the fee of the commitment, the dust, the anchors, and what the penalties cost.
        assert!(court.in_our_wallet() > Sat(9_985_000), "{}", court.in_our_wallet());
        court.mine(12);
        assert!(court.is_resolved(), "{format:?}");
        assert!(court.has_failed(7) && court.has_failed(8), "what was live is failed at depth");
    }
}

// attack 6
// BOLT 5.revoked-transaction-close-handling.7
// BOLT 5.revoked-transaction-close-handling.10
// BOLT 5.revoked-transaction-close-handling.11
// BOLT 5.revoked-transaction-close-handling.12
// BOLT 5.revoked-transaction-close-handling.13
// BOLT 5.revoked-transaction-close-handling.17
#[test]
fn five_revoked_htlcs_spent_by_one_transaction_are_all_taken_from_its_outputs() {
    for by_timeout in [false, true] {
        let side = if by_timeout { Side::Remote } else { Side::Local };
        let five: Vec<CommittedHtlc> =
            (0..5).map(|id| htlc(side, id, 60_000 + id, u8::try_from(id).expect("small"), EXPIRY)).collect();
        // The first lives on, the others are long gone.
        let live = vec![five[0]];
        let htlcs = Htlcs {
            ours: live.clone(),
            acked: live,
            next: None,
            revoked: five.clone(),
            retired: five[1..].to_vec(),
        };
        let mut court = Court::new(CommitmentFormat::Anchors, htlcs);
        court.mine_to(EXPIRY + 5);
        let tx = court.their_commitment(REVOKED);
        court.mine_with(&[tx]);
        let known = |id: HtlcId| (!by_timeout).then(|| preimage(u8::try_from(id.0).expect("small")));
        let outputs: Vec<_> = five.iter().map(|h| (court.output_of((side, h.id)), known(h.id))).collect();
        let batch = court.second_stage(REVOKED, &outputs);
        court.mine_with(std::slice::from_ref(&batch));
        let told: &[Option<HtlcId>] = if by_timeout { &[] } else { &[Some(HtlcId(0))] };
        assert_eq!(court.preimages(), told, "the live one is claimed upstream");
        let txid = batch.compute_txid();
        assert_eq!(court.resolution.outputs.keys().filter(|o| o.txid == txid).count(), 5);
        court.mine(2);
        court.assert_none_refused();
        let taken = |t: &astrape_onchain::Tracked| t.spent.is_some_and(|s| s.by_us);
        assert!(court.resolution.outputs.iter().filter(|(o, _)| o.txid == txid).all(|(_, t)| taken(t)));
        assert!(court.in_our_wallet() > Sat(9_980_000), "{}", court.in_our_wallet());
        court.mine(12);
        assert!(court.is_resolved());
        assert!(!court.has_failed(0));
    }
}

// BOLT 5.revoked-transaction-close-handling.11
// BOLT 5.revoked-transaction-close-handling.12
// BOLT 5.revoked-transaction-close-handling.17
#[test]
fn the_second_stage_of_a_revoked_commitment_without_anchors_is_taken_too() {
    let mut court = cheated(CommitmentFormat::StaticRemotekey);
    let outputs = htlc_outputs(&court);
    let txs: Vec<_> = outputs
        .iter()
        .filter(|(o, p)| {
            p.is_some() || court.resolution.outputs[o].htlc().is_some_and(|h| h.cltv_expiry.0 < court.tip().0)
        })
        .map(|output| court.second_stage(REVOKED, &[*output]))
        .collect();
    assert_eq!(txs.len(), 3, "the HTLC-timeouts must wait");
    court.mine_with(&txs);
    court.mine(2);
    court.assert_none_refused();
    for tx in &txs {
        let taken = court.resolution.outputs[&OutPoint { txid: tx.compute_txid(), vout: 0 }].spent;
        assert!(taken.is_some_and(|s| s.by_us));
    }
    court.mine(12);
    assert!(court.is_resolved());
}

/// The peer says the scripts of its revoked commitment in its `shutdown`, and ours is that of `to_remote`.
fn posing_as_a_close(court: &mut Court, revoked: &Transaction) {
    let plain = court.format.to_remote_script(&court.terms.local.basepoints.payment);
    let to_local = revoked.output.iter().find(|output| output.script_pubkey != plain);
    let to_local = to_local.expect("the peer has a balance").script_pubkey.clone();
    court.evidence.shutdown = Some((plain, to_local));
}

#[test]
fn a_revoked_commitment_that_pays_to_the_scripts_of_both_shutdowns_is_taken_all_the_same() {
    for with_our_output in [true, false] {
        let mut court = Court::new(CommitmentFormat::StaticRemotekey, Htlcs::default());
        let mut tx = court.their_commitment(REVOKED);
        posing_as_a_close(&mut court, &tx);
        if !with_our_output {
            let (_, to_local) = court.evidence.shutdown.clone().expect("said");
            tx.output.retain(|output| output.script_pubkey == to_local);
            tx = court.signed_by_both(&tx);
        }
        let paid: Sat = tx.output.iter().map(|output| Sat::from(output.value)).sum();
        court.mine_with(&[tx]);
        let spender = court.resolution.close.as_ref().map(|close| close.spender);
        assert!(matches!(spender, Some(Spender::Revoked { .. })), "{spender:?}");
        court.mine(1);
        court.assert_none_refused();
        assert!(court.in_our_wallet() > Sat(paid.0 - 5_000), "{} of {paid}", court.in_our_wallet());
    }
}

#[test]
fn what_the_peer_takes_after_its_delay_is_told_as_lost() {
    let mut court = cheated(CommitmentFormat::Anchors);
    court.deaf = true;
    court.mine_with(&[]);
    let outputs = htlc_outputs(&court);
    let batch = court.second_stage(REVOKED, &outputs[..1]);
    court.mine_with(std::slice::from_ref(&batch));
    let stolen = OutPoint { txid: batch.compute_txid(), vout: 0 };
    let mut tx = crate::kit::empty();
    let mut input = crate::kit::input(stolen, bitcoin::Sequence(u32::from(DELAY)));
    // The form of the witness is what tells; that its signature holds is for the chain to judge.
    let script = court.resolution.outputs[&stolen].witness_script.clone().expect("a script");
    input.witness = bitcoin::Witness::from_slice(&[&[1_u8; 71][..], &[], script.as_bytes()]);
    tx.input.push(input);
    let height = court.tip();
    let out = court.event(astrape_onchain::Event::Spent { tx: std::sync::Arc::new(tx), height });
    assert!(out.iter().any(|o| matches!(o, Output::Story(Story::Lost { .. }))));
}

/// Half of some outputs is more than they may leave, and half of others less than a claim costs: none may stay open for ever.
#[test]
fn a_revoked_output_of_any_size_is_claimed_or_given_up_however_late_it_is() {
    for sat in (355..2_000).step_by(35) {
        let retired = vec![htlc(Side::Remote, 0, sat, 1, EXPIRY)];
        let htlcs = Htlcs { revoked: retired.clone(), retired, ..Htlcs::default() };
        let mut court = Court::new(CommitmentFormat::Anchors, htlcs);
        let tx = court.their_commitment(REVOKED);
        court.deaf = true;
        court.mine_with(&[tx]);
        let outpoint = court.output_of((Side::Remote, HtlcId(0)));
        court.mine(u32::from(DELAY) + 10);
        assert!(court.resolution.outputs[&outpoint].spent.is_none(), "nothing got through");
        court.deaf = false;
        court.mine(20);
        court.assert_none_refused();
        let is_ours = court.resolution.outputs[&outpoint].spent.is_some_and(|s| s.by_us);
        assert!(court.is_resolved(), "{sat} sat: claimed {is_ours}");
        assert!(is_ours || sat < 550, "{sat} sat bring more than they cost");
    }
}

// attack 69
#[test]
fn all_of_many_twins_that_a_revoked_commitment_has_not_are_failed_in_time() {
    for format in FORMATS {
        let twins: Vec<CommittedHtlc> = (0..40).map(|id| htlc(Side::Local, id, 20_000, 9, EXPIRY)).collect();
        let htlcs = Htlcs { ours: twins.clone(), acked: twins, ..Htlcs::default() };
        let mut court = Court::new(format, htlcs);
        let tx = court.their_commitment(REVOKED);
        court.mine_with(&[tx]);
        court.mine(6);
        assert!((0..40).all(|id| court.has_failed(id)), "{format:?}");
    }
}

#[test]
fn the_archive_is_asked_until_it_answers_and_nothing_is_failed_before() {
    let court = Court::new(CommitmentFormat::Anchors, htlcs());
    let tx = court.their_commitment(REVOKED);
    let height = court.tip();
    let view_event = astrape_onchain::Event::FundingSpent { tx: std::sync::Arc::new(tx), height };
    let view = astrape_onchain::View {
        secp: &court.secp,
        tip: court.tip(),
        feerates: court.feerates,
        closing_depth: 6,
        coins: &[],
        evidence: &court.evidence,
        nights: &court.nights,
        waiting: astrape_onchain::Waiting::default(),
    };
    let (value, out) = court.resolution.handle(view_event, &view);
    assert!(out.contains(&Output::RowsNeeded(astrape_primitives::CommitmentNumber(REVOKED))));
    assert!(value.owed().contains(&Output::RowsNeeded(astrape_primitives::CommitmentNumber(REVOKED))));
    let later = astrape_onchain::View { tip: astrape_primitives::Height(height.0 + 50), ..view };
    let (_, out) = value.handle(astrape_onchain::Event::Block, &later);
    assert!(out.contains(&Output::RowsNeeded(astrape_primitives::CommitmentNumber(REVOKED))));
    assert!(!out.iter().any(|o| matches!(o, Output::Failed(_) | Output::Resolved)));
}
