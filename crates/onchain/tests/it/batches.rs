//! Claims in batches, and what becomes of a batch when somebody contests a part of it.

use crate::kit::{ACKED, Court, EXPIRY, FORMATS, Htlcs, htlc, preimage};
use astrape_onchain::Output;
use astrape_primitives::{FeeratePerKw, HtlcId, Side};
use astrape_transactions::{CommitmentFormat, CommittedHtlc};
use bitcoin::OutPoint;

fn forty() -> Vec<CommittedHtlc> {
    (0..40).map(|id| htlc(Side::Local, id, 20_000 + id, u8::try_from(id).expect("small"), EXPIRY)).collect()
}

/// The feerate at which an output is claimed now, in sat/kw.
fn claimed_at(court: &Court, output: &OutPoint) -> Option<FeeratePerKw> {
    let is_open = court.resolution.outputs[output].spent.is_none();
    court.resolution.claims.values().find(|c| is_open && c.inputs.contains(output)).map(|c| c.feerate)
}

// attack 16
#[test]
fn a_batch_that_is_contested_each_block_is_rebuilt_in_the_same_block_and_never_pays_less() {
    let mut court = Court::new(CommitmentFormat::Anchors, Htlcs::everywhere(forty()));
    for id in 0..40 {
        court.upstream(id, EXPIRY + 80);
    }
    let tx = court.their_commitment(ACKED);
    court.mine_with(&[tx]);
    court.deaf = true;
    court.mine_to(EXPIRY);
    let outputs: Vec<OutPoint> = (0..40).map(|id| court.output_of((Side::Local, HtlcId(id)))).collect();
    assert_eq!(court.resolution.claims.values().filter(|c| c.inputs.contains(&outputs[0])).count(), 1);
    assert!(court.resolution.claims.values().any(|c| c.inputs.len() == 40), "one batch");
    let mut before = [FeeratePerKw(0); 40];
    for round in 0..10 {
        let taken = court
            .second_stage(ACKED, &[(outputs[round], Some(preimage(u8::try_from(round).expect("small"))))]);
        let out = court.mine_with(&[taken]);
        let sent = out.iter().filter(|o| matches!(o, Output::Broadcast { .. })).count();
        assert!(sent >= 39 - round, "every other is claimed in the same block: {sent} in round {round}");
        for (n, output) in outputs.iter().enumerate().skip(round + 1) {
            let now = claimed_at(&court, output).expect("claimed");
            assert!(now >= before[n], "{now} after {} for {n} in round {round}", before[n]);
            before[n] = now;
        }
        assert_eq!(claimed_at(&court, &outputs[round]), None, "what is taken is claimed no more");
    }
    court.deaf = false;
    court.mine(3);
    let all_settled = outputs.iter().all(|o| court.resolution.outputs[o].spent.is_some());
    assert!(all_settled, "long before the upstream deadline");
    assert_eq!(court.preimages().len(), 10);
    court.mine(6);
    assert_eq!((10..40).filter(|id| court.has_failed(*id)).count(), 30);
}

// attack 18
#[test]
fn one_transaction_that_conflicts_with_two_batches_leaves_the_rest_of_both_claimed() {
    let two_expiries: Vec<CommittedHtlc> = (0..6)
        .map(|id| {
            htlc(
                Side::Local,
                id,
                30_000,
                u8::try_from(id).expect("small"),
                EXPIRY + u32::try_from(id % 2).expect("small"),
            )
        })
        .collect();
    let mut court = Court::new(CommitmentFormat::Anchors, Htlcs::everywhere(two_expiries));
    let tx = court.their_commitment(ACKED);
    court.mine_with(&[tx]);
    court.deaf = true;
    court.mine_to(EXPIRY + 1);
    let outputs: Vec<OutPoint> = (0..6).map(|id| court.output_of((Side::Local, HtlcId(id)))).collect();
    let batches: Vec<usize> =
        court.resolution.claims.values().map(|c| c.inputs.len()).filter(|n| *n == 3).collect();
    assert_eq!(batches, [3, 3], "one for each expiry");
    let taken =
        court.second_stage(ACKED, &[(outputs[0], Some(preimage(0))), (outputs[1], Some(preimage(1)))]);
    court.mine_with(&[taken]);
    for output in &outputs[2..] {
        assert!(claimed_at(&court, output).is_some());
    }
    court.deaf = false;
    court.mine(2);
    court.assert_none_refused();
    assert!(outputs.iter().all(|o| court.resolution.outputs[o].spent.is_some()));
}

// attack 21
#[test]
fn a_preimage_that_comes_after_other_claims_confirmed_makes_a_valid_claim() {
    for format in FORMATS {
        let two = vec![htlc(Side::Remote, 0, 50_000, 1, EXPIRY), htlc(Side::Remote, 1, 60_000, 2, EXPIRY)];
        for theirs in [true, false] {
            let mut court = Court::new(format, Htlcs::everywhere(two.clone()));
            let tx = if theirs { court.their_commitment(ACKED) } else { court.our_commitment() };
            court.mine_with(&[tx]);
            court.know((Side::Remote, HtlcId(0)), 1);
            court.mine(3);
            let outputs = [0, 1].map(|id| court.output_of((Side::Remote, HtlcId(id))));
            assert!(court.resolution.outputs[&outputs[0]].spent.is_some());
            court.know((Side::Remote, HtlcId(1)), 2);
            court.mine(1);
            court.assert_none_refused();
            assert!(
                court.resolution.outputs[&outputs[1]].spent.is_some_and(|s| s.by_us),
                "{format:?} {theirs}"
            );
        }
    }
}

// attack 36
#[test]
fn a_claim_that_is_evicted_again_and_again_goes_out_with_every_block() {
    let mut court = Court::new(CommitmentFormat::Anchors, Htlcs::everywhere(forty()));
    for id in 0..40 {
        court.upstream(id, EXPIRY + 80);
    }
    let tx = court.their_commitment(ACKED);
    court.mine_with(&[tx]);
    court.mine_to(EXPIRY);
    let output = court.output_of((Side::Local, HtlcId(0)));
    for _ in 0..5 {
        let claim = court.chain.spender_in_mempool(&output).expect("it waits");
        court.chain.evict(&claim.compute_txid());
        let out = court.mine_with(&[]);
        assert!(out.iter().any(|o| matches!(o, Output::Broadcast { .. })));
        assert!(court.chain.spender_in_mempool(&output).is_some(), "it is back: {:?}", court.refused);
    }
    // Only the mempool shows the preimage; the transaction with it is evicted and never confirms.
    let replaced = court.second_stage(ACKED, &[(output, Some(preimage(0)))]);
    court.see(&[&replaced]);
    assert_eq!(court.preimages(), [Some(HtlcId(0))]);
}

// attack 16
#[test]
fn a_conflict_that_only_the_mempool_shows_splits_the_batch_at_once() {
    let mut court = Court::new(CommitmentFormat::Anchors, Htlcs::everywhere(forty()));
    let tx = court.their_commitment(ACKED);
    court.mine_with(&[tx]);
    court.mine_to(EXPIRY);
    assert!(court.resolution.claims.values().any(|c| c.inputs.len() == 40));
    let output = court.output_of((Side::Local, HtlcId(3)));
    let rival = court.second_stage(ACKED, &[(output, Some(preimage(3)))]);
    let out = court.see(&[&rival]);
    let sent = out.iter().filter(|o| matches!(o, Output::Broadcast { .. })).count();
    assert_eq!(sent, 40, "each alone, the contested one too");
    assert!(court.resolution.claims.values().all(|c| c.inputs.len() == 1 || !c.inputs.contains(&output)));
}

#[test]
fn safe_outputs_are_never_in_one_claim_with_what_can_be_contested() {
    for format in FORMATS {
        let mut court = Court::new(format, Htlcs::everywhere(forty()));
        let tx = court.their_commitment(ACKED);
        court.mine_with(&[tx]);
        court.deaf = true;
        court.mine_to(EXPIRY + 1);
        for claim in court.resolution.claims.values() {
            let safe = claim.inputs.iter().filter(|o| court.resolution.outputs[*o].is_safe()).count();
            assert!(safe == 0 || safe == claim.inputs.len());
        }
    }
}

#[test]
fn htlc_transactions_of_one_expiry_share_one_coin_and_are_split_when_one_is_taken() {
    let mut court = Court::new(CommitmentFormat::Anchors, Htlcs::everywhere(forty()));
    court.coins.truncate(1);
    let tx = court.our_commitment();
    court.mine_with(&[tx]);
    court.mine_to(EXPIRY);
    let outputs: Vec<OutPoint> = (0..40).map(|id| court.output_of((Side::Local, HtlcId(id)))).collect();
    let batch =
        court.resolution.claims.values().find(|c| c.inputs.contains(&outputs[0])).expect("claimed").clone();
    assert_eq!((batch.inputs.len(), batch.coins.len()), (40, 1));
    let taken = court.peer_takes(outputs[7], Some(preimage(7)));
    court.mine_with(&[taken]);
    court.mine(2);
    let left: Vec<_> = outputs.iter().filter(|o| court.resolution.outputs[*o].spent.is_none()).collect();
    assert!(left.is_empty(), "{} are left of 39, with one coin: {:?}", left.len(), court.refused);
}
