//! A machine of ours is lost with its database, and LDK has a channel with it: with the words of the seed alone ours gets its part.

use anyhow::{Context as _, Result, ensure};
use astrape_interop::wait;
use astrape_interop_ldk::{Kind, Stage};
use std::fs;
use std::path::Path;
use std::time::Duration;

const CAPACITY_SAT: u64 = 1_000_000;
const OURS_SAT: u64 = 400_000;

/// How long LDK may take to go on chain.
const SOON: Duration = Duration::from_secs(60);

#[test]
fn with_anchors_our_part_of_a_channel_comes_home_by_the_seed_alone() -> Result<()> {
    comes_home(Kind::Anchors)
}

#[test]
fn with_static_remotekey_our_part_of_a_channel_comes_home_by_the_seed_alone() -> Result<()> {
    comes_home(Kind::StaticRemoteKey)
}

fn comes_home(kind: Kind) -> Result<()> {
    let Some(mut stage) = Stage::start(1, 1, kind, &[])? else { return Ok(()) };
    stage.connect(0, 0)?;
    let channel = stage.ldk_opens(0, 0, CAPACITY_SAT, OURS_SAT)?;
    ensure!(stage.agree(0, 0, &channel)?.0 == OURS_SAT * 1_000);
    let funding = stage.ldk[0].channel(&channel)?.funding_txo.context("no funding")?.into_bitcoin_outpoint();
    stage.astrape[0].kill()?;
    lose_all_but_the_seed(stage.astrape[0].data_dir())?;
    stage.astrape[0].start()?;
    // It calls, says what it knows of the channel, and hears that we know nothing.
    stage.connect(0, 0)?;
    stage.ldk[0].wait("to go on chain", SOON, || stage.spender(funding))?;
    stage.bitcoind.mine(6)?;
    stage.wait_for_height()?;
    let done = stage.astrape[0].ask(&["recover", "--feerate-perkw", "1000"])?;
    let found = &done["outputs"];
    ensure!(found.as_array().is_some_and(|found| found.len() == 1), "{done:#}");
    ensure!(found[0]["amount_sat"] == OURS_SAT && done["sweeps"][0]["refused"].is_null(), "{done:#}");
    let brings = done["sweeps"][0]["amount_sat"].as_u64().context("no amount")?;
    ensure!(brings > OURS_SAT - 1_000, "{done:#}");
    stage.bitcoind.mine(1)?;
    stage.wait_for_height()?;
    // A block's coins are told a moment after the block.
    wait::until("the sweep to be counted", SOON, || {
        Ok((stage.astrape[0].ask(&["balance"])?["confirmed_sat"] == brings).then_some(()))
    })?;
    let again = stage.astrape[0].ask(&["recover"])?;
    ensure!(again["outputs"].as_array().is_some_and(Vec::is_empty), "{again:#}");
    Ok(())
}

fn lose_all_but_the_seed(directory: &Path) -> Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name() == "seed" {
            continue;
        }
        let path = entry.path();
        if path.is_dir() { fs::remove_dir_all(path)? } else { fs::remove_file(path)? }
    }
    ensure!(directory.join("seed").exists(), "the seed is elsewhere");
    Ok(())
}
