//! Jamming: HTLCs that are there to fill a channel and not to pay (attack 31). Fast, with many; slow, with a few that stay for days.
//!
//! What is defended is the channel that an HTLC comes in over: its slots and what may be in flight there are worth something
//! to those who wait before it. Who is watched is the channel that it goes out over, since only what lies behind that can be
//! slow. So far this is what lightning/bolts pull request 1280 proposes; what differs is told beside each rule.
//!
//! - A part of the slots and of the amount is kept for outgoing channels of good reputation. Others share the rest.
//! - An outgoing channel that holds many HTLCs for long gets no more, unless its reputation is good.
//! - Reputation is bought with fees: those that came quickly from forwards over a channel, less what its slow ones would have
//!   cost, must come to what the incoming channel itself brings in, and to the risk of all that is under way.
//!
//! Nothing of this is durable: a restart forgets all reputation, and protects the kept part from everybody for a while.

use astrape_primitives::{Msat, Timestamp};
use core::fmt;

/// An HTLC that ends within this time did what HTLCs are for: parts of a payment may wait for a minute.
pub const RESOLUTION_MILLIS: u64 = 90_000;

/// Time in which what was earned is forgotten by half: half of the 24 weeks that the proposal adds up.
pub const HALF_LIFE_MILLIS: u64 = 12 * 7 * 86_400_000;

/// Share of a channel's slots, and of the amount in flight in it, that is kept for good reputation.
pub const PROTECTED_PERCENT: u64 = 20;

/// Share of an incoming channel's slots, and of its amount, that one outgoing channel may hold for longer than
/// [`RESOLUTION_MILLIS`] before it gets no more.
pub const MAX_STUCK_PERCENT: u64 = 20;

/// HTLCs are never refused for their number below this many slots: small channels of others have few.
pub const MIN_STUCK_SLOTS: u64 = 4;

/// One that stays is a payment that its recipient holds, however large: it is watched what so many have together.
pub const MIN_STUCK_TOGETHER: u64 = 2;

/// Time between blocks, for what an HTLC may cost that stays until its expiry.
const BLOCK_MILLIS: u64 = 600_000;

/// Something that is forgotten by half with time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fading {
    amount: Msat,
    at: Timestamp,
}

impl Fading {
    /// What is left of it.
    #[must_use]
    pub fn at(&self, now: Timestamp) -> Msat {
        let elapsed = now.since(self.at);
        let halves = elapsed / HALF_LIFE_MILLIS;
        let whole =
            u32::try_from(halves).ok().and_then(|halves| self.amount.0.checked_shr(halves)).unwrap_or(0);
        // Between two halvings a straight line stands in for the curve.
        let rest = u128::from(elapsed % HALF_LIFE_MILLIS);
        let lost = u128::from(whole) * rest / (2 * u128::from(HALF_LIFE_MILLIS));
        Msat(whole.saturating_sub(u64::try_from(lost).unwrap_or(u64::MAX)))
    }

    /// With something more.
    #[must_use]
    pub fn plus(&self, more: Msat, now: Timestamp) -> Self {
        Self { amount: self.at(now).saturating_add(more), at: now }
    }

    /// With something less, and never less than nothing.
    #[must_use]
    pub fn minus(&self, less: Msat, now: Timestamp) -> Self {
        Self { amount: self.at(now).saturating_sub(less), at: now }
    }
}

/// What is known of a channel's forwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reputation {
    /// What forwards have paid that went out over it, less what the slow ones cost.
    pub earned_out: Fading,
    /// What forwards have paid that came in over it.
    pub earned_in: Fading,
}

/// What an HTLC costs us that is held for `held_ms`, when it pays `fee`: as many fees as could have been earned meanwhile.
#[must_use]
pub fn cost_of_time(fee: Msat, held_ms: u64) -> Msat {
    fee.checked_mul(held_ms / RESOLUTION_MILLIS).unwrap_or(Msat(u64::MAX))
}

/// What an HTLC may cost that pays `fee` and has `blocks` until it expires.
#[must_use]
pub fn risk(fee: Msat, blocks: u32) -> Msat {
    cost_of_time(fee, u64::from(blocks).saturating_mul(BLOCK_MILLIS))
}

impl Reputation {
    /// A forward that went out over this channel has ended after `held_ms`, with a fee of `fee` if it `paid`.
    #[must_use]
    pub fn after_outgoing(&self, fee: Msat, paid: bool, held_ms: u64, now: Timestamp) -> Self {
        let earned_out = match (paid, cost_of_time(fee, held_ms)) {
            (true, Msat::ZERO) => self.earned_out.plus(fee, now),
            (false, Msat::ZERO) => self.earned_out,
            (_, cost) => self.earned_out.minus(cost, now),
        };
        Self { earned_out, ..*self }
    }

    /// A forward that came in over this channel has paid a fee.
    #[must_use]
    pub fn after_incoming(&self, fee: Msat, now: Timestamp) -> Self {
        Self { earned_in: self.earned_in.plus(fee, now), ..*self }
    }
}

/// How an incoming channel is used, by HTLCs that are passed on or wait to be, without the one that is judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// HTLCs that the peer may have there.
    pub slots: u64,
    /// HTLCs of the peer that are there.
    pub used_slots: u64,
    /// Those of them that are no parts of the payment that is judged.
    pub others: u64,
    /// What the peer may have in flight there.
    pub amount: Msat,
    /// What it has in flight there.
    pub used_amount: Msat,
    /// HTLCs of those that went out over the channel that is judged, longer ago than [`RESOLUTION_MILLIS`].
    pub stuck_slots: u64,
    /// What they come to.
    pub stuck_amount: Msat,
    /// What all that is under way over the channel that is judged may cost.
    pub risk: Msat,
}

/// A forward that is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// What it brings in.
    pub amount: Msat,
    /// What it pays.
    pub fee: Msat,
    /// Blocks until what came in expires.
    pub blocks: u32,
}

/// Why a forward is not taken on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jam {
    /// The rest of the slots is kept.
    Slots,
    /// The rest of what may be in flight is kept.
    Amount,
    /// The outgoing channel holds too much for too long.
    Stuck,
    /// Too much came back unpaid of late ([`crate::probing`]).
    Unpaid,
}

impl fmt::Display for Jam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Jam::Slots => {
                "the free slots of the channel that it came in over are kept for channels of good reputation"
            }
            Jam::Amount => {
                "what may still be in flight in the channel that it came in over is kept for channels of good reputation"
            }
            Jam::Stuck => "the channel that it was to go out over holds too much for too long already",
            Jam::Unpaid => {
                "too many forwards from the channel that it came in over to the one that it was to go out over came back unpaid of late"
            }
        })
    }
}

/// Whether an outgoing channel may use what is kept: it has paid for the risk that it is, and for what may be lost. Whoever
/// has paid nothing has no reputation, also where nothing is asked.
#[must_use]
pub fn is_good(
    outgoing: &Reputation,
    incoming: &Reputation,
    usage: &Usage,
    candidate: &Candidate,
    now: Timestamp,
) -> bool {
    let asked = incoming.earned_in.at(now).saturating_add(usage.risk);
    let asked = asked.saturating_add(risk(candidate.fee, candidate.blocks));
    let earned = outgoing.earned_out.at(now);
    earned > Msat::ZERO && earned >= asked
}

/// Judges a forward. A channel of good reputation may use all there is.
///
/// Where no other payment is in flight in the incoming channel, an amount is taken that reaches into what is kept: a large payment
/// over a small channel is no jam, in several parts as little as in one, and whoever would make it one must lock as much as it
/// blocks.
///
/// # Errors
/// Which rule stands against it.
pub fn judge(usage: &Usage, candidate: &Candidate, is_good: bool) -> Result<(), Jam> {
    if is_good {
        return Ok(());
    }
    let max_stuck = (usage.slots * MAX_STUCK_PERCENT / 100).max(MIN_STUCK_SLOTS);
    let is_too_much = usage.stuck_amount > share(usage.amount, MAX_STUCK_PERCENT);
    if usage.stuck_slots >= max_stuck || (usage.stuck_slots >= MIN_STUCK_TOGETHER && is_too_much) {
        return Err(Jam::Stuck);
    }
    let free_for_all = 100 - PROTECTED_PERCENT;
    if usage.used_slots >= usage.slots * free_for_all / 100 {
        return Err(Jam::Slots);
    }
    let after = usage.used_amount.saturating_add(candidate.amount);
    if usage.others > 0 && after > share(usage.amount, free_for_all) {
        return Err(Jam::Amount);
    }
    Ok(())
}

fn share(amount: Msat, percent: u64) -> Msat {
    let share = u128::from(amount.0) * u128::from(percent) / 100;
    Msat(u64::try_from(share).unwrap_or(u64::MAX))
}
