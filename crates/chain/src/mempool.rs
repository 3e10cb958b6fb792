//! What the mempool has of the outputs that the core waits for. A source cannot tell of each transaction as it comes, so it
//! is asked again and again, and the core hears of it only when the answer is another one.

use crate::source::{ChainSource, SourceError};
use bitcoin::{OutPoint, Transaction, Txid};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Transactions that are told at most. Who wants us to see more of them pays for each; what is beyond is told when it is in
/// a block.
const MAX_TOLD: usize = 4_096;

/// Spends of spends that are followed: a commitment, a transaction on one of its HTLCs, what spends that.
const MAX_DEPTH: usize = 3;

/// What the core was told of the mempool.
#[derive(Clone, Debug, Default)]
pub struct MempoolView {
    /// Nothing yet, not even that there is nothing.
    told: Option<BTreeMap<Txid, Arc<Transaction>>>,
}

impl MempoolView {
    /// Asks the source for the unconfirmed transactions that spend one of these outputs, and for what spends theirs. Gives all
    /// of them, parents first, when they are others than the last time; `None` when they are the same.
    ///
    /// # Errors
    /// When the source does not answer. Then nothing is known, and the next answer is compared with the last.
    pub async fn look(
        &mut self,
        source: &dyn ChainSource,
        outpoints: &[OutPoint],
    ) -> Result<Option<Vec<Arc<Transaction>>>, SourceError> {
        let found = self.find(source, outpoints).await?;
        if self.told.as_ref().is_some_and(|told| told.keys().eq(found.keys())) {
            return Ok(None);
        }
        let txs = parents_first(&found);
        self.told = Some(found);
        Ok(Some(txs))
    }

    async fn find(
        &self,
        source: &dyn ChainSource,
        outpoints: &[OutPoint],
    ) -> Result<BTreeMap<Txid, Arc<Transaction>>, SourceError> {
        let mut found = BTreeMap::new();
        let mut asked = outpoints.to_vec();
        for _ in 0..MAX_DEPTH {
            if asked.is_empty() {
                break;
            }
            let spenders = source.spenders_in_mempool(&asked).await?;
            asked.clear();
            for txid in spenders {
                if found.len() >= MAX_TOLD || found.contains_key(&txid) {
                    continue;
                }
                let Some(tx) = self.transaction(source, txid).await? else { continue };
                asked.extend((0_u32..).zip(&tx.output).map(|(vout, _)| OutPoint { txid, vout }));
                found.insert(txid, tx);
            }
        }
        Ok(found)
    }

    /// From the last look, or from the source; `None` when it has left the mempool since it was named.
    async fn transaction(
        &self,
        source: &dyn ChainSource,
        txid: Txid,
    ) -> Result<Option<Arc<Transaction>>, SourceError> {
        if let Some(tx) = self.told.as_ref().and_then(|told| told.get(&txid)) {
            return Ok(Some(Arc::clone(tx)));
        }
        let tx = source.mempool_transaction(txid).await?;
        Ok(tx.filter(|tx| tx.compute_txid() == txid).map(Arc::new))
    }
}

/// Each behind those that it spends.
fn parents_first(found: &BTreeMap<Txid, Arc<Transaction>>) -> Vec<Arc<Transaction>> {
    let mut ordered = Vec::with_capacity(found.len());
    let mut placed: BTreeSet<Txid> = BTreeSet::new();
    // Each round places at least one: transactions do not spend each other in circles.
    while placed.len() < found.len() {
        let waits = |tx: &Transaction, placed: &BTreeSet<Txid>| {
            let mut parents = tx.input.iter().map(|input| input.previous_output.txid);
            parents.any(|parent| found.contains_key(&parent) && !placed.contains(&parent))
        };
        let before = placed.len();
        for (txid, tx) in found {
            if !placed.contains(txid) && !waits(tx, &placed) {
                placed.insert(*txid);
                ordered.push(Arc::clone(tx));
            }
        }
        if placed.len() == before {
            break;
        }
    }
    ordered
}
