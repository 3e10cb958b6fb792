//! What was seen, and whether it is enough.

use super::Deal;
use anyhow::{Result, ensure};
use std::fmt;
use std::time::Duration;

/// Of what can arrive, more than so many in a thousand must.
const MIN_ARRIVED_PER_MILLE: u32 = 995;

/// Payments by payers of one kind.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Payments.
    pub payments: u32,
    /// Those that could arrive, by the oracle.
    pub possible: u32,
    /// Those of them that did, at the first try.
    pub arrived: u32,
    /// Those of them that did at the second, where a second was made.
    pub arrived_later: u32,
    /// Those that could not.
    pub impossible: u32,
    /// Those between, where what could flow is just the amount: fees decide.
    pub between: u32,
    /// Those of these that arrived.
    pub between_arrived: u32,
    /// Those that arrived although no single way could carry them.
    pub in_parts: u32,
    /// How long those took that arrived, sorted.
    latencies: Vec<Duration>,
}

impl Tally {
    pub(super) fn note(&mut self, deal: &Deal, is_paid: bool, took: Duration) {
        self.payments += 1;
        let paid = u32::from(is_paid);
        if deal.is_possible() {
            self.possible += 1;
            self.arrived += paid;
        } else if deal.is_impossible() {
            self.impossible += 1;
        } else {
            self.between += 1;
            self.between_arrived += paid;
        }
        if is_paid {
            self.in_parts += u32::from(deal.amount_msat > deal.widest_msat);
            let at = self.latencies.partition_point(|other| *other < took);
            self.latencies.insert(at, took);
        }
    }

    /// How long `percent` in a hundred of those took at most that arrived.
    #[must_use]
    pub fn percentile(&self, percent: usize) -> Duration {
        self.latencies
            .get(self.latencies.len().saturating_sub(1) * percent / 100)
            .copied()
            .unwrap_or_default()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of {} that could arrive did, and {} at a second try, {} could not, of {} at the edge {} did; {} arrived that \
             no single way could carry; half took {} ms at most, 95 in a hundred {} ms",
            self.arrived,
            self.possible,
            self.arrived_later,
            self.impossible,
            self.between,
            self.between_arrived,
            self.in_parts,
            self.percentile(50).as_millis(),
            self.percentile(95).as_millis()
        )
    }
}

/// What was seen.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What nodes of ours paid.
    pub ours: Tally,
    /// What nodes of theirs paid.
    pub theirs: Tally,
    /// How long it took until all knew all.
    pub built: Duration,
    /// For how long was paid.
    pub paying: Duration,
}

impl Report {
    /// Payments so far.
    #[must_use]
    pub const fn payments(&self) -> u32 {
        self.ours.payments + self.theirs.payments
    }

    /// # Errors
    /// When less of ours arrived than must, or nothing was hard.
    pub fn is_enough(&self) -> Result<()> {
        let ours = &self.ours;
        ensure!(ours.possible > 0 && self.theirs.arrived > 0, "nothing was paid: {self}");
        ensure!(
            ours.arrived * 1_000 > ours.possible * MIN_ARRIVED_PER_MILLE,
            "too little arrived of what could: {self}"
        );
        ensure!(ours.in_parts > 0, "nothing had to be split: {self}");
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} payments", self.payments())?;
        writeln!(f, "  by Astrape: {}", self.ours)?;
        write!(f, "  by LDK: {}", self.theirs)
    }
}
