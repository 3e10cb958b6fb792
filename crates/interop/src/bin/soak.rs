//! The soak: payments at full speed among three processes with cut sockets and kill -9, for as long as one likes.
//!
//! `cargo xtask soak` builds all in release and runs this beside a real bitcoind; `docs/robustness.md` keeps the figures.

use anyhow::{Result, bail};
use astrape_interop::soak::{self, Plan};
use clap::Parser;
use std::time::Duration;

#[derive(Parser)]
#[command(about = "Payments among three processes that are cut and killed")]
struct Arguments {
    /// For how long
    #[arg(long, default_value = "600")]
    seconds: u64,
    /// Repeats the choices, though not the moments of other processes; random otherwise
    #[arg(long)]
    seed: Option<u64>,
    /// Payments under way at a time, each way
    #[arg(long, default_value = "16")]
    in_flight: usize,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let seed = arguments.seed.unwrap_or_else(rand::random);
    println!("seed {seed}");
    let plan = Plan { time: Duration::from_secs(arguments.seconds), in_flight: arguments.in_flight, seed };
    let Some(report) = soak::play(&plan)? else { bail!("a soak needs a bitcoind") };
    println!("nothing was lost, paid twice or closed: {} payments ended", report.ended());
    Ok(())
}
