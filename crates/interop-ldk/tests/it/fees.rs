//! The opener changes the feerate of the commitments, with and without HTLCs in flight.

use crate::common::{paid, paid_by};
use anyhow::Result;
use astrape_interop::line::SOON;
use astrape_interop::wait;
use astrape_interop_ldk::stage::feerate;
use astrape_interop_ldk::{Kind, Stage};

const CAPACITY_SAT: u64 = 1_000_000;
const PUSH_SAT: u64 = 500_000;

/// What LDK thinks right, one after the other, in satoshi per 1000 weight units. It follows downwards only by half at least.
const FEERATES: [u32; 4] = [2_500, 5_000, 1_300, 650];

/// What ours is told to think right, over a restart.
const OUR_FEERATES: [u32; 2] = [2_400, 1_500];

#[test]
fn with_anchors_theirs_changes_the_feerate() -> Result<()> {
    theirs_changes(Kind::Anchors)
}

#[test]
fn with_static_remotekey_theirs_changes_the_feerate() -> Result<()> {
    theirs_changes(Kind::StaticRemoteKey)
}

#[test]
fn with_anchors_ours_changes_the_feerate() -> Result<()> {
    ours_changes(Kind::Anchors)
}

#[test]
fn with_static_remotekey_ours_changes_the_feerate() -> Result<()> {
    ours_changes(Kind::StaticRemoteKey)
}

fn theirs_changes(kind: Kind) -> Result<()> {
    let Some(stage) = Stage::start(1, 1, kind, &[100_000])? else { return Ok(()) };
    stage.connect(0, 0)?;
    let channel = stage.ldk_opens(0, 0, CAPACITY_SAT, PUSH_SAT)?;
    for per_kw in FEERATES {
        // In the middle of a payment, when LDK is as fast as that.
        let invoice = stage.astrape[0].invoice("5000sat", "fees")?;
        let hash = stage.ldk[0].begin_to_pay(&invoice)?;
        stage.ldk[0].set_feerate(per_kw);
        stage.ldk[0].end_of(hash)?;
        has_feerate(&stage, &channel, per_kw)?;
        paid(&stage.astrape[0], &stage.ldk[0].invoice(5_000_000)?.to_string())?;
        paid_by(&stage.ldk[0], &stage.astrape[0].invoice("150sat", "dust")?)?;
        stage.agree(0, 0, &channel)?;
    }
    stage.closes((0, 0, &channel), |stage| stage.astrape[0].ask(&["close", &channel]).map(drop))?;
    Ok(())
}

fn ours_changes(kind: Kind) -> Result<()> {
    let Some(mut stage) = Stage::start(1, 1, kind, &[CAPACITY_SAT + 200_000])? else { return Ok(()) };
    stage.connect(0, 0)?;
    let channel = stage.astrape_opens(0, 0, CAPACITY_SAT, PUSH_SAT)?;
    for per_kw in OUR_FEERATES {
        stage.astrape[0].kill()?;
        let file = stage.astrape[0].data_dir().join("astrape.toml");
        std::fs::write(file, format!("dev-estimate-perkw = {per_kw}\n"))?;
        stage.astrape[0].start()?;
        has_feerate(&stage, &channel, per_kw)?;
        paid(&stage.astrape[0], &stage.ldk[0].invoice(5_000_000)?.to_string())?;
        paid_by(&stage.ldk[0], &stage.astrape[0].invoice("150sat", "dust")?)?;
        stage.agree(0, 0, &channel)?;
    }
    stage.closes((0, 0, &channel), |stage| stage.astrape[0].ask(&["close", &channel]).map(drop))?;
    Ok(())
}

/// Waits until both say that the commitments have a feerate.
fn has_feerate(stage: &Stage, channel: &str, per_kw: u32) -> Result<()> {
    wait::until(&format!("a feerate of {per_kw}"), SOON, || {
        let theirs = stage.ldk[0].channel(channel)?.feerate_sat_per_1000_weight;
        let ours = feerate(&stage.astrape[0], channel)?;
        Ok((theirs == Some(per_kw) && ours == u64::from(per_kw)).then_some(()))
    })?;
    stage.wait_for_rest(0, 0, channel)
}
