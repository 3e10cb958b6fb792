//! Channel establishment v2: `open_channel2` and `accept_channel2` of BOLT 2. What follows them is in
//! [`crate::interactive`].

use crate::macros::message;
use astrape_primitives::{ChannelId, Features, FeeratePerKw, Msat, Sat};
use bitcoin::ScriptBuf;
use bitcoin::secp256k1::PublicKey;

message! {
    /// Wish to open a channel that both sides may fund (BOLT 2).
    pub struct OpenChannel2 = 64 open_channel2, of temporary_channel_id {
        /// Genesis hash of the chain.
        chain_hash: [u8; 32],
        /// Names the channel until both revocation basepoints are known.
        temporary_channel_id: ChannelId,
        /// Feerate of the funding transaction.
        funding_feerate_perkw: FeeratePerKw,
        /// First feerate of the commitments.
        commitment_feerate_perkw: FeeratePerKw,
        /// What the sender puts into the channel.
        funding_satoshis: Sat,
        /// Outputs below are left out of the sender's commitment.
        dust_limit_satoshis: Sat,
        /// Most that the receiver may have in flight.
        max_htlc_value_in_flight_msat: Msat,
        /// Smallest HTLC that the sender accepts.
        htlc_minimum_msat: Msat,
        /// Blocks that the receiver must wait for its own output after a unilateral close.
        to_self_delay: u16,
        /// Most HTLCs that the receiver may have in flight.
        max_accepted_htlcs: u16,
        /// Locktime of the funding transaction.
        locktime: u32,
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
        /// Point of the sender's commitment 1.
        second_per_commitment_point: PublicKey,
        /// Bit [`crate::ANNOUNCE_CHANNEL`]; the others are ignored.
        channel_flags: u8,
    } tlvs {
        /// Where the sender's funds must go in a mutual close; empty to decline.
        0 => upfront_shutdown_script: Option<ScriptBuf>,
        /// The kind of channel.
        1 => channel_type: Option<Features>,
        /// Whether the receiver may add confirmed inputs only.
        2 => require_confirmed_inputs: bool,
    }
}

message! {
    /// Agreement to an [`OpenChannel2`] (BOLT 2).
    pub struct AcceptChannel2 = 65 accept_channel2, of temporary_channel_id {
        /// As in the [`OpenChannel2`].
        temporary_channel_id: ChannelId,
        /// What the sender puts into the channel.
        funding_satoshis: Sat,
        /// Outputs below are left out of the sender's commitment.
        dust_limit_satoshis: Sat,
        /// Most that the receiver may have in flight.
        max_htlc_value_in_flight_msat: Msat,
        /// Smallest HTLC that the sender accepts.
        htlc_minimum_msat: Msat,
        /// Confirmations of the funding that the sender waits for.
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
        /// Point of the sender's commitment 1.
        second_per_commitment_point: PublicKey,
    } tlvs {
        /// Where the sender's funds must go in a mutual close; empty to decline.
        0 => upfront_shutdown_script: Option<ScriptBuf>,
        /// The kind of channel, as in the [`OpenChannel2`].
        1 => channel_type: Option<Features>,
        /// Whether the receiver may add confirmed inputs only.
        2 => require_confirmed_inputs: bool,
    }
}
