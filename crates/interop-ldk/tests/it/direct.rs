//! One channel, opened and closed by either side, and payments both ways.

use anyhow::{Context as _, Result, ensure};
use astrape_interop::Cli;
use astrape_interop::accounts::text;
use astrape_interop_ldk::{Ended, Kind, Ldk, Stage};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// Payments each way.
const PAYMENTS: u32 = 100;

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
        ensure!(pays(ours, &invoice.to_string())? == "succeeded", "ours did not pay");
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

/// How a payment of ours ends.
fn pays(ours: &Cli, invoice: &str) -> Result<String> {
    text(&ours.ask(&["pay", invoice])?, "state")
}
