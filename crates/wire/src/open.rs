//! Channel establishment v1: the five messages of BOLT 2 from `open_channel` to `channel_ready`.

use crate::macros::message;
use astrape_primitives::{ChannelId, Features, FeeratePerKw, Msat, Sat, ShortChannelId};
use bitcoin::secp256k1::PublicKey;
use bitcoin::secp256k1::ecdsa::Signature;
use bitcoin::{ScriptBuf, Txid};

/// Bit of `channel_flags` in `open_channel` and `open_channel2`: the channel shall be announced (BOLT 2).
pub const ANNOUNCE_CHANNEL: u8 = 1;

message! {
    /// Wish to open a channel that the sender funds (BOLT 2).
    pub struct OpenChannel = 32 open_channel, of temporary_channel_id {
        /// Genesis hash of the chain.
        chain_hash: [u8; 32],
        /// Names the channel until its funding is known.
        temporary_channel_id: ChannelId,
        /// What the sender puts into the channel.
        funding_satoshis: Sat,
        /// What of it is the receiver's from the start.
        push_msat: Msat,
        /// Outputs below are left out of the sender's commitment.
        dust_limit_satoshis: Sat,
        /// Most that the receiver may have in flight.
        max_htlc_value_in_flight_msat: Msat,
        /// What the receiver must keep on its side.
        channel_reserve_satoshis: Sat,
        /// Smallest HTLC that the sender accepts.
        htlc_minimum_msat: Msat,
        /// First feerate of the commitments.
        feerate_per_kw: FeeratePerKw,
        /// Blocks that the receiver must wait for its own output after a unilateral close.
        to_self_delay: u16,
        /// Most HTLCs that the receiver may have in flight.
        max_accepted_htlcs: u16,
        /// The sender's key of the funding output.
        funding_pubkey: PublicKey,
        /// Base of the revocation keys.
        revocation_basepoint: PublicKey,
        /// Key of the sender's output in the receiver's commitment.
        payment_basepoint: PublicKey,
        /// Base of the keys of the sender's delayed outputs.
        delayed_payment_basepoint: PublicKey,
        /// Base of the HTLC keys.
        htlc_basepoint: PublicKey,
        /// Point of the sender's commitment 0.
        first_per_commitment_point: PublicKey,
        /// Bit [`ANNOUNCE_CHANNEL`]; the others are ignored.
        channel_flags: u8,
    } tlvs {
        /// Where the sender's funds must go in a mutual close; empty to decline.
        0 => upfront_shutdown_script: Option<ScriptBuf>,
        /// The kind of channel.
        1 => channel_type: Option<Features>,
    }
}

message! {
    /// Agreement to an [`OpenChannel`] (BOLT 2).
    pub struct AcceptChannel = 33 accept_channel, of temporary_channel_id {
        /// As in the [`OpenChannel`].
        temporary_channel_id: ChannelId,
        /// Outputs below are left out of the sender's commitment.
        dust_limit_satoshis: Sat,
        /// Most that the receiver may have in flight.
        max_htlc_value_in_flight_msat: Msat,
        /// What the receiver must keep on its side.
        channel_reserve_satoshis: Sat,
        /// Smallest HTLC that the sender accepts.
        htlc_minimum_msat: Msat,
        /// Confirmations of the funding that the sender waits for; 0 is a zeroconf channel.
        minimum_depth: u32,
        /// Blocks that the receiver must wait for its own output after a unilateral close.
        to_self_delay: u16,
        /// Most HTLCs that the receiver may have in flight.
        max_accepted_htlcs: u16,
        /// The sender's key of the funding output.
        funding_pubkey: PublicKey,
        /// Base of the revocation keys.
        revocation_basepoint: PublicKey,
        /// Key of the sender's output in the receiver's commitment.
        payment_basepoint: PublicKey,
        /// Base of the keys of the sender's delayed outputs.
        delayed_payment_basepoint: PublicKey,
        /// Base of the HTLC keys.
        htlc_basepoint: PublicKey,
        /// Point of the sender's commitment 0.
        first_per_commitment_point: PublicKey,
    } tlvs {
        /// Where the sender's funds must go in a mutual close; empty to decline.
        0 => upfront_shutdown_script: Option<ScriptBuf>,
        /// The kind of channel, as in the [`OpenChannel`].
        1 => channel_type: Option<Features>,
    }
}

message! {
    /// The funding outpoint, and the signature of the receiver's first commitment (BOLT 2).
    pub struct FundingCreated = 34 funding_created, of temporary_channel_id {
        /// As in the [`OpenChannel`].
        temporary_channel_id: ChannelId,
        /// The funding transaction.
        funding_txid: Txid,
        /// Its output that funds the channel.
        funding_output_index: u16,
        /// Of the receiver's commitment 0.
        signature: Signature,
    }
}

message! {
    /// The signature of the funder's first commitment (BOLT 2).
    pub struct FundingSigned = 35 funding_signed, of channel_id {
        /// From now on the channel has its final id.
        channel_id: ChannelId,
        /// Of the receiver's commitment 0.
        signature: Signature,
    }
}

message! {
    /// The funding is deep enough for the sender (BOLT 2).
    pub struct ChannelReady = 36 channel_ready, of channel_id {
        /// The channel.
        channel_id: ChannelId,
        /// Point of the sender's commitment 1.
        second_per_commitment_point: PublicKey,
    } tlvs {
        /// An `alias` by which the receiver may name the channel in routes to it.
        1 => short_channel_id: Option<ShortChannelId>,
    }
}
