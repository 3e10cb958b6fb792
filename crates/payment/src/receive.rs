//! Whether an HTLC pays an invoice of ours (BOLT 4, "Basic Multi-Part Payments" and "Failure Messages"; BOLT 11).
//!
//! Whoever does not know the invoice learns nothing: an unknown hash, a wrong or missing secret, a wrong amount and an expired
//! invoice get the same answer (attack 4).

use crate::policy::{
    FINAL_EXPIRY_MARGIN_BLOCKS, MAX_OVERPAYMENT_FACTOR, PaymentPolicy, SETTLE_MARGIN_BLOCKS,
};
use astrape_channel::Htlc;
use astrape_onion::{Failure, FinalPayload};
use astrape_primitives::{
    ChannelKeysId, CltvDelta, CltvExpiry, Height, HtlcId, Msat, PaymentHash, PaymentPreimage, PaymentSecret,
    Timestamp,
};
use bitcoin::hashes::cmp::fixed_time_eq;
use std::collections::BTreeMap;

/// Most bytes of custom records that are kept of a payment: what one onion can carry.
pub const MAX_CUSTOM_BYTES: usize = 1_300;

/// An invoice of ours that is not paid yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenInvoice {
    /// Its hash.
    pub payment_hash: PaymentHash,
    /// What settles a payment for it; none where only the owner of a hold invoice knows it.
    pub preimage: Option<PaymentPreimage>,
    /// Whether its payment waits for the owner, who settles or cancels it.
    pub hold: bool,
    /// Whether it was cancelled: it is not paid any more, and is remembered until it expires.
    pub canceled: bool,
    /// What only its readers know.
    pub payment_secret: PaymentSecret,
    /// What it asks for; `None` leaves it to the payer.
    pub amount: Option<Msat>,
    /// What payers have to hand back.
    pub metadata: Option<Vec<u8>>,
    /// After this no payment for it begins.
    pub expires_at: Timestamp,
    /// Blocks that it asks the last HTLC to have left.
    pub min_final_cltv_expiry_delta: CltvDelta,
    /// When it was made.
    pub created_at: Timestamp,
    /// What it is for.
    pub description: String,
    /// Its text.
    pub bolt11: String,
}

/// One HTLC of a payment to us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The channel where it came in.
    pub channel: ChannelKeysId,
    /// The peer's HTLC there.
    pub id: HtlcId,
    /// What it brings.
    pub amount: Msat,
    /// When it times out.
    pub cltv_expiry: CltvExpiry,
    /// When it came.
    pub at: Timestamp,
}

/// A payment to us of which parts are missing. Its HTLCs wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receiving {
    /// Its hash.
    pub payment_hash: PaymentHash,
    /// `total_msat`, the same for all parts.
    pub total: Msat,
    /// The sum of `amt_to_forward`: what the sender meant the parts to bring. The HTLCs may bring more.
    pub promised: Msat,
    /// The parts so far.
    pub parts: Vec<Part>,
    /// When the first part came.
    pub since: Timestamp,
    /// Since when all of it is here, for its owner to settle or cancel; none while parts are missing.
    pub held_since: Option<Timestamp>,
    /// What applications said with its first part.
    pub custom_records: BTreeMap<u64, Vec<u8>>,
}

/// What becomes of an HTLC for us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// It waits for others: this is the set with it.
    Hold(Receiving),
    /// The payment of a hold invoice is complete: it waits for the owner, who settles or cancels it.
    Held(Receiving),
    /// The payment is complete: settle all of its parts and forget the set and the invoice.
    Complete {
        /// All parts.
        parts: Vec<Part>,
        /// Settles them.
        preimage: PaymentPreimage,
        /// What they bring together.
        amount: Msat,
        /// What applications said with it.
        custom_records: BTreeMap<u64, Vec<u8>>,
    },
    /// Fail it. The others of its set, if there are any, go on waiting.
    Reject(Failure),
    /// Fail it and all others of its set; forget the set.
    RejectSet {
        /// All parts, with it.
        parts: Vec<Part>,
        /// With what.
        failure: Failure,
    },
}

/// Decides on an HTLC that is irrevocably committed and whose onion ends here. `invoice` and `set` are what is known under its
/// hash.
///
/// `chain_fresh` is false while the chain that we see may be old: nothing is taken then, since no expiry can be judged, and
/// what the payer's side lets expire could not be claimed (attack 43). What was taken before waits on.
#[must_use]
#[expect(
    clippy::too_many_arguments,
    reason = "each is a different part of the node's state, at its one call"
)]
pub fn receive(
    part: Part,
    payload: &FinalPayload,
    incoming: &Htlc,
    invoice: Option<&OpenInvoice>,
    set: Option<&Receiving>,
    now: Timestamp,
    chain_fresh: bool,
    tip: Height,
    policy: &PaymentPolicy,
) -> Receipt {
    // Said before anything is looked at: it tells nothing of the invoice.
    if !chain_fresh {
        return Receipt::Reject(Failure::TemporaryNodeFailure);
    }
    // A final node may not answer with temporary_channel_failure (BOLT 4).
    if incoming.over_dust_exposure {
        return Receipt::Reject(Failure::TemporaryNodeFailure);
    }
    let unknown = Failure::IncorrectOrUnknownPaymentDetails { htlc_msat: incoming.amount, height: tip };
    if let (None, Some(preimage)) = (invoice, spontaneous(payload, incoming, policy)) {
        return take_spontaneous(part, payload, incoming, preimage, tip, policy);
    }
    let Some(invoice) = invoice.filter(|invoice| pays(payload, invoice, set.is_some(), now)) else {
        return Receipt::Reject(unknown);
    };
    if incoming.cltv_expiry.blocks_left(tip) < invoice.least_blocks(policy) {
        return Receipt::Reject(unknown);
    }
    if let Some(failure) = cut_short(payload, incoming) {
        return Receipt::Reject(failure);
    }
    match set {
        Some(set) if set.has(&part) => Receipt::Hold(set.clone()),
        // All is here: more would be lost by whoever sends it.
        Some(set) if set.held_since.is_some() => Receipt::Reject(unknown),
        Some(set) if set.total != payload.total_msat() => {
            Receipt::RejectSet { parts: set.with(part, Msat::ZERO).parts, failure: unknown }
        }
        Some(set) if set.parts.len() >= policy.max_parts_per_set => {
            Receipt::Reject(Failure::TemporaryNodeFailure)
        }
        _ => {
            let empty = Receiving::new(invoice.payment_hash, payload, part.at);
            let set = set.unwrap_or(&empty).with(part, payload.amt_to_forward);
            set.judge(invoice, unknown, now, tip, policy)
        }
    }
}

/// A hop before us passed on less, or for a shorter time, than the sender wrote.
fn cut_short(payload: &FinalPayload, incoming: &Htlc) -> Option<Failure> {
    if incoming.cltv_expiry < payload.outgoing_cltv_value {
        return Some(Failure::FinalIncorrectCltvExpiry { cltv_expiry: incoming.cltv_expiry });
    }
    (incoming.amount < payload.amt_to_forward)
        .then_some(Failure::FinalIncorrectHtlcAmount { incoming_htlc_amt: incoming.amount })
}

/// The preimage that a payment without an invoice brings along (bLIP 3), if it is that of its hash and such are taken.
fn spontaneous(payload: &FinalPayload, incoming: &Htlc, policy: &PaymentPolicy) -> Option<PaymentPreimage> {
    let preimage = payload.keysend_preimage.filter(|_| policy.accept_keysend)?;
    (preimage.payment_hash() == incoming.payment_hash).then_some(preimage)
}

/// A payment without an invoice comes in one part: nothing tells which parts of it belong together.
fn take_spontaneous(
    part: Part,
    payload: &FinalPayload,
    incoming: &Htlc,
    preimage: PaymentPreimage,
    tip: Height,
    policy: &PaymentPolicy,
) -> Receipt {
    let in_time = incoming.cltv_expiry.blocks_left(tip) >= policy.fulfil_deadline_blocks;
    if !in_time || payload.total_msat() > payload.amt_to_forward {
        let (htlc_msat, height) = (incoming.amount, tip);
        return Receipt::Reject(Failure::IncorrectOrUnknownPaymentDetails { htlc_msat, height });
    }
    if let Some(failure) = cut_short(payload, incoming) {
        return Receipt::Reject(failure);
    }
    let (amount, custom_records) = (part.amount, custom_records(payload));
    Receipt::Complete { parts: vec![part], preimage, amount, custom_records }
}

/// What applications said, as far as it is kept.
fn custom_records(payload: &FinalPayload) -> BTreeMap<u64, Vec<u8>> {
    let mut kept = BTreeMap::new();
    let mut room = MAX_CUSTOM_BYTES;
    for (kind, value) in &payload.custom_records {
        let Some(left) = room.checked_sub(value.len()) else { break };
        room = left;
        kept.insert(*kind, value.clone());
    }
    kept
}

/// Whether the sender knows the invoice and pays what it asks for. `begun` when other parts were accepted: an invoice that
/// expires while its parts arrive is still paid.
fn pays(payload: &FinalPayload, invoice: &OpenInvoice, begun: bool, now: Timestamp) -> bool {
    let in_time = !invoice.canceled && (begun || now <= invoice.expires_at);
    let knows = payload
        .payment_data
        .is_some_and(|data| fixed_time_eq(&data.payment_secret.0, &invoice.payment_secret.0));
    let hands_back = invoice.metadata.is_none() || invoice.metadata == payload.payment_metadata;
    let total = payload.total_msat();
    let enough = invoice.amount.is_none_or(|asked| {
        total >= asked && asked.checked_mul(MAX_OVERPAYMENT_FACTOR).is_none_or(|most| total <= most)
    });
    in_time && knows && hands_back && enough
}

impl OpenInvoice {
    /// Blocks that the last HTLC must have left when it comes. Its sender counted from an older tip, and blocks were mined on the way:
    /// so it is less than what was asked, by what was asked for that reason.
    fn least_blocks(&self, policy: &PaymentPolicy) -> u32 {
        let asked = self.min_final_cltv_expiry_delta.0.saturating_sub(FINAL_EXPIRY_MARGIN_BLOCKS);
        u32::from(asked).max(policy.fulfil_deadline_blocks)
    }
}

impl Receiving {
    fn new(payment_hash: PaymentHash, payload: &FinalPayload, since: Timestamp) -> Self {
        Self {
            payment_hash,
            total: payload.total_msat(),
            promised: Msat::ZERO,
            parts: Vec::new(),
            since,
            held_since: None,
            custom_records: custom_records(payload),
        }
    }

    /// What the parts bring together.
    #[must_use]
    pub fn amount(&self) -> Msat {
        self.parts.iter().map(|part| part.amount).sum()
    }

    /// The earliest expiry of its parts.
    #[must_use]
    pub fn expires_first(&self) -> Option<CltvExpiry> {
        self.parts.iter().map(|part| part.cltv_expiry).min()
    }

    /// The height from which a held payment is given back: a margin before the last block in which it could be settled.
    #[must_use]
    pub fn given_back_at(&self, policy: &PaymentPolicy) -> Option<Height> {
        let blocks = policy.fulfil_deadline_blocks.saturating_add(SETTLE_MARGIN_BLOCKS.into());
        self.expires_first().map(|expiry| Height(expiry.0.saturating_sub(blocks)))
    }

    /// Whether a held payment must be given back now: whoever holds it longer loses a channel, and in the end the money.
    #[must_use]
    pub fn is_given_back(&self, tip: Height, policy: &PaymentPolicy) -> bool {
        self.held_since.is_some() && self.given_back_at(policy).is_some_and(|at| tip >= at)
    }

    /// Whether all parts can still be settled in time.
    #[must_use]
    pub fn is_in_time(&self, tip: Height, policy: &PaymentPolicy) -> bool {
        self.expires_first().is_some_and(|first| first.blocks_left(tip) >= policy.fulfil_deadline_blocks)
    }

    fn has(&self, part: &Part) -> bool {
        self.parts.iter().any(|p| p.channel == part.channel && p.id == part.id)
    }

    fn with(&self, part: Part, promised: Msat) -> Self {
        let mut next = self.clone();
        next.parts.push(part);
        next.promised = next.promised.saturating_add(promised);
        next
    }

    /// Whether all has come. A part that waited until it can no longer be settled in time takes the others with it.
    fn judge(
        mut self,
        invoice: &OpenInvoice,
        unknown: Failure,
        now: Timestamp,
        tip: Height,
        policy: &PaymentPolicy,
    ) -> Receipt {
        if self.promised < self.total {
            return Receipt::Hold(self);
        }
        let is_too_late = if invoice.hold { self.given_back_at(policy) } else { None };
        if !self.is_in_time(tip, policy) || is_too_late.is_some_and(|at| tip >= at) {
            return Receipt::RejectSet { parts: self.parts, failure: unknown };
        }
        match invoice.preimage.filter(|_| !invoice.hold) {
            Some(preimage) => {
                let amount = self.amount();
                let Receiving { parts, custom_records, .. } = self;
                Receipt::Complete { parts, preimage, amount, custom_records }
            }
            None => {
                self.held_since = Some(now);
                Receipt::Held(self)
            }
        }
    }

    /// The parts that are to be failed, and with what, when the missing ones did not come in time.
    #[must_use]
    pub fn timed_out(&self, now: Timestamp, policy: &PaymentPolicy) -> Option<(Vec<Part>, Failure)> {
        let is_over = self.held_since.is_none() && now.since(self.since) >= policy.mpp_timeout_ms;
        is_over.then(|| (self.parts.clone(), Failure::MppTimeout))
    }
}
