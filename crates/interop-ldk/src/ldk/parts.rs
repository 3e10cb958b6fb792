//! The parts that LDK asks of whoever builds a node of it.

use bitcoin::Transaction;
use lightning::chain::chaininterface::{BroadcasterInterface, ConfirmationTarget, FeeEstimator};
use lightning::chain::chainmonitor::{ChainMonitor, Persist};
use lightning::chain::channelmonitor::{ChannelMonitor, ChannelMonitorUpdate};
use lightning::chain::{ChannelMonitorUpdateStatus, Filter};
use lightning::ln::channelmanager::SimpleArcChannelManager;
use lightning::ln::peer_handler::{IgnoringMessageHandler, PeerManager};
use lightning::routing::gossip::NetworkGraph;
use lightning::sign::{InMemorySigner, KeysManager};
use lightning::util::logger::{Level, Logger, Record};
use lightning::util::persist::MonitorName;
use lightning_net_tokio::SocketDescriptor;
use std::sync::atomic::{AtomicU32, Ordering};
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
    Arc<NoDisk>,
    Arc<KeysManager>,
>;

/// The connections.
pub(super) type Peers = PeerManager<
    SocketDescriptor,
    Arc<Manager>,
    IgnoringMessageHandler,
    IgnoringMessageHandler,
    Arc<Notes>,
    IgnoringMessageHandler,
    Arc<KeysManager>,
    IgnoringMessageHandler,
>;

/// The public graph: empty, since all ways in these tests are by hints.
pub(super) type Graph = NetworkGraph<Arc<Notes>>;

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

/// LDK's side is never restarted here, so it needs no disk.
pub(super) struct NoDisk;

impl Persist<InMemorySigner> for NoDisk {
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
        _: &ChannelMonitor<InMemorySigner>,
    ) -> ChannelMonitorUpdateStatus {
        ChannelMonitorUpdateStatus::Completed
    }

    fn archive_persisted_channel(&self, _: MonitorName) {}
}
