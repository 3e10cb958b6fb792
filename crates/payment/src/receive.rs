//! Whether an HTLC pays an invoice of ours (BOLT 4, "Basic Multi-Part Payments" and "Failure Messages"; BOLT 11).
//!
//! Whoever does not know the invoice learns nothing: an unknown hash, a wrong or missing secret, a wrong amount and an expired
//! invoice get the same answer (attack 4).

use crate::policy::{MAX_OVERPAYMENT_FACTOR, PaymentPolicy};
use astrape_channel::Htlc;
use astrape_onion::{Failure, FinalPayload};
use astrape_primitives::{
    ChannelKeysId, CltvDelta, CltvExpiry, Height, HtlcId, Msat, PaymentHash, PaymentPreimage, PaymentSecret,
    Timestamp,
};
use bitcoin::hashes::cmp::fixed_time_eq;

/// An invoice of ours that is not paid yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenInvoice {
    /// Its hash.
    pub payment_hash: PaymentHash,
    /// What settles a payment for it.
    pub preimage: PaymentPreimage,
    /// What only its readers know.
    pub payment_secret: PaymentSecret,
    /// What it asks for; `None` leaves it to the payer.
    pub amount: Option<Msat>,
    /// What payers have to hand back.
    pub metadata: Option<Vec<u8>>,
    /// After this no payment for it begins.
    pub expires_at: Timestamp,
    /// Blocks that the last HTLC must have left.
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
}

/// What becomes of an HTLC for us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// It waits for others: this is the set with it.
    Hold(Receiving),
    /// The payment is complete: settle all of its parts and forget the set and the invoice.
    Complete {
        /// All parts.
        parts: Vec<Part>,
        /// Settles them.
        preimage: PaymentPreimage,
        /// What they bring together.
        amount: Msat,
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
    tip: Height,
    policy: &PaymentPolicy,
) -> Receipt {
    // A final node may not answer with temporary_channel_failure (BOLT 4).
    if incoming.over_dust_exposure {
        return Receipt::Reject(Failure::TemporaryNodeFailure);
    }
    let unknown = Failure::IncorrectOrUnknownPaymentDetails { htlc_msat: incoming.amount, height: tip };
    let Some(invoice) = invoice.filter(|invoice| pays(payload, invoice, set.is_some(), now)) else {
        return Receipt::Reject(unknown);
    };
    let blocks = u32::from(invoice.min_final_cltv_expiry_delta.0).max(policy.fulfil_deadline_blocks);
    if incoming.cltv_expiry.blocks_left(tip) < blocks {
        return Receipt::Reject(unknown);
    }
    if incoming.cltv_expiry < payload.outgoing_cltv_value {
        return Receipt::Reject(Failure::FinalIncorrectCltvExpiry { cltv_expiry: incoming.cltv_expiry });
    }
    if incoming.amount < payload.amt_to_forward {
        return Receipt::Reject(Failure::FinalIncorrectHtlcAmount { incoming_htlc_amt: incoming.amount });
    }
    match set {
        Some(set) if set.has(&part) => Receipt::Hold(set.clone()),
        Some(set) if set.total != payload.total_msat() => {
            Receipt::RejectSet { parts: set.with(part, Msat::ZERO).parts, failure: unknown }
        }
        Some(set) if set.parts.len() >= policy.max_parts_per_set => {
            Receipt::Reject(Failure::TemporaryNodeFailure)
        }
        _ => {
            let empty = Receiving::new(invoice.payment_hash, payload.total_msat(), part.at);
            let set = set.unwrap_or(&empty).with(part, payload.amt_to_forward);
            set.judge(invoice, unknown, tip, policy)
        }
    }
}

/// Whether the sender knows the invoice and pays what it asks for. `begun` when other parts were accepted: an invoice that
/// expires while its parts arrive is still paid.
fn pays(payload: &FinalPayload, invoice: &OpenInvoice, begun: bool, now: Timestamp) -> bool {
    let in_time = begun || now <= invoice.expires_at;
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

impl Receiving {
    fn new(payment_hash: PaymentHash, total: Msat, since: Timestamp) -> Self {
        Self { payment_hash, total, promised: Msat::ZERO, parts: Vec::new(), since }
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
    fn judge(self, invoice: &OpenInvoice, unknown: Failure, tip: Height, policy: &PaymentPolicy) -> Receipt {
        if self.promised < self.total {
            return Receipt::Hold(self);
        }
        let late = |part: &Part| part.cltv_expiry.blocks_left(tip) < policy.fulfil_deadline_blocks;
        if self.parts.iter().any(late) {
            return Receipt::RejectSet { parts: self.parts, failure: unknown };
        }
        let amount = self.parts.iter().map(|part| part.amount).sum();
        Receipt::Complete { parts: self.parts, preimage: invoice.preimage, amount }
    }

    /// The parts that are to be failed, and with what, when the missing ones did not come in time.
    #[must_use]
    pub fn timed_out(&self, now: Timestamp, policy: &PaymentPolicy) -> Option<(Vec<Part>, Failure)> {
        (now.since(self.since) >= policy.mpp_timeout_ms).then(|| (self.parts.clone(), Failure::MppTimeout))
    }
}
