//! The user's commands, each answered once in the step that takes it; a probe at its end.

use super::Turn;
use crate::command::{Command, Refusal, Reply};
use crate::effect::Effect;
use crate::input::CommandId;
use crate::state::KnownPeer;
use astrape_channel::{Event, Output};
use astrape_primitives::{ChannelKeysId, NodeId};

/// Peers that are remembered: each costs a connection attempt now and then.
pub(crate) const MAX_KNOWN_PEERS: usize = 10_000;

/// Addresses of one peer that are remembered.
const MAX_ADDRESSES: usize = 8;

impl Turn<'_> {
    pub(super) fn command(&mut self, id: CommandId, command: Command) {
        if let Some(reply) = self.carry_out(id, command) {
            self.effects.push(Effect::Reply { command: id, reply });
        }
    }

    /// The answer; none yet to a probe that has begun.
    fn carry_out(&mut self, id: CommandId, command: Command) -> Option<Result<Reply, Refusal>> {
        Some(match command {
            Command::RememberPeer { peer, addresses } => self.remember_peer(peer, addresses),
            Command::ForgetPeer { peer } => self.forget_peer(peer),
            Command::OpenChannel(command) => self.open_channel(*command),
            Command::CloseChannel { channel, script } => {
                self.close(channel, Event::Command(astrape_channel::Command::Shutdown { script }))
            }
            Command::ForceCloseChannel { channel } => {
                let reason = "by the user's wish".to_owned();
                self.close(channel, Event::Command(astrape_channel::Command::ForceClose { reason }))
            }
            Command::SetPolicy { channel, change } => self.set_policy(channel, &change),
            Command::AddInvoice { invoice, earlier } => self.add_invoice(*invoice, earlier),
            Command::SettleInvoice { payment_hash, preimage, earlier } => {
                self.settle_invoice(payment_hash, preimage, earlier)
            }
            Command::CancelInvoice { payment_hash, earlier } => self.cancel_invoice(payment_hash, earlier),
            Command::Pay(command) => self.pay(*command),
            Command::Probe(command) => return self.probe(id, *command).err().map(Err),
            Command::Intercepted { channel, htlc, verdict } => self.intercepted((channel, htlc), &verdict),
            Command::Withdraw(command) => {
                self.withdraw(&command).map(|(txid, amount, fee)| Reply::Withdrawing { txid, amount, fee })
            }
            Command::BumpFee(command) => self.bump_fee(&command).map(Reply::Bumped),
            Command::Once(command) => self.once(*command),
            Command::Recall { request, earlier } => self.recall(&request, earlier),
        })
    }

    fn remember_peer(&mut self, peer: NodeId, mut addresses: Vec<String>) -> Result<Reply, Refusal> {
        let known = self.node.known_peers.get(&peer);
        if known.is_none() && self.node.known_peers.len() >= MAX_KNOWN_PEERS {
            return Err(Refusal::TooMany(MAX_KNOWN_PEERS, "peers", "forget some"));
        }
        for old in known.into_iter().flat_map(|k| k.addresses.clone()) {
            if !addresses.contains(&old) {
                addresses.push(old);
            }
        }
        addresses.truncate(MAX_ADDRESSES);
        self.node.known_peers.set(peer, KnownPeer { addresses });
        Ok(Reply::Done)
    }

    fn forget_peer(&mut self, peer: NodeId) -> Result<Reply, Refusal> {
        if !self.node.index.of_peer(&peer).is_empty() {
            return Err(Refusal::HasChannels(peer));
        }
        self.node.known_peers.remove(&peer);
        Ok(Reply::Done)
    }

    fn close(&mut self, channel: ChannelKeysId, event: Event) -> Result<Reply, Refusal> {
        if !self.node.channels.contains(&channel) {
            return Err(Refusal::NoSuchChannel);
        }
        if self.node.suspect.contains(&channel) {
            return Err(Refusal::Suspect);
        }
        self.drive(channel, event);
        let refused = self.queue.iter().find_map(|(keys, output)| match output {
            Output::Refused(refusal) if *keys == channel => Some(refusal.clone()),
            _ => None,
        });
        refused.map_or(Ok(Reply::Done), |refusal| Err(refusal.into()))
    }
}
