//! Which channels the chain is to be asked for, by who told of them: in turns, so that one who tells of ten thousand that are over
//! keeps nobody waiting; and how much of what a peer told of was worth the question.

use astrape_primitives::{NodeId, ShortChannelId};
use astrape_routing::gossip::FairQueue;
use std::collections::VecDeque;

/// Questions in vain about the channels of one peer, from which on it matters how many of all they are. LND hangs up on who told
/// it of a hundred.
const MAX_STALE: u32 = 200;

/// The questions that wait. Their bound is that of the channels that wait for an answer.
#[derive(Debug, Default)]
pub(super) struct Questions {
    of_peers: FairQueue<ShortChannelId>,
    /// About channels that were known before, or which nobody told of.
    again: VecDeque<ShortChannelId>,
    /// Whether the last turn was theirs: some may never find an answer.
    was_again: bool,
}

/// Questions of one turn.
pub(super) type Turn = (Option<NodeId>, Vec<ShortChannelId>);

impl Questions {
    pub(super) fn push(&mut self, from: Option<NodeId>, id: ShortChannelId) {
        match from {
            Some(from) if self.of_peers.push(from, id, size_of::<ShortChannelId>()) => {}
            _ => self.again.push_back(id),
        }
    }

    /// Takes up to `most` of whose turn it is, upwards.
    pub(super) fn take(&mut self, most: usize) -> Option<Turn> {
        self.was_again = !self.again.is_empty() && (self.of_peers.is_empty() || !self.was_again);
        let (from, mut ids) = if self.was_again {
            (None, self.again.drain(..self.again.len().min(most)).collect())
        } else {
            self.of_peers.take(most).map(|(from, ids)| (Some(from), ids))?
        };
        ids.sort_unstable();
        Some((from, ids))
    }

    /// Those to which there was no answer: they wait with the others.
    pub(super) fn again(&mut self, from: Option<NodeId>, ids: Vec<ShortChannelId>) {
        ids.into_iter().for_each(|id| self.push(from, id));
    }

    pub(super) fn len(&self) -> usize {
        self.of_peers.len() + self.again.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.of_peers.is_empty() && self.again.is_empty()
    }
}

/// What the questions about the channels of one peer brought.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) asked: u32,
    pub(super) stale: u32,
}

impl Told {
    /// Whether the peer tells of channels that are over, and of little else.
    pub(super) const fn is_worthless(&self) -> bool {
        self.stale >= MAX_STALE && self.stale > self.asked / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use astrape_signer::{InProcessSigner, Seed};
    use astrape_transactions::Signer as _;

    fn peer(n: u8) -> NodeId {
        InProcessSigner::new(&Seed::from_entropy([n; 32]), astrape_primitives::Network::Regtest).node_id()
    }

    fn ids(blocks: std::ops::Range<u64>) -> Vec<ShortChannelId> {
        blocks.map(|block| ShortChannelId(block << 40)).collect()
    }

    #[test]
    fn who_tells_of_thousands_keeps_nobody_waiting() {
        let (flooder, honest) = (peer(1), peer(2));
        let mut questions = Questions::default();
        questions.again(Some(flooder), ids(0..2_500));
        questions.push(Some(honest), ShortChannelId(7));
        questions.push(None, ShortChannelId(9));
        assert_eq!(questions.take(256), Some((None, vec![ShortChannelId(9)])), "what was known comes first");
        questions.push(None, ShortChannelId(9));
        assert_eq!(questions.take(256), Some((Some(flooder), ids(0..256))));
        assert_eq!(questions.take(256), Some((None, vec![ShortChannelId(9)])), "and again in its turn");
        assert_eq!(questions.take(256), Some((Some(honest), vec![ShortChannelId(7)])));
        assert_eq!(questions.len(), 2_500 - 256);
        while questions.take(256).is_some() {}
        assert!(questions.is_empty());
    }

    #[test]
    fn a_peer_is_worthless_when_most_of_what_it_tells_is_over() {
        assert!(!Told { asked: 199, stale: 199 }.is_worthless(), "that happens");
        assert!(Told { asked: 200, stale: 200 }.is_worthless());
        assert!(!Told { asked: 40_000, stale: 3_000 }.is_worthless(), "who does not watch the chain");
    }
}
