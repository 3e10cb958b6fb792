//! Measuring: CPU time of all threads, so that neither a busy machine nor several threads flatter anybody much.

use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// CPU time of one batch.
const BATCH: Duration = Duration::from_millis(10);

/// Batches of each contestant. They take turns, so that a noisy moment meets all of them.
const ROUNDS: usize = 25;

/// What is done again and again. What it gives must go through [`std::hint::black_box`].
pub(crate) type Work<'a> = Box<dyn FnMut() + 'a>;

/// Work that says its result is used.
pub(crate) fn work<'a, T>(mut of: impl FnMut() -> T + 'a) -> Work<'a> {
    Box::new(move || {
        std::hint::black_box(of());
    })
}

/// One operation.
pub(crate) struct Row<'a> {
    pub(crate) name: String,
    /// What the cryptography alone costs, if there is any.
    pub(crate) bare: Option<Work<'a>>,
    pub(crate) astrape: Work<'a>,
    /// LDK's, if it can be reached.
    pub(crate) ldk: Option<Work<'a>>,
}

/// The printed table.
pub(crate) struct Table {
    wanted: Vec<String>,
}

impl Table {
    /// Prints the head of a table of the rows whose names contain one of `wanted`, or of all.
    pub(crate) fn open(wanted: Vec<String>) -> Self {
        println!("| operation | bare µs | Astrape µs | over bare | LDK µs | LDK over Astrape |");
        println!("|---|--:|--:|--:|--:|--:|");
        Self { wanted }
    }

    /// Measures a row and prints it.
    pub(crate) fn row(&mut self, row: Row<'_>) {
        if !self.wanted.is_empty() && !self.wanted.iter().any(|part| row.name.contains(part)) {
            return;
        }
        let mut contestants: Vec<Contestant<'_>> = [row.bare, Some(row.astrape), row.ldk]
            .into_iter()
            .map(|work| Contestant::new(work.unwrap_or_else(|| Box::new(|| {}))))
            .collect();
        for _ in 0..ROUNDS {
            contestants.iter_mut().for_each(Contestant::batch);
        }
        let figures: Vec<f64> = contestants.iter_mut().map(Contestant::median).collect();
        let (bare, astrape, ldk) = (figures[0], figures[1], figures[2]);
        println!(
            "| {} | {} | {astrape:.2} | {} | {} | {} |",
            row.name,
            shown(bare),
            ratio(astrape, bare),
            shown(ldk),
            ratio(ldk, astrape)
        );
    }
}

/// Below this a contestant is none: it did nothing.
const NOTHING: f64 = 0.005;

fn shown(micros: f64) -> String {
    if micros < NOTHING { String::new() } else { format!("{micros:.2}") }
}

fn ratio(over: f64, under: f64) -> String {
    if over < NOTHING || under < NOTHING { String::new() } else { format!("{:.2}", over / under) }
}

struct Contestant<'a> {
    work: Work<'a>,
    runs: u32,
    micros: Vec<f64>,
}

impl<'a> Contestant<'a> {
    /// Finds how many runs fill a batch; that also warms caches up.
    fn new(mut work: Work<'a>) -> Self {
        let mut runs = 1;
        while time(&mut work, runs) < BATCH && runs < 1 << 20 {
            runs *= 2;
        }
        Self { work, runs, micros: Vec::new() }
    }

    fn batch(&mut self) {
        let micros = time(&mut self.work, self.runs).as_secs_f64() * 1e6;
        self.micros.push(micros / f64::from(self.runs));
    }

    fn median(&mut self) -> f64 {
        self.micros.sort_by(f64::total_cmp);
        self.micros[self.micros.len() / 2]
    }
}

/// CPU time of so many runs, of all threads of this process.
fn time(work: &mut Work<'_>, runs: u32) -> Duration {
    let begin = cpu_time();
    for _ in 0..runs {
        work();
    }
    cpu_time().saturating_sub(begin)
}

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::from_secs(seconds) + Duration::from_nanos(u64::try_from(time.tv_nsec).unwrap_or_default())
}
