//! A running node as a library: it gives the pure core its time, randomness, disk, peers, chain, wallet and signer.
//!
//! ```text
//! sockets ─► reader, prepare ─► core thread ─► door ─► commit thread ─► release ─► writer ─► sockets
//!            a task per peer    Node::step             group commit                a task per peer
//! ```
//!
//! | room | what is in it |
//! |---|---|
//! | [`config`] | [`EngineConfig`]: what an engine needs to know |
//! | [`handle`] | [`Handle`]: commands, snapshots, facts, connections |
//! | `commands` | commands that wait for the core's answer |
//! | [`invoice`] | invoices: drafted, signed, handed to the core |
//! | `core` | the core's thread and its bounded queue |
//! | `door` | steps that wait for the disk; the commit thread |
//! | `release` | effects on their way out |
//! | `peers` | connections: listening, dialling, reading, writing, coming back |
//! | [`chain`] | follows a source, broadcasts; a regtest chain in this process |
//! | `wallet` | finds our coins on chain, gives out addresses |
//! | [`bootstrap`] | peers for a node that has none, by the graph and DNS seeds |
//! | [`gossip`] | what others say of the network: a second machine, beside the core |
//! | `router` | ways for payments, and what is known of liquidity |
//! | `targets` | whom to probe while nothing else is under way |
//! | `trips` | parts of payments that ended lately, with the hold times of their hops |
//! | `lookup` | lookups in the journal beside the core |
//! | [`outcomes`] | payments whose end is waited for |
//! | `published` | the newest snapshot of the node |
//! | `tick` | time goes by |
//! | [`clock`] | the system's clock and randomness |
//! | `signal` | ends: of connections, of the engine |
//!
//! # Invariants
//!
//! - Inputs of a peer reach the core in their order; what the core says to a peer leaves in its order; nothing meant for one
//!   connection is said on another.
//! - Nothing is let out before its commit. A journal that fails stops the engine, and nothing more is let out.
//! - No peer makes us hold more than its bounds: its allowance in the core's queue, its unsaid messages, one frame.
//! - The core never waits for the disk but at its bound, and the commit thread never waits for a peer, the chain or a user.

mod alarms;
pub mod bootstrap;
pub mod chain;
pub mod clock;
mod commands;
pub mod config;
mod core;
mod door;
pub mod gossip;
pub mod handle;
pub mod invoice;
mod lookup;
pub mod outcomes;
mod peers;
mod published;
pub mod recover;
mod release;
mod router;
mod signal;
mod targets;
#[cfg(test)]
pub(crate) mod testing;
mod tick;
pub(crate) mod trips;
mod wallet;

pub use alarms::old_state;
pub use chain::embedded::EmbeddedChain;
pub use config::{ChainBackend, EngineConfig};
pub use core::Stopped;
pub use handle::{AddressError, CommandError, Handle};
pub use invoice::{InvoiceError, InvoiceRequest, InvoiceSecret};
pub use peers::dial::ConnectError;
pub use recover::RecoverError;
pub use wallet::Reading;

use anyhow::Context as _;
use astrape_chain::{ChainSource, Status};
use astrape_node::{Effect, Entry, Node};
use astrape_primitives::{FeeratePerKw, Height, Network, NodeId};
use astrape_storage::SqliteJournal;
use astrape_transactions::signing::Signer;
use astrape_transport::LocalInit;
use chain::broadcast::WaitingBroadcasts;
use chain::hearing::Hearing;
use chain::watches::Watches;
use commands::Commands;
use core::CoreSender;
use door::Door;
use gossip::GossipEngine;
use lookup::Lookups;
use outcomes::Outcomes;
use peers::Peers;
use peers::handshakes::Handshakes;
use peers::reconnect::Backoffs;
use published::Published;
use router::Router;
use signal::{Shutdown, Signal};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use trips::Trips;
use wallet::Wallet;

/// Facts that a slow listener may be behind before it misses some.
const MAX_UNREAD_FACTS: usize = 4_096;

/// How long connections may take for their last words when the engine stops.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// What all parts of an engine share.
pub(crate) struct Shared {
    pub(crate) network: Network,
    pub(crate) node_id: NodeId,
    pub(crate) estimate: Option<FeeratePerKw>,
    pub(crate) dev_fast: bool,
    pub(crate) listening: Vec<SocketAddr>,
    pub(crate) local_init: LocalInit,
    pub(crate) signer: Arc<dyn Signer>,
    pub(crate) core: CoreSender,
    pub(crate) published: Published,
    pub(crate) lookups: Lookups,
    pub(crate) peers: Peers,
    pub(crate) backoffs: Backoffs,
    pub(crate) wallet: Wallet,
    pub(crate) wallet_birthday: Option<Height>,
    /// Why the database seems to be an old copy, if it did at this start.
    pub(crate) stale: Option<String>,
    pub(crate) gossip: GossipEngine,
    pub(crate) router: Router,
    pub(crate) trips: Trips,
    pub(crate) commands: Commands,
    pub(crate) outcomes: Outcomes,
    pub(crate) facts: broadcast::Sender<Entry>,
    pub(crate) watches: Mutex<Watches>,
    pub(crate) broadcasts: WaitingBroadcasts,
    pub(crate) source: Arc<dyn ChainSource>,
    pub(crate) chain_status: watch::Sender<Status>,
    /// Held while the chain is searched for what peers paid out of unknown channels.
    pub(crate) recovering: tokio::sync::Mutex<()>,
    pub(crate) hearing: Mutex<Hearing>,
    pub(crate) shutdown: Shutdown,
    /// Signatures sent for commitments of peers, those of their HTLCs included.
    pub(crate) commitment_signatures: AtomicU64,
    /// All is over.
    pub(crate) ended: Signal,
}

impl Shared {
    /// What was heard of the chain source.
    pub(crate) fn hearing(&self) -> MutexGuard<'_, Hearing> {
        self.hearing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running engine, to wait for its end. Dropped, it goes on until it is stopped by a [`Handle`].
pub struct Running {
    handle: Handle,
    ending: JoinHandle<anyhow::Result<()>>,
}

impl Running {
    /// Returns when the engine has ended: well, if it was asked to, or with why it could not go on.
    ///
    /// # Errors
    /// What stopped the engine: its disk, its signer, or a panic.
    pub async fn join(self) -> anyhow::Result<()> {
        self.ending.await.context("the engine panicked while it ended")?
    }

    /// Asks the engine to end and returns when it has: nothing more comes in, what did is committed, sockets are closed.
    ///
    /// # Errors
    /// As [`Running::join`].
    pub async fn stop(self) -> anyhow::Result<()> {
        self.handle.begin_stop();
        self.join().await
    }
}

/// Starts a node from what its directory holds.
///
/// # Errors
/// When the journal cannot be opened or read, a port is taken, or the configuration makes no sense.
pub async fn start(config: EngineConfig) -> anyhow::Result<(Handle, Running)> {
    let node_id = config.signer.node_id();
    anyhow::ensure!(config.node.node_id == node_id, "the node's id is not the signer's");
    let local_init = LocalInit::new(config.node.features.clone(), config.network)?;
    let (journal, opened) = SqliteJournal::open(&config.data_dir, config.network, node_id)?;
    if let Some(reason) = &opened.stale {
        tracing::error!(%reason, channels = opened.suspect.len(), "the node's state may be old: {}", alarms::OLD_COPY);
    }
    let mut choices = config.node;
    choices.suspect.extend(opened.suspect);
    choices.led.extend(opened.led);
    let (node, owed) = Node::restore(choices, &journal)?;
    if opened.stale.is_some() {
        alarms::tell_of_lost(&node);
    }
    alarms::tell_of(&node);
    let wallet =
        Wallet::open(&config.signer, config.network, journal.wallet_changesets()?, opened.stale.is_some())?;
    let gossip = GossipEngine::open(&config.data_dir, config.network, node_id, node.height())?;
    let (listeners, listening) = bind(&config.listen).await?;
    let (core, requests) = CoreSender::new();
    let recent = node.chain().recent;
    let shared = Arc::new(Shared {
        network: config.network,
        node_id,
        estimate: config.estimate,
        dev_fast: config.dev_fast,
        listening,
        local_init,
        signer: config.signer,
        core,
        published: Published::new(&node),
        lookups: Lookups::of(&journal)?,
        peers: Peers::new(node_id),
        backoffs: Backoffs::new(config.dev_fast),
        wallet,
        wallet_birthday: config.wallet_birthday,
        stale: opened.stale,
        gossip,
        router: Router::open(&config.data_dir),
        trips: Trips::default(),
        commands: Commands::default(),
        outcomes: Outcomes::default(),
        facts: broadcast::Sender::new(MAX_UNREAD_FACTS),
        watches: Mutex::default(),
        broadcasts: WaitingBroadcasts::default(),
        source: config.chain.source(),
        chain_status: watch::Sender::new(Status::Starting),
        recovering: tokio::sync::Mutex::default(),
        hearing: Mutex::new(Hearing::new(clock::now())),
        shutdown: Shutdown::new(),
        commitment_signatures: AtomicU64::new(0),
        ended: Signal::new(),
    });
    let mut threads = spawn_threads(&shared, node, journal, owed, requests)?;
    let mut tasks = JoinSet::new();
    threads.extend(gossip::start(&shared, &mut tasks)?);
    tasks.spawn(chain::run(Arc::clone(&shared), recent));
    tasks.spawn(chain::broadcast::run(Arc::clone(&shared)));
    tasks.spawn(tick::run(Arc::clone(&shared)));
    tasks.spawn(router::run(Arc::clone(&shared)));
    tasks.spawn(bootstrap::run(Arc::clone(&shared), config.dns_seeds, config.name_server));
    tasks.spawn(peers::reconnect::run(Arc::clone(&shared)));
    let handshakes = Handshakes::new();
    for listener in listeners {
        tasks.spawn(peers::listen::listen(Arc::clone(&shared), listener, Arc::clone(&handshakes)));
    }
    tracing::info!(%node_id, network = %config.network, listening = ?shared.listening, "started");
    let handle = Handle { shared: Arc::clone(&shared) };
    let ending = tokio::spawn(end(shared, threads, tasks));
    Ok((handle.clone(), Running { handle, ending }))
}

async fn bind(addresses: &[SocketAddr]) -> anyhow::Result<(Vec<TcpListener>, Vec<SocketAddr>)> {
    let (mut listeners, mut bound) = (Vec::new(), Vec::new());
    for address in addresses {
        let listener = TcpListener::bind(address).await;
        let listener = listener
            .with_context(|| format!("cannot listen at {address}: is another node running there?"))?;
        bound.push(listener.local_addr()?);
        listeners.push(listener);
    }
    Ok((listeners, bound))
}

/// The two threads that are no tasks: the core must not share its time, and commits block.
fn spawn_threads(
    shared: &Arc<Shared>,
    node: Node,
    mut journal: SqliteJournal,
    owed: Vec<Effect>,
    requests: mpsc::Receiver<core::Request>,
) -> anyhow::Result<Vec<thread::JoinHandle<()>>> {
    let door = Arc::new(Door::new(shared.published.clone()));
    let runtime = tokio::runtime::Handle::current();
    let (shutdown, core_door) = (shared.shutdown.clone(), Arc::clone(&door));
    let core_runtime = runtime.clone();
    let core = thread::Builder::new().name("core".into()).spawn(move || {
        let running = AssertUnwindSafe(|| core::run(node, requests, &core_door, &core_runtime));
        if catch_unwind(running).is_err() {
            // The node itself has said what to do about panics before this one.
            shutdown.fail("a step panicked: please report it");
            core_door.close();
        }
    })?;
    let shared = Arc::clone(shared);
    let commit = thread::Builder::new().name("commit".into()).spawn(move || {
        // What was owed before the restart is durable already.
        release::let_out(&shared, &runtime, owed);
        let serving = AssertUnwindSafe(|| {
            let remember = |effects: &mut Vec<Effect>| release::remember(&shared, &runtime, effects);
            door.serve(&mut journal, remember, |effects| release::let_out(&shared, &runtime, effects))
        });
        match catch_unwind(serving) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => shared.shutdown.fail(error),
            Err(_) => shared.shutdown.fail("the commit thread panicked: please report it"),
        }
        door.close();
    })?;
    Ok(vec![core, commit])
}

/// Waits for the end to begin, then ends everything in order: nothing more comes in, the core takes what is there, all of
/// it is committed and let out, last words are said, sockets close.
async fn end(
    shared: Arc<Shared>,
    threads: Vec<thread::JoinHandle<()>>,
    mut tasks: JoinSet<()>,
) -> anyhow::Result<()> {
    watch_over(&shared, &mut tasks).await;
    tracing::info!("stopping");
    shared.peers.close();
    while tasks.join_next().await.is_some() {}
    shared.core.stop().await;
    let joining = tokio::task::spawn_blocking(move || threads.into_iter().all(|t| t.join().is_ok()));
    if !joining.await.unwrap_or(false) {
        shared.shutdown.fail("a thread panicked while it ended");
    }
    shared.commands.close();
    shared.outcomes.close();
    let links = shared.peers.all();
    links.iter().for_each(|link| link.close());
    let closing = async {
        for link in &links {
            link.over.raised().await;
        }
    };
    if tokio::time::timeout(CLOSE_TIMEOUT, closing).await.is_err() {
        links.iter().for_each(|link| link.gone.raise());
    }
    tracing::info!("stopped");
    shared.ended.raise();
    match shared.shutdown.failure() {
        None => Ok(()),
        Some(reason) => Err(anyhow::anyhow!(reason)),
    }
}

/// Returns when the end has begun. A task that panics begins it: the node would be deaf or blind.
async fn watch_over(shared: &Shared, tasks: &mut JoinSet<()>) {
    loop {
        tokio::select! {
            () = shared.shutdown.begun() => return,
            ended = tasks.join_next() => match ended {
                Some(Err(error)) => shared.shutdown.fail(format_args!("a task panicked: {error}")),
                Some(Ok(())) if shared.shutdown.has_begun() => return,
                Some(Ok(())) => {}
                None => shared.shutdown.begun().await,
            },
        }
    }
}
