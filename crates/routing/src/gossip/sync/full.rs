//! The one peer that tells all: its list, and what it tells of the channels in it, portion by portion.

use super::range::take_part;
use super::{
    Full, MAX_ANSWERS_HELD, MAX_IDS_IN_QUERY, MAX_REPLIES, MAX_UNCHECKED, MIN_COMPARED, STAGE_MILLIS,
};
use super::{Gossip, Say, Stage, Sync, SyncFault};
use crate::graph::MAX_CHANNELS;
use astrape_primitives::{NodeId, ShortChannelId};
use astrape_wire::{Message, QueryFlags, QueryShortChannelIds, ReplyChannelRange, ReplyShortChannelIdsEnd};

impl Sync {
    /// A part of the list of channels.
    ///
    /// # Errors
    /// When it does not fit what was asked; the peer is left then, and the next one asked.
    pub fn range_reply(
        &mut self,
        now: u64,
        peer: NodeId,
        reply: &ReplyChannelRange,
        gossip: &Gossip,
    ) -> Result<Vec<Say>, SyncFault> {
        let owes = self.peers.get_mut(&peer).map(|p| &mut p.owes).filter(|owes| owes.range);
        let owes = owes.ok_or(SyncFault::Unasked)?;
        owes.range = !reply.sync_complete;
        let Some(full) = self.full.as_mut().filter(|full| full.peer == peer) else {
            // Of a sync that was given up.
            return Ok(self.begin(now, gossip));
        };
        full.heard_at = now;
        let known = gossip.graph().channel_count();
        let Stage::Listing { next_block, replies, listed, wanted } = &mut full.stage else {
            return Err(SyncFault::Unasked);
        };
        let taken = take_part(now, reply, next_block, gossip, wanted);
        *replies += 1;
        *listed += reply.encoded_short_ids.len();
        let taken =
            if *replies > MAX_REPLIES || *listed > MAX_CHANNELS { Err(SyncFault::TooMuch) } else { taken };
        if let Err(fault) = taken {
            self.full = None;
            return Err(fault);
        }
        if !reply.sync_complete {
            return Ok(Vec::new());
        }
        let is_partial = known >= MIN_COMPARED && *listed < known / 2;
        let mut wanted = std::mem::take(wanted);
        // Two parts may name the channels of the block between them.
        wanted.sort_unstable();
        wanted.dedup_by_key(|(id, _)| *id);
        full.stage = Stage::Fetching { wanted, portion: Vec::new(), held_at: None, is_partial };
        Ok(self.fetch(now, gossip))
    }

    /// A peer has told all that the last query asked for.
    ///
    /// # Errors
    /// When nothing was asked.
    pub fn ids_end(
        &mut self,
        now: u64,
        peer: NodeId,
        _end: &ReplyShortChannelIdsEnd,
        gossip: &Gossip,
    ) -> Result<Vec<Say>, SyncFault> {
        let owes = self.peers.get_mut(&peer).map(|p| &mut p.owes).filter(|owes| owes.ids);
        owes.ok_or(SyncFault::Unasked)?.ids = false;
        self.history.tells_nothing(peer, false);
        match self.full.as_mut().filter(|full| full.peer == peer) {
            Some(full) => {
                full.heard_at = now;
                Ok(self.fetch(now, gossip))
            }
            None => Ok(self.begin(now, gossip)),
        }
    }

    /// A message about a channel came. It counts as an answer if the channel was asked for: peers also tell what is new.
    pub fn heard(&mut self, now: u64, peer: &NodeId, about: ShortChannelId) {
        if let Some(full) = self.full.as_mut().filter(|full| full.peer == *peer)
            && let Stage::Fetching { portion, .. } = &full.stage
            && portion.binary_search(&about).is_ok()
        {
            full.heard_at = now;
        }
    }

    /// Asks for the next portion, or is done; waits with either while the chain is behind with what this peer has told. What others tell
    /// meanwhile, or invent, holds nobody.
    pub(super) fn fetch(&mut self, now: u64, gossip: &Gossip) -> Vec<Say> {
        let Some(Full { peer, stage, since, heard_at }) = &mut self.full else {
            return Vec::new();
        };
        let Stage::Fetching { wanted, portion: asked, held_at, is_partial } = stage else {
            return Vec::new();
        };
        let was_long = wanted.is_empty() && now.saturating_sub(*since) >= STAGE_MILLIS;
        let may_wait = if wanted.is_empty() { 0 } else { MAX_UNCHECKED };
        if gossip.waiting_of(peer) > may_wait && !was_long {
            let since = *held_at.get_or_insert(gossip.chain_answers());
            if gossip.chain_answers() - since < MAX_ANSWERS_HELD {
                return Vec::new();
            }
            // All that waited was answered, and as much waits again: it tells faster than anything can be checked.
            self.full = None;
            return self.begin(now, gossip);
        }
        *held_at = None;
        if wanted.is_empty() {
            let is_partial = *is_partial;
            self.full = None;
            if is_partial {
                return self.begin(now, gossip);
            }
            self.completed_at = Some(now);
            self.known_until = None;
            return Vec::new();
        }
        let left = wanted.len().saturating_sub(MAX_IDS_IN_QUERY);
        let mut portion = wanted.split_off(left);
        portion.sort_unstable();
        let peer = *peer;
        let extended = self.peers.get_mut(&peer).is_some_and(|p| {
            p.owes.ids = true;
            p.standing.extended
        });
        let (ids, flags): (Vec<_>, Vec<_>) = portion.into_iter().unzip();
        (*since, *heard_at) = (now, now);
        asked.clone_from(&ids);
        let query = QueryShortChannelIds {
            chain_hash: gossip.chain_hash(),
            encoded_short_ids: ids,
            query_flags: extended.then_some(QueryFlags(flags)),
        };
        vec![Say { peer, message: Message::QueryShortChannelIds(query) }]
    }
}
