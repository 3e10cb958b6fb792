//! A network of both kinds of nodes, in small.

use anyhow::{Context as _, Result};
use astrape_interop_ldk::network::{self, Plan};

/// The whole of it is `cargo xtask network`.
#[test]
fn in_a_network_at_random_what_can_arrive_arrives_in_parts_where_no_single_way_carries_it() -> Result<()> {
    let seed = match std::env::var("ASTRAPE_SEED") {
        Ok(seed) => seed.parse().context("ASTRAPE_SEED is no number")?,
        Err(_) => rand::random(),
    };
    println!("seed {seed}: ASTRAPE_SEED repeats its choices, though not the moments of other processes");
    let Some(report) = network::play(&Plan::of(10, 150, seed))? else { return Ok(()) };
    report.is_enough()
}
