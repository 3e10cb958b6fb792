//! Questions with a limit of time, whatever the source does: one that never answers would be followed for ever, and look as if no
//! block came.

use crate::source::{Answer, ChainSource, SourceError, SourceState};
use astrape_primitives::{BlockId, Height};
use bitcoin::{Block, BlockHash};
use std::sync::Arc;
use std::time::Duration;

/// Longest time for one answer. Sources have shorter limits of their own; what takes longest with them is a block that bitcoind has
/// deleted and asks its peers for.
pub const MAX_SILENCE: Duration = Duration::from_secs(60);

/// A source of which each answer comes in time or not at all.
pub(crate) struct Patient {
    source: Arc<dyn ChainSource>,
    limit: Duration,
}

impl Patient {
    pub(crate) fn new(source: Arc<dyn ChainSource>, limit: Duration) -> Self {
        Self { source, limit }
    }

    pub(crate) async fn state(&self) -> Result<SourceState, SourceError> {
        in_time(self.source.state(), self.limit).await
    }

    pub(crate) async fn hash_at(&self, height: Height) -> Result<Option<BlockHash>, SourceError> {
        in_time(self.source.hash_at(height), self.limit).await
    }

    pub(crate) async fn block(&self, hash: BlockHash) -> Result<Option<Arc<Block>>, SourceError> {
        in_time(self.source.block(hash), self.limit).await
    }

    /// Its limit begins where the wait should have ended.
    pub(crate) async fn wait(&self, tip: BlockId, at_most: Duration) -> Result<(), SourceError> {
        in_time(self.source.wait(tip, at_most), at_most.saturating_add(self.limit)).await
    }
}

async fn in_time<T>(answer: Answer<'_, T>, limit: Duration) -> Result<T, SourceError> {
    let silent = || SourceError::Unreachable(format!("no answer within {} s", limit.as_secs_f32()));
    tokio::time::timeout(limit, answer).await.unwrap_or_else(|_| Err(silent()))
}
