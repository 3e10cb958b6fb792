//! Spends in blocks that were told before it was known that they count.

use crate::engine::Shared;
use crate::engine::core::Stopped;
use astrape_chain::{BlockChange, ChainSource, SourceError, Watch};
use astrape_node::{ChainInput, Input};
use astrape_primitives::{BlockId, ChainEvent, ConfirmedTx, Height};
use bitcoin::OutPoint;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::PoisonError;

/// Tells what watches have found in the block that were on their way while it was.
pub(super) async fn late(shared: &Shared, change: &BlockChange, told: &ChainEvent) -> Result<(), Stopped> {
    let again = {
        let mut watches = shared.watches.lock().unwrap_or_else(PoisonError::into_inner);
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
/// commitment has is known only once the journal was asked, and they may be spent in its own block.
pub(super) async fn look_back(
    shared: &Shared,
    source: &dyn ChainSource,
    tip: BlockId,
) -> Result<(), Stopped> {
    loop {
        let unscanned = shared.watches.lock().unwrap_or_else(PoisonError::into_inner).take_unscanned();
        let Some(lowest) = unscanned.values().min().copied() else { return Ok(()) };
        let mut heights = lowest.0..=tip.height.0;
        loop {
            match next_spend(source, &mut heights, &unscanned).await {
                Ok(None) => break,
                Ok(Some(late)) => shared.core.settled(Input::Chain(late)).await?,
                Err(error) => {
                    tracing::warn!(%error, "blocks cannot be looked through for spends: trying again");
                    shared.watches.lock().unwrap_or_else(PoisonError::into_inner).put_back(unscanned);
                    return Ok(());
                }
            }
        }
    }
}

/// The first spends of these outputs at these heights, which are behind us then. What the source has pruned will never come back: it
/// is passed over, so that it keeps nothing from being found above.
async fn next_spend(
    source: &dyn ChainSource,
    heights: &mut RangeInclusive<u32>,
    outputs: &BTreeMap<OutPoint, Height>,
) -> Result<Option<ChainInput>, SourceError> {
    let mut pruned: Option<(Height, Height)> = None;
    let mut found = Ok(None);
    for height in heights.by_ref().map(Height) {
        match spends_at(source, height, outputs).await {
            Ok(None) => {}
            Err(SourceError::Pruned(_)) => {
                pruned = Some((pruned.map_or(height, |(first, _)| first), height));
            }
            spends => {
                found = spends;
                break;
            }
        }
    }
    if let Some((first, last)) = pruned {
        tracing::error!(%first, %last, "the chain source has pruned these blocks: spends in them are not found");
    }
    found
}

/// The spends of these outputs in the best chain's block at a height, with what hangs on them.
pub(super) async fn spends_at(
    source: &dyn ChainSource,
    height: Height,
    outputs: &BTreeMap<OutPoint, Height>,
) -> Result<Option<ChainInput>, SourceError> {
    let Some(hash) = source.hash_at(height).await? else { return Ok(None) };
    let Some(block) = source.block(hash).await? else { return Ok(None) };
    let mut watch = Watch::new();
    outputs
        .iter()
        .filter(|(_, from)| **from <= height)
        .for_each(|(outpoint, _)| watch.add_outpoint(*outpoint));
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
    use astrape_chain::{Answer, BroadcastResult, FeeEstimates, SourceState, UnspentOutput};
    use astrape_primitives::Sat;
    use astrape_regtest::RegtestChain;
    use bitcoin::{Block, BlockHash, Transaction, Txid};
    use std::collections::BTreeSet;
    use std::future::Future;
    use std::pin::Pin;
    use std::sync::Arc;

    /// A chain of which the blocks below a height were deleted.
    struct Pruned(EmbeddedChain, Height);

    impl ChainSource for Pruned {
        fn state(&self) -> Answer<'_, SourceState> {
            self.0.state()
        }
        fn hash_at(&self, height: Height) -> Answer<'_, Option<BlockHash>> {
            self.0.hash_at(height)
        }
        fn block(&self, hash: BlockHash) -> Answer<'_, Option<Arc<Block>>> {
            let is_pruned =
                (0..self.1.0).any(|h| self.0.look(|chain| chain.hash_at(Height(h))) == Some(hash));
            if is_pruned {
                return Box::pin(async move { Err(SourceError::Pruned(hash)) });
            }
            self.0.block(hash)
        }
        fn broadcast<'a>(
            &'a self,
            package: &'a [Transaction],
        ) -> Pin<Box<dyn Future<Output = BroadcastResult> + Send + 'a>> {
            self.0.broadcast(package)
        }
        fn fees(&self) -> Answer<'_, FeeEstimates> {
            self.0.fees()
        }
        fn unspent(&self, outpoint: OutPoint) -> Answer<'_, Option<UnspentOutput>> {
            self.0.unspent(outpoint)
        }
        fn in_mempool(&self, txid: Txid) -> Answer<'_, bool> {
            self.0.in_mempool(txid)
        }
        fn spenders_in_mempool<'a>(&'a self, outpoints: &'a [OutPoint]) -> Answer<'a, BTreeSet<Txid>> {
            self.0.spenders_in_mempool(outpoints)
        }
        fn mempool_transaction(&self, txid: Txid) -> Answer<'_, Option<Transaction>> {
            self.0.mempool_transaction(txid)
        }
    }

    // attack 6
    #[tokio::test]
    async fn blocks_that_are_pruned_keep_no_spend_above_them_from_being_found() {
        let chain = EmbeddedChain::new();
        let script = RegtestChain::faucet_script();
        let paid = chain.change(|chain| chain.fund(&script, Sat(50_000))).expect("the faucet has coins");
        let tx = chain.look(|chain| chain.transaction(&paid.txid)).expect("it waits in the mempool").tx;
        chain.mine(1);
        let at = chain.look(RegtestChain::tip);
        let outputs = BTreeMap::from([(tx.input[0].previous_output, Height(1))]);
        let mut heights = 1..=at.height.0;
        let late = next_spend(&Pruned(chain.clone(), at.height), &mut heights, &outputs).await;
        let Ok(Some(ChainInput::Late { block, matched })) = late else {
            panic!("the spend is there: {late:?}")
        };
        assert_eq!((block, &*matched[0].tx), (at, &*tx));
        // Where it is pruned itself, the look back ends all the same.
        let pruned = Pruned(chain, at.height.plus(1));
        assert!(matches!(next_spend(&pruned, &mut (1..=at.height.0), &outputs).await, Ok(None)));
    }
}
