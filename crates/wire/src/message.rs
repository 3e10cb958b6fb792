//! All messages as one type, and its codec.

use crate::error::{DecodeError, EncodeError, MAX_MESSAGE_LEN};
use crate::{
    bolt1::*, close::*, commitment::*, gossip::*, htlc::*, interactive::*, onion::*, open::*, query::*,
};
use crate::{open2::*, reestablish::*, splice::*};
use astrape_primitives::ChannelId;

/// What the definition of a message gives.
pub(crate) trait Body: Sized {
    /// Its number.
    const TYPE: u16;
    /// Its BOLT name.
    const NAME: &'static str;
    /// Reads what follows the type.
    fn read(bytes: &[u8]) -> Result<Self, DecodeError>;
    /// Writes what follows the type.
    fn write(&self, out: &mut Vec<u8>);
    /// The channel it is about.
    fn channel_id(&self) -> Option<ChannelId>;
}

/// Bytes of a peer that are no error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// A message of this crate.
    Known(Message),
    /// A type that is odd and unknown, which must be ignored (BOLT 1).
    IgnoredOdd(u16),
}

macro_rules! messages {
    ($($name:ident),* $(,)?) => {
        /// A message of BOLT 1, 2, 4 or 7.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Message {
            $(
                #[doc = concat!("See [`", stringify!($name), "`].")]
                $name($name),
            )*
        }

        impl Message {
            /// The numbers of all messages that this crate knows, upwards.
            pub const TYPES: &'static [u16] = &[$($name::TYPE),*];

            /// The same with their BOLT names.
            pub const NAMES: &'static [(u16, &'static str)] = &[$(($name::TYPE, $name::NAME)),*];

            /// Reads one message: type, fields and extension.
            ///
            /// # Errors
            /// When the bytes are no message, in which case BOLT 1 obliges to close the connection.
            pub fn decode(bytes: &[u8]) -> Result<Decoded, DecodeError> {
                if bytes.len() > MAX_MESSAGE_LEN {
                    return Err(DecodeError::Size(bytes.len()));
                }
                let (number, body) = bytes.split_first_chunk().ok_or(DecodeError::Size(bytes.len()))?;
                match u16::from_be_bytes(*number) {
                    $($name::TYPE => $name::read(body).map(|m| Decoded::Known(Message::$name(m))),)*
                    odd if odd % 2 == 1 => Ok(Decoded::IgnoredOdd(odd)),
                    even => Err(DecodeError::UnknownEvenType(even)),
                }
            }

            /// The bytes of the message, type included.
            ///
            /// # Errors
            /// When it is longer than a message can be. What was decoded always encodes.
            pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
                let mut out = Vec::with_capacity(256);
                out.extend(self.message_type().to_be_bytes());
                match self {
                    $(Message::$name(m) => m.write(&mut out),)*
                }
                if out.len() > MAX_MESSAGE_LEN {
                    return Err(EncodeError { message: self.name(), size: out.len() });
                }
                Ok(out)
            }

            /// Its number.
            #[must_use]
            pub const fn message_type(&self) -> u16 {
                match self {
                    $(Message::$name(_) => $name::TYPE,)*
                }
            }

            /// Its BOLT name.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self {
                    $(Message::$name(_) => $name::NAME,)*
                }
            }

            /// The channel it is about: its `channel_id`, or `temporary_channel_id` while a channel is opened.
            /// [`ChannelId::ALL`] in an `error` or `warning` about all channels.
            #[must_use]
            pub fn channel_id(&self) -> Option<ChannelId> {
                match self {
                    $(Message::$name(m) => m.channel_id(),)*
                }
            }
        }
    };
}

messages! {
    Warning, Stfu, PeerStorage, PeerStorageRetrieval, Init, Error, Ping, Pong,
    OpenChannel, AcceptChannel, FundingCreated, FundingSigned, ChannelReady,
    Shutdown, ClosingSigned, ClosingComplete, ClosingSig,
    OpenChannel2, AcceptChannel2,
    TxAddInput, TxAddOutput, TxRemoveInput, TxRemoveOutput, TxComplete, TxSignatures, TxInitRbf, TxAckRbf, TxAbort,
    SpliceLocked, SpliceInit, SpliceAck, StartBatch,
    UpdateAddHtlc, UpdateFulfillHtlc, UpdateFailHtlc, CommitmentSigned, RevokeAndAck, UpdateFee,
    UpdateFailMalformedHtlc, ChannelReestablish,
    ChannelAnnouncement, NodeAnnouncement, ChannelUpdate, AnnouncementSignatures,
    QueryShortChannelIds, ReplyShortChannelIdsEnd, QueryChannelRange, ReplyChannelRange, GossipTimestampFilter,
    OnionMessage,
}
