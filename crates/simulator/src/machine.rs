//! A machine: a disk, a signer, a wallet, and perhaps a process that runs the node.

use crate::disk::Disk;
use crate::wallet::Wallet;
use astrape_node::{ChainInput, Config, Effect, Node, Step, Watch};
use astrape_primitives::{BlockId, ChainEvent, ChannelId, ChannelKeysId, Height, NodeId, PaymentHash};
use astrape_regtest::BlockEvent;
use astrape_signer::InProcessSigner;
use astrape_storage::MemoryJournal;
use bitcoin::{OutPoint, ScriptBuf, Transaction, Txid};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// A machine.
#[derive(Clone)]
pub(crate) struct Machine {
    pub(crate) node_id: NodeId,
    pub(crate) config: Config,
    pub(crate) disk: Disk,
    pub(crate) signer: InProcessSigner,
    pub(crate) wallet: Arc<Wallet>,
    /// The next fresh address.
    pub(crate) next_address: usize,
    pub(crate) process: Option<Process>,
    /// Channels whose state the process had reason to doubt when it started; between two, the next one has.
    pub(crate) doubted: BTreeSet<ChannelKeysId>,
    /// A copy of the disk that somebody made.
    pub(crate) copy: Option<MemoryJournal>,
    /// Facts of the ledger that the checkers have seen.
    pub(crate) facts_seen: usize,
}

/// A running process: lost at a crash, all of it.
#[derive(Clone)]
pub(crate) struct Process {
    /// Counts up over all processes of the world.
    pub(crate) id: u64,
    pub(crate) node: Node,
    pub(crate) pending: Pending,
    pub(crate) watch: WatchSet,
    /// The last block that the node was told of.
    pub(crate) cursor: BlockId,
    /// Effects that are durable and not out yet, each with the connections that it may use.
    pub(crate) outbox: VecDeque<(Arc<BTreeMap<usize, u64>>, Effect)>,
    /// The connection with each peer, as far as the node knows.
    pub(crate) connections: BTreeMap<usize, u64>,
}

/// Steps that were taken and not committed.
#[derive(Default)]
pub(crate) struct Pending {
    pub(crate) step: Option<Step>,
    pub(crate) parts: Vec<Part>,
}

impl Machine {
    /// What the operator chose, and the channels that are doubted.
    pub(crate) fn config_with(&self, suspect: BTreeSet<ChannelKeysId>) -> Config {
        Config { suspect, ..self.config.clone() }
    }
}

impl Clone for Pending {
    /// # Panics
    /// When steps wait: they cannot be doubled. A world forks between commits.
    fn clone(&self) -> Self {
        assert!(self.step.is_none(), "a world forks between commits");
        Self::default()
    }
}

/// One step of those that wait.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// How many effects it has.
    pub(crate) effects: usize,
    /// The connections when it was taken: what it says goes there or nowhere.
    pub(crate) connections: Arc<BTreeMap<usize, u64>>,
    /// What it has taken in.
    pub(crate) taken: Taken,
}

/// What of an input matters to those who look on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// `channel_reestablish` of a channel.
    Reestablish(ChannelId),
    /// `update_fulfill_htlc` with the preimage of this hash.
    Preimage(PaymentHash),
    /// Anything else.
    Other,
}

/// What the chain source looks for, and what it has told of the mempool.
#[derive(Clone, Debug, Default)]
pub(crate) struct WatchSet {
    watch: astrape_chain::Watch,
    scripts: BTreeMap<OutPoint, ScriptBuf>,
    /// Outputs whose spend may be in a block that was told before they were watched, and from which height on.
    pub(crate) unscanned: BTreeMap<OutPoint, Height>,
    /// All of those of which it was not said yet that they were looked for, with the height that the node gave.
    asked: BTreeMap<OutPoint, Height>,
    /// The ids of what was told last of the mempool.
    pub(crate) told: Option<Vec<Txid>>,
}

impl WatchSet {
    pub(crate) fn add(&mut self, watch: Watch) {
        match watch {
            Watch::Funding { outpoint, script, .. } => {
                self.watch.add_outpoint(outpoint);
                self.watch.add_script(script.clone());
                self.scripts.insert(outpoint, script);
            }
            Watch::Output { outpoint, from, .. } => {
                self.watch.add_outpoint(outpoint);
                self.unscanned.insert(outpoint, from);
                self.asked.insert(outpoint, from);
            }
            Watch::Transaction(txid) => self.watch.add_txid(txid),
            Watch::Forget(outpoint) => {
                self.watch.remove_outpoint(&outpoint);
                self.unscanned.remove(&outpoint);
                self.asked.remove(&outpoint);
                if let Some(script) = self.scripts.remove(&outpoint) {
                    self.watch.remove_script(&script);
                }
            }
        }
    }

    /// A change of the chain, as the node is told of it.
    pub(crate) fn event(&self, event: &BlockEvent) -> ChainEvent {
        match event {
            BlockEvent::Connected { id, block } => self.watch.connected(*id, block),
            BlockEvent::Disconnected { id } => ChainEvent::Disconnected { block: *id },
        }
    }

    /// What a block that was told before has of outputs that are watched only now.
    pub(crate) fn late(&self, id: BlockId, block: &bitcoin::Block) -> Option<ChainInput> {
        let mut watch = astrape_chain::Watch::new();
        let wanted = self.unscanned.iter().filter(|(_, from)| **from <= id.height);
        wanted.for_each(|(outpoint, _)| watch.add_outpoint(*outpoint));
        let ChainEvent::Connected { block, matched, .. } = watch.connected(id, block) else { return None };
        (!matched.is_empty()).then_some(ChainInput::Late { block, matched })
    }

    /// What was looked for in all blocks that were told, once.
    pub(crate) fn looked_back(&mut self) -> Option<ChainInput> {
        let outputs: Vec<_> = std::mem::take(&mut self.asked).into_iter().collect();
        (!outputs.is_empty()).then_some(ChainInput::LookedBack { outputs })
    }

    /// The mempool, as the node is told of it; `None` when it was told the same before.
    pub(crate) fn mempool(&mut self, mempool: Vec<Arc<Transaction>>) -> Option<ChainInput> {
        let txs = self.watch.spends(mempool);
        let mut ids: Vec<Txid> = txs.iter().map(|tx| tx.compute_txid()).collect();
        ids.sort_unstable();
        if self.told.as_ref() == Some(&ids) {
            return None;
        }
        self.told = Some(ids);
        Some(ChainInput::Mempool { txs })
    }
}
