//! The dance of BOLT 2: `commitment_signed`, `revoke_and_ack`, `update_fee`.

use crate::macros::message;
use astrape_primitives::{ChannelId, FeeratePerKw};
use bitcoin::Txid;
use bitcoin::secp256k1::PublicKey;
use bitcoin::secp256k1::ecdsa::Signature;

message! {
    /// Signatures for the receiver's next commitment (BOLT 2).
    pub struct CommitmentSigned = 132 commitment_signed, of channel_id {
        /// The channel.
        channel_id: ChannelId,
        /// Of the commitment transaction.
        signature: Signature,
        /// Of each HTLC transaction, in the order of the commitment's outputs.
        htlc_signature: Vec<Signature>,
    } tlvs {
        /// The funding transaction that this commitment spends.
        1 => funding_txid: Option<Txid>,
    }
}

message! {
    /// Revokes the sender's commitment before the current one (BOLT 2).
    pub struct RevokeAndAck = 133 revoke_and_ack, of channel_id {
        /// The channel.
        channel_id: ChannelId,
        /// Secret of the revoked commitment; not checked to be a valid key.
        per_commitment_secret: [u8; 32],
        /// Point of the sender's commitment after the current one.
        next_per_commitment_point: PublicKey,
    }
}

message! {
    /// A new feerate for the commitments (BOLT 2).
    pub struct UpdateFee = 134 update_fee, of channel_id {
        /// The channel.
        channel_id: ChannelId,
        /// The feerate.
        feerate_per_kw: FeeratePerKw,
    }
}
