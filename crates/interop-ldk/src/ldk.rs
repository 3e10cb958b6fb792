//! A node made of LDK.

mod court;
mod driver;
mod parts;
mod pay;
mod purse;

use crate::seen::{self, Seen};
use anyhow::{Context as _, Result, bail, ensure};
use astrape_interop::{Bitcoind, wait};
use bitcoin::hashes::{Hash as _, sha256};
use bitcoin::secp256k1::PublicKey;
use bitcoin::{BlockHash, Network, ScriptBuf};
use court::{Holding, Old};
use lightning::bolt11_invoice::Bolt11Invoice;
use lightning::chain::BestBlock;
use lightning::events::bump_transaction::sync::WalletSync;
use lightning::ln::channel_state::ChannelDetails;
use lightning::ln::channelmanager::ChainParameters;
use lightning::ln::msgs::RoutingMessageHandler;
use lightning::ln::peer_handler::{IgnoringMessageHandler, MessageHandler};
use lightning::onion_message::messenger::DefaultMessageRouter;
use lightning::routing::router::DefaultRouter;
use lightning::routing::scoring::{
    ProbabilisticScorer, ProbabilisticScoringDecayParameters, ProbabilisticScoringFeeParameters,
};
use lightning::sign::{KeysManager, NodeSigner as _, SignerProvider as _};
use lightning::types::features::ChannelTypeFeatures;
use lightning::util::config::UserConfig;
use parts::{Bumper, Drawer, Fees, GossipSync, Graph, Mailbox, Manager, Monitor, Notes, Peers};
use purse::Purse;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::runtime::Runtime;

/// The two commitment formats that both sides know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `option_anchors`.
    Anchors,
    /// `option_static_remotekey` alone.
    StaticRemoteKey,
}

impl Kind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Anchors, Self::StaticRemoteKey];
}

/// What a node hears of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hears {
    /// Nothing: it pays its peers, and by the hints of invoices. Its channels are private.
    Nothing,
    /// All of its gossip. The channels that it opens are announced.
    Gossip,
}

/// Feerate of commitments at the beginning, in satoshi per 1000 weight units.
pub const FIRST_FEERATE: u32 = 1_000;

/// What it asks for each payment that it passes on.
pub const FEE_BASE_MSAT: u32 = 1_500;

/// What an anchor output holds (BOLT 3).
const ANCHOR_SAT: u64 = 330;

/// How long anything but a payment may take.
const SOON: Duration = Duration::from_secs(60);

/// What the threads of a node share.
struct Inner {
    bitcoind: Arc<Bitcoind>,
    manager: Arc<Manager>,
    monitor: Arc<Monitor>,
    peers: Arc<Peers>,
    mailbox: Arc<Mailbox>,
    fees: Arc<Fees>,
    notes: Arc<Notes>,
    drawer: Arc<Drawer>,
    graph: Arc<Graph>,
    hears: Hears,
    bumper: Bumper,
    holding: Mutex<Holding>,
    old: Mutex<Vec<Old>>,
    seen: Mutex<Seen>,
    refuse: Mutex<BTreeSet<[u8; 32]>>,
    wanted: Mutex<BTreeMap<PublicKey, SocketAddr>>,
    trouble: Mutex<Vec<String>>,
    stopping: AtomicBool,
    /// Held by whoever turns the wheels.
    gate: Mutex<()>,
    runtime: Runtime,
}

impl Inner {
    fn note_trouble(&self, done: Result<()>) {
        if let Err(error) = done {
            lock(&self.trouble).push(format!("{error:#}"));
        }
    }
}

/// A node made of LDK, inside this process. It ends when it is dropped.
pub struct Ldk {
    inner: Arc<Inner>,
    keys: Arc<KeysManager>,
    fees: Arc<Fees>,
    notes: Arc<Notes>,
    driver: Option<JoinHandle<()>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What LDK is told to do and to accept.
fn config(kind: Kind, hears: Hears) -> UserConfig {
    let mut config = UserConfig::default();
    config.channel_handshake_config.announce_for_forwarding = hears == Hears::Gossip;
    config.channel_handshake_config.negotiate_anchors_zero_fee_htlc_tx = kind == Kind::Anchors;
    config.channel_handshake_config.minimum_depth = 3;
    config.channel_handshake_config.max_inbound_htlc_value_in_flight_percent_of_channel = 100;
    config.channel_handshake_config.our_max_accepted_htlcs = 483;
    config.channel_handshake_limits.force_announced_channel_preference = false;
    config.channel_config.forwarding_fee_base_msat = FEE_BASE_MSAT;
    config.channel_config.forwarding_fee_proportional_millionths = 250;
    config.accept_forwards_to_priv_channels = true;
    config.manually_accept_inbound_channels = true;
    config
}

impl Ldk {
    /// Starts a node that prefers channels of one kind and hears no gossip.
    ///
    /// # Errors
    /// When bitcoind does not answer.
    pub fn start(name: &str, bitcoind: &Arc<Bitcoind>, kind: Kind) -> Result<Self> {
        Self::start_in_network(name, bitcoind, kind, Hears::Nothing)
    }

    /// Starts a node that hears gossip, or not.
    ///
    /// # Errors
    /// When bitcoind does not answer.
    pub fn start_in_network(name: &str, bitcoind: &Arc<Bitcoind>, kind: Kind, hears: Hears) -> Result<Self> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let seed = sha256::Hash::hash(name.as_bytes()).to_byte_array();
        let keys = Arc::new(KeysManager::new(&seed, now.as_secs(), now.subsec_nanos(), true));
        let (fees, notes) = (Arc::new(Fees(AtomicU32::new(FIRST_FEERATE))), Arc::new(Notes::new(name)));
        let (mailbox, drawer) = (Arc::new(Mailbox::default()), Arc::new(Drawer::default()));
        let monitor = Arc::new(Monitor::new(
            None,
            Arc::clone(&mailbox),
            Arc::clone(&notes),
            Arc::clone(&fees),
            Arc::clone(&drawer),
            Arc::clone(&keys),
            keys.get_peer_storage_key(),
        ));
        let graph = Arc::new(Graph::new(Network::Regtest, Arc::clone(&notes)));
        let decay = ProbabilisticScoringDecayParameters::default();
        let scorer = ProbabilisticScorer::new(decay, Arc::clone(&graph), Arc::clone(&notes));
        let router = Arc::new(DefaultRouter::new(
            Arc::clone(&graph),
            Arc::clone(&notes),
            Arc::clone(&keys),
            Arc::new(RwLock::new(scorer)),
            ProbabilisticScoringFeeParameters::default(),
        ));
        let height = bitcoind.height()?;
        let hash: String = bitcoind.call("getblockhash", json!([height]))?;
        let best_block = BestBlock::new(hash.parse::<BlockHash>()?, height);
        let seconds = u32::try_from(now.as_secs())?;
        let manager = Arc::new(Manager::new(
            Arc::clone(&fees),
            Arc::clone(&monitor),
            Arc::clone(&mailbox),
            router,
            Arc::new(DefaultMessageRouter::new(Arc::clone(&graph), Arc::clone(&keys))),
            Arc::clone(&notes),
            Arc::clone(&keys),
            Arc::clone(&keys),
            Arc::clone(&keys),
            config(kind, hears),
            ChainParameters { network: Network::Regtest, best_block },
            seconds,
        ));
        let route_handler: Arc<dyn RoutingMessageHandler + Send + Sync> = match hears {
            Hears::Nothing => Arc::new(IgnoringMessageHandler {}),
            Hears::Gossip => Arc::new(GossipSync::new(Arc::clone(&graph), None, Arc::clone(&notes))),
        };
        let handlers = MessageHandler {
            chan_handler: Arc::clone(&manager),
            route_handler,
            onion_message_handler: IgnoringMessageHandler {},
            custom_message_handler: IgnoringMessageHandler {},
            send_only_message_handler: IgnoringMessageHandler {},
        };
        let peers = Arc::new(Peers::new(handlers, seconds, &seed, Arc::clone(&notes), Arc::clone(&keys)));
        let inner = Arc::new(Inner {
            bitcoind: Arc::clone(bitcoind),
            manager,
            monitor,
            peers,
            bumper: Bumper::new(
                Arc::clone(&mailbox),
                Arc::new(WalletSync::new(Arc::new(Purse(Arc::clone(bitcoind))), Arc::clone(&notes))),
                Arc::clone(&keys),
                Arc::clone(&notes),
            ),
            mailbox,
            fees: Arc::clone(&fees),
            notes: Arc::clone(&notes),
            drawer,
            graph,
            hears,
            holding: Mutex::default(),
            old: Mutex::default(),
            seen: Mutex::default(),
            refuse: Mutex::default(),
            wanted: Mutex::default(),
            trouble: Mutex::default(),
            stopping: AtomicBool::new(false),
            gate: Mutex::default(),
            runtime: tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?,
        });
        let turned = Arc::clone(&inner);
        let driver = Some(std::thread::spawn(move || driver::run(&turned)));
        Ok(Self { inner, keys, fees, notes, driver })
    }

    /// Its public key.
    #[must_use]
    pub fn id(&self) -> PublicKey {
        self.inner.manager.get_our_node_id()
    }

    /// Dials a peer, again whenever the connection is lost, and waits until it is connected.
    ///
    /// # Errors
    /// When it is not soon.
    pub fn connect(&self, peer: PublicKey, address: SocketAddr) -> Result<()> {
        lock(&self.inner.wanted).insert(peer, address);
        self.wait("to be connected", SOON, || Ok(self.inner.peers.peer_by_node_id(&peer).map(drop)))
    }

    /// Hangs up on all peers; it dials them again by itself.
    pub fn hang_up(&self) {
        self.inner.peers.disconnect_all_peers();
    }

    /// Hangs up on all peers and dials nobody, until it is told to connect.
    pub fn stay_away(&self) {
        lock(&self.inner.wanted).clear();
        self.inner.peers.disconnect_all_peers();
    }

    /// Proposes a channel that is not announced and waits until its funding is broadcast. Returns the channel's id.
    ///
    /// # Errors
    /// When it is refused, or does not come about soon.
    pub fn open(&self, peer: PublicKey, amount_sat: u64, push_msat: u64) -> Result<String> {
        let before: BTreeSet<String> = self.seen().pending.into_keys().collect();
        let opened = self.inner.manager.create_channel(peer, amount_sat, push_msat, 0, None, None);
        opened.map_err(|error| anyhow::anyhow!("{error:?}"))?;
        self.wait("its channel to be funded", SOON, || {
            Ok(self.seen().pending.into_keys().find(|id| !before.contains(id)))
        })
    }

    /// Begins to close a channel with the peer's consent.
    ///
    /// # Errors
    /// When LDK refuses to.
    pub fn close(&self, channel: &str) -> Result<()> {
        let details = self.channel(channel)?;
        let closed = self.inner.manager.close_channel(&details.channel_id, &details.counterparty.node_id);
        closed.map_err(|error| anyhow::anyhow!("{error:?}"))
    }

    /// What it says of a channel.
    ///
    /// # Errors
    /// When there is none of this id.
    pub fn channel(&self, channel: &str) -> Result<ChannelDetails> {
        let mut channels = self.inner.manager.list_channels().into_iter();
        let found = channels.find(|details| seen::name(details.channel_id) == channel);
        found.with_context(|| {
            format!("{} has no channel {channel}: {:?}", self.notes.name, self.seen().closed)
        })
    }

    /// All its channels.
    #[must_use]
    pub fn channels(&self) -> Vec<ChannelDetails> {
        self.inner.manager.list_channels()
    }

    /// How many channels of the network it knows, and in how many directions they relay.
    #[must_use]
    pub fn known(&self) -> (usize, usize) {
        let graph = self.inner.graph.read_only();
        let open = graph.channels().unordered_iter().map(|(_, channel)| {
            [&channel.one_to_two, &channel.two_to_one].into_iter().flatten().filter(|way| way.enabled).count()
        });
        (graph.channels().len(), open.sum())
    }

    /// Its own part and the peer's part of a channel in which nothing is in flight, in millisatoshi.
    ///
    /// # Errors
    /// When something is in flight, or a part is below its reserve and so is not told.
    pub fn shares(&self, channel: &str) -> Result<(u64, u64)> {
        let details = self.channel(channel)?;
        let in_flight = details.pending_inbound_htlcs.len() + details.pending_outbound_htlcs.len();
        ensure!(in_flight == 0, "{in_flight} HTLCs in flight");
        let own_reserve_sat = details.unspendable_punishment_reserve.context("not negotiated")?;
        let peers_reserve_sat = details.counterparty.unspendable_punishment_reserve;
        // What LDK calls capacity is without the reserves, and without the opener's two anchors.
        let has_anchors =
            details.channel_type.as_ref().is_some_and(ChannelTypeFeatures::supports_anchors_zero_fee_htlc_tx);
        let anchors_sat = if has_anchors { 2 * ANCHOR_SAT } else { 0 };
        let anchors_of = |is_opener: bool| if is_opener { anchors_sat } else { 0 };
        let own_more_sat = own_reserve_sat + anchors_of(details.is_outbound);
        let peers_more_sat = peers_reserve_sat + anchors_of(!details.is_outbound);
        let own = details.outbound_capacity_msat + own_more_sat * 1_000;
        let peers = details.inbound_capacity_msat + peers_more_sat * 1_000;
        ensure!(own + peers == details.channel_value_satoshis * 1_000, "{own} + {peers}: {details:?}");
        Ok((own, peers))
    }

    /// Changes what it thinks a commitment must pay, and has it act on that.
    pub fn set_feerate(&self, per_kw: u32) {
        self.fees.0.store(per_kw, Ordering::SeqCst);
        self.inner.manager.timer_tick_occurred();
    }

    /// Where it wants its part of a channel that is closed in good order.
    ///
    /// # Errors
    /// When LDK makes none.
    pub fn shutdown_script(&self) -> Result<ScriptBuf> {
        match self.keys.get_shutdown_scriptpubkey() {
            Ok(script) => Ok(script.into_inner()),
            Err(()) => bail!("no shutdown script"),
        }
    }

    /// All that it said of what happened.
    #[must_use]
    pub fn seen(&self) -> Seen {
        lock(&self.inner.seen).clone()
    }

    /// Waits for something, and shows its log if that does not come.
    ///
    /// # Errors
    /// When it does not come, or the node is in trouble.
    pub fn wait<T>(&self, what: &str, limit: Duration, look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
        let found = wait::until(&format!("{} {what}", self.notes.name), limit, look);
        let trouble = lock(&self.inner.trouble).clone();
        found.with_context(|| format!("trouble: {trouble:?}\n{}", self.notes.last(60)))
    }

    /// Height of the newest block that it has seen.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.inner.manager.current_best_block().height
    }

    /// The end of its log.
    #[must_use]
    pub fn log_end(&self) -> String {
        self.notes.last(60)
    }
}

impl Drop for Ldk {
    fn drop(&mut self) {
        self.inner.stopping.store(true, Ordering::SeqCst);
        if let Some(driver) = self.driver.take() {
            let _ = driver.join();
        }
    }
}

/// The payment hash of an invoice.
#[must_use]
pub fn hash_of(invoice: &Bolt11Invoice) -> [u8; 32] {
    invoice.payment_hash().to_byte_array()
}
