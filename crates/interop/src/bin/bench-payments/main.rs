//! Payments per second, latency, CPU time and signatures per payment, between processes over loopback, with SQLite that syncs.
//!
//! `cargo xtask bench` builds all in release and runs this beside a real bitcoind; `benches/README.md` keeps the figures.
//!
//! | room | what is in it |
//! |---|---|
//! | [`nodes`] | the nodes that are measured, ours or others', behind one face |
//! | [`figures`] | what a load cost, as a row |
//! | [`compare`] | loads one after the other, on one kind of node or on two by turns |
//! | [`held`] | a payment beside HTLCs that are held |
//! | [`long`] | a long run: whether its end is as its begin |
//! | [`machine`] | what it was measured on |

mod compare;
mod figures;
mod held;
mod long;
mod machine;
mod nodes;

use anyhow::Result;
use clap::Parser;

#[derive(Parser)]
#[command(about = "Benchmark of payments between processes")]
struct Arguments {
    /// Seconds for each figure
    #[arg(long, default_value = "10")]
    seconds: u64,
    /// Of each payment
    #[arg(long, default_value = "1000")]
    amount_sat: u64,
    /// Payments under way at a time
    #[arg(long, value_delimiter = ',', default_value = "1,16,64,200,483")]
    in_flight: Vec<usize>,
    /// Nodes between payer and payee
    #[arg(long, value_delimiter = ',', default_value = "0,1")]
    hops: Vec<usize>,
    /// Instead, so many payments in one long run: its first 10,000 beside its last
    #[arg(long, conflicts_with = "held")]
    payments: Option<u64>,
    /// Instead, one payment at a time beside so many HTLCs that are held, at most 482
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=482))]
    held: Option<u16>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if cfg!(debug_assertions) {
        println!("This is a debug build: its figures say nothing. Use `cargo xtask bench`.");
    }
    println!("{}\n", machine::describe()?);
    if let Some(payments) = arguments.payments {
        return long::run(&arguments, payments);
    }
    match arguments.held {
        Some(held) => held::run(&arguments, held.into()),
        None => compare::run(&arguments),
    }
}
