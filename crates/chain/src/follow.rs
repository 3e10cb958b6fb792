//! Follows a source: from wherever the core stopped, block by block, over forks and failures.

use crate::patience::Patient;
use crate::settings::FollowerSettings;
use crate::source::{ChainSource, SourceError, SourceState};
use crate::status::{Standing, Status};
use astrape_primitives::{BlockId, Height};
use bitcoin::Block;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Blocks that a follower remembers, and so the deepest reorganisation that it can follow, but for one: a day. No more than
/// the core remembers, which could not follow further.
pub const MAX_CURSOR: usize = 144;

/// Longest pause between two attempts to reach a source that fails.
const MAX_BACKOFF: Duration = Duration::from_secs(30);

/// From here on an unreachable source is an error in the log: a node that is blind that long comes near its deadlines.
const ALARM_AFTER: Duration = Duration::from_secs(600);

/// One change of the best chain, with the whole block for whoever scans it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockChange {
    /// A block was connected on top.
    Connected {
        /// Its place.
        id: BlockId,
        /// The block.
        block: Arc<Block>,
    },
    /// The block on top went.
    Disconnected {
        /// Its place.
        id: BlockId,
    },
}

/// What a follower has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Update {
    /// The best chain changed.
    Block(BlockChange),
    /// The status is of another kind than before.
    Status(Status),
}

/// Follows the best chain of a source. See the crate's page for how to drive it.
pub struct Follower {
    source: Patient,
    settings: FollowerSettings,
    /// What the core has seen, oldest first. Never empty.
    cursor: VecDeque<BlockId>,
    status: watch::Sender<Status>,
    /// The status is of a new kind that was not told yet.
    untold: bool,
    /// What the source said of itself, until it is waited for.
    seen: Option<SourceState>,
    /// We stood at its tip when we looked last, and it lacked nothing.
    is_at_tip: bool,
    /// A block came on top of that: what it has is not the begin of a download.
    is_growing: bool,
    /// The last wait ended before its time.
    woke_early: bool,
    backoff: Duration,
    /// No attempt before this moment.
    paused_until: Option<Instant>,
    alarmed: bool,
}

impl Follower {
    /// Follows `source` from `recent` on: the last blocks that the core has seen, oldest first, each on the one before. The
    /// more of them, the deeper the reorganisation that may have happened meanwhile. `None` when there is not one: see
    /// [`starting_cursor`] for a new node.
    #[must_use]
    pub fn new(
        source: Arc<dyn ChainSource>,
        recent: Vec<BlockId>,
        settings: FollowerSettings,
    ) -> Option<Self> {
        if recent.is_empty() {
            return None;
        }
        let mut cursor = VecDeque::from(recent);
        cursor.drain(..cursor.len().saturating_sub(MAX_CURSOR));
        Some(Self {
            source: Patient::new(source, settings.max_silence),
            settings,
            cursor,
            status: watch::Sender::new(Status::Starting),
            untold: false,
            seen: None,
            is_at_tip: false,
            is_growing: false,
            woke_early: false,
            backoff: settings.poll_interval,
            paused_until: None,
            alarmed: false,
        })
    }

    /// How things stand.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// How things stand, to be seen while [`Follower::next`] waits: in numbers that are not told as updates, too.
    #[must_use]
    pub fn watch_status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// The last block told.
    #[must_use]
    pub fn tip(&self) -> BlockId {
        *self.cursor.back().expect("the cursor is never empty: its last block is never popped")
    }

    /// The next thing to know; waits for it as long as it takes. A source that does not answer is told of after
    /// [`FollowerSettings::max_silence`]. Dropping the future loses nothing that is to be told, but all questions and
    /// their times begin anew: who drops it again and again learns nothing.
    pub async fn next(&mut self) -> Update {
        loop {
            if std::mem::take(&mut self.untold) {
                return Update::Status(self.status());
            }
            if let Some(moment) = self.paused_until {
                tokio::time::sleep_until(moment).await;
                self.paused_until = None;
            }
            match self.advance().await {
                Ok(Some(change)) => {
                    self.woke_early = false;
                    return Update::Block(change);
                }
                Ok(None) if self.untold => {}
                Ok(None) => self.wait().await,
                Err(error) => self.failed(&error),
            }
        }
    }

    /// One step towards the source's tip, or `None` when there is none to make, or a status to tell before it.
    async fn advance(&mut self) -> Result<Option<BlockChange>, SourceError> {
        let top = self.tip();
        let target = match self.seen {
            Some(seen) if seen.tip != top => seen,
            // Caught up with what it had then. It may have more now: that is to be known before it is said that we are at the tip.
            _ => self.look().await?,
        };
        if self.untold || target.tip == top {
            return Ok(None);
        }
        if let Some(change) = self.connect_above(top).await? {
            return Ok(Some(change));
        }
        if !self.has_left(target.tip.height.min(top.height)).await? {
            // It lacks blocks that we have seen, as after a power cut, or changed its mind while we asked.
            return Ok(None);
        }
        let oldest = *self.cursor.front().expect("the cursor is never empty: its last block is never popped");
        // Before anything is undone: one that we cannot follow to its end is not begun.
        if self.cursor.len() == 1 || self.has_left(oldest.height).await? {
            return Err(SourceError::ForkBelowCursor { oldest });
        }
        self.cursor.pop_back();
        Ok(Some(BlockChange::Disconnected { id: top }))
    }

    /// Whether the source has another block than we at a height. Not where it has none, or we remember none: without a block in
    /// its place nothing says that ours has gone.
    async fn has_left(&self, height: Height) -> Result<bool, SourceError> {
        let Some(ours) = self.cursor.iter().rev().find(|id| id.height == height) else { return Ok(false) };
        Ok(self.source.hash_at(height).await?.is_some_and(|hash| hash != ours.hash))
    }

    /// Asks the source how it stands.
    async fn look(&mut self) -> Result<SourceState, SourceError> {
        let state = self.source.state().await?;
        self.backoff = self.settings.poll_interval;
        let at = self.tip();
        let lacks_blocks = state.lacks_blocks(at.height);
        self.is_at_tip = !lacks_blocks && (self.is_at_tip || state.tip == at);
        self.is_growing &= !lacks_blocks;
        let standing = Standing { at, is_growing: self.is_growing, now: (self.settings.now)() };
        let status = self.status.borrow().then(&state, &standing, &self.settings.freshness);
        self.set_status(status);
        self.seen = Some(state);
        Ok(state)
    }

    /// The source's block above `top`, if it stands on it.
    async fn connect_above(&mut self, top: BlockId) -> Result<Option<BlockChange>, SourceError> {
        let height = top.height.plus(1);
        let Some(hash) = self.source.hash_at(height).await? else { return Ok(None) };
        let Some(block) = self.source.block(hash).await? else { return Ok(None) };
        if block.block_hash() != hash || !block.check_merkle_root() || !block.check_witness_commitment() {
            return Err(SourceError::Nonsense(format!("the block given for {hash} is not that block")));
        }
        if block.header.prev_blockhash != top.hash {
            return Ok(None);
        }
        let id = BlockId { height, hash };
        self.is_growing |= self.is_at_tip;
        self.cursor.push_back(id);
        if self.cursor.len() > MAX_CURSOR {
            self.cursor.pop_front();
        }
        Ok(Some(BlockChange::Connected { id, block }))
    }

    /// Waits for a block that is new to the source. One that ends the wait early for nothing is not asked again at once.
    async fn wait(&mut self) {
        let interval = self.settings.poll_interval;
        let tip = self.seen.take().map_or_else(|| self.tip(), |seen| seen.tip);
        if std::mem::take(&mut self.woke_early) {
            tokio::time::sleep(interval).await;
            return;
        }
        let begin = Instant::now();
        match self.source.wait(tip, interval).await {
            Ok(()) => self.woke_early = begin.elapsed() < interval,
            Err(error) => self.failed(&error),
        }
    }

    /// Notes a failure, and pauses longer with each.
    fn failed(&mut self, error: &SourceError) {
        let now = (self.settings.now)();
        let since = match &*self.status.borrow() {
            Status::Unreachable { since, .. } => *since,
            _ => now,
        };
        self.set_status(Status::Unreachable { since, reason: error.to_string() });
        self.seen = None;
        (self.is_at_tip, self.is_growing) = (false, false);
        self.paused_until = Some(Instant::now() + self.backoff);
        self.backoff = self.backoff.saturating_mul(2).min(MAX_BACKOFF.max(self.settings.poll_interval));
        let blind = Duration::from_millis(now.since(since));
        if blind > ALARM_AFTER && !std::mem::replace(&mut self.alarmed, true) {
            tracing::error!(%error, seconds = blind.as_secs(), "the node is blind: it cannot see the chain");
        }
    }

    fn set_status(&mut self, status: Status) {
        if !self.status.borrow().same_kind(&status) {
            self.untold = true;
            if status.is_reliable() {
                self.alarmed = false;
                tracing::info!(%status, "chain source");
            } else {
                tracing::warn!(%status, "chain source");
            }
        }
        self.status.send_if_modified(|seen| {
            let is_news = *seen != status;
            *seen = status;
            is_news
        });
    }
}

/// The source's last `depth` blocks, oldest first: where a new node begins.
///
/// # Errors
/// When the source cannot be asked, or a reorganisation came between; try again.
pub async fn starting_cursor(source: &dyn ChainSource, depth: u32) -> Result<Vec<BlockId>, SourceError> {
    let tip = source.state().await?.tip;
    let lowest = tip.height.0.saturating_sub(depth.saturating_sub(1));
    let mut recent = Vec::new();
    for height in (lowest..=tip.height.0).map(Height) {
        let hash = source.hash_at(height).await?;
        let hash =
            hash.ok_or_else(|| SourceError::Nonsense(format!("no block at {height}, below the tip")))?;
        recent.push(BlockId { height, hash });
    }
    Ok(recent)
}
