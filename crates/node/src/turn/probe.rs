//! Probes: HTLCs that find out whether a payment could arrive, and cannot be settled, since nobody knows a preimage of their hash.
//!
//! A probe goes as a payment does and is none: it stands in no record and no list, its answer is its end, and a restart forgets
//! it. What of it is in flight then fails by itself, and is nobody's.

use super::Turn;
use crate::command::{ProbeCommand, Probed, Refusal, Reply};
use crate::effect::{Effect, Find};
use crate::input::CommandId;
use crate::node::Probing;
use astrape_channel::{Command, Event};
use astrape_payment::background::MAX_WAYS;
use astrape_payment::{PayOutput, PayRequest, Payee, Payment};
use astrape_primitives::PaymentHash;
use std::sync::Arc;

/// Probes at a time: each locks money of others along its way.
pub(crate) const MAX_PROBES: usize = 32;

impl Turn<'_> {
    /// The user wants to know whether a node can be reached. The answer comes when the probe is over.
    pub(in crate::turn) fn probe(&mut self, id: CommandId, command: ProbeCommand) -> Result<(), Refusal> {
        let ProbeCommand { node, invoice, amount, max_fee, retry_secs, payment_hash, payment_secret } =
            command;
        if self.node.probes.len() >= MAX_PROBES {
            return Err(Refusal::TooMany(MAX_PROBES, "probes under way", "wait until some have ended"));
        }
        if self.payment(&payment_hash).is_some() {
            return Err(Refusal::PaymentUnderWay(payment_hash));
        }
        let config = Arc::clone(&self.node.config);
        let request = PayRequest {
            network: config.channel.network,
            payee: Payee::Probe { node, payment_hash, payment_secret, invoice },
            amount,
            max_fee,
            retry_secs,
            session_key_seed: self.entropy.draw("session keys"),
            circle: None,
        };
        let channels = self.node.own_channels();
        let (payment, outputs) = Payment::start(request, &self.pay_view(&config, &channels))?;
        self.take_probe(payment_hash, Some(id), payment, outputs);
        Ok(())
    }

    /// A payment that is under way, or a probe.
    pub(super) fn payment(&self, hash: &PaymentHash) -> Option<Arc<Payment>> {
        let of_probe = || self.node.probes.get(hash).map(|probing| &probing.payment);
        self.node.payments.get(hash).or_else(of_probe).cloned()
    }

    /// Installs the next value of a probe, or ends it with its answer.
    pub(super) fn take_probe(
        &mut self,
        hash: PaymentHash,
        command: Option<CommandId>,
        next: Payment,
        outputs: Vec<PayOutput>,
    ) {
        let attempts = next.attempts;
        let is_enough = command.is_none() && attempts > MAX_WAYS;
        self.node.probes.set(hash, Probing { payment: Arc::new(next), command });
        for output in outputs {
            match output {
                PayOutput::Offer(..) if is_enough => {
                    self.end_probe(hash, Probed::failed(MAX_WAYS, "no way was found in time".to_owned()));
                }
                PayOutput::Offer(channel, new) => self.drive(channel, Event::Command(Command::Add(new))),
                PayOutput::Search(mut query) => {
                    query.in_flight.extend(self.node.under_way_beside(hash));
                    self.effects.push(Effect::Find(Find::Route(query)));
                }
                PayOutput::Teach(trip) => self.effects.push(Effect::Teach(trip)),
                PayOutput::Reached { fee, hops, hold_times, words } => {
                    self.end_probe(hash, Probed { reached: true, fee, hops, hold_times, attempts, words });
                }
                PayOutput::Failed { reason } => self.end_probe(hash, Probed::failed(attempts, reason)),
                PayOutput::Sent { .. } => {
                    self.end_probe(hash, Probed::failed(attempts, KNOWN_PREIMAGE.to_owned()));
                }
            }
        }
    }

    fn end_probe(&mut self, hash: PaymentHash, probed: Probed) {
        if let Some(probing) = self.node.probes.get(&hash).cloned() {
            self.node.probes.remove(&hash);
            match probing.command {
                Some(command) => {
                    let reply = Ok(Reply::Probed(Box::new(probed)));
                    self.effects.push(Effect::Reply { command, reply });
                }
                None => self.charge(&probing.payment),
            }
        }
    }

    /// Probes whose time is up: nobody waits for one longer than it was told to.
    pub(super) fn look_at_probes(&mut self) {
        let late = self.node.probes.iter().filter(|(_, probing)| self.now >= probing.payment.retry_until);
        let late: Vec<(PaymentHash, Arc<Payment>)> =
            late.map(|(hash, probing)| (*hash, Arc::clone(&probing.payment))).collect();
        for (hash, payment) in late {
            let hops = payment.parts.values().next().map_or_else(Vec::new, |part| part.nodes().collect());
            let words = match (&payment.last_failure, hops.is_empty()) {
                (_, false) => {
                    "no answer came in time: a node on the way holds it, and what is locked comes back by itself"
                }
                (Some(failure), true) => failure,
                (None, true) => "no way was found in time",
            };
            let probed = Probed { hops, ..Probed::failed(payment.attempts, words.to_owned()) };
            self.end_probe(hash, probed);
        }
    }
}

/// What is said of a preimage of random bytes: none is known to anybody.
const KNOWN_PREIMAGE: &str = "a node gave a preimage of a random hash; please report it";
