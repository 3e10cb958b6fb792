//! Effects get out: signed, encoded, sent, broadcast.

use crate::event::Event;
use crate::machine::Part;
use crate::network::{Loss, Packet};
use crate::plant::Plant;
use crate::totals::Seen;
use crate::user::Flaw;
use crate::violation::{Checker, Violation, ensure};
use crate::world::World;
use astrape_node::release::{announce, find, sign_broadcast, speak};
use astrape_node::{Broadcast, Effect, Find, Found, Input, Journal as _, Parent, SignerAnswer, Speech};
use astrape_payment::RouteQuery;
use astrape_primitives::NodeId;
use astrape_routing::{Finder, Graph, Scores};
use astrape_wire::Message;
use bitcoin::hashes::Hash as _;
use bitcoin::secp256k1::{All, Message as Digest, Secp256k1};
use rand::Rng as _;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How late effects may be, in milliseconds: a slow signer, a full socket.
const LATE_MILLIS: u64 = 80;

impl World {
    /// Lets out the first `most` effects of a commit, in order: now, or late and behind those that are late already.
    pub(super) fn release(
        &mut self,
        node: usize,
        parts: &[Part],
        effects: Vec<Effect>,
        most: usize,
        may_be_late: bool,
    ) -> Result<(), Violation> {
        let places = parts.iter().flat_map(|part| std::iter::repeat_n(&part.connections, part.effects));
        let mut due: Vec<_> = places.map(Arc::clone).zip(effects).take(most).collect();
        if self.plant == Some(Plant::SwapsEffects { node }) && due.len() > 1 {
            let last = due.len() - 1;
            due.swap(0, last);
        }
        if due.is_empty() {
            return Ok(());
        }
        let late = may_be_late && self.late_percent > 0 && self.rng.gen_range(0..100) < self.late_percent;
        let Some(process) = &mut self.machines[node].process else {
            return Ok(());
        };
        if late || !process.outbox.is_empty() {
            process.outbox.extend(due);
            let (process, after) = (process.id, self.rng.gen_range(1..=LATE_MILLIS));
            self.queue.push(self.now.plus(after), Event::Release { node, process });
            return Ok(());
        }
        due.into_iter().try_for_each(|(connections, effect)| self.release_one(node, &connections, effect))
    }

    /// Lets out what is late.
    pub(super) fn release_the_late(&mut self, node: usize) -> Result<(), Violation> {
        let late =
            self.machines[node].process.as_mut().map(|p| std::mem::take(&mut p.outbox)).unwrap_or_default();
        late.into_iter().try_for_each(|(connections, effect)| self.release_one(node, &connections, effect))
    }

    pub(crate) fn release_one(
        &mut self,
        node: usize,
        connections: &BTreeMap<usize, u64>,
        effect: Effect,
    ) -> Result<(), Violation> {
        match effect {
            Effect::Send { peer, speech } => self.say(node, connections, peer, speech),
            Effect::Disconnect { peer, reason } => {
                self.hang_up(node, connections, &peer, &reason);
                Ok(())
            }
            Effect::Broadcast(broadcast) => self.bring_to_the_chain(node, broadcast),
            Effect::Watch(watch) => {
                if let Some(process) = &mut self.machines[node].process {
                    process.watch.add(watch);
                    let look = Event::Chain { node, process: process.id };
                    self.queue.push(self.now.plus(1), look);
                }
                Ok(())
            }
            Effect::Announce(announcement) => {
                let message = announce(announcement, &self.machines[node].signer).map_err(unsaid)?;
                announced_truly(&message, &self.secp)
            }
            Effect::Reply { command, reply } => {
                self.replied(node, command, reply);
                Ok(())
            }
            Effect::Publish(entry) => {
                self.trace.say(|| format!("{} node {node} tells: {:?}", self.now.0, entry.fact));
                Ok(())
            }
            Effect::Find(question) => self.look_up(node, question),
            // What search knows of liquidity is beside the node, and no world needs it to be right.
            Effect::Teach(_) => Ok(()),
        }
    }

    fn bring_to_the_chain(&mut self, node: usize, mut broadcast: Broadcast) -> Result<(), Violation> {
        if let Broadcast::Claim { request, .. } = &mut broadcast {
            if self.plant == Some(Plant::LosesClaims { node }) {
                return Ok(());
            }
            if self.plant == Some(Plant::PaysTooMuch { node }) {
                request.tx.output.iter_mut().for_each(|out| out.value /= 4);
            }
            crate::check::budget::check(self, node, request)?;
            self.totals.court.claim(request);
        }
        let old = match (&broadcast, self.plant) {
            (Broadcast::Commitment(request), Some(Plant::BroadcastsOld { node: wrong })) if wrong == node => {
                self.old_state(node, &request.keys).and_then(crate::court::Kept::sign)
            }
            _ => None,
        };
        let package = match old {
            Some(old) => vec![old],
            None => sign_broadcast(&broadcast, &self.machines[node].signer).map_err(unsaid)?,
        };
        // What was in a block is said again whoever made it: also a commitment that its owner had revoked.
        let again = match &broadcast {
            Broadcast::Again(tx) | Broadcast::Claim { parent: Some(Parent::Signed(tx)), .. } => {
                Some(tx.compute_txid())
            }
            _ => None,
        };
        if again.is_some() {
            self.totals.court.saw(Seen::Again);
        }
        for tx in package.iter().filter(|tx| Some(tx.compute_txid()) != again) {
            crate::check::punished::check(self, node, tx)?;
        }
        self.broadcast(node, &package);
        Ok(())
    }

    fn look_up(&mut self, node: usize, question: Find) -> Result<(), Violation> {
        let answer = match question {
            Find::ShutdownScript { channel } => {
                let script = match self.plant {
                    Some(Plant::ClaimsElsewhere { node: wrong }) if wrong == node => {
                        astrape_regtest::RegtestChain::faucet_script()
                    }
                    _ => self.fresh_script(node),
                };
                Some(Input::Signer(SignerAnswer::ShutdownScript { channel, script }))
            }
            Find::RetiredHtlcs { channel, number } => {
                let rows = self.machines[node].disk.retired_htlcs(&channel, number).map_err(unsaid)?;
                Some(Input::Found(Found::RetiredHtlcs { channel, number, rows }))
            }
            Find::Route(query) => Some(Input::Found(self.ways(&query))),
            other => find(&other, &self.machines[node].signer, &self.secp).map(Input::Signer),
        };
        if let Some(answer) = answer {
            self.answer(node, answer);
        }
        Ok(())
    }

    /// Path search knows nothing but what the invoice tells, or the world as it is.
    fn ways(&self, query: &RouteQuery) -> Found {
        let deal = self.users.by_hash.get(&query.payment_hash).map(|deal| &self.users.deals[*deal]);
        let by_gossip = deal.is_some_and(|deal| deal.flaw == Flaw::ByGossip);
        let mut graph = if by_gossip || self.web.is_there() { self.told() } else { Graph::new() };
        let mut finder = Finder::new(graph.snapshot(), &Scores::new());
        let route = Box::new(finder.find(&query.request(self.now)));
        Found::Route { payment_hash: query.payment_hash, number: query.number, route }
    }

    /// The signer's answer goes to the core before the peer can have the message.
    fn answer(&mut self, node: usize, answer: Input) {
        if let Some(process) = self.process(node).map(|p| p.id) {
            self.queue.push(self.now, Event::Local { node, process, input: Box::new(answer) });
        }
    }

    fn say(
        &mut self,
        node: usize,
        connections: &BTreeMap<usize, u64>,
        peer: NodeId,
        speech: Speech,
    ) -> Result<(), Violation> {
        let probe = matches!(speech, Speech::Probe);
        let spoken = speak(speech, &self.machines[node].signer).map_err(unsaid)?;
        if let Some(answer) = spoken.answer {
            self.answer(node, Input::Signer(answer));
        }
        let Some(to) = self.index_of(&peer) else {
            return Ok(());
        };
        let Some(connection) = connections.get(&to).copied() else {
            return Ok(());
        };
        if probe {
            self.send(connection, to, Packet::Ping);
        }
        let Some(message) = spoken.message else {
            return Ok(());
        };
        let message = self.tampered(node, message);
        let message = self.spoilt(node, message);
        let Some(message) = self.lied(node, message) else { return Ok(()) };
        self.checks.preimages.said(node, to, &message)?;
        self.totals.said(&message);
        let again = matches!((&self.plant, &message),
            (Some(Plant::RepeatsRevocation { node: wrong }), Message::RevokeAndAck(_)) if *wrong == node);
        let swallowed = matches!((&self.plant, &message),
            (Some(Plant::SwallowsRevocations { node: wrong }), Message::RevokeAndAck(_)) if *wrong == node);
        if swallowed {
            return Ok(());
        }
        for _ in 0..=usize::from(again) {
            self.send_message(node, connection, to, &message)?;
        }
        Ok(())
    }

    fn send_message(
        &mut self,
        node: usize,
        connection: u64,
        to: usize,
        message: &Message,
    ) -> Result<(), Violation> {
        let bytes = message.encode().map_err(unsaid)?;
        self.trace.note(&bytes);
        self.trace.say(|| format!("{} {node} -> {to}: {}", self.now.0, describe(message)));
        self.send(connection, to, Packet::Message(bytes));
        Ok(())
    }

    /// The node closed the connection: what was said before arrives.
    fn hang_up(&mut self, node: usize, connections: &BTreeMap<usize, u64>, peer: &NodeId, reason: &str) {
        self.trace.say(|| format!("{} node {node} hangs up: {reason}", self.now.0));
        self.totals.hang_ups += 1;
        let Some(to) = self.index_of(peer) else { return };
        let Some(connection) = connections.get(&to).copied() else { return };
        if let Some(process) = &mut self.machines[node].process
            && process.connections.get(&to) == Some(&connection)
        {
            process.connections.remove(&to);
        }
        if node < to {
            self.cut(connection, Loss::All, Loss::None);
        } else {
            self.cut(connection, Loss::None, Loss::All);
        }
    }

    /// A planted bug: what was fulfilled downstream is failed upstream.
    fn tampered(&self, node: usize, message: Message) -> Message {
        match (&self.plant, message) {
            (Some(Plant::FailsUpstream { node: wrong }), Message::UpdateFulfillHtlc(m)) if *wrong == node => {
                Message::UpdateFailHtlc(astrape_wire::UpdateFailHtlc {
                    channel_id: m.channel_id,
                    id: m.id,
                    reason: vec![0; 292],
                    attribution_data: None,
                })
            }
            (_, message) => message,
        }
    }
}

fn unsaid(error: impl core::fmt::Display) -> Violation {
    Violation::new(Checker::Release, error.to_string())
}

/// What the network is told of a channel carries four signatures that hold.
fn announced_truly(message: &Message, secp: &Secp256k1<All>) -> Result<(), Violation> {
    let Message::ChannelAnnouncement(m) = message else {
        return Ok(());
    };
    let digest = Digest::from_digest(m.signed_hash().to_byte_array());
    let [node_1, node_2] = [m.node_id_1, m.node_id_2].map(|id| id.check().map_err(unsaid));
    let signed = [
        (&m.node_signature_1, node_1?.key()),
        (&m.node_signature_2, node_2?.key()),
        (&m.bitcoin_signature_1, m.bitcoin_key_1),
        (&m.bitcoin_signature_2, m.bitcoin_key_2),
    ];
    let holds = signed.iter().all(|(signature, key)| secp.verify_ecdsa(&digest, signature, key).is_ok());
    ensure(holds, Checker::Release, || {
        format!("channel {} is announced without signatures", m.short_channel_id)
    })
}

fn describe(message: &Message) -> String {
    match message {
        Message::Error(m) => format!("error {}", astrape_wire::printable(&m.data)),
        Message::Warning(m) => format!("warning {}", astrape_wire::printable(&m.data)),
        Message::UpdateAddHtlc(m) => format!("update_add_htlc {} {}", m.id, m.amount_msat),
        Message::ChannelReestablish(m) => {
            format!("channel_reestablish {} {}", m.next_commitment_number, m.next_revocation_number)
        }
        other => other.name().to_owned(),
    }
}
