//! What peers have paid out of channels that this node does not know: searched in the chain by scripts that follow from the seed, and
//! swept to the wallet. Nothing of it is kept: what did not get into the chain is found again.

use super::Shared;
use anyhow::Context as _;
use astrape_chain::{BroadcastResult, FoundOutput, SourceError, Status};
use astrape_node::Node;
use astrape_onchain::stray::{self, Stray, Sweep};
use astrape_primitives::{FeeratePerKw, Sat};
use astrape_signer::channel::payment_key_names;
use astrape_transactions::Keychain;
use bitcoin::{OutPoint, ScriptBuf, Txid};
use std::sync::Arc;
use std::time::Duration;

/// How long a new wallet may look for its place in the chain.
const BEGIN_TIMEOUT: Duration = Duration::from_secs(10);

/// Why nothing was searched, or swept.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// Another search is under way.
    #[error("another search is under way: wait for it")]
    Busy,
    /// The node does not see the chain as it is now: it may be about to learn of these outputs.
    #[error(
        "the node does not see the end of the chain yet ({0}): try again when `astrape getinfo` says that it does"
    )]
    NotAtTip(Status),
    /// The source cannot be asked.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Something of ours failed.
    #[error(transparent)]
    Failed(#[from] anyhow::Error),
}

/// What was found, and done with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// What nobody claims.
    pub found: Vec<Found>,
    /// The transactions that bring it home.
    pub sweeps: Vec<Swept>,
}

/// One output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where it is.
    pub outpoint: OutPoint,
    /// What it is worth.
    pub value: Sat,
    /// How deep it is.
    pub confirmations: u32,
    /// By which transaction it comes home, if by any.
    pub swept_by: Option<Txid>,
}

/// One transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swept {
    /// Its id.
    pub txid: Txid,
    /// What it brings.
    pub amount: Sat,
    /// What it costs.
    pub fee: Sat,
    /// Why the network has not taken it, in the source's words.
    pub refused: Option<String>,
}

/// Searches, and sweeps what is found if `feerate` is given.
pub(crate) async fn recover(
    shared: &Arc<Shared>,
    feerate: Option<FeeratePerKw>,
) -> Result<Recovered, RecoverError> {
    let _only_one = shared.recovering.try_lock().map_err(|_| RecoverError::Busy)?;
    let status = shared.chain_status.borrow().clone();
    if !status.is_at_tip() {
        return Err(RecoverError::NotAtTip(status));
    }
    let strays = search(shared).await?;
    let mut recovered = Recovered { found: strays.iter().map(found).collect(), sweeps: Vec::new() };
    let Some(feerate) = feerate else { return Ok(recovered) };
    for sweep in sweeps(shared, &strays, feerate).await? {
        let inputs: Vec<OutPoint> =
            sweep.request.tx.input.iter().map(|input| input.previous_output).collect();
        let swept = send(shared, sweep).await?;
        for found in recovered.found.iter_mut().filter(|found| inputs.contains(&found.outpoint)) {
            found.swept_by = swept.refused.is_none().then_some(swept.txid);
        }
        recovered.sweeps.push(swept);
    }
    Ok(recovered)
}

fn found(stray: &Stray) -> Found {
    let Stray { outpoint, value, confirmations, .. } = stray;
    Found { outpoint: *outpoint, value: *value, confirmations: *confirmations, swept_by: None }
}

/// The outputs in the chain that pay to a payment key of ours, and that no channel which is known follows.
async fn search(shared: &Arc<Shared>) -> Result<Vec<Stray>, RecoverError> {
    let signer = Arc::clone(&shared.signer);
    let deriving = move || {
        let payment = |keys| (keys, signer.channel_keys(&keys).basepoints.payment);
        stray::scripts(payment_key_names().map(payment))
    };
    let scripts = tokio::task::spawn_blocking(deriving).await.context("the signer panicked")?;
    let list: Vec<ScriptBuf> = scripts.keys().cloned().collect();
    let found = shared.source.find_unspent(&list).await?;
    let node = shared.published.get();
    let unknown = found.into_iter().filter(|found| !is_followed(&node, &found.outpoint));
    let stray = |FoundOutput { outpoint, value, script, confirmations }: FoundOutput| {
        let key = scripts.get(&script)?.clone();
        Some(Stray { outpoint, value, script, key, confirmations })
    };
    Ok(unknown.filter_map(stray).collect())
}

/// Whether the node follows an output itself, as one of a channel that it knows.
fn is_followed(node: &Node, outpoint: &OutPoint) -> bool {
    let resolutions = node.channels().filter_map(|(keys, _)| node.resolution(&keys));
    resolutions.into_iter().any(|resolution| resolution.outputs.contains_key(outpoint))
}

/// The transactions, each to an address of its own that was written down before.
async fn sweeps(
    shared: &Shared,
    strays: &[Stray],
    feerate: FeeratePerKw,
) -> Result<Vec<Sweep>, RecoverError> {
    let begun = tokio::time::timeout(BEGIN_TIMEOUT, shared.wallet.begun()).await;
    begun.context("the on-chain wallet has not begun")?;
    let mut scripts = Vec::new();
    for _ in 0..stray::sweeps(strays, feerate, ScriptBuf::new).len() {
        scripts.push(shared.wallet.new_address(Keychain::External).await?.script_pubkey());
    }
    Ok(stray::sweeps(strays, feerate, || scripts.pop().unwrap_or_default()))
}

async fn send(shared: &Arc<Shared>, sweep: Sweep) -> Result<Swept, RecoverError> {
    let Sweep { request, amount, fee } = sweep;
    let signer = Arc::clone(&shared.signer);
    let signing = tokio::task::spawn_blocking(move || signer.sign_claim(&request));
    let signed = signing.await.context("the signer panicked")?;
    let tx = signed.context("what was found cannot be signed for")?;
    let txid = tx.compute_txid();
    let refused = match shared.source.broadcast(&[tx]).await {
        BroadcastResult::Accepted | BroadcastResult::AlreadyKnown => None,
        BroadcastResult::Rejected(reason) | BroadcastResult::Unreachable(reason) => Some(reason),
    };
    tracing::info!(%txid, %amount, %fee, ?refused, "what peers paid out of unknown channels is swept");
    Ok(Swept { txid, amount, fee, refused })
}
