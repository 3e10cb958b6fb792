//! Mutual close (BOLT 2): `shutdown`, then `closing_complete` and `closing_sig`, or the older `closing_signed`.

use crate::codec::{Field, Reader, TlvValue, read_whole, tlv_value_is_the_field};
use crate::error::ValueError;
use crate::macros::message;
use astrape_primitives::{ChannelId, Sat};
use bitcoin::ScriptBuf;
use bitcoin::secp256k1::ecdsa::Signature;

message! {
    /// The sender wants the channel closed and adds no more HTLCs (BOLT 2).
    pub struct Shutdown = 38 shutdown, of channel_id {
        /// The channel.
        channel_id: ChannelId,
        /// Where its funds shall go.
        scriptpubkey: ScriptBuf,
    }
}

message! {
    /// A closing transaction whose fee the sender pays, with its signatures (BOLT 2).
    pub struct ClosingComplete = 40 closing_complete, of channel_id {
        /// The channel.
        channel_id: ChannelId,
        /// Output of the one that pays the fee.
        closer_scriptpubkey: ScriptBuf,
        /// Output of the other.
        closee_scriptpubkey: ScriptBuf,
        /// The fee.
        fee_satoshis: Sat,
        /// Locktime of the transaction.
        locktime: u32,
    } tlvs {
        /// For a transaction with the closer's output only.
        1 => closer_output_only: Option<Signature>,
        /// For a transaction with the closee's output only.
        2 => closee_output_only: Option<Signature>,
        /// For a transaction with both outputs.
        3 => closer_and_closee_outputs: Option<Signature>,
    }
}

message! {
    /// The signature that completes a [`ClosingComplete`] (BOLT 2).
    pub struct ClosingSig = 41 closing_sig, of channel_id {
        /// The channel.
        channel_id: ChannelId,
        /// As in the [`ClosingComplete`].
        closer_scriptpubkey: ScriptBuf,
        /// As in the [`ClosingComplete`].
        closee_scriptpubkey: ScriptBuf,
        /// As in the [`ClosingComplete`].
        fee_satoshis: Sat,
        /// As in the [`ClosingComplete`].
        locktime: u32,
    } tlvs {
        /// For a transaction with the closer's output only.
        1 => closer_output_only: Option<Signature>,
        /// For a transaction with the closee's output only.
        2 => closee_output_only: Option<Signature>,
        /// For a transaction with both outputs.
        3 => closer_and_closee_outputs: Option<Signature>,
    }
}

message! {
    /// A proposal of the closing fee in the older negotiation (BOLT 2).
    pub struct ClosingSigned = 39 closing_signed, of channel_id {
        /// The channel.
        channel_id: ChannelId,
        /// The fee.
        fee_satoshis: Sat,
        /// Of the closing transaction with that fee.
        signature: Signature,
    } tlvs {
        /// What the sender would accept.
        1 => fee_range: Option<FeeRange>,
    }
}

/// The closing fees that the sender of a [`ClosingSigned`] accepts (BOLT 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeeRange {
    /// The least.
    pub min_fee_satoshis: Sat,
    /// The most.
    pub max_fee_satoshis: Sat,
}

impl Field for FeeRange {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        Ok(Self { min_fee_satoshis: reader.read()?, max_fee_satoshis: reader.read()? })
    }
    fn write(&self, out: &mut Vec<u8>) {
        self.min_fee_satoshis.write(out);
        self.max_fee_satoshis.write(out);
    }
}
tlv_value_is_the_field!(FeeRange);
