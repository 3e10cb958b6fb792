//! Probes that nobody has asked for: begun by the clock, and only while nothing else is under way.
//!
//! Whom to probe is looked up outside ([`Find::ProbeTargets`]): the core knows neither the network nor its own past.

use super::Turn;
use crate::effect::{Effect, Find};
use crate::node::Probing;
use astrape_payment::background::{self, BackgroundProbes, MAX_TARGETS, PATIENCE_SECS};
use astrape_payment::{PayRequest, Payee, Payment};
use astrape_primitives::{NodeId, PaymentHash, PaymentSecret, Side, Timestamp};
use std::collections::BTreeSet;
use std::sync::Arc;

impl Turn<'_> {
    /// Asks whom to probe, when it is time.
    pub(super) fn look_at_background(&mut self) {
        let Some(wish) = self.node.config.payment.background_probes else {
            return;
        };
        let next = self.node.next_background_probe;
        if next == Timestamp(0) {
            // After a start, peers come back first.
            self.node.next_background_probe = wish.next_at(self.now, 0);
        } else if self.now >= next && self.is_idle() {
            self.node.next_background_probe = wish.next_at(self.now, 0);
            self.effects.push(Effect::Find(Find::ProbeTargets));
        }
    }

    /// Some nodes of which it would be good to know whether they can be paid: probes one of them, if still nothing else is under way.
    pub(super) fn probe_targets(&mut self, nodes: &[NodeId]) {
        let config = Arc::clone(&self.node.config);
        if config.payment.background_probes.is_none() || !self.is_idle() {
            return;
        }
        let channels = self.node.own_channels();
        let peers: BTreeSet<NodeId> = channels.iter().map(|channel| channel.peer).collect();
        let is_far = |node: &NodeId| *node != config.node_id && !peers.contains(node);
        let far: Vec<NodeId> = nodes.iter().take(MAX_TARGETS).copied().filter(is_far).collect();
        let random = self.entropy.draw("background probe");
        let largest = channels.iter().map(|channel| channel.sendable).max().unwrap_or_default();
        let Some((node, amount)) = background::pick(random, &far).zip(background::amount(random, largest))
        else {
            return;
        };
        // Random bytes: nobody knows a preimage.
        let payment_hash = PaymentHash(self.entropy.draw("hash of a background probe"));
        let payment_secret = PaymentSecret(self.entropy.draw("secret of a background probe"));
        let request = PayRequest {
            network: config.channel.network,
            payee: Payee::Probe { node, payment_hash, payment_secret, invoice: None },
            amount: Some(amount),
            max_fee: None,
            retry_secs: Some(PATIENCE_SECS),
            session_key_seed: self.entropy.draw("session keys"),
            circle: None,
        };
        // Where there can be no way, there is nothing to learn.
        if let Ok((payment, outputs)) = Payment::start(request, &self.pay_view(&config, &channels)) {
            self.take_probe(payment_hash, None, payment, outputs);
        }
    }

    /// Whether nothing is under way that a probe could be in the way of.
    fn is_idle(&self) -> bool {
        let node = &self.node;
        let quiet = node.payments.len() == 0 && node.probes.len() == 0 && node.world.stale.is_none();
        let mut channels = node.channels.iter().filter_map(|(_, channel)| channel.open());
        quiet
            && channels.all(|open| {
                let used = open.htlcs.values().filter(|htlc| htlc.offered_by == Side::Local).count();
                background::is_mostly_free(used, open.params.remote.max_accepted_htlcs.into())
            })
    }

    /// Somebody wants to pay: what nobody has asked for ends. What of it is in flight comes back by itself.
    pub(super) fn end_background(&mut self) {
        let unasked = self.node.probes.iter().filter(|(_, probing)| probing.command.is_none());
        let unasked: Vec<(PaymentHash, Probing)> =
            unasked.map(|(hash, probing)| (*hash, probing.clone())).collect();
        for (hash, probing) in unasked {
            self.node.probes.remove(&hash);
            self.charge(&probing.payment);
        }
    }

    /// The next has to wait for as many HTLCs as this one took.
    pub(super) fn charge(&mut self, probe: &Payment) {
        let wish: Option<BackgroundProbes> = self.node.config.payment.background_probes;
        if let Some(wish) = wish {
            let next = wish.next_at(probe.started_at, probe.attempts);
            self.node.next_background_probe = self.node.next_background_probe.max(next);
        }
    }
}
