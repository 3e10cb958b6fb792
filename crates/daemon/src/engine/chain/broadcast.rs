//! Transactions on their way to the network: signed, submitted, and submitted again while they are not taken. The core says
//! with every block what is still owed, so nothing here needs to survive a restart.

use crate::engine::{Shared, clock};
use astrape_chain::BroadcastResult;
use astrape_node::{Broadcast, ChainInput, Input};
use bitcoin::{Transaction, Txid};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Broadcasts that wait to be signed. One that finds no room comes again with the next block.
pub(crate) const MAX_BROADCASTS: usize = 1_024;

/// Signed transactions that the source could not be asked to take, and that are tried again before the next block.
const MAX_UNSENT: usize = 1_024;

/// How long until they are.
const RETRY: Duration = Duration::from_secs(5);

/// Works off the queue until the engine stops. What is cut off then is owed again at the next start.
pub(crate) async fn run(shared: Arc<Shared>, queue: mpsc::Receiver<Broadcast>) {
    tokio::select! {
        () = shared.shutdown.begun() => {}
        () = work(&shared, queue) => {}
    }
}

async fn work(shared: &Arc<Shared>, mut queue: mpsc::Receiver<Broadcast>) {
    let mut unsent: BTreeMap<Txid, Transaction> = BTreeMap::new();
    loop {
        tokio::select! {
            broadcast = queue.recv() => {
                let Some(broadcast) = broadcast else { return };
                if let Some(tx) = sign(shared, broadcast).await {
                    send(shared, tx, &mut unsent).await;
                }
            }
            () = tokio::time::sleep(RETRY), if !unsent.is_empty() => {
                for (_, tx) in std::mem::take(&mut unsent) {
                    send(shared, tx, &mut unsent).await;
                }
            }
        }
    }
}

/// Signs a transaction. A signer that refuses leaves it unsent: stopping would not bring it into the chain either.
async fn sign(shared: &Arc<Shared>, broadcast: Broadcast) -> Option<Transaction> {
    let of_wallet = matches!(broadcast, Broadcast::Wallet(_));
    let signer = Arc::clone(&shared.signer);
    let signing =
        tokio::task::spawn_blocking(move || astrape_node::release::sign_broadcast(&broadcast, &*signer));
    match signing.await {
        Ok(Ok(tx)) => {
            if of_wallet {
                shared.wallet.note_unconfirmed(shared, &tx).await;
            }
            Some(tx)
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

async fn send(shared: &Shared, tx: Transaction, unsent: &mut BTreeMap<Txid, Transaction>) {
    let txid = tx.compute_txid();
    let began = clock::now();
    let refused = match shared.source.broadcast(std::slice::from_ref(&tx)).await {
        BroadcastResult::Accepted => {
            tracing::info!(%txid, "broadcast");
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
                unsent.insert(txid, tx);
            }
            return;
        }
    };
    // When the core has stopped, the same is owed again at the next start.
    let _ = shared.core.input(Input::Chain(ChainInput::BroadcastResult { txid, refused })).await;
}
