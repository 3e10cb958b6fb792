//! Effects on their way out. Runs on the commit thread and never waits: what cannot go on at once goes into a bounded queue,
//! or is dropped where it comes again.

use super::Shared;
use anyhow::Context as _;
use astrape_node::{ChannelFact, Effect, Fact, Find, Input, SignerAnswer};
use astrape_transactions::Keychain;
use std::sync::{Arc, PoisonError};
use tokio::runtime::Handle as Runtime;

/// Lets effects out, in their order.
pub(crate) fn let_out(shared: &Arc<Shared>, runtime: &Runtime, effects: Vec<Effect>) {
    for effect in effects {
        match effect {
            Effect::Send { peer, speech } => {
                // Whoever is gone is told when it comes back.
                if let Some(link) = shared.peers.get(&peer) {
                    link.say(speech);
                }
            }
            Effect::Disconnect { peer, reason } => {
                tracing::warn!(%peer, %reason, "disconnecting");
                if let Some(link) = shared.peers.get(&peer) {
                    link.close();
                }
            }
            Effect::Broadcast(broadcast) => {
                if shared.broadcasts.try_send(broadcast).is_err() {
                    tracing::warn!("too many transactions to broadcast: one waits for the next block");
                }
            }
            Effect::Watch(wish) => {
                shared.watches.lock().unwrap_or_else(PoisonError::into_inner).apply(wish);
            }
            Effect::Reply { command, reply } => shared.commands.answer(command, reply),
            Effect::Publish(entry) => {
                if let Fact::Channel { peer, event: ChannelFact::Opened { .. }, .. } = &entry.fact {
                    shared.peers.add_of_channels(*peer);
                }
                // Nobody may be listening.
                drop(shared.facts.send(entry));
            }
            Effect::Find(find) => answer(shared, runtime, find),
        }
    }
}

/// Asks the signer, or the wallet. Either may take its time.
fn answer(shared: &Arc<Shared>, runtime: &Runtime, find: Find) {
    let shared = Arc::clone(shared);
    runtime.spawn(async move {
        match found(&shared, find).await {
            // When the core has stopped, the same is asked again at the next start.
            Ok(answer) => {
                let _ = shared.core.input(Input::Signer(answer)).await;
            }
            Err(error) => shared.shutdown.fail(error),
        }
    });
}

async fn found(shared: &Shared, find: Find) -> anyhow::Result<SignerAnswer> {
    if let Find::ShutdownScript { channel } = find {
        let script = shared.wallet.new_address(Keychain::External).await?.script_pubkey();
        return Ok(SignerAnswer::ShutdownScript { channel, script });
    }
    let signer = Arc::clone(&shared.signer);
    let asking = tokio::task::spawn_blocking(move || {
        astrape_node::release::find(&find, &*signer, &bitcoin::secp256k1::Secp256k1::new())
    });
    asking.await.context("the signer panicked")?.context("the core asked what the signer does not know")
}
