//! What the core is told beside blocks: whether the view is fresh, what fees are asked, what waits in the mempool.

use crate::engine::core::Stopped;
use crate::engine::{Shared, clock};
use astrape_chain::{ChainSource, FeeEstimates, MempoolView, Status};
use astrape_node::{ChainInput, Freshness, Input};
use astrape_primitives::{BlockId, FeeratePerKw, Feerates};
use bitcoin::OutPoint;
use std::sync::PoisonError;
use tokio::sync::watch;

/// Commitments shall confirm within so many blocks.
const FEE_TARGET: u16 = 6;

/// What the core was told last.
#[derive(Default)]
pub(super) struct Told {
    feerate: Option<FeeratePerKw>,
    estimates: Option<Feerates>,
}

impl Told {
    /// Whether no feerate was told yet.
    pub(super) fn knows_no_fees(&self) -> bool {
        self.feerate.is_none()
    }
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
    let watched = shared.watches.lock().unwrap_or_else(PoisonError::into_inner).lowest_unseen();
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

/// Tells the core what fees are asked. A feerate that stands in for the source's estimates is not asked for.
pub(super) async fn tell_fees(
    shared: &Shared,
    source: &dyn ChainSource,
    told: &mut Told,
) -> Result<(), Stopped> {
    let fees = match shared.estimate {
        Some(_) => None,
        None => match source.fees().await {
            Ok(fees) => Some(fees),
            Err(error) => {
                if shared.hearing().no_fees(error.to_string()) {
                    tracing::warn!(%error, "the chain source tells no feerate");
                }
                return Ok(());
            }
        },
    };
    let is_guessed = fees.as_ref().is_some_and(FeeEstimates::is_guessed);
    shared.hearing().fees(clock::now(), is_guessed);
    let fixed = shared.estimate.map(|feerate| (feerate, Feerates::flat(feerate)));
    let known = fees.map(|fees| (fees.for_target(FEE_TARGET), fees.curve()));
    let Some((feerate, estimates)) = fixed.or(known) else { return Ok(()) };
    tell_estimates(shared, (feerate, is_guessed), estimates, told).await
}

/// The curve for claims and the one feerate for commitments, each when it is another than before.
async fn tell_estimates(
    shared: &Shared,
    (feerate, guessed): (FeeratePerKw, bool),
    estimates: Feerates,
    told: &mut Told,
) -> Result<(), Stopped> {
    if told.estimates != Some(estimates) {
        told.estimates = Some(estimates);
        shared.core.input(Input::Chain(ChainInput::Estimates(estimates))).await?;
    }
    if told.feerate != Some(feerate) {
        tracing::info!(%feerate, guessed, "feerate");
        told.feerate = Some(feerate);
        shared.core.input(Input::Chain(ChainInput::Feerate(feerate))).await?;
    }
    Ok(())
}

/// Tells the core which unconfirmed transactions spend what it watches, when they are others than before. What was seen before a block
/// that was told meanwhile is not told: it may be in that block.
pub(super) async fn tell_mempool(
    shared: &Shared,
    source: &dyn ChainSource,
    view: &mut MempoolView,
    tip: &mut watch::Receiver<BlockId>,
) -> Result<(), Stopped> {
    let before = *tip.borrow_and_update();
    let outpoints: Vec<OutPoint> = {
        let watches = shared.watches.lock().unwrap_or_else(PoisonError::into_inner);
        watches.watch().outpoints().copied().collect()
    };
    let mut newest = view.clone();
    let seen = match newest.look(source, &outpoints).await {
        Ok(seen) => seen,
        Err(error) => {
            if shared.hearing().no_mempool(clock::now(), error.to_string()) {
                tracing::warn!(%error, "the mempool cannot be looked at");
            }
            return Ok(());
        }
    };
    shared.hearing().mempool();
    let Some(txs) = seen else { return Ok(()) };
    let _order = shared.wallet.order.lock().await;
    if *tip.borrow() != before {
        return Ok(());
    }
    *view = newest;
    shared.core.input(Input::Chain(ChainInput::Mempool { txs })).await
}
