//! What a peer asks for: taken as far as it may wait for its conversation. A query comes after the answer to the one before (BOLT 7), so
//! that a peer that does not read makes the node hold one of each kind.

use super::GossipEngine;
use super::conversation::ToServe;
use astrape_primitives::NodeId;
use astrape_routing::gossip::Filter;
use astrape_routing::gossip::serve::{IdsAnswer, QueryFault, RangeAnswer};
use astrape_wire::{GossipTimestampFilter, QueryChannelRange, QueryShortChannelIds};

/// Whether a query of each kind is being answered.
#[derive(Debug, Default)]
pub(super) struct Unanswered {
    pub(super) ids: bool,
    pub(super) range: bool,
}

impl GossipEngine {
    pub(super) fn asked_for_ids(&self, peer: NodeId, query: QueryShortChannelIds) {
        match IdsAnswer::new(query) {
            Ok(answer) => self.asked(peer, |unanswered| &mut unanswered.ids, ToServe::Ids(answer)),
            Err(fault) => self.lock().warn(&peer, &fault.to_string()),
        }
    }

    pub(super) fn asked_for_range(&self, peer: NodeId, query: QueryChannelRange) {
        self.asked(peer, |unanswered| &mut unanswered.range, ToServe::Range(RangeAnswer::new(query)));
    }

    fn asked(&self, peer: NodeId, kind: impl FnOnce(&mut Unanswered) -> &mut bool, answer: ToServe) {
        let mut state = self.lock();
        let Some(of_peer) = state.peers.get_mut(&peer) else {
            return;
        };
        let is_answering = kind(&mut of_peer.unanswered);
        if *is_answering {
            return state.warn(&peer, &QueryFault::TooEarly.to_string());
        }
        // One that is not taken is not being answered.
        *is_answering = of_peer.to_serve.try_send(answer).is_ok();
        if !*is_answering {
            state.warn(&peer, "more queries than were answered");
        }
    }

    /// The last part of an answer is on its way: the peer may ask again when it has read it.
    pub(super) fn answered_in_full(&self, peer: &NodeId, kind: impl FnOnce(&mut Unanswered) -> &mut bool) {
        if let Some(of_peer) = self.lock().peers.get_mut(peer) {
            *kind(&mut of_peer.unanswered) = false;
        }
    }

    pub(super) fn filter(&self, peer: NodeId, message: &GossipTimestampFilter) {
        let mut state = self.lock();
        if message.chain_hash != state.gossip.chain_hash() {
            return;
        }
        let Some(of_peer) = state.peers.get_mut(&peer) else {
            return;
        };
        let filter = Filter::new(message);
        of_peer.filter = Some(filter);
        if of_peer.untold.put(filter) && of_peer.to_serve.try_send(ToServe::Backlog).is_err() {
            // Nobody would take it up, nor the next one behind it.
            of_peer.untold.take();
            state.warn(&peer, "more queries than were answered");
        }
    }

    /// The filter of which a peer was not told what is known, if there is one; it is taken up by whoever asks.
    pub(super) fn take_backlog(&self, peer: &NodeId) -> Option<Filter> {
        self.lock().peers.get_mut(peer)?.untold.take()
    }

    /// Whether a peer has sent another filter meanwhile.
    pub(super) fn has_backlog(&self, peer: &NodeId) -> bool {
        self.lock().peers.get(peer).is_some_and(|of_peer| of_peer.untold.is_some())
    }
}
