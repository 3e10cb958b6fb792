//! The parts that LDK asks of whoever builds a node of it.

use super::purse::Purse;
use bitcoin::Transaction;
use lightning::chain::chaininterface::{BroadcasterInterface, ConfirmationTarget, FeeEstimator};
use lightning::chain::chainmonitor::{ChainMonitor, Persist};
use lightning::chain::channelmonitor::{ChannelMonitor, ChannelMonitorUpdate};
use lightning::chain::{ChannelMonitorUpdateStatus, Filter};
use lightning::events::bump_transaction::sync::{BumpTransactionEventHandlerSync, WalletSync};
use lightning::ln::channelmanager::SimpleArcChannelManager;
use lightning::ln::msgs::RoutingMessageHandler;
use lightning::ln::peer_handler::{IgnoringMessageHandler, PeerManager};
use lightning::routing::gossip::{NetworkGraph, P2PGossipSync};
use lightning::routing::utxo::UtxoLookup;
use lightning::sign::{InMemorySigner, KeysManager};
use lightning::util::logger::{Level, Logger, Record};
use lightning::util::persist::MonitorName;
use lightning::util::ser::Writeable as _;
use lightning_net_tokio::SocketDescriptor;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The channel manager.
pub(super) type Manager = SimpleArcChannelManager<Monitor, Mailbox, Fees, Notes>;

/// The watcher of the chain.
pub(super) type Monitor = ChainMonitor<
    InMemorySigner,
    Arc<dyn Filter + Send + Sync>,
    Arc<Mailbox>,
    Arc<Fees>,
    Arc<Notes>,
    Arc<Drawer>,
    Arc<KeysManager>,
>;

/// The connections.
pub(super) type Peers = PeerManager<
    SocketDescriptor,
    Arc<Manager>,
    Arc<dyn RoutingMessageHandler + Send + Sync>,
    IgnoringMessageHandler,
    Arc<Notes>,
    IgnoringMessageHandler,
    Arc<KeysManager>,
    IgnoringMessageHandler,
>;

/// What pays for commitments and HTLC transactions that bring no fee of their own.
pub(super) type Bumper = BumpTransactionEventHandlerSync<
    Arc<Mailbox>,
    Arc<WalletSync<Arc<Purse>, Arc<Notes>>>,
    Arc<KeysManager>,
    Arc<Notes>,
>;

/// The public graph: empty in a node that hears no gossip.
pub(super) type Graph = NetworkGraph<Arc<Notes>>;

/// What takes in gossip. It believes that announced channels are in the chain: whether they are is looked at by the nodes that
/// are tested.
pub(super) type GossipSync = P2PGossipSync<Arc<Graph>, Arc<dyn UtxoLookup + Send + Sync>, Arc<Notes>>;

/// Transactions to be broadcast. LDK hands them over wherever it is; the driver sends them.
#[derive(Default)]
pub(super) struct Mailbox(Mutex<Vec<Transaction>>);

impl Mailbox {
    pub(super) fn take(&self) -> Vec<Transaction> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl BroadcasterInterface for Mailbox {
    fn broadcast_transactions(&self, transactions: &[&Transaction]) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.extend(transactions.iter().map(|&transaction| transaction.clone()));
    }
}

/// One feerate for commitments, which a test can change; generous limits for the peer's.
pub(super) struct Fees(pub(super) AtomicU32);

impl FeeEstimator for Fees {
    fn get_est_sat_per_1000_weight(&self, target: ConfirmationTarget) -> u32 {
        match target {
            ConfirmationTarget::MaximumFeeEstimate => 50_000,
            ConfirmationTarget::UrgentOnChainSweep => 5_000,
            ConfirmationTarget::AnchorChannelFee | ConfirmationTarget::NonAnchorChannelFee => {
                self.0.load(Ordering::SeqCst)
            }
            ConfirmationTarget::MinAllowedAnchorChannelRemoteFee
            | ConfirmationTarget::MinAllowedNonAnchorChannelRemoteFee
            | ConfirmationTarget::ChannelCloseMinimum
            | ConfirmationTarget::OutputSpendingFee => 253,
        }
    }
}

/// The newest lines of the log, kept for who looks at a failed test.
pub(super) struct Notes {
    pub(super) name: String,
    lines: Mutex<Vec<String>>,
}

/// Lines that are kept.
const MAX_LINES: usize = 400;

impl Notes {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), lines: Mutex::new(Vec::new()) }
    }

    pub(super) fn last(&self, count: usize) -> String {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines[lines.len().saturating_sub(count)..].join("\n")
    }
}

impl Logger for Notes {
    fn log(&self, record: Record<'_>) {
        if record.level < Level::Debug {
            return;
        }
        let line = format!("{} {} {}:{} {}", self.name, record.level, record.file, record.line, record.args);
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() >= MAX_LINES {
            lines.drain(..MAX_LINES / 2);
        }
        lines.push(line);
    }
}

/// LDK's side is never restarted here, so it needs no disk; but a cheat keeps what he should forget.
#[derive(Default)]
pub(super) struct Drawer {
    keep_next: AtomicBool,
    kept: Mutex<Option<Vec<u8>>>,
}

impl Drawer {
    /// Keeps the state that the next update of a channel makes.
    pub(super) fn keep_next(&self) {
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.keep_next.store(true, Ordering::SeqCst);
    }

    pub(super) fn kept(&self) -> Option<Vec<u8>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Persist<InMemorySigner> for Drawer {
    fn persist_new_channel(
        &self,
        _: MonitorName,
        _: &ChannelMonitor<InMemorySigner>,
    ) -> ChannelMonitorUpdateStatus {
        ChannelMonitorUpdateStatus::Completed
    }

    fn update_persisted_channel(
        &self,
        _: MonitorName,
        _: Option<&ChannelMonitorUpdate>,
        monitor: &ChannelMonitor<InMemorySigner>,
    ) -> ChannelMonitorUpdateStatus {
        if self.keep_next.swap(false, Ordering::SeqCst) {
            *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(monitor.encode());
        }
        ChannelMonitorUpdateStatus::Completed
    }

    fn archive_persisted_channel(&self, _: MonitorName) {}
}
