//! The messages of BOLT 1: setup, errors, liveness, peer storage.

use crate::macros::message;
use astrape_primitives::{ChannelId, Features};

message! {
    /// First message on a connection: the features that its sender offers (BOLT 1).
    pub struct Init = 16 init {
        /// Older half of the features; a receiver takes both vectors together.
        globalfeatures: Features,
        /// Features offered.
        features: Features,
    } tlvs {
        /// Genesis hashes of the chains that the sender gossips and opens channels for.
        1 => networks: Option<Vec<[u8; 32]>>,
        /// The receiver's address as its peer sees it: one address descriptor, unchecked
        /// ([`crate::address::Address::from_descriptor`]).
        3 => remote_addr: Option<Vec<u8>>,
    }
}

message! {
    /// The channel, or all channels with the sender, must be failed (BOLT 1).
    pub struct Error = 17 error, of channel_id {
        /// The channel; [`ChannelId::ALL`] means every one.
        channel_id: ChannelId,
        /// A text for people; untrusted ([`crate::text::printable`]).
        data: Vec<u8>,
    }
}

message! {
    /// Something is wrong, but no channel needs to fail for it (BOLT 1).
    pub struct Warning = 1 warning, of channel_id {
        /// The channel; [`ChannelId::ALL`] means no particular one.
        channel_id: ChannelId,
        /// A text for people; untrusted ([`crate::text::printable`]).
        data: Vec<u8>,
    }
}

message! {
    /// Asks for a [`Pong`] of a given size (BOLT 1).
    pub struct Ping = 18 ping {
        /// How long the answer shall be, in bytes; from 65,532 no answer is wanted.
        num_pong_bytes: u16,
        /// Padding.
        ignored: Vec<u8>,
    }
}

impl Ping {
    /// First value of `num_pong_bytes` that means "do not answer": such a pong would not fit a message.
    pub const NO_PONG: u16 = 65_532;
}

message! {
    /// The answer to a [`Ping`] (BOLT 1).
    pub struct Pong = 19 pong {
        /// As many bytes as were asked for.
        ignored: Vec<u8>,
    }
}

/// Largest `blob` that fits a message (BOLT 1).
pub const MAX_PEER_STORAGE_BLOB_LEN: usize = 65_531;

message! {
    /// Asks the peer to keep a blob for us (BOLT 1, `option_provide_storage`).
    pub struct PeerStorage = 7 peer_storage {
        /// At most [`MAX_PEER_STORAGE_BLOB_LEN`] bytes, encrypted by their owner.
        blob: Vec<u8>,
    }
}

message! {
    /// Gives back the last blob that its receiver stored with us (BOLT 1).
    pub struct PeerStorageRetrieval = 9 peer_storage_retrieval {
        /// The blob.
        blob: Vec<u8>,
    }
}
