//! Payments to this node: what comes in parts and is complete, held, settled, given back.

use super::Turn;
use crate::command::{Refusal, Reply};
use crate::journal::Entry;
use crate::ledger::Fact;
use crate::state::Ended;
use astrape_channel::Htlc;
use astrape_onion::{Failure, FinalPayload};
use astrape_payment::{OpenInvoice, Part, Receipt, Receiving, answer, receive};
use astrape_primitives::{ChannelKeysId, Msat, PaymentHash, PaymentPreimage, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A payment to us that is taken.
struct Arrived {
    preimage: PaymentPreimage,
    amount: Msat,
    keysend: bool,
    custom_records: BTreeMap<u64, Vec<u8>>,
}

impl Turn<'_> {
    /// Waits for the payment of an invoice. Its preimage must never have been given for a payment: it is no secret then.
    pub(super) fn add_invoice(
        &mut self,
        invoice: OpenInvoice,
        earlier: Option<Entry>,
    ) -> Result<Reply, Refusal> {
        let hash = invoice.payment_hash;
        let most = self.node.config.payment.max_open_invoices;
        let was_settled = earlier.is_some_and(|entry| {
            matches!(entry.fact, Fact::PaymentReceived { .. } | Fact::PaymentSent { .. })
        });
        if was_settled || self.node.invoices.contains(&hash) || self.node.recent.ended(&hash).is_some() {
            return Err(Refusal::HashUsed(hash));
        }
        if self.node.invoices.len() >= most {
            return Err(Refusal::TooMany(most, "unpaid invoices", "wait until some are paid or expire"));
        }
        self.node.invoices.set(hash, Arc::new(invoice));
        Ok(Reply::Done)
    }

    /// An HTLC for us is irrevocable.
    pub(super) fn take_part(&mut self, keys: ChannelKeysId, htlc: &Htlc, payload: &FinalPayload) {
        let hash = htlc.payment_hash;
        let part = Part {
            channel: keys,
            id: htlc.id,
            amount: htlc.amount,
            cltv_expiry: htlc.cltv_expiry,
            at: self.now,
        };
        let invoice = self.node.invoices.get(&hash).cloned();
        if invoice.is_none() && payload.keysend_preimage.is_some() && self.is_hash_of_another(&hash) {
            let height = self.height();
            let unknown = Failure::IncorrectOrUnknownPaymentDetails { htlc_msat: htlc.amount, height };
            return self.fail_incoming(keys, htlc, &unknown);
        }
        let set = self.node.receiving.get(&hash).cloned();
        let config = Arc::clone(&self.node.config);
        let receipt = receive(
            part,
            payload,
            htlc,
            invoice.as_deref(),
            set.as_deref(),
            self.now,
            self.node.world.stale.is_none(),
            self.height(),
            &config.payment,
        );
        match receipt {
            Receipt::Hold(set) => self.node.receiving.set(hash, Arc::new(set)),
            Receipt::Reject(failure) => self.fail_incoming(keys, htlc, &failure),
            Receipt::RejectSet { parts, failure } => self.fail_parts(hash, &parts, &failure),
            Receipt::Held(set) => {
                let until = set.given_back_at(&config.payment).unwrap_or_default();
                let amount = set.amount();
                self.node.receiving.set(hash, Arc::new(set));
                self.record(Fact::InvoiceHeld { payment_hash: hash, amount, until });
            }
            Receipt::Complete { parts, .. }
                if parts.iter().any(|part| self.has_lost_its_funding(part.channel)) =>
            {
                self.fail_parts(hash, &parts, &Failure::TemporaryNodeFailure);
            }
            Receipt::Complete { parts, preimage, amount, custom_records } => {
                let keysend = invoice.is_none();
                self.received(Arrived { preimage, amount, keysend, custom_records }, &parts);
            }
        }
    }

    /// Whether a payment with this hash was made or received since a lookup could have found it, or is under way. Whoever passes on a
    /// payment of ours learns its preimage, and a keysend with it must not become the last word on it.
    fn is_hash_of_another(&self, hash: &PaymentHash) -> bool {
        self.node.payments.contains(hash) || self.node.recent.ended(hash).is_some()
    }

    /// All of a payment to us is here, and is taken.
    fn received(&mut self, arrived: Arrived, parts: &[Part]) {
        let Arrived { preimage, amount, keysend, custom_records } = arrived;
        let payment_hash = preimage.payment_hash();
        self.node.receiving.remove(&payment_hash);
        let invoice = self.node.invoices.get(&payment_hash);
        let (description, bolt11) =
            invoice.map(|invoice| (invoice.description.clone(), invoice.bolt11.clone())).unwrap_or_default();
        self.node.invoices.remove(&payment_hash);
        let us = self.node.config.node_id;
        let rebalance =
            self.node.payments.get(&payment_hash).is_some_and(|payment| payment.destination == us);
        let fact = self.record(Fact::PaymentReceived {
            payment_hash,
            preimage,
            amount,
            keysend,
            custom_records,
            rebalance,
            description,
            bolt11,
        });
        self.node.recent.end(Ended { payment_hash, fact });
        for part in parts {
            self.settle_part(part, preimage);
        }
    }

    fn settle_part(&mut self, part: &Part, preimage: PaymentPreimage) {
        if let Some(htlc) = self.incoming_htlc(part.channel, part.id) {
            let resolution = answer::fulfil(&htlc, preimage, None, self.now.since(htlc.at));
            self.resolve(part.channel, part.id, resolution);
        }
    }

    fn fail_parts(&mut self, hash: PaymentHash, parts: &[Part], failure: &Failure) {
        self.node.receiving.remove(&hash);
        for part in parts {
            if let Some(htlc) = self.incoming_htlc(part.channel, part.id) {
                self.fail_incoming(part.channel, &htlc, failure);
            }
        }
    }

    /// The owner of a hold invoice takes its payment.
    pub(super) fn settle_invoice(
        &mut self,
        hash: PaymentHash,
        preimage: Option<PaymentPreimage>,
        earlier: Option<Entry>,
    ) -> Result<Reply, Refusal> {
        if self.was_received(hash, earlier) {
            return Ok(Reply::Done);
        }
        let invoice = self.node.invoices.get(&hash).cloned().ok_or(Refusal::NoSuchInvoice(hash))?;
        if invoice.canceled {
            return Err(Refusal::Canceled(hash));
        }
        if !invoice.hold {
            return Err(Refusal::NotHeld(hash));
        }
        let preimage = preimage.or(invoice.preimage).ok_or(Refusal::PreimageMissing(hash))?;
        if preimage.payment_hash() != hash {
            return Err(Refusal::OtherPreimage(hash));
        }
        let set = self.node.receiving.get(&hash).cloned().filter(|set| set.held_since.is_some());
        let set = set.ok_or(Refusal::NothingHeld(hash))?;
        // Whether it has expired meanwhile is not known, and the preimage cannot be taken back.
        if self.node.world.stale.is_some() {
            return Err(Refusal::Stale(hash));
        }
        if set.parts.iter().any(|part| self.has_lost_its_funding(part.channel)) {
            return Err(lost_funding());
        }
        if !self.is_whole(&set) {
            return Err(Refusal::TooLate(hash));
        }
        let (amount, custom_records) = (set.amount(), set.custom_records.clone());
        self.received(Arrived { preimage, amount, keysend: false, custom_records }, &set.parts);
        Ok(Reply::Done)
    }

    /// Whether what comes in over a channel may be worth nothing: its funding has left the chain.
    pub(super) fn has_lost_its_funding(&self, channel: ChannelKeysId) -> bool {
        self.open_of(channel).is_some_and(astrape_channel::Open::has_lost_its_funding)
    }

    /// Whether every part is still there, with time left: the preimage is given for all of the amount or not at all.
    fn is_whole(&self, set: &Receiving) -> bool {
        let is_there = |part: &Part| {
            self.incoming_htlc(part.channel, part.id).is_some_and(|htlc| htlc.removal.is_none())
        };
        set.is_in_time(self.height(), &self.node.config.payment) && set.parts.iter().all(is_there)
    }

    /// The owner of an invoice wants no payment for it any more.
    pub(super) fn cancel_invoice(
        &mut self,
        hash: PaymentHash,
        earlier: Option<Entry>,
    ) -> Result<Reply, Refusal> {
        if self.was_received(hash, earlier) {
            return Err(Refusal::Settled(hash));
        }
        let invoice = self.node.invoices.get(&hash).cloned().ok_or(Refusal::NoSuchInvoice(hash))?;
        if !invoice.canceled {
            self.give_back(&invoice, "by its owner".to_owned());
        }
        Ok(Reply::Done)
    }

    /// The invoice of a move between channels that was not made: nobody but this node has asked for it, and nobody is told that it goes.
    pub(super) fn forget_invoice(&mut self, hash: PaymentHash) {
        if !self.node.receiving.contains(&hash) {
            self.node.invoices.remove(&hash);
        }
    }

    fn was_received(&self, hash: PaymentHash, earlier: Option<Entry>) -> bool {
        let recent = self.node.recent.ended(&hash).map(|ended| ended.fact.clone());
        let newest = recent.into_iter().chain(earlier).max_by_key(|entry| entry.number);
        newest.is_some_and(|entry| matches!(entry.fact, Fact::PaymentReceived { .. }))
    }

    /// An invoice is paid no more. What waits for it goes back as if nobody knew it.
    fn give_back(&mut self, invoice: &OpenInvoice, reason: String) {
        let payment_hash = invoice.payment_hash;
        let set = self.node.receiving.get(&payment_hash).cloned();
        let amount = set.as_ref().map_or(Msat::ZERO, |set| set.amount());
        self.node.invoices.set(payment_hash, Arc::new(OpenInvoice { canceled: true, ..invoice.clone() }));
        self.record(Fact::InvoiceCanceled { payment_hash, amount, reason });
        let (htlc_msat, height) = (amount, self.height());
        let failure = Failure::IncorrectOrUnknownPaymentDetails { htlc_msat, height };
        self.fail_parts(payment_hash, set.as_ref().map_or(&[], |set| &set.parts), &failure);
    }

    /// Held payments that must be given back now: their owner has waited as long as can be.
    pub(super) fn give_back_what_is_late(&mut self) {
        let (tip, config) = (self.height(), Arc::clone(&self.node.config));
        let late = self.node.receiving.iter().filter(|(_, set)| set.is_given_back(tip, &config.payment));
        let late: Vec<PaymentHash> = late.map(|(hash, _)| *hash).collect();
        for hash in late {
            if let Some(invoice) = self.node.invoices.get(&hash).cloned() {
                let reason = "nobody settled it before its expiry came near".to_owned();
                self.give_back(&invoice, reason);
            }
        }
    }

    /// Time goes by: what has expired goes.
    pub(super) fn tick(&mut self) {
        let config = Arc::clone(&self.node.config);
        for hash in self.node.receiving.keys() {
            let set = self.node.receiving.get(&hash).cloned();
            let expired = set.and_then(|set| set.timed_out(self.now, &config.payment));
            if let Some((parts, failure)) = expired {
                self.fail_parts(hash, &parts, &failure);
            }
        }
        self.give_back_what_is_late();
        self.look_at_held();
        self.expire_invoices(self.credible_now());
        self.look_at_payments();
        self.look_at_background();
        self.look_at_gossip();
        self.look_at_unanswered();
        self.look_at_connections();
        self.look_at_negotiations();
        self.look_at_unsent();
    }

    /// Expired invoices leave the working memory, some at each tick.
    fn expire_invoices(&mut self, now: Timestamp) {
        /// Each is looked at within a few minutes; a tick stays short.
        const MAX_PER_TICK: usize = 1_000;
        let expired = |invoice: &OpenInvoice| invoice.expires_at < now;
        let gone: Vec<PaymentHash> = self
            .node
            .invoices
            .iter()
            .filter(|(hash, invoice)| expired(invoice) && !self.node.receiving.contains(hash))
            .map(|(hash, _)| *hash)
            .take(MAX_PER_TICK)
            .collect();
        for hash in gone {
            self.node.invoices.remove(&hash);
        }
    }
}

/// What to say where nothing is given for HTLCs of a channel that may be gone.
pub(super) fn lost_funding() -> Refusal {
    Refusal::NotNow(
        "the funding of the channel that this came in over has left the chain in a reorganisation: wait until it is confirmed again".into(),
    )
}
