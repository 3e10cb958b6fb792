//! Payments: sent, and told of.

use super::payable::Wanted;
use super::{NodeService, argument, facts, once, refusal};
use crate::engine::CommandError;
use crate::engine::outcomes::PaymentEnd;
use crate::engine::trips::{ByPayment, Ended};
use astrape_api::v1::{
    Forward, ListForwardsRequest, ListForwardsResponse, ListPaymentsRequest, ListPaymentsResponse,
    PayRequest, PayResponse, Payment, PaymentDirection, PaymentPart, PaymentState,
};
use astrape_node::command::PayCommand;
use astrape_node::request::Errand;
use astrape_node::{Entry, Fact, Node, Refusal, Reply, Request};
use astrape_payment::TripEnd;
use astrape_primitives::{ChannelKeysId, NodeId, PaymentHash, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;
use tonic::Status;

/// Payments under way in one answer, beside those that ended: as many as of these.
const MAX_UNDER_WAY: usize = 1_000;

/// Longest time for which a payment is tried again.
pub(super) const MAX_TIMEOUT_SECS: u64 = 86_400;

impl NodeService {
    pub(super) async fn pay(&self, request: PayRequest) -> Result<PayResponse, Status> {
        let named = once::named("Pay", request.request_id.as_deref(), &request)?;
        if let Some(before) = self.recall(named.as_ref()).await? {
            return self.paid_before(&before).await;
        }
        let wanted = Wanted {
            invoice: Some(request.invoice.as_str())
                .filter(|text| !text.is_empty() || request.node_id.is_none()),
            node_id: request.node_id.as_deref(),
            preimage: request.preimage.as_deref(),
            custom_records: &request.custom_records,
            amount_msat: request.amount_msat,
        };
        let payable = self.payable(&wanted)?;
        let max_fee =
            request.max_fee_msat.map(|fee| argument::msat_or_none("max_fee_msat", fee)).transpose()?;
        let retry_secs = argument::seconds("timeout_secs", request.timeout_secs, MAX_TIMEOUT_SECS)?;
        self.pay_and_wait(PayCommand { max_fee, retry_secs, ..payable }, named).await
    }

    /// Has the core pay, and waits for the end.
    pub(super) async fn pay_and_wait(
        &self,
        command: PayCommand,
        named: Option<Request>,
    ) -> Result<PayResponse, Status> {
        let hash = command.payee.payment_hash();
        let end = self.handle.payment_end(hash);
        let mut is_before = false;
        let entry = match self.handle.command(Errand::Pay(Box::new(command)).by(named)).await {
            Ok(Reply::AlreadyPaid(entry)) => {
                is_before = true;
                *entry
            }
            // Asked for twice, it is paid once, and told to both.
            Ok(Reply::Paying { .. }) | Err(CommandError::Refused(Refusal::PaymentUnderWay(_))) => {
                self.told(end).await?
            }
            Ok(other) => return self.paid_before(&once::outcome(other)?).await,
            Err(error) => return Err(refusal::command(error)),
        };
        Ok(self.paid(&entry, &hash, is_before))
    }

    /// How a payment has ended, with its parts as far as they are remembered.
    pub(super) fn paid(&self, end: &Entry, hash: &PaymentHash, paid_before: bool) -> PayResponse {
        let Some(payment) = facts::payment(end) else { return PayResponse { payment: None } };
        PayResponse { payment: Some(Payment { parts: self.parts_of(hash), paid_before, ..payment }) }
    }

    /// The parts of a payment: those that ended and are remembered, then those in flight. All are paid by one preimage, and each ends
    /// by itself: with the first the payment has succeeded.
    fn parts_of(&self, hash: &PaymentHash) -> Vec<PaymentPart> {
        // In this order: one that has ended was remembered before the node was published without it.
        let node = self.snapshot();
        let over = self.handle.trips_of(hash);
        let in_flight = node.payment(hash).map_or_else(Vec::new, |payment| in_flight(payment, &over));
        over.iter().map(|part| ended(part, part.known_hold_times())).chain(in_flight).collect()
    }

    /// Waits for the fact that ends a payment of ours.
    pub(super) async fn told(&self, end: PaymentEnd) -> Result<Entry, Status> {
        tokio::select! {
            entry = end.told() => entry.map_err(refusal::stopped),
            stopped = self.closed() => Err(refusal::stopped(stopped)),
        }
    }

    pub(super) async fn list_payments(
        &self,
        request: ListPaymentsRequest,
    ) -> Result<ListPaymentsResponse, Status> {
        let limit = argument::limit("limit", request.limit)?;
        let node = self.snapshot();
        let before = request.before;
        let ended =
            self.handle.read(move |ledger| ledger.payments(before, limit)).await.map_err(refusal::ledger)?;
        // Those under way come first, so on the first page only. Some may have ended since the snapshot was taken.
        let ends: BTreeMap<PaymentHash, Timestamp> = ended.iter().rev().filter_map(end_of).collect();
        let has_ended = |payment: &astrape_payment::Payment| {
            ends.get(&payment.payment_hash).is_some_and(|end| *end >= payment.started_at)
        };
        let under_way =
            || node.payments().filter(|payment| payment.preimage.is_none() && !has_ended(payment));
        let count = under_way().count();
        // They have no number to go on from, and so do not count for the limit.
        let first = under_way().take(if before.is_none() { MAX_UNDER_WAY } else { 0 });
        let us = self.handle.node_id();
        let pending = |payment| pending(payment, us);
        let payments: Vec<Payment> =
            first.map(pending).chain(ended.iter().filter_map(facts::payment)).collect();
        let trips = self.handle.trips();
        // To read many hold times takes its time.
        let join = move || payments.into_iter().map(|payment| with_parts(payment, &node, &trips)).collect();
        let payments = tokio::task::spawn_blocking(join).await;
        let payments = payments.map_err(|error| Status::internal(format!("hold times: {error}")))?;
        Ok(ListPaymentsResponse { payments, under_way: count as u64 })
    }

    pub(super) async fn list_forwards(
        &self,
        request: ListForwardsRequest,
    ) -> Result<ListForwardsResponse, Status> {
        let limit = argument::limit("limit", request.limit)?;
        let channel =
            request.channel.as_deref().map(|name| self.once_channel("channel", name)).transpose()?;
        let (since, until) = (request.since.unwrap_or(0), request.until.unwrap_or(u64::MAX));
        if since >= until {
            let field = if request.since.is_some() { "since" } else { "until" };
            return Err(argument::invalid(field, "the end must come after the begin"));
        }
        let times = (in_ms(since), in_ms(until));
        let before = request.before;
        let forwards =
            self.handle.read(move |ledger| ledger.forwards_of(channel.as_ref(), times, before, limit)).await;
        let forwards = forwards.map_err(refusal::ledger)?;
        let names = self.channel_names(forwards.iter().flat_map(channels_of).collect()).await?;
        let name = |keys: &ChannelKeysId| names.get(keys).cloned();
        let named = |entry: &Entry| {
            let mut of = channels_of(entry).into_iter();
            let (incoming, outgoing) = (of.next(), of.next());
            Some(Forward {
                incoming_channel: incoming.as_ref().and_then(name),
                outgoing_channel: outgoing.as_ref().and_then(name),
                ..facts::forward(entry)?
            })
        };
        Ok(ListForwardsResponse { forwards: forwards.iter().filter_map(named).collect() })
    }
}

/// The channels of a forward: where it came in and, if there is one, where it went out or was to go out.
fn channels_of(entry: &Entry) -> Vec<ChannelKeysId> {
    match &entry.fact {
        Fact::Forwarded { incoming, outgoing, .. } => vec![*incoming, *outgoing],
        Fact::ForwardFailed { incoming, outgoing, .. } => {
            [Some(*incoming), *outgoing].into_iter().flatten().collect()
        }
        _ => Vec::new(),
    }
}

/// As the ledger has times.
fn in_ms(secs: u64) -> u64 {
    secs.saturating_mul(1_000).min(i64::MAX.unsigned_abs())
}

/// The payment of ours that a fact ends, and when.
fn end_of(entry: &Entry) -> Option<(PaymentHash, Timestamp)> {
    match &entry.fact {
        Fact::PaymentSent { payment_hash, .. } | Fact::PaymentFailed { payment_hash, .. } => {
            Some((*payment_hash, entry.at))
        }
        _ => None,
    }
}

/// A payment that has not ended. [`with_parts`] adds its parts.
pub(super) fn pending(payment: &astrape_payment::Payment, us: NodeId) -> Payment {
    let (_, fee) = payment.in_flight();
    Payment {
        payment_hash: payment.payment_hash.to_string(),
        direction: PaymentDirection::Sent.into(),
        state: PaymentState::Pending.into(),
        amount_msat: payment.amount.0,
        fee_msat: fee.0,
        destination: Some(payment.destination.to_string()),
        reason: payment.last_failure.clone(),
        attempts: payment.attempts,
        rebalance: payment.destination == us,
        ..Payment::default()
    }
}

/// The parts in flight of a payment, without those that have ended since. What is sent ahead to try a way carries nothing.
fn in_flight(payment: &astrape_payment::Payment, over: &[Arc<Ended>]) -> Vec<PaymentPart> {
    let is_over = |part: &astrape_payment::PaymentPart| over.iter().any(|ended| ended.trip().part == *part);
    let parts = payment.parts.values().filter(|part| !payment.is_scout(part) && !is_over(part));
    parts.map(part).collect()
}

/// A part in flight.
fn part(part: &astrape_payment::PaymentPart) -> PaymentPart {
    PaymentPart {
        amount_msat: part.amount.0,
        fee_msat: part.fee.0,
        hops: part.nodes().map(|node| node.to_string()).collect(),
        state: PaymentState::Pending.into(),
        ..PaymentPart::default()
    }
}

/// A part that ended, and how long its hops held it.
fn ended(ended: &Ended, hold_times: &[u64]) -> PaymentPart {
    let trip = ended.trip();
    let (state, reason) = match &trip.end {
        TripEnd::Arrived { .. } => (PaymentState::Succeeded, None),
        TripEnd::Failed { words, .. } => (PaymentState::Failed, Some(words.clone())),
    };
    PaymentPart {
        state: state.into(),
        hold_times_ms: hold_times.to_vec(),
        took_ms: Some(trip.took_ms),
        reason,
        ..part(&trip.part)
    }
}

/// A payment with those of its parts that ended and are remembered, before those in flight.
pub(super) fn with_parts(payment: Payment, node: &Node, trips: &ByPayment) -> Payment {
    if payment.direction() != PaymentDirection::Sent {
        return payment;
    }
    let over = trips.get(&payment.payment_hash).map_or(&[][..], Vec::as_slice);
    let live = payment.payment_hash.parse().ok().and_then(|hash: PaymentHash| node.payment(&hash));
    // Of one that has succeeded some may still be in flight. It may have done so since the snapshot was taken, and none is begun
    // anew then.
    let live = live.filter(|live| match payment.state() {
        PaymentState::Pending => live.preimage.is_none(),
        PaymentState::Succeeded => true,
        PaymentState::Failed | PaymentState::Unspecified => false,
    });
    let in_flight = live.map_or_else(Vec::new, |live| in_flight(live, over));
    let parts = over.iter().map(|part| ended(part, part.hold_times())).chain(in_flight).collect();
    Payment { parts, ..payment }
}
