//! What is looked at before any signature: whether a message is worth the work, and whether it breaks a rule (BOLT 7).

use super::Points;
use astrape_primitives::{ClaimedId, NodeId, ShortChannelId};
use astrape_wire::{ChannelAnnouncement, ChannelUpdate, Message, NodeAnnouncement};
use bitcoin::hashes::{Hash as _, sha256d};
use bitcoin::secp256k1::ecdsa::Signature;
use bitcoin::secp256k1::{Message as Digest, PublicKey, Secp256k1, Verification};
use std::sync::Arc;

/// Longest message of gossip that is taken, in bytes. An announcement of today has 430, one with every address form 1,500;
/// BOLT 7 lets us leave out what is longer.
pub const MAX_MESSAGE: usize = 4_096;

/// An update may be so far ahead of our clock, in seconds: a day, for clocks in the wrong zone.
pub const MAX_AHEAD_SECS: u32 = 24 * 60 * 60;

/// What is so old is forgotten, in seconds: two weeks (BOLT 7).
pub const MAX_AGE_SECS: u32 = 14 * 24 * 60 * 60;

/// A message of gossip with its bytes, type included: signatures sign the bytes, and they are passed on as they came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// What it says.
    pub said: Said,
    /// Its bytes.
    pub bytes: Arc<[u8]>,
}

/// What a message of gossip says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// `channel_announcement`
    Channel(Box<ChannelAnnouncement>),
    /// `channel_update`
    Update(Box<ChannelUpdate>),
    /// `node_announcement`
    Node(Box<NodeAnnouncement>),
}

impl Heard {
    /// A message as it is heard; gives it back if it is none of gossip.
    ///
    /// # Errors
    /// The message, unchanged.
    pub fn new(message: Message) -> Result<Self, Box<Message>> {
        let Ok(bytes) = message.encode() else {
            return Err(Box::new(message));
        };
        let said = match message {
            Message::ChannelAnnouncement(m) => Said::Channel(Box::new(m)),
            Message::ChannelUpdate(m) => Said::Update(Box::new(m)),
            Message::NodeAnnouncement(m) => Said::Node(Box::new(m)),
            other => return Err(Box::new(other)),
        };
        Ok(Self { said, bytes: bytes.into() })
    }

    /// The hash that its signatures sign.
    fn digest(&self) -> Digest {
        const TYPE: usize = 2;
        let signatures = match self.said {
            Said::Channel(_) => 4 * 64,
            Said::Update(_) | Said::Node(_) => 64,
        };
        Digest::from_digest(sha256d::Hash::hash(&self.bytes[TYPE + signatures..]).to_byte_array())
    }
}

/// Why a message is left out, though nothing is wrong with its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Ignored {
    /// Of another chain.
    #[error("of another chain")]
    OtherChain,
    /// Longer than [`MAX_MESSAGE`].
    #[error("too long")]
    TooLong,
    /// Nothing new in it.
    #[error("known already")]
    Known,
    /// Older than what is known, or than two weeks.
    #[error("too old")]
    Old,
    /// Too far in the future, or of no time at all (attack 64).
    #[error("its timestamp is 0 or far in the future")]
    Timestamp,
    /// Kept, within bounds, until its channel is known.
    #[error("waits for its channel to be known")]
    Early,
    /// For the peer of a channel alone.
    #[error("not to be forwarded")]
    Private,
    /// The channel's funding is spent.
    #[error("the channel is closed")]
    Closed,
    /// It says to relay more than the channel holds.
    #[error("htlc_maximum_msat is over the capacity")]
    OverCapacity,
    /// Of a node that announced contradictory channels.
    #[error("of a node that contradicts itself")]
    Banned,
    /// More of it than an honest node needs.
    #[error("too many of them")]
    TooMany,
    /// What it says of the chain is not so.
    #[error("the chain says otherwise")]
    Chain,
    /// A node with several DNS names is not passed on.
    #[error("more than one DNS name")]
    Hostnames,
}

/// A rule that the sender broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// `node_id_1` must be the lesser (attack 81).
    #[error("channel_announcement {0}: node_id_1 is not less than node_id_2")]
    NodeOrder(ShortChannelId),
    /// A signature that does not hold.
    #[error("a signature of a {0} does not hold")]
    Signature(&'static str),
}

/// What can be said of an announcement alone.
pub(crate) fn channel(m: &ChannelAnnouncement) -> Result<(), Fault> {
    if m.node_id_1 >= m.node_id_2 {
        return Err(Fault::NodeOrder(m.short_channel_id));
    }
    Ok(())
}

/// What can be said of a timestamp alone.
pub(crate) fn timestamp(timestamp: u32, now: u32) -> Result<(), Ignored> {
    if timestamp == 0 || timestamp > now.saturating_add(MAX_AHEAD_SECS) {
        return Err(Ignored::Timestamp);
    }
    Ok(())
}

/// A message whose signatures are to be checked: on any thread, since nothing else is needed for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// The message.
    pub heard: Heard,
    /// Whose signature an update must have.
    pub(crate) signer: Option<NodeId>,
}

impl Job {
    /// Whether all of its signatures hold. Each thread has its own `points`.
    #[must_use]
    pub fn holds<C: Verification>(&self, secp: &Secp256k1<C>, points: &mut Points) -> bool {
        let digest = self.heard.digest();
        let holds =
            |signature: &Signature, key: &PublicKey| secp.verify_ecdsa(&digest, signature, key).is_ok();
        // What is no point has made no signature.
        let mut by = |node: ClaimedId, signature| points.of(&node).is_some_and(|key| holds(signature, &key));
        match &self.heard.said {
            Said::Channel(m) => {
                by(m.node_id_1, &m.node_signature_1)
                    && by(m.node_id_2, &m.node_signature_2)
                    && holds(&m.bitcoin_signature_1, &m.bitcoin_key_1)
                    && holds(&m.bitcoin_signature_2, &m.bitcoin_key_2)
            }
            Said::Update(m) => self.signer.is_some_and(|node| by(node.into(), &m.signature)),
            Said::Node(m) => by(m.node_id.into(), &m.signature),
        }
    }

    pub(crate) fn fault(&self) -> Fault {
        Fault::Signature(match self.heard.said {
            Said::Channel(_) => "channel_announcement",
            Said::Update(_) => "channel_update",
            Said::Node(_) => "node_announcement",
        })
    }
}
