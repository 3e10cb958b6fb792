//! What a part of a payment has met on its way, once it is over: for path search, and for people.
//!
//! Hops tell how long they held a part (attribution data, BOLT 4). What they say is vouched for by HMACs of theirs, not true: each may lie
//! about itself. But what a hop tells lies within what the hop before it tells, and all of it within the time that the payment took;
//! so the first time that is too long is not believed, nor are those behind it.

use super::{Payment, PaymentPart, Taught};
use astrape_onion::{HoldTime, read_fulfill_attribution};
use astrape_primitives::{PaymentHash, ShortChannelId, Timestamp};
use astrape_wire::AttributionData;

/// A part of a payment that is over. It may get lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trip {
    /// Of which payment.
    pub payment_hash: PaymentHash,
    /// Which of its parts.
    pub number: u64,
    /// The part.
    pub part: PaymentPart,
    /// How long its payment was under way by then, in milliseconds: no hop can have held it for longer.
    pub took_ms: u64,
    /// How it ended.
    pub end: TripEnd,
}

/// How a part ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TripEnd {
    /// It was settled.
    Arrived {
        /// What came with the preimage. It is not read yet: that takes some multiplications on the curve for each hop.
        attribution_data: Option<AttributionData>,
    },
    /// It came back.
    Failed {
        /// Why, in words.
        words: String,
        /// What it teaches of the channels on its way.
        taught: Vec<Taught>,
        /// What the hops tell, our peer first.
        hold_times: Vec<HoldTime>,
        /// The hop that has failed it, from 0; `None` where nobody has signed the failure.
        by: Option<usize>,
    },
}

impl Payment {
    /// What is told of a part of it that is over.
    pub(super) fn trip(&self, number: u64, part: PaymentPart, now: Timestamp, end: TripEnd) -> Box<Trip> {
        let took_ms = now.since(self.started_at);
        Box::new(Trip { payment_hash: self.payment_hash, number, part, took_ms, end })
    }
}

impl Trip {
    /// What it teaches of the liquidity of channels.
    #[must_use]
    pub fn taught(&self) -> Vec<Taught> {
        match &self.end {
            TripEnd::Arrived { .. } => self.part.paid(),
            TripEnd::Failed { taught, .. } => taught.clone(),
        }
    }

    /// How long each hop held it, in milliseconds, our peer first, as far as they tell and can be believed; 0 also where a hop does
    /// not say. For one that arrived it takes some multiplications on the curve for each hop.
    #[must_use]
    pub fn hold_times(&self) -> Vec<u64> {
        let told = match &self.end {
            TripEnd::Arrived { attribution_data: None } => Vec::new(),
            TripEnd::Arrived { attribution_data: Some(data) } => {
                read_fulfill_attribution(&self.part.recipe.shared_secrets(), data)
            }
            TripEnd::Failed { hold_times, .. } => hold_times.clone(),
        };
        let mut most = self.took_ms;
        let within = |time: HoldTime| {
            let millis = time.millis();
            let is_believed = millis <= most;
            if millis > 0 {
                most = millis;
            }
            is_believed.then_some(millis)
        };
        told.into_iter().map_while(within).collect()
    }

    /// How long it took to cross the channels of others, in milliseconds, by what [`Trip::hold_times`] says: the time of the hop before a
    /// channel less that of the hop behind it. Where only one of the two tells, nothing is known: the rest of the way may have taken
    /// the time. The hop that failed it had nobody behind it. Whoever lies makes a channel of its own look slow.
    #[must_use]
    pub fn delays(&self, hold_times: &[u64]) -> Vec<(ShortChannelId, u64)> {
        let failed_by = match &self.end {
            TripEnd::Arrived { .. } => None,
            TripEnd::Failed { by, .. } => *by,
        };
        let delay = |(index, channel): (usize, &ShortChannelId)| {
            let before = *hold_times.get(index)?;
            let behind = match hold_times.get(index + 1) {
                Some(behind) => *behind,
                None if failed_by == Some(index) => 0,
                None => return None,
            };
            Some((*channel, before.saturating_sub(behind)))
        };
        self.part.channels.iter().enumerate().filter_map(delay).collect()
    }
}
