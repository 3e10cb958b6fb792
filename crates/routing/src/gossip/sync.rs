//! Our own queries: one peer at a time tells us of the whole network, some more tell what is new, the rest is quiet.
//!
//! A full sync asks for the ids of all channels with timestamps and checksums (`query_channel_range`), and then for what is
//! not known or newer (`query_short_channel_ids`), in portions whose answers fit the queue before the intake. A peer that
//! says nonsense, says too much, falls silent or takes too long is left, and the next one asked. Which that is and what a peer
//! did the last time outlives its connection (`history`).

mod full;
mod history;
mod live;
mod range;

use super::Gossip;
use crate::lot::lot;
use astrape_primitives::{Height, NodeId, ShortChannelId};
use astrape_wire::tlv::BigSize;
use astrape_wire::{Message, QueryChannelRange, WANT_CHECKSUMS, WANT_TIMESTAMPS};
use bitcoin::hashes::sha256;
use history::History;
use live::filter;
use std::collections::BTreeMap;

/// Peers that tell us what is new: enough that one liar or one that is cut off hides nothing.
pub const MAX_LIVE: usize = 5;

/// Channels in one `query_short_channel_ids`: the answer, at most five messages each, fits the queue of a peer.
pub const MAX_IDS_IN_QUERY: usize = 500;

/// Replies to one `query_channel_range`: [`crate::graph::MAX_CHANNELS`] in parts of no less than some hundred.
pub const MAX_REPLIES: usize = 4_000;

/// A peer that owes an answer and brings nothing of it for so long, in milliseconds, is left.
pub const SILENCE_MILLIS: u64 = 60_000;

/// So many answers of the chain hold a sync at most: more than can have waited when it was held.
const MAX_ANSWERS_HELD: u64 = 10_000;

/// So long, in milliseconds, the whole list or one portion may take: a slow peer says a megabyte meanwhile.
pub const STAGE_MILLIS: u64 = 10 * 60_000;

/// After so long another peer is asked for everything: what all live peers missed is found then. Also where nobody told it.
pub const RESYNC_MILLIS: u64 = 60 * 60_000;

/// Of the peers that tell what is new those of whom we know nothing but that they came to us: whoever comes under many names
/// takes no more places.
pub const MAX_LIVE_STRANGERS: usize = 2;

/// After so long, in milliseconds, another peer takes the place of the one that has told what is new for longest.
pub const ROTATE_MILLIS: u64 = 20 * 60_000;

/// Channels that may wait for the chain when the next portion is asked for: a slow source is not outrun.
const MAX_UNCHECKED: usize = 1_000;

/// From so many known channels on, a peer that lists less than half of them has not told all.
const MIN_COMPARED: usize = 1_000;

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

/// What a peer is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whether it has gossip worth asking for (`gossip_queries`).
    pub is_useful: bool,
    /// Whether it adds timestamps and checksums (`gossip_queries_ex`).
    pub extended: bool,
    /// Whether we chose it: we have called it, or have a channel with it.
    pub is_chosen: bool,
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
    /// How many times somebody was asked for everything: the peers that we chose and the others are asked by turns.
    asked: u64,
    /// When a peer took the place of another last.
    rotated_at: u64,
    history: History,
    /// By it lots are drawn among peers, so that nobody can choose an id that comes first.
    seed: u64,
}

#[derive(Debug)]
struct Peer {
    standing: Standing,
    /// Among peers of which nothing else makes one come before the other the lower lot does.
    lot: sha256::Hash,
    /// Since when it tells us what is new, if it does.
    live_since: Option<u64>,
    /// Until when it did.
    live_until: u64,
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
    Listing {
        next_block: u64,
        replies: usize,
        listed: usize,
        wanted: Vec<(ShortChannelId, u64)>,
    },
    Fetching {
        wanted: Vec<(ShortChannelId, u64)>,
        portion: Vec<ShortChannelId>,
        /// The chain is asked first for what the last portions brought; how much it had answered before.
        held_at: Option<u64>,
        /// The list was much shorter than what is known.
        is_partial: bool,
    },
}

impl Sync {
    /// Before any peer. `known_until` is until when gossip was kept before, in seconds of UNIX time, if that is known; `seed` is
    /// what nobody else knows.
    #[must_use]
    pub fn new(known_until: Option<u32>, seed: u64) -> Self {
        Self { known_until, seed, ..Self::default() }
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
    pub fn connected(&mut self, now: u64, peer: NodeId, standing: Standing, gossip: &Gossip) -> Vec<Say> {
        let lot = lot(&self.seed.to_be_bytes(), &peer);
        let (live_since, live_until) = (None, 0);
        let state = Peer { standing, lot, live_since, live_until, was_asked: false, owes: Owes::default() };
        self.peers.insert(peer, state);
        let mut said = self.go_live(now, gossip);
        // A peer without gossip_queries may not know what a filter is.
        if standing.is_useful && self.peers.get(&peer).is_some_and(|p| p.live_since.is_none()) {
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

    /// What a peer tells is worth nothing: another one is asked for everything.
    pub fn leave(&mut self, peer: &NodeId) {
        if self.full.as_ref().is_some_and(|full| full.peer == *peer) {
            self.full = None;
        }
    }

    /// Time goes by: a silent or slow peer is left, and now and then another one is asked for everything, or tells what is new.
    pub fn tick(&mut self, now: u64, gossip: &Gossip) -> Vec<Say> {
        let mut said = self.rotate(now, gossip);
        said.extend(self.go_on(now, gossip));
        said
    }

    fn go_on(&mut self, now: u64, gossip: &Gossip) -> Vec<Say> {
        if let Some(Full { stage: Stage::Fetching { held_at: Some(_), .. }, .. }) = &self.full {
            // Not the peer is slow, but the chain.
            return self.fetch(now, gossip);
        }
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

    /// Asks a peer for everything, if that is due and nobody is asked.
    fn begin(&mut self, now: u64, gossip: &Gossip) -> Vec<Say> {
        // Before we know where the chain is, nothing that comes could be checked.
        if self.full.is_some() || self.completed_at.is_some() || gossip.tip() == Height(0) {
            return Vec::new();
        }
        let may_ask =
            |peer: &Peer| peer.standing.is_useful && !peer.was_asked && peer.owes == Owes::default();
        let able = self.peers.iter_mut().filter(|(_, peer)| may_ask(peer));
        let strangers_turn = self.asked % 2 == 1;
        let turn = |id: &NodeId, peer: &Peer| {
            let (is_silent, asked_at) = self.history.turn_of(id);
            (is_silent, peer.standing.is_chosen == strangers_turn, asked_at, peer.lot)
        };
        let Some((id, peer)) = able.min_by_key(|(id, peer)| turn(id, peer)) else {
            return Vec::new();
        };
        self.asked += 1;
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
}
