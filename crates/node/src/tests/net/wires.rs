//! Connections: what is on its way, taken off, delivered, or lost.

use super::{MAX_MESSAGES, Net};
use crate::config::default_features;
use crate::input::{Input, PeerEvent, PeerMessage};
use crate::journal::{Journal as _, SeenOnion};
use astrape_onion::{Hop, peel};
use astrape_primitives::{Features, NodeId};
use astrape_transactions::signing::Signer as _;
use astrape_wire::{Decoded, Message};
use std::collections::VecDeque;
use std::sync::Arc;

impl Net {
    pub(super) fn index_of(&self, id: NodeId) -> Option<usize> {
        (0..self.members.len()).find(|who| self.id(*who) == id)
    }

    pub(in crate::tests) fn is_up(&self, a: usize, b: usize) -> bool {
        self.up.contains(&(a.min(b), a.max(b)))
    }

    pub(in crate::tests) fn connect(&mut self, a: usize, b: usize) {
        self.connect_with(a, b, &default_features());
    }

    /// Both say that they know these features.
    pub(in crate::tests) fn connect_with(&mut self, a: usize, b: usize, features: &Features) {
        self.up.insert((a.min(b), a.max(b)));
        for (who, other) in [(a, b), (b, a)] {
            let (peer, features) = (self.id(other), features.clone());
            self.input(who, Input::Peer { peer, event: PeerEvent::Up { features } });
        }
    }

    /// The connection is lost, with all that is on its way.
    pub(in crate::tests) fn cut(&mut self, a: usize, b: usize) {
        if !self.up.remove(&(a.min(b), a.max(b))) {
            return;
        }
        for (who, other) in [(a, b), (b, a)] {
            self.wires.remove(&(who, other));
            let peer = self.id(other);
            self.input(who, Input::Peer { peer, event: PeerEvent::Down });
        }
    }

    /// A message arrives, as its bytes, prepared as a daemon does.
    pub(in crate::tests) fn receive(&mut self, to: usize, from: usize, message: &Message) {
        let bytes = message.encode().expect("it can be said");
        let Ok(Decoded::Known(message)) = Message::decode(&bytes) else {
            panic!("what is said is read");
        };
        let message = match message {
            Message::OpenChannel(message) => {
                PeerMessage::OpenChannel { message: Box::new(message), keys: self.fresh_keys(to) }
            }
            Message::UpdateAddHtlc(message) => {
                let member = &self.members[to];
                let packet = &message.onion_routing_packet;
                let onion = peel(packet, &message.payment_hash, |point| member.signer.ecdh(point));
                let seen = onion.as_ref().is_ok_and(|peeled| {
                    let expiry = match &peeled.hop {
                        Hop::Forward { payload, .. } => payload.outgoing_cltv_value,
                        Hop::Final { payload } => payload.outgoing_cltv_value,
                    };
                    let name = SeenOnion { expiry, replay_id: peeled.shared_secret.replay_id() };
                    member.disk.onion_seen(&name).expect("it can be read")
                });
                PeerMessage::UpdateAddHtlc { message, onion: Arc::new(onion), seen }
            }
            message => PeerMessage::Other(message),
        };
        let peer = self.id(from);
        self.input(to, Input::Peer { peer, event: PeerEvent::Message(message) });
    }

    /// The next message on a wire, taken off it.
    pub(in crate::tests) fn intercept(&mut self, from: usize, to: usize) -> Option<Message> {
        self.wires.get_mut(&(from, to))?.pop_front()
    }

    /// What is on a wire is lost.
    pub(in crate::tests) fn clear(&mut self, from: usize, to: usize) {
        self.wires.remove(&(from, to));
    }

    /// Takes off a wire all that stands there, and the first message of that name with it, which is handed back.
    pub(in crate::tests) fn intercept_until(&mut self, from: usize, to: usize, name: &str) -> Message {
        loop {
            let message = self.intercept(from, to).unwrap_or_else(|| panic!("{from} says no {name} to {to}"));
            if message.name() == name {
                return message;
            }
            self.receive(to, from, &message);
        }
    }

    /// Who was asked for a sign of life gives one.
    pub(super) fn answer_probes(&mut self, silent: Option<usize>) {
        for (who, peer) in std::mem::take(&mut self.probed) {
            let up = self.index_of(peer).filter(|to| self.is_up(who, *to));
            if up.is_some_and(|to| Some(to) == silent) {
                self.probed.push((who, peer));
            } else if up.is_some() {
                self.input(who, Input::Peer { peer, event: PeerEvent::Heard });
            }
        }
    }

    /// The next message on any wire, taken off it: from whom, to whom, and what.
    pub(in crate::tests) fn next(&mut self) -> Option<(usize, usize, Message)> {
        self.answer_probes(None);
        let (from, to) = self.wires.iter().find(|(_, wire)| !wire.is_empty()).map(|(ends, _)| *ends)?;
        self.intercept(from, to).map(|message| (from, to, message))
    }

    /// The same, but nothing of this node's, which is silent.
    pub(in crate::tests) fn next_but(&mut self, silent: usize) -> Option<(usize, usize, Message)> {
        self.answer_probes(Some(silent));
        let speaks =
            |((from, _), wire): &(&(usize, usize), &VecDeque<Message>)| *from != silent && !wire.is_empty();
        let (from, to) = self.wires.iter().find(speaks).map(|(ends, _)| *ends)?;
        self.intercept(from, to).map(|message| (from, to, message))
    }

    /// Until all is quiet.
    pub(in crate::tests) fn run(&mut self) {
        for _ in 0..MAX_MESSAGES {
            let Some((from, to, message)) = self.next() else {
                return;
            };
            self.receive(to, from, &message);
        }
        panic!("no end");
    }
}
