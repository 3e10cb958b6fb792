//! What the core is told beside blocks: whether the view is fresh, what fees are asked, what waits in the mempool.

use crate::engine::Shared;
use crate::engine::core::Stopped;
use astrape_chain::{ChainSource, FeeEstimates, MempoolView, Status};
use astrape_node::{ChainInput, Freshness, Input};
use astrape_primitives::{BlockId, FeeratePerKw, Feerates};
use bitcoin::OutPoint;
use std::sync::PoisonError;

/// Commitments shall confirm within so many blocks.
const FEE_TARGET: u16 = 6;

/// What the core was told last.
#[derive(Default)]
pub(super) struct Told {
    feerate: Option<FeeratePerKw>,
    estimates: Option<Feerates>,
    pub(super) mempool: MempoolView,
}

/// Tells the core whether what it sees of the chain can be relied on.
pub(super) async fn tell_freshness(shared: &Shared, status: &Status) -> Result<(), Stopped> {
    shared.core.input(Input::Chain(freshness(status))).await
}

pub(super) fn freshness(status: &Status) -> ChainInput {
    ChainInput::Freshness(match status {
        Status::Following { .. } => Freshness::Fresh,
        // Blocks are there that we, or our source, did not have.
        Status::Starting
        | Status::CatchingUp { .. }
        | Status::SourceBehind { .. }
        | Status::Unreachable { .. } => Freshness::Behind(status.to_string()),
        Status::Stale { .. } => Freshness::Doubtful(status.to_string()),
    })
}

/// Says so if the source has pruned blocks that have yet to be read: by the core, above its `tip`, by the wallet, or for a watch.
pub(super) async fn warn_of_pruned(shared: &Shared, source: &dyn ChainSource, tip: Option<BlockId>) {
    let wallet = shared.wallet.height().await.ok();
    let watched = shared.watches.lock().unwrap_or_else(PoisonError::into_inner).lowest_unscanned();
    let above = [tip.map(|tip| tip.height), wallet].into_iter().flatten().map(|height| height.plus(1));
    let Some(needed) = above.chain(watched).min() else { return };
    match source.pruned_below().await {
        Ok(Some(has)) if has > needed => tracing::error!(
            %needed, %has,
            "bitcoind has pruned blocks that this node has yet to read: it is asked to download them again one by one, for which \
             it needs peers that have all blocks; until it has them, what happened to coins and channels since is not found. If \
             that does not go on, start it with -reindex and a higher -prune or none"
        ),
        Ok(Some(has)) => {
            tracing::info!(%has, "bitcoind prunes: this node must not be off for longer than its blocks last")
        }
        Ok(None) => {}
        Err(error) => tracing::debug!(%error, "whether blocks are pruned cannot be asked now"),
    }
}

pub(super) async fn tell_fees(
    shared: &Shared,
    source: &dyn ChainSource,
    told: &mut Told,
) -> Result<(), Stopped> {
    match source.fees().await {
        Ok(fees) => tell_estimates(shared, &fees, told).await,
        Err(error) => {
            tracing::debug!(%error, "no feerate");
            Ok(())
        }
    }
}

/// The curve for claims and the one feerate for commitments, each when it is another than before.
async fn tell_estimates(shared: &Shared, fees: &FeeEstimates, told: &mut Told) -> Result<(), Stopped> {
    let feerate = shared.estimate.unwrap_or_else(|| fees.for_target(FEE_TARGET));
    let estimates = shared.estimate.map_or_else(|| fees.curve(), Feerates::flat);
    if told.estimates != Some(estimates) {
        told.estimates = Some(estimates);
        shared.core.input(Input::Chain(ChainInput::Estimates(estimates))).await?;
    }
    if told.feerate != Some(feerate) {
        tracing::info!(%feerate, guessed = fees.is_guessed(), "feerate");
        told.feerate = Some(feerate);
        shared.core.input(Input::Chain(ChainInput::Feerate(feerate))).await?;
    }
    Ok(())
}

/// Tells the core which unconfirmed transactions spend what it watches, when they are others than before.
pub(super) async fn tell_mempool(
    shared: &Shared,
    source: &dyn ChainSource,
    view: &mut MempoolView,
) -> Result<(), Stopped> {
    let outpoints: Vec<OutPoint> = {
        let watches = shared.watches.lock().unwrap_or_else(PoisonError::into_inner);
        watches.watch().outpoints().copied().collect()
    };
    match view.look(source, &outpoints).await {
        Ok(Some(txs)) => shared.core.input(Input::Chain(ChainInput::Mempool { txs })).await,
        Ok(None) => Ok(()),
        Err(error) => {
            tracing::debug!(%error, "the mempool cannot be looked at");
            Ok(())
        }
    }
}
