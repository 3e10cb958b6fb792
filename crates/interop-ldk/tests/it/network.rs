//! A small network of processes and an LDK node: what an exact oracle says can arrive does, also where no single way carries it.
//!
//! `cargo xtask network` plays larger ones.

use anyhow::Result;
use astrape_interop_ldk::network::{Plan, play};

#[test]
fn in_a_small_network_arrives_what_an_oracle_says_that_it_can() -> Result<()> {
    match play(&Plan::of(6, 40, 1))? {
        Some(report) => report.is_enough(),
        None => Ok(()),
    }
}
