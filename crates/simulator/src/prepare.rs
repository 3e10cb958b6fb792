//! From bytes to an input: decode, peel, look up. What a daemon does in parallel for each peer.

use crate::machine::{Machine, Taken};
use crate::violation::{Checker, Violation};
use astrape_node::{FreshKeys, Journal as _, PeerMessage, SeenOnion};
use astrape_onion::{Hop, PeelFailure, Peeled, peel};
use astrape_primitives::ChannelKeysId;
use astrape_transactions::signing::Signer as _;
use astrape_wire::{Decoded, Message, UpdateAddHtlc};
use std::sync::Arc;

impl Machine {
    /// Reads a message of a peer. `fresh` are random bytes for a channel that it may ask for.
    pub(crate) fn prepare(
        &self,
        bytes: &[u8],
        fresh: [u8; 32],
    ) -> Result<Option<(PeerMessage, Taken)>, Violation> {
        let message = match Message::decode(bytes) {
            Ok(Decoded::Known(message)) => message,
            Ok(Decoded::IgnoredOdd(_)) => return Ok(None),
            Err(error) => {
                return Err(Violation::new(
                    Checker::Release,
                    format!("what was sent is unreadable: {error}"),
                ));
            }
        };
        let taken = match &message {
            Message::ChannelReestablish(m) => Taken::Reestablish(m.channel_id),
            Message::UpdateFulfillHtlc(m) => Taken::Preimage(m.payment_preimage.payment_hash()),
            _ => Taken::Other,
        };
        let prepared = match message {
            Message::OpenChannel(message) => {
                PeerMessage::OpenChannel { message: Box::new(message), keys: self.fresh_keys(fresh) }
            }
            Message::UpdateAddHtlc(message) => self.prepare_add(message)?,
            other => PeerMessage::Other(other),
        };
        Ok(Some((prepared, taken)))
    }

    /// Keys of a channel that does not exist yet.
    pub(crate) fn fresh_keys(&self, bytes: [u8; 32]) -> FreshKeys {
        let id = ChannelKeysId(bytes);
        FreshKeys { id, keys: self.signer.channel_keys(&id) }
    }

    fn prepare_add(&self, message: UpdateAddHtlc) -> Result<PeerMessage, Violation> {
        let onion = match &message.path_key {
            Some(_) => Err(PeelFailure::blinded(&message.onion_routing_packet)),
            None => {
                peel(&message.onion_routing_packet, &message.payment_hash, |point| self.signer.ecdh(point))
            }
        };
        let seen = match &onion {
            Ok(peeled) => self.disk.onion_seen(&seen_onion(peeled)).map_err(|error| {
                Violation::new(
                    Checker::Release,
                    format!("the journal cannot say whether an onion was seen: {error}"),
                )
            })?,
            Err(_) => false,
        };
        Ok(PeerMessage::UpdateAddHtlc { message, onion: Arc::new(onion), seen })
    }
}

/// The replay log's name for an onion.
fn seen_onion(peeled: &Peeled) -> SeenOnion {
    let expiry = match &peeled.hop {
        Hop::Forward { payload, .. } => payload.outgoing_cltv_value,
        Hop::Final { payload } => payload.outgoing_cltv_value,
    };
    SeenOnion { expiry, replay_id: peeled.shared_secret.replay_id() }
}
