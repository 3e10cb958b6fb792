//! Path finding, memory and loading of the graph beside LDK's.
//!
//!     cargo run --release -- [nodes] [channels] [pairs] [ours]
//!
//! All times are CPU time. Both sides get the same network, the same pairs and the same limits, in one run. What they find is judged by one measure
//! (`model.rs`), which is that of LDK's own scorer at its default weights. `ours` leaves LDK out.

mod ldk;
mod memory;
mod model;
mod ours;

use astrape_primitives::NodeId;
use astrape_routing::synthetic::{self, Dice, Link};
use astrape_routing::{Finder, Scores};
use bitcoin::secp256k1::{PublicKey, Secp256k1, SecretKey};
use model::{Found, Quality};
use std::time::{Duration, SystemTime};

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, otherwise: usize| arguments.get(at).map_or(Ok(otherwise), |text| text.parse());
    let (nodes, channels, pairs) = (number(0, 15_000)?, number(1, 50_000)?, number(2, 200)?);
    let with_ldk = !arguments.iter().any(|argument| argument == "ours");
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();

    let links = synthetic::links(42, u32::try_from(nodes)?, channels, u32::try_from(now)? - 3_600);
    let ids = ids(nodes);
    let before = memory::in_use();
    let started = cpu_of_all();
    let mut graph = synthetic::graph(&links, &ids)?;
    println!("ours: graph built in {:.1} ms", ms(cpu_of_all() - started));
    let written = memory::in_use();
    let started = cpu_of_all();
    let snapshot = graph.snapshot();
    println!("ours: snapshot built in {:.1} ms", ms(cpu_of_all() - started));
    let megabytes = |bytes: usize| bytes as f64 / 1e6;
    println!(
        "ours: memory {:.1} MB of the graph and {:.1} MB of a snapshot",
        megabytes(written - before),
        megabytes(memory::in_use() - written)
    );
    let mut finder = Finder::new(snapshot, &Scores::new());
    let bytes = graph.export();
    println!("ours: {:.1} MB on disk", megabytes(bytes.len()));
    println!(
        "ours: loaded in {:.1} ms",
        best_of(9, || astrape_routing::Graph::import(&bytes).expect("our own").channel_count())
    );
    start_of_a_node(&links, &ids);

    let before = memory::in_use();
    let theirs = with_ldk.then(|| ldk::graph(&links, &ids));
    if let Some(theirs) = &theirs {
        println!("LDK: memory {:.1} MB of the graph", megabytes(memory::in_use() - before));
        let bytes = ldk::encode(theirs);
        println!("LDK: {:.1} MB on disk", megabytes(bytes.len()));
        println!("LDK: loaded in {:.1} ms", best_of(9, || ldk::load(&bytes).read_only().channels().len()));
    }
    let theirs = theirs.as_ref().map(ldk::Finder::new);

    let mut dice = Dice::new(7);
    let mut pair = || loop {
        let [from, to] = [0; 2].map(|_| usize::try_from(dice.below(nodes as u64)).expect("an index"));
        if from != to {
            return (ids[from], ids[to]);
        }
    };
    let pairs: Vec<(NodeId, NodeId)> = (0..pairs).map(|_| pair()).collect();
    println!(
        "\n| parts | sat | ours, ms: median / p95 | LDK, ms: median / p95 | ratio | found: ours / LDK | fees, sat | chance | \
         cost, sat | pairs where ours costs less, the same, more (worst) | parts |"
    );
    println!("|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    for parts in [1, 10] {
        for sat in [10_000, 100_000, 1_000_000] {
            let mut row = Row::default();
            for (from, to) in &pairs {
                let amount = sat * 1_000;
                let started = cpu();
                let found = ours::find(&mut finder, *from, *to, amount, parts, now);
                row.ours.times.push(cpu() - started);
                let other = theirs.as_ref().map(|theirs| {
                    let (from, to) = (from.key(), to.key());
                    let started = cpu();
                    let found = theirs.find(from, to, amount, u8::try_from(parts).expect("few"));
                    row.theirs.times.push(cpu() - started);
                    found
                });
                row.judge(&links, found, other.flatten());
            }
            row.print(parts, sat);
        }
    }
    Ok(())
}

/// What a node reads when it starts, and what it holds then: the graph, where the fundings are, and a snapshot.
fn start_of_a_node(links: &[Link], ids: &[NodeId]) {
    let image = ours::image(&ours::gossip(links, ids));
    let clock = std::time::Instant::now();
    drop(ours::start(&image));
    let mut by_the_clock = clock.elapsed();
    for _ in 0..8 {
        let clock = std::time::Instant::now();
        drop(ours::start(&image));
        by_the_clock = by_the_clock.min(clock.elapsed());
    }
    let before = memory::in_use();
    let mut gossip = ours::start(&image);
    let graph = memory::in_use() - before;
    let snapshot = gossip.snapshot();
    println!(
        "ours: a start reads {:.1} MB in {:.1} ms of CPU, {:.1} ms by the clock, and holds {:.1} MB, {:.1} MB with a snapshot of {} nodes",
        image.len() as f64 / 1e6,
        best_of(9, || ours::start(&image)),
        ms(by_the_clock),
        graph as f64 / 1e6,
        (memory::in_use() - before) as f64 / 1e6,
        snapshot.node_count(),
    );
}

#[derive(Default)]
struct Side {
    times: Vec<Duration>,
    found: usize,
    parts: usize,
    qualities: Vec<Quality>,
}

impl Side {
    fn time(&mut self, percent: usize) -> f64 {
        self.times.sort_unstable();
        self.times.get(self.times.len() * percent / 100).map_or(0.0, |time| ms(*time))
    }
    /// Over the pairs that both sides found.
    fn mean(&self, of: impl Fn(&Quality) -> f64) -> f64 {
        self.qualities.iter().map(of).sum::<f64>() / self.qualities.len().max(1) as f64
    }
}

#[derive(Default)]
struct Row {
    ours: Side,
    theirs: Side,
    less: usize,
    same: usize,
    more: Vec<f64>,
}

impl Row {
    fn judge(&mut self, links: &[Link], ours: Option<Found>, theirs: Option<Found>) {
        self.ours.found += usize::from(ours.is_some());
        self.theirs.found += usize::from(theirs.is_some());
        self.ours.parts += ours.as_ref().map_or(0, |found| found.parts.len());
        self.theirs.parts += theirs.as_ref().map_or(0, |found| found.parts.len());
        if let (Some(ours), Some(theirs)) = (ours, theirs) {
            let (ours, theirs) = (ours.quality(links), theirs.quality(links));
            let ratio = ours.cost / theirs.cost;
            match ratio {
                _ if ratio < 0.999 => self.less += 1,
                _ if ratio <= 1.001 => self.same += 1,
                _ => self.more.push(ratio),
            }
            self.ours.qualities.push(ours);
            self.theirs.qualities.push(theirs);
        }
    }

    fn print(&mut self, parts: usize, sat: u64) {
        let (median, tail) = (self.ours.time(50), self.ours.time(95));
        let (their_median, their_tail) = (self.theirs.time(50), self.theirs.time(95));
        let worst = self.more.iter().copied().fold(1.0, f64::max);
        println!(
            "| {parts} | {sat} | {median:.2} / {tail:.2} | {their_median:.1} / {their_tail:.1} | {:.0} | {} / {} | {:.1} / {:.1} | {:.3} / {:.3} | {:.1} / {:.1} | {}, {}, {} ({worst:.3}) | {} / {} |",
            their_median / median,
            self.ours.found,
            self.theirs.found,
            self.ours.mean(|q| q.fee_msat as f64) / 1e3,
            self.theirs.mean(|q| q.fee_msat as f64) / 1e3,
            self.ours.mean(|q| q.chance),
            self.theirs.mean(|q| q.chance),
            self.ours.mean(|q| q.cost) / 1e3,
            self.theirs.mean(|q| q.cost) / 1e3,
            self.less,
            self.same,
            self.more.len(),
            self.ours.parts,
            self.theirs.parts,
        );
    }
}

fn ids(count: usize) -> Vec<NodeId> {
    let secp = Secp256k1::new();
    let id = |number: usize| {
        let mut secret = [1; 32];
        secret[..8].copy_from_slice(&(number as u64 + 1).to_be_bytes());
        let secret = SecretKey::from_slice(&secret).expect("not zero");
        NodeId::from_key(&PublicKey::from_secret_key(&secp, &secret))
    };
    (0..count).map(id).collect()
}

/// CPU time of this thread: what others do on the machine counts less than by the clock on the wall.
fn cpu() -> Duration {
    clock(rustix::time::ClockId::ThreadCPUTime)
}

/// CPU time of all threads.
fn cpu_of_all() -> Duration {
    clock(rustix::time::ClockId::ProcessCPUTime)
}

fn clock(id: rustix::time::ClockId) -> Duration {
    let time = rustix::time::clock_gettime(id);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).expect("below a second"))
}

fn best_of<T>(times: usize, mut what: impl FnMut() -> T) -> f64 {
    let run = |_| {
        let started = cpu_of_all();
        let result = what();
        let took = ms(cpu_of_all() - started);
        drop(result);
        took
    };
    (0..times).map(run).fold(f64::INFINITY, f64::min)
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
