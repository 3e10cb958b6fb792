//! A wallet that is behind: the blocks that it misses are read a few at a time, beside all else. Reading holds nothing; only what was
//! read is taken in the [`order`](super::Wallet::order) of findings.

use super::Wallet;
use super::fork::Fork;
use astrape_chain::ChainSource;
use astrape_primitives::{BlockId, Height};
use astrape_wallet::WalletFinding;
use bitcoin::Block;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Blocks that are read at once: they are in memory together, 4 MB each at most.
const MAX_BLOCKS_AT_ONCE: u32 = 16;

/// Blocks on top of what the wallet has read, and whether there are more.
pub(crate) struct Read {
    blocks: Vec<(BlockId, Arc<Block>)>,
    has_more: bool,
    /// How many blocks the wallet had missed when it began.
    missed: u64,
}

impl Wallet {
    /// A block came on top of the best chain: what is of ours in it. Where the wallet misses some before it, they are to be read
    /// first.
    pub(crate) async fn connected(
        &self,
        id: BlockId,
        block: &Arc<Block>,
    ) -> anyhow::Result<Vec<WalletFinding>> {
        let next = Arc::clone(block);
        let found = self.with(move |inner| inner.connect(id, &next)).await??;
        if found.is_none() {
            self.missed.fetch_add(1, Ordering::Relaxed);
            self.is_behind.store(true, Ordering::Relaxed);
        }
        Ok(found.unwrap_or_default())
    }

    /// Whether there are blocks that the wallet has yet to [read](Self::read) and [take](Self::take).
    pub(crate) fn is_behind(&self) -> bool {
        self.is_behind.load(Ordering::Relaxed)
    }

    /// Finds where the wallet's chain leaves the source's, and reads from there up to a height, a part at a time.
    pub(crate) async fn read(&self, source: &dyn ChainSource, to: Height) -> Read {
        let (mut blocks, missed) = (Vec::new(), self.missed.load(Ordering::Relaxed));
        let has_more = match self.read_blocks(source, to, &mut blocks).await {
            Ok(has_more) => has_more,
            Err(error) => {
                tracing::warn!(%error, "the on-chain wallet catches up later");
                false
            }
        };
        Read { blocks, has_more, missed }
    }

    /// The same up to the source's tip.
    pub(super) async fn read_to_tip(&self, source: &dyn ChainSource) -> Read {
        match source.state().await {
            Ok(state) => self.read(source, state.tip.height).await,
            Err(error) => {
                tracing::warn!(%error, "the on-chain wallet cannot catch up now");
                Read { blocks: Vec::new(), has_more: false, missed: self.missed.load(Ordering::Relaxed) }
            }
        }
    }

    /// What is of ours in blocks that were read, for one that holds the [`order`](Self::order).
    pub(crate) async fn take(&self, read: Read) -> anyhow::Result<Vec<WalletFinding>> {
        let Read { blocks, mut has_more, missed } = read;
        let mut found = Vec::new();
        for (id, block) in blocks {
            let Some(news) = self.with(move |inner| inner.connect(id, &block)).await?? else {
                // The source's chain changed while it was read: the next block brings us here again.
                has_more = false;
                break;
            };
            found.extend(news);
        }
        // What came while these were read was not taken, since they were missing.
        has_more |= self.missed.load(Ordering::Relaxed) != missed;
        self.is_behind.store(has_more, Ordering::Relaxed);
        Ok(found)
    }

    /// Tells whether there are more. Those that were read before a failure stay.
    async fn read_blocks(
        &self,
        source: &dyn ChainSource,
        to: Height,
        blocks: &mut Vec<(BlockId, Arc<Block>)>,
    ) -> anyhow::Result<bool> {
        let ours = self.with(|inner| inner.recent()).await?;
        let fork = match Fork::find(source, &ours).await? {
            Fork::Above(height) => height,
            Fork::Unknown => {
                tracing::warn!(
                    "the chain source lacks the blocks that the on-chain wallet has read: it reads on once they are back"
                );
                return Ok(false);
            }
            Fork::BelowAll => {
                tracing::error!(
                    "the chain source's best chain leaves the on-chain wallet's below all that it remembers"
                );
                return Ok(false);
            }
        };
        if fork < to {
            tracing::debug!(above = %fork, %to, "the on-chain wallet reads blocks");
        }
        let last = to.0.min(fork.0.saturating_add(MAX_BLOCKS_AT_ONCE));
        for height in (fork.0.saturating_add(1)..=last).map(Height) {
            let Some(hash) = source.hash_at(height).await? else { return Ok(false) };
            let Some(block) = source.block(hash).await? else {
                tracing::error!(%height, "the chain source has lost a block (is it pruned?): coins in it are not found");
                return Ok(false);
            };
            blocks.push((BlockId { height, hash }, block));
        }
        Ok(last < to.0)
    }
}
