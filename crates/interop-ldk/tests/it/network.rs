//! A small network of processes and an LDK node: what an exact oracle says can arrive does, also where no single way carries it.
//!
//! `cargo xtask network` plays larger ones, where more than 99.5 % must arrive.

use anyhow::{Result, ensure};
use astrape_interop_ldk::network::{Plan, play};

/// Of the payments of ours that could arrive, so many may not: which parts get which balance first is chance, and one of so few is
/// no measure.
const MAX_MISSED: u32 = 1;

#[test]
fn in_a_small_network_arrives_what_an_oracle_says_that_it_can() -> Result<()> {
    let Some(report) = play(&Plan::of(6, 40, 1))? else { return Ok(()) };
    let ours = &report.ours;
    ensure!(ours.possible > 20 && ours.arrived + MAX_MISSED >= ours.possible, "{report}");
    ensure!(
        ours.in_parts > 0 && report.theirs.arrived > 0,
        "nothing was hard, or theirs paid nothing: {report}"
    );
    Ok(())
}
