//! From a block to what the core waits for.

use crate::follow::BlockChange;
use astrape_primitives::{BlockId, ChainEvent, ConfirmedTx};
use bitcoin::{Block, OutPoint, ScriptBuf, Transaction, Txid};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The output scripts, outpoints and transactions that the core waits for. Its size is that of the core's own wishes: a few for each
/// channel, so it is bounded where channels are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watch {
    scripts: BTreeSet<ScriptBuf>,
    outpoints: BTreeSet<OutPoint>,
    txids: BTreeSet<Txid>,
}

impl Watch {
    /// Watches nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reports transactions that pay to this script from now on.
    pub fn add_script(&mut self, script: ScriptBuf) {
        self.scripts.insert(script);
    }

    /// Reports the spend of this output from now on.
    pub fn add_outpoint(&mut self, outpoint: OutPoint) {
        self.outpoints.insert(outpoint);
    }

    /// Reports this transaction from now on.
    pub fn add_txid(&mut self, txid: Txid) {
        self.txids.insert(txid);
    }

    /// Watches this script no more.
    pub fn remove_script(&mut self, script: &ScriptBuf) {
        self.scripts.remove(script);
    }

    /// Watches this output no more.
    pub fn remove_outpoint(&mut self, outpoint: &OutPoint) {
        self.outpoints.remove(outpoint);
    }

    /// Watches this transaction no more.
    pub fn remove_txid(&mut self, txid: &Txid) {
        self.txids.remove(txid);
    }

    /// How many scripts, outpoints and transactions are watched.
    #[must_use]
    pub fn len(&self) -> usize {
        self.scripts.len() + self.outpoints.len() + self.txids.len()
    }

    /// Whether nothing is watched.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The event of a change, with what it has for us.
    #[must_use]
    pub fn event(&self, change: &BlockChange) -> ChainEvent {
        match change {
            BlockChange::Connected { id, block } => self.connected(*id, block),
            BlockChange::Disconnected { id } => ChainEvent::Disconnected { block: *id },
        }
    }

    /// The event of a block that connects: its transactions that pay to a watched script, spend a watched outpoint, or
    /// spend an output of one that is reported from this same block. The last, because a commitment and the claims on it
    /// can share a block, and the core learns of the claims' outpoints only from the commitment.
    #[must_use]
    pub fn connected(&self, id: BlockId, block: &Block) -> ChainEvent {
        let mut reported: BTreeSet<Txid> = BTreeSet::new();
        let mut matched = Vec::new();
        for (index, tx) in (0_u32..).zip(&block.txdata) {
            let continues = tx.input.iter().any(|input| reported.contains(&input.previous_output.txid));
            if continues || self.matches(tx) {
                reported.insert(tx.compute_txid());
                matched.push(ConfirmedTx { tx: Arc::new(tx.clone()), index });
            }
        }
        ChainEvent::Connected {
            block: id,
            previous: block.header.prev_blockhash,
            time: block.header.time,
            matched,
        }
    }

    /// Of transactions with parents before children: those that spend a watched outpoint, and what spends theirs.
    pub fn spends(&self, txs: impl IntoIterator<Item = Arc<Transaction>>) -> Vec<Arc<Transaction>> {
        let mut reported: BTreeSet<Txid> = BTreeSet::new();
        let mut found = Vec::new();
        for tx in txs {
            let spends = |input: &bitcoin::TxIn| {
                let from = input.previous_output;
                self.outpoints.contains(&from) || reported.contains(&from.txid)
            };
            if tx.input.iter().any(spends) {
                reported.insert(tx.compute_txid());
                found.push(tx);
            }
        }
        found
    }

    /// The outputs whose spends are reported.
    pub fn outpoints(&self) -> impl Iterator<Item = &OutPoint> {
        self.outpoints.iter()
    }

    /// Whether a transaction by itself is one to report.
    #[must_use]
    pub fn matches(&self, tx: &Transaction) -> bool {
        tx.input.iter().any(|input| self.outpoints.contains(&input.previous_output))
            || tx.output.iter().any(|output| self.scripts.contains(&output.script_pubkey))
            || (!self.txids.is_empty() && self.txids.contains(&tx.compute_txid()))
    }
}
