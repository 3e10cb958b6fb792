//! The chain: follows a source, tells the core of every block in its order, and the wallet before it.
//!
//! | room | what is in it |
//! |---|---|
//! | [`embedded`] | a regtest chain inside this process, as a source |
//! | `beside` | fees, mempool and the wallet's reading, beside the blocks |
//! | `watches` | what the core waits for |
//! | `unseen` | blocks that are to be looked through for some of it |
//! | `tell` | what the core is told beside blocks |
//! | `hearing` | since when the source says nothing of fees or of its mempool |
//! | `late` | spends in blocks that were told before it was known that they count |
//! | `broadcast` | transactions on their way out |

mod beside;
pub(crate) mod broadcast;
pub mod embedded;
pub(crate) mod hearing;
mod late;
mod tell;
mod unseen;
pub(crate) mod watches;

use super::Shared;
use super::core::Stopped;
use astrape_chain::{
    BlockChange, ChainSource, Follower, FollowerSettings, MAX_CURSOR, SourceError, Status, Update,
    starting_cursor,
};
use astrape_node::state::ChainState;
use astrape_node::{ChainInput, Input};
use astrape_primitives::{BlockId, ChainEvent, Height};
use astrape_wallet::WalletFinding;
use beside::{Beside, show};
use bitcoin::BlockHash;
use bitcoin::hashes::Hash as _;
use late::{late, wait_for_what_is_near};
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tell::{freshness, tell_freshness, warn_of_pruned};

/// Blocks that a new node begins with, so that it survives reorganisations from the first hour on: as many as the core
/// remembers.
const FIRST_BLOCKS: u32 = 144;

const _: () =
    assert!(MAX_CURSOR <= ChainState::MAX_RECENT, "the core would be told to go back further than it can");

/// How often the source is looked at under `dev_fast`, and how long it may be silent.
const FAST_POLL: Duration = Duration::from_millis(200);
const FAST_SILENCE: Duration = Duration::from_secs(8);

/// Pause where a new node's source does not answer.
const RETRY: Duration = Duration::from_secs(2);

/// Follows the chain until the engine stops. `recent` are the last blocks that the core has seen.
pub(crate) async fn run(shared: Arc<Shared>, recent: Vec<BlockId>) {
    let stop = shared.shutdown.clone();
    tokio::select! {
        () = stop.begun() => {}
        ended = follow(&shared, Arc::clone(&shared.source), recent) => match ended {
            Ok(()) | Err(Stopped) => {}
        },
    }
}

async fn follow(shared: &Shared, source: Arc<dyn ChainSource>, recent: Vec<BlockId>) -> Result<(), Stopped> {
    // Settled: what the core made us watch before the restart is watched before the first block is looked at.
    shared.core.settled(Input::Chain(freshness(&Status::Starting))).await?;
    let recent = if recent.is_empty() { begin(shared, &*source).await? } else { recent };
    if let Some(tip) = recent.last() {
        shared.gossip.begin_at(tip.height);
    }
    // Of a wallet that lags behind, because its file is new or the last blocks were not kept.
    let birthplace = birthplace(shared, &*source).await?;
    {
        let _order = shared.wallet.order.lock().await;
        let coins = shared.published.get().coins().cloned().collect();
        let begun = shared.wallet.begin(&*source, recent.clone(), birthplace, coins).await;
        let found = found(shared, begun)?;
        tell_found(shared, found).await?;
    }
    warn_of_pruned(shared, &*source, recent.last().copied()).await;
    let mut settings = FollowerSettings::for_network(shared.network);
    if shared.dev_fast {
        (settings.poll_interval, settings.max_silence) = (FAST_POLL, FAST_SILENCE);
    }
    let Some(follower) = Follower::new(Arc::clone(&source), recent, settings) else {
        shared.shutdown.fail("the chain source has not even a first block");
        return Ok(());
    };
    let (beside, source) = (Beside::new(follower.tip()), &*source);
    tokio::try_join!(
        show(shared, follower.watch_status()),
        tell_blocks(shared, &beside, follower),
        late::look_back(shared, source, &beside),
        beside.reading(shared, source),
        beside.fees(shared, source),
        beside.mempool(shared, source),
    )
    .map(drop)
}

/// Tells what the follower has to say. Nothing else is done here that takes long: the follower's questions, and their limits of time, do
/// not go on meanwhile.
async fn tell_blocks(shared: &Shared, beside: &Beside, mut follower: Follower) -> Result<(), Stopped> {
    loop {
        match follower.next().await {
            Update::Block(change) => {
                block(shared, beside, follower.tip(), change).await?;
                wait_for_what_is_near(shared, beside).await;
            }
            Update::Status(status) => {
                tell_freshness(shared, &status).await?;
                // What is commanded now that the end of the chain is there needs them.
                if status.is_at_tip() {
                    beside.fees_are_known().await;
                }
                shared.chain_status.send_replace(status);
            }
        }
    }
}

/// Gives a new node its first blocks. Only their places: there is nothing of ours in them.
async fn begin(shared: &Shared, source: &dyn ChainSource) -> Result<Vec<BlockId>, Stopped> {
    let blocks = loop {
        match starting_cursor(source, FIRST_BLOCKS).await {
            Ok(blocks) => break blocks,
            Err(error) => {
                tracing::warn!(%error, "waiting for the chain source");
                unreachable(shared, &error).await?;
                tokio::time::sleep(RETRY).await;
            }
        }
    };
    let mut previous = BlockHash::all_zeros();
    for block in &blocks {
        let event = ChainEvent::Connected { block: *block, previous, time: 0, matched: Vec::new() };
        shared.core.input(Input::Chain(ChainInput::Event(event))).await?;
        previous = block.hash;
    }
    Ok(blocks)
}

/// The block above which a wallet begins whose keys are older than this node. Waits for the source.
async fn birthplace(shared: &Shared, source: &dyn ChainSource) -> Result<Option<BlockId>, Stopped> {
    let Some(birthday) = shared.wallet_birthday else { return Ok(None) };
    loop {
        match block_below(source, birthday).await {
            Ok(place) => return Ok(place),
            Err(error) => {
                tracing::warn!(%error, "waiting for the chain source");
                unreachable(shared, &error).await?;
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

/// The best chain's block below a height, or its tip if that is lower.
async fn block_below(source: &dyn ChainSource, height: Height) -> Result<Option<BlockId>, SourceError> {
    let tip = source.state().await?.tip;
    let height = Height(height.0.saturating_sub(1));
    if tip.height <= height {
        return Ok(Some(tip));
    }
    Ok(source.hash_at(height).await?.map(|hash| BlockId { height, hash }))
}

async fn unreachable(shared: &Shared, error: &SourceError) -> Result<(), Stopped> {
    let status = Status::Unreachable { since: super::clock::now(), reason: error.to_string() };
    let is_news = !shared.chain_status.borrow().same_kind(&status);
    if is_news {
        tell_freshness(shared, &status).await?;
    }
    shared.chain_status.send_replace(status);
    Ok(())
}

/// One change of the best chain, which ends at `tip` from now on. The wallet keeps it first; what it found is told again after a crash
/// in between.
async fn block(shared: &Shared, beside: &Beside, tip: BlockId, change: BlockChange) -> Result<(), Stopped> {
    let event = {
        let watches = shared.watches.lock().unwrap_or_else(PoisonError::into_inner);
        watches.watch().event(&change)
    };
    let _order = shared.wallet.order.lock().await;
    let found = match &change {
        BlockChange::Connected { id, block } => {
            tracing::debug!(height = %id.height, hash = %id.hash, "block");
            found(shared, shared.wallet.connected(*id, block).await)?
        }
        BlockChange::Disconnected { id } => {
            tracing::warn!(height = %id.height, hash = %id.hash, "a block left the best chain");
            found(shared, shared.wallet.disconnected(*id).await)?
        }
    };
    // Only when all that follows from this block is out is the next one looked at: it may hold what this one made the
    // core wait for. Nobody sees its height without the coins in it.
    let coins = (!found.is_empty()).then_some(Input::Coins(found));
    let inputs = core::iter::once(Input::Chain(ChainInput::Event(event.clone()))).chain(coins);
    shared.core.all_settled(inputs.collect()).await?;
    late(shared, beside, tip, &change, &event).await?;
    shared.gossip.block(&change);
    core_is_told(shared).await
}

/// Tells the core what the wallet found. What is commanded after that goes by it.
async fn tell_found(shared: &Shared, coins: Vec<WalletFinding>) -> Result<(), Stopped> {
    if !coins.is_empty() {
        shared.core.input(Input::Coins(coins)).await?;
    }
    core_is_told(shared).await
}

/// What the wallet found before is the core's by now.
async fn core_is_told(shared: &Shared) -> Result<(), Stopped> {
    let told = shared.wallet.core_is_told().await;
    told.map_err(|error| {
        shared.shutdown.fail(error);
        Stopped
    })
}

/// What the wallet found. Its failure is the disk's: the node stops.
fn found(shared: &Shared, found: anyhow::Result<Vec<WalletFinding>>) -> Result<Vec<WalletFinding>, Stopped> {
    found.map_err(|error| {
        shared.shutdown.fail(error);
        Stopped
    })
}

#[cfg(test)]
mod tests;
