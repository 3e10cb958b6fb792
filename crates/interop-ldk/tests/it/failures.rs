//! HTLCs that the recipient does not want, in both directions: the payer learns it, and nothing moves.

use crate::common::{is_refused, not_paid, paid, paid_by};
use anyhow::{Result, ensure};
use astrape_interop_ldk::{Kind, Stage};

const CAPACITY_SAT: u64 = 1_000_000;
const PUSH_SAT: u64 = 500_000;

/// What is paid for, above dust, and below.
const AMOUNTS_MSAT: [u64; 2] = [25_000_000, 150_000];

#[test]
fn with_anchors_what_the_recipient_refuses_comes_back() -> Result<()> {
    refused(Kind::Anchors)
}

#[test]
fn with_static_remotekey_what_the_recipient_refuses_comes_back() -> Result<()> {
    refused(Kind::StaticRemoteKey)
}

fn refused(kind: Kind) -> Result<()> {
    let Some(stage) = Stage::start(1, 1, kind, &[CAPACITY_SAT + 200_000])? else { return Ok(()) };
    stage.connect(0, 0)?;
    let channel = stage.astrape_opens(0, 0, CAPACITY_SAT, PUSH_SAT)?;
    let before = stage.agree(0, 0, &channel)?;
    for amount in AMOUNTS_MSAT {
        theirs_is_refused(&stage, amount)?;
        ours_is_refused(&stage, amount)?;
        ensure!(stage.agree(0, 0, &channel)? == before, "something moved");
    }
    // What failed can still be paid, and the channel is as good as ever.
    let (ours, theirs) = (&stage.astrape[0], &stage.ldk[0]);
    let invoice = ours.invoice("10000sat", "second try")?;
    is_refused(&theirs.pay_otherwise(&invoice, None, 4_000_000)?)?;
    paid_by(theirs, &invoice)?;
    paid(ours, &theirs.invoice(3_000_000)?.to_string())?;
    let after = stage.agree(0, 0, &channel)?;
    ensure!(after == (before.0 + 7_000_000, before.1 - 7_000_000), "{before:?}, then {after:?}");
    stage.closes((0, 0, &channel), |stage| stage.ldk[0].close(&channel))?;
    Ok(())
}

/// Payments of theirs that ours does not want.
fn theirs_is_refused(stage: &Stage, amount: u64) -> Result<()> {
    let (ours, theirs) = (&stage.astrape[0], &stage.ldk[0]);
    let invoice = ours.invoice(&format!("{amount}msat"), "refused")?;
    is_refused(&theirs.pay_otherwise(&invoice, Some(rand::random()), amount)?)?;
    is_refused(&theirs.pay_otherwise(&invoice, None, amount - 1)?)?;
    is_refused(&theirs.pay_otherwise(&invoice, None, amount * 2 + 1)?)
}

/// Payments of ours that theirs does not want.
fn ours_is_refused(stage: &Stage, amount: u64) -> Result<()> {
    let (ours, theirs) = (&stage.astrape[0], &stage.ldk[0]);
    for invoice in [
        theirs.unknown_invoice(amount)?,
        theirs.invoice_for_too_little(amount)?,
        theirs.invoice_to_refuse(amount)?,
    ] {
        let reason = not_paid(ours, &invoice.to_string())?;
        ensure!(reason.contains("recipient"), "{reason}");
    }
    ensure!(!theirs.seen().refused.is_empty(), "it was never offered the last of them");
    Ok(())
}
