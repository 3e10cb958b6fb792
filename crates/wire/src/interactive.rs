//! Interactive transaction construction (BOLT 2): `tx_add_input` to `tx_abort`.

use crate::macros::message;
use astrape_primitives::{ChannelId, FeeratePerKw, Sat};
use bitcoin::secp256k1::ecdsa::Signature;
use bitcoin::{ScriptBuf, Txid, Witness};

message! {
    /// Adds an input of the sender (BOLT 2).
    pub struct TxAddInput = 66 tx_add_input, of channel_id {
        /// The channel.
        channel_id: ChannelId,
        /// Names the input; even from the initiator, odd from the other.
        serial_id: u64,
        /// The whole transaction that is spent, unchecked; empty for the channel's own funding.
        prevtx: Vec<u8>,
        /// Which output of it.
        prevtx_vout: u32,
        /// The input's sequence.
        sequence: u32,
    } tlvs {
        /// The channel's funding transaction, when that is what is spent.
        0 => shared_input_txid: Option<Txid>,
    }
}

message! {
    /// Adds an output (BOLT 2).
    pub struct TxAddOutput = 67 tx_add_output, of channel_id {
        /// The channel.
        channel_id: ChannelId,
        /// Names the output; even from the initiator, odd from the other.
        serial_id: u64,
        /// Its value.
        sats: Sat,
        /// Its script.
        script: ScriptBuf,
    }
}

message! {
    /// Takes an input of the sender back (BOLT 2).
    pub struct TxRemoveInput = 68 tx_remove_input, of channel_id {
        /// The channel.
        channel_id: ChannelId,
        /// The input.
        serial_id: u64,
    }
}

message! {
    /// Takes an output of the sender back (BOLT 2).
    pub struct TxRemoveOutput = 69 tx_remove_output, of channel_id {
        /// The channel.
        channel_id: ChannelId,
        /// The output.
        serial_id: u64,
    }
}

message! {
    /// The sender has nothing more to change; two in a row end the construction (BOLT 2).
    pub struct TxComplete = 70 tx_complete, of channel_id {
        /// The channel.
        channel_id: ChannelId,
    }
}

message! {
    /// The witnesses of the sender's inputs (BOLT 2).
    pub struct TxSignatures = 71 tx_signatures, of channel_id {
        /// The channel.
        channel_id: ChannelId,
        /// The transaction.
        txid: Txid,
        /// One for each input of the sender, in the order of `serial_id`.
        witnesses: Vec<Witness>,
    } tlvs {
        /// For the channel's own funding input.
        0 => shared_input_signature: Option<Signature>,
    }
}

message! {
    /// Wish to replace the transaction by one with a higher fee (BOLT 2).
    pub struct TxInitRbf = 72 tx_init_rbf, of channel_id {
        /// The channel.
        channel_id: ChannelId,
        /// Locktime of the new transaction.
        locktime: u32,
        /// Its feerate.
        feerate: FeeratePerKw,
    } tlvs {
        /// What the sender adds to the funding output, in satoshi; a splice may take out.
        0 => funding_output_contribution: Option<i64>,
        /// Whether the receiver may add confirmed inputs only.
        2 => require_confirmed_inputs: bool,
    }
}

message! {
    /// Agreement to a [`TxInitRbf`] (BOLT 2).
    pub struct TxAckRbf = 73 tx_ack_rbf, of channel_id {
        /// The channel.
        channel_id: ChannelId,
    } tlvs {
        /// What the sender adds to the funding output, in satoshi; a splice may take out.
        0 => funding_output_contribution: Option<i64>,
        /// Whether the receiver may add confirmed inputs only.
        2 => require_confirmed_inputs: bool,
    }
}

message! {
    /// Gives the negotiation up, or acknowledges that (BOLT 2).
    pub struct TxAbort = 74 tx_abort, of channel_id {
        /// The channel.
        channel_id: ChannelId,
        /// A text for people; untrusted ([`crate::text::printable`]).
        data: Vec<u8>,
    }
}
