//! Payments that this node makes.

use super::Turn;
use crate::command::{PayCommand, Refusal, Reply};
use crate::config::Config;
use crate::effect::{Effect, Find};
use crate::ledger::Fact;
use crate::state::Ended;
use astrape_channel::{Command, Event, Resolution};
use astrape_payment::{OwnChannel, PayOutput, PayRequest, PayView, Payment};
use astrape_primitives::{PaymentHash, PaymentPreimage};
use astrape_routing::{NoRoute, Route};
use astrape_wire::AttributionData;
use std::sync::Arc;

/// Payments of ours that may be under way at a time: each is a record and some HTLCs.
pub(crate) const MAX_PAYMENTS: usize = 100_000;

/// What is said beside the reason why a payment has not arrived, where it may be the true one.
pub const RECIPIENT_AWAY: &str =
    "we have a channel with the recipient, who is not connected now: it is used again when that is back";

impl Turn<'_> {
    /// The user wants to pay.
    pub(super) fn pay(&mut self, command: PayCommand) -> Result<Reply, Refusal> {
        let of_circle = command.circle.map(|_| command.payee.payment_hash());
        let begun = self.begin_payment(command);
        if let Some(hash) = of_circle.filter(|hash| begun.is_err() && !self.node.payments.contains(hash)) {
            self.forget_invoice(hash);
        }
        begun
    }

    fn begin_payment(&mut self, command: PayCommand) -> Result<Reply, Refusal> {
        let payment_hash = command.payee.payment_hash();
        // What the lookup missed is newer than what it found: a payment that failed before may have arrived since.
        let recent = self.node.recent.ended(&payment_hash).map(|ended| ended.fact.clone());
        let earlier = recent.into_iter().chain(command.earlier).max_by_key(|entry| entry.number);
        let (node, asked) = (command.payee.node(), command.amount.or(command.payee.amount()));
        // The same question is answered with the same payment; anything else was not paid by it.
        let is_same = |to, amount| to == node && asked == Some(amount);
        match earlier.as_ref().map(|entry| (entry.at, &entry.fact)) {
            Some((_, Fact::PaymentSent { destination, amount, .. })) if is_same(*destination, *amount) => {
                return Ok(Reply::AlreadyPaid(Box::new(earlier.expect("it was just looked at"))));
            }
            Some((at, Fact::PaymentSent { destination, amount, .. })) => {
                let (amount, destination) = (*amount, *destination);
                return Err(Refusal::PaidOtherwise { payment_hash, amount, destination, at });
            }
            Some((_, Fact::PaymentReceived { .. })) => return Err(Refusal::HashUsed(payment_hash)),
            _ => {}
        }
        if let Some(payment) = self.node.payments.get(&payment_hash) {
            let (amount, destination) = (payment.amount, payment.destination);
            return Err(match is_same(destination, amount) {
                true => Refusal::PaymentUnderWay(payment_hash),
                false => Refusal::OtherUnderWay { payment_hash, amount, destination },
            });
        }
        if self.node.payments.len() >= MAX_PAYMENTS {
            return Err(Refusal::TooMany(MAX_PAYMENTS, "payments under way", "wait until some have ended"));
        }
        self.end_background();
        let config = Arc::clone(&self.node.config);
        let request = PayRequest {
            network: config.channel.network,
            payee: command.payee,
            amount: command.amount,
            max_fee: command.max_fee,
            retry_secs: command.retry_secs,
            session_key_seed: self.entropy.draw("session keys"),
            circle: command.circle,
        };
        let channels = self.node.own_channels_towards(&request.payee.node());
        let (payment, outputs) = Payment::start(request, &self.pay_view(&config, &channels))?;
        self.take_payment(payment_hash, payment, outputs);
        Ok(Reply::Paying { payment_hash })
    }

    pub(super) fn pay_view<'v>(&'v self, config: &'v Config, channels: &'v [OwnChannel]) -> PayView<'v> {
        PayView {
            payer: config.node_id,
            channels,
            now: self.now,
            tip: self.height(),
            policy: &config.payment,
            secp: &self.node.secp,
        }
    }

    /// A payment goes on, if it is still there.
    fn with_payment(
        &mut self,
        hash: PaymentHash,
        go_on: impl FnOnce(&Payment, &PayView<'_>) -> (Payment, Vec<PayOutput>),
    ) {
        let Some(payment) = self.payment(&hash) else {
            return;
        };
        let config = Arc::clone(&self.node.config);
        let channels = self.node.own_channels_towards(&payment.destination);
        let (next, outputs) = go_on(&payment, &self.pay_view(&config, &channels));
        self.take_payment(hash, next, outputs);
    }

    /// Path search has answered.
    pub(super) fn route_found(&mut self, hash: PaymentHash, number: u64, route: &Result<Route, NoRoute>) {
        self.with_payment(hash, |payment, view| payment.on_route(number, route, view));
    }

    /// Questions that are open for long.
    pub(super) fn look_at_payments(&mut self) {
        self.look_at_probes();
        let now = self.now;
        let of_probes = self.node.probes.iter().map(|(hash, probing)| (hash, &probing.payment));
        let all = self.node.payments.iter().chain(of_probes);
        let due: Vec<PaymentHash> = all.filter(|(_, p)| p.is_due(now)).map(|(hash, _)| *hash).collect();
        if due.is_empty() {
            return;
        }
        let config = Arc::clone(&self.node.config);
        let mut channels = self.node.own_channels();
        for hash in due {
            let Some(payment) = self.payment(&hash) else { continue };
            let seen = self.node.with_ways_back(&channels, &payment.destination);
            let Some((next, outputs)) = payment.on_tick(&self.pay_view(&config, &seen)) else { continue };
            let offers = outputs.iter().any(|output| matches!(output, PayOutput::Offer(..)));
            self.take_payment(hash, next, outputs);
            if offers {
                // What it has offered the next one cannot have.
                channels = self.node.own_channels();
            }
        }
    }

    pub(super) fn part_fulfilled(
        &mut self,
        hash: PaymentHash,
        part: u64,
        preimage: PaymentPreimage,
        attribution_data: Option<AttributionData>,
    ) {
        if let Some(payment) = self.payment(&hash) {
            let (next, outputs) = payment.on_fulfilled(part, preimage, attribution_data, self.now);
            self.take_payment(hash, next, outputs);
        }
    }

    pub(super) fn part_failed(&mut self, hash: PaymentHash, part: u64, how: &Resolution) {
        self.with_payment(hash, |payment, view| payment.on_failed(part, how, view));
    }

    pub(super) fn part_not_offered(
        &mut self,
        hash: PaymentHash,
        part: u64,
        refusal: &astrape_channel::Refusal,
    ) {
        self.with_payment(hash, |payment, view| payment.on_not_offered(part, refusal, view));
    }

    /// Installs the next value of a payment, or ends it.
    fn take_payment(&mut self, hash: PaymentHash, next: Payment, outputs: Vec<PayOutput>) {
        if let Some(command) = self.node.probes.get(&hash).map(|probing| probing.command) {
            return self.take_probe(hash, command, next, outputs);
        }
        let (destination, amount) = (next.destination, next.amount);
        self.node.payments.set(hash, Arc::new(next));
        let rebalance = destination == self.node.config.node_id;
        for output in outputs {
            let fact = match output {
                PayOutput::Offer(channel, new) => {
                    self.drive(channel, Event::Command(Command::Add(new)));
                    continue;
                }
                PayOutput::Search(mut query) => {
                    query.in_flight.extend(self.node.under_way_beside(hash));
                    self.effects.push(Effect::Find(Find::Route(query)));
                    continue;
                }
                PayOutput::Teach(trip) => {
                    self.effects.push(Effect::Teach(trip));
                    continue;
                }
                PayOutput::Sent { preimage, amount, fee } => {
                    Fact::PaymentSent { payment_hash: hash, preimage, amount, fee, destination, rebalance }
                }
                // Of probes alone.
                PayOutput::Reached { .. } => continue,
                PayOutput::Failed { reason } => {
                    let reason = match self.node.is_peer_away(&destination) {
                        true => format!("{reason}; {RECIPIENT_AWAY}"),
                        false => reason,
                    };
                    Fact::PaymentFailed { payment_hash: hash, amount, destination, reason, rebalance }
                }
            };
            let fact = self.record(fact);
            self.node.recent.end(Ended { payment_hash: hash, fact });
        }
        if self.node.payments.get(&hash).is_some_and(|p| p.is_over()) {
            self.node.payments.remove(&hash);
            if destination == self.node.config.node_id {
                self.forget_invoice(hash);
            }
        }
    }
}
