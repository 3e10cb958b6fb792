//! One payment of ours as a value: what is in flight, what was learnt, and how it goes on (BOLT 4, "Receiving Failure Codes"
//! and "Basic Multi-Part Payments").

mod learn;
mod plan;

use crate::policy::{MAX_OVERPAYMENT_FACTOR, PaymentPolicy};
use crate::refusal::PayRefusal;
use crate::route;
use astrape_channel::{NewHtlc, OnionSource, Origin, Refusal, Resolution};
use astrape_invoice::Invoice;
use astrape_onion::{FinalPayload, OnionRecipe, PaymentData};
use astrape_primitives::amount::MAX_MONEY_SAT;
use astrape_primitives::{
    ChannelKeysId, CltvExpiry, Height, Msat, Network, NodeId, PaymentHash, PaymentPreimage, Sat,
    ShortChannelId, Timestamp,
};
use bitcoin::hashes::{Hash as _, HashEngine as _, sha256};
use learn::{Lesson, Verdict};
use plan::{Goal, Share};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A channel that a payment may begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnChannel {
    /// Our name for it.
    pub keys: ChannelKeysId,
    /// The peer.
    pub peer: NodeId,
    /// The largest HTLC that we can offer now.
    pub sendable: Msat,
    /// The smallest HTLC that the peer takes.
    pub htlc_minimum: Msat,
}

/// What the user wants to pay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayRequest {
    /// This node.
    pub payer: NodeId,
    /// Where it lives.
    pub network: Network,
    /// What is to be paid.
    pub invoice: Invoice,
    /// How much: needed where the invoice leaves it open.
    pub amount: Option<Msat>,
    /// The most that the way may cost; a share of the amount otherwise.
    pub max_fee: Option<Msat>,
    /// How long to try, in seconds; the policy's otherwise.
    pub retry_secs: Option<u64>,
    /// 32 fresh random bytes: the session key of each part follows from them.
    pub session_key_seed: [u8; 32],
    /// The time.
    pub now: Timestamp,
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
    /// The text of the invoice: what a retry needs of it is read again.
    pub invoice: String,
    /// From which the session keys of its parts follow.
    pub session_key_seed: [u8; 32],
    /// The parts in flight, by number.
    pub parts: BTreeMap<u64, PaymentPart>,
    /// How many parts were ever made; the number of the next one.
    pub attempts: u64,
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
    /// Hop `index`, from 0 for our peer; the recipient for whatever is beyond.
    pub(crate) fn node(&self, index: usize) -> NodeId {
        let hops = &self.recipe.hops;
        let hop = hops.get(index).or(hops.last()).expect("a part is made with at least one hop");
        NodeId::from_key(&hop.node)
    }
}

/// What failures of a payment have taught. As large as the ways that its invoice and our channels make.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lessons {
    /// The largest HTLC that is still worth trying over a channel of ours.
    pub own: BTreeMap<ChannelKeysId, Msat>,
    /// The largest amount that is still worth trying over a channel of others.
    pub channels: BTreeMap<ShortChannelId, Msat>,
    /// Nodes that are not to be used.
    pub nodes: BTreeSet<NodeId>,
}

/// What follows for the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PayOutput {
    /// Offer this over a channel.
    Offer(ChannelKeysId, NewHtlc),
    /// The recipient has given the preimage: it arrived. Parts that are still in flight end on their own.
    Sent {
        /// The proof.
        preimage: PaymentPreimage,
        /// What the recipient gets of all parts that were in flight.
        amount: Msat,
        /// What their hops get.
        fee: Msat,
    },
    /// It failed for good, nothing is in flight, nothing was paid.
    Failed {
        /// Why, and what to do, in words.
        reason: String,
    },
}

impl Payment {
    /// Begins a payment: its value, and the HTLCs to offer.
    ///
    /// # Errors
    /// When there is no way; nothing has happened then.
    pub fn start(
        request: PayRequest,
        channels: &[OwnChannel],
        tip: Height,
        policy: &PaymentPolicy,
    ) -> Result<(Self, Vec<(ChannelKeysId, NewHtlc)>), PayRefusal> {
        let amount = check(&request)?;
        let PayRequest { invoice, now, .. } = &request;
        let retry_secs = request.retry_secs.unwrap_or(policy.retry_secs);
        let retry_until = now.plus(retry_secs.saturating_mul(1_000));
        let mut payment = Self {
            payment_hash: invoice.payment_hash(),
            destination: invoice.payee(),
            amount,
            max_fee: request.max_fee.unwrap_or_else(|| policy.default_max_fee(amount)),
            invoice: invoice.to_string(),
            session_key_seed: request.session_key_seed,
            parts: BTreeMap::new(),
            attempts: 0,
            lessons: Lessons::default(),
            preimage: None,
            gave_up: None,
            last_failure: None,
            started_at: *now,
            retry_until: retry_until.min(Timestamp::from_secs(invoice.expires_at())),
        };
        let offers = payment.offer_missing(invoice, channels, tip, policy)?;
        Ok((payment, offers))
    }

    /// A part was fulfilled: the payment arrived. [`PayOutput::Sent`] comes once.
    #[must_use]
    pub fn on_fulfilled(&self, part: u64, preimage: PaymentPreimage) -> (Self, Vec<PayOutput>) {
        let mut next = self.clone();
        next.parts.remove(&part);
        if self.preimage.is_some() || self.is_over() {
            return (next, Vec::new());
        }
        next.preimage = Some(preimage);
        let (amount, fee) = self.in_flight();
        (next, vec![PayOutput::Sent { preimage, amount, fee }])
    }

    /// A part was failed, irrevocably.
    #[must_use]
    pub fn on_failed(
        &self,
        part: u64,
        how: &Resolution,
        channels: &[OwnChannel],
        now: Timestamp,
        tip: Height,
        policy: &PaymentPolicy,
    ) -> (Self, Vec<PayOutput>) {
        if let Resolution::Fulfilled { preimage, .. } = how {
            return self.on_fulfilled(part, *preimage);
        }
        let mut next = self.clone();
        let Some(failed) = next.parts.remove(&part) else {
            return (next, Vec::new());
        };
        let lesson = learn::from_answer(&failed, how, tip);
        let outputs = next.go_on(lesson, channels, now, tip, policy);
        (next, outputs)
    }

    /// The channel did not take a part.
    #[must_use]
    pub fn on_not_offered(
        &self,
        part: u64,
        refusal: &Refusal,
        channels: &[OwnChannel],
        now: Timestamp,
        tip: Height,
        policy: &PaymentPolicy,
    ) -> (Self, Vec<PayOutput>) {
        let mut next = self.clone();
        let Some(refused) = next.parts.remove(&part) else {
            return (next, Vec::new());
        };
        let lesson = learn::from_refusal(&refused, refusal);
        let outputs = next.go_on(lesson, channels, now, tip, policy);
        (next, outputs)
    }

    /// Whether it has ended and nothing is in flight: it may be forgotten.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.parts.is_empty() && (self.preimage.is_some() || self.gave_up.is_some())
    }

    /// What the recipient and the hops get of the parts in flight.
    #[must_use]
    pub fn in_flight(&self) -> (Msat, Msat) {
        (self.parts.values().map(|p| p.amount).sum(), self.parts.values().map(|p| p.fee).sum())
    }

    /// After a part has failed: tries the rest anew, or gives up; tells of the failure when the last part is back.
    fn go_on(
        &mut self,
        lesson: Lesson,
        channels: &[OwnChannel],
        now: Timestamp,
        tip: Height,
        policy: &PaymentPolicy,
    ) -> Vec<PayOutput> {
        if self.preimage.is_some() {
            return Vec::new();
        }
        self.last_failure = Some(lesson.words);
        if self.gave_up.is_none() {
            match self.retry(lesson.verdict, channels, now, tip, policy) {
                Ok(offers) => {
                    return offers.into_iter().map(|(channel, new)| PayOutput::Offer(channel, new)).collect();
                }
                Err(why) => {
                    let failure = self.last_failure.clone().unwrap_or_default();
                    self.gave_up = Some(if why.is_empty() { failure } else { format!("{failure} ({why})") });
                }
            }
        }
        match &self.gave_up {
            Some(reason) if self.parts.is_empty() => vec![PayOutput::Failed { reason: reason.clone() }],
            _ => Vec::new(),
        }
    }

    /// The error says why nothing more is tried; it is empty where the failure says enough.
    fn retry(
        &mut self,
        verdict: Verdict,
        channels: &[OwnChannel],
        now: Timestamp,
        tip: Height,
        policy: &PaymentPolicy,
    ) -> Result<Vec<(ChannelKeysId, NewHtlc)>, String> {
        match verdict {
            Verdict::GiveUp => return Err(String::new()),
            Verdict::Avoid(avoid) => avoid.into_iter().for_each(|avoid| self.lessons.add(avoid)),
        }
        if now >= self.retry_until {
            return Err("the time for retries is up".to_owned());
        }
        if self.attempts >= policy.max_payment_attempts {
            return Err(format!("{} attempts were made", self.attempts));
        }
        let invoice: Invoice = self.invoice.parse().map_err(|error| format!("{error}"))?;
        self.offer_missing(&invoice, channels, tip, policy).map_err(|refusal| match refusal {
            PayRefusal::FeeTooHigh { .. } | PayRefusal::TooLong { .. } | PayRefusal::NoChannel => {
                refusal.to_string()
            }
            _ => "no other way is left".to_owned(),
        })
    }

    /// Offers what is not in flight. Changes nothing when there is no way.
    fn offer_missing(
        &mut self,
        invoice: &Invoice,
        channels: &[OwnChannel],
        tip: Height,
        policy: &PaymentPolicy,
    ) -> Result<Vec<(ChannelKeysId, NewHtlc)>, PayRefusal> {
        let (amount, fee) = self.in_flight();
        let attempts_left = policy.max_payment_attempts.saturating_sub(self.attempts);
        let goal = Goal {
            invoice,
            amount: self.amount.saturating_sub(amount),
            max_fee: self.max_fee.saturating_sub(fee),
            max_parts: policy
                .max_payment_parts
                .saturating_sub(self.parts.len())
                .min(usize::try_from(attempts_left).unwrap_or(usize::MAX)),
            lessons: &self.lessons,
            policy,
        };
        let shares = plan::plan(&goal, channels)?;
        let numbered = (self.attempts..).zip(&shares);
        let made: Vec<(u64, PaymentPart, NewHtlc)> = numbered
            .map(|(number, share)| self.part(number, share, invoice, tip, policy))
            .collect::<Result<_, _>>()?;
        let mut offers = Vec::with_capacity(made.len());
        for (number, part, new) in made {
            offers.push((part.channel, new));
            self.parts.insert(number, part);
            self.attempts = number + 1;
        }
        Ok(offers)
    }

    fn part(
        &self,
        number: u64,
        share: &Share<'_>,
        invoice: &Invoice,
        tip: Height,
        policy: &PaymentPolicy,
    ) -> Result<(u64, PaymentPart, NewHtlc), PayRefusal> {
        let asked = route::final_delay(invoice.min_final_cltv_expiry_delta(), policy.expiry_slack_blocks);
        let needed = asked.saturating_add(route::delay(share.tail));
        let most = policy.max_expiry_blocks;
        let shadow = self.shadow(policy.max_shadow_blocks).min(most.saturating_sub(needed));
        let last = FinalPayload {
            amt_to_forward: share.amount,
            outgoing_cltv_value: CltvExpiry(tip.plus(asked).plus(shadow).0),
            payment_data: Some(PaymentData {
                payment_secret: invoice.payment_secret(),
                total_msat: self.amount,
            }),
            payment_metadata: invoice.payment_metadata().map(<[u8]>::to_vec),
            keysend_preimage: None,
            custom_records: BTreeMap::new(),
        };
        let too_long = PayRefusal::TooLong { blocks: needed, most };
        let way = route::lay_out(share.tail, self.destination, &last).ok_or(too_long)?;
        let recipe = Arc::new(OnionRecipe {
            session_key: self.tagged(b"astrape/payment/session-key", number),
            hops: way.hops,
            associated_data: self.payment_hash,
        });
        recipe.check_size()?;
        let part = PaymentPart {
            channel: share.channel,
            amount: share.amount,
            fee: way.amount.saturating_sub(share.amount),
            channels: share.tail.iter().map(|hop| hop.short_channel_id).collect(),
            recipe: Arc::clone(&recipe),
        };
        let new = NewHtlc {
            amount: way.amount,
            payment_hash: self.payment_hash,
            cltv_expiry: way.cltv_expiry,
            onion: OnionSource::Recipe(recipe),
            origin: Origin::Payment { payment_hash: self.payment_hash, part: number },
        };
        Ok((number, part, new))
    }

    /// Blocks added to the expiry, the same for all parts of the payment.
    fn shadow(&self, max_blocks: u16) -> u32 {
        let [a, b, c, d, ..] = self.tagged(b"astrape/payment/shadow", 0);
        u32::from_be_bytes([a, b, c, d]) % (u32::from(max_blocks) + 1)
    }

    /// Random bytes that follow from the seed.
    fn tagged(&self, tag: &[u8], number: u64) -> [u8; 32] {
        let tag = sha256::Hash::hash(tag);
        let mut engine = sha256::Hash::engine();
        engine.input(tag.as_byte_array());
        engine.input(tag.as_byte_array());
        engine.input(&self.session_key_seed);
        engine.input(&number.to_be_bytes());
        sha256::Hash::from_engine(engine).to_byte_array()
    }
}

/// What has nothing to do with ways. Gives the amount to pay.
fn check(request: &PayRequest) -> Result<Msat, PayRefusal> {
    let PayRequest { invoice, network, now, .. } = request;
    if invoice.network() != *network {
        return Err(PayRefusal::OtherNetwork { invoice: invoice.network(), ours: *network });
    }
    if invoice.payee() == request.payer {
        return Err(PayRefusal::OwnInvoice);
    }
    if invoice.is_expired_at(now.secs()) {
        return Err(PayRefusal::Expired { secs: now.secs().saturating_sub(invoice.expires_at()) });
    }
    let amount = match (invoice.amount(), request.amount) {
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
