//! Transactions on their way to the network: signed, submitted, and submitted again while they are not taken. The core says
//! with every block what is still owed, so nothing here needs to survive a restart.

mod waiting;

pub(crate) use waiting::WaitingBroadcasts;

use crate::engine::{Shared, clock};
use astrape_chain::BroadcastResult;
use astrape_node::{Broadcast, ChainInput, Input};
use bitcoin::{Transaction, Txid};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Signed packages that the source could not be asked to take, and that are tried again before the next block.
const MAX_UNSENT: usize = 1_024;

/// How long until they are.
const RETRY: Duration = Duration::from_secs(5);

/// Works off the queue until the engine stops. What is cut off then is owed again at the next start.
pub(crate) async fn run(shared: Arc<Shared>) {
    tokio::select! {
        () = shared.shutdown.begun() => {}
        () = work(&shared) => {}
    }
}

async fn work(shared: &Arc<Shared>) {
    let mut unsent: BTreeMap<Txid, Vec<Transaction>> = BTreeMap::new();
    loop {
        tokio::select! {
            broadcast = shared.broadcasts.next() => {
                if let Some(package) = sign(shared, broadcast).await {
                    send(shared, package, &mut unsent).await;
                }
            }
            () = tokio::time::sleep(RETRY), if !unsent.is_empty() => {
                for (_, package) in std::mem::take(&mut unsent) {
                    send(shared, package, &mut unsent).await;
                }
            }
        }
    }
}

/// Signs a transaction, or a parent and its child. A signer that refuses leaves it unsent: stopping would not bring it into the chain either.
async fn sign(shared: &Arc<Shared>, broadcast: Broadcast) -> Option<Vec<Transaction>> {
    let of_wallet = matches!(broadcast, Broadcast::Wallet { .. });
    let signer = Arc::clone(&shared.signer);
    let signing =
        tokio::task::spawn_blocking(move || astrape_node::release::sign_broadcast(&broadcast, &*signer));
    match signing.await {
        Ok(Ok(package)) => {
            if of_wallet {
                for tx in &package {
                    shared.wallet.note_unconfirmed(shared, tx).await;
                }
            }
            Some(package)
        }
        Ok(Err(error)) => {
            tracing::error!(%error, "a transaction cannot be signed and is not broadcast");
            None
        }
        Err(error) => {
            shared.shutdown.fail(format_args!("signing panicked: {error}"));
            None
        }
    }
}

async fn send(shared: &Shared, package: Vec<Transaction>, unsent: &mut BTreeMap<Txid, Vec<Transaction>>) {
    let Some(txid) = package.last().map(Transaction::compute_txid) else { return };
    let began = clock::now();
    let refused = match shared.source.broadcast(&package).await {
        BroadcastResult::Accepted => {
            tracing::info!(%txid, transactions = package.len(), "broadcast");
            None
        }
        BroadcastResult::AlreadyKnown => None,
        BroadcastResult::Rejected(reason) => {
            tracing::warn!(%txid, %reason, "a transaction is refused by the network");
            Some(reason)
        }
        BroadcastResult::Unreachable(reason) => {
            tracing::warn!(%txid, %reason, millis = clock::now().since(began), "a transaction cannot be broadcast now");
            if unsent.len() < MAX_UNSENT {
                unsent.insert(txid, package);
            }
            return;
        }
    };
    // When the core has stopped, the same is owed again at the next start.
    let _ = shared.core.input(Input::Chain(ChainInput::BroadcastResult { txid, refused })).await;
}
