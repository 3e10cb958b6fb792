//! Spends in blocks that were told before it was known that they count.

use super::beside::Beside;
use super::unseen::Look;
use crate::engine::Shared;
use crate::engine::core::Stopped;
use astrape_chain::{BlockChange, ChainSource, SourceError, Watch};
use astrape_node::{ChainInput, Input};
use astrape_primitives::{BlockId, ChainEvent, ConfirmedTx, Height};
use std::sync::PoisonError;
use std::time::Duration;

/// How often is looked whether there is something to look for.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Longest pause after blocks that the source did not give.
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// A look back over so many blocks ends in a moment.
const NEAR_BLOCKS: u32 = 8;

/// How long a block waits for it.
const NEAR_PATIENCE: Duration = Duration::from_secs(1);

/// Tells what watches have found in the block that were on their way while it was. `tip` is where the chain ends with it.
pub(super) async fn late(
    shared: &Shared,
    beside: &Beside,
    tip: BlockId,
    change: &BlockChange,
    told: &ChainEvent,
) -> Result<(), Stopped> {
    let again = {
        let mut watches = shared.watches.lock().unwrap_or_else(PoisonError::into_inner);
        // At once: what is watched from now on is looked for in this block by the look back, which goes by it.
        beside.tip.send_replace(tip);
        if let BlockChange::Connected { id, .. } = change {
            watches.looked_at(id.height);
        }
        watches.watch().event(change)
    };
    match missed(told, again) {
        Some(missed) => shared.core.settled(Input::Chain(missed)).await,
        None => Ok(()),
    }
}

/// Looks for spends of outputs that are watched since a moment ago in blocks that were told before: which HTLCs a revoked
/// commitment has is known only once the journal was asked, and they may be spent in its own block. It goes on beside all else, block by
/// block, and what it cannot have now it looks at later.
pub(super) async fn look_back(
    shared: &Shared,
    source: &dyn ChainSource,
    beside: &Beside,
) -> Result<(), Stopped> {
    let mut tip = beside.tip.subscribe();
    let (mut pause, mut pruned_from) = (LOOK_INTERVAL, Height(0));
    loop {
        let is_held_up = pause > LOOK_INTERVAL;
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            // After a failure there is a pause, whatever comes.
            _ = tip.changed(), if !is_held_up => {}
            () = beside.look_wanted.notified(), if !is_held_up => {}
        }
        pause = match look_on(shared, source, beside, &mut pruned_from).await? {
            Ok(()) => LOOK_INTERVAL,
            Err(error) => {
                tracing::warn!(%error, "blocks cannot be looked through for spends: trying again");
                pause.saturating_mul(2).min(MAX_PAUSE)
            }
        };
        beside.looked_back.notify_waiters();
    }
}

/// Looks through all that is unseen, pruned blocks last and only one of them that nobody gives. What was looked for in all blocks is not
/// looked for again after a restart: so the core is told.
async fn look_on(
    shared: &Shared,
    source: &dyn ChainSource,
    beside: &Beside,
    pruned_from: &mut Height,
) -> Result<Result<(), SourceError>, Stopped> {
    loop {
        let look = {
            let mut watches = shared.watches.lock().unwrap_or_else(PoisonError::into_inner);
            // Read while no watch can be set: all blocks above are told with those that are.
            let tip = beside.tip.borrow().height;
            match watches.unseen.next(tip) {
                Some(look) => Some((look, false)),
                None => watches.unseen.next_pruned(*pruned_from).map(|look| (look, true)),
            }
        };
        if look.as_ref().is_none_or(|(_, is_pruned)| *is_pruned) {
            tell_what_is_done(shared).await?;
        }
        let Some((look, is_pruned)) = look else { return Ok(Ok(())) };
        let found = match spends_of(source, &look, is_pruned).await {
            Err(SourceError::Pruned(_)) if !is_pruned => {
                tracing::warn!(height = %look.height, "the chain source has pruned a block that spends may be in: it is asked for later");
                shared.watches.lock().unwrap_or_else(PoisonError::into_inner).unseen.was_pruned(&look);
                continue;
            }
            found => found,
        };
        *pruned_from = look.height.plus(1);
        match found {
            Ok(late) => tell_late(shared, late).await?,
            Err(error) => return Ok(Err(error)),
        }
        shared.watches.lock().unwrap_or_else(PoisonError::into_inner).unseen.looked(&look);
    }
}

/// Tells what was looked for in all blocks. Not while a block is told: it is said of that one too.
async fn tell_what_is_done(shared: &Shared) -> Result<(), Stopped> {
    let _order = shared.wallet.order.lock().await;
    let outputs = shared.watches.lock().unwrap_or_else(PoisonError::into_inner).unseen.take_done();
    if outputs.is_empty() {
        return Ok(());
    }
    shared.core.input(Input::Chain(ChainInput::LookedBack { outputs })).await
}

/// Not while a block is told.
async fn tell_late(shared: &Shared, late: Option<ChainInput>) -> Result<(), Stopped> {
    let Some(late) = late else { return Ok(()) };
    let _order = shared.wallet.order.lock().await;
    shared.core.settled(Input::Chain(late)).await
}

/// The next block is looked at once few blocks behind it are: what they have for the core may be spent in it. Only for a moment, since
/// nothing depends on it.
pub(super) async fn wait_for_what_is_near(shared: &Shared, beside: &Beside) {
    let is_near = || {
        let tip = beside.tip.borrow().height;
        shared.watches.lock().unwrap_or_else(PoisonError::into_inner).unseen.is_near(tip, NEAR_BLOCKS)
    };
    let looking = async {
        loop {
            let looked = beside.looked_back.notified();
            if !is_near() {
                return;
            }
            beside.look_wanted.notify_one();
            looked.await;
        }
    };
    drop(tokio::time::timeout(NEAR_PATIENCE, looking).await);
}

/// The spends of what is looked for in the best chain's block at a height, with what hangs on them. One that the source has deleted is
/// fetched again only where that is asked.
pub(super) async fn spends_of(
    source: &dyn ChainSource,
    look: &Look,
    may_fetch: bool,
) -> Result<Option<ChainInput>, SourceError> {
    let height = look.height;
    let lacks = || SourceError::NotReady(format!("it lacks block {height}"));
    let hash = source.hash_at(height).await?.ok_or_else(lacks)?;
    let block = if may_fetch { source.block(hash).await? } else { source.kept_block(hash).await? };
    let block = block.ok_or_else(lacks)?;
    let mut watch = Watch::new();
    look.outputs.keys().for_each(|outpoint| watch.add_outpoint(*outpoint));
    let ChainEvent::Connected { block, matched, .. } = watch.connected(BlockId { height, hash }, &block)
    else {
        return Ok(None);
    };
    Ok((!matched.is_empty()).then_some(ChainInput::Late { block, matched }))
}

/// What the second look at a block has found and the first has not.
pub(super) fn missed(told: &ChainEvent, again: ChainEvent) -> Option<ChainInput> {
    let (ChainEvent::Connected { matched: told, .. }, ChainEvent::Connected { block, matched, .. }) =
        (told, again)
    else {
        return None;
    };
    let is_new = |found: &ConfirmedTx| !told.iter().any(|known| known.index == found.index);
    let matched: Vec<ConfirmedTx> = matched.into_iter().filter(is_new).collect();
    (!matched.is_empty()).then_some(ChainInput::Late { block, matched })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::EmbeddedChain;
    use crate::engine::chain::watches::Watches;
    use crate::engine::testing::Slow;
    use astrape_chain::MempoolView;
    use astrape_primitives::Sat;
    use astrape_regtest::RegtestChain;
    use bitcoin::{OutPoint, Transaction};
    use std::collections::BTreeMap;
    use std::sync::Arc;

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
        let (mut watches, (_, wish)) = (Watches::default(), output_watch(&tx));
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
        let (mut watches, (outpoint, wish)) = (Watches::default(), output_watch(&tx));
        watches.apply(wish);
        watches.looked_at(Height(1));
        assert_eq!(watches.unseen.next(at.height), None, "the first block that could have it was looked at");
        let (_, wish) = output_watch(&tx);
        watches.apply(wish);
        watches.looked_at(Height(2));
        assert_eq!(watches.lowest_unseen(), Some(Height(1)), "a later block says nothing of it");
        let outputs = BTreeMap::from([(outpoint, Height(1))]);
        let look = Look { height: at.height, outputs };
        let late = spends_of(&chain, &look, false).await.expect("it answers");
        let Some(ChainInput::Late { block, matched }) = late else { panic!("the spend is there") };
        assert_eq!((block, &*matched[0].tx), (at, &tx));
        let above = Look { height: at.height.plus(1), ..look.clone() };
        assert!(spends_of(&chain, &above, false).await.expect("it answers").is_none());
        // A source that has lost blocks has not shown that there is nothing in them.
        let absent = Look { height: at.height.plus(9), ..look };
        assert!(matches!(spends_of(&chain, &absent, false).await, Err(SourceError::NotReady(_))));
    }

    // attack 36
    #[tokio::test]
    async fn the_embedded_chain_shows_unconfirmed_spends_until_they_confirm() {
        let (chain, tx) = chain_with_payment();
        let (mut watches, (outpoint, wish)) = (Watches::default(), output_watch(&tx));
        watches.apply(wish);
        let outpoints: Vec<OutPoint> = watches.watch().outpoints().copied().collect();
        let mut view = MempoolView::default();
        assert_eq!(view.look(&chain, &outpoints).await, Ok(Some(vec![Arc::new(tx)])));
        chain.mine(1);
        assert_eq!(view.look(&chain, &outpoints).await, Ok(Some(vec![])));
        watches.apply(astrape_node::Watch::Forget(outpoint));
        assert!(watches.watch().is_empty());
    }

    // attack 6
    #[tokio::test]
    async fn a_block_that_is_pruned_is_fetched_again_only_where_that_is_asked() {
        let (chain, tx) = chain_with_payment();
        chain.mine(1);
        let at = chain.look(RegtestChain::tip);
        let (outpoint, _) = output_watch(&tx);
        let look = Look { height: at.height, outputs: BTreeMap::from([(outpoint, Height(1))]) };
        let source = Slow::over(&chain);
        source.prune_below(at.height.plus(1));
        assert!(matches!(spends_of(&*source, &look, false).await, Err(SourceError::Pruned(_))));
        assert!(spends_of(&*source, &look, true).await.expect("a peer of it has the block").is_some());
    }
}
