//! The feerate of the commitments: a short history, since the two sides change at different commitments.

use crate::commitments::Numbers;
use astrape_primitives::{CommitmentNumber, FeeratePerKw, Side};

/// A feerate and the first commitments that pay it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeeChange {
    /// The feerate.
    pub feerate: FeeratePerKw,
    /// The first commitments with it.
    pub from: Numbers,
}

/// The feerates that a present or next commitment may pay, oldest first. Never empty.
///
/// At most one change can be on its way for each commitment in flight, so the list stays at [`Fees::MAX_CHANGES`] or less.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fees(Vec<FeeChange>);

impl Fees {
    /// After each exchange at most five are in use (see `Fees::prune`), and a commitment of each side may add one before the
    /// next; the rest is room.
    pub const MAX_CHANGES: usize = 8;

    /// From the opening.
    #[must_use]
    pub fn new(feerate: FeeratePerKw) -> Self {
        Self(vec![FeeChange { feerate, from: Numbers::FROM_THE_START }])
    }

    /// From a record; `None` when it is empty or starts with a change that does not hold yet.
    #[must_use]
    pub fn from_changes(changes: Vec<FeeChange>) -> Option<Self> {
        let first = changes.first()?;
        (first.from.local.is_some() && first.from.remote.is_some() && changes.len() <= Self::MAX_CHANGES)
            .then_some(Self(changes))
    }

    /// The changes, oldest first.
    #[must_use]
    pub fn changes(&self) -> &[FeeChange] {
        &self.0
    }

    /// The feerate of commitment `number` of `owner`.
    #[must_use]
    pub fn at(&self, owner: Side, number: CommitmentNumber) -> FeeratePerKw {
        let held = self.0.iter().rev().find(|c| c.from.includes(owner, number));
        held.unwrap_or(&self.0[0]).feerate
    }

    /// The newest feerate, wherever it has got to.
    #[must_use]
    pub fn newest(&self) -> FeeratePerKw {
        self.0.last().expect("never empty").feerate
    }

    /// Adds a change that begins at the given commitments.
    pub(crate) fn push(&mut self, feerate: FeeratePerKw, from: Numbers) {
        self.0.push(FeeChange { feerate, from });
    }

    /// The changes, to say where they begin.
    pub(crate) fn changes_mut(&mut self) -> impl Iterator<Item = &mut FeeChange> {
        self.0.iter_mut()
    }

    /// Forgets what no commitment pays any more, nor will: neither our newest (`local`), nor the peer's newest (`remote`) or
    /// the one that it is bound to (`acked`), nor our next. What comes after them pays the newest.
    pub(crate) fn prune(
        &mut self,
        local: CommitmentNumber,
        acked: CommitmentNumber,
        remote: CommitmentNumber,
    ) {
        let in_use = [
            self.0.iter().rposition(|c| c.from.includes(Side::Local, local)),
            self.0.iter().rposition(|c| c.from.includes(Side::Remote, acked)),
            self.0.iter().rposition(|c| c.from.includes(Side::Remote, remote)),
            self.0.iter().rposition(|c| c.from.local.is_some() || c.from.includes(Side::Remote, acked)),
            self.0.len().checked_sub(1),
        ];
        let mut index = 0;
        self.0.retain(|_| {
            index += 1;
            in_use.contains(&Some(index - 1))
        });
    }
}
