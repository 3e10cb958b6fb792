//! What was seen, and whether it is within its bounds.

use super::trouble::{Fate, Fates};
use super::{Flow, MAX_BYTES_PER_PAYMENT, MAX_DESCRIPTORS, MAX_RESIDENT, MIN_ENDED, MIN_SETTLED_PERCENT};
use crate::line::Line;
use anyhow::{Result, ensure};
use std::fmt;
use std::path::Path;
use std::time::Duration;

/// What a node used and suffered.
pub type Used = Fate;

/// What was seen.
#[derive(Clone, Debug)]
pub struct Report {
    /// What the first paid to the last.
    pub there: Flow,
    /// And back.
    pub back: Flow,
    /// How often a wire was cut.
    pub cuts: u32,
    /// What the data directories have grown by, in bytes, all nodes summed.
    pub grown: u64,
    /// For how long was paid.
    pub paying: Duration,
    /// What each node used and suffered.
    pub fates: Fates,
    /// Payments of which the payer was not told the end, since its node died.
    pub unknown: usize,
}

impl Report {
    /// Payments that were paid.
    #[must_use]
    pub const fn settled(&self) -> u64 {
        self.there.settled + self.back.settled
    }

    /// Payments that ended.
    #[must_use]
    pub const fn ended(&self) -> u64 {
        self.settled() + self.there.failed + self.back.failed
    }

    /// How often processes were killed.
    #[must_use]
    pub fn kills(&self) -> u32 {
        self.fates.iter().map(|fate| fate.kills).sum()
    }

    /// What the databases have grown by for each payment, in bytes.
    #[must_use]
    pub const fn bytes_per_payment(&self) -> u64 {
        self.grown / if self.ended() == 0 { 1 } else { self.ended() }
    }

    /// # Errors
    /// What is beyond its bound.
    pub fn is_within_bounds(&self) -> Result<()> {
        for fate in &self.fates {
            ensure!(fate.resident <= MAX_RESIDENT, "memory is not bounded by {MAX_RESIDENT}: {fate:?}");
            ensure!(
                fate.descriptors <= MAX_DESCRIPTORS,
                "files are not bounded by {MAX_DESCRIPTORS}: {fate:?}"
            );
        }
        ensure!(self.ended() >= MIN_ENDED, "only {} payments ended", self.ended());
        ensure!(
            self.bytes_per_payment() <= MAX_BYTES_PER_PAYMENT,
            "the databases grow by more than {MAX_BYTES_PER_PAYMENT} bytes a payment: {}",
            self.bytes_per_payment()
        );
        ensure!(self.there.settled > 0 && self.back.settled > 0, "one way nothing was paid");
        ensure!(self.settled() * 100 >= self.ended() * MIN_SETTLED_PERCENT, "too few were paid");
        Ok(())
    }
}

impl fmt::Display for Report {
    #[allow(clippy::cast_precision_loss, reason = "these are shown to three digits")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = self.paying.as_secs_f64();
        writeln!(
            f,
            "{} payments paid and {} failed in {secs:.0} s ({:.0} paid a second); {} kills, {} cuts; {} answers lost with \
             their node; databases grew by {} bytes a payment, all nodes summed",
            self.settled(),
            self.ended() - self.settled(),
            self.settled() as f64 / secs,
            self.kills(),
            self.cuts,
            self.unknown,
            self.bytes_per_payment(),
        )?;
        for (name, fate) in ["A", "B", "C"].iter().zip(&self.fates) {
            writeln!(
                f,
                "{name}: killed {} times; at most {:.1} MB of memory and {} open files; {:.0} s of CPU",
                fate.kills,
                fate.resident as f64 / 1e6,
                fate.descriptors,
                fate.cpu_secs
            )?;
        }
        Ok(())
    }
}

/// Bytes in the data directories of all nodes, which do not run.
pub(super) fn disk(line: &Line) -> Result<u64> {
    line.nodes.iter().try_fold(0, |sum, node| Ok(sum + bytes_in(node.data_dir())?))
}

fn bytes_in(directory: &Path) -> Result<u64> {
    let mut sum = 0;
    for entry in std::fs::read_dir(directory)? {
        let about = entry?.metadata()?;
        sum += if about.is_file() { about.len() } else { 0 };
    }
    Ok(sum)
}
