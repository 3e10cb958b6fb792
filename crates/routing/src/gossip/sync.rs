//! Our own queries: one peer at a time tells us of the whole network, some more tell what is new, the rest is quiet.
//!
//! A full sync asks for the ids of all channels with timestamps and checksums (`query_channel_range`), and then for what is
//! not known or newer (`query_short_channel_ids`), in portions whose answers fit the queue before the intake. A peer that
//! says nonsense, says too much, falls silent or takes too long is left, and the next one asked. Which that is and what a peer
//! did the last time outlives its connection (`history`).

mod history;
mod range;

use super::Gossip;
use super::check::MAX_AGE_SECS;
use crate::graph::MAX_CHANNELS;
use astrape_primitives::{Height, NodeId, ShortChannelId};
use astrape_wire::tlv::BigSize;
use astrape_wire::{
    GossipTimestampFilter, Message, QueryChannelRange, QueryFlags, QueryShortChannelIds, ReplyChannelRange,
    ReplyShortChannelIdsEnd, WANT_CHECKSUMS, WANT_TIMESTAMPS,
};
use history::History;
use range::take_part;
use std::collections::BTreeMap;

/// Peers that tell us what is new: enough that one liar or one that is cut off hides nothing.
pub const MAX_LIVE: usize = 5;

/// Channels in one `query_short_channel_ids`: the answer, at most five messages each, fits the queue of a peer.
pub const MAX_IDS_IN_QUERY: usize = 500;

/// Replies to one `query_channel_range`: [`MAX_CHANNELS`] in parts of no less than some hundred.
pub const MAX_REPLIES: usize = 4_000;

/// A peer that owes an answer and brings nothing of it for so long, in milliseconds, is left.
pub const SILENCE_MILLIS: u64 = 60_000;

/// So long, in milliseconds, the whole list or one portion may take: a slow peer says a megabyte meanwhile.
pub const STAGE_MILLIS: u64 = 10 * 60_000;

/// After so long another peer is asked for everything: what all live peers missed is found then. Also where nobody told it.
pub const RESYNC_MILLIS: u64 = 60 * 60_000;

/// Live peers tell from so many seconds before now on: what came while we were not connected.
const LIVE_FROM_SECS: u32 = 60 * 60;

/// Where the sync stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// No peer that has gossip to share is connected.
    NoPeer,
    /// A peer tells us which channels there are.
    Listing,
    /// A peer tells us of them; so many are left.
    Fetching(usize),
    /// All was told by at least one peer.
    Complete,
}

/// What a peer did wrong; it is not asked any more on this connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SyncFault {
    /// An answer to nothing.
    #[error("an answer to no query")]
    Unasked,
    /// Parts out of order, or ids outside of what the part covers.
    #[error("reply_channel_range does not fit the query")]
    Range,
    /// More channels or parts than there can be.
    #[error("reply_channel_range without an end")]
    TooMuch,
}

/// Something to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Say {
    /// To whom.
    pub peer: NodeId,
    /// What.
    pub message: Message,
}

/// Who tells us what.
#[derive(Debug, Default)]
pub struct Sync {
    peers: BTreeMap<NodeId, Peer>,
    /// The one that tells us all.
    full: Option<Full>,
    /// When a full sync was complete last.
    completed_at: Option<u64>,
    /// When somebody was asked for everything last.
    begun_at: Option<u64>,
    /// Until when gossip was kept before this start, in seconds; none once all was told since.
    known_until: Option<u32>,
    history: History,
}

#[derive(Debug)]
struct Peer {
    /// Whether it has gossip worth asking for (`gossip_queries`).
    is_useful: bool,
    /// Whether it adds timestamps and checksums (`gossip_queries_ex`).
    extended: bool,
    /// Whether it tells us what is new.
    is_live: bool,
    /// Whether it was asked for everything on this connection, or did wrong.
    was_asked: bool,
    /// Queries that it owes the end of an answer to, though we do not wait for it any more.
    owes: Owes,
}

/// BOLT 7: no query while the answer to the one before is not complete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Owes {
    range: bool,
    ids: bool,
}

#[derive(Debug)]
struct Full {
    peer: NodeId,
    stage: Stage,
    /// When the stage, or its portion, began.
    since: u64,
    /// When it came forward last.
    heard_at: u64,
}

#[derive(Debug)]
enum Stage {
    Listing { next_block: u64, replies: usize, listed: usize, wanted: Vec<(ShortChannelId, u64)> },
    Fetching { wanted: Vec<(ShortChannelId, u64)>, portion: Vec<ShortChannelId> },
}

impl Sync {
    /// Before any peer. `known_until` is until when gossip was kept before, in seconds of UNIX time, if that is known.
    #[must_use]
    pub fn new(known_until: Option<u32>) -> Self {
        Self { known_until, ..Self::default() }
    }

    /// Where it stands.
    #[must_use]
    pub fn progress(&self) -> Progress {
        match &self.full {
            Some(Full { stage: Stage::Listing { .. }, .. }) => Progress::Listing,
            Some(Full { stage: Stage::Fetching { wanted, .. }, .. }) => Progress::Fetching(wanted.len()),
            None if self.completed_at.is_some() => Progress::Complete,
            None => Progress::NoPeer,
        }
    }

    /// A peer is connected. `now` is in milliseconds.
    pub fn connected(
        &mut self,
        now: u64,
        peer: NodeId,
        is_useful: bool,
        extended: bool,
        gossip: &Gossip,
    ) -> Vec<Say> {
        let state = Peer { is_useful, extended, is_live: false, was_asked: false, owes: Owes::default() };
        self.peers.insert(peer, state);
        let mut said = self.go_live(now, gossip);
        // A peer without gossip_queries may not know what a filter is.
        if is_useful && !self.peers.get(&peer).is_some_and(|p| p.is_live) {
            said.push(Say { peer, message: filter(gossip, u32::MAX, 0) });
        }
        said.extend(self.begin(now, gossip));
        said
    }

    /// A peer is gone.
    pub fn disconnected(&mut self, now: u64, peer: &NodeId, gossip: &Gossip) -> Vec<Say> {
        self.peers.remove(peer);
        if self.full.as_ref().is_some_and(|full| full.peer == *peer) {
            self.full = None;
        }
        let mut said = self.go_live(now, gossip);
        said.extend(self.begin(now, gossip));
        said
    }

    /// Time goes by: a silent or slow peer is left, and now and then another one is asked for everything.
    pub fn tick(&mut self, now: u64, gossip: &Gossip) -> Vec<Say> {
        if let Some(full) = &self.full
            && (now.saturating_sub(full.heard_at) >= SILENCE_MILLIS
                || now.saturating_sub(full.since) >= STAGE_MILLIS)
        {
            if matches!(full.stage, Stage::Fetching { .. }) {
                self.history.tells_nothing(full.peer, true);
            }
            self.full = None;
        }
        let rests_since = self.completed_at.or(self.begun_at).filter(|_| self.full.is_none());
        if rests_since.is_some_and(|at| now.saturating_sub(at) >= RESYNC_MILLIS) {
            self.completed_at = None;
            self.peers.values_mut().for_each(|peer| peer.was_asked = false);
        }
        self.begin(now, gossip)
    }

    /// Asks useful peers for what is new, while there are too few that tell it.
    fn go_live(&mut self, now: u64, gossip: &Gossip) -> Vec<Say> {
        let live = self.peers.values().filter(|peer| peer.is_live).count();
        let quiet = self.peers.iter_mut().filter(|(_, peer)| peer.is_useful && !peer.is_live);
        let now = u32::try_from(now / 1_000).unwrap_or(u32::MAX);
        let oldest = now.saturating_sub(MAX_AGE_SECS);
        let usual = now.saturating_sub(LIVE_FROM_SECS);
        let usual = self.known_until.map_or(usual, |known| known.clamp(oldest, usual));
        quiet
            .take(MAX_LIVE.saturating_sub(live))
            .map(|(id, peer)| {
                peer.is_live = true;
                // Who answers no queries may yet tell what is known to whoever asks from far back. LDK minds one filter alone
                // of each connection.
                let from = if self.history.is_silent(id) { oldest } else { usual };
                Say { peer: *id, message: filter(gossip, from, u32::MAX) }
            })
            .collect()
    }

    /// Asks a peer for everything, if that is due and nobody is asked.
    fn begin(&mut self, now: u64, gossip: &Gossip) -> Vec<Say> {
        // Before we know where the chain is, nothing that comes could be checked.
        if self.full.is_some() || self.completed_at.is_some() || gossip.tip() == Height(0) {
            return Vec::new();
        }
        let may_ask = |peer: &Peer| peer.is_useful && !peer.was_asked && peer.owes == Owes::default();
        let able = self.peers.iter_mut().filter(|(_, peer)| may_ask(peer));
        let Some((id, peer)) = able.min_by_key(|(id, _)| self.history.turn_of(id)) else {
            return Vec::new();
        };
        peer.was_asked = true;
        peer.owes.range = true;
        let stage = Stage::Listing { next_block: 0, replies: 0, listed: 0, wanted: Vec::new() };
        self.full = Some(Full { peer: *id, stage, since: now, heard_at: now });
        self.begun_at = Some(now);
        self.history.asked(*id, now);
        let query = QueryChannelRange {
            chain_hash: gossip.chain_hash(),
            first_blocknum: Height(0),
            number_of_blocks: u32::MAX,
            // LND tells timestamps without offering `gossip_queries_ex`; who does not know the option leaves it out.
            query_option: Some(BigSize(WANT_TIMESTAMPS | WANT_CHECKSUMS)),
        };
        vec![Say { peer: *id, message: Message::QueryChannelRange(query) }]
    }

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
        let mut wanted = std::mem::take(wanted);
        // Two parts may name the channels of the block between them.
        wanted.sort_unstable();
        wanted.dedup_by_key(|(id, _)| *id);
        full.stage = Stage::Fetching { wanted, portion: Vec::new() };
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

    /// Asks for the next portion, or is done.
    fn fetch(&mut self, now: u64, gossip: &Gossip) -> Vec<Say> {
        let Some(Full { peer, stage: Stage::Fetching { wanted, portion: asked }, since, heard_at }) =
            &mut self.full
        else {
            return Vec::new();
        };
        let left = wanted.len().saturating_sub(MAX_IDS_IN_QUERY);
        let mut portion = wanted.split_off(left);
        portion.sort_unstable();
        if portion.is_empty() {
            self.completed_at = Some(now);
            self.known_until = None;
            self.full = None;
            return Vec::new();
        }
        let peer = *peer;
        let extended = self.peers.get_mut(&peer).is_some_and(|p| {
            p.owes.ids = true;
            p.extended
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

fn filter(gossip: &Gossip, first_timestamp: u32, timestamp_range: u32) -> Message {
    let chain_hash = gossip.chain_hash();
    Message::GossipTimestampFilter(GossipTimestampFilter { chain_hash, first_timestamp, timestamp_range })
}
