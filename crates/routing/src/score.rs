//! What is known of the liquidity of channels of others: bounds for each, learnt from payments, that widen with time.
//!
//! A channel holds a fixed sum; how it lies between its two ends is not told. An HTLC that got through says "at least", one
//! that did not says "less than", and both say the opposite of the other direction. Such knowledge gets old: half of what
//! it says beyond the channel's capacity is forgotten each [`HALF_LIFE_SECS`].
//!
//! A channel may also be slow to cross, as its two ends tell. That is forgotten in the same way.

pub(crate) mod chance;
mod record;

pub use record::ScoresError;

use crate::graph::Direction;
use astrape_primitives::{Msat, ShortChannelId, Timestamp};
use std::collections::BTreeMap;

/// In this time half of a bound's distance from knowing nothing is forgotten.
pub const HALF_LIFE_SECS: u32 = 3_600;

/// Bounds older than this say nothing any more.
pub const MAX_AGE_SECS: u32 = 20 * HALF_LIFE_SECS;

/// Most channels of which something is known; the oldest are forgotten first. About 50 bytes each.
pub const MAX_KNOWN: usize = 200_000;

/// A delay counts for no more, in milliseconds, whatever is told: one word must not outweigh many for long.
pub const MAX_DELAY_MILLIS: u32 = 60_000;

/// So long a channel may take, in milliseconds: two rounds of signatures between computers far apart.
pub const USUAL_DELAY_MILLIS: u32 = 2_000;

/// A channel that takes [`MAX_DELAY_MILLIS`] is as unwelcome as one that fails every second time: in nats.
const SLOWEST_NATS: f32 = core::f32::consts::LN_2;

/// A channel of others that an HTLC of ours was to cross.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crossing {
    /// The channel.
    pub short_channel_id: ShortChannelId,
    /// Which way.
    pub direction: Direction,
    /// What it holds, as far as that is known.
    pub capacity: Msat,
    /// The HTLC over it.
    pub amount: Msat,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It got through, and came back from farther on: the amount is there.
    Passed,
    /// It did not get through: less is there.
    Stuck,
    /// It was settled: what was there is less by the amount.
    Paid,
}

/// Bounds of what `node_id_1` can send, in millisatoshi.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) at_least: u64,
    pub(crate) at_most: u64,
    /// When they were learnt, in seconds of UNIX time.
    pub(crate) learnt: u32,
    /// How long the channel takes, in milliseconds: each word counts half, all before it the other half.
    pub(crate) delay: u32,
}

impl Bounds {
    const NOTHING: Self = Self { at_least: 0, at_most: u64::MAX, learnt: 0, delay: 0 };

    /// What they say at `now` (seconds) of a channel, for one direction: at least, at most. The former is never greater,
    /// the latter never above the capacity.
    pub(crate) fn at(&self, now: u32, capacity: u64, direction: Direction) -> (u64, u64) {
        let age = now.saturating_sub(self.learnt);
        let at_least = fade(self.at_least.min(capacity), age);
        let at_most = (capacity - fade(capacity - self.at_most.min(capacity), age)).max(at_least);
        match direction {
            Direction::FromNode1 => (at_least, at_most),
            Direction::FromNode2 => (capacity - at_most, capacity - at_least),
        }
    }

    /// How long the channel takes, as far as that is remembered at `now` (seconds).
    fn delay_at(&self, now: u32) -> u32 {
        let left = fade(self.delay.into(), now.saturating_sub(self.learnt));
        u32::try_from(left).expect("no more than it was")
    }

    /// What it is worth to avoid a channel that takes long, in nats: none up to [`USUAL_DELAY_MILLIS`], and more with each second.
    #[expect(clippy::cast_precision_loss, reason = "24 bits are enough for an estimate")]
    pub(crate) fn slowness_at(&self, now: u32) -> f32 {
        let beyond = self.delay_at(now).saturating_sub(USUAL_DELAY_MILLIS);
        beyond as f32 / (MAX_DELAY_MILLIS - USUAL_DELAY_MILLIS) as f32 * SLOWEST_NATS
    }

    /// With what was learnt at `now`.
    fn with(&self, crossing: &Crossing, outcome: Outcome, now: u32) -> Self {
        let capacity = crossing.capacity.0;
        let amount = crossing.amount.0.min(capacity);
        let (mut at_least, mut at_most) = self.at(now, capacity, crossing.direction);
        match outcome {
            Outcome::Passed => at_least = at_least.max(amount),
            Outcome::Stuck => at_most = at_most.min(amount.saturating_sub(1)),
            Outcome::Paid => {
                at_least = at_least.max(amount) - amount;
                at_most = at_most.max(amount) - amount;
            }
        }
        // The newer word wins where two contradict each other.
        match outcome {
            Outcome::Stuck => at_least = at_least.min(at_most),
            Outcome::Passed | Outcome::Paid => at_most = at_most.max(at_least),
        }
        let (learnt, delay) = (now, self.delay_at(now));
        match crossing.direction {
            Direction::FromNode1 => Self { at_least, at_most, learnt, delay },
            Direction::FromNode2 => {
                Self { at_least: capacity - at_most, at_most: capacity - at_least, learnt, delay }
            }
        }
    }
}

/// Halves `value` each half-life, linearly in between.
fn fade(value: u64, age: u32) -> u64 {
    if age >= MAX_AGE_SECS {
        return 0;
    }
    let halved = value >> (age / HALF_LIFE_SECS);
    let part = u128::from(halved) * u128::from(age % HALF_LIFE_SECS) / u128::from(2 * HALF_LIFE_SECS);
    halved - u64::try_from(part).expect("less than what it is a part of")
}

/// What is known of the liquidity of channels of others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scores {
    known: BTreeMap<ShortChannelId, Bounds>,
}

impl Scores {
    /// Nothing is known.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Of how many channels something is known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Learns what became of an HTLC at one channel.
    pub fn learn(&mut self, crossing: &Crossing, outcome: Outcome, now: Timestamp) {
        let now = seconds(now);
        let before = self.known.get(&crossing.short_channel_id).copied().unwrap_or(Bounds::NOTHING);
        self.known.insert(crossing.short_channel_id, before.with(crossing, outcome, now));
        if self.known.len() > MAX_KNOWN {
            self.forget_oldest();
        }
    }

    /// Learns how long a channel took, in milliseconds, after what became of the HTLC at it: of channels of which nothing is known
    /// that is not remembered either.
    pub fn learn_delay(&mut self, id: ShortChannelId, delay_ms: u64) {
        if let Some(bounds) = self.known.get_mut(&id) {
            let told = u32::try_from(delay_ms).unwrap_or(u32::MAX).min(MAX_DELAY_MILLIS);
            bounds.delay = bounds.delay.midpoint(told);
        }
    }

    /// How long a channel takes at `now`, in milliseconds, as far as its ends have told; 0 without knowledge.
    #[must_use]
    pub fn delay(&self, id: ShortChannelId, now: Timestamp) -> u64 {
        self.known.get(&id).map_or(0, |bounds| bounds.delay_at(seconds(now)).into())
    }

    /// Forgets what says nothing any more.
    pub fn prune(&mut self, now: Timestamp) {
        let now = seconds(now);
        self.known.retain(|_, bounds| now.saturating_sub(bounds.learnt) < MAX_AGE_SECS);
    }

    /// What can be sent over a channel at `now`: at least, at most. Without knowledge, anything from nothing to all.
    #[must_use]
    pub fn bounds(
        &self,
        id: ShortChannelId,
        direction: Direction,
        capacity: Msat,
        now: Timestamp,
    ) -> (Msat, Msat) {
        let bounds = self.known.get(&id).copied().unwrap_or(Bounds::NOTHING);
        let (at_least, at_most) = bounds.at(seconds(now), capacity.0, direction);
        (Msat(at_least), Msat(at_most))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (ShortChannelId, Bounds)> + '_ {
        self.known.iter().map(|(id, bounds)| (*id, *bounds))
    }

    /// Makes room: an eighth of what is known goes, oldest first.
    fn forget_oldest(&mut self) {
        let mut ages: Vec<u32> = self.known.values().map(|bounds| bounds.learnt).collect();
        let (_, limit, _) = ages.select_nth_unstable(MAX_KNOWN / 8);
        let limit = *limit;
        self.known.retain(|_, bounds| bounds.learnt > limit);
    }
}

/// Seconds of UNIX time as BOLT 7 counts them, up to the year 2106.
pub(crate) fn seconds(time: Timestamp) -> u32 {
    u32::try_from(time.secs()).unwrap_or(u32::MAX)
}
