//! Quiescence, splicing and batches of messages (BOLT 2).

use crate::macros::message;
use astrape_primitives::{ChannelId, FeeratePerKw};
use bitcoin::Txid;
use bitcoin::secp256k1::PublicKey;

message! {
    /// "SomeThing Fundamental is Underway": the sender adds no more updates (BOLT 2).
    pub struct Stfu = 2 stfu, of channel_id {
        /// The channel.
        channel_id: ChannelId,
        /// Whether the sender asks, rather than answers.
        initiator: bool,
    }
}

message! {
    /// Wish to change the channel's capacity (BOLT 2).
    pub struct SpliceInit = 80 splice_init, of channel_id {
        /// The channel.
        channel_id: ChannelId,
        /// What the sender adds, in satoshi; negative takes out.
        funding_contribution_satoshis: i64,
        /// Feerate of the splice transaction.
        funding_feerate_perkw: FeeratePerKw,
        /// Its locktime.
        locktime: u32,
        /// The sender's key of the new funding output.
        funding_pubkey: PublicKey,
    } tlvs {
        /// Whether the receiver may add confirmed inputs only.
        2 => require_confirmed_inputs: bool,
    }
}

message! {
    /// Agreement to a [`SpliceInit`] (BOLT 2).
    pub struct SpliceAck = 81 splice_ack, of channel_id {
        /// The channel.
        channel_id: ChannelId,
        /// What the sender adds, in satoshi; negative takes out.
        funding_contribution_satoshis: i64,
        /// The sender's key of the new funding output.
        funding_pubkey: PublicKey,
    } tlvs {
        /// Whether the receiver may add confirmed inputs only.
        2 => require_confirmed_inputs: bool,
    }
}

message! {
    /// The splice transaction is deep enough for the sender (BOLT 2).
    pub struct SpliceLocked = 77 splice_locked, of channel_id {
        /// The channel.
        channel_id: ChannelId,
        /// The splice transaction.
        splice_txid: Txid,
    }
}

/// Most messages in a batch (BOLT 2 `start_batch`): limits what a peer can make us queue.
pub const MAX_BATCH_SIZE: u16 = 20;

message! {
    /// The next messages belong together (BOLT 2).
    pub struct StartBatch = 127 start_batch, of channel_id {
        /// The channel.
        channel_id: ChannelId,
        /// How many messages; at most [`MAX_BATCH_SIZE`].
        batch_size: u16,
    } tlvs {
        /// Their type.
        1 => message_type: Option<u16>,
    }
}
