//! The second, lesser machine: what others say of the network. It runs beside the core and never in its way: peers hand
//! their gossip to a bounded queue before it reaches the core, threads of its own check signatures, a task asks the chain,
//! another writes the log now and then. What is lost in a crash is heard again.
//!
//! ```text
//! reader ─► FairQueue ─► workers ─► Gossip ─► asker ─► Gossip ─► log, graph
//!                        signatures           chain
//! flush ─► conversation (a task per peer, paced by what the peer reads) ─► writer
//! ```
//!
//! | room | what is in it |
//! |---|---|
//! | `work` | the threads that check signatures |
//! | `announcer` | what we say ourselves, signed, in its order |
//! | `asked` | what a peer asks for, taken as far as it may wait |
//! | `asker` | the chain is asked for fundings, by block |
//! | `fundings` | what it says of them, with the ids of blocks kept |
//! | `backlog` | which filter of a peer waits to be told what is known |
//! | `questions` | which channels it is asked for, in turns |
//! | `store` | the log on disk |
//! | `to_core` | which updates of a peer the core sees too |
//! | `conversation` | what a peer asks for and what it is told, at its own pace |
//! | `upkeep` | saving, flushing, pruning, syncing by the clock |
//! | [`view`] | what the API shows |

mod announcer;
mod asked;
mod asker;
mod backlog;
mod conversation;
mod fundings;
mod questions;
mod store;
mod to_core;
mod upkeep;
pub mod view;
mod work;

use super::Shared;
use super::peers::link::Link;
use super::published::Published;
use asked::Unanswered;
use astrape_chain::BlockChange;
use astrape_node::{Announcement, Speech};
use astrape_primitives::{ChannelId, Feature, Features, Height, Network, NodeId, Sat, ShortChannelId};
use astrape_routing::Gossip;
use astrape_routing::gossip::sync::{Say, Standing, Sync};
use astrape_routing::gossip::{FairQueue, Filter, Heard, Job, Offered, Said};
use astrape_wire::{ChannelAnnouncement, ChannelUpdate, Message, Warning};
use backlog::Untold;
use bitcoin::OutPoint;
use conversation::{Conversation, ToServe};
use questions::{Questions, Told};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use store::Store;
use to_core::ToCore;
use tokio::sync::{Notify, mpsc};

/// Faults of a peer after which its gossip is not listened to any more on this connection.
const MAX_FAULTS: u32 = 20;

/// The gossip of an engine.
pub(crate) struct GossipEngine {
    state: Mutex<State>,
    /// Something waits for the threads that check signatures.
    work: Condvar,
    /// Something waits for the chain.
    asks: Notify,
    /// Something of ours waits to be signed.
    announces: Notify,
    store: Store,
}

struct State {
    gossip: Gossip,
    sync: Sync,
    queue: FairQueue<Heard>,
    /// What waited for its channel and can be checked now.
    freed: VecDeque<Job>,
    /// Channels that the chain is to be asked for.
    to_ask: Questions,
    peers: BTreeMap<NodeId, OfPeer>,
    /// What we say ourselves and is not signed yet: a few of each of our channels.
    to_announce: VecDeque<Announcement>,
    /// Our announced channels.
    own: BTreeSet<ShortChannelId>,
    /// The log could not be written when that was last tried.
    log_fails: bool,
}

/// What is held of a connected peer.
struct OfPeer {
    link: Arc<Link>,
    to_serve: mpsc::Sender<ToServe>,
    filter: Option<Filter>,
    untold: Untold,
    unanswered: Unanswered,
    told: Told,
    faults: u32,
    to_core: ToCore,
}

impl GossipEngine {
    /// Opens the log in a directory and puts the graph back from it.
    pub(crate) fn open(directory: &Path, network: Network, us: NodeId, tip: Height) -> anyhow::Result<Self> {
        let known_until = Store::last_saved(directory);
        let (store, mut gossip) = Store::open(directory, network.chain_hash(), us)?;
        gossip.block_connected(tip, []);
        let [a, b, c, d, e, f, g, h, ..] = super::clock::fresh32();
        let state = State {
            gossip,
            sync: Sync::new(known_until, u64::from_be_bytes([a, b, c, d, e, f, g, h])),
            queue: FairQueue::default(),
            freed: VecDeque::new(),
            to_ask: Questions::default(),
            peers: BTreeMap::new(),
            to_announce: VecDeque::new(),
            own: BTreeSet::new(),
            log_fails: false,
        };
        Ok(Self {
            state: Mutex::new(state),
            work: Condvar::new(),
            asks: Notify::new(),
            announces: Notify::new(),
            store,
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Gossip is whole between any two of its calls, and all of it can be had again.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A peer is up.
    pub(crate) fn connected(shared: &Arc<Shared>, link: &Arc<Link>, features: &Features) {
        let (conversation, to_serve) = Conversation::new(Arc::clone(shared), Arc::clone(link));
        tokio::spawn(conversation.run());
        let of_peer = OfPeer {
            link: Arc::clone(link),
            to_serve,
            filter: None,
            untold: Untold::default(),
            unanswered: Unanswered::default(),
            told: Told::default(),
            faults: 0,
            to_core: ToCore::default(),
        };
        let mut state = shared.gossip.lock();
        state.peers.insert(link.peer, of_peer);
        let standing = Standing {
            is_useful: features.supports(Feature::GossipQueries),
            extended: features.supports(Feature::GossipQueriesEx),
            is_chosen: !link.inbound || shared.peers.has_channels(&link.peer),
        };
        let State { sync, gossip, .. } = &mut *state;
        let said = sync.connected(super::clock::now().0, link.peer, standing, gossip);
        state.say(said);
    }

    /// A connection is over.
    pub(crate) fn disconnected(&self, link: &Link) {
        let mut state = self.lock();
        if state.peers.get(&link.peer).is_none_or(|of_peer| of_peer.link.id != link.id) {
            return;
        }
        state.peers.remove(&link.peer);
        state.queue.forget(&link.peer);
        let State { sync, gossip, .. } = &mut *state;
        let said = sync.disconnected(super::clock::now().0, &link.peer, gossip);
        state.say(said);
    }

    /// Takes a peer's message if it is gossip; gives back what is for the core. Never waits.
    pub(crate) fn take(&self, node: &Published, peer: NodeId, message: Message) -> Option<Message> {
        match message {
            Message::NodeAnnouncement(_) => self.hear(peer, message),
            Message::ChannelAnnouncement(ref announcement) => {
                let for_core = self.is_missing(&peer, announcement).then(|| message.clone());
                self.hear(peer, message);
                return for_core;
            }
            Message::ChannelUpdate(ref update) => {
                let for_core = self.is_for_core(node, &peer, update).then(|| message.clone());
                self.hear(peer, message);
                return for_core;
            }
            Message::QueryShortChannelIds(query) => self.asked_for_ids(peer, query),
            Message::QueryChannelRange(query) => self.asked_for_range(peer, query),
            Message::GossipTimestampFilter(filter) => self.filter(peer, &filter),
            Message::ReplyChannelRange(reply) => {
                self.answered(peer, |sync, now, gossip| sync.range_reply(now, peer, &reply, gossip))
            }
            Message::ReplyShortChannelIdsEnd(end) => {
                self.answered(peer, |sync, now, gossip| sync.ids_end(now, peer, &end, gossip));
            }
            other => return Some(other),
        }
        None
    }

    fn hear(&self, peer: NodeId, message: Message) {
        let Ok(heard) = Heard::new(message) else {
            return;
        };
        let mut state = self.lock();
        let is_channel = matches!(heard.said, Said::Channel(_));
        let is_heard =
            |of_peer: &OfPeer| of_peer.faults < MAX_FAULTS && !(is_channel && of_peer.told.is_worthless());
        if !state.peers.get(&peer).is_some_and(is_heard) {
            return;
        }
        let about = match &heard.said {
            Said::Channel(m) => Some(m.short_channel_id),
            Said::Update(m) => Some(m.short_channel_id),
            Said::Node(_) => None,
        };
        if let Some(about) = about {
            state.sync.heard(super::clock::now().0, &peer, about);
        }
        let bytes = heard.bytes.len();
        if state.queue.push(peer, heard, bytes) {
            drop(state);
            self.work.notify_one();
        }
    }

    /// Whether an announcement is of a channel between us and the peer that says it, and one that we cannot announce yet: it holds
    /// the peer's signatures.
    fn is_missing(&self, peer: &NodeId, announcement: &ChannelAnnouncement) -> bool {
        let is_end = |id: NodeId| announcement.node_id_1 == id || announcement.node_id_2 == id;
        if !is_end(*peer) {
            return false;
        }
        let state = self.lock();
        is_end(state.gossip.our_id()) && !state.own.contains(&announcement.short_channel_id)
    }

    /// Whether an update may be of a channel with the peer that says it.
    fn is_for_core(&self, node: &Published, peer: &NodeId, update: &ChannelUpdate) -> bool {
        let id = update.short_channel_id;
        let own = node.get().channel_of_peer(*peer, id);
        let mut state = self.lock();
        let is_known = state.gossip.graph().contains(id);
        state.peers.get_mut(peer).is_none_or(|of_peer| of_peer.to_core.passes(own, is_known))
    }

    fn answered<E: std::fmt::Display>(
        &self,
        peer: NodeId,
        take: impl FnOnce(&mut Sync, u64, &Gossip) -> Result<Vec<Say>, E>,
    ) {
        let mut state = self.lock();
        let State { sync, gossip, .. } = &mut *state;
        match take(sync, super::clock::now().0, gossip) {
            Ok(said) => state.say(said),
            Err(fault) => {
                state.warn(&peer, &fault.to_string());
                let State { sync, gossip, .. } = &mut *state;
                let said = sync.tick(super::clock::now().0, gossip);
                state.say(said);
            }
        }
    }

    /// Takes what we say ourselves and tells everybody, if it is news.
    fn own(&self, message: Message, funding: Option<(OutPoint, Sat)>) {
        let Ok(heard) = Heard::new(message) else {
            return;
        };
        let mut state = self.lock();
        if let Said::Channel(m) = &heard.said {
            state.own.insert(m.short_channel_id);
        }
        let now = seconds();
        let Some(outputs) = state.gossip.own(now, &heard, funding) else {
            return;
        };
        for of_peer in state.peers.values() {
            // One that has much to read already asks again later.
            drop(of_peer.to_serve.try_send(ToServe::Own(Arc::clone(&heard.bytes))));
        }
        state.follow(None, outputs);
        drop(state);
        self.work.notify_one();
    }

    /// Takes what a peer has told the core of its channel with us: like anything else that others say, and only now.
    fn of_peer(&self, message: Message) {
        let Ok(heard) = Heard::new(message) else {
            return;
        };
        let mut state = self.lock();
        if let Offered::Verify(job) = state.gossip.offer(seconds(), heard) {
            state.freed.push_back(*job);
            drop(state);
            self.work.notify_one();
        }
    }

    /// Where the chain is, when no block is told of: a new node begins somewhere.
    pub(crate) fn begin_at(&self, height: Height) {
        let mut state = self.lock();
        state.gossip.block_connected(height, []);
        let ripe = state.gossip.ripe(seconds());
        state.follow(None, ripe);
    }

    /// A block came or went.
    pub(crate) fn block(&self, change: &BlockChange) {
        let mut state = self.lock();
        match change {
            BlockChange::Connected { id, block } => {
                let inputs = block.txdata.iter().flat_map(|tx| tx.input.iter().map(|i| i.previous_output));
                state.gossip.block_connected(id.height, inputs);
                let ripe = state.gossip.ripe(seconds());
                state.follow(None, ripe);
                drop(state);
                self.work.notify_all();
            }
            BlockChange::Disconnected { id } => {
                let again = state.gossip.block_disconnected(id.height);
                state.to_ask.again(None, again);
                drop(state);
                self.asks.notify_one();
            }
        }
    }
}

impl State {
    /// Says what is to be said. It is little, and the peer waits for it.
    fn say(&self, said: Vec<Say>) {
        for Say { peer, message } in said {
            if let Some(of_peer) = self.peers.get(&peer) {
                of_peer.link.say(Speech::Plain(message));
            }
        }
    }

    /// Tells a peer what is wrong with its gossip (BOLT 7), as often as it may be an accident.
    fn warn(&mut self, peer: &NodeId, reason: &str) {
        let Some(of_peer) = self.peers.get_mut(peer) else {
            return;
        };
        of_peer.faults += 1;
        tracing::debug!(%peer, %reason, faults = of_peer.faults, "a peer's gossip is wrong");
        if of_peer.faults <= MAX_FAULTS {
            let warning = Warning { channel_id: ChannelId::ALL, data: reason.as_bytes().to_vec() };
            of_peer.link.say(Speech::Plain(Message::Warning(warning)));
        }
    }
}

/// Seconds of UNIX time.
fn seconds() -> u32 {
    u32::try_from(super::clock::now().secs()).unwrap_or(u32::MAX)
}

/// Starts the tasks; the threads are given back to be waited for.
pub(crate) fn start(
    shared: &Arc<Shared>,
    tasks: &mut tokio::task::JoinSet<()>,
) -> std::io::Result<Vec<std::thread::JoinHandle<()>>> {
    tasks.spawn(announcer::run(Arc::clone(shared)));
    tasks.spawn(asker::run(Arc::clone(shared)));
    tasks.spawn(upkeep::run(Arc::clone(shared)));
    work::start(shared)
}
