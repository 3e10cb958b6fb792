//! The fundings that short channel ids name, by the source's word, with the ids of a block's transactions kept for the channels that come
//! next from the same block.

use astrape_chain::{ChainSource, SourceError};
use astrape_primitives::{Height, ShortChannelId};
use astrape_routing::gossip::{ChainAnswer, FundingOutput};
use bitcoin::{BlockHash, OutPoint, Txid};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Blocks whose transaction ids are remembered, of some 100 KB each.
const MAX_BLOCKS: usize = 64;

/// What the source says of a channel's funding.
pub(super) type Answer = (ShortChannelId, Result<ChainAnswer, SourceError>);

/// What is at the place that an id names.
enum Place {
    /// This transaction of this block.
    At(BlockHash, Txid),
    /// The block has fewer transactions.
    Nowhere,
}

/// There is no such block now: there may have been one before a reorganisation, or the source makes its index anew (`-reindex`).
fn no_block(height: Height) -> SourceError {
    SourceError::NotReady(format!("it has no block {height} now"))
}

/// The transaction ids of blocks, the last used kept.
#[derive(Default)]
pub(super) struct Blocks(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    txids: BTreeMap<Height, (BlockHash, Arc<Vec<Txid>>)>,
    order: VecDeque<Height>,
}

impl Blocks {
    /// The fundings that ids of one block name.
    pub(super) async fn fundings(&self, source: &dyn ChainSource, ids: Vec<ShortChannelId>) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(ids.len());
        for id in ids {
            let answer = self.funding(source, id).await;
            answers.push((id, answer));
        }
        answers
    }

    async fn funding(
        &self,
        source: &dyn ChainSource,
        id: ShortChannelId,
    ) -> Result<ChainAnswer, SourceError> {
        let Place::At(block, txid) = self.place(source, id).await? else { return Ok(ChainAnswer::Never) };
        let outpoint = OutPoint { txid, vout: id.output().into() };
        if let Some(output) = source.unspent(outpoint).await? {
            let found = FundingOutput { outpoint, script: output.script, amount: output.value };
            return Ok(ChainAnswer::Unspent(found));
        }
        // It is gone only where the block still counts that has made it.
        let height = Height(id.block());
        if source.hash_at(height).await? != Some(block) {
            self.forget(height);
            return Err(no_block(height));
        }
        Ok(ChainAnswer::Gone)
    }

    /// The transaction at the place that an id names.
    async fn place(&self, source: &dyn ChainSource, id: ShortChannelId) -> Result<Place, SourceError> {
        let height = Height(id.block());
        let kept = self.lock().txids.get(&height).map(|(block, txids)| (*block, Arc::clone(txids)));
        let (block, txids) = match kept {
            Some(kept) => kept,
            None => {
                let hash = source.hash_at(height).await?.ok_or_else(|| no_block(height))?;
                let txids = source.txids(hash).await?.ok_or_else(|| no_block(height))?;
                self.keep(height, hash, Arc::clone(&txids));
                (hash, txids)
            }
        };
        let index = usize::try_from(id.transaction()).unwrap_or(usize::MAX);
        Ok(txids.get(index).map_or(Place::Nowhere, |txid| Place::At(block, *txid)))
    }

    fn forget(&self, height: Height) {
        let mut kept = self.lock();
        kept.txids.remove(&height);
        kept.order.retain(|kept| *kept != height);
    }

    fn keep(&self, height: Height, block: BlockHash, txids: Arc<Vec<Txid>>) {
        let mut kept = self.lock();
        if kept.txids.insert(height, (block, txids)).is_none() {
            kept.order.push_back(height);
        }
        if kept.order.len() > MAX_BLOCKS
            && let Some(oldest) = kept.order.pop_front()
        {
            kept.txids.remove(&oldest);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
