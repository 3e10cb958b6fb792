//! Effects on their way out. Runs on the commit thread and never waits: what cannot go on at once goes into a bounded queue,
//! or is dropped where it comes again.

use super::{Shared, router, targets, trips};
use anyhow::Context as _;
use astrape_node::{ChannelFact, Effect, Fact, Find, Found, Input, JournalError, SignerAnswer};
use astrape_transactions::Keychain;
use std::sync::{Arc, PoisonError};
use tokio::runtime::Handle as Runtime;

/// Takes those out that make what readers look for beside the node: before it is published without that.
pub(crate) fn remember(shared: &Arc<Shared>, runtime: &Runtime, effects: &mut Vec<Effect>) {
    let taught = effects.extract_if(.., |effect| matches!(effect, Effect::Teach(_)));
    // In their order, and before all others.
    let_out(shared, runtime, taught.collect());
}

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
                if !shared.broadcasts.push(broadcast) {
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
                super::alarms::tell(&entry);
                shared.outcomes.tell(&entry);
                // Nobody may be listening.
                drop(shared.facts.send(entry));
            }
            Effect::Announce(announcement) => shared.gossip.announce(announcement),
            Effect::Find(Find::Route(query)) => router::search(shared, runtime, query),
            Effect::Find(Find::ProbeTargets) => targets::look_up(shared, runtime),
            Effect::Find(find) => answer(shared, runtime, find),
            Effect::Teach(trip) => trips::take(shared, runtime, *trip),
        }
    }
}

/// Asks the signer, the wallet or the journal. Each may take its time.
fn answer(shared: &Arc<Shared>, runtime: &Runtime, find: Find) {
    let shared = Arc::clone(shared);
    runtime.spawn(async move {
        match found(&shared, find).await {
            // When the core has stopped, the same is asked again at the next start.
            Ok(answer) => {
                let _ = shared.core.input(answer).await;
            }
            Err(error) => shared.shutdown.fail(error),
        }
    });
}

async fn found(shared: &Arc<Shared>, find: Find) -> anyhow::Result<Input> {
    if let Find::ShutdownScript { channel } = find {
        shared.wallet.begun().await;
        let script = shared.wallet.new_address(Keychain::External).await?.script_pubkey();
        return Ok(Input::Signer(SignerAnswer::ShutdownScript { channel, script }));
    }
    if let Find::RetiredHtlcs { channel, number } = find {
        let shared = Arc::clone(shared);
        let looking = move || shared.lookups.read(|reader| reader.retired_htlcs(&channel, number));
        let rows = tokio::task::spawn_blocking(looking).await.context("a lookup panicked")?;
        let rows = match rows {
            // They only add claims: what the thief's commitment pays to itself is taken all the same.
            Err(JournalError::Damaged(what)) => {
                tracing::error!(%channel, %what, "the archive of a channel is damaged: HTLCs of a revoked commitment are not claimed");
                Vec::new()
            }
            rows => rows?,
        };
        return Ok(Input::Found(Found::RetiredHtlcs { channel, number, rows }));
    }
    let signer = Arc::clone(&shared.signer);
    let asking = tokio::task::spawn_blocking(move || {
        astrape_node::release::find(&find, &*signer, &bitcoin::secp256k1::Secp256k1::new())
    });
    let answer = asking.await.context("the signer panicked")?;
    Ok(Input::Signer(answer.context("the core asked what the signer does not know")?))
}
