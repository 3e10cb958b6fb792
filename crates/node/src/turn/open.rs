//! Channels begin: ours with coins of the wallet, a peer's with bounds on how many.

use super::{Turn, is_opening};
use crate::command::{OpenChannelCommand, Refusal, Reply};
use crate::effect::{Effect, Speech};
use crate::input::FreshKeys;
use crate::ledger::ChannelFact;
use crate::node::PendingOpening;
use crate::reserve::reserve_of_opening;
use crate::state::OwedTransaction;
use astrape_channel::{Channel, Command, Event, IncomingRequest, OpenRequest, Phase, Reaction, reaction};
use astrape_primitives::{ChannelId, ChannelKeysId, FeeratePerKw, NodeId, Sat, ShortChannelId};
use astrape_wire::{Error, Message, OpenChannel, Warning};
use bitcoin::{OutPoint, ScriptBuf, Transaction};
use std::sync::Arc;

/// Channels that one peer may have waiting for their funding, and all peers together: each costs us memory and a place in
/// the watch set, and the peer nothing (attacks 55, 56). Counted in the step, so that a flood cannot race past it.
pub(crate) const MAX_UNCONFIRMED_PER_PEER: usize = 4;
pub(crate) const MAX_UNCONFIRMED: usize = 200;

/// The same for one peer, with those that were given up. They are kept for two weeks, since something of ours may be in them; a peer
/// whose openings fail may try again meanwhile, but not without end.
pub(crate) const MAX_UNFUNDED_PER_PEER: usize = 20;

impl Turn<'_> {
    /// A peer wants to open a channel.
    pub(super) fn peer_opens(&mut self, peer: NodeId, message: &OpenChannel, keys: FreshKeys) {
        if let Some(reason) = self.too_many_wait(peer) {
            let data = reason.into_bytes();
            return self.say(peer, self.failure(peer, None, message.temporary_channel_id, data));
        }
        let temporary = message.temporary_channel_id;
        let is_ambiguous = temporary == ChannelId::ALL && !self.node.index.of_peer(&peer).is_empty();
        if is_ambiguous || self.node.index.by_id(peer, temporary).is_some() {
            // No `error`: that would be for the channel which has this id already, or for all of them.
            let data = b"the temporary_channel_id is in use".to_vec();
            let warning = Warning { channel_id: message.temporary_channel_id, data };
            return self.say(peer, Speech::Plain(Message::Warning(warning)));
        }
        if let Some(reason) = self.why_not_open() {
            let data = reason.into_bytes();
            return self.say(peer, self.failure(peer, None, message.temporary_channel_id, data));
        }
        let id = keys.id;
        let request = IncomingRequest {
            peer,
            keys: keys.id,
            channel_keys: keys.keys,
            local_alias: self.draw_alias(),
            upfront_shutdown_script: None,
        };
        let features = self.node.peers.get(&peer).map(|p| p.features.clone()).unwrap_or_default();
        let (config, secp) = (Arc::clone(&self.node.config), Arc::clone(&self.node.secp));
        match Channel::open_incoming(message, request, &self.view(&config, &secp, &features)) {
            Ok(transition) => self.take_transition(id, transition),
            Err(fault) => {
                let (channel_id, data) = (message.temporary_channel_id, fault.to_string().into_bytes());
                let speech = match reaction(&fault, false) {
                    Reaction::Warn => Speech::Plain(Message::Warning(Warning { channel_id, data })),
                    _ => self.failure(peer, None, channel_id, data),
                };
                self.say(peer, speech);
            }
        }
    }

    /// Why one more of a peer may not wait for its funding.
    fn too_many_wait(&self, peer: NodeId) -> Option<String> {
        let (all, of_peer) = self.node.index.unconfirmed_incoming(&peer);
        let is_given_up = |keys: &&ChannelKeysId| {
            let channel = self.node.channels.get(keys);
            let is_closing = channel.is_some_and(|channel| matches!(channel.phase, Phase::Closing(_)));
            is_closing || self.node.failed_by_peer.contains(keys)
        };
        let given_up = of_peer.iter().filter(is_given_up).count();
        let waiting = of_peer.len() - given_up;
        let is_full = all >= MAX_UNCONFIRMED
            || waiting >= MAX_UNCONFIRMED_PER_PEER
            || of_peer.len() >= MAX_UNFUNDED_PER_PEER;
        is_full.then(|| {
            format!(
                "{waiting} of your channels and {all} in all wait for their funding, and {given_up} of yours were given up; try later"
            )
        })
    }

    fn why_not_open(&self) -> Option<String> {
        if self.node.chain.get(&()).is_none_or(|c| c.tip().is_none()) {
            return Some("still catching up with the chain; try later".into());
        }
        self.node.world.stale.as_ref().map(|_| "the chain that this node sees is not fresh; try later".into())
    }

    /// The user wants to open a channel.
    pub(super) fn open_channel(&mut self, command: OpenChannelCommand) -> Result<Reply, Refusal> {
        if let Some(reason) = self.why_not_open() {
            let stale = self.node.world.stale.as_ref();
            let told = |why| {
                format!("what this node sees of the chain is not up to date ({why}): try again when it is")
            };
            return Err(Refusal::NotNow(stale.map_or(reason, told)));
        }
        let Some(connected) = self.node.peers.get(&command.peer) else {
            return Err(Refusal::NotConnected(command.peer));
        };
        let features = connected.features.clone();
        let feerate = self.feerate_or_estimate(command.feerate)?;
        let channel = command.keys.id;
        let request = OpenRequest {
            peer: command.peer,
            keys: channel,
            channel_keys: command.keys.keys,
            funding: command.funding,
            push: command.push,
            announce: command.announce,
            format: command.format,
            feerate: self.node.config.fixed_feerate,
            funding_feerate: Some(feerate),
            temporary_channel_id: self.draw_temporary_id(command.peer),
            local_alias: self.draw_alias(),
            upfront_shutdown_script: command.upfront_shutdown_script,
        };
        let (config, secp) = (Arc::clone(&self.node.config), Arc::clone(&self.node.secp));
        let transition = Channel::open_outgoing(request, &self.view(&config, &secp, &features))?;
        let opening = PendingOpening {
            change_script: command.change_script,
            reserve: (!command.spend_reserve).then(|| reserve_of_opening(&transition.next)),
        };
        self.check_coins(command.funding, feerate, &opening, command.accept_high_fee)?;
        self.node.openings.set(channel, opening);
        self.take_transition(channel, transition);
        Ok(Reply::Opening { channel })
    }

    /// An id that is not in use with this peer.
    fn draw_temporary_id(&mut self, peer: NodeId) -> ChannelId {
        loop {
            let id = ChannelId(self.entropy.draw("temporary_channel_id"));
            if id != ChannelId::ALL && self.node.index.by_id(peer, id).is_none() {
                return id;
            }
        }
    }

    /// An alias that cannot be a real short channel id of this or any near time: its block is far from the tip.
    fn draw_alias(&mut self) -> ShortChannelId {
        loop {
            let bytes = self.entropy.draw("alias");
            let number = u64::from_be_bytes(bytes[..8].try_into().expect("eight of 32 bytes"));
            // The upper half of the block numbers: reached in the year 2170.
            let alias = ShortChannelId(number | 1 << 63);
            if self.node.index.by_scid(alias).is_none() {
                return alias;
            }
        }
    }

    /// The peer accepted: choose coins, make the transaction, and tie them to the channel in this very step.
    pub(super) fn fund(
        &mut self,
        keys: ChannelKeysId,
        script: ScriptBuf,
        amount: Sat,
        feerate: Option<FeeratePerKw>,
    ) {
        let Some(opening) = self.node.openings.get(&keys).cloned() else {
            return;
        };
        let feerate = feerate.unwrap_or(self.node.world.feerate);
        match self.build_funding(keys, &script, amount, feerate, &opening) {
            Ok(tx) => {
                let vout =
                    tx.output.iter().position(|o| o.script_pubkey == script).expect("it was just put there");
                let vout = u32::try_from(vout).expect("a transaction has few outputs");
                let outpoint = OutPoint { txid: tx.compute_txid(), vout };
                let command = Command::Fund { tx: Arc::new(tx), outpoint };
                self.drive(keys, Event::Command(command));
            }
            Err(refusal) => {
                if let Some(channel) = self.node.channels.get(&keys).cloned() {
                    let data = b"the funder has no coins for it any more".to_vec();
                    let speech = self.failure(channel.peer(), Some(keys), channel.channel_id(), data);
                    self.say(channel.peer(), speech);
                }
                self.forget_opening(keys, refusal.to_string());
            }
        }
    }

    /// Our funding transaction may go out, and is owed to the network until it is confirmed.
    pub(super) fn broadcast_funding(&mut self, keys: ChannelKeysId, tx: &Arc<Transaction>) {
        self.node.openings.remove(&keys);
        let inputs = self.wallet_inputs(tx);
        let since = Some(self.height());
        self.owe(OwedTransaction { tx: Arc::clone(tx), inputs, confirmed: None, since });
    }

    /// Broadcasts a transaction of our coins now and whenever it may have been lost, until it is confirmed.
    pub(super) fn owe(&mut self, owed: OwedTransaction) {
        let txid = owed.tx.compute_txid();
        self.effects.push(Effect::Watch(crate::effect::Watch::Transaction(txid)));
        self.effects.push(Effect::Broadcast(self.node.offer(&owed)));
        self.node.owed.set(txid, owed);
    }

    /// An opening ended without a channel: coins are free again, nothing is kept.
    pub(super) fn forget_opening(&mut self, keys: ChannelKeysId, reason: String) {
        let Some(channel) = self.node.channels.get(&keys).cloned() else {
            return;
        };
        if is_opening(&channel) || channel.open().is_some_and(|o| !o.readiness.sent) {
            self.tell(keys, ChannelFact::NotOpened { reason });
            self.node.channels.remove(&keys);
            self.node.quarantined.remove(&keys);
            self.node.failed_by_peer.remove(&keys);
            self.forget_resolution(keys);
        }
        self.node.openings.remove(&keys);
        self.release_coins_of(keys);
    }
}

impl Turn<'_> {
    /// How an opening is failed: by an `error`, unless that would name other channels with the peer too, as all zeroes do.
    pub(super) fn failure(
        &self,
        peer: NodeId,
        keys: Option<ChannelKeysId>,
        channel_id: ChannelId,
        data: Vec<u8>,
    ) -> Speech {
        let has_others = self.node.index.of_peer(&peer).iter().any(|other| Some(*other) != keys);
        Speech::Plain(if channel_id == ChannelId::ALL && has_others {
            Message::Warning(Warning { channel_id, data })
        } else {
            Message::Error(Error { channel_id, data })
        })
    }
}
