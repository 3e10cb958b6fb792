//! The chain: follows a source, tells the core of every block in its order, and the wallet before it.
//!
//! | room | what is in it |
//! |---|---|
//! | [`embedded`] | a regtest chain inside this process, as a source |
//! | `watches` | what the core waits for |
//! | `tell` | what the core is told beside blocks |
//! | `hearing` | since when the source says nothing of fees or of its mempool |
//! | `late` | spends in blocks that were told before it was known that they count |
//! | `broadcast` | transactions on their way out |

pub(crate) mod broadcast;
pub mod embedded;
pub(crate) mod hearing;
mod late;
mod tell;
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
use bitcoin::BlockHash;
use bitcoin::hashes::Hash as _;
use late::{late, look_back};
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tell::{Told, freshness, tell_fees, tell_freshness, tell_mempool, warn_of_pruned};

/// Blocks that a new node begins with, so that it survives reorganisations from the first hour on: as many as the core
/// remembers.
const FIRST_BLOCKS: u32 = 144;

const _: () =
    assert!(MAX_CURSOR <= ChainState::MAX_RECENT, "the core would be told to go back further than it can");

/// How often feerates are asked for.
const FEE_INTERVAL: Duration = Duration::from_secs(60);

/// How often the mempool is asked for spends of what is watched: a preimage that shows there is a race (attack 36).
const MEMPOOL_INTERVAL: Duration = Duration::from_secs(5);

/// How often a wallet that is behind reads on.
const READING_INTERVAL: Duration = Duration::from_millis(50);

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
        settings.poll_interval = Duration::from_millis(200);
    }
    let Some(mut follower) = Follower::new(Arc::clone(&source), recent, settings) else {
        shared.shutdown.fail("the chain source has not even a first block");
        return Ok(());
    };
    let fee_interval = if shared.dev_fast { Duration::from_secs(1) } else { FEE_INTERVAL };
    let mut fees_due = tokio::time::interval(fee_interval);
    fees_due.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mempool_interval = if shared.dev_fast { Duration::from_millis(200) } else { MEMPOOL_INTERVAL };
    let mut mempool_due = tokio::time::interval(mempool_interval);
    mempool_due.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut reading_due = tokio::time::interval(READING_INTERVAL);
    reading_due.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut told = Told::default();
    loop {
        tokio::select! {
            update = follower.next() => match update {
                Update::Block(change) => {
                    block(shared, &*source, change).await?;
                    look_back(shared, &*source, follower.tip()).await?;
                    mempool_due.reset_immediately();
                }
                Update::Status(status) => {
                    tell_freshness(shared, &status).await?;
                    // What is commanded now that the end of the chain is there needs them.
                    if status.is_at_tip() && told.knows_no_fees() {
                        tell_fees(shared, &*source, &mut told).await?;
                    }
                }
            },
            _ = reading_due.tick(), if shared.wallet.is_behind() => {
                read_on(shared, &*source, follower.tip()).await?;
            }
            _ = fees_due.tick() => tell_fees(shared, &*source, &mut told).await?,
            // While blocks are being caught up with, the mempool is of a later time than the core.
            _ = mempool_due.tick(), if follower.status().is_at_tip() => {
                look_back(shared, &*source, follower.tip()).await?;
                tell_mempool(shared, &*source, &mut told.mempool).await?;
            }
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

/// The wallet is behind: a part of the blocks that it misses, so that nothing else waits for long.
async fn read_on(shared: &Shared, source: &dyn ChainSource, tip: BlockId) -> Result<(), Stopped> {
    let _order = shared.wallet.order.lock().await;
    let found = found(shared, shared.wallet.catch_up(source, tip.height).await)?;
    tell_found(shared, found).await
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
    shared.core.settled(Input::Chain(ChainInput::Event(event.clone()))).await?;
    late(shared, &change, &event).await?;
    shared.gossip.block(&change);
    tell_found(shared, found).await
}

/// Tells the core what the wallet found. What is commanded after that goes by it.
async fn tell_found(shared: &Shared, coins: Vec<WalletFinding>) -> Result<(), Stopped> {
    if !coins.is_empty() {
        shared.core.input(Input::Coins(coins)).await?;
    }
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
mod tests {
    use super::late::{missed, spends_at};
    use super::*;
    use crate::engine::EmbeddedChain;
    use astrape_chain::MempoolView;
    use astrape_primitives::Sat;
    use astrape_regtest::RegtestChain;
    use bitcoin::{OutPoint, Transaction};
    use std::collections::BTreeMap;

    /// A payment of the faucet that waits in the mempool of a new chain.
    fn chain_with_payment() -> (EmbeddedChain, Transaction) {
        let chain = EmbeddedChain::new();
        let script = RegtestChain::faucet_script();
        let paid = chain.change(|chain| chain.fund(&script, Sat(50_000))).expect("the faucet has coins");
        let seen = chain.look(|chain| chain.transaction(&paid.txid)).expect("it waits in the mempool");
        (chain, (*seen.tx).clone())
    }

    fn output_watch(tx: &Transaction) -> (OutPoint, astrape_node::Watch) {
        let (outpoint, script) = (tx.input[0].previous_output, RegtestChain::faucet_script());
        (outpoint, astrape_node::Watch::Output { outpoint, script, from: Height(1) })
    }

    #[test]
    fn a_watch_that_comes_while_a_block_is_on_its_way_misses_nothing_of_it() {
        let (chain, tx) = chain_with_payment();
        let hash = chain.mine(1)[0];
        let block = chain.look(|chain| chain.block(&hash)).expect("it was mined");
        let id = chain.look(RegtestChain::tip);
        let change = BlockChange::Connected { id, block };
        let (mut watches, (_, wish)) = (watches::Watches::default(), output_watch(&tx));
        let told = watches.watch().event(&change);
        assert_eq!(missed(&told, watches.watch().event(&change)).map(drop), None, "no watch, nothing missed");
        watches.apply(wish);
        let Some(ChainInput::Late { block, matched }) = missed(&told, watches.watch().event(&change)) else {
            panic!("the spend was missed")
        };
        assert_eq!((block, matched.len(), &*matched[0].tx), (id, 1, &tx));
        let told = watches.watch().event(&change);
        assert!(missed(&told, watches.watch().event(&change)).is_none(), "what was told is not told again");
    }

    // attack 6
    #[tokio::test]
    async fn a_spend_in_a_block_that_was_told_before_the_watch_came_is_found() {
        let (chain, tx) = chain_with_payment();
        chain.mine(1);
        let at = chain.look(RegtestChain::tip);
        chain.mine(2);
        let (mut watches, (outpoint, wish)) = (watches::Watches::default(), output_watch(&tx));
        watches.apply(wish);
        watches.looked_at(Height(1));
        assert!(watches.take_unscanned().is_empty(), "the first block that could have it was looked at");
        let (_, wish) = output_watch(&tx);
        watches.apply(wish);
        watches.looked_at(Height(2));
        let unscanned = watches.take_unscanned();
        assert_eq!(unscanned, BTreeMap::from([(outpoint, Height(1))]), "a later block says nothing of it");
        let late = spends_at(&chain, at.height, &unscanned).await.expect("it answers");
        let Some(ChainInput::Late { block, matched }) = late else { panic!("the spend is there") };
        assert_eq!((block, &*matched[0].tx), (at, &tx));
        assert!(spends_at(&chain, at.height.plus(1), &unscanned).await.expect("it answers").is_none());
        watches.put_back(unscanned);
        assert_eq!(watches.take_unscanned().len(), 1);
    }

    // attack 36
    #[tokio::test]
    async fn the_embedded_chain_shows_unconfirmed_spends_until_they_confirm() {
        let (chain, tx) = chain_with_payment();
        let (mut watches, (outpoint, wish)) = (watches::Watches::default(), output_watch(&tx));
        watches.apply(wish);
        let outpoints: Vec<OutPoint> = watches.watch().outpoints().copied().collect();
        let mut view = MempoolView::default();
        assert_eq!(view.look(&chain, &outpoints).await, Ok(Some(vec![Arc::new(tx)])));
        chain.mine(1);
        assert_eq!(view.look(&chain, &outpoints).await, Ok(Some(vec![])));
        watches.apply(astrape_node::Watch::Forget(outpoint));
        assert!(watches.watch().is_empty());
    }
}
