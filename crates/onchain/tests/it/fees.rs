//! Fees: congestion, budgets, many outputs at once.

use crate::kit::{ACKED, Court, EXPIRY, Htlcs, REVOKED, htlc};
use astrape_onchain::Story;
use astrape_primitives::{FeeratePerKw, Feerates, HtlcId, Side};
use astrape_transactions::{CommitmentFormat, CommittedHtlc};
use std::time::Duration;

fn one(upstream: u32) -> Court {
    let htlcs = vec![htlc(Side::Local, 0, 200_000, 1, EXPIRY)];
    let mut court = Court::new(CommitmentFormat::Anchors, Htlcs::everywhere(htlcs));
    court.upstream(0, upstream);
    let tx = court.their_commitment(ACKED);
    court.mine_with(&[tx]);
    court.mine(1);
    court.mine_to(EXPIRY);
    court
}

/// Fee and feerate of the claim of an HTLC of ours, as the mempool has it.
fn in_mempool(court: &Court) -> Option<(u64, u64)> {
    let output = court.output_of((Side::Local, HtlcId(0)));
    let tx = court.chain.spender_in_mempool(&output)?;
    let (fee, vsize) = court.chain.mempool_fee(&tx.compute_txid())?;
    Some((fee.0, fee.0 * 1_000 / (vsize * 4)))
}

// attack 13
// attack 35
#[test]
fn a_claim_gets_through_a_mempool_at_many_times_the_estimate_before_the_deadline() {
    let mut court = one(EXPIRY + 80);
    // Blocks are full of what pays 40,000 sat/kw, and the estimator never learns of it.
    let congested = 40_000;
    let mut paid = Vec::new();
    let mut confirmed_at = None;
    for height in EXPIRY + 1..EXPIRY + 80 {
        match in_mempool(&court) {
            Some((_, feerate)) if feerate >= congested => {
                court.mine(1);
                confirmed_at = Some(height);
                break;
            }
            Some((fee, feerate)) => {
                paid.push((fee, feerate));
                court.mine_with(&[]);
            }
            None => panic!("it is always in the mempool: {:?}", court.refused),
        }
    }
    court.assert_none_refused();
    assert!(paid.windows(2).all(|w| w[1].0 >= w[0].0 && w[1].1 >= w[0].1), "never lower: {paid:?}");
    let deadline = EXPIRY + 80 - 12;
    assert!(confirmed_at.is_some_and(|at| at < deadline), "{confirmed_at:?} of {deadline}");
}

// attack 37
#[test]
fn the_fee_never_goes_beyond_the_budget_however_often_it_is_replaced() {
    let mut court = one(EXPIRY + 40);
    let mut last = 0;
    for _ in 0..60 {
        court.mine_with(&[]);
        last = in_mempool(&court).expect("it waits").0;
        assert!(last <= 100_000, "half of 200,000: {last}");
    }
    assert!(last > 95_000, "and at the deadline it is spent: {last}");
    court.assert_none_refused();
}

#[test]
fn estimates_that_fall_lower_no_claim() {
    let mut court = one(EXPIRY + 80);
    court.feerates = Feerates::flat(FeeratePerKw(9_000));
    court.mine_with(&[]);
    let high = in_mempool(&court).expect("it waits");
    court.feerates = Feerates::flat(FeeratePerKw(253));
    court.mine_with(&[]);
    assert_eq!(in_mempool(&court), Some(high));
}

/// CPU time of this thread: what others do on the machine counts less than by the clock on the wall.
fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).expect("below a second"))
}

// attack 33
// attack 46
#[expect(clippy::disallowed_macros, reason = "time is what is measured")]
#[test]
fn ten_thousand_outputs_are_planned_in_seconds() {
    let (mut outputs, mut claims) = (0, 0);
    // Two hundred channels of fifty HTLCs each: signing and checking is most of it.
    let htlcs: Vec<CommittedHtlc> = (0..50)
        .map(|id| htlc(Side::Local, id, 20_000 + id, u8::try_from(id).expect("small"), EXPIRY))
        .collect();
    let mut court = Court::new(CommitmentFormat::Anchors, Htlcs::everywhere(htlcs));
    let tx = court.their_commitment(ACKED);
    court.mine_with(&[tx]);
    court.mine_to(EXPIRY - 1);
    let view = astrape_onchain::View {
        secp: &court.secp,
        tip: astrape_primitives::Height(EXPIRY),
        feerates: court.feerates,
        closing_depth: 6,
        coins: &[],
        evidence: &court.evidence,
        nights: &court.nights,
        waiting: astrape_onchain::Waiting::default(),
    };
    let begun = cpu();
    for _ in 0..200 {
        let (next, _) = court.resolution.handle(astrape_onchain::Event::Block, &view);
        outputs += next.outputs.len();
        claims += next.claims.len();
    }
    let took = cpu() - begun;
    assert!(outputs >= 10_000 && claims >= 200);
    println!("{outputs} outputs of 200 channels planned as {claims} claims in {took:?}");
    assert!(took.as_secs() < 5, "{outputs} outputs took {took:?}");
}

#[test]
fn a_penalty_with_time_pays_the_estimate_and_without_pays_what_it_takes() {
    let mut court = Court::new(CommitmentFormat::Anchors, Htlcs::default());
    let tx = court.their_commitment(REVOKED);
    court.mine_with(&[tx]);
    let fees = |court: &Court| -> Vec<u64> {
        court
            .stories()
            .iter()
            .filter_map(|s| match s {
                Story::Claiming { fee, deadline: Some(_), .. } => Some(fee.0),
                _ => None,
            })
            .collect()
    };
    court.mine_with(&[]);
    let first = fees(&court).first().copied().expect("a penalty");
    assert!(first < 1_000, "{first}");
    for _ in 0..18 {
        court.mine_with(&[]);
    }
    let last = fees(&court).last().copied().expect("a penalty");
    assert!(last > 1_000_000 && last <= 1_500_000, "half of what the peer would take: {last}");
}
