//! The seam: what any source of the chain can be asked.

use crate::fees::FeeEstimates;
use astrape_primitives::{BlockId, Height, Network, Sat, Timestamp};
use bitcoin::{Block, BlockHash, OutPoint, ScriptBuf, Transaction, Txid};
use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// An answer that takes its time, or says why there is none.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, SourceError>> + Send + 'a>>;

/// A source of the chain. Every question may be asked at any time and in parallel; none changes the source but
/// [`ChainSource::broadcast`].
pub trait ChainSource: Send + Sync {
    /// The best block and how the source stands. Fails with [`SourceError::WrongNetwork`] where it follows another chain.
    fn state(&self) -> Answer<'_, SourceState>;

    /// Hash of the best chain's block at a height; `None` above the tip.
    fn hash_at(&self, height: Height) -> Answer<'_, Option<BlockHash>>;

    /// A whole block; `None` when the source does not know it. Fails with [`SourceError::Pruned`] where it has deleted it and
    /// cannot have it again now.
    fn block(&self, hash: BlockHash) -> Answer<'_, Option<Arc<Block>>>;

    /// The same as the source has it now: one that it has deleted is not asked of anybody else.
    fn kept_block(&self, hash: BlockHash) -> Answer<'_, Option<Arc<Block>>> {
        self.block(hash)
    }

    /// The lowest block that a source still has which deletes old ones; `None` where it has all.
    fn pruned_below(&self) -> Answer<'_, Option<Height>> {
        Box::pin(async { Ok(None) })
    }

    /// The ids of a block's transactions, in their order; `None` when the source does not know the block. A source that
    /// can tell them without the block should.
    fn txids(&self, hash: BlockHash) -> Answer<'_, Option<Arc<Vec<Txid>>>> {
        Box::pin(async move {
            let block = self.block(hash).await?;
            Ok(block.map(|block| Arc::new(block.txdata.iter().map(Transaction::compute_txid).collect())))
        })
    }

    /// Returns when there may be a block that is not `tip`, or after `at_most`, whichever is first. May return early.
    /// A source that cannot tell waits all the time.
    fn wait(&self, tip: BlockId, at_most: Duration) -> Answer<'_, ()> {
        let _ = tip;
        Box::pin(async move {
            tokio::time::sleep(at_most).await;
            Ok(())
        })
    }

    /// Sends transactions to the network: one, or a child with its unconfirmed parents, the child last.
    fn broadcast<'a>(
        &'a self,
        package: &'a [Transaction],
    ) -> Pin<Box<dyn Future<Output = BroadcastResult> + Send + 'a>>;

    /// Feerates for the next blocks, and the least that is relayed now.
    fn fees(&self) -> Answer<'_, FeeEstimates>;

    /// An output in the chain that the chain does not spend, whatever is in the mempool: that may never be confirmed.
    fn unspent(&self, outpoint: OutPoint) -> Answer<'_, Option<UnspentOutput>>;

    /// All outputs in the chain that the chain does not spend and that pay to any of these scripts. May take minutes. Fails with
    /// [`SourceError::Refused`] where a source cannot tell.
    fn find_unspent<'a>(&'a self, scripts: &'a [ScriptBuf]) -> Answer<'a, Vec<FoundOutput>> {
        let _ = scripts;
        Box::pin(async {
            Err(SourceError::Refused("this chain source cannot be searched for scripts".to_owned()))
        })
    }

    /// Whether a transaction is in the mempool.
    fn in_mempool(&self, txid: Txid) -> Answer<'_, bool>;

    /// The ids of the mempool transactions that spend any of these outputs, each once: where a preimage shows first
    /// (attack 36).
    fn spenders_in_mempool<'a>(&'a self, outpoints: &'a [OutPoint]) -> Answer<'a, BTreeSet<Txid>>;

    /// A transaction of the mempool; `None` when it is not there.
    fn mempool_transaction(&self, txid: Txid) -> Answer<'_, Option<Transaction>>;
}

/// How a source stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceState {
    /// Its best block.
    pub tip: BlockId,
    /// Time in that block's header.
    pub tip_time: Timestamp,
    /// Height of the best header: above the tip where blocks are missing.
    pub headers: Height,
    /// Whether it is still downloading the chain for the first time, or after a long sleep.
    pub initial_download: bool,
}

/// An output that was searched for by its script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundOutput {
    /// Where it is.
    pub outpoint: OutPoint,
    /// Its amount.
    pub value: Sat,
    /// Its script.
    pub script: ScriptBuf,
    /// How deep it is; 1 in the newest block.
    pub confirmations: u32,
}

/// An output that nothing spends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnspentOutput {
    /// Its amount.
    pub value: Sat,
    /// Its script.
    pub script: ScriptBuf,
    /// 1 in the tip, 0 in the mempool.
    pub confirmations: u32,
    /// Whether a coinbase made it: then it cannot be spent before it has 100 confirmations (attack 12).
    pub coinbase: bool,
}

/// What became of a broadcast.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BroadcastResult {
    /// The mempool took it.
    Accepted,
    /// It is in the chain, or was in the mempool before.
    AlreadyKnown,
    /// The mempool refuses it, in the words of the source.
    Rejected(String),
    /// The source cannot be asked now, and why; try again.
    Unreachable(String),
}

/// Why a source gives no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// It cannot be reached or does not answer in time.
    #[error("the chain source cannot be reached: {0}")]
    Unreachable(String),
    /// It is starting up.
    #[error("the chain source is not ready: {0}")]
    NotReady(String),
    /// It follows another chain than this node.
    #[error("the chain source follows {found}, this node {expected}: change the network of one of them")]
    WrongNetwork {
        /// This node's network.
        expected: Network,
        /// What the source says it follows.
        found: String,
    },
    /// It had this block, and has deleted it to save room.
    #[error("the chain source has pruned block {0}")]
    Pruned(BlockHash),
    /// It cannot answer this question.
    #[error("the chain source refuses: {0}")]
    Refused(String),
    /// Its answer makes no sense.
    #[error("the chain source talks nonsense: {0}")]
    Nonsense(String),
    /// It left the best chain further down than the cursor reaches.
    #[error(
        "the chain source's best chain leaves ours below height {}, the oldest block that we remember: \
         check that it is the chain this node was made on",
        oldest.height
    )]
    ForkBelowCursor {
        /// The oldest block of the cursor, which is not in the source's best chain.
        oldest: BlockId,
    },
}
