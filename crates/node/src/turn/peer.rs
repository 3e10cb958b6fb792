//! Peers come, speak and go.

use super::Turn;
use super::replay::replayed;
use crate::effect::{Effect, Speech};
use crate::input::{PeerEvent, PeerMessage};
use crate::node::ConnectedPeer;
use astrape_channel::{Event, Fault, Phase, Reaction, reaction};
use astrape_onion::{PeelFailure, Peeled};
use astrape_primitives::{ChannelId, ChannelKeysId, CommitmentNumber, Features, NodeId};
use astrape_wire::{ChannelReestablish, Error, FundingCreated, Message, UpdateAddHtlc, Warning};
use bitcoin::OutPoint;
use std::sync::Arc;

/// How long a sign of life counts. Longer than a round trip over Tor, shorter than what a user waits for.
pub(crate) const HEARD_MILLIS: u64 = 15_000;

impl Turn<'_> {
    pub(super) fn peer(&mut self, peer: NodeId, event: PeerEvent) {
        match event {
            PeerEvent::Up { features } => self.peer_up(peer, features),
            PeerEvent::Message(message) => {
                self.heard(peer);
                self.message(peer, message);
            }
            PeerEvent::Heard => self.heard(peer),
            PeerEvent::Down => self.peer_down(peer),
        }
    }

    fn peer_up(&mut self, peer: NodeId, features: Features) {
        if self.node.peers.contains(&peer) {
            self.peer_down(peer);
        }
        self.node.peers.set(peer, ConnectedPeer { features, heard_at: self.now, probed: false });
        for channel in self.node.index.of_peer(&peer) {
            self.drive(channel, Event::Connected);
        }
    }

    fn peer_down(&mut self, peer: NodeId) {
        if self.node.peers.remove(&peer).is_none() {
            return;
        }
        for channel in self.node.index.of_peer(&peer) {
            self.node.unanswered.remove(&channel);
            self.node.early.remove(&channel);
            self.drive(channel, Event::Disconnected);
        }
    }

    /// A sign of life: what waited for it may be signed now.
    fn heard(&mut self, peer: NodeId) {
        let Some(connected) = self.node.peers.get(&peer).cloned() else {
            return;
        };
        if connected.probed {
            let channels = self.node.index.of_peer(&peer);
            channels.into_iter().for_each(|channel| self.may_propose(channel));
        }
        self.node.peers.set(peer, ConnectedPeer { heard_at: self.now, probed: false, ..connected });
    }

    /// Whether a peer was heard from a moment ago. If not, it is asked for a sign of life.
    pub(super) fn is_heard(&mut self, peer: NodeId) -> bool {
        let Some(connected) = self.node.peers.get(&peer).cloned() else {
            return false;
        };
        if self.now.since(connected.heard_at) <= HEARD_MILLIS {
            return true;
        }
        if !connected.probed {
            self.node.peers.set(peer, ConnectedPeer { probed: true, ..connected });
            self.say(peer, Speech::Probe);
        }
        false
    }

    fn message(&mut self, peer: NodeId, message: PeerMessage) {
        if !self.node.peers.contains(&peer) {
            return;
        }
        match message {
            PeerMessage::OpenChannel { message, keys } => self.peer_opens(peer, &message, keys),
            PeerMessage::UpdateAddHtlc { message, onion, seen } => self.peer_adds(peer, message, onion, seen),
            PeerMessage::Other(Message::ChannelUpdate(update)) => self.channel_update(peer, update),
            PeerMessage::Other(Message::ChannelAnnouncement(announcement)) => {
                self.announced_by_peer(peer, announcement);
            }
            PeerMessage::Other(message) => self.other(peer, message),
        }
    }

    fn peer_adds(
        &mut self,
        peer: NodeId,
        message: UpdateAddHtlc,
        onion: Arc<Result<Peeled, PeelFailure>>,
        seen: bool,
    ) {
        let Some(channel) = self.node.index.by_id(peer, message.channel_id) else {
            return self.unknown_channel(peer, message.channel_id, "update_add_htlc");
        };
        let onion = match &*onion {
            Ok(peeled) if seen || self.is_replay(channel, message.id, peeled) => {
                Arc::new(Err(replayed(peeled)))
            }
            _ => onion,
        };
        self.drive(channel, Event::Add { message, onion });
    }

    fn other(&mut self, peer: NodeId, message: Message) {
        let name = message.name();
        let Some(id) = message.channel_id() else {
            return;
        };
        // All zeroes means every channel in `error` and `warning` alone: a peer may have chosen it as its
        // `temporary_channel_id`.
        if id == ChannelId::ALL && matches!(message, Message::Error(_) | Message::Warning(_)) {
            return self.all_channels(peer, &message);
        }
        match self.node.index.by_id(peer, id) {
            Some(channel) => match &message {
                Message::FundingCreated(created) if self.is_funding_of_another(peer, created) => {
                    self.refuse_funding(channel);
                }
                _ => self.drive(channel, Event::Message(message)),
            },
            None if matches!(message, Message::Error(_)) && self.opening_called(peer, id).is_some() => {
                let opening = self.opening_called(peer, id).expect("it was just found");
                self.drive(opening, Event::Message(message));
            }
            None => {
                if let Message::ChannelReestablish(told) = &message {
                    self.say_that_we_know_nothing(peer, told);
                }
                self.unknown_channel(peer, id, name);
            }
        }
    }

    /// A channel that is being opened and that the peer may still know by its first name alone: it fails it, in place of `funding_signed`.
    fn opening_called(&self, peer: NodeId, temporary: ChannelId) -> Option<ChannelKeysId> {
        let of_peer = self.node.index.of_peer(&peer).into_iter();
        let mut called = of_peer.filter(|keys| {
            let channel = self.node.channels.get(keys);
            channel.is_some_and(|channel| match &channel.phase {
                Phase::Opening(opening) => opening.temporary_channel_id() == temporary,
                _ => false,
            })
        });
        called.next()
    }

    /// The peer goes on with a channel that we do not know, as after a new beginning with nothing but the words of the seed. What is
    /// ours in it comes back when the peer closes it, and LND does not for an `error`: it does for numbers that can be nobody's who
    /// knows anything. Such numbers are not answered by the same: two nodes that know nothing would never end.
    fn say_that_we_know_nothing(&mut self, peer: NodeId, told: &ChannelReestablish) {
        if told.next_commitment_number == CommitmentNumber(0) {
            return;
        }
        let answer = ChannelReestablish {
            channel_id: told.channel_id,
            next_commitment_number: CommitmentNumber(0),
            next_revocation_number: CommitmentNumber(0),
            your_last_per_commitment_secret: [0; 32],
            my_current_per_commitment_point: self.node.config.node_id.key(),
            next_funding: None,
            my_current_funding_locked: None,
        };
        self.say(peer, Speech::Plain(Message::ChannelReestablish(answer)));
    }

    /// Whether a peer names as funding what another channel stands on: it would be known by the same id, and one output
    /// cannot fund two.
    fn is_funding_of_another(&self, peer: NodeId, message: &FundingCreated) -> bool {
        let outpoint = OutPoint { txid: message.funding_txid, vout: u32::from(message.funding_output_index) };
        let index = &self.node.index;
        !index.by_outpoint(&outpoint).is_empty()
            || index.by_id(peer, ChannelId::from_funding(&outpoint)).is_some()
    }

    fn refuse_funding(&mut self, keys: ChannelKeysId) {
        if let Some(channel) = self.node.channels.get(&keys).cloned() {
            let fault = Fault::Funding("another channel is funded by this output".into());
            self.react(keys, &channel, &fault);
        }
    }

    /// BOLT 1: an `error` for the zero id is for every channel with the peer.
    fn all_channels(&mut self, peer: NodeId, message: &Message) {
        if let Message::Error(_) = message {
            for channel in self.node.index.of_peer(&peer) {
                self.drive(channel, Event::Message(message.clone()));
            }
        }
    }

    /// BOLT 2: a message about a channel that we do not know is answered by an `error`, but for those that could answer
    /// each other for ever.
    fn unknown_channel(&mut self, peer: NodeId, id: ChannelId, name: &str) {
        if name != "error" && name != "warning" {
            let data = format!("no channel {id} for {name}").into_bytes();
            if id == ChannelId::ALL {
                // An `error` with it would fail every channel with the peer.
                return self.say(peer, Speech::Plain(Message::Warning(Warning { channel_id: id, data })));
            }
            self.say(peer, Speech::Plain(Message::Error(Error { channel_id: id, data })));
        }
    }

    /// Does what the one table says about a fault of the peer.
    pub(super) fn react(&mut self, keys: ChannelKeysId, channel: &astrape_channel::Channel, fault: &Fault) {
        let (peer, channel_id) = (channel.peer(), channel.channel_id());
        let data = fault.to_string().into_bytes();
        match reaction(fault, channel.open().is_some()) {
            Reaction::Warn => self.say(peer, Speech::Plain(Message::Warning(Warning { channel_id, data }))),
            Reaction::AbortNegotiation => {
                self.say(peer, self.failure(peer, Some(keys), channel_id, data));
                self.forget_opening(keys, fault.to_string());
            }
            Reaction::Disconnect => {
                self.say(peer, Speech::Plain(Message::Warning(Warning { channel_id, data })));
                self.hang_up(keys, &fault.to_string());
            }
            Reaction::FailChannel => {
                let reason = fault.to_string();
                self.drive(keys, Event::Command(astrape_channel::Command::ForceClose { reason }));
            }
        }
    }

    /// Closes the connection with a channel's peer.
    pub(crate) fn hang_up(&mut self, keys: ChannelKeysId, reason: &str) {
        let Some(peer) = self.node.channels.get(&keys).map(|c| c.peer()) else {
            return;
        };
        if self.node.peers.contains(&peer) {
            self.effects.push(Effect::Disconnect { peer, reason: reason.to_owned() });
            self.peer_down(peer);
        }
    }
}
