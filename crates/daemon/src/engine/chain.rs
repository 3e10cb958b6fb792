//! The chain: follows a source, tells the core of every block in its order, and the wallet before it.
//!
//! | room | what is in it |
//! |---|---|
//! | [`embedded`] | a regtest chain inside this process, as a source |
//! | `watches` | what the core waits for |
//! | `broadcast` | transactions on their way out |

pub(crate) mod broadcast;
pub mod embedded;
pub(crate) mod watches;

use super::Shared;
use super::core::Stopped;
use astrape_chain::{
    BlockChange, ChainSource, Follower, FollowerSettings, SourceError, Status, Update, starting_cursor,
};
use astrape_node::{ChainInput, Input};
use astrape_primitives::{BlockId, ChainEvent, FeeratePerKw};
use astrape_wallet::WalletFinding;
use bitcoin::BlockHash;
use bitcoin::hashes::Hash as _;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// Blocks that a new node begins with, so that it survives reorganisations from the first hour on: as many as the core
/// remembers.
const FIRST_BLOCKS: u32 = 144;

/// Commitments shall confirm within so many blocks.
const FEE_TARGET: u16 = 6;

/// How often feerates are asked for.
const FEE_INTERVAL: Duration = Duration::from_secs(60);

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
    tell_freshness(shared, &Status::Starting).await?;
    let recent = if recent.is_empty() { begin(shared, &*source).await? } else { recent };
    // Of a wallet that lags behind, because its file is new or the last blocks were not kept.
    {
        let _order = shared.wallet.order.lock().await;
        let found = found(shared, shared.wallet.begin(&*source, recent.clone()).await)?;
        shared.core.input(Input::Coins(found)).await?;
    }
    let mut settings = FollowerSettings::for_network(shared.network);
    if shared.dev_fast {
        settings.poll_interval = Duration::from_millis(200);
    }
    let Some(mut follower) = Follower::new(Arc::clone(&source), recent, settings) else {
        shared.shutdown.fail("the chain source has not even a first block");
        return Ok(());
    };
    let fee_interval = if shared.dev_fast { Duration::from_secs(1) } else { FEE_INTERVAL };
    let mut fees_due = tokio::time::interval(fee_interval);
    fees_due.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut feerate = None;
    loop {
        tokio::select! {
            update = follower.next() => match update {
                Update::Block(change) => block(shared, &*source, change).await?,
                Update::Status(status) => tell_freshness(shared, &status).await?,
            },
            _ = fees_due.tick() => tell_feerate(shared, &*source, &mut feerate).await?,
        }
        shared.chain_status.send_if_modified(|told| {
            let is_new = told != follower.status();
            told.clone_from(follower.status());
            is_new
        });
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

async fn unreachable(shared: &Shared, error: &SourceError) -> Result<(), Stopped> {
    let status = Status::Unreachable { since: super::clock::now(), reason: error.to_string() };
    let is_news = !shared.chain_status.borrow().same_kind(&status);
    if is_news {
        tell_freshness(shared, &status).await?;
    }
    shared.chain_status.send_replace(status);
    Ok(())
}

/// One change of the best chain. The wallet keeps it first; what it found is told again after a crash in between.
async fn block(shared: &Shared, source: &dyn ChainSource, change: BlockChange) -> Result<(), Stopped> {
    let event = {
        let watches = shared.watches.lock().unwrap_or_else(PoisonError::into_inner);
        watches.watch().event(&change)
    };
    let _order = shared.wallet.order.lock().await;
    let found = match &change {
        BlockChange::Connected { id, block } => {
            tracing::debug!(height = %id.height, hash = %id.hash, "block");
            found(shared, shared.wallet.connected(source, *id, block).await)?
        }
        BlockChange::Disconnected { id } => {
            tracing::warn!(height = %id.height, hash = %id.hash, "a block left the best chain");
            found(shared, shared.wallet.disconnected(*id).await)?
        }
    };
    // Only when all that follows from this block is out is the next one looked at: it may hold what this one made the
    // core wait for.
    shared.core.settled(Input::Chain(ChainInput::Event(event))).await?;
    if !found.is_empty() {
        shared.core.input(Input::Coins(found)).await?;
    }
    Ok(())
}

/// What the wallet found. Its failure is the disk's: the node stops.
fn found(shared: &Shared, found: anyhow::Result<Vec<WalletFinding>>) -> Result<Vec<WalletFinding>, Stopped> {
    found.map_err(|error| {
        shared.shutdown.fail(error);
        Stopped
    })
}

/// Tells the core whether what it sees of the chain can be relied on.
async fn tell_freshness(shared: &Shared, status: &Status) -> Result<(), Stopped> {
    let stale = (!status.is_reliable()).then(|| status.to_string());
    shared.core.input(Input::Chain(ChainInput::Freshness { stale })).await
}

async fn tell_feerate(
    shared: &Shared,
    source: &dyn ChainSource,
    told: &mut Option<FeeratePerKw>,
) -> Result<(), Stopped> {
    match source.fees().await {
        Ok(fees) => {
            let feerate = shared.estimate.unwrap_or_else(|| fees.for_target(FEE_TARGET));
            if *told != Some(feerate) {
                tracing::info!(%feerate, guessed = fees.is_guessed(), "feerate");
                *told = Some(feerate);
                shared.core.input(Input::Chain(ChainInput::Feerate(feerate))).await?;
            }
        }
        Err(error) => tracing::debug!(%error, "no feerate"),
    }
    Ok(())
}
