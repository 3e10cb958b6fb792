//! Each passes on what two of the other kind pay each other.

use crate::common::{not_paid, paid, paid_by};
use anyhow::{Result, ensure};
use astrape_interop::accounts::number;
use astrape_interop_ldk::{Ended, Kind, Stage};

const CAPACITY_SAT: u64 = 1_000_000;
const PUSH_SAT: u64 = 500_000;

/// What LDK has towards the farther of two of ours: enough for all but one payment.
const LITTLE_SAT: u64 = 200_000;

/// Payments each way.
const PAYMENTS: u64 = 10;

#[test]
fn with_anchors_ours_forwards_between_two_of_theirs() -> Result<()> {
    ours_forwards(Kind::Anchors)
}

#[test]
fn with_static_remotekey_ours_forwards_between_two_of_theirs() -> Result<()> {
    ours_forwards(Kind::StaticRemoteKey)
}

#[test]
fn with_anchors_theirs_forwards_between_two_of_ours() -> Result<()> {
    theirs_forwards(Kind::Anchors)
}

#[test]
fn with_static_remotekey_theirs_forwards_between_two_of_ours() -> Result<()> {
    theirs_forwards(Kind::StaticRemoteKey)
}

fn ours_forwards(kind: Kind) -> Result<()> {
    let Some(stage) = Stage::start(1, 2, kind, &[CAPACITY_SAT + 200_000])? else { return Ok(()) };
    stage.connect(0, 0)?;
    stage.connect(1, 0)?;
    let with_l = stage.ldk_opens(0, 0, CAPACITY_SAT, PUSH_SAT)?;
    let with_m = stage.astrape_opens(0, 1, CAPACITY_SAT, PUSH_SAT)?;
    let (l, m, ours) = (&stage.ldk[0], &stage.ldk[1], &stage.astrape[0]);
    let before = (stage.agree(0, 0, &with_l)?, stage.agree(1, 0, &with_m)?);
    let (mut to_m, mut to_l, mut fees) = (0, 0, 0);
    for number in 1..=PAYMENTS {
        let (amount, back) = (number * 1_234_567, number * 654_321);
        fees += paid_by(l, &m.invoice(amount)?.to_string())?;
        to_m += amount;
        fees += paid_by(m, &l.invoice(back)?.to_string())?;
        to_l += back;
    }
    let ended = l.pay(&m.invoice_to_refuse(5_000_000)?.to_string())?;
    ensure!(matches!(&ended, Ended::Failed { .. }), "{ended:?}");
    let after = (stage.agree(0, 0, &with_l)?, stage.agree(1, 0, &with_m)?);
    ensure!(after.1.1 + to_l + fee_of_m(before.1.1 + to_m, after.1.1 + to_l)? == before.1.1 + to_m);
    ensure!(after.0.0 + after.1.0 == before.0.0 + before.1.0 + fees, "{before:?}, fees {fees}: {after:?}");
    let told = ours.forwards()?;
    let done = told.iter().filter(|forward| forward["failure"].is_null());
    let earned = done.clone().map(|forward| number(forward, "fee_msat")).sum::<Result<u64>>()?;
    ensure!((done.count() as u64, earned) == (2 * PAYMENTS, fees), "{earned} of {fees}: {told:?}");
    println!("{kind:?}: ours earned {fees} msat with {} forwards", 2 * PAYMENTS);
    stage.closes((0, 0, &with_l), |stage| stage.ldk[0].close(&with_l))?;
    stage.closes((1, 0, &with_m), |stage| stage.astrape[0].ask(&["close", &with_m]).map(drop))?;
    Ok(())
}

/// What M paid for its ways: what it had and got, less what it has and gave.
fn fee_of_m(in_all: u64, left: u64) -> Result<u64> {
    ensure!(in_all >= left, "M has more than it got");
    Ok(in_all - left)
}

fn theirs_forwards(kind: Kind) -> Result<()> {
    let Some(stage) = Stage::start(2, 1, kind, &[CAPACITY_SAT + 200_000])? else { return Ok(()) };
    stage.connect(0, 0)?;
    stage.connect(0, 1)?;
    let with_a = stage.astrape_opens(0, 0, CAPACITY_SAT, PUSH_SAT)?;
    let with_b = stage.ldk_opens(0, 1, CAPACITY_SAT, CAPACITY_SAT - LITTLE_SAT)?;
    let (a, b, theirs) = (&stage.astrape[0], &stage.astrape[1], &stage.ldk[0]);
    let before = (stage.agree(0, 0, &with_a)?, stage.agree(0, 1, &with_b)?);
    let (mut to_b, mut to_a, mut fees_of_a, mut fees_of_b) = (0, 0, 0, 0);
    for number in 1..=PAYMENTS {
        let (amount, back) = (number * 1_234_567, number * 654_321);
        fees_of_a += paid(a, &b.invoice(&format!("{amount}msat"), "forth")?)?;
        to_b += amount;
        fees_of_b += paid(b, &a.invoice(&format!("{back}msat"), "back")?)?;
        to_a += back;
    }
    // More than LDK has towards B, and less than A has towards LDK: LDK answers with a failure of its own.
    let reason = not_paid(a, &b.invoice(&format!("{}sat", LITTLE_SAT + 50_000), "too much")?)?;
    let after = (stage.agree(0, 0, &with_a)?, stage.agree(0, 1, &with_b)?);
    ensure!(after.0.0 + to_b + fees_of_a == before.0.0 + to_a, "A: {before:?}, {after:?}");
    ensure!(after.1.0 + to_a + fees_of_b == before.1.0 + to_b, "B: {before:?}, {after:?}");
    let earned: u64 = theirs.seen().forwarded.iter().map(|forward| forward.fee_msat).sum();
    ensure!(earned == fees_of_a + fees_of_b, "theirs earned {earned}, ours paid {fees_of_a} + {fees_of_b}");
    println!("{kind:?}: theirs earned {earned} msat with {} forwards; then: {reason}", 2 * PAYMENTS);
    stage.closes((0, 0, &with_a), |stage| stage.astrape[0].ask(&["close", &with_a]).map(drop))?;
    stage.closes((0, 1, &with_b), |stage| stage.ldk[0].close(&with_b))?;
    Ok(())
}
