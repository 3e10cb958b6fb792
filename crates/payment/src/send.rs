//! One payment of ours as a value: what is in flight, what was learnt, and how it goes on (BOLT 4, "Receiving Failure Codes"
//! and "Basic Multi-Part Payments").
//!
//! A way over our own channels and the hints of an invoice is found at once. For every other one path search is asked, outside
//! of the step and on a snapshot of the network ([`PayOutput::Search`]), and its answer comes back
//! ([`Payment::on_route`]). The question is a part of the payment, so that a restart asks it again.
//!
//! | room | what is in it |
//! |---|---|
//! | `plan` | ways over our channels and the hints |
//! | `search` | what path search is asked, and how its answer is followed |
//! | `offer` | HTLCs made of ways |
//! | `learn` | what a failure teaches this payment |
//! | `teach` | what it teaches all others |
//! | `trip` | what becomes of a part, and how long each hop held it |
//! | `recipient` | who is paid, and what it must be told |

mod learn;
mod offer;
mod plan;
mod recipient;
mod search;
mod teach;
mod trip;

pub use search::RouteQuery;
pub use teach::Taught;
pub use trip::{Trip, TripEnd};

use crate::policy::{MAX_OVERPAYMENT_FACTOR, PaymentPolicy};
use crate::refusal::PayRefusal;
use astrape_channel::{NewHtlc, Refusal, Resolution};
use astrape_invoice::Invoice;
use astrape_onion::OnionRecipe;
use astrape_primitives::amount::MAX_MONEY_SAT;
use astrape_primitives::{
    ChannelKeysId, Height, Msat, Network, NodeId, PaymentHash, PaymentPreimage, PaymentSecret, Sat,
    ShortChannelId, Timestamp,
};
use astrape_routing::{Direction, NoRoute, Route};
use astrape_wire::AttributionData;
use learn::{Lesson, Verdict};
use recipient::Recipient;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a payment looks at beside itself.
#[derive(Clone, Copy, Debug)]
pub struct PayView<'a> {
    /// This node.
    pub payer: NodeId,
    /// The channels that a payment may begin with.
    pub channels: &'a [OwnChannel],
    /// The time.
    pub now: Timestamp,
    /// The height of the chain.
    pub tip: Height,
    /// What the operator chose.
    pub policy: &'a PaymentPolicy,
}

/// A channel that a payment may begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnChannel {
    /// Our name for it.
    pub keys: ChannelKeysId,
    /// Our alias of it: its name in the questions to path search.
    pub alias: ShortChannelId,
    /// What others call it when they send over it to us: its real id, and what our route hints say.
    pub inbound: [Option<ShortChannelId>; 2],
    /// The peer.
    pub peer: NodeId,
    /// The largest HTLC that we can offer now.
    pub sendable: Msat,
    /// The smallest HTLC that the peer takes.
    pub htlc_minimum: Msat,
}

/// Whom the user wants to pay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payee {
    /// Who made an invoice.
    Invoice(Box<Invoice>),
    /// A node that takes payments without one (bLIP 3).
    Keysend {
        /// Which.
        node: NodeId,
        /// The preimage, which only the recipient finds in the onion.
        preimage: PaymentPreimage,
        /// For applications, by type from 65536 on.
        custom_records: BTreeMap<u64, Vec<u8>>,
    },
    /// A node that is to be reached and not paid: nobody knows a preimage of the hash, so that nothing can be settled.
    Probe {
        /// Which.
        node: NodeId,
        /// Fresh random bytes.
        payment_hash: PaymentHash,
        /// The same: the recipient cannot tell the HTLC from one for an invoice that it has forgotten.
        payment_secret: PaymentSecret,
        /// An invoice of the node: how it can be reached, and for how much.
        invoice: Option<Box<Invoice>>,
    },
}

impl Payee {
    /// By what the payment is known.
    #[must_use]
    pub fn payment_hash(&self) -> PaymentHash {
        match self {
            Self::Invoice(invoice) => invoice.payment_hash(),
            Self::Keysend { preimage, .. } => preimage.payment_hash(),
            Self::Probe { payment_hash, .. } => *payment_hash,
        }
    }

    /// Who it is.
    #[must_use]
    pub fn node(&self) -> NodeId {
        match self {
            Self::Invoice(invoice) => invoice.payee(),
            Self::Keysend { node, .. } | Self::Probe { node, .. } => *node,
        }
    }
}

/// What the user wants to pay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayRequest {
    /// Where this node lives.
    pub network: Network,
    /// Whom.
    pub payee: Payee,
    /// How much: needed where an invoice leaves it open, and without one.
    pub amount: Option<Msat>,
    /// The most that the way may cost; a share of the amount otherwise.
    pub max_fee: Option<Msat>,
    /// How long to try, in seconds; the policy's otherwise.
    pub retry_secs: Option<u64>,
    /// 32 fresh random bytes: the session key of each part follows from them.
    pub session_key_seed: [u8; 32],
    /// Out by one channel of ours and back by another, to move balance between them.
    pub circle: Option<Circle>,
}

/// A payment to ourselves, by an invoice of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Circle {
    /// It leaves by this channel, and no part comes back by it.
    pub out: ChannelKeysId,
    /// It comes back by this channel; by any other, if absent.
    pub back: Option<ChannelKeysId>,
}

impl Circle {
    /// What must not be used, as if it had failed: so it holds for all retries.
    fn lessons(&self, channels: &[OwnChannel]) -> Lessons {
        let mut lessons = Lessons::default();
        for channel in channels {
            if channel.keys != self.out {
                lessons.own.insert(channel.keys, Msat::ZERO);
            }
            if channel.keys == self.out || self.back.is_some_and(|back| back != channel.keys) {
                channel.inbound.into_iter().flatten().for_each(|id| lessons.close(id));
            }
        }
        lessons
    }
}

/// What a payment keeps of what was asked: a retry reads it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// The text of an invoice.
    Invoice(String),
    /// A payment without one.
    Keysend {
        /// What the onion carries.
        preimage: PaymentPreimage,
        /// For applications.
        custom_records: BTreeMap<u64, Vec<u8>>,
    },
    /// Nothing: the recipient is only to be reached. Such a payment is never durable.
    Probe {
        /// What the onion carries.
        payment_secret: PaymentSecret,
        /// An invoice of the recipient.
        invoice: Option<Box<Invoice>>,
    },
}

/// A payment of ours that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// Its hash.
    pub payment_hash: PaymentHash,
    /// The recipient.
    pub destination: NodeId,
    /// What the recipient is to get.
    pub amount: Msat,
    /// The most that the way may cost.
    pub max_fee: Msat,
    /// What is paid.
    pub what: What,
    /// From which the session keys of its parts follow.
    pub session_key_seed: [u8; 32],
    /// The parts in flight, by number.
    pub parts: BTreeMap<u64, PaymentPart>,
    /// How many parts were ever made; the number of the next one.
    pub attempts: u64,
    /// How many questions path search was asked; the number of the last one.
    pub searches: u64,
    /// When the last question was asked, while it is open.
    pub asked_at: Option<Timestamp>,
    /// What failures have taught.
    pub lessons: Lessons,
    /// The proof that it arrived. From then on nothing is offered.
    pub preimage: Option<PaymentPreimage>,
    /// Why nothing more is tried.
    pub gave_up: Option<String>,
    /// The last failure, in words.
    pub last_failure: Option<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// Nothing is tried again from this time on.
    pub retry_until: Timestamp,
}

/// A part of a payment: one HTLC of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentPart {
    /// Over which channel of ours.
    pub channel: ChannelKeysId,
    /// What the recipient is to get of it.
    pub amount: Msat,
    /// What the hops take.
    pub fee: Msat,
    /// The channels between its hops: the first is that from our peer on. One less than there are hops.
    pub channels: Vec<ShortChannelId>,
    /// Its onion: the hops and how to read their answers.
    pub recipe: Arc<OnionRecipe>,
}

impl PaymentPart {
    /// Its hops, our peer first and the recipient last.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.recipe.hops.iter().map(|hop| NodeId::from_key(&hop.node))
    }

    /// Hop `index`, from 0 for our peer; the recipient for whatever is beyond.
    pub(crate) fn node(&self, index: usize) -> NodeId {
        let hops = &self.recipe.hops;
        let hop = hops.get(index).or(hops.last()).expect("a part is made with at least one hop");
        NodeId::from_key(&hop.node)
    }
}

/// What failures of a payment have taught. As large as the ways that it has tried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lessons {
    /// The largest HTLC that is still worth trying over a channel of ours.
    pub own: BTreeMap<ChannelKeysId, Msat>,
    /// What is known of channels of others that failed.
    pub channels: BTreeMap<(ShortChannelId, Direction), Limit>,
    /// Nodes that are not to be used.
    pub nodes: BTreeSet<NodeId>,
    /// How often nodes stood on a way whose failure could not be read and named nobody.
    pub suspects: BTreeMap<NodeId, u32>,
    /// Nodes that were suspected so often are used all the same: there was no way without them.
    pub bears: u32,
}

/// What may be in a channel of others that failed, one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limit {
    /// The most that may be there, for all parts that are in flight together: one millisatoshi more failed.
    pub most: Msat,
    /// How far beyond half of it is gone: there was no way with less.
    pub dared: u32,
}

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

impl Payment {
    /// Begins a payment: its value, and what follows.
    ///
    /// # Errors
    /// When there can be no way; nothing has happened then.
    pub fn start(request: PayRequest, view: &PayView<'_>) -> Result<(Self, Vec<PayOutput>), PayRefusal> {
        let (mut payment, recipient) = Self::begun(request, view)?;
        let outputs = payment.offer_missing(&recipient, view)?;
        Ok((payment, outputs))
    }

    /// What path search would be asked for a payment that does not begin.
    ///
    /// # Errors
    /// When there can be no way.
    pub fn preview(request: PayRequest, view: &PayView<'_>) -> Result<RouteQuery, PayRefusal> {
        let (payment, recipient) = Self::begun(request, view)?;
        Ok(payment.query(view.payer, &recipient, view.channels, view.policy))
    }

    /// A payment of which nothing was sent.
    fn begun(request: PayRequest, view: &PayView<'_>) -> Result<(Self, Recipient), PayRefusal> {
        let amount = check(&request, view)?;
        let recipient = Recipient::of(&request.payee);
        let leaving: Vec<OwnChannel> = match &request.circle {
            Some(circle) => view.channels.iter().filter(|own| own.keys == circle.out).copied().collect(),
            None => view.channels.to_vec(),
        };
        offer::refuse_at_our_end(amount, &recipient, &PayView { channels: &leaving, ..*view })?;
        let lessons = request.circle.map(|circle| circle.lessons(view.channels)).unwrap_or_default();
        let PayView { now, policy, .. } = view;
        let retry_secs = request.retry_secs.unwrap_or(policy.retry_secs);
        let mut retry_until = now.plus(retry_secs.saturating_mul(1_000));
        let payment_hash = request.payee.payment_hash();
        let what = match request.payee {
            Payee::Invoice(invoice) => {
                retry_until = retry_until.min(Timestamp::from_secs(invoice.expires_at()));
                What::Invoice(invoice.to_string())
            }
            Payee::Keysend { preimage, custom_records, .. } => What::Keysend { preimage, custom_records },
            Payee::Probe { payment_secret, invoice, .. } => What::Probe { payment_secret, invoice },
        };
        let payment = Self {
            payment_hash,
            destination: recipient.node,
            amount,
            max_fee: request.max_fee.unwrap_or_else(|| policy.default_max_fee(amount)),
            what,
            session_key_seed: request.session_key_seed,
            parts: BTreeMap::new(),
            attempts: 0,
            searches: 0,
            asked_at: None,
            lessons,
            preimage: None,
            gave_up: None,
            last_failure: None,
            started_at: *now,
            retry_until,
        };
        Ok((payment, recipient))
    }

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
        if let Resolution::Fulfilled { preimage, attribution_data } = how {
            return self.on_fulfilled(part, *preimage, attribution_data.clone(), view.now);
        }
        let mut next = self.clone();
        let Some(failed) = next.parts.remove(&part) else {
            return (next, Vec::new());
        };
        let earlier = next.parts.range(..part).map(|(_, earlier)| earlier);
        let Lesson { words, verdict, taught, hold_times, read_from: by } =
            learn::from_answer(&failed, earlier, how, view.tip);
        next.lessons.read(&failed, by);
        let end = TripEnd::Failed { words: words.clone(), taught, hold_times, by };
        let trip = self.trip(part, failed, view.now, end);
        let follows = match verdict {
            // The recipient has it, and does not know what for.
            Verdict::GiveUp if self.is_probe() => vec![next.reached(&trip, words)],
            verdict => next.go_on(words, verdict, view),
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
        let (words, verdict) = learn::from_refusal(&refused, refusal);
        let outputs = next.go_on(words, verdict, view);
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

    /// Whether it has ended and nothing is in flight: it may be forgotten.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.parts.is_empty() && (self.preimage.is_some() || self.gave_up.is_some())
    }

    /// Whether it is only to reach the recipient.
    #[must_use]
    pub const fn is_probe(&self) -> bool {
        matches!(self.what, What::Probe { .. })
    }

    /// What the recipient and the hops get of the parts in flight.
    #[must_use]
    pub fn in_flight(&self) -> (Msat, Msat) {
        (self.parts.values().map(|p| p.amount).sum(), self.parts.values().map(|p| p.fee).sum())
    }

    /// A probe has done what it was to do.
    fn reached(&mut self, trip: &Trip, words: String) -> PayOutput {
        let part = &trip.part;
        self.gave_up = Some(words.clone());
        let (fee, hops, hold_times) = (part.fee, part.nodes().collect(), trip.hold_times());
        PayOutput::Reached { fee, hops, hold_times, words }
    }

    /// After a part has failed: tries the rest anew, or gives up; tells of the failure when the last part is back.
    fn go_on(&mut self, words: String, verdict: Verdict, view: &PayView<'_>) -> Vec<PayOutput> {
        if self.preimage.is_some() {
            return Vec::new();
        }
        self.last_failure = Some(words);
        if self.gave_up.is_some() {
            return self.end().into_iter().collect();
        }
        match self.retry(verdict, view) {
            Ok(offers) => offers,
            Err(why) => self.give_up(&why),
        }
    }

    /// The error says why nothing more is tried; it is empty where the failure says enough.
    fn retry(&mut self, verdict: Verdict, view: &PayView<'_>) -> Result<Vec<PayOutput>, String> {
        match verdict {
            Verdict::GiveUp => return Err(String::new()),
            Verdict::Avoid(avoid) => avoid.into_iter().for_each(|avoid| self.lessons.add(avoid)),
        }
        if view.now >= self.retry_until {
            return Err("the time for retries is up".to_owned());
        }
        if self.attempts >= view.policy.max_payment_attempts || self.searches >= search::MAX_SEARCHES {
            return Err(format!("{} attempts were made", self.attempts));
        }
        let recipient = Recipient::again(self.destination, &self.what)?;
        self.offer_missing(&recipient, view).map_err(|refusal| refusal.to_string())
    }

    /// Nothing more is tried, for this reason beside the last failure.
    fn give_up(&mut self, why: &str) -> Vec<PayOutput> {
        self.asked_at = None;
        self.gave_up = Some(match &self.last_failure {
            Some(failure) if why.is_empty() => failure.clone(),
            Some(failure) => format!("{failure} ({why})"),
            None => why.to_owned(),
        });
        self.end().into_iter().collect()
    }

    /// The failure is told when the last part is back.
    fn end(&self) -> Option<PayOutput> {
        let reason = self.gave_up.clone().filter(|_| self.parts.is_empty())?;
        Some(PayOutput::Failed { reason })
    }
}

/// What the clock asks of a payment.
enum Due {
    End,
    Question,
}

/// What has nothing to do with ways. Gives the amount to pay.
fn check(request: &PayRequest, view: &PayView<'_>) -> Result<Msat, PayRefusal> {
    let invoice = match &request.payee {
        Payee::Invoice(invoice) => Some(invoice),
        Payee::Probe { invoice, .. } => invoice.as_ref(),
        Payee::Keysend { .. } => None,
    };
    let other = invoice.map(|invoice| invoice.network()).filter(|network| *network != request.network);
    if let Some(network) = other {
        return Err(PayRefusal::OtherNetwork { invoice: network, ours: request.network });
    }
    if (request.payee.node() == view.payer) != request.circle.is_some() {
        return Err(PayRefusal::OwnInvoice);
    }
    if let Some(invoice) = invoice.filter(|invoice| invoice.is_expired_at(view.now.secs())) {
        return Err(PayRefusal::Expired { secs: view.now.secs().saturating_sub(invoice.expires_at()) });
    }
    let amount = match (invoice.and_then(|invoice| invoice.amount()), request.amount) {
        (None, None) => return Err(PayRefusal::AmountMissing),
        (Some(amount), None) | (None, Some(amount)) => amount,
        (Some(asked), Some(given)) => {
            let most = asked.checked_mul(MAX_OVERPAYMENT_FACTOR).unwrap_or(asked);
            if !(asked..=most).contains(&given) {
                return Err(PayRefusal::OtherAmount { asked, given });
            }
            given
        }
    };
    if amount == Msat::ZERO || amount > Sat(MAX_MONEY_SAT).to_msat() {
        return Err(PayRefusal::Amount(amount));
    }
    Ok(amount)
}
