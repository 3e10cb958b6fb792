//! What a load cost.

use crate::nodes::{Nodes, Totals};
use anyhow::Result;
use astrape_interop::load::{self, Load, Outcome};
use astrape_interop::process::Usage;
use astrape_interop::wait;

/// The head of the table whose rows [`Figures::row`] gives.
pub(crate) const HEAD: &str = "| node | nodes between | in flight | payments | /s | p50 ms | p99 ms | CPU ms each | load generator | \
    signatures each | commitments each | disk bytes each | MB of memory | retries |\n\
    |---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|";

/// What one load cost.
pub(crate) struct Figures {
    pub(crate) node: &'static str,
    pub(crate) outcome: Outcome,
    /// What the nodes had used after it, and before it.
    pub(crate) after: Totals,
    before: Totals,
    /// CPU time of who asked for the payments, in seconds.
    load_generator: f64,
}

impl Figures {
    /// Makes the load, measures it, and waits until nothing of it is under way any more.
    pub(crate) fn measure(nodes: &Nodes, load: Load) -> Result<Self> {
        let figures = Self::measure_only(nodes, load)?;
        nodes.wait_for_rest()?;
        Ok(figures)
    }

    /// Makes the load and measures it.
    pub(crate) fn measure_only(nodes: &Nodes, load: Load) -> Result<Self> {
        let (payers, payees) = nodes.accounts(&load)?;
        let (before, own) = (nodes.totals()?, own_cpu()?);
        let outcome = wait::block_on(load::run_between(payers, payees, load))?;
        let (load_generator, after) = (own_cpu()? - own, nodes.totals()?);
        Ok(Self { node: nodes.name(), outcome, after, before, load_generator })
    }

    /// CPU time of all nodes over the payments made, in milliseconds.
    pub(crate) fn cpu_ms(&self) -> f64 {
        (self.after.usage.cpu_secs - self.before.usage.cpu_secs) * 1_000.0 / self.outcome.count()
    }

    /// The latency that `percent` in a hundred payments did not exceed, in milliseconds.
    pub(crate) fn latency_ms(&self, percent: usize) -> f64 {
        self.outcome.percentile(percent).as_secs_f64() * 1_000.0
    }

    /// Bytes by which the data directories grew, over the payments made.
    pub(crate) fn disk_each(&self) -> f64 {
        self.each(self.after.disk.saturating_sub(self.before.disk))
    }

    /// Signatures of commitments and HTLCs over the payments made.
    pub(crate) fn signatures_each(&self) -> f64 {
        self.each(self.after.signatures - self.before.signatures)
    }

    #[allow(clippy::cast_precision_loss, reason = "these are shown to three digits")]
    fn each(&self, total: u64) -> f64 {
        total as f64 / self.outcome.count()
    }

    /// Resident memory of all nodes, in MB.
    #[allow(clippy::cast_precision_loss, reason = "these are shown to three digits")]
    pub(crate) fn memory_mb(&self) -> f64 {
        self.after.usage.resident as f64 / 1e6
    }

    /// A row under [`HEAD`], and a line below it if anything was not paid.
    pub(crate) fn row(&self, hops: usize, in_flight: usize) -> String {
        let told = |each: f64| if each > 0.0 { format!("{each:.2}") } else { String::new() };
        let commitments = self.each(self.after.commitments - self.before.commitments);
        format!(
            "| {} | {hops} | {in_flight} | {} | {:.0} | {:.1} | {:.1} | {:.2} | {:.2} | {} | {} | {:.0} | {:.0} | {} |{}",
            self.node,
            self.outcome.count(),
            self.outcome.per_second(),
            self.latency_ms(50),
            self.latency_ms(99),
            self.cpu_ms(),
            self.load_generator * 1_000.0 / self.outcome.count(),
            told(self.signatures_each()),
            told(commitments),
            self.disk_each(),
            self.memory_mb(),
            self.outcome.refusals,
            self.failures(),
        )
    }

    fn failures(&self) -> String {
        match (&self.outcome.reason, self.outcome.failures) {
            (Some(reason), failures) => format!("\n{failures} were not paid, one because: {reason}"),
            (None, _) => String::new(),
        }
    }
}

fn own_cpu() -> Result<f64> {
    Ok(Usage::of(std::process::id())?.cpu_secs)
}
