//! The queries of others (BOLT 7): answered piece by piece, so that neither a range of all blocks nor a filter from the
//! beginning of time ever takes more memory than one piece (attack 62). The shell asks for the next piece when the peer has
//! read the last.
//!
//! Never: a channel whose funding is spent is told of, although it is kept for 72 blocks, or one whose funding was never seen. Who
//! asked would find no output, and LND bans whoever told it of a hundred such.

use crate::gossip::{Filter, Gossip};
use crate::graph::StoredAt;
use astrape_primitives::{Height, NodeId, ShortChannelId};
use astrape_wire::tlv::BigSize;
use astrape_wire::{
    ChannelUpdateChecksums, ChannelUpdateTimestamps, QueryChannelRange, QueryFlags, QueryShortChannelIds,
    ReplyChannelRange, ReplyShortChannelIdsEnd, WANT_CHECKSUMS, WANT_TIMESTAMPS,
};
use std::collections::BTreeSet;
use std::ops::Bound;

/// Channels in one `reply_channel_range`: with timestamps and checksums 24 bytes each, so that all fit a message.
pub const MAX_IDS_IN_REPLY: usize = 2_500;

/// Messages in one piece of an answer, about.
pub const PIECE: usize = 200;

/// An answer to `query_channel_range`, as far as it is not given yet.
#[derive(Clone, Debug)]
pub struct RangeAnswer {
    query: QueryChannelRange,
    /// First block of the next part.
    first: u64,
    /// First channel of the next part.
    from: ShortChannelId,
    done: bool,
}

impl RangeAnswer {
    /// To a query.
    #[must_use]
    pub fn new(query: QueryChannelRange) -> Self {
        let first = u64::from(query.first_blocknum.0);
        Self { from: first_of(first), first, query, done: false }
    }

    /// The block after the last that is asked for. No block has a number beyond 32 bits: whoever asks for more is answered so that
    /// the sum of its answer's two fields fits them too.
    fn end(&self) -> u64 {
        let end = u64::from(self.query.first_blocknum.0) + u64::from(self.query.number_of_blocks);
        end.min(u64::from(u32::MAX))
    }

    /// The next part; `None` after the last. Of another chain nothing is known.
    pub fn next(&mut self, gossip: &Gossip) -> Option<ReplyChannelRange> {
        if self.done {
            return None;
        }
        let is_ours = self.query.chain_hash == gossip.chain_hash();
        // An id has 24 bits for its block: above is nothing.
        let last = first_of(self.end().min(1 << 24).saturating_sub(1)).0 | ((1 << 40) - 1);
        let mut marks: Vec<_> = if is_ours && self.from.0 <= last && self.end() > self.first {
            let range = (Bound::Included(self.from), Bound::Included(ShortChannelId(last)));
            let marks = gossip.graph().marks(range).filter(|m| gossip.is_passed_on(m.short_channel_id));
            marks.take(MAX_IDS_IN_REPLY + 1).collect()
        } else {
            Vec::new()
        };
        let first = self.first;
        let next = if marks.len() > MAX_IDS_IN_REPLY { marks.pop() } else { None };
        let end = match next {
            Some(mark) => {
                // The parts leave no block out: LND refuses a part that begins after a gap. A block in which this part ends amid
                // its channels is looked at again by the next.
                self.from = mark.short_channel_id;
                self.first = u64::from(mark.short_channel_id.block());
                let last_said = marks.last().map_or(first, |m| u64::from(m.short_channel_id.block()));
                self.first.max(last_said.max(first) + 1)
            }
            None => {
                self.done = true;
                self.end().max(first + 1)
            }
        };
        let options = self.query.query_option.map_or(0, |BigSize(options)| options);
        let timestamps = |marks: &[crate::graph::channel::ChannelMarks]| {
            marks
                .iter()
                .map(|m| ChannelUpdateTimestamps {
                    timestamp_node_id_1: m.timestamps[0],
                    timestamp_node_id_2: m.timestamps[1],
                })
                .collect()
        };
        let checksums = |marks: &[crate::graph::channel::ChannelMarks]| {
            marks
                .iter()
                .map(|m| ChannelUpdateChecksums {
                    checksum_node_id_1: m.checksums[0],
                    checksum_node_id_2: m.checksums[1],
                })
                .collect()
        };
        Some(ReplyChannelRange {
            chain_hash: self.query.chain_hash,
            first_blocknum: Height(u32::try_from(first).unwrap_or(u32::MAX)),
            number_of_blocks: u32::try_from(end - first).unwrap_or(u32::MAX),
            sync_complete: self.done,
            encoded_short_ids: marks.iter().map(|m| m.short_channel_id).collect(),
            timestamps_tlv: (options & WANT_TIMESTAMPS != 0).then(|| timestamps(&marks)),
            checksums_tlv: (options & WANT_CHECKSUMS != 0).then(|| checksums(&marks)),
        })
    }
}

fn first_of(block: u64) -> ShortChannelId {
    ShortChannelId(block.min((1 << 24) - 1) << 40)
}

/// A query that breaks a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryFault {
    /// `query_flags` must have one flag for each id.
    #[error("query_short_channel_ids has {flags} flags for {ids} channels")]
    Flags {
        /// How many there are.
        flags: usize,
        /// How many there should be.
        ids: usize,
    },
    /// The answer to the one before is not complete.
    #[error("a query before the answer to the one before was complete")]
    TooEarly,
}

/// An answer to `query_short_channel_ids`, as far as it is not given yet.
#[derive(Clone, Debug)]
pub struct IdsAnswer {
    query: QueryShortChannelIds,
    at: usize,
    /// Nodes that were told of: once in an answer is enough. At most two for each of the 8,000 ids of a query.
    nodes: BTreeSet<NodeId>,
    done: bool,
}

/// A piece of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Say these messages.
    Stored(Vec<StoredAt>),
    /// That was all.
    End(ReplyShortChannelIdsEnd),
}

impl IdsAnswer {
    /// To a query.
    ///
    /// # Errors
    /// When its flags are not one for each id.
    pub fn new(query: QueryShortChannelIds) -> Result<Self, QueryFault> {
        let ids = query.encoded_short_ids.len();
        match &query.query_flags {
            Some(QueryFlags(flags)) if flags.len() != ids => {
                Err(QueryFault::Flags { flags: flags.len(), ids })
            }
            _ => Ok(Self { query, at: 0, nodes: BTreeSet::new(), done: false }),
        }
    }

    /// The next piece; `None` after the last. `is_complete`: whether we know what there is to know.
    pub fn next(&mut self, gossip: &Gossip, is_complete: bool) -> Option<Piece> {
        if self.done {
            return None;
        }
        let is_ours = self.query.chain_hash == gossip.chain_hash();
        let mut piece = Vec::new();
        while is_ours && piece.len() < PIECE && self.at < self.query.encoded_short_ids.len() {
            let id = self.query.encoded_short_ids[self.at];
            let flags = match &self.query.query_flags {
                None => u64::MAX,
                Some(QueryFlags(flags)) => flags[self.at],
            };
            self.at += 1;
            self.tell_of(gossip, id, flags, &mut piece);
        }
        if !piece.is_empty() {
            return Some(Piece::Stored(piece));
        }
        self.done = true;
        Some(Piece::End(ReplyShortChannelIdsEnd {
            chain_hash: self.query.chain_hash,
            full_information: is_ours && is_complete,
        }))
    }

    fn tell_of(&mut self, gossip: &Gossip, id: ShortChannelId, flags: u64, piece: &mut Vec<StoredAt>) {
        let graph = gossip.graph();
        let Some(channel) = graph.channel(id).filter(|_| gossip.is_passed_on(id)) else {
            return;
        };
        let wants = |bit: u64| flags & bit != 0;
        if wants(QueryFlags::CHANNEL_ANNOUNCEMENT) {
            piece.extend(channel.stored);
        }
        let update = |n: usize| channel.policies[n].as_ref().and_then(|policy| policy.stored);
        if wants(QueryFlags::CHANNEL_UPDATE_1) {
            piece.extend(update(0));
        }
        if wants(QueryFlags::CHANNEL_UPDATE_2) {
            piece.extend(update(1));
        }
        let nodes = [
            (QueryFlags::NODE_ANNOUNCEMENT_1, channel.node_1),
            (QueryFlags::NODE_ANNOUNCEMENT_2, channel.node_2),
        ];
        for (bit, node) in nodes {
            if wants(bit)
                && let Some(stored) = graph.node(&node).and_then(|info| info.stored)
                && self.nodes.insert(node)
            {
                piece.push(stored);
            }
        }
    }
}

/// What a peer has not heard yet of what its `gossip_timestamp_filter` asks for: all channels first, then all nodes.
#[derive(Clone, Debug)]
pub struct Backlog {
    filter: Filter,
    after: Option<ShortChannelId>,
    after_node: Option<NodeId>,
    channels_done: bool,
}

impl Backlog {
    /// All that a filter asks for.
    #[must_use]
    pub fn new(filter: Filter) -> Self {
        Self { filter, after: None, after_node: None, channels_done: false }
    }

    /// The next piece; `None` when all was told. It may be empty: then there is more all the same.
    pub fn next(&mut self, gossip: &Gossip) -> Option<Vec<StoredAt>> {
        if self.channels_done { self.next_nodes(gossip) } else { Some(self.next_channels(gossip)) }
    }

    fn next_channels(&mut self, gossip: &Gossip) -> Vec<StoredAt> {
        let from = self.after.map_or(Bound::Unbounded, Bound::Excluded);
        let (mut piece, mut looked_at) = (Vec::new(), 0);
        for channel in gossip.graph().channels((from, Bound::Unbounded)).take(10 * PIECE) {
            looked_at += 1;
            self.after = Some(channel.short_channel_id);
            let updates = channel.policies.iter().flatten().filter(|p| self.filter.wants(p.timestamp));
            let updates: Vec<StoredAt> = updates.filter_map(|policy| policy.stored).collect();
            // Without an update nothing is told of a channel, nor once it is closed (BOLT 7).
            if !updates.is_empty() && gossip.is_passed_on(channel.short_channel_id) {
                piece.extend(channel.stored);
                piece.extend(updates);
            }
            if piece.len() >= PIECE {
                return piece;
            }
        }
        self.channels_done = looked_at < 10 * PIECE;
        piece
    }

    fn next_nodes(&mut self, gossip: &Gossip) -> Option<Vec<StoredAt>> {
        let after = self.after_node;
        let mut piece = Vec::new();
        let nodes = gossip.graph().nodes().skip_while(|(id, _)| after.is_some_and(|after| *id <= after));
        for (id, info) in nodes {
            self.after_node = Some(id);
            let wanted = info.filter(|info| self.filter.wants(info.timestamp) && gossip.graph().is_told(&id));
            piece.extend(wanted.and_then(|info| info.stored));
            if piece.len() >= PIECE {
                return Some(piece);
            }
        }
        (!piece.is_empty()).then_some(piece)
    }
}
