//! A small network of processes and an LDK node: what an exact oracle says can arrive does, also where no single way carries it.
//!
//! `cargo xtask network` plays larger ones, where more than 99.5 % must arrive.

use anyhow::{Result, ensure};
use astrape_interop_ldk::network::{Plan, play};

/// Of the payments of ours that could arrive, so many may need a second try: which parts get which balance first is chance, and
/// few of so few are no measure. With what was learnt at the first the second must arrive.
const MAX_AGAIN: u32 = 3;

#[test]
fn in_a_small_network_arrives_what_an_oracle_says_that_it_can() -> Result<()> {
    let Some(report) = play(&Plan::of(6, 40, 1))? else { return Ok(()) };
    let ours = &report.ours;
    ensure!(ours.possible > 20 && ours.arrived + MAX_AGAIN >= ours.possible, "{report}");
    ensure!(ours.arrived + ours.arrived_later == ours.possible, "a second try has not arrived: {report}");
    ensure!(
        ours.in_parts > 0 && report.theirs.arrived > 0,
        "nothing was hard, or theirs paid nothing: {report}"
    );
    Ok(())
}
