//! Effects on their way out: signed, revealed, wrapped into onions. Runs after the commit, in parallel for different peers;
//! the daemon and the simulator use the same.

use crate::effect::{Announcement, Broadcast, Find, Parent, Speech};
use crate::input::SignerAnswer;
use astrape_channel::announcement::{announcement_signatures, signed_part};
use astrape_channel::output::revoke_and_ack;
use astrape_channel::{OnionSource, Outgoing, Signing};
use astrape_primitives::ChannelKeysId;
use astrape_transactions::signing::{Signer, SignerRefusal};
use astrape_wire::{ChannelUpdate, Message, UpdateAddHtlc};
use bitcoin::Transaction;
use bitcoin::hashes::Hash as _;
use bitcoin::secp256k1::PublicKey;
use bitcoin::secp256k1::ecdsa::Signature;
use bitcoin::secp256k1::{All, Secp256k1, SecretKey};

/// Why something cannot be said: an error of this node. The connection ends, since the peer must not be left with half of an
/// exchange that is recorded as whole. Where one channel is to blame, it stands still ([`SignerAnswer::Refused`]); otherwise the
/// process stops.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// The signer refuses what a channel wants said.
    #[error("the signer refuses for channel {channel}: {refusal}")]
    Channel {
        /// The channel.
        channel: ChannelKeysId,
        /// Why.
        refusal: SignerRefusal,
    },
    /// The signer refuses.
    #[error("the signer refuses: {0}")]
    Signer(#[from] SignerRefusal),
    /// An onion of ours cannot be built.
    #[error("an onion cannot be built: {0}")]
    Onion(#[from] astrape_onion::BuildError),
}

/// What goes to the peer, with what the signer answered beside it.
#[derive(Debug)]
pub struct Spoken {
    /// The message; none for a probe, which is the transport's.
    pub message: Option<Message>,
    /// For the core, and before the message leaves: the peer's answer may need it.
    pub answer: Option<SignerAnswer>,
}

/// Makes a message of what is to be said.
///
/// # Errors
/// When the signer refuses or an onion cannot be built.
pub fn speak(speech: Speech, signer: &dyn Signer) -> Result<Spoken, ReleaseError> {
    let message = match speech {
        Speech::Probe => return Ok(Spoken { message: None, answer: None }),
        Speech::Plain(message) | Speech::Channel(Outgoing::Plain(message)) => message,
        Speech::Channel(Outgoing::Sign(signing)) => sign(&signing, signer)?,
        Speech::Channel(Outgoing::AnnouncementSignatures { channel_id, keys, announcement }) => {
            let signatures = signer.sign_channel_announcement(&keys, &signed_part(&announcement))?;
            announcement_signatures(channel_id, &announcement, signatures)
        }
        Speech::Channel(Outgoing::Revoke { channel_id, request, next_per_commitment_point }) => {
            let (secret, point) = signer.reveal(&request).map_err(|e| unsaid(request.keys, e))?;
            let number = request.revoked.plus(3);
            let answer = SignerAnswer::Point { channel: request.keys, number, point };
            let message = revoke_and_ack(channel_id, secret, next_per_commitment_point);
            return Ok(Spoken { message: Some(message), answer: Some(answer) });
        }
        Speech::Channel(Outgoing::Add { channel_id, id, amount, payment_hash, cltv_expiry, onion }) => {
            let onion_routing_packet = match onion {
                OnionSource::Packet(packet) => packet,
                OnionSource::Recipe(recipe) => recipe.build()?,
            };
            Message::UpdateAddHtlc(UpdateAddHtlc {
                channel_id,
                id,
                amount_msat: amount,
                payment_hash,
                cltv_expiry,
                onion_routing_packet,
                path_key: None,
            })
        }
        Speech::SignChannelUpdate(mut update) => {
            update.signature = signature_of(&update, signer);
            Message::ChannelUpdate(*update)
        }
    };
    Ok(Spoken { message: Some(message), answer: None })
}

/// Signs what the network is told.
///
/// # Errors
/// When the signer refuses.
pub fn announce(announcement: Announcement, signer: &dyn Signer) -> Result<Message, ReleaseError> {
    Ok(match announcement {
        Announcement::Channel { keys, mut announcement, we_are_first, funding: _ } => {
            let (node, bitcoin) = signer.sign_channel_announcement(&keys, &signed_part(&announcement))?;
            if we_are_first {
                (announcement.node_signature_1, announcement.bitcoin_signature_1) = (node, bitcoin);
            } else {
                (announcement.node_signature_2, announcement.bitcoin_signature_2) = (node, bitcoin);
            }
            Message::ChannelAnnouncement(*announcement)
        }
        Announcement::Update(mut update) => {
            update.signature = signature_of(&update, signer);
            Message::ChannelUpdate(*update)
        }
        Announcement::PeerUpdate(update) => Message::ChannelUpdate((*update).clone()),
        Announcement::Node(mut node) => {
            node.signature = signer.sign_message(node.signed_hash().to_byte_array()).to_standard();
            Message::NodeAnnouncement(*node)
        }
    })
}

fn signature_of(update: &ChannelUpdate, signer: &dyn Signer) -> Signature {
    signer.sign_message(update.signed_hash().to_byte_array()).to_standard()
}

fn unsaid(channel: ChannelKeysId, refusal: SignerRefusal) -> ReleaseError {
    ReleaseError::Channel { channel, refusal }
}

fn sign(signing: &Signing, signer: &dyn Signer) -> Result<Message, ReleaseError> {
    let (signature, htlc_signatures) = match signing {
        Signing::FundingCreated { request, .. }
        | Signing::FundingSigned { request, .. }
        | Signing::CommitmentSigned { request, .. } => {
            signer.sign_remote_commitment(request).map_err(|e| unsaid(request.keys, e))?
        }
        Signing::ClosingSigned { request, .. } => {
            (signer.sign_closing(request).map_err(|e| unsaid(request.keys, e))?, Vec::new())
        }
    };
    Ok(signing.complete(signature, htlc_signatures))
}

/// Signs what is to be broadcast: one transaction, or parents and the child that pays for them, the child last.
///
/// # Errors
/// When the signer refuses.
pub fn sign_broadcast(broadcast: &Broadcast, signer: &dyn Signer) -> Result<Vec<Transaction>, ReleaseError> {
    let (parent, request) = match broadcast {
        Broadcast::Claim { request, parent, .. } => (parent, request),
        Broadcast::Wallet { request, parents } => {
            let all = parents.iter().chain([&**request]);
            return all.map(|request| Ok(signer.sign_wallet_inputs(request)?)).collect();
        }
        alone => return Ok(vec![sign_alone(alone, signer)?]),
    };
    let parent = match parent {
        Some(Parent::Commitment(request)) => Some(signer.sign_local_commitment(request)?),
        Some(Parent::Signed(tx)) => Some(Transaction::clone(tx)),
        None => None,
    };
    Ok(parent.into_iter().chain([signer.sign_claim(request)?]).collect())
}

fn sign_alone(broadcast: &Broadcast, signer: &dyn Signer) -> Result<Transaction, ReleaseError> {
    Ok(match broadcast {
        Broadcast::Claim { request, .. } => signer.sign_claim(request)?,
        Broadcast::Again(tx) => Transaction::clone(tx),
        Broadcast::Wallet { request, .. } => signer.sign_wallet_inputs(request)?,
        Broadcast::Commitment(request) => signer.sign_local_commitment(request)?,
        Broadcast::Closing { request, remote_signature } => {
            let local_signature = signer.sign_closing(request)?;
            request.signed(&local_signature, remote_signature)
        }
    })
}

/// Answers what the core asks of the signer; what it asks of the wallet, of the journal and of
/// path search is for the caller.
#[must_use]
pub fn find(find: &Find, signer: &dyn Signer, secp: &Secp256k1<All>) -> Option<SignerAnswer> {
    Some(match find {
        Find::Point { channel, number } => {
            SignerAnswer::Point { channel: *channel, number: *number, point: signer.point(channel, *number) }
        }
        Find::CheckSecret(check) => {
            let point = signer.point(&check.keys, check.number);
            let shown = SecretKey::from_slice(&check.secret).map(|s| PublicKey::from_secret_key(secp, &s));
            SignerAnswer::SecretChecked { channel: check.keys, genuine: shown == Ok(point) }
        }
        Find::SignUpdate(update) => {
            let signature = signature_of(update, signer);
            SignerAnswer::Update(Box::new(ChannelUpdate { signature, ..(**update).clone() }))
        }
        Find::ShutdownScript { .. } | Find::RetiredHtlcs { .. } | Find::Route(_) | Find::ProbeTargets => {
            return None;
        }
    })
}
