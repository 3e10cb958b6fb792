//! The updates of BOLT 2 that add and remove HTLCs.

use crate::codec::{Field, Reader, TlvValue};
use crate::error::ValueError;
use crate::macros::message;
use astrape_primitives::{ChannelId, CltvExpiry, HtlcId, Msat, PaymentHash, PaymentPreimage};
use bitcoin::secp256k1::PublicKey;
use core::fmt;
use std::sync::Arc;

message! {
    /// Offers an HTLC (BOLT 2).
    pub struct UpdateAddHtlc = 128 update_add_htlc, of channel_id {
        /// The channel.
        channel_id: ChannelId,
        /// Number of the HTLC among those of its sender.
        id: HtlcId,
        /// Its value.
        amount_msat: Msat,
        /// What its preimage must hash to.
        payment_hash: PaymentHash,
        /// When it times out.
        cltv_expiry: CltvExpiry,
        /// What the receiver shall do with it (BOLT 4).
        onion_routing_packet: OnionPacket,
    } tlvs {
        /// The point that unblinds the receiver's part of a blinded path (record `blinded_path`).
        0 => path_key: Option<PublicKey>,
    }
}

message! {
    /// Claims an HTLC of the receiver (BOLT 2).
    pub struct UpdateFulfillHtlc = 130 update_fulfill_htlc, of channel_id {
        /// The channel.
        channel_id: ChannelId,
        /// The HTLC.
        id: HtlcId,
        /// The proof of payment.
        payment_preimage: PaymentPreimage,
    } tlvs {
        /// How long each hop held the HTLC.
        1 => attribution_data: Option<AttributionData>,
    }
}

message! {
    /// Gives an HTLC of the receiver back (BOLT 2).
    pub struct UpdateFailHtlc = 131 update_fail_htlc, of channel_id {
        /// The channel.
        channel_id: ChannelId,
        /// The HTLC.
        id: HtlcId,
        /// Why, for the origin's eyes only (BOLT 4).
        reason: Vec<u8>,
    } tlvs {
        /// How long each hop held the HTLC, and who changed the reason.
        1 => attribution_data: Option<AttributionData>,
    }
}

message! {
    /// Gives an HTLC back whose onion could not be read at all (BOLT 2).
    pub struct UpdateFailMalformedHtlc = 135 update_fail_malformed_htlc, of channel_id {
        /// The channel.
        channel_id: ChannelId,
        /// The HTLC.
        id: HtlcId,
        /// Hash of the onion as it arrived.
        sha256_of_onion: [u8; 32],
        /// Why; has the bit `BADONION` (BOLT 4).
        failure_code: u16,
    }
}

/// The onion of a payment: 1,366 bytes that only its reader interprets, since a bad version, key or HMAC is no fault of
/// the message (BOLT 4). Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct OnionPacket(Arc<[u8; OnionPacket::LEN]>);

impl OnionPacket {
    /// Size of the onion of a payment (BOLT 2).
    pub const LEN: usize = 1366;

    /// From its bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; OnionPacket::LEN]) -> Self {
        Self(Arc::new(*bytes))
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; OnionPacket::LEN] {
        &self.0
    }
}

impl fmt::Debug for OnionPacket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OnionPacket({} bytes)", Self::LEN)
    }
}

impl Field for OnionPacket {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        reader.array().map(|bytes| Self::from_bytes(&bytes))
    }
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }
}

/// `attribution_data` of BOLT 4: 20 hold times of 4 bytes, then 210 HMACs cut to 4 bytes. Each hop encrypts all of it
/// again, so it is kept as bytes. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct AttributionData(Arc<[u8; AttributionData::LEN]>);

impl AttributionData {
    /// Hops for which there is room (BOLT 4).
    pub const MAX_HOPS: usize = 20;
    /// Bytes of `htlc_hold_times`, which come first.
    pub const HOLD_TIMES_LEN: usize = Self::MAX_HOPS * 4;
    /// Bytes of `truncated_hmacs`: 20 + 19 + ... + 1 HMACs of 4 bytes.
    pub const HMACS_LEN: usize = Self::MAX_HOPS * (Self::MAX_HOPS + 1) / 2 * 4;
    /// Size of the whole.
    pub const LEN: usize = Self::HOLD_TIMES_LEN + Self::HMACS_LEN;

    /// From its bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; AttributionData::LEN]) -> Self {
        Self(Arc::new(*bytes))
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; AttributionData::LEN] {
        &self.0
    }
}

impl fmt::Debug for AttributionData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AttributionData({} bytes)", Self::LEN)
    }
}

impl TlvValue for AttributionData {
    fn from_tlv(bytes: &[u8]) -> Result<Self, ValueError> {
        crate::codec::read_whole(bytes).map(|bytes| Self::from_bytes(&bytes))
    }
    fn write_tlv(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }
}
