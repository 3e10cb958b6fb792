//! Many channels, one wallet: who waits for a coin, and how long that may last.
//!
//! A claim whose fee a coin pays keeps that coin until it is in a block; only then its change can pay for the next. So the claims
//! of all channels depend on each other. Whoever has least time is served first; who holds a coin that others wait for hurries
//! as they must, even if nothing of its own has a deadline; and gives back its change in pieces, one for each that waits.

use super::Resolution;
use crate::tracked::Tracked;
use astrape_primitives::{Height, Sat};

/// The channels of a node that wait for a coin of its wallet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// How many.
    pub channels: usize,
    /// How many of them have a deadline.
    pub urgent: usize,
    /// How many channels hold coins.
    pub holders: usize,
    /// The first deadline.
    pub deadline: Option<Height>,
    /// What is lost if all of them are late.
    pub at_stake: Sat,
}

impl Waiting {
    /// Counts one more channel.
    pub fn count(&mut self, resolution: &Resolution) {
        self.holders += usize::from(resolution.coins().next().is_some());
        if !resolution.short_of_coins {
            return;
        }
        self.channels += 1;
        if let Some(deadline) = resolution.due() {
            self.urgent += 1;
            self.deadline = Some(self.deadline.map_or(deadline, |first| first.min(deadline)));
            self.at_stake = self.at_stake.saturating_add(resolution.at_stake());
        }
    }
}

impl Resolution {
    fn with_deadline(&self) -> impl Iterator<Item = (&Tracked, Height)> {
        let open = self.outputs.values().filter(|t| t.spent.is_none());
        open.filter(|t| t.claimable_from(self.format).is_some()).filter_map(|t| Some((t, t.deadline()?)))
    }

    /// The first deadline of what is ours to claim and is not claimed in a block; `None` when nothing can be lost by waiting.
    #[must_use]
    pub fn due(&self) -> Option<Height> {
        self.with_deadline().map(|(_, deadline)| deadline).min()
    }

    /// What is lost when its deadlines pass.
    fn at_stake(&self) -> Sat {
        self.with_deadline().map(|(tracked, _)| tracked.at_stake()).sum()
    }
}
