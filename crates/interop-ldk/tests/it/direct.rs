//! One channel, opened and closed by either side, and payments both ways.

use crate::common::paid;
use anyhow::{Context as _, Result, ensure};
use astrape_interop_ldk::{Ended, Kind, Ldk, Stage};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use std::time::Instant;

/// Payments each way.
const PAYMENTS: u32 = 100;

/// Payments of theirs that are begun at once, and of ours meanwhile, one after the other.
const BURST: u64 = 250;
const BACK: u64 = 10;

/// A channel's capacity, and what the one who did not open it has of it at first.
const CAPACITY_SAT: u64 = 2_000_000;
const PUSH_SAT: u64 = 900_000;

#[test]
fn with_anchors_ours_opens_both_pay_a_hundred_times_and_ours_closes() -> Result<()> {
    opened_by_ours(Kind::Anchors)
}

#[test]
fn with_static_remotekey_ours_opens_both_pay_a_hundred_times_and_ours_closes() -> Result<()> {
    opened_by_ours(Kind::StaticRemoteKey)
}

#[test]
fn with_anchors_theirs_opens_both_pay_a_hundred_times_and_theirs_closes() -> Result<()> {
    opened_by_theirs(Kind::Anchors)
}

#[test]
fn with_static_remotekey_theirs_opens_both_pay_a_hundred_times_and_theirs_closes() -> Result<()> {
    opened_by_theirs(Kind::StaticRemoteKey)
}

#[test]
fn with_anchors_hundreds_of_payments_are_in_flight_at_once() -> Result<()> {
    burst(Kind::Anchors)
}

#[test]
fn with_static_remotekey_hundreds_of_payments_are_in_flight_at_once() -> Result<()> {
    burst(Kind::StaticRemoteKey)
}

/// Has theirs pay as often at once as it can, above and below dust, while ours pays too.
fn burst(kind: Kind) -> Result<()> {
    let Some(stage) = Stage::start(1, 1, kind, &[])? else { return Ok(()) };
    stage.connect(0, 0)?;
    let channel = stage.ldk_opens(0, 0, 10 * CAPACITY_SAT, 5 * CAPACITY_SAT)?;
    let before = stage.agree(0, 0, &channel)?;
    let (ours, theirs) = (&stage.astrape[0], &stage.ldk[0]);
    let amounts: Vec<u64> = (1..=BURST).map(|number| number * 21_000).collect();
    let invoices = amounts
        .iter()
        .map(|msat| ours.invoice(&format!("{msat}msat"), "burst"))
        .collect::<Result<Vec<_>>>()?;
    let back: Vec<String> =
        (1..=BACK).map(|number| Ok(theirs.invoice(number * 100_000)?.to_string())).collect::<Result<_>>()?;
    let began = Instant::now();
    let begun = invoices.iter().map(|invoice| theirs.begin_to_pay(invoice)).collect::<Result<Vec<_>>>()?;
    for invoice in &back {
        paid(ours, invoice)?;
    }
    let mut to_ours = 0;
    for (hash, amount) in begun.iter().zip(&amounts) {
        let ended = theirs.end_of(*hash)?;
        ensure!(ended == Ended::Paid { fee_msat: 0 }, "{ended:?}\n{}", theirs.log_end());
        to_ours += amount;
    }
    let took = began.elapsed();
    let to_theirs: u64 = (1..=BACK).map(|number| number * 100_000).sum();
    let after = stage.agree(0, 0, &channel)?;
    ensure!(after.0 + to_theirs == before.0 + to_ours, "{before:?} + {to_ours} - {to_theirs}: {after:?}");
    println!(
        "{kind:?}: {BURST} payments of theirs at once beside {BACK} of ours in {:.1} s",
        took.as_secs_f64()
    );
    stage.closes((0, 0, &channel), |stage| stage.astrape[0].ask(&["close", &channel]).map(drop))?;
    Ok(())
}

fn opened_by_ours(kind: Kind) -> Result<()> {
    let Some(stage) = Stage::start(1, 1, kind, &[CAPACITY_SAT + 200_000, 100_000])? else { return Ok(()) };
    stage.connect(0, 0)?;
    let channel = stage.astrape_opens(0, 0, CAPACITY_SAT, PUSH_SAT)?;
    is_of_kind(&stage.ldk[0], &channel, kind)?;
    pay_both_ways(&stage, &channel, 1)?;
    let fee = stage.closes((0, 0, &channel), |stage| stage.astrape[0].ask(&["close", &channel]).map(drop))?;
    println!("{kind:?}: closed by ours for {fee} sat");
    Ok(())
}

fn opened_by_theirs(kind: Kind) -> Result<()> {
    let Some(stage) = Stage::start(1, 1, kind, &[100_000])? else { return Ok(()) };
    stage.connect(0, 0)?;
    let channel = stage.ldk_opens(0, 0, CAPACITY_SAT, PUSH_SAT)?;
    is_of_kind(&stage.ldk[0], &channel, kind)?;
    pay_both_ways(&stage, &channel, 2)?;
    let fee = stage.closes((0, 0, &channel), |stage| stage.ldk[0].close(&channel))?;
    println!("{kind:?}: closed by theirs for {fee} sat");
    Ok(())
}

/// Holds that the channel has the commitments that this test is about.
fn is_of_kind(ldk: &Ldk, channel: &str, kind: Kind) -> Result<()> {
    let features = ldk.channel(channel)?.channel_type.context("no type")?;
    let has_anchors = features.supports_anchors_zero_fee_htlc_tx();
    ensure!(features.supports_static_remote_key() && has_anchors == (kind == Kind::Anchors), "{features}");
    Ok(())
}

/// Pays in turn, above and below dust, and holds that both say what was paid.
fn pay_both_ways(stage: &Stage, channel: &str, seed: u64) -> Result<()> {
    let (ours, theirs) = (&stage.astrape[0], &stage.ldk[0]);
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let before = stage.agree(0, 0, channel)?;
    let (mut to_theirs, mut to_ours) = (0, 0);
    for _ in 0..PAYMENTS {
        let amount = random.gen_range(1_000..4_000_000);
        let invoice = theirs.invoice(amount)?;
        paid(ours, &invoice.to_string())?;
        to_theirs += amount;

        let amount = random.gen_range(1_000..4_000_000);
        let invoice = ours.invoice(&format!("{amount}msat"), "interop")?;
        let ended = theirs.pay(&invoice)?;
        ensure!(ended == Ended::Paid { fee_msat: 0 }, "{ended:?}\n{}", theirs.log_end());
        to_ours += amount;
    }
    let after = stage.agree(0, 0, channel)?;
    let expected = (before.0 + to_ours - to_theirs, before.1 + to_theirs - to_ours);
    ensure!(after == expected, "{before:?} + {to_ours} - {to_theirs} should be {expected:?}, is {after:?}");
    let seen = theirs.seen();
    ensure!(seen.claimed.values().sum::<u64>() == to_theirs && seen.twice.is_empty(), "{seen:?}");
    Ok(())
}
