//! Fundings that are spent or reorganised away: their channels are forgotten 72 blocks later, since a splice looks the same
//! until it is announced (BOLT 7). And what grows old: forgotten after two weeks.

use super::check::MAX_AGE_SECS;
use super::intake::ChainAnswer;
use super::{Gossip, Record};
use astrape_primitives::{Height, ShortChannelId};
use bitcoin::OutPoint;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Blocks after which a channel whose funding is spent is forgotten (BOLT 7).
pub(super) const FORGET_AFTER: u32 = 72;

/// Channels that the chain does not know (any more) and that are remembered for it, so that it is not asked again. 24 bytes each; as many
/// as the network has closed in several years, should peers tell of all of them.
pub(super) const MAX_GONE: usize = 200_000;

/// Blocks after which the chain may be asked again for one of them: four weeks. It may have been wrong, and who tells of one that is
/// over costs a question in that time.
const GONE_FOR: u32 = 4_032;

/// What is known to be closed.
#[derive(Debug, Default)]
pub(super) struct Closed {
    /// In the graph still; the height of the spend.
    spent: BTreeMap<ShortChannelId, Height>,
    /// Not in the graph.
    gone: BTreeSet<ShortChannelId>,
    /// In the order in which they came, with the height of the tip then.
    gone_order: VecDeque<(ShortChannelId, Height)>,
}

impl Closed {
    /// Of channels in the graph, with the height of the spend.
    pub(super) fn of(spent: Vec<(ShortChannelId, Height)>) -> Self {
        Self { spent: spent.into_iter().collect(), ..Self::default() }
    }

    /// The channels in the graph whose funding is spent, upwards.
    pub(super) fn spent(&self) -> impl Iterator<Item = (&ShortChannelId, &Height)> {
        self.spent.iter()
    }

    pub(super) fn contains(&self, id: ShortChannelId) -> bool {
        self.spent.contains_key(&id)
    }

    pub(super) fn at(&self, id: ShortChannelId) -> Option<Height> {
        self.spent.get(&id).copied()
    }

    pub(super) fn is_gone(&self, id: ShortChannelId) -> bool {
        self.gone.contains(&id)
    }

    pub(super) fn gone(&mut self, id: ShortChannelId, tip: Height) {
        if !self.gone.insert(id) {
            return;
        }
        self.gone_order.push_back((id, tip));
        if self.gone_order.len() > MAX_GONE {
            self.forget_oldest();
        }
    }

    /// Forgets those that went long before a tip.
    fn forget_before(&mut self, tip: Height) {
        while self.gone_order.front().is_some_and(|(_, at)| at.0.saturating_add(GONE_FOR) <= tip.0) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((oldest, _)) = self.gone_order.pop_front() {
            self.gone.remove(&oldest);
        }
    }
}

impl Gossip {
    /// A block of the best chain: where it is, and what it spends.
    pub fn block_connected(&mut self, height: Height, spent: impl IntoIterator<Item = OutPoint>) {
        self.tip = height;
        for outpoint in spent {
            if let Some(id) = self.by_outpoint.get(&outpoint).copied() {
                self.note_spent(id, height);
            }
        }
        let is_deep = |at: &Height| height.0.saturating_sub(at.0) >= FORGET_AFTER;
        let forgotten: Vec<ShortChannelId> =
            self.closed.spent.iter().filter(|(_, at)| is_deep(at)).map(|(id, _)| *id).collect();
        for id in forgotten {
            self.remove(id);
            self.closed.gone(id, height);
        }
        self.closed.forget_before(height);
    }

    /// A block left the best chain. Returns channels whose funding was in it: ask the chain for them again.
    pub fn block_disconnected(&mut self, height: Height) -> Vec<ShortChannelId> {
        self.tip = Height(height.0.saturating_sub(1));
        let again: Vec<ShortChannelId> =
            self.closed.spent.iter().filter(|(_, at)| **at == height).map(|(id, _)| *id).collect();
        for id in again {
            self.note_unspent(id);
        }
        let first = ShortChannelId(u64::from(height.0) << 40);
        let reorganised: Vec<ShortChannelId> =
            self.graph.channels(first..).map(|channel| channel.short_channel_id).collect();
        for id in &reorganised {
            self.note_spent(*id, height);
        }
        reorganised
    }

    fn note_spent(&mut self, id: ShortChannelId, height: Height) {
        if self.closed.spent.insert(id, height).is_none() {
            self.append(&Record::Spent(id, height));
            self.outgoing.forget_channel(id);
        }
    }

    fn note_unspent(&mut self, id: ShortChannelId) {
        if self.closed.spent.remove(&id).is_some() {
            self.append(&Record::Unspent(id));
        }
    }

    /// What the chain says of a channel that a reorganisation may have removed, or that was looked at again.
    pub(super) fn funding_again(&mut self, id: ShortChannelId, answer: &ChainAnswer) {
        match answer {
            ChainAnswer::Unspent(output) if self.fundings.get(&id) == Some(&output.outpoint) => {
                self.note_unspent(id);
            }
            ChainAnswer::Gone | ChainAnswer::Unspent(_) if self.graph.channel(id).is_some() => {
                self.note_spent(id, self.tip);
            }
            _ => {}
        }
    }

    /// Where the newest block is that was seen.
    #[must_use]
    pub fn tip(&self) -> Height {
        self.tip
    }

    pub(super) fn remove(&mut self, id: ShortChannelId) {
        self.forget_funding(id);
        if self.graph.remove_channel(id).is_some() {
            self.append(&Record::Removed(id));
        }
    }

    fn forget_funding(&mut self, id: ShortChannelId) {
        self.outgoing.forget_channel(id);
        self.closed.spent.remove(&id);
        if let Some(outpoint) = self.fundings.remove(&id) {
            self.by_outpoint.remove(&outpoint);
        }
    }

    /// Forgets the channels of which an end was silent for two weeks (BOLT 7); returns how many. They may come back by an
    /// announcement. Our own stay while their fundings are unspent: nobody would announce them to us. Called now and then; `now` is in seconds of UNIX time.
    pub fn prune(&mut self, now: u32) -> usize {
        let pruned = self.graph.prune(now.saturating_sub(MAX_AGE_SECS), &self.our_id);
        for id in &pruned {
            self.forget_funding(*id);
            self.append(&Record::Removed(*id));
        }
        pruned.len()
    }

    /// Puts back what stands at a place of the log, as it was taken once: no signature and no chain is asked again. `false`
    /// for what does not fit together.
    pub fn replay(&mut self, record: &Record, len: usize) -> bool {
        let stored = self.end.advance(len);
        match record {
            Record::Channel { bytes, funding, received } => {
                let Some(super::Said::Channel(m)) = decode(bytes) else {
                    return false;
                };
                let [Ok(node_1), Ok(node_2)] = [m.node_id_1, m.node_id_2].map(|id| id.check()) else {
                    return false;
                };
                let capacity = funding.map(|(_, amount)| amount);
                let new = super::intake::new_channel(&m, [node_1, node_2], capacity, *received, Some(stored));
                if let Some((outpoint, _)) = funding {
                    self.watch(m.short_channel_id, *outpoint);
                }
                self.graph.add_channel(new).is_ok()
            }
            Record::Message(bytes) => match decode(bytes) {
                Some(super::Said::Update(m)) => {
                    let direction = crate::Direction::from_flags(m.channel_flags);
                    let policy = super::intake::policy(&m, Some(stored));
                    self.graph.set_policy(m.short_channel_id, direction, policy).is_ok()
                }
                Some(super::Said::Node(m)) => {
                    self.graph.set_node(m.node_id, super::intake::node_info(&m, Some(stored))).is_ok()
                }
                _ => false,
            },
            Record::Spent(id, height) => self.closed.spent.insert(*id, *height).is_none(),
            Record::Unspent(id) => self.closed.spent.remove(id).is_some(),
            Record::Removed(id) => {
                self.forget_funding(*id);
                self.graph.remove_channel(*id).is_some()
            }
        }
    }
}

fn decode(bytes: &[u8]) -> Option<super::Said> {
    match astrape_wire::Message::decode(bytes).ok()? {
        astrape_wire::Decoded::Known(message) => super::Heard::new(message).ok().map(|heard| heard.said),
        _ => None,
    }
}
