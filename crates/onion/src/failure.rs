//! Failure messages: what a hop tells the origin (BOLT 4, "Failure Messages").

use astrape_primitives::{CltvExpiry, Height, Msat};
use astrape_wire::ValueError;
use astrape_wire::codec::{Field as _, Reader};
use astrape_wire::tlv::BigSize;
use astrape_wire::{ChannelUpdate, Decoded, Message};
use core::fmt;

mod describe;

pub use describe::Description;

/// The numbers of the failure messages and their flags.
pub mod code {
    /// Flag: the onion could not be read, so the failure is told by the node before.
    pub const BADONION: u16 = 0x8000;
    /// Flag: it makes no sense to try the same again.
    pub const PERM: u16 = 0x4000;
    /// Flag: the whole node and not only a channel.
    pub const NODE: u16 = 0x2000;
    /// Flag: the origin's idea of the channel's conditions is out of date.
    pub const UPDATE: u16 = 0x1000;

    /// `temporary_node_failure`
    pub const TEMPORARY_NODE_FAILURE: u16 = NODE | 2;
    /// `permanent_node_failure`
    pub const PERMANENT_NODE_FAILURE: u16 = PERM | NODE | 2;
    /// `required_node_feature_missing`
    pub const REQUIRED_NODE_FEATURE_MISSING: u16 = PERM | NODE | 3;
    /// `invalid_onion_version`
    pub const INVALID_ONION_VERSION: u16 = BADONION | PERM | 4;
    /// `invalid_onion_hmac`
    pub const INVALID_ONION_HMAC: u16 = BADONION | PERM | 5;
    /// `invalid_onion_key`
    pub const INVALID_ONION_KEY: u16 = BADONION | PERM | 6;
    /// `temporary_channel_failure`
    pub const TEMPORARY_CHANNEL_FAILURE: u16 = UPDATE | 7;
    /// `permanent_channel_failure`
    pub const PERMANENT_CHANNEL_FAILURE: u16 = PERM | 8;
    /// `required_channel_feature_missing`
    pub const REQUIRED_CHANNEL_FEATURE_MISSING: u16 = PERM | 9;
    /// `unknown_next_peer`
    pub const UNKNOWN_NEXT_PEER: u16 = PERM | 10;
    /// `amount_below_minimum`
    pub const AMOUNT_BELOW_MINIMUM: u16 = UPDATE | 11;
    /// `fee_insufficient`
    pub const FEE_INSUFFICIENT: u16 = UPDATE | 12;
    /// `incorrect_cltv_expiry`
    pub const INCORRECT_CLTV_EXPIRY: u16 = UPDATE | 13;
    /// `expiry_too_soon`
    pub const EXPIRY_TOO_SOON: u16 = UPDATE | 14;
    /// `incorrect_or_unknown_payment_details`
    pub const INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS: u16 = PERM | 15;
    /// `final_incorrect_cltv_expiry`
    pub const FINAL_INCORRECT_CLTV_EXPIRY: u16 = 18;
    /// `final_incorrect_htlc_amount`
    pub const FINAL_INCORRECT_HTLC_AMOUNT: u16 = 19;
    /// `channel_disabled`
    pub const CHANNEL_DISABLED: u16 = UPDATE | 20;
    /// `expiry_too_far`
    pub const EXPIRY_TOO_FAR: u16 = 21;
    /// `invalid_onion_payload`
    pub const INVALID_ONION_PAYLOAD: u16 = PERM | 22;
    /// `mpp_timeout`
    pub const MPP_TIMEOUT: u16 = 23;
    /// `invalid_onion_blinding`
    pub const INVALID_ONION_BLINDING: u16 = BADONION | PERM | 24;
}

/// The type of `channel_update` (BOLT 7).
const CHANNEL_UPDATE_TYPE: u16 = 258;

/// A failure message with its data. Amounts, expiries and hashes are as the failing node gives them: hints for people, to be
/// trusted no further than that node.
///
/// The `channel_update` that some messages can hold stands apart ([`Failure::update_in`]): who acts on it where others see that tells
/// them which payment was ours (BOLT 4, rationale of "Failure Messages"), so it is for that payment alone. Of ours those hold it whose
/// sender cannot do without ([`Failure::needs_update`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// General temporary failure of the node.
    TemporaryNodeFailure,
    /// General permanent failure of the node.
    PermanentNodeFailure,
    /// The node requires a feature that the onion lacks.
    RequiredNodeFeatureMissing,
    /// The version of the onion was not understood.
    InvalidOnionVersion {
        /// The hash of the packet that was not understood.
        sha256_of_onion: [u8; 32],
    },
    /// The HMAC of the onion was wrong.
    InvalidOnionHmac {
        /// The hash of the packet that was not understood.
        sha256_of_onion: [u8; 32],
    },
    /// The key in the onion was no key.
    InvalidOnionKey {
        /// The hash of the packet that was not understood.
        sha256_of_onion: [u8; 32],
    },
    /// The channel cannot carry this HTLC now.
    TemporaryChannelFailure,
    /// The channel cannot carry any HTLC any more.
    PermanentChannelFailure,
    /// The channel requires features that the onion lacks.
    RequiredChannelFeatureMissing,
    /// The node has no channel of that `short_channel_id`.
    UnknownNextPeer,
    /// Below the channel's `htlc_minimum_msat`.
    AmountBelowMinimum {
        /// The amount of the outgoing HTLC.
        htlc_msat: Msat,
    },
    /// The fee is lower than the channel asks.
    FeeInsufficient {
        /// The amount of the incoming HTLC.
        htlc_msat: Msat,
    },
    /// The expiries leave less than the channel's `cltv_expiry_delta`.
    IncorrectCltvExpiry {
        /// The expiry of the outgoing HTLC.
        cltv_expiry: CltvExpiry,
    },
    /// Too close to the present to be forwarded safely.
    ExpiryTooSoon,
    /// The recipient does not know this payment, or something about it is wrong.
    IncorrectOrUnknownPaymentDetails {
        /// The amount of the HTLC that reached the recipient.
        htlc_msat: Msat,
        /// The best block that the recipient knew.
        height: Height,
    },
    /// The expiry of the last HTLC is lower than the onion says.
    FinalIncorrectCltvExpiry {
        /// The expiry of the HTLC.
        cltv_expiry: CltvExpiry,
    },
    /// The amount of the last HTLC is lower than the onion says.
    FinalIncorrectHtlcAmount {
        /// The amount of the HTLC.
        incoming_htlc_amt: Msat,
    },
    /// The channel is disabled.
    ChannelDisabled {
        /// No flag is defined.
        disabled_flags: u16,
    },
    /// The expiry is too far in the future.
    ExpiryTooFar,
    /// The payload was not understood or is incomplete.
    InvalidOnionPayload {
        /// The TLV type concerned, or 0.
        tlv_type: u64,
        /// Where it begins in the decrypted bytes, or 0.
        offset: u16,
    },
    /// The other parts of the payment did not arrive in time.
    MppTimeout,
    /// Something went wrong inside a blinded path.
    InvalidOnionBlinding {
        /// The hash of the packet, or zeros.
        sha256_of_onion: [u8; 32],
    },
    /// A message that is not known, or whose data is cut short. The flags of its code still say how to react.
    Unknown {
        /// Its code; 0 when not even that was there.
        code: u16,
        /// What follows the code.
        data: Vec<u8>,
    },
}

impl Failure {
    /// What to tell the origin when the next node answered with `update_fail_malformed_htlc`: its code, with
    /// `sha256_of_onion` as data (BOLT 2, "Removing an HTLC"). `None` when the BADONION bit is not set, which is a fault of
    /// the peer.
    #[must_use]
    pub fn from_malformed(failure_code: u16, sha256_of_onion: [u8; 32]) -> Option<Self> {
        if failure_code & code::BADONION == 0 {
            return None;
        }
        Some(match failure_code {
            code::INVALID_ONION_VERSION => Self::InvalidOnionVersion { sha256_of_onion },
            code::INVALID_ONION_HMAC => Self::InvalidOnionHmac { sha256_of_onion },
            code::INVALID_ONION_KEY => Self::InvalidOnionKey { sha256_of_onion },
            code::INVALID_ONION_BLINDING => Self::InvalidOnionBlinding { sha256_of_onion },
            _ => Self::Unknown { code: failure_code, data: sha256_of_onion.to_vec() },
        })
    }

    /// The `failure_code`.
    #[must_use]
    pub const fn code(&self) -> u16 {
        match self {
            Self::TemporaryNodeFailure => code::TEMPORARY_NODE_FAILURE,
            Self::PermanentNodeFailure => code::PERMANENT_NODE_FAILURE,
            Self::RequiredNodeFeatureMissing => code::REQUIRED_NODE_FEATURE_MISSING,
            Self::InvalidOnionVersion { .. } => code::INVALID_ONION_VERSION,
            Self::InvalidOnionHmac { .. } => code::INVALID_ONION_HMAC,
            Self::InvalidOnionKey { .. } => code::INVALID_ONION_KEY,
            Self::TemporaryChannelFailure => code::TEMPORARY_CHANNEL_FAILURE,
            Self::PermanentChannelFailure => code::PERMANENT_CHANNEL_FAILURE,
            Self::RequiredChannelFeatureMissing => code::REQUIRED_CHANNEL_FEATURE_MISSING,
            Self::UnknownNextPeer => code::UNKNOWN_NEXT_PEER,
            Self::AmountBelowMinimum { .. } => code::AMOUNT_BELOW_MINIMUM,
            Self::FeeInsufficient { .. } => code::FEE_INSUFFICIENT,
            Self::IncorrectCltvExpiry { .. } => code::INCORRECT_CLTV_EXPIRY,
            Self::ExpiryTooSoon => code::EXPIRY_TOO_SOON,
            Self::IncorrectOrUnknownPaymentDetails { .. } => code::INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS,
            Self::FinalIncorrectCltvExpiry { .. } => code::FINAL_INCORRECT_CLTV_EXPIRY,
            Self::FinalIncorrectHtlcAmount { .. } => code::FINAL_INCORRECT_HTLC_AMOUNT,
            Self::ChannelDisabled { .. } => code::CHANNEL_DISABLED,
            Self::ExpiryTooFar => code::EXPIRY_TOO_FAR,
            Self::InvalidOnionPayload { .. } => code::INVALID_ONION_PAYLOAD,
            Self::MppTimeout => code::MPP_TIMEOUT,
            Self::InvalidOnionBlinding { .. } => code::INVALID_ONION_BLINDING,
            Self::Unknown { code, .. } => *code,
        }
    }

    /// Whether the same attempt can never succeed.
    #[must_use]
    pub const fn is_permanent(&self) -> bool {
        self.code() & code::PERM != 0
    }

    /// Whether it concerns all channels of the failing node.
    #[must_use]
    pub const fn is_node(&self) -> bool {
        self.code() & code::NODE != 0
    }

    /// Whether the channel's conditions were violated: the origin's graph is out of date.
    #[must_use]
    pub const fn is_update(&self) -> bool {
        self.code() & code::UPDATE != 0
    }

    /// Whether it is only read with a `channel_update` in it. The BOLT lets it be left out, but to LND such a message is cut
    /// short, and it takes the whole node that sent it for faulty; it does without in `temporary_channel_failure` alone.
    #[must_use]
    pub const fn needs_update(&self) -> bool {
        matches!(
            self,
            Self::AmountBelowMinimum { .. }
                | Self::FeeInsufficient { .. }
                | Self::IncorrectCltvExpiry { .. }
                | Self::ExpiryTooSoon
                | Self::ChannelDisabled { .. }
        )
    }

    /// Whether the node after the sender of the failure could not read the onion.
    #[must_use]
    pub const fn is_bad_onion(&self) -> bool {
        self.code() & code::BADONION != 0
    }

    /// The `failuremsg`: code and data. Where there is a place for a `channel_update`, its length is zero.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.encode_with(None)
    }

    /// The same with the `channel_update` of the channel that failed, its type before it, where there is a place for one.
    #[must_use]
    pub fn encode_with(&self, update: Option<&ChannelUpdate>) -> Vec<u8> {
        let update = update.and_then(|update| Message::ChannelUpdate(update.clone()).encode().ok());
        let update = LengthThen(update.unwrap_or_default());
        let mut out = self.code().to_be_bytes().to_vec();
        match self {
            Self::InvalidOnionVersion { sha256_of_onion }
            | Self::InvalidOnionHmac { sha256_of_onion }
            | Self::InvalidOnionKey { sha256_of_onion }
            | Self::InvalidOnionBlinding { sha256_of_onion } => sha256_of_onion.write(&mut out),
            Self::TemporaryChannelFailure | Self::ExpiryTooSoon => update.write(&mut out),
            Self::AmountBelowMinimum { htlc_msat } | Self::FeeInsufficient { htlc_msat } => {
                htlc_msat.write(&mut out);
                update.write(&mut out);
            }
            Self::IncorrectCltvExpiry { cltv_expiry } => {
                cltv_expiry.write(&mut out);
                update.write(&mut out);
            }
            Self::IncorrectOrUnknownPaymentDetails { htlc_msat, height } => {
                htlc_msat.write(&mut out);
                height.write(&mut out);
            }
            Self::FinalIncorrectCltvExpiry { cltv_expiry } => cltv_expiry.write(&mut out),
            Self::FinalIncorrectHtlcAmount { incoming_htlc_amt } => incoming_htlc_amt.write(&mut out),
            Self::ChannelDisabled { disabled_flags } => {
                disabled_flags.write(&mut out);
                update.write(&mut out);
            }
            Self::InvalidOnionPayload { tlv_type, offset } => {
                BigSize(*tlv_type).write(&mut out);
                offset.write(&mut out);
            }
            Self::Unknown { data, .. } => out.extend_from_slice(data),
            Self::TemporaryNodeFailure
            | Self::PermanentNodeFailure
            | Self::RequiredNodeFeatureMissing
            | Self::PermanentChannelFailure
            | Self::RequiredChannelFeatureMissing
            | Self::UnknownNextPeer
            | Self::ExpiryTooFar
            | Self::MppTimeout => {}
        }
        out
    }

    /// The `channel_update` in a `failuremsg`, where it holds one that can be read. Nobody has looked at its signature yet. Old nodes
    /// leave its type out.
    #[must_use]
    pub fn update_in(message: &[u8]) -> Option<ChannelUpdate> {
        let (code, data) = message.split_first_chunk()?;
        let before = match u16::from_be_bytes(*code) {
            code::TEMPORARY_CHANNEL_FAILURE | code::EXPIRY_TOO_SOON => 0,
            code::AMOUNT_BELOW_MINIMUM | code::FEE_INSUFFICIENT => 8,
            code::INCORRECT_CLTV_EXPIRY => 4,
            code::CHANNEL_DISABLED => 2,
            _ => return None,
        };
        let (len, rest) = data.get(before..)?.split_first_chunk()?;
        let update = rest.get(..usize::from(u16::from_be_bytes(*len)))?;
        let kind = CHANNEL_UPDATE_TYPE.to_be_bytes();
        let decoded = match update.starts_with(&kind) {
            true => Message::decode(update),
            false => Message::decode(&[&kind, update].concat()),
        };
        match decoded {
            Ok(Decoded::Known(Message::ChannelUpdate(update))) => Some(update),
            _ => None,
        }
    }

    /// Reads a `failuremsg`. Bytes after the known data are ignored; what is unknown or cut short becomes
    /// [`Failure::Unknown`].
    #[must_use]
    pub fn decode(message: &[u8]) -> Self {
        let Some((code, data)) = message.split_first_chunk() else {
            return Self::Unknown { code: 0, data: message.to_vec() };
        };
        let code = u16::from_be_bytes(*code);
        match decode_known(code, &mut Reader::new(data)) {
            Ok(Some(failure)) => failure,
            Ok(None) | Err(_) => Self::Unknown { code, data: data.to_vec() },
        }
    }
}

/// Bytes with their number before them, in two bytes.
struct LengthThen(Vec<u8>);

impl LengthThen {
    /// Nothing at all is written of more than a message can have.
    fn write(&self, out: &mut Vec<u8>) {
        let len = u16::try_from(self.0.len()).unwrap_or_default();
        len.write(out);
        out.extend_from_slice(&self.0[..len.into()]);
    }
}

/// `None` when the code is not known.
fn decode_known(failure_code: u16, data: &mut Reader<'_>) -> Result<Option<Failure>, ValueError> {
    Ok(Some(match failure_code {
        code::TEMPORARY_NODE_FAILURE => Failure::TemporaryNodeFailure,
        code::PERMANENT_NODE_FAILURE => Failure::PermanentNodeFailure,
        code::REQUIRED_NODE_FEATURE_MISSING => Failure::RequiredNodeFeatureMissing,
        code::INVALID_ONION_VERSION => Failure::InvalidOnionVersion { sha256_of_onion: data.read()? },
        code::INVALID_ONION_HMAC => Failure::InvalidOnionHmac { sha256_of_onion: data.read()? },
        code::INVALID_ONION_KEY => Failure::InvalidOnionKey { sha256_of_onion: data.read()? },
        code::TEMPORARY_CHANNEL_FAILURE => Failure::TemporaryChannelFailure,
        code::PERMANENT_CHANNEL_FAILURE => Failure::PermanentChannelFailure,
        code::REQUIRED_CHANNEL_FEATURE_MISSING => Failure::RequiredChannelFeatureMissing,
        code::UNKNOWN_NEXT_PEER => Failure::UnknownNextPeer,
        code::AMOUNT_BELOW_MINIMUM => Failure::AmountBelowMinimum { htlc_msat: data.read()? },
        code::FEE_INSUFFICIENT => Failure::FeeInsufficient { htlc_msat: data.read()? },
        code::INCORRECT_CLTV_EXPIRY => Failure::IncorrectCltvExpiry { cltv_expiry: data.read()? },
        code::EXPIRY_TOO_SOON => Failure::ExpiryTooSoon,
        code::INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS => {
            Failure::IncorrectOrUnknownPaymentDetails { htlc_msat: data.read()?, height: data.read()? }
        }
        code::FINAL_INCORRECT_CLTV_EXPIRY => Failure::FinalIncorrectCltvExpiry { cltv_expiry: data.read()? },
        code::FINAL_INCORRECT_HTLC_AMOUNT => {
            Failure::FinalIncorrectHtlcAmount { incoming_htlc_amt: data.read()? }
        }
        code::CHANNEL_DISABLED => Failure::ChannelDisabled { disabled_flags: data.read()? },
        code::EXPIRY_TOO_FAR => Failure::ExpiryTooFar,
        code::INVALID_ONION_PAYLOAD => {
            Failure::InvalidOnionPayload { tlv_type: data.read::<BigSize>()?.0, offset: data.read()? }
        }
        code::MPP_TIMEOUT => Failure::MppTimeout,
        code::INVALID_ONION_BLINDING => Failure::InvalidOnionBlinding { sha256_of_onion: data.read()? },
        _ => return Ok(None),
    }))
}

impl fmt::Display for Failure {
    /// The BOLT's name and the data: for logs. For people there is [`Failure::describe`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Self::AmountBelowMinimum { htlc_msat } | Self::FeeInsufficient { htlc_msat } => {
                write!(f, " (HTLC of {htlc_msat})")
            }
            Self::IncorrectCltvExpiry { cltv_expiry } | Self::FinalIncorrectCltvExpiry { cltv_expiry } => {
                write!(f, " (expiry {cltv_expiry})")
            }
            Self::IncorrectOrUnknownPaymentDetails { htlc_msat, height } => {
                write!(f, " (HTLC of {htlc_msat} at height {height})")
            }
            Self::FinalIncorrectHtlcAmount { incoming_htlc_amt } => {
                write!(f, " (HTLC of {incoming_htlc_amt})")
            }
            Self::InvalidOnionPayload { tlv_type, offset } => {
                write!(f, " (TLV type {tlv_type} at byte {offset})")
            }
            Self::Unknown { code, .. } => write!(f, " (code {code:#06x})"),
            _ => Ok(()),
        }
    }
}
