//! A chain source that holds one block back.

use astrape_chain::{Answer, BroadcastResult, ChainSource, FeeEstimates, SourceState, UnspentOutput};
use astrape_daemon::engine::EmbeddedChain;
use astrape_primitives::Height;
use bitcoin::{Block, BlockHash, OutPoint, Transaction, Txid};
use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::watch;

/// Answers all but the question for one block, until it is opened.
pub(crate) struct Gate {
    chain: EmbeddedChain,
    held: BlockHash,
    is_open: watch::Sender<bool>,
}

impl Gate {
    /// Before the block that is at a height now.
    pub(crate) fn at(chain: &EmbeddedChain, height: Height) -> Arc<Self> {
        let held = chain.look(|chain| chain.hash_at(height)).expect("it is in the chain");
        Arc::new(Self { chain: chain.clone(), held, is_open: watch::Sender::new(false) })
    }

    /// Whoever waits goes on, and nobody waits any more.
    pub(crate) fn open(&self) {
        self.is_open.send_replace(true);
    }
}

impl ChainSource for Gate {
    fn state(&self) -> Answer<'_, SourceState> {
        self.chain.state()
    }

    fn hash_at(&self, height: Height) -> Answer<'_, Option<BlockHash>> {
        self.chain.hash_at(height)
    }

    fn block(&self, hash: BlockHash) -> Answer<'_, Option<Arc<Block>>> {
        Box::pin(async move {
            if hash == self.held {
                let mut is_open = self.is_open.subscribe();
                is_open.wait_for(|is_open| *is_open).await.expect("the gate outlives its guests");
            }
            self.chain.block(hash).await
        })
    }

    fn broadcast<'a>(
        &'a self,
        package: &'a [Transaction],
    ) -> Pin<Box<dyn Future<Output = BroadcastResult> + Send + 'a>> {
        self.chain.broadcast(package)
    }

    fn fees(&self) -> Answer<'_, FeeEstimates> {
        self.chain.fees()
    }

    fn unspent(&self, outpoint: OutPoint) -> Answer<'_, Option<UnspentOutput>> {
        self.chain.unspent(outpoint)
    }

    fn in_mempool(&self, txid: Txid) -> Answer<'_, bool> {
        self.chain.in_mempool(txid)
    }

    fn spenders_in_mempool<'a>(&'a self, outpoints: &'a [OutPoint]) -> Answer<'a, BTreeSet<Txid>> {
        self.chain.spenders_in_mempool(outpoints)
    }

    fn mempool_transaction(&self, txid: Txid) -> Answer<'_, Option<Transaction>> {
        self.chain.mempool_transaction(txid)
    }
}
