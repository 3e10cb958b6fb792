//! From a message to the graph: [`Gossip::offer`] before its signatures, [`Gossip::checked`] after, and for a channel
//! [`Gossip::chain_says`] once the chain has told about its funding.
//!
//! | room | what is in it |
//! |---|---|
//! | `look` | whether a message fits what is known already |
//! | `funding` | channels whose funding the chain has told of, and what waited for them |
//! | `entry` | what of a message goes into the graph |

mod entry;
mod funding;
mod look;

pub(super) use entry::{new_channel, node_info, policy};

use super::check::{self, Fault, Heard, Ignored, Job, Said};
use super::relay::Item;
use super::{Gossip, Record};
use crate::graph::Direction;
use astrape_primitives::{NodeId, Sat, ShortChannelId};
use astrape_wire::{ChannelUpdate, NodeAnnouncement};
use bitcoin::{OutPoint, ScriptBuf};

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
    /// The chain contradicts what this peer has told.
    Blame(NodeId),
    /// What this peer has told of is over, if it ever was: one of many is an accident, nothing else is not.
    Stale(NodeId),
    /// Check the signatures of this, which waited for its channel, and answer with [`Gossip::checked`].
    Verify(Box<Job>),
}

/// What the chain says of a channel's funding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChainAnswer {
    /// There is such an output and nothing spends it.
    Unspent(FundingOutput),
    /// It is spent, as far as anybody can tell: whoever tells of it may not have seen that yet.
    Gone,
    /// There never was such a transaction.
    Never,
    /// The source cannot tell, and never will: the channel is believed, without its capacity.
    Unknown,
    /// The source does not tell now: the channel is forgotten as if nobody had announced it, and taken when it is told of again.
    Refused,
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
            Said::Channel(m) => self.look_at_channel(m, &heard).and_then(|()| {
                if from.is_some_and(|from| !self.waiting.has_room_of(&from)) {
                    return Err(Ignored::TooMany);
                }
                let id = m.short_channel_id;
                let is_first = self.waiting.add(id, heard.clone(), from);
                Ok(is_first.then_some(Output::AskChain(id)).into_iter().collect())
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
        let is_passed_on = self.is_passed_on(id);
        let is_first = is_passed_on && channel.as_ref().is_some_and(|c| c.policies == [None, None]);
        // BOLT 7: a channel is passed on with its first update, and before it; so are its ends, if they have no other.
        if is_first && let Some(channel) = channel {
            if let Some(stored) = channel.stored {
                self.outgoing.channel(id, Item { stored, ..item });
            }
            [channel.node_1, channel.node_2].iter().for_each(|node| self.pass_on_first(node));
        }
        if self.graph.set_policy(id, direction, policy(m, Some(stored))).is_ok() && is_passed_on {
            self.outgoing.update(id, direction, item);
        }
    }

    /// What a node has said of itself before anything was told of its channels.
    fn pass_on_first(&mut self, node: &NodeId) {
        let info = self.graph.node(node).filter(|_| !self.graph.is_told(node));
        if let Some((stored, timestamp)) = info.and_then(|info| info.stored.zip(Some(info.timestamp))) {
            self.outgoing.node(*node, Item { stored, timestamp, from: None });
        }
    }

    pub(super) fn take_node(&mut self, m: &NodeAnnouncement, heard: &Heard, from: Option<NodeId>) {
        // One with several DNS names is of use to us, and must not be passed on.
        let stored = (!m.addresses.has_several_hostnames())
            .then(|| self.append(&Record::Message(heard.bytes.clone())));
        let known = self.graph.set_node(m.node_id, node_info(m, stored)).is_ok();
        if let Some(stored) = stored.filter(|_| known && self.graph.is_told(&m.node_id)) {
            self.outgoing.node(m.node_id, Item { stored, timestamp: m.timestamp, from });
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
