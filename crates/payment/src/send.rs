//! One payment of ours as a value: what is in flight, what was learnt, and how it goes on (BOLT 4, "Receiving Failure Codes"
//! and "Basic Multi-Part Payments"). Here is what happens to it, one input each; what follows is decided in its rooms.
//!
//! A way over our own channels and the hints of an invoice is found at once. For every other one path search is asked, outside
//! of the step and on a snapshot of the network ([`PayOutput::Search`]), and its answer comes back
//! ([`Payment::on_route`]). The question is a part of the payment, so that a restart asks it again.
//!
//! | room | what is in it |
//! |---|---|
//! | `request` | what the user wants to pay, and what is looked at beside it |
//! | `state` | the payment as it is kept |
//! | `begin` | what is refused at once, and the first value |
//! | `plan` | ways over our channels and the hints |
//! | `search` | what path search is asked, and how its answer is followed |
//! | `offer` | HTLCs made of ways |
//! | `scout` | what goes ahead of parts where their ways are doubtful |
//! | `learn` | what a failure teaches this payment |
//! | `teach` | what it teaches all others |
//! | `trip` | what becomes of a part, and how long each hop held it |
//! | `end` | whether the rest is tried anew, and how a payment ends |
//! | `recipient` | who is paid, and what it must be told |

mod begin;
mod end;
mod learn;
mod offer;
mod plan;
mod recipient;
mod request;
mod scout;
mod search;
mod state;
mod teach;
mod trip;

pub use request::{Circle, OwnChannel, PayRequest, PayView, Payee, WayBack};
pub use search::RouteQuery;
pub use state::{Lessons, Limit, Payment, PaymentPart, Told, What};
pub use teach::Taught;
pub use trip::{Trip, TripEnd};

use astrape_channel::{NewHtlc, Refusal, Resolution};
use astrape_primitives::{ChannelKeysId, Msat, NodeId, PaymentPreimage, Timestamp};
use astrape_routing::{NoRoute, Route};
use astrape_wire::AttributionData;
use learn::{Lesson, Verdict};

/// What follows for the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PayOutput {
    /// Offer this over a channel.
    Offer(ChannelKeysId, NewHtlc),
    /// Ask path search, and give its answer to [`Payment::on_route`].
    Search(Box<RouteQuery>),
    /// Tell path search and people of a part that is over. It may get lost.
    Teach(Box<Trip>),
    /// The recipient has given the preimage: it arrived. Parts that are still in flight end on their own.
    Sent {
        /// The proof.
        preimage: PaymentPreimage,
        /// What the recipient gets of all parts that were in flight.
        amount: Msat,
        /// What their hops get.
        fee: Msat,
    },
    /// A probe has reached the recipient, who gave it back. It is over.
    Reached {
        /// What the hops would have taken.
        fee: Msat,
        /// They, our peer first and the recipient last.
        hops: Vec<NodeId>,
        /// How long each of them held it, in milliseconds, as far as they tell.
        hold_times: Vec<u64>,
        /// What the recipient says, in words.
        words: String,
    },
    /// It failed for good, nothing is in flight, nothing was paid.
    Failed {
        /// Why, and what to do, in words.
        reason: String,
    },
}

/// What the clock asks of a payment.
enum Due {
    End,
    Question,
}

impl Payment {
    /// A part was fulfilled: the payment arrived. [`PayOutput::Sent`] comes once. `attribution_data` is what came with the preimage.
    #[must_use]
    pub fn on_fulfilled(
        &self,
        part: u64,
        preimage: PaymentPreimage,
        attribution_data: Option<AttributionData>,
        now: Timestamp,
    ) -> (Self, Vec<PayOutput>) {
        let mut next = self.clone();
        let arrived = next.parts.remove(&part);
        next.forget_beside(part);
        let trip = arrived.map(|way| self.trip(part, way, now, TripEnd::Arrived { attribution_data }));
        let mut outputs: Vec<PayOutput> = trip.map(PayOutput::Teach).into_iter().collect();
        if self.preimage.is_some() || self.is_over() {
            return (next, outputs);
        }
        next.preimage = Some(preimage);
        next.asked_at = None;
        let (amount, fee) = self.in_flight();
        outputs.push(PayOutput::Sent { preimage, amount, fee });
        (next, outputs)
    }

    /// A part was failed, irrevocably.
    #[must_use]
    pub fn on_failed(&self, part: u64, how: &Resolution, view: &PayView<'_>) -> (Self, Vec<PayOutput>) {
        if let Resolution::Fulfilled { preimage, attribution } = how {
            return self.on_fulfilled(part, *preimage, attribution.clone().data(), view.now);
        }
        let mut next = self.clone();
        let Some(failed) = next.parts.remove(&part) else {
            return (next, Vec::new());
        };
        let is_scout = self.is_scout(&failed);
        let earlier = next.parts.range(..part).map(|(_, earlier)| earlier);
        let ended = |index: usize| {
            let index = u8::try_from(index).ok()?;
            self.beside.get(&(part, index)).copied()
        };
        let Lesson { words, verdict, taught, hold_times, read_from: by, arrived } =
            learn::from_answer((part, &failed), earlier, ended, how, view);
        next.lessons.read(&failed, by);
        next.carried(&failed, by.unwrap_or_default(), matches!(verdict, Verdict::Anew));
        next.forget_beside(part);
        next.was_beside_later_ones(part, &failed, by);
        // Whoever had all of it has no such reason.
        let verdict = match verdict {
            Verdict::Anew if self.in_flight().0 >= self.amount => Verdict::GiveUp,
            verdict => verdict,
        };
        // Whatever the recipient says of a scout for good, the way holds.
        let scouted = is_scout && (arrived || matches!(verdict, Verdict::GiveUp));
        let told = if scouted { crate::words::scout_arrived().to_owned() } else { words.clone() };
        let end = TripEnd::Failed { words: told, taught, hold_times, by };
        let trip = self.trip(part, failed, view.now, end);
        let follows = match verdict {
            // The recipient has it, and does not know what for.
            Verdict::GiveUp if arrived && self.is_probe() => vec![next.reached(&trip, words)],
            _ if scouted => next.go_on(None, Verdict::Avoid(Vec::new()), view),
            verdict => next.go_on(Some(words), verdict, view),
        };
        let mut outputs = vec![PayOutput::Teach(trip)];
        outputs.extend(follows);
        (next, outputs)
    }

    /// The channel did not take a part.
    #[must_use]
    pub fn on_not_offered(&self, part: u64, refusal: &Refusal, view: &PayView<'_>) -> (Self, Vec<PayOutput>) {
        let mut next = self.clone();
        let Some(refused) = next.parts.remove(&part) else {
            return (next, Vec::new());
        };
        next.forget_beside(part);
        let earlier = next.parts.range(..part).map(|(_, earlier)| earlier);
        let (words, verdict) = learn::from_refusal(&refused, earlier, refusal);
        let outputs = next.go_on(Some(words), verdict, view);
        (next, outputs)
    }

    /// Path search has answered. An answer to an older question changes nothing.
    #[must_use]
    pub fn on_route(
        &self,
        number: u64,
        found: &Result<Route, NoRoute>,
        view: &PayView<'_>,
    ) -> (Self, Vec<PayOutput>) {
        let mut next = self.clone();
        if self.asked_at.is_none() || number != self.searches {
            return (next, Vec::new());
        }
        let outputs = match next.follow(found, view) {
            Ok(outputs) => outputs,
            Err(reason) => next.give_up(&reason),
        };
        (next, outputs)
    }

    /// Time goes by: a question that is open for long is asked again, as after a restart, and one that is open for too long ends
    /// the payment. `None` when nothing changes.
    #[must_use]
    pub fn on_tick(&self, view: &PayView<'_>) -> Option<(Self, Vec<PayOutput>)> {
        let mut next = self.clone();
        let outputs = match self.due(view.now)? {
            Due::End => next.give_up("the time for retries is up"),
            Due::Question if view.channels.is_empty() => return None,
            Due::Question => next.ask_again(view),
        };
        Some((next, outputs))
    }

    /// Whether [`Payment::on_tick`] may have something to do.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.due(now).is_some()
    }

    fn due(&self, now: Timestamp) -> Option<Due> {
        let asked_at = self.asked_at?;
        if now >= self.retry_until {
            return Some(Due::End);
        }
        (now.since(asked_at) >= search::ASK_AGAIN_MILLIS).then_some(Due::Question)
    }
}
