//! Loads one after the other. With an ldk-node named, each load is measured on both, by turns, beside the same bitcoind.

use crate::Arguments;
use crate::figures::{Figures, HEAD};
use crate::nodes::Nodes;
use anyhow::Result;
use astrape_interop::load::{Load, Until};
use std::time::Duration;

/// Payments before the first figure: connections, caches and the allocator warm up.
const WARM_UP: Duration = Duration::from_secs(1);

/// Most that ldk-node lets have in flight: 50 in each of five channels.
const LDK_MOST: usize = 250;

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    println!("{HEAD}");
    let mut pairs = Vec::new();
    for &hops in &arguments.hops {
        let line = Nodes::ours(hops + 2)?;
        let others = Nodes::ldk(hops + 2, &line.bitcoind)?;
        let all: Vec<Nodes> = std::iter::once(Nodes::Astrape(line)).chain(others).collect();
        let amount_msat = arguments.amount_sat * 1_000;
        for nodes in &all {
            Figures::measure(nodes, Load { amount_msat, in_flight: 8, until: Until::Time(WARM_UP) })?;
        }
        for &in_flight in &arguments.in_flight {
            let until = Until::Time(Duration::from_secs(arguments.seconds));
            let mut row = Vec::new();
            for nodes in &all {
                let most = if matches!(nodes, Nodes::LdkNode(_)) { LDK_MOST } else { usize::MAX };
                let load = Load { amount_msat, in_flight: in_flight.min(most), until };
                let figures = Figures::measure(nodes, load)?;
                println!("{}", figures.row(hops, load.in_flight));
                row.push(figures);
            }
            if let [ours, others] = row.as_slice() {
                pairs.push(ratios(hops, in_flight, ours, others));
            }
        }
    }
    if !pairs.is_empty() {
        println!("\nBetter than ldk-node by these factors, measured in this run:\n");
        println!(
            "| nodes between | in flight | payments a second | p50 | p99 | CPU a payment |\n|--:|--:|--:|--:|--:|--:|"
        );
        println!("{}", pairs.join("\n"));
    }
    Ok(())
}

fn ratios(hops: usize, in_flight: usize, ours: &Figures, others: &Figures) -> String {
    let latency = |percent| others.latency_ms(percent) / ours.latency_ms(percent);
    format!(
        "| {hops} | {in_flight} | {:.1} | {:.1} | {:.1} | {:.1} |",
        ours.outcome.per_second() / others.outcome.per_second(),
        latency(50),
        latency(99),
        others.cpu_ms() / ours.cpu_ms(),
    )
}
