//! Payments per second, latency and CPU time per payment, between `astrape` processes over loopback, with SQLite that syncs.
//!
//! `cargo xtask bench` builds all in release and runs this beside a real bitcoind; `benches/README.md` keeps the figures.

use anyhow::{Context as _, Result, bail};
use astrape_interop::accounts::number;
use astrape_interop::line::{Line, Opening, SOON};
use astrape_interop::load::{self, Load, Outcome};
use astrape_interop::process::Usage;
use astrape_interop::wait;
use clap::Parser;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// What a channel holds: so much that it does not run dry.
const CAPACITY_SAT: u64 = 500_000_000;

/// Payments before the first figure: connections, caches and the allocator warm up.
const WARM_UP: Duration = Duration::from_secs(1);

/// Synced writes that tell how fast the disk is.
const SYNCS: u32 = 200;

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
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if cfg!(debug_assertions) {
        println!("This is a debug build: its figures say nothing. Use `cargo xtask bench`.");
    }
    println!("{}", machine()?);
    println!(
        "\n| nodes between | in flight | payments | /s | p50 ms | p99 ms | CPU ms each | load generator | \
         commitments each | disk bytes each | MB of memory | retries |\n|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
    );
    for hops in &arguments.hops {
        let opening = Opening { amount_sat: CAPACITY_SAT, push_sat: CAPACITY_SAT / 10, ..Opening::HALVES };
        let Some(line) = Line::open(hops + 2, opening, &["--log-level", "warn"])? else {
            bail!("a benchmark needs a bitcoind")
        };
        let warm_up = Load { amount_msat: arguments.amount_sat * 1_000, in_flight: 8, time: WARM_UP };
        measure(&line, warm_up)?;
        for in_flight in &arguments.in_flight {
            let time = Duration::from_secs(arguments.seconds);
            println!(
                "{}",
                measure(&line, Load { in_flight: *in_flight, time, ..warm_up })?.row(*hops, *in_flight)
            );
        }
    }
    Ok(())
}

/// What one load cost.
struct Figures {
    outcome: Outcome,
    nodes: Usage,
    load_generator: f64,
    commitments: u64,
    disk_bytes: u64,
}

impl Figures {
    #[allow(clippy::cast_precision_loss, reason = "these are shown to three digits")]
    fn row(&self, hops: usize, in_flight: usize) -> String {
        let Self { outcome, nodes, load_generator, commitments, disk_bytes } = self;
        let count = outcome.count();
        let ms = |percent| outcome.percentile(percent).as_secs_f64() * 1_000.0;
        let failures = match (&outcome.reason, outcome.failures) {
            (Some(reason), failures) => format!("\n{failures} were not paid, one because: {reason}"),
            (None, _) => String::new(),
        };
        format!(
            "| {hops} | {in_flight} | {count} | {:.0} | {:.1} | {:.1} | {:.2} | {:.2} | {:.2} | {:.0} | {:.0} | {} |{failures}",
            outcome.per_second(),
            ms(50),
            ms(99),
            nodes.cpu_secs * 1_000.0 / count,
            load_generator * 1_000.0 / count,
            *commitments as f64 / count,
            *disk_bytes as f64 / count,
            nodes.resident as f64 / 1e6,
            outcome.refusals,
        )
    }
}

fn measure(line: &Line, load: Load) -> Result<Figures> {
    let (payer, payee) = line.nodes.first().zip(line.nodes.last()).context("a line has ends")?;
    let before = (usage(line)?, own_cpu()?, commitments(line)?, disk(line)?);
    let outcome = wait::block_on(load::run(payer, payee, load))?;
    let after = (usage(line)?, own_cpu()?, commitments(line)?, disk(line)?);
    // The next figure shall not pay for what this one left under way.
    line.wait_for_rest(SOON)?;
    Ok(Figures {
        outcome,
        nodes: Usage { cpu_secs: after.0.cpu_secs - before.0.cpu_secs, ..after.0 },
        load_generator: after.1 - before.1,
        commitments: after.2 - before.2,
        disk_bytes: after.3.saturating_sub(before.3),
    })
}

/// What all nodes have used so far, summed.
fn usage(line: &Line) -> Result<Usage> {
    line.nodes.iter().try_fold(Usage::default(), |sum, node| {
        let one = node.process()?.usage()?;
        Ok(Usage {
            cpu_secs: sum.cpu_secs + one.cpu_secs,
            resident: sum.resident + one.resident,
            descriptors: sum.descriptors + one.descriptors,
        })
    })
}

fn own_cpu() -> Result<f64> {
    Ok(Usage::of(std::process::id())?.cpu_secs)
}

/// Numbers of the commitments of all sides of all channels, summed.
fn commitments(line: &Line) -> Result<u64> {
    let mut sum = 0;
    for node in &line.nodes {
        for channel in node.channels()? {
            sum += number(&channel, "commitment_number")?;
        }
    }
    Ok(sum)
}

/// Bytes in all data directories.
fn disk(line: &Line) -> Result<u64> {
    line.nodes.iter().try_fold(0, |sum, node| Ok(sum + bytes_in(node.data_dir())?))
}

fn bytes_in(directory: &Path) -> Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(directory)? {
        let about = entry?.metadata()?;
        sum += if about.is_file() { about.len() } else { 0 };
    }
    Ok(sum)
}

/// What the figures were measured on.
fn machine() -> Result<String> {
    let cores = std::thread::available_parallelism()?;
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let model = model.map_or("unknown CPU", |(_, model)| model.trim());
    Ok(format!(
        "{cores} cores ({model}); a synced write of 4 KB takes {:.2} ms",
        sync_time()?.as_secs_f64() * 1_000.0
    ))
}

/// How long a synced write takes where the nodes keep their files.
fn sync_time() -> Result<Duration> {
    let mut file = tempfile::tempfile()?;
    let begin = Instant::now();
    for _ in 0..SYNCS {
        file.write_all(&[7; 4_096])?;
        file.sync_data()?;
    }
    Ok(begin.elapsed() / SYNCS)
}
