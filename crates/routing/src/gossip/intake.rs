//! From a message to the graph: [`Gossip::offer`] before its signatures, [`Gossip::checked`] after, and for a channel
//! [`Gossip::chain_says`] once the chain has told about its funding.

use super::check::{self, Fault, Heard, Ignored, Job, MAX_AGE_SECS, MAX_MESSAGE, Said};
use super::relay::Item;
use super::waiting::announcement;
use super::{Gossip, MAX_BANNED, Record};
use crate::graph::{Direction, MAX_CHANNELS, NewChannel, NodeInfo, Policy, StoredAt};
use astrape_primitives::{Height, NodeId, Sat, ShortChannelId};
use astrape_wire::{ChannelAnnouncement, ChannelUpdate, NodeAnnouncement};
use bitcoin::opcodes::all::OP_CHECKMULTISIG;
use bitcoin::script::Builder;
use bitcoin::{OutPoint, ScriptBuf};
use std::collections::BTreeSet;

/// Confirmations from which an announcement is taken: one less than it needs, since the newest block may not have reached
/// us (BOLT 7). Those with fewer wait for their blocks.
const LEAST_DEPTH: u32 = 5;

/// Blocks that we may be behind the one who announces a channel: what lies further ahead is not true, or we are far behind
/// and ask again later.
const MAX_AHEAD_BLOCKS: u32 = 12;

/// What becomes of a message before its signatures are looked at.
#[derive(Debug, PartialEq, Eq)]
pub enum Offered {
    /// Check its signatures.
    Verify(Box<Job>),
    /// It is left out.
    Ignored(Ignored),
    /// Its sender broke a rule.
    Fault(Fault),
}

/// What follows from a message.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Ask the chain for the funding of this channel, and answer with [`Gossip::chain_says`].
    AskChain(ShortChannelId),
    /// Check the signatures of this, which waited for its channel, and answer with [`Gossip::checked`].
    Verify(Box<Job>),
}

/// What the chain says of a channel's funding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChainAnswer {
    /// There is such an output and nothing spends it.
    Unspent(FundingOutput),
    /// There is none, or it is spent.
    Gone,
    /// The source cannot tell: the channel is believed, without its capacity.
    Unknown,
}

/// An output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FundingOutput {
    /// Where it is.
    pub outpoint: OutPoint,
    /// Its script.
    pub script: ScriptBuf,
    /// Its amount.
    pub amount: Sat,
}

impl Gossip {
    /// Looks at a message before its signatures. `now` is in seconds of UNIX time.
    pub fn offer(&mut self, now: u32, heard: Heard) -> Offered {
        let looked_at = match &heard.said {
            Said::Channel(m) => match check::channel(m) {
                Ok(()) => self.look_at_channel(m, &heard).map(|()| None),
                Err(fault) => return Offered::Fault(fault),
            },
            Said::Update(m) => self.look_at_update(now, m, &heard).map(Some),
            Said::Node(m) => self.look_at_node(now, m, &heard).map(|()| None),
        };
        match looked_at {
            Ok(signer) => Offered::Verify(Box::new(Job { heard, signer })),
            Err(Ignored::Early) => {
                self.keep_for_later(heard);
                Offered::Ignored(Ignored::Early)
            }
            Err(ignored) => Offered::Ignored(ignored),
        }
    }

    fn look_at_channel(&self, m: &ChannelAnnouncement, heard: &Heard) -> Result<(), Ignored> {
        let id = m.short_channel_id;
        self.is_of_our_chain(m.chain_hash, heard)?;
        if self.banned.contains(&m.node_id_1) || self.banned.contains(&m.node_id_2) {
            return Err(Ignored::Banned);
        }
        if self.closed.contains(id) || self.closed.is_gone(id) {
            return Err(Ignored::Closed);
        }
        let known = self.graph.channel(id);
        if known.is_some_and(|c| (c.node_1, c.node_2) == (m.node_id_1, m.node_id_2)) {
            return Err(Ignored::Known);
        }
        let block = Height(id.block());
        if block.confirmations_at(self.tip) < LEAST_DEPTH {
            let is_near = block.0 <= self.tip.0.saturating_add(MAX_AHEAD_BLOCKS);
            return Err(if is_near { Ignored::Early } else { Ignored::Chain });
        }
        if self.waiting.has_room_for(heard, id) { Ok(()) } else { Err(Ignored::TooMany) }
    }

    /// Whose signature an update must have.
    fn look_at_update(&self, now: u32, m: &ChannelUpdate, heard: &Heard) -> Result<NodeId, Ignored> {
        let id = m.short_channel_id;
        self.is_of_our_chain(m.chain_hash, heard)?;
        check::timestamp(m.timestamp, now)?;
        if m.message_flags & ChannelUpdate::DONT_FORWARD != 0 {
            return Err(Ignored::Private);
        }
        if m.timestamp < now.saturating_sub(MAX_AGE_SECS) {
            return Err(Ignored::Old);
        }
        let Some(channel) = self.graph.channel(id) else {
            return Err(if self.closed.is_gone(id) { Ignored::Closed } else { Ignored::Early });
        };
        let direction = Direction::from_flags(m.channel_flags);
        if let Some(policy) = channel.policy(direction) {
            newer(m.timestamp, policy.timestamp)?;
        }
        if self.closed.contains(id) && m.channel_flags & ChannelUpdate::DISABLE == 0 {
            return Err(Ignored::Closed);
        }
        if channel.capacity.is_some_and(|capacity| m.htlc_maximum_msat > capacity.to_msat()) {
            return Err(Ignored::OverCapacity);
        }
        Ok(channel.sender(direction))
    }

    fn look_at_node(&self, now: u32, m: &NodeAnnouncement, heard: &Heard) -> Result<(), Ignored> {
        if heard.bytes.len() > MAX_MESSAGE {
            return Err(Ignored::TooLong);
        }
        check::timestamp(m.timestamp, now)?;
        if self.banned.contains(&m.node_id) {
            return Err(Ignored::Banned);
        }
        if let Some(node) = self.graph.node(&m.node_id) {
            return newer(m.timestamp, node.timestamp);
        }
        // Its channel may be on its way to the chain and back, or in the batch that is being checked.
        if self.graph.has_node(&m.node_id) { Ok(()) } else { Err(Ignored::Early) }
    }

    fn is_of_our_chain(&self, chain_hash: [u8; 32], heard: &Heard) -> Result<(), Ignored> {
        if chain_hash != self.chain_hash {
            return Err(Ignored::OtherChain);
        }
        if heard.bytes.len() > MAX_MESSAGE {
            return Err(Ignored::TooLong);
        }
        Ok(())
    }

    /// What may be of use once its channel is known.
    fn keep_for_later(&mut self, heard: Heard) {
        match &heard.said {
            Said::Update(m) => {
                let id = m.short_channel_id;
                if self.waiting.contains(id) {
                    self.waiting.add_update(id, heard);
                } else {
                    self.early.add_update(id, heard);
                }
            }
            Said::Node(m) => self.early.add_node(m.node_id, heard),
            Said::Channel(m) => self.early.add_channel(m.short_channel_id, heard),
        }
    }

    /// What came before its block and may be looked at now: called after each block.
    pub fn ripe(&mut self, now: u32) -> Vec<Output> {
        let early = self.early.take_channels();
        let offered = early.into_iter().filter_map(|heard| match self.offer(now, heard) {
            Offered::Verify(job) => Some(Output::Verify(job)),
            Offered::Ignored(_) | Offered::Fault(_) => None,
        });
        offered.collect()
    }

    /// Takes a message whose signatures were checked, with who told us.
    ///
    /// # Errors
    /// When the signatures do not hold.
    pub fn checked(
        &mut self,
        now: u32,
        from: Option<NodeId>,
        job: Job,
        holds: bool,
    ) -> Result<Result<Vec<Output>, Ignored>, Fault> {
        if !holds {
            return Err(job.fault());
        }
        let heard = job.heard;
        // What held when it was offered may not hold any more: others are taken meanwhile.
        Ok(match &heard.said {
            Said::Channel(m) => self.look_at_channel(m, &heard).map(|()| {
                let id = m.short_channel_id;
                let is_first = self.waiting.add(id, heard.clone(), from);
                is_first.then_some(Output::AskChain(id)).into_iter().collect()
            }),
            Said::Update(m) => self.look_at_update(now, m, &heard).and_then(|_| {
                let key = (m.short_channel_id, Direction::from_flags(m.channel_flags));
                if !self.update_limits.take(key, now) {
                    return Err(Ignored::TooMany);
                }
                self.take_update(m, &heard, from);
                Ok(Vec::new())
            }),
            Said::Node(m) => self.look_at_node(now, m, &heard).and_then(|()| {
                if !self.node_limits.take(m.node_id, now) {
                    return Err(Ignored::TooMany);
                }
                self.take_node(m, &heard, from);
                Ok(Vec::new())
            }),
        })
    }

    pub(super) fn take_update(&mut self, m: &ChannelUpdate, heard: &Heard, from: Option<NodeId>) {
        let (id, direction) = (m.short_channel_id, Direction::from_flags(m.channel_flags));
        let stored = self.append(&Record::Message(heard.bytes.clone()));
        let item = Item { stored, timestamp: m.timestamp, from };
        let channel = self.graph.channel(id);
        let is_first = channel.as_ref().is_some_and(|c| c.policies == [None, None]);
        // BOLT 7: a channel is passed on with its first update, and before it.
        if is_first && let Some(stored) = channel.and_then(|c| c.stored) {
            self.outgoing.channel(id, Item { stored, ..item });
        }
        if self.graph.set_policy(id, direction, policy(m, Some(stored))).is_ok() {
            self.outgoing.update(id, direction, item);
        }
    }

    pub(super) fn take_node(&mut self, m: &NodeAnnouncement, heard: &Heard, from: Option<NodeId>) {
        // One with several DNS names is of use to us, and must not be passed on.
        let stored = (!m.addresses.has_several_hostnames())
            .then(|| self.append(&Record::Message(heard.bytes.clone())));
        let known = self.graph.set_node(m.node_id, node_info(m, stored)).is_ok();
        if let Some(stored) = stored.filter(|_| known) {
            self.outgoing.node(m.node_id, Item { stored, timestamp: m.timestamp, from });
        }
    }

    /// Takes what the chain says of a channel that waits for it, or of one that a reorganisation may have removed.
    pub fn chain_says(&mut self, now: u32, id: ShortChannelId, answer: &ChainAnswer) -> Vec<Output> {
        let Some(waiting) = self.waiting.take(id) else {
            self.funding_again(id, answer);
            return Vec::new();
        };
        let ChainAnswer::Unspent(output) = answer else {
            return match answer {
                ChainAnswer::Unknown => self.believe(now, id, waiting),
                _ => {
                    self.closed.gone(id);
                    Vec::new()
                }
            };
        };
        let found = waiting
            .rivals
            .iter()
            .find(|(heard, _)| announcement(heard).is_some_and(|m| funding_script(m) == output.script));
        let Some((heard, _)) = found.cloned() else {
            return Vec::new();
        };
        self.take_channel(now, id, &heard, Some((output.outpoint, output.amount)), waiting.updates)
    }

    /// Where the chain source cannot tell, the first who told is believed.
    fn believe(
        &mut self,
        now: u32,
        id: ShortChannelId,
        waiting: super::waiting::WaitingChannel,
    ) -> Vec<Output> {
        let first = waiting.rivals.into_iter().next();
        first.map_or_else(Vec::new, |(heard, _)| self.take_channel(now, id, &heard, None, waiting.updates))
    }

    fn take_channel(
        &mut self,
        now: u32,
        id: ShortChannelId,
        heard: &Heard,
        funding: Option<(OutPoint, Sat)>,
        updates: Vec<Heard>,
    ) -> Vec<Output> {
        let Some(m) = announcement(heard) else {
            return Vec::new();
        };
        if let Some(known) = self.graph.channel(id) {
            if (known.node_1, known.node_2) != (m.node_id_1, m.node_id_2) {
                self.ban([known.node_1, known.node_2, m.node_id_1, m.node_id_2]);
            }
            return Vec::new();
        }
        if !self.add_channel(now, m, heard, funding) {
            return Vec::new();
        }
        self.freed(now, m, updates)
    }

    /// What waited for a channel that is known now: the updates that came while the chain was asked, and what came before.
    fn freed(&mut self, now: u32, m: &ChannelAnnouncement, updates: Vec<Heard>) -> Vec<Output> {
        let early = self.early.take_updates(m.short_channel_id);
        let nodes = [m.node_id_1, m.node_id_2].into_iter().flat_map(|id| self.early.take_node(&id));
        let nodes: Vec<Heard> = nodes.collect();
        let waited = updates.into_iter().chain(early).chain(nodes);
        waited
            .filter_map(|heard| match self.offer(now, heard) {
                Offered::Verify(job) => Some(Output::Verify(job)),
                Offered::Ignored(_) | Offered::Fault(_) => None,
            })
            .collect()
    }

    /// Whether there was room for it.
    fn add_channel(
        &mut self,
        now: u32,
        m: &ChannelAnnouncement,
        heard: &Heard,
        funding: Option<(OutPoint, Sat)>,
    ) -> bool {
        if self.graph.channel_count() >= MAX_CHANNELS {
            return false;
        }
        let record = Record::Channel { bytes: heard.bytes.clone(), funding, received: now };
        let stored = self.append(&record);
        let new = new_channel(m, funding.map(|(_, amount)| amount), now, Some(stored));
        let added = self.graph.add_channel(new).is_ok();
        if let Some((outpoint, _)) = funding.filter(|_| added) {
            self.watch(m.short_channel_id, outpoint);
        }
        added
    }

    pub(super) fn watch(&mut self, id: ShortChannelId, outpoint: OutPoint) {
        self.fundings.insert(id, outpoint);
        self.by_outpoint.insert(outpoint, id);
    }

    /// Two announcements of one funding with other nodes, all of them signed: keys have leaked, and nobody can tell whose
    /// word to take (BOLT 7).
    fn ban(&mut self, nodes: [NodeId; 4]) {
        if nodes.contains(&self.our_id) {
            return;
        }
        let theirs = |c: &crate::graph::Channel| nodes.contains(&c.node_1) || nodes.contains(&c.node_2);
        let gone: Vec<ShortChannelId> =
            self.graph.channels(..).filter(theirs).map(|c| c.short_channel_id).collect();
        gone.into_iter().for_each(|id| self.remove(id));
        for node in nodes {
            if self.banned.len() < MAX_BANNED {
                self.banned.insert(node);
            }
        }
    }

    /// Takes what we say ourselves: our word needs no proof. `None` if it is no news; otherwise it is for all peers, and what
    /// the peer said of the channel before it was known follows.
    pub fn own(&mut self, now: u32, heard: &Heard, funding: Option<(OutPoint, Sat)>) -> Option<Vec<Output>> {
        let is_new = match &heard.said {
            Said::Channel(m) => {
                let id = m.short_channel_id;
                if self.graph.channel(id).is_some() || !self.add_channel(now, m, heard, funding) {
                    return None;
                }
                // The peer may have announced it before us: then the chain is being asked.
                let waiting = self.waiting.take(id);
                return Some(self.freed(now, m, waiting.map(|waiting| waiting.updates).unwrap_or_default()));
            }
            Said::Update(m) => {
                let known = self.graph.channel(m.short_channel_id);
                let direction = Direction::from_flags(m.channel_flags);
                let is_new = known
                    .is_some_and(|c| c.policy(direction).is_none_or(|policy| policy.timestamp < m.timestamp));
                if is_new {
                    self.take_update(m, heard, Some(self.our_id));
                }
                is_new
            }
            Said::Node(m) => {
                let is_new = self.graph.has_node(&m.node_id)
                    && self.graph.node(&m.node_id).is_none_or(|info| info.timestamp < m.timestamp);
                if is_new {
                    self.take_node(m, heard, Some(self.our_id));
                }
                is_new
            }
        };
        is_new.then(Vec::new)
    }
}

/// BOLT 7: only what is newer counts; of two with the same timestamp the first.
fn newer(timestamp: u32, known: u32) -> Result<(), Ignored> {
    match timestamp.cmp(&known) {
        std::cmp::Ordering::Less => Err(Ignored::Old),
        std::cmp::Ordering::Equal => Err(Ignored::Known),
        std::cmp::Ordering::Greater => Ok(()),
    }
}

/// The funding output of BOLT 3 for the keys of an announcement.
fn funding_script(m: &ChannelAnnouncement) -> ScriptBuf {
    let mut keys = [m.bitcoin_key_1, m.bitcoin_key_2].map(bitcoin::PublicKey::new);
    keys.sort_by_key(|key| key.inner.serialize());
    Builder::new()
        .push_int(2)
        .push_key(&keys[0])
        .push_key(&keys[1])
        .push_int(2)
        .push_opcode(OP_CHECKMULTISIG)
        .into_script()
        .to_p2wsh()
}

pub(super) fn new_channel(
    m: &ChannelAnnouncement,
    capacity: Option<Sat>,
    received: u32,
    stored: Option<StoredAt>,
) -> NewChannel {
    NewChannel {
        short_channel_id: m.short_channel_id,
        node_1: m.node_id_1,
        node_2: m.node_id_2,
        capacity,
        features: m.features.features(),
        received,
        stored,
    }
}

pub(super) fn policy(m: &ChannelUpdate, stored: Option<StoredAt>) -> Policy {
    Policy {
        timestamp: m.timestamp,
        fee_base_msat: m.fee_base_msat,
        fee_proportional_millionths: m.fee_proportional_millionths,
        cltv_expiry_delta: m.cltv_expiry_delta,
        htlc_minimum: m.htlc_minimum_msat,
        htlc_maximum: m.htlc_maximum_msat,
        disabled: m.channel_flags & ChannelUpdate::DISABLE != 0,
        checksum: m.checksum(),
        stored,
    }
}

pub(super) fn node_info(m: &NodeAnnouncement, stored: Option<StoredAt>) -> NodeInfo {
    let mut seen = BTreeSet::new();
    NodeInfo {
        timestamp: m.timestamp,
        features: m.features.features(),
        color: m.rgb_color,
        alias: m.alias,
        // Each once, however often it is said.
        addresses: m.addresses.iter().filter(|address| seen.insert(address.clone())).collect(),
        stored,
    }
}
