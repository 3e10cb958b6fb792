//! The announcements of BOLT 7. Signatures cover these messages as they came, unknown bytes at the end included, so
//! what is of variable form is kept verbatim: [`VerbatimFeatures`], [`Addresses`], [`Extension`]. A signed message
//! encodes to the very bytes it was decoded from.

use crate::address::Addresses;
use crate::codec::{Field, Reader, write_prefixed};
use crate::error::ValueError;
use crate::macros::message;
use crate::message::Body as _;
use crate::text::printable;
use astrape_primitives::{ChannelId, ClaimedId, CltvDelta, Features, Msat, NodeId, ShortChannelId};
use bitcoin::hashes::{Hash as _, sha256d};
use bitcoin::secp256k1::PublicKey;
use bitcoin::secp256k1::ecdsa::Signature;

/// Bytes of a signature, which the messages of this file start with.
const SIGNATURE_LEN: usize = 64;

message! {
    /// The sender's half of the signatures for a [`ChannelAnnouncement`] (BOLT 7).
    pub struct AnnouncementSignatures = 259 announcement_signatures, of channel_id {
        /// The channel.
        channel_id: ChannelId,
        /// Its place in the chain.
        short_channel_id: ShortChannelId,
        /// By the sender's node key.
        node_signature: Signature,
        /// By the sender's funding key.
        bitcoin_signature: Signature,
    }
}

message! {
    /// Proof that a channel exists between two nodes (BOLT 7).
    pub struct ChannelAnnouncement = 256 channel_announcement {
        /// By `node_id_1`.
        node_signature_1: Signature,
        /// By `node_id_2`.
        node_signature_2: Signature,
        /// By `bitcoin_key_1`.
        bitcoin_signature_1: Signature,
        /// By `bitcoin_key_2`.
        bitcoin_signature_2: Signature,
        /// Features of the channel.
        features: VerbatimFeatures,
        /// Genesis hash of the chain.
        chain_hash: [u8; 32],
        /// Its place in the chain.
        short_channel_id: ShortChannelId,
        /// The node whose id is the lesser.
        node_id_1: ClaimedId,
        /// The other node.
        node_id_2: ClaimedId,
        /// Funding key of node 1.
        bitcoin_key_1: PublicKey,
        /// Funding key of node 2.
        bitcoin_key_2: PublicKey,
        /// What follows, which is signed too.
        extension: Extension,
    }
}

impl ChannelAnnouncement {
    /// The hash that the four signatures sign: double SHA-256 of all that follows them.
    #[must_use]
    pub fn signed_hash(&self) -> sha256d::Hash {
        let mut bytes = Vec::new();
        self.write(&mut bytes);
        sha256d::Hash::hash(&bytes[4 * SIGNATURE_LEN..])
    }
}

message! {
    /// What a node says about itself (BOLT 7).
    pub struct NodeAnnouncement = 257 node_announcement {
        /// By `node_id`.
        signature: Signature,
        /// Features of the node.
        features: VerbatimFeatures,
        /// Orders the announcements of a node; usually seconds since 1970.
        timestamp: u32,
        /// The node.
        node_id: NodeId,
        /// A colour for maps.
        rgb_color: [u8; 3],
        /// A name, padded with zeroes; untrusted ([`NodeAnnouncement::alias_text`]).
        alias: [u8; 32],
        /// Where the node listens.
        addresses: Addresses,
        /// What follows, which is signed too.
        extension: Extension,
    }
}

impl NodeAnnouncement {
    /// The hash that the signature signs: double SHA-256 of all that follows it.
    #[must_use]
    pub fn signed_hash(&self) -> sha256d::Hash {
        let mut bytes = Vec::new();
        self.write(&mut bytes);
        sha256d::Hash::hash(&bytes[SIGNATURE_LEN..])
    }

    /// An `alias` from a text: UTF-8 padded with zeroes, cut between two characters where it is too long.
    #[must_use]
    pub fn alias_from_text(text: &str) -> [u8; 32] {
        let mut alias = [0; 32];
        let cut = text.floor_char_boundary(alias.len());
        alias[..cut].copy_from_slice(&text.as_bytes()[..cut]);
        alias
    }

    /// The alias without its padding, safe to show.
    #[must_use]
    pub fn alias_text(&self) -> String {
        let end = self.alias.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        printable(&self.alias[..end])
    }
}

message! {
    /// On what terms one side of a channel relays (BOLT 7).
    pub struct ChannelUpdate = 258 channel_update {
        /// By the node that `channel_flags` tells.
        signature: Signature,
        /// Genesis hash of the chain.
        chain_hash: [u8; 32],
        /// The channel.
        short_channel_id: ShortChannelId,
        /// Orders the updates of a side; usually seconds since 1970.
        timestamp: u32,
        /// Bits [`ChannelUpdate::MUST_BE_ONE`] and [`ChannelUpdate::DONT_FORWARD`].
        message_flags: u8,
        /// Bits [`ChannelUpdate::DIRECTION`] and [`ChannelUpdate::DISABLE`].
        channel_flags: u8,
        /// Blocks that it takes off the expiry.
        cltv_expiry_delta: CltvDelta,
        /// Smallest HTLC that it relays.
        htlc_minimum_msat: Msat,
        /// Fee of each HTLC, in millisatoshi.
        fee_base_msat: u32,
        /// Fee by amount, in millionths.
        fee_proportional_millionths: u32,
        /// Largest HTLC that it relays.
        htlc_maximum_msat: Msat,
        /// What follows, which is signed too.
        extension: Extension,
    }
}

impl ChannelUpdate {
    /// Bit of `message_flags` that is always set.
    pub const MUST_BE_ONE: u8 = 1;
    /// Bit of `message_flags`: for the peer only.
    pub const DONT_FORWARD: u8 = 2;
    /// Bit of `channel_flags`: from node 2 to node 1.
    pub const DIRECTION: u8 = 1;
    /// Bit of `channel_flags`: the channel cannot be used now.
    pub const DISABLE: u8 = 2;

    /// The hash that the signature signs: double SHA-256 of all that follows it.
    #[must_use]
    pub fn signed_hash(&self) -> sha256d::Hash {
        let mut bytes = Vec::new();
        self.write(&mut bytes);
        sha256d::Hash::hash(&bytes[SIGNATURE_LEN..])
    }

    /// The checksum that gossip queries compare: CRC32C of the message without `signature` and `timestamp`.
    #[must_use]
    pub fn checksum(&self) -> u32 {
        const TIMESTAMP_AT: usize = SIGNATURE_LEN + 32 + 8;
        let mut bytes = Vec::new();
        self.write(&mut bytes);
        crc32c(bytes[SIGNATURE_LEN..TIMESTAMP_AT].iter().chain(&bytes[TIMESTAMP_AT + 4..]))
    }
}

/// CRC32C of RFC 3720, bit by bit: an update has little more than a hundred bytes.
fn crc32c<'a>(bytes: impl Iterator<Item = &'a u8>) -> u32 {
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ POLYNOMIAL } else { crc >> 1 };
    !bytes.fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

/// A feature vector of a signed message: padding with zero bytes is signed and so kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerbatimFeatures(Vec<u8>);

impl VerbatimFeatures {
    /// What it says.
    #[must_use]
    pub fn features(&self) -> Features {
        Features::from_be_bytes(&self.0)
    }
}

impl From<Features> for VerbatimFeatures {
    fn from(features: Features) -> Self {
        Self(features.to_be_bytes())
    }
}

impl Field for VerbatimFeatures {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        reader.read().map(Self)
    }
    fn write(&self, out: &mut Vec<u8>) {
        write_prefixed(out, &self.0);
    }
}

/// All that follows the known fields of a signed message. It is signed and passed on, not interpreted: a receiver may
/// ignore an extension (BOLT 1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extension(pub Vec<u8>);

impl Field for Extension {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        Ok(Self(reader.take_rest().to_vec()))
    }
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::crc32c;

    #[test]
    fn the_checksum_is_that_of_rfc_3720() {
        assert_eq!(crc32c(b"123456789".iter()), 0xe306_9283);
        assert_eq!(crc32c([0_u8; 32].iter()), 0x8a91_36aa);
    }
}
