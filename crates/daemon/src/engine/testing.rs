//! A chain source that is slow, hangs, or has deleted blocks, over a regtest chain.

use super::EmbeddedChain;
use astrape_chain::{
    Answer, BroadcastResult, ChainSource, FeeEstimates, FoundOutput, SourceError, SourceState, UnspentOutput,
};
use astrape_primitives::Height;
use astrape_regtest::Place;
use bitcoin::{Block, BlockHash, OutPoint, ScriptBuf, Transaction, Txid};
use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Each answer but a broadcast's takes its time. The waits for new blocks are those of a source that cannot tell.
pub(crate) struct Slow {
    chain: EmbeddedChain,
    delay: Mutex<Duration>,
    hangs: AtomicBool,
    pruned_below: AtomicU32,
    reindexed: Mutex<Option<Height>>,
    panics: AtomicBool,
}

impl Slow {
    pub(crate) fn over(chain: &EmbeddedChain) -> Arc<Self> {
        Arc::new(Self {
            chain: chain.clone(),
            delay: Mutex::default(),
            hangs: AtomicBool::new(false),
            pruned_below: AtomicU32::new(0),
            reindexed: Mutex::default(),
            panics: AtomicBool::new(false),
        })
    }

    /// Each answer takes so long from now on.
    pub(crate) fn delay(&self, delay: Duration) {
        *self.delay.lock().unwrap_or_else(PoisonError::into_inner) = delay;
    }

    /// It answers nothing any more, or again what is asked from then on.
    pub(crate) fn hang(&self, hangs: bool) {
        self.hangs.store(hangs, Ordering::Relaxed);
    }

    /// Blocks below are deleted; each that is asked for comes again from somebody.
    pub(crate) fn prune_below(&self, height: Height) {
        self.pruned_below.store(height.0, Ordering::Relaxed);
    }

    /// It makes its index anew, and knows the blocks up to a height and what they have made.
    pub(crate) fn reindex_up_to(&self, height: Option<Height>) {
        *self.reindexed.lock().unwrap_or_else(PoisonError::into_inner) = height;
    }

    /// The next question for a hash panics.
    pub(crate) fn panic_once(&self) {
        self.panics.store(true, Ordering::Relaxed);
    }

    fn lacks(&self, height: Height) -> bool {
        let reindexed = *self.reindexed.lock().unwrap_or_else(PoisonError::into_inner);
        reindexed.is_some_and(|last| height > last)
    }

    fn after<'a, T: Send + 'a>(&'a self, answer: Answer<'a, T>) -> Answer<'a, T> {
        let delay = *self.delay.lock().unwrap_or_else(PoisonError::into_inner);
        Box::pin(async move {
            tokio::time::sleep(delay).await;
            if self.hangs.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
            answer.await
        })
    }

    fn height_of(&self, hash: BlockHash) -> Option<Height> {
        self.chain.look(|chain| {
            (0..=chain.tip().height.0).map(Height).find(|height| chain.hash_at(*height) == Some(hash))
        })
    }
}

impl ChainSource for Slow {
    fn state(&self) -> Answer<'_, SourceState> {
        self.after(self.chain.state())
    }

    fn hash_at(&self, height: Height) -> Answer<'_, Option<BlockHash>> {
        assert!(!self.panics.swap(false, Ordering::Relaxed), "it was told to");
        if self.lacks(height) {
            return Box::pin(async { Ok(None) });
        }
        self.after(self.chain.hash_at(height))
    }

    fn block(&self, hash: BlockHash) -> Answer<'_, Option<Arc<Block>>> {
        self.after(self.chain.block(hash))
    }

    fn kept_block(&self, hash: BlockHash) -> Answer<'_, Option<Arc<Block>>> {
        let is_pruned = self.height_of(hash).is_some_and(|h| h.0 < self.pruned_below.load(Ordering::Relaxed));
        if is_pruned { Box::pin(async move { Err(SourceError::Pruned(hash)) }) } else { self.block(hash) }
    }

    fn broadcast<'a>(
        &'a self,
        package: &'a [Transaction],
    ) -> Pin<Box<dyn Future<Output = BroadcastResult> + Send + 'a>> {
        self.chain.broadcast(package)
    }

    fn fees(&self) -> Answer<'_, FeeEstimates> {
        self.after(self.chain.fees())
    }

    fn unspent(&self, outpoint: OutPoint) -> Answer<'_, Option<UnspentOutput>> {
        let seen = self.chain.look(|chain| chain.transaction(&outpoint.txid));
        if seen.is_some_and(|seen| matches!(seen.place, Place::Block { id, .. } if self.lacks(id.height))) {
            return Box::pin(async { Ok(None) });
        }
        self.after(self.chain.unspent(outpoint))
    }

    fn find_unspent<'a>(&'a self, scripts: &'a [ScriptBuf]) -> Answer<'a, Vec<FoundOutput>> {
        self.after(self.chain.find_unspent(scripts))
    }

    fn in_mempool(&self, txid: Txid) -> Answer<'_, bool> {
        self.after(self.chain.in_mempool(txid))
    }

    fn spenders_in_mempool<'a>(&'a self, outpoints: &'a [OutPoint]) -> Answer<'a, BTreeSet<Txid>> {
        self.after(self.chain.spenders_in_mempool(outpoints))
    }

    fn mempool_transaction(&self, txid: Txid) -> Answer<'_, Option<Transaction>> {
        self.after(self.chain.mempool_transaction(txid))
    }
}
