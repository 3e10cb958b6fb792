//! A peer's message as the core takes it: what needs no state is done here, in parallel for different peers.

use crate::engine::clock;
use crate::engine::lookup::Lookups;
use astrape_node::{FreshKeys, JournalError, PeerMessage, SeenOnion};
use astrape_onion::{Hop, PeelFailure, Peeled, peel};
use astrape_primitives::ChannelKeysId;
use astrape_transactions::signing::Signer;
use astrape_wire::{Message, UpdateAddHtlc};
use std::sync::Arc;

/// Keys for a channel that does not exist yet, under a random name.
pub(crate) fn fresh_keys(signer: &dyn Signer) -> FreshKeys {
    let id = ChannelKeysId(clock::fresh32());
    FreshKeys { id, keys: signer.channel_keys(&id) }
}

/// Prepares a message; `None` for one that the core has no use for.
///
/// # Errors
/// When the journal cannot be asked.
pub(crate) fn prepare(
    message: Message,
    signer: &dyn Signer,
    lookups: &Lookups,
) -> Result<Option<PeerMessage>, JournalError> {
    Ok(Some(match message {
        Message::OpenChannel(message) => {
            PeerMessage::OpenChannel { message: Box::new(message), keys: fresh_keys(signer) }
        }
        Message::UpdateAddHtlc(message) => {
            let onion = peel_one(&message, signer);
            let seen = match &onion {
                Ok(peeled) => lookups.onion_seen(&name_of(peeled))?,
                Err(_) => false,
            };
            PeerMessage::UpdateAddHtlc { message, onion: Arc::new(onion), seen }
        }
        message if message.channel_id().is_some() || matches!(message, Message::ChannelUpdate(_)) => {
            PeerMessage::Other(message)
        }
        // Gossip about others, onion messages, peer storage: not offered, and nothing that a channel waits for.
        _ => return Ok(None),
    }))
}

fn peel_one(message: &UpdateAddHtlc, signer: &dyn Signer) -> Result<Peeled, PeelFailure> {
    let packet = &message.onion_routing_packet;
    if message.path_key.is_some() {
        return Err(PeelFailure::blinded(packet));
    }
    peel(packet, &message.payment_hash, |point| signer.ecdh(point))
}

/// The name of an onion in the log of replays: as the core makes it of the HTLC that carries it.
fn name_of(peeled: &Peeled) -> SeenOnion {
    let expiry = match &peeled.hop {
        Hop::Forward { payload, .. } => payload.outgoing_cltv_value,
        Hop::Final { payload } => payload.outgoing_cltv_value,
    };
    SeenOnion { expiry, replay_id: peeled.shared_secret.replay_id() }
}
