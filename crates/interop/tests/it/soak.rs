//! The soak, for a short while.

use anyhow::{Context as _, Result, ensure};
use astrape_interop::soak::{self, Plan};
use std::time::Duration;

#[test]
fn nothing_is_lost_or_closed_when_all_sockets_are_cut_and_all_nodes_killed_at_full_speed() -> Result<()> {
    let seed = match std::env::var("ASTRAPE_SEED") {
        Ok(seed) => seed.parse().context("ASTRAPE_SEED is no number")?,
        Err(_) => rand::random(),
    };
    println!("seed {seed}: ASTRAPE_SEED repeats its choices, though not the moments of other processes");
    let plan = Plan { time: Duration::from_secs(30), in_flight: 8, seed };
    let Some(report) = soak::play(&plan)? else { return Ok(()) };
    ensure!(report.kills() >= 1 && report.cuts >= 2, "there was no trouble: {report}");
    Ok(())
}
