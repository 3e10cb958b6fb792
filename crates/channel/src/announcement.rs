//! The announcement of a channel, as its two ends agree on it (BOLT 7 `announcement_signatures`).
//!
//! A `channel_announcement` needs four signatures, two of each end. The peer's are kept with the funding that they are
//! for; ours the signer makes again whenever they are needed. A funding that leaves the chain takes all of it along.

use crate::channel::Open;
use crate::policy::View;
use astrape_primitives::{ChannelId, NodeId, ShortChannelId};
use astrape_wire::{AnnouncementSignatures, ChannelAnnouncement, Message};
use bitcoin::hashes::Hash as _;
use bitcoin::secp256k1::{Message as Digest, ecdsa::Signature};

/// Confirmations of the funding from which a channel is announced: a shallower one may move to another block and then has
/// another `short_channel_id` (BOLT 7).
pub const ANNOUNCEMENT_DEPTH: u32 = 6;

/// How far the announcement of a funding is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Announcement {
    /// Whether we have sent our signatures.
    pub sent: bool,
    /// The peer's signatures, verified.
    pub received: Option<AnnouncementHalf>,
}

impl Announcement {
    /// Whether both ends have given their signatures.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.sent && self.received.is_some()
    }
}

/// One end's signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnnouncementHalf {
    /// By its node key.
    pub node_signature: Signature,
    /// By its funding key.
    pub bitcoin_signature: Signature,
}

/// What of it lives as long as a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AnnouncementLink {
    /// Whether we have sent our signatures on this connection.
    pub sent: bool,
    /// Whether the peer has sent its own on this connection: it is answered with ours.
    pub asked: bool,
    /// The peer's, come before its `channel_reestablish` or before the funding was deep enough for us.
    pub early: Option<Box<AnnouncementSignatures>>,
}

impl Open {
    /// Where the funding stands in the chain (BOLT 7). None before it is confirmed.
    #[must_use]
    pub fn short_channel_id(&self) -> Option<ShortChannelId> {
        let confirmed = self.funding.confirmed?;
        ShortChannelId::new(confirmed.height.0, confirmed.index, self.funding.terms.outpoint.vout)
    }

    /// Whether the network may know of the channel: both ends have signed its announcement.
    #[must_use]
    pub fn is_announced(&self) -> bool {
        self.funding.confirmed.is_some() && self.announcement.is_complete()
    }

    /// The `channel_announcement` with the peer's signatures, where they are there, and zeroes for ours; none before the
    /// funding is confirmed.
    #[must_use]
    pub fn channel_announcement(&self, our_id: NodeId, chain_hash: [u8; 32]) -> Option<ChannelAnnouncement> {
        let terms = &self.funding.terms;
        let ours = (our_id, terms.local.basepoints.funding, None);
        let theirs = (self.params.peer, terms.remote.basepoints.funding, self.announcement.received.as_ref());
        let (first, second) = if our_id < self.params.peer { (ours, theirs) } else { (theirs, ours) };
        let node = |half: Option<&AnnouncementHalf>| half.map_or_else(unsigned, |h| h.node_signature);
        let bitcoin = |half: Option<&AnnouncementHalf>| half.map_or_else(unsigned, |h| h.bitcoin_signature);
        Some(ChannelAnnouncement {
            node_signature_1: node(first.2),
            node_signature_2: node(second.2),
            bitcoin_signature_1: bitcoin(first.2),
            bitcoin_signature_2: bitcoin(second.2),
            // BOLT 9 gives no feature that is told here.
            features: Default::default(),
            chain_hash,
            short_channel_id: self.short_channel_id()?,
            node_id_1: first.0.into(),
            node_id_2: second.0.into(),
            bitcoin_key_1: first.1,
            bitcoin_key_2: second.1,
            extension: Default::default(),
        })
    }

    /// Whether these are the peer's signatures on the announcement of this channel.
    pub(crate) fn is_signed_by_peer(&self, half: &AnnouncementHalf, view: &View<'_>) -> bool {
        let Some(announcement) = self.channel_announcement(view.our_id, view.policy.network.chain_hash())
        else {
            return false;
        };
        let digest = Digest::from_digest(announcement.signed_hash().to_byte_array());
        let (node_key, funding_key) = (self.params.peer.key(), self.funding.terms.remote.basepoints.funding);
        let holds = |signature, key| view.secp.verify_ecdsa(&digest, signature, key).is_ok();
        holds(&half.node_signature, &node_key) && holds(&half.bitcoin_signature, &funding_key)
    }
}

/// The bytes that all four signatures of an announcement sign: from its features on (BOLT 7).
#[must_use]
pub fn signed_part(announcement: &ChannelAnnouncement) -> Vec<u8> {
    const TYPE_AND_SIGNATURES: usize = 2 + 4 * 64;
    let message = Message::ChannelAnnouncement(announcement.clone());
    message.encode().expect("an announcement of ours is short").split_off(TYPE_AND_SIGNATURES)
}

/// `announcement_signatures`, with what the signer answered to [`crate::Outgoing::AnnouncementSignatures`].
#[must_use]
pub fn announcement_signatures(
    channel_id: ChannelId,
    announcement: &ChannelAnnouncement,
    (node_signature, bitcoin_signature): (Signature, Signature),
) -> Message {
    Message::AnnouncementSignatures(AnnouncementSignatures {
        channel_id,
        short_channel_id: announcement.short_channel_id,
        node_signature,
        bitcoin_signature,
    })
}

/// Stands where a signature will be.
fn unsigned() -> Signature {
    Signature::from_compact(&[0; 64]).expect("zeroes are below the order of the curve")
}
