//! Spends in blocks that were told before it was known that they count.

use crate::engine::Shared;
use crate::engine::core::Stopped;
use astrape_chain::{BlockChange, ChainSource, SourceError, Watch};
use astrape_node::{ChainInput, Input};
use astrape_primitives::{BlockId, ChainEvent, ConfirmedTx, Height};
use bitcoin::OutPoint;
use std::collections::BTreeMap;
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
        for height in (lowest.0..=tip.height.0).map(Height) {
            match spends_at(source, height, &unscanned).await {
                Ok(None) => {}
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
