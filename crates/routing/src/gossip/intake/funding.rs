//! Channels whose funding the chain has told of, and what waited for them.

use super::entry::new_channel;
use super::{ChainAnswer, FundingOutput, Offered, Output};
use crate::gossip::waiting::{WaitingChannel, announcement};
use crate::gossip::{Gossip, Heard, MAX_BANNED, Record};
use crate::graph::MAX_CHANNELS;
use astrape_primitives::{ClaimedId, NodeId, Sat, ShortChannelId};
use astrape_wire::ChannelAnnouncement;
use bitcoin::opcodes::all::OP_CHECKMULTISIG;
use bitcoin::script::Builder;
use bitcoin::{OutPoint, ScriptBuf};

/// Channels that are believed where the chain source cannot tell: twice those of today's network. Inventing one costs nothing.
pub(in crate::gossip) const MAX_BELIEVED: usize = 100_000;

impl Gossip {
    /// Takes what the chain says of a channel that waits for it, or of one that a reorganisation may have removed.
    pub fn chain_says(&mut self, now: u32, id: ShortChannelId, answer: &ChainAnswer) -> Vec<Output> {
        let Some(waiting) = self.waiting.take(id) else {
            self.funding_again(id, answer);
            return Vec::new();
        };
        match answer {
            ChainAnswer::Unspent(output) => self.compare(now, id, waiting, output),
            ChainAnswer::Unknown => self.believe(now, id, waiting),
            ChainAnswer::Refused => Vec::new(),
            ChainAnswer::Gone => {
                self.closed.gone(id, self.tip);
                told_by(waiting.rivals, Output::Stale)
            }
            ChainAnswer::Never => {
                self.closed.gone(id, self.tip);
                told_by(waiting.rivals, Output::Blame)
            }
        }
    }

    /// Takes the announcement that is of this output. Whoever told another made it up, or passed it on unseen.
    fn compare(
        &mut self,
        now: u32,
        id: ShortChannelId,
        waiting: WaitingChannel,
        output: &FundingOutput,
    ) -> Vec<Output> {
        let WaitingChannel { rivals, updates } = waiting;
        let is_true = |heard: &Heard| announcement(heard).is_some_and(|m| funding_script(m) == output.script);
        let (held, false_ones): (Vec<_>, Vec<_>) = rivals.into_iter().partition(|(heard, _)| is_true(heard));
        let mut follows = told_by(false_ones, Output::Blame);
        if let Some((heard, _)) = held.first() {
            let funding = Some((output.outpoint, output.amount));
            follows.extend(self.take_channel(now, id, heard, funding, updates));
        }
        follows
    }

    /// Where the chain source cannot tell, the first who told is believed. What contradicts it later is not: anybody can sign an
    /// announcement of any output with keys of his own.
    fn believe(&mut self, now: u32, id: ShortChannelId, waiting: WaitingChannel) -> Vec<Output> {
        let believed = self.graph.channel_count().saturating_sub(self.fundings.len());
        if self.graph.contains(id) || believed >= MAX_BELIEVED {
            return Vec::new();
        }
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
            let [node_1, node_2] = signers(m);
            if (known.node_1, known.node_2) == (node_1, node_2) {
                return Vec::new();
            }
            if self.fundings.contains_key(&id) {
                self.ban([known.node_1, known.node_2, node_1, node_2]);
                return Vec::new();
            }
            // It was believed when the chain could not tell, and now the chain has told.
            self.remove(id);
        }
        if !self.add_channel(now, m, heard, funding) {
            return Vec::new();
        }
        self.freed(now, m, updates)
    }

    /// What waited for a channel that is known now: the updates that came while the chain was asked, and what came before.
    pub(super) fn freed(&mut self, now: u32, m: &ChannelAnnouncement, updates: Vec<Heard>) -> Vec<Output> {
        let early = self.early.take_updates(m.short_channel_id);
        let nodes = signers(m).into_iter().flat_map(|id| self.early.take_node(&id));
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
    pub(super) fn add_channel(
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
        let new = new_channel(m, signers(m), funding.map(|(_, amount)| amount), now, Some(stored));
        let added = self.graph.add_channel(new).is_ok();
        if let Some((outpoint, _)) = funding.filter(|_| added) {
            self.watch(m.short_channel_id, outpoint);
        }
        added
    }

    pub(in crate::gossip) fn watch(&mut self, id: ShortChannelId, outpoint: OutPoint) {
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
                self.banned.insert(node.into());
            }
        }
    }
}

/// What follows for those who told of a channel.
fn told_by(rivals: Vec<(Heard, Option<NodeId>)>, follows: impl Fn(NodeId) -> Output) -> Vec<Output> {
    rivals.into_iter().filter_map(|(_, from)| from.map(&follows)).collect()
}

/// The nodes of an announcement whose signatures held, or which is our own.
fn signers(m: &ChannelAnnouncement) -> [NodeId; 2] {
    [m.node_id_1, m.node_id_2].map(ClaimedId::proven)
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
