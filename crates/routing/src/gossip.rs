//! Gossip: what others say of channels and nodes, taken by the rules of BOLT 7, kept, passed on and served.
//!
//! [`Gossip`] is one value with one owner; the shell gives it time, signatures checked on all cores, the answers of the
//! chain, and a file. A message goes this way:
//!
//! ```text
//! peer ─► FairQueue ─► offer ─► Job::holds ─► checked ─► AskChain ─► chain_says ─► graph, log, outgoing
//!         bounded      cheap    any thread    rate       batched                   staggered
//! ```
//!
//! | room | what is in it |
//! |---|---|
//! | [`check`] | what is looked at before any signature, and the signatures |
//! | `points` | the points of nodes whose signatures were checked lately |
//! | `intake` | from a message to the graph |
//! | `waiting` | channels that wait for the chain, and what came before its channel |
//! | `closed` | spent fundings, forgotten after 72 blocks; reorganisations; pruning |
//! | `limit` | how much of what is validly signed is taken |
//! | [`queue`] | between peers and the work, bounded and fair |
//! | [`log`] | the form on disk |
//! | `moved` | where all is when the log was written anew |
//! | [`image`] | what a start reads instead of the whole log |
//! | [`relay`] | what is passed on, in batches |
//! | [`serve`] | the queries of others |
//! | [`sync`] | our own queries |
//!
//! # Invariants
//! - Nothing enters the graph without its signatures, nor a channel without its funding output, where the chain can tell.
//! - Nothing is counted against anybody before a signature holds (attack 67).
//! - What a peer can make us hold is bounded whether or not it is signed: look for `MAX_`.
//!
//! Never: anything of our own channels decides here; losing all of this costs time and no money.

pub mod check;
mod closed;
pub mod image;
mod intake;
mod limit;
pub mod log;
mod moved;
mod points;
pub mod queue;
pub mod relay;
pub mod serve;
pub mod sync;
mod waiting;

pub use check::{Fault, Heard, Ignored, Job, Said};
pub use intake::{ChainAnswer, FundingOutput, Offered, Output};
pub use log::{LogEnd, Record};
pub use moved::Moved;
pub use points::Points;
pub use queue::FairQueue;
pub use relay::{Batch, Filter, Item};

use crate::graph::{Direction, Graph, StoredAt};
use astrape_primitives::{ClaimedId, Height, NodeId, ShortChannelId};
use bitcoin::OutPoint;
use closed::Closed;
use limit::Limits;
use relay::Outgoing;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use waiting::{Early, Waiting};

/// Bytes of the log that may wait to be written: beyond it the shell takes no more where it cannot write.
pub const MAX_UNSAVED: usize = 8 << 20;

/// Nodes that contradicted themselves and are remembered for it: each cost the attacker two channels on chain.
pub const MAX_BANNED: usize = 10_000;

/// The gossip of others.
#[derive(Debug)]
pub struct Gossip {
    chain_hash: [u8; 32],
    our_id: NodeId,
    graph: Graph,
    /// Where the fundings are.
    fundings: BTreeMap<ShortChannelId, OutPoint>,
    /// The same, the other way.
    by_outpoint: BTreeMap<OutPoint, ShortChannelId>,
    waiting: Waiting,
    early: Early,
    closed: Closed,
    banned: BTreeSet<ClaimedId>,
    update_limits: Limits<(ShortChannelId, Direction)>,
    node_limits: Limits<NodeId>,
    outgoing: Outgoing,
    tip: Height,
    end: LogEnd,
    /// What is to be appended to the log, and not yet.
    unsaved: Vec<u8>,
}

impl Gossip {
    /// Of a network and a node, knowing nothing.
    #[must_use]
    pub fn new(chain_hash: [u8; 32], our_id: NodeId) -> Self {
        Self {
            chain_hash,
            our_id,
            graph: Graph::new(),
            fundings: BTreeMap::new(),
            by_outpoint: BTreeMap::new(),
            waiting: Waiting::default(),
            early: Early::default(),
            closed: Closed::default(),
            banned: BTreeSet::new(),
            update_limits: Limits::default(),
            node_limits: Limits::default(),
            outgoing: Outgoing::default(),
            tip: Height(0),
            end: LogEnd::EMPTY,
            unsaved: Vec::new(),
        }
    }

    /// What is known of the network.
    #[must_use]
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The same as path search reads it.
    pub fn snapshot(&mut self) -> Arc<crate::Snapshot> {
        self.graph.snapshot()
    }

    /// The chain that it is about.
    #[must_use]
    pub fn chain_hash(&self) -> [u8; 32] {
        self.chain_hash
    }

    /// The node whose gossip it is.
    #[must_use]
    pub fn our_id(&self) -> NodeId {
        self.our_id
    }

    /// Announcements of a peer whose funding the chain has not been asked about yet.
    #[must_use]
    pub fn waiting_of(&self, peer: &NodeId) -> usize {
        self.waiting.of(peer)
    }

    /// How many channels the chain was asked about since the start.
    #[must_use]
    pub fn chain_answers(&self) -> u64 {
        self.waiting.answered()
    }

    /// Channels whose funding the chain has not been asked about yet.
    #[must_use]
    pub fn waiting_count(&self) -> usize {
        self.waiting.len()
    }

    /// Messages that wait for a channel or node that nobody announced yet.
    #[must_use]
    pub fn early_count(&self) -> usize {
        self.early.len()
    }

    /// Whether a channel's funding is spent.
    #[must_use]
    pub fn is_closed(&self, id: ShortChannelId) -> bool {
        self.closed.contains(id)
    }

    /// Where a channel's funding was spent.
    #[must_use]
    pub fn closed_at(&self, id: ShortChannelId) -> Option<Height> {
        self.closed.at(id)
    }

    /// Whether the chain has said that there is no such channel (any more).
    #[must_use]
    pub fn is_known_gone(&self, id: ShortChannelId) -> bool {
        self.closed.is_gone(id)
    }

    /// What is to be appended to the log: a copy; [`Gossip::saved`] says when it is.
    #[must_use]
    pub fn unsaved(&self) -> Vec<u8> {
        self.unsaved.clone()
    }

    /// The first `len` bytes of what was to be appended are in the file.
    pub fn saved(&mut self, len: usize) {
        self.unsaved.drain(..len.min(self.unsaved.len()));
    }

    /// How many bytes wait to be appended.
    #[must_use]
    pub fn unsaved_len(&self) -> usize {
        self.unsaved.len()
    }

    /// Where the log will end.
    #[must_use]
    pub fn end(&self) -> LogEnd {
        self.end
    }

    /// The message at a place of the log that is not in the file yet.
    #[must_use]
    pub fn unsaved_message(&self, at: StoredAt) -> Option<Arc<[u8]>> {
        let begin = self.end.bytes() - self.unsaved.len() as u64;
        let offset = usize::try_from(at.0.get().checked_sub(begin)?).ok()?;
        match log::read_frame(self.unsaved.get(offset..)?) {
            log::Frame::Whole(Record::Channel { bytes, .. } | Record::Message(bytes), _) => Some(bytes),
            _ => None,
        }
    }

    fn append(&mut self, record: &Record) -> StoredAt {
        let frame = record.frame();
        self.unsaved.extend_from_slice(&frame);
        self.end.advance(frame.len())
    }
}
