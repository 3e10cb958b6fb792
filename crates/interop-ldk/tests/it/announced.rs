//! A channel with LDK that the network is told of.

use anyhow::{Result, ensure};
use astrape_interop::wait;
use astrape_interop_ldk::ldk::FEE_BASE_MSAT;
use astrape_interop_ldk::{Kind, Stage};
use std::time::Duration;

/// A channel's capacity, and what the other has of it at first.
const CAPACITY_SAT: u64 = 2_000_000;
const PUSH_SAT: u64 = 900_000;

/// The LDK beside us keeps no gossip and says so by its features: it tells its own terms to us alone, before the channel is
/// announced, and does not tell again. They reach the graph all the same once the channel is known.
#[test]
fn a_channel_with_ldk_is_announced_with_the_signatures_of_both_and_the_terms_of_both() -> Result<()> {
    let Some(stage) = Stage::start(1, 1, Kind::Anchors, &[CAPACITY_SAT + 200_000])? else { return Ok(()) };
    stage.connect(0, 0)?;
    let channel = stage.astrape_opens_announced(0, 0, CAPACITY_SAT, PUSH_SAT)?;
    stage.bitcoind.mine(6)?;
    stage.wait_for_height()?;
    let ours = &stage.astrape[0];
    let details = stage.ldk[0].channel(&channel)?;
    ensure!(details.is_announced, "LDK agrees to announce it");
    wait::until("the channel to be announced", Duration::from_secs(60), || {
        let graph = ours.ask(&["graph"])?;
        Ok((graph["channels"] == 1 && graph["updates"] == 2).then_some(()))
    })?;
    let id =
        details.short_channel_id.map(|id| format!("{}x{}x{}", id >> 40, id >> 16 & 0xff_ffff, id & 0xffff));
    let shown = ours.ask(&["graph", "channel", &id.unwrap_or_default()])?["channel"].clone();
    ensure!(shown["capacity_sat"] == CAPACITY_SAT, "{shown}");
    let theirs = if shown["node_1"] == stage.ldk[0].id().to_string() { "from_1" } else { "from_2" };
    for end in ["from_1", "from_2"] {
        let base_msat = if end == theirs { FEE_BASE_MSAT } else { 1_000 };
        ensure!(shown[end]["fee_base_msat"] == base_msat, "{end}: {shown}");
    }
    Ok(())
}
