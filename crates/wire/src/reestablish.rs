//! `channel_reestablish` (BOLT 2, "Message Retransmission").

use crate::codec::{Field, Reader, TlvValue, read_whole, tlv_value_is_the_field};
use crate::error::ValueError;
use crate::macros::message;
use astrape_primitives::{ChannelId, CommitmentNumber};
use bitcoin::Txid;
use bitcoin::secp256k1::PublicKey;

message! {
    /// Where the sender stands in a channel, after a reconnection (BOLT 2).
    pub struct ChannelReestablish = 136 channel_reestablish, of channel_id {
        /// The channel.
        channel_id: ChannelId,
        /// The commitment that the sender expects to be signed next.
        next_commitment_number: CommitmentNumber,
        /// The commitment of the receiver whose revocation the sender expects next.
        next_revocation_number: CommitmentNumber,
        /// Last secret that the sender received, or zeroes.
        your_last_per_commitment_secret: [u8; 32],
        /// A valid point, without further meaning.
        my_current_per_commitment_point: PublicKey,
    } tlvs {
        /// A funding whose signing was not completed.
        1 => next_funding: Option<NextFunding>,
        /// The last funding that the sender locked.
        5 => my_current_funding_locked: Option<MyCurrentFundingLocked>,
    }
}

/// A funding transaction whose signing was not completed (BOLT 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextFunding {
    /// The transaction.
    pub next_funding_txid: Txid,
    /// What the receiver shall send again: [`NextFunding::COMMITMENT_SIGNED`].
    pub retransmit_flags: u8,
}

impl NextFunding {
    /// Bit of `retransmit_flags`: the sender lacks `commitment_signed`.
    pub const COMMITMENT_SIGNED: u8 = 1;
}

impl Field for NextFunding {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        Ok(Self { next_funding_txid: reader.read()?, retransmit_flags: reader.read()? })
    }
    fn write(&self, out: &mut Vec<u8>) {
        self.next_funding_txid.write(out);
        self.retransmit_flags.write(out);
    }
}

/// The last funding transaction for which the sender sent `splice_locked` or `channel_ready` (BOLT 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MyCurrentFundingLocked {
    /// The transaction.
    pub my_current_funding_locked_txid: Txid,
    /// What the receiver shall send again: [`MyCurrentFundingLocked::ANNOUNCEMENT_SIGNATURES`].
    pub retransmit_flags: u8,
}

impl MyCurrentFundingLocked {
    /// Bit of `retransmit_flags`: the sender lacks `announcement_signatures`.
    pub const ANNOUNCEMENT_SIGNATURES: u8 = 1;
}

impl Field for MyCurrentFundingLocked {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        Ok(Self { my_current_funding_locked_txid: reader.read()?, retransmit_flags: reader.read()? })
    }
    fn write(&self, out: &mut Vec<u8>) {
        self.my_current_funding_locked_txid.write(out);
        self.retransmit_flags.write(out);
    }
}
tlv_value_is_the_field!(NextFunding, MyCurrentFundingLocked);
