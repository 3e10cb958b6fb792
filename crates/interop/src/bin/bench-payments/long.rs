//! A long run on one channel: whether its last payments cost what its first did.

use crate::Arguments;
use crate::figures::Figures;
use crate::nodes::Nodes;
use anyhow::{Context as _, Result};
use astrape_interop::load::{Load, Until};

/// Payments of one row.
const STRETCH: u64 = 10_000;

/// About so many rows are printed.
const ROWS: u64 = 10;

/// Begins that many payments, in stretches; prints the first, the last and some between.
pub(crate) fn run(arguments: &Arguments, payments: u64) -> Result<()> {
    let hops = *arguments.hops.first().context("how many hops?")?;
    let in_flight = arguments.in_flight.iter().copied().find(|count| *count > 1).unwrap_or(64);
    let mut nodes = Nodes::Astrape(Nodes::ours(hops + 2)?);
    println!("{payments} payments over {hops} nodes between, {in_flight} in flight:\n");
    println!(
        "| payments so far | /s | p50 ms | p99 ms | CPU ms each | signatures each | disk bytes each | MB of memory |"
    );
    println!("|--:|--:|--:|--:|--:|--:|--:|--:|");
    let stretches = payments.div_ceil(STRETCH);
    let mut ends = Vec::new();
    for stretch in 1..=stretches {
        let count = STRETCH.min(payments - (stretch - 1) * STRETCH);
        let load =
            Load { amount_msat: arguments.amount_sat * 1_000, in_flight, until: Until::Payments(count) };
        let figures = Figures::measure(&nodes, load)?;
        let is_end = stretch == 1 || stretch == stretches;
        if is_end || stretch % stretches.div_ceil(ROWS) == 0 {
            println!("{}", row((stretch - 1) * STRETCH + count, &figures));
        }
        // There and back, or the channel runs dry.
        nodes.turn();
        if is_end {
            ends.push(figures);
        }
    }
    if let [first, last] = ends.as_slice() {
        println!(
            "\nThe last {STRETCH} beside the first: {:.2} of the payments a second, {:.2} of the CPU, {:.2} of the p99.",
            last.outcome.per_second() / first.outcome.per_second(),
            last.cpu_ms() / first.cpu_ms(),
            last.latency_ms(99) / first.latency_ms(99),
        );
    }
    Ok(())
}

fn row(so_far: u64, figures: &Figures) -> String {
    format!(
        "| {so_far} | {:.0} | {:.1} | {:.1} | {:.2} | {:.2} | {:.0} | {:.0} |",
        figures.outcome.per_second(),
        figures.latency_ms(50),
        figures.latency_ms(99),
        figures.cpu_ms(),
        figures.signatures_each(),
        figures.disk_each(),
        figures.memory_mb(),
    )
}
