//! HTLCs that came in and are irrevocable: for us, or to be passed on; and how those that went out ended.

use super::Turn;
use crate::ledger::Fact;
use astrape_channel::htlc::Direction;
use astrape_channel::{Command, Event, Htlc, Origin, Phase, Refusal, Resolution};
use astrape_onion::{Failure, FinalPayload, ForwardPayload, Hop, PeelFailure};
use astrape_payment::answer;
use astrape_primitives::{ChannelKeysId, HtlcId, Msat, PaymentHash, PaymentPreimage, Side};
use astrape_wire::{AttributionData, OnionPacket};

impl Turn<'_> {
    /// An HTLC of a peer is irrevocable: act on what its onion says.
    pub(super) fn incoming(&mut self, keys: ChannelKeysId, htlc: &Htlc) {
        let Direction::Incoming(onion) = &htlc.direction else {
            return;
        };
        let onion = std::sync::Arc::clone(onion);
        match &*onion {
            Err(PeelFailure::Payload { failure, .. }) => self.fail_incoming(keys, htlc, failure),
            // The failure is made from the onion alone; the given one is not used.
            Err(PeelFailure::Malformed { .. }) => {
                self.fail_incoming(keys, htlc, &Failure::TemporaryNodeFailure)
            }
            Ok(peeled) => match (&peeled.hop, self.takes_no_more(keys, htlc)) {
                (Hop::Forward { payload, next }, None) => self.forward(keys, htlc, payload, next),
                (Hop::Final { payload }, None) => self.receive(keys, htlc, payload),
                (Hop::Forward { .. }, Some((failure, why))) => {
                    self.forward_failed(keys, htlc, None, Some(why.to_owned()));
                    self.fail_incoming(keys, htlc, &failure);
                }
                // The last node may blame no channel (BOLT 4).
                (Hop::Final { .. }, Some(_)) => {
                    self.fail_incoming(keys, htlc, &Failure::TemporaryNodeFailure)
                }
            },
        }
    }

    /// Why nothing is done for what comes in over a channel, and what the sender of a forward is told.
    fn takes_no_more(&self, keys: ChannelKeysId, htlc: &Htlc) -> Option<(Failure, &'static str)> {
        let open = self.open_of(keys)?;
        if open.has_lost_its_funding() {
            return Some((
                Failure::TemporaryChannelFailure,
                "the funding of the channel that it came in over has left the chain",
            ));
        }
        let late = (Failure::PermanentChannelFailure, "the channel that it came in over is closing");
        open.is_after_shutdown(htlc.id).then_some(late)
    }

    fn forward(&mut self, keys: ChannelKeysId, htlc: &Htlc, payload: &ForwardPayload, next: &OnionPacket) {
        let config = std::sync::Arc::clone(&self.node.config);
        if config.payment.intercept.takes(payload.short_channel_id) {
            return self.hold(keys, htlc, payload);
        }
        let (target, decided) = self.carried(keys, htlc, payload, next);
        match decided {
            Ok((outgoing, new)) => match self.judge_forward(keys, htlc, outgoing, &new) {
                Ok(()) => self.drive(outgoing, Event::Command(Command::Add(new))),
                Err(jam) => {
                    self.forward_failed(keys, htlc, Some(outgoing), Some(jam.to_string()));
                    self.fail_incoming(keys, htlc, &Failure::TemporaryChannelFailure);
                }
            },
            Err(failure) => {
                let failure = match failure {
                    Failure::TemporaryChannelFailure => self.carries_nothing(htlc),
                    failure => failure,
                };
                self.forward_failed(keys, htlc, target, Some(failure.to_string()));
                self.fail_incoming(keys, htlc, &failure);
            }
        }
    }

    pub(super) fn usable(&self, keys: ChannelKeysId) -> Result<(), &'static str> {
        match self.node.channels.get(&keys) {
            None => Err("there is no such channel"),
            Some(_) if self.node.quarantined.contains_key(&keys) => Err("the channel is quarantined"),
            Some(channel) if channel.is_usable() => Ok(()),
            Some(channel) if matches!(channel.phase, Phase::Open(_)) => {
                Err("the peer is away or the channel not ready")
            }
            Some(_) => Err("the channel is closing"),
        }
    }

    /// A forward did not go through: here for a reason, or further down the way, where the reason is for its sender alone.
    pub(super) fn forward_failed(
        &mut self,
        keys: ChannelKeysId,
        htlc: &Htlc,
        outgoing: Option<ChannelKeysId>,
        reason: Option<String>,
    ) {
        if let Some(outgoing) = outgoing {
            self.forward_cost(outgoing, htlc.amount.saturating_sub(to_forward(htlc)), self.held(htlc));
        }
        if !self.is_failure_told(keys) {
            return;
        }
        self.record(Fact::ForwardFailed {
            payment_hash: htlc.payment_hash,
            incoming: keys,
            outgoing,
            amount_in: htlc.amount,
            amount_out: to_forward(htlc),
            took_ms: self.held(htlc),
            by_us: reason.is_some(),
            reason: reason.unwrap_or_else(|| "it failed further down the way".to_owned()),
        });
    }

    /// Fails an HTLC that came in, with a failure of ours.
    pub(super) fn fail_incoming(&mut self, keys: ChannelKeysId, htlc: &Htlc, failure: &Failure) {
        let update = if failure.needs_update() { self.update_named(htlc) } else { None };
        let resolution = answer::fail_with(htlc, failure, update.as_ref(), self.held(htlc));
        self.resolve(keys, htlc.id, resolution);
    }

    /// How long an HTLC was here, in milliseconds.
    fn held(&self, htlc: &Htlc) -> u64 {
        self.now.since(htlc.at)
    }

    fn receive(&mut self, keys: ChannelKeysId, htlc: &Htlc, payload: &FinalPayload) {
        self.take_part(keys, htlc, payload);
    }

    /// The peer of an outgoing HTLC gave its preimage: claim upstream in this very step.
    pub(super) fn fulfilled(
        &mut self,
        (outgoing, outgoing_id): (ChannelKeysId, HtlcId),
        origin: Origin,
        amount: Msat,
        payment_hash: PaymentHash,
        preimage: PaymentPreimage,
        attribution: Option<AttributionData>,
    ) {
        let (channel, id) = match origin {
            Origin::Payment { payment_hash, part } => {
                return self.part_fulfilled(payment_hash, part, preimage, attribution);
            }
            Origin::Relay { channel, id } => (channel, id),
        };
        let upstream = self.node.channels.get(&channel);
        let is_on_chain = upstream.is_some_and(|channel| matches!(channel.phase, Phase::Closing(_)));
        let payable = |h: &std::sync::Arc<Htlc>| h.may_be_fulfilled(is_on_chain);
        let Some(htlc) = self.incoming_htlc(channel, id).filter(payable) else {
            return self.settled_too_late((outgoing, outgoing_id), amount);
        };
        let resolution = answer::fulfil(&htlc, preimage, attribution, self.held(&htlc));
        let (amount_in, amount_out) = (htlc.amount, amount);
        let took_ms = self.held(&htlc);
        self.forward_paid(channel, outgoing, amount_in.saturating_sub(amount_out), took_ms);
        self.record(Fact::Forwarded {
            payment_hash,
            incoming: channel,
            outgoing,
            amount_in,
            amount_out,
            took_ms,
        });
        self.resolve(channel, id, resolution);
    }

    /// A preimage came when what paid for it had been failed back, since its time was over: the amount is lost. A peer that settles
    /// after the expiry could do the same with the next HTLC that is not worth going on chain for, so that its channel ends (BOLT 2).
    fn settled_too_late(&mut self, (outgoing, id): (ChannelKeysId, HtlcId), amount: Msat) {
        let htlc = self.open_of(outgoing).and_then(|open| open.htlcs.get(&(Side::Local, id)));
        let tip = self.height();
        if htlc.is_some_and(|htlc| htlc.cltv_expiry.0 <= tip.0) {
            let reason = format!(
                "the peer has settled an HTLC of {amount} after its expiry, when it had been failed back: the amount is lost"
            );
            self.drive(outgoing, Event::Command(Command::ForceClose { reason }));
        }
    }

    /// An outgoing HTLC is irrevocably gone without a preimage.
    pub(super) fn failed(&mut self, outgoing: ChannelKeysId, origin: Origin, how: &Resolution) {
        match origin {
            Origin::Payment { payment_hash, part } => self.part_failed(payment_hash, part, how),
            Origin::Relay { channel, id } => {
                if let Some(htlc) = self.upstream(channel, id) {
                    let resolution = answer::fail_from_downstream(&htlc, how, self.held(&htlc));
                    self.forward_unpaid(channel, outgoing);
                    self.forward_failed(channel, &htlc, Some(outgoing), None);
                    self.resolve(channel, id, resolution);
                }
            }
        }
    }

    /// An HTLC that we wanted to offer will not be.
    pub(super) fn not_offered(&mut self, outgoing: ChannelKeysId, origin: Origin, refusal: &Refusal) {
        match origin {
            Origin::Payment { payment_hash, part } => self.part_not_offered(payment_hash, part, refusal),
            Origin::Relay { channel, id } => {
                if let Some(htlc) = self.upstream(channel, id) {
                    self.forward_refused(channel, outgoing);
                    self.forward_failed(channel, &htlc, Some(outgoing), Some(refusal.to_string()));
                    let failure = self.carries_nothing(&htlc);
                    self.fail_incoming(channel, &htlc, &failure);
                }
            }
        }
    }

    pub(super) fn upstream(&self, channel: ChannelKeysId, id: HtlcId) -> Option<std::sync::Arc<Htlc>> {
        self.incoming_htlc(channel, id).filter(|h| h.removal.is_none())
    }
}

/// What the onion of an HTLC asks to pass on.
fn to_forward(htlc: &Htlc) -> Msat {
    match &htlc.direction {
        Direction::Incoming(onion) => match onion.as_ref().as_ref().map(|peeled| &peeled.hop) {
            Ok(Hop::Forward { payload, .. }) => payload.amt_to_forward,
            _ => Msat::ZERO,
        },
        Direction::Outgoing { .. } => Msat::ZERO,
    }
}
