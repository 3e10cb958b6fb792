//! `simulate`: random worlds, many of them, and what they have seen.

use astrape_simulator::{
    Kind, Mass, Outcome, REESTABLISH_CASES, Size, Totals, Violation, run_court_seed, run_mass_close,
    run_resolution, run_seed, run_web_seed,
};
use astrape_transactions::CommitmentFormat;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

const HELP: &str = "\
Random worlds of Lightning nodes, with faults and work, each from one seed.

  --seeds N      how many seeds (default 100)
  --seed BASE    the first of them (default 1)
  --steps N      acts of chance in each (default 300)
  --one SEED     only this seed; prints its hash
  --court        worlds whose channels end on chain, by theft, silence, nonsense and wish
  --web          whole networks, with lying gossip and forwarders that spoil, refuse and hold
  --nodes N      with --web: nodes of each, at most 200 (default 200)
  --payments N   with --web: payments in each (default 1000)
  --resolutions  one script for each kind of close in each format, with every crash at each --every th step
  --every N      with --resolutions (default 1)
  --mass N       N channels of one node go on chain at once, in full blocks, with the coins of one wallet
  --htlcs N      with --mass: HTLCs in each, half of them either way (default 10)
  --trace        with --one: tells what happens as it happens
  --threads N    threads (default 2)

Exits with 1 when a rule is broken, naming the seed, or when too little was seen.";

struct Arguments {
    seeds: u64,
    base: u64,
    steps: u32,
    one: Option<u64>,
    trace: bool,
    kind: World,
    resolutions: bool,
    every: u64,
    mass: Option<usize>,
    htlcs: usize,
    threads: usize,
}

/// What kind of worlds.
#[derive(Clone, Copy)]
enum World {
    /// Whose channels close together.
    Peaceful,
    /// Whose channels end on chain.
    Court,
    /// Whole networks.
    Web(Size),
}

impl World {
    /// How it is asked for again.
    fn arguments(self) -> String {
        match self {
            World::Peaceful => String::new(),
            World::Court => " --court".to_owned(),
            World::Web(Size { nodes, payments }) => format!(" --web --nodes {nodes} --payments {payments}"),
        }
    }

    fn run(self, seed: u64, steps: u32, trace: bool) -> Result<Outcome, Violation> {
        match self {
            World::Peaceful => run_seed(seed, steps, trace),
            World::Court => run_court_seed(seed, steps, trace),
            World::Web(size) => run_web_seed(seed, size, trace),
        }
    }
}

fn main() -> ExitCode {
    match arguments() {
        Ok(Some(Arguments { one: Some(seed), steps, trace, kind, .. })) => replay(seed, steps, trace, kind),
        Ok(Some(Arguments { resolutions: true, every, .. })) => resolutions(every),
        Ok(Some(Arguments { mass: Some(channels), htlcs, trace, .. })) => mass(channels, htlcs, trace),
        Ok(Some(arguments)) => swarm(&arguments),
        Ok(None) => {
            println!("{HELP}");
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("error: {problem}\n\n{HELP}");
            ExitCode::from(2)
        }
    }
}

fn arguments() -> Result<Option<Arguments>, String> {
    let mut parsed = Arguments {
        seeds: 100,
        base: 1,
        steps: 300,
        one: None,
        trace: false,
        kind: World::Peaceful,
        resolutions: false,
        every: 1,
        mass: None,
        htlcs: 10,
        threads: 2,
    };
    let mut size = Size::LARGE;
    let mut web = false;
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        let mut number = || -> Result<u64, String> {
            let value = given.next().ok_or_else(|| format!("{name} needs a number"))?;
            value.parse().map_err(|_| format!("{name} needs a number, not {value}"))
        };
        match name.as_str() {
            "--seeds" => parsed.seeds = number()?,
            "--seed" => parsed.base = number()?,
            "--steps" => parsed.steps = u32::try_from(number()?).map_err(|e| e.to_string())?,
            "--one" => parsed.one = Some(number()?),
            "--threads" => parsed.threads = usize::try_from(number()?).map_err(|e| e.to_string())?.max(1),
            "--trace" => parsed.trace = true,
            "--court" => parsed.kind = World::Court,
            "--web" => web = true,
            "--nodes" => size.nodes = usize::try_from(number()?).map_err(|e| e.to_string())?,
            "--payments" => size.payments = usize::try_from(number()?).map_err(|e| e.to_string())?,
            "--resolutions" => parsed.resolutions = true,
            "--every" => parsed.every = number()?.max(1),
            "--mass" => parsed.mass = Some(usize::try_from(number()?).map_err(|e| e.to_string())?.max(1)),
            "--htlcs" => parsed.htlcs = usize::try_from(number()?).map_err(|e| e.to_string())?.max(2),
            "--help" | "-h" => return Ok(None),
            other => return Err(format!("unknown argument {other}")),
        }
    }
    if web {
        if !(4..=200).contains(&size.nodes) {
            return Err(format!("a network has from 4 to 200 nodes, not {}", size.nodes));
        }
        parsed.kind = World::Web(size);
    }
    Ok(Some(parsed))
}

fn replay(seed: u64, steps: u32, trace: bool, kind: World) -> ExitCode {
    match kind.run(seed, steps, trace) {
        Ok(outcome) => {
            let hash: String = outcome.hash.iter().map(|byte| format!("{byte:02x}")).collect();
            println!("{}seed {seed}: fine, trace hash {hash}", outcome.totals);
            ExitCode::SUCCESS
        }
        Err(violation) => {
            println!("seed {seed}: {violation}");
            ExitCode::FAILURE
        }
    }
}

/// Each kind of close in each format, with every crash.
fn resolutions(every: u64) -> ExitCode {
    let mut broken = 0;
    for kind in Kind::ALL {
        for format in [CommitmentFormat::Anchors, CommitmentFormat::StaticRemotekey] {
            match run_resolution(kind, format, every, 0) {
                Ok(forks) => println!("{kind:?}, {format:?}: {} steps, {} forks", forks.steps, forks.count),
                Err(violation) => {
                    broken += 1;
                    println!("{kind:?}, {format:?}: {violation}");
                }
            }
        }
    }
    if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Many channels of one node at once.
fn mass(channels: usize, htlcs: usize, trace: bool) -> ExitCode {
    let payments = (channels * htlcs / 2).max(1);
    let mass = Mass { channels, payments, one_coin: false, estimates_lie: false };
    let began = Instant::now();
    match run_mass_close(mass, None, trace) {
        Ok(close) => {
            println!("{close:?}\nfine, after {} s", began.elapsed().as_secs());
            ExitCode::SUCCESS
        }
        Err(violation) => {
            println!("{channels} channels, {htlcs} HTLCs in each: {violation}");
            ExitCode::FAILURE
        }
    }
}

fn swarm(arguments: &Arguments) -> ExitCode {
    let &Arguments { seeds, base, steps, threads, kind, .. } = arguments;
    println!("{seeds} seeds from {base} on, {steps} acts each");
    let next = AtomicU64::new(0);
    let totals = Mutex::new(Totals::default());
    let broken = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= seeds {
                        return;
                    }
                    let seed = base + number;
                    let outcome = std::panic::catch_unwind(|| kind.run(seed, steps, false));
                    match outcome {
                        Ok(Ok(outcome)) => lock(&totals).add(&outcome.totals),
                        Ok(Err(violation)) => lock(&broken).push((seed, violation.to_string())),
                        Err(_) => lock(&broken).push((seed, "a panic".to_owned())),
                    }
                    if (number + 1).is_multiple_of(500) {
                        println!("{} seeds", number + 1);
                    }
                }
            });
        }
    });
    let totals = lock(&totals).clone();
    println!("{totals}");
    let mut broken = lock(&broken).clone();
    broken.sort();
    for (seed, what) in broken.iter().take(20) {
        let kind = kind.arguments();
        println!(
            "seed {seed}: {what}\n  replay: cargo xtask simulate --one {seed} --steps {steps}{kind} --trace"
        );
    }
    let missed = match kind {
        World::Peaceful => missed(&totals, seeds, steps),
        World::Court => missed_before_court(&totals, seeds),
        World::Web(size) => missed_in_the_web(&totals, seeds, size),
    };
    missed.iter().for_each(|miss| println!("too little seen: {miss}"));
    if broken.is_empty() && missed.is_empty() {
        println!("all {seeds} seeds are fine");
        ExitCode::SUCCESS
    } else {
        println!("{} of {seeds} seeds broke a rule (base {base})", broken.len());
        ExitCode::FAILURE
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// What 100 seeds of 300 acts must have seen at least, by name: about half of what they see.
const FLOORS: [(&str, u64); 17] = [
    ("payments settled", 700),
    ("payments failed", 100),
    ("payments refused", 300),
    ("forwards", 150),
    ("opens", 400),
    ("closes", 140),
    ("fee changes", 350),
    ("crashes before commit", 120),
    ("crashes after commit", 75),
    ("crashes after k of n effects", 70),
    ("crashes after all effects", 120),
    ("crashes of grouped steps", 70),
    ("cuts", 500),
    ("reorganisations", 140),
    ("channels doubted", 40),
    ("channels that failed", 12),
    ("ends while a channel stood still", 20),
];

/// What 100 seeds must have seen at least of each case of reestablish, on each side.
const REESTABLISH_FLOORS: [u64; 5] = [1_300, 40, 90, 35, 14];

fn missed(totals: &Totals, seeds: u64, steps: u32) -> Vec<String> {
    let scaled = |floor: u64| floor * seeds * u64::from(steps) / (100 * 300);
    let mut missed = Vec::new();
    for (name, floor) in FLOORS {
        let seen = totals.counts().into_iter().find(|(n, _)| *n == name).map_or(0, |(_, seen)| seen);
        if seen < scaled(floor) {
            missed.push(format!("{name}: {seen}, at least {} are due", scaled(floor)));
        }
    }
    for (side, who) in ["opener", "other"].into_iter().enumerate() {
        for (case, floor) in REESTABLISH_FLOORS.into_iter().enumerate() {
            let seen = totals.reestablish[side][case];
            if seen < scaled(floor) {
                let name = REESTABLISH_CASES[case];
                missed.push(format!(
                    "reestablish, {name} by the {who}: {seen}, at least {} are due",
                    scaled(floor)
                ));
            }
        }
    }
    missed
}

/// What 1,000 seeds before the court must have seen at least, by name: about half of what they see, with 300 acts and with 40.
const COURT_FLOORS: [(&str, u64); 42] = [
    ("closes by wish", 80),
    ("silences", 100),
    ("nonsense", 30),
    ("thefts", 170),
    ("closes with the previous", 40),
    ("thefts of HTLCs by preimage", 16),
    ("thefts of HTLCs by timeout", 2),
    ("thefts of several HTLCs", 2),
    ("forced closes", 250),
    ("resolved", 600),
    ("deep reorganisations", 460),
    ("congested blocks", 3_000),
    ("censored", 160),
    ("evicted", 100),
    ("outages of chain sources", 800),
    ("claims of delayed outputs", 200),
    ("claims of to_remote", 1_500),
    ("anchors spent", 800),
    ("HTLC-success", 25),
    ("HTLC-timeout", 4),
    ("claims by preimage", 60),
    ("claims by timeout", 15),
    ("penalties on delayed outputs", 600),
    ("penalties on HTLCs", 500),
    ("closes by both", 30),
    ("withheld revocations", 5),
    ("invoices paid by two", 80),
    ("closes undone", 40),
    ("claims cycled", 220),
    ("last words", 60),
    ("closes brought back", 30),
    ("spends by both", 80),
    ("spends by our commitment", 150),
    ("spends by theirs", 200),
    ("claims contested", 10),
    ("batches contested", 5),
    ("claims pinned", 2),
    ("thefts in the guise of a close", 20),
    ("peers that stall", 35),
    ("false claims to be ahead", 8),
    ("witnesses rewritten", 25),
    ("thefts with rewritten witnesses", 1),
];

fn missed_before_court(totals: &Totals, seeds: u64) -> Vec<String> {
    let mut missed = Vec::new();
    for (name, floor) in COURT_FLOORS {
        let seen = totals.court.counts().find(|(n, _)| *n == name).map_or(0, |(_, seen)| seen);
        let due = floor * seeds / 1_000;
        if seen < due {
            missed.push(format!("{name}: {seen}, at least {due} are due"));
        }
    }
    missed
}

/// What of 1,000 payments in networks must have been seen at least, by name: about half of what is seen.
const WEB_FLOORS: [(&str, u64); 9] = [
    ("payments settled", 350),
    ("payments failed", 100),
    ("forwards", 600),
    ("crashes before commit", 10),
    ("crashes after commit", 10),
    ("cuts", 50),
    ("onions twisted", 20),
    ("failures spoilt", 5),
    ("nodes asleep", 10),
];

fn missed_in_the_web(totals: &Totals, seeds: u64, size: Size) -> Vec<String> {
    let payments = seeds.saturating_mul(u64::try_from(size.payments).unwrap_or(u64::MAX));
    let mut missed = Vec::new();
    for (name, floor) in WEB_FLOORS {
        let mut counts = totals.counts().into_iter().chain(totals.web.counts());
        let seen = counts.find(|(n, _)| *n == name).map_or(0, |(_, seen)| seen);
        let due = floor * payments / 1_000;
        if seen < due {
            missed.push(format!("{name}: {seen}, at least {due} are due"));
        }
    }
    missed
}
