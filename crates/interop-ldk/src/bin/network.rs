//! The network whole: so many nodes as one likes, and payments among them.
//!
//! `cargo xtask network` builds all in release and runs this beside a real bitcoind; `docs/robustness.md` keeps the figures.

use anyhow::{Result, bail};
use astrape_interop_ldk::network::{self, Plan};
use clap::Parser;

#[derive(Parser)]
#[command(about = "Payments at random in a network of processes and LDK nodes")]
struct Arguments {
    /// Nodes in all; a fifth of them is made of LDK
    #[arg(long, default_value = "30")]
    nodes: usize,
    /// Channels between them; twice as many as nodes otherwise
    #[arg(long)]
    channels: Option<usize>,
    /// Payments
    #[arg(long, default_value = "2000")]
    payments: u32,
    /// Repeats the network and the choices, though not the moments of other processes; random otherwise
    #[arg(long)]
    seed: Option<u64>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let seed = arguments.seed.unwrap_or_else(rand::random);
    println!("seed {seed}");
    let plan = Plan::of(arguments.nodes, arguments.payments, seed);
    let plan = Plan { channels: arguments.channels.unwrap_or(plan.channels), ..plan };
    let Some(report) = network::play(&plan)? else { bail!("a network needs a bitcoind") };
    report.is_enough()
}
