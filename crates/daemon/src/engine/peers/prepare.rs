//! A peer's messages as the core takes them: what needs no state is done here, in parallel for different peers.

use crate::engine::clock;
use crate::engine::lookup::Lookups;
use astrape_node::{FreshKeys, JournalError, PeerEvent, PeerMessage, SeenOnion};
use astrape_onion::{Hop, PeelFailure, Peeled, peel};
use astrape_primitives::{ChannelKeysId, PaymentHash, in_parallel};
use astrape_transactions::signing::Signer;
use astrape_wire::{Message, UpdateAddHtlc};
use std::sync::Arc;

/// From so many onions on, several threads peel them, some 60 microseconds each: below, starting a thread costs more than it saves.
const MIN_PARALLEL: usize = 8;

/// Keys for a channel that does not exist yet, under a random name.
pub(crate) fn fresh_keys(signer: &dyn Signer) -> FreshKeys {
    let id = ChannelKeysId(clock::fresh32());
    FreshKeys { id, keys: signer.channel_keys(&id) }
}

/// Something of a peer that the core shall know, in the order in which it came.
pub(crate) enum Heard {
    Event(PeerEvent),
    Message(Message),
}

/// Whether the core has a use for a message. It has none for gossip about others, onion messages, peer storage: not offered, and
/// nothing that a channel waits for.
pub(crate) fn is_for_core(message: &Message) -> bool {
    message.channel_id().is_some()
        || matches!(
            message,
            Message::OpenChannel(_)
                | Message::ChannelAnnouncement(_)
                | Message::ChannelUpdate(_)
                | Message::UpdateAddHtlc(_)
        )
}

/// Prepares what came together, in its order: onions are peeled on several threads when there are many, and looked up at once.
///
/// # Errors
/// When the journal cannot be asked.
pub(crate) fn prepare(
    heard: Vec<Heard>,
    signer: &dyn Signer,
    lookups: &Lookups,
) -> Result<Vec<PeerEvent>, JournalError> {
    let adds = heard.iter().filter_map(|heard| match heard {
        Heard::Message(Message::UpdateAddHtlc(add)) => Some(add),
        _ => None,
    });
    let adds: Vec<_> = adds.collect();
    let mut onions = in_parallel(&adds, MIN_PARALLEL, |add| peel_one(add, signer));
    for (add, onion) in adds.iter().zip(&mut onions) {
        refuse_known_keysend(&add.payment_hash, onion, lookups)?;
    }
    let names: Vec<_> = onions.iter().flatten().map(name_of).collect();
    let mut seen = lookups.onions_seen(&names)?.into_iter();
    let mut onions = onions.into_iter();
    let prepared = heard.into_iter().map(|heard| match heard {
        Heard::Event(event) => event,
        Heard::Message(Message::UpdateAddHtlc(message)) => {
            let onion = onions.next().expect("each was peeled");
            let seen = onion.is_ok() && seen.next().expect("each that could be was looked up");
            PeerEvent::Message(PeerMessage::UpdateAddHtlc { message, onion: Arc::new(onion), seen })
        }
        Heard::Message(Message::OpenChannel(message)) => {
            let keys = fresh_keys(signer);
            PeerEvent::Message(PeerMessage::OpenChannel { message: Box::new(message), keys })
        }
        Heard::Message(message) => PeerEvent::Message(PeerMessage::Other(message)),
    });
    Ok(prepared.collect())
}

fn peel_one(message: &UpdateAddHtlc, signer: &dyn Signer) -> Result<Peeled, PeelFailure> {
    let packet = &message.onion_routing_packet;
    if message.path_key.is_some() {
        return Err(PeelFailure::blinded(packet));
    }
    peel(packet, &message.payment_hash, |point| signer.ecdh(point))
}

/// A payment without an invoice whose hash this node knows from an earlier payment is none: with a preimage that others have learnt,
/// anybody could change for a millisatoshi what is told of that payment. Without its preimage it is for an invoice that is not there.
fn refuse_known_keysend(
    hash: &PaymentHash,
    onion: &mut Result<Peeled, PeelFailure>,
    lookups: &Lookups,
) -> Result<(), JournalError> {
    let Ok(Peeled { hop: Hop::Final { payload }, .. }) = onion else { return Ok(()) };
    if payload.keysend_preimage.is_none() {
        return Ok(());
    }
    let is_known = match lookups.payment(hash) {
        // Whoever finds out which row is damaged must not be able to end the node with it.
        Err(JournalError::Damaged(what)) => {
            tracing::error!(%hash, %what, "what is told of a payment is damaged: a payment without an invoice is refused for it");
            true
        }
        known => known?.is_some(),
    };
    if is_known {
        payload.keysend_preimage = None;
    }
    Ok(())
}

/// The name of an onion in the log of replays: as the core makes it of the HTLC that carries it.
fn name_of(peeled: &Peeled) -> SeenOnion {
    let expiry = match &peeled.hop {
        Hop::Forward { payload, .. } => payload.outgoing_cltv_value,
        Hop::Final { payload } => payload.outgoing_cltv_value,
    };
    SeenOnion { expiry, replay_id: peeled.shared_secret.replay_id() }
}

#[cfg(test)]
mod tests;
