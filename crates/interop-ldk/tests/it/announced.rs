//! A channel with LDK that the network is told of.

use anyhow::{Result, ensure};
use astrape_interop::wait;
use astrape_interop_ldk::{Kind, Stage};
use std::time::Duration;

/// A channel's capacity, and what the other has of it at first.
const CAPACITY_SAT: u64 = 2_000_000;
const PUSH_SAT: u64 = 900_000;

#[test]
fn a_channel_with_ldk_is_announced_and_both_ends_tell_their_terms() -> Result<()> {
    let Some(stage) = Stage::start(1, 1, Kind::Anchors, &[CAPACITY_SAT + 200_000])? else { return Ok(()) };
    stage.connect(0, 0)?;
    let channel = stage.astrape_opens_announced(0, 0, CAPACITY_SAT, PUSH_SAT)?;
    stage.bitcoind.mine(6)?;
    stage.wait_for_height()?;
    let ours = &stage.astrape[0];
    let details = stage.ldk[0].channel(&channel)?;
    ensure!(details.is_announced, "LDK agrees to announce it");
    wait::until("both ends to have told their terms", Duration::from_secs(60), || {
        let graph = ours.ask(&["graph"])?;
        Ok((graph["channels"] == 1 && graph["updates"] == 2).then_some(()))
    })?;
    let id =
        details.short_channel_id.map(|id| format!("{}x{}x{}", id >> 40, id >> 16 & 0xff_ffff, id & 0xffff));
    let shown = ours.ask(&["graph", "channel", &id.unwrap_or_default()])?["channel"].clone();
    ensure!(shown["capacity_sat"] == CAPACITY_SAT, "{shown}");
    let fees: Vec<u64> =
        ["from_1", "from_2"].iter().filter_map(|end| shown[end]["fee_base_msat"].as_u64()).collect();
    // What LDK is configured to ask, beside our own.
    ensure!(fees.contains(&1_500), "{shown}");
    Ok(())
}
