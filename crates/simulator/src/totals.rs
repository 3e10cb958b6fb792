//! What a run has seen. A run that did not see what it must see has proved nothing.

mod court;
mod web;

pub use court::CourtTotals;
pub(crate) use court::Seen;
pub use web::WebTotals;

use crate::world::Crash;
use astrape_wire::Message;
use core::fmt;

/// What a node says again after `channel_reestablish`, by what the peer has not got.
pub const REESTABLISH_CASES: [&str; 5] = ["nothing", "RAA", "CS", "RAA then CS", "CS then RAA"];

/// Counts of what happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Payments that arrived.
    pub payments_settled: u64,
    /// Payments that failed on their way.
    pub payments_failed: u64,
    /// Payments that were not begun.
    pub payments_refused: u64,
    /// Payments that were held whole for their payee.
    pub payments_held: u64,
    /// Payments that were given back, or whose invoice was cancelled before.
    pub payments_given_back: u64,
    /// HTLCs that were forwarded and settled.
    pub forwards: u64,
    /// Channels that became ready, counted on both sides.
    pub opens: u64,
    /// Channels that were closed and are over, counted on both sides.
    pub closes: u64,
    /// `update_fee` messages.
    pub fee_changes: u64,
    /// Crashes before a commit.
    pub crashes_before: u64,
    /// Crashes after a commit and before any of its effects.
    pub crashes_after: u64,
    /// Crashes after some of the effects.
    pub crashes_partly: u64,
    /// Crashes after all of the effects.
    pub crashes_released: u64,
    /// Crashes with more than one step in the commit.
    pub crashes_grouped: u64,
    /// Cut connections.
    pub cuts: u64,
    /// Connections that a node closed by itself.
    pub hang_ups: u64,
    /// Blocks.
    pub blocks: u64,
    /// Reorganisations.
    pub reorgs: u64,
    /// What was said again, by case, for the opener and for the other side.
    pub reestablish: [[u64; 5]; 2],
    /// Channels that went on chain with the commitment of one side.
    pub force_closes: u64,
    /// Channels that wait for the peer's commitment, since their own state is old.
    pub waits_for_peer: u64,
    /// Channels whose state their node had reason to doubt.
    pub suspects: u64,
    /// Channels in which the program failed.
    pub quarantines: u64,
    /// Ends of HTLCs that were decided while the channel stood still.
    pub ends_while_still: u64,
    /// Times that a node was told of the mempool.
    pub mempools_told: u64,
    /// What was seen before the court.
    pub court: CourtTotals,
    /// What was seen of hostile nodes.
    pub web: WebTotals,
    /// Steps of nodes.
    pub steps: u64,
    /// Messages.
    pub messages: u64,
}

impl Totals {
    /// Adds those of another run.
    pub fn add(&mut self, other: &Totals) {
        for (sum, (_, more)) in self.counts_mut().into_iter().zip(other.counts()) {
            *sum += more;
        }
        self.court.add(&other.court);
        self.web.add(&other.web);
        for (sums, more) in self.reestablish.iter_mut().zip(other.reestablish) {
            for (sum, more) in sums.iter_mut().zip(more) {
                *sum += more;
            }
        }
    }

    /// Each count with its name, but those of reestablish.
    #[must_use]
    pub fn counts(&self) -> [(&'static str, u64); 26] {
        [
            ("payments settled", self.payments_settled),
            ("payments failed", self.payments_failed),
            ("payments refused", self.payments_refused),
            ("payments held", self.payments_held),
            ("payments given back", self.payments_given_back),
            ("forwards", self.forwards),
            ("opens", self.opens),
            ("closes", self.closes),
            ("fee changes", self.fee_changes),
            ("crashes before commit", self.crashes_before),
            ("crashes after commit", self.crashes_after),
            ("crashes after k of n effects", self.crashes_partly),
            ("crashes after all effects", self.crashes_released),
            ("crashes of grouped steps", self.crashes_grouped),
            ("cuts", self.cuts),
            ("hang-ups", self.hang_ups),
            ("blocks", self.blocks),
            ("reorganisations", self.reorgs),
            ("force-closes", self.force_closes),
            ("waits for the peer", self.waits_for_peer),
            ("channels doubted", self.suspects),
            ("channels that failed", self.quarantines),
            ("ends while a channel stood still", self.ends_while_still),
            ("mempools told", self.mempools_told),
            ("steps", self.steps),
            ("messages", self.messages),
        ]
    }

    fn counts_mut(&mut self) -> [&mut u64; 26] {
        [
            &mut self.payments_settled,
            &mut self.payments_failed,
            &mut self.payments_refused,
            &mut self.payments_held,
            &mut self.payments_given_back,
            &mut self.forwards,
            &mut self.opens,
            &mut self.closes,
            &mut self.fee_changes,
            &mut self.crashes_before,
            &mut self.crashes_after,
            &mut self.crashes_partly,
            &mut self.crashes_released,
            &mut self.crashes_grouped,
            &mut self.cuts,
            &mut self.hang_ups,
            &mut self.blocks,
            &mut self.reorgs,
            &mut self.force_closes,
            &mut self.waits_for_peer,
            &mut self.suspects,
            &mut self.quarantines,
            &mut self.ends_while_still,
            &mut self.mempools_told,
            &mut self.steps,
            &mut self.messages,
        ]
    }

    pub(crate) fn crashed(&mut self, crash: Option<Crash>, effects: usize, steps: usize) {
        match crash {
            Some(Crash::BeforeCommit) => self.crashes_before += 1,
            Some(Crash::AfterCommit { released: 0 }) => self.crashes_after += 1,
            Some(Crash::AfterCommit { released }) if released < effects => self.crashes_partly += 1,
            Some(Crash::AfterCommit { .. }) => self.crashes_released += 1,
            Some(Crash::AfterSome | Crash::Cut) | None => {}
        }
        self.crashes_grouped += u64::from(steps > 1);
    }

    pub(crate) fn said(&mut self, message: &Message) {
        self.messages += 1;
        self.fee_changes += u64::from(matches!(message, Message::UpdateFee(_)));
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, count) in self.counts() {
            writeln!(f, "{name:30} {count:>12}")?;
        }
        for (name, count) in self.court.counts().filter(|(_, count)| *count > 0) {
            writeln!(f, "{name:30} {count:>12}")?;
        }
        for (name, count) in self.web.counts().into_iter().filter(|(_, count)| *count > 0) {
            writeln!(f, "{name:30} {count:>12}")?;
        }
        for (case, name) in REESTABLISH_CASES.iter().enumerate() {
            let [opener, other] = [self.reestablish[0][case], self.reestablish[1][case]];
            writeln!(f, "reestablish: {name:17} {opener:>12} by the opener {other:>12} by the other")?;
        }
        Ok(())
    }
}
