//! The gossip queries of BOLT 7. Arrays are uncompressed: the zlib encoding must not be used and is refused, so that a
//! short message never becomes a large array.

use crate::codec::{Field, Reader, TlvValue};
use crate::error::ValueError;
use crate::macros::message;
use crate::tlv::BigSize;
use astrape_primitives::{Height, ShortChannelId};

message! {
    /// Asks for what is known of given channels (BOLT 7).
    pub struct QueryShortChannelIds = 261 query_short_channel_ids {
        /// Genesis hash of the chain.
        chain_hash: [u8; 32],
        /// The channels.
        encoded_short_ids: Vec<ShortChannelId>,
    } tlvs {
        /// What to send of each channel.
        1 => query_flags: Option<QueryFlags>,
    }
}

message! {
    /// All was sent that a [`QueryShortChannelIds`] asked for (BOLT 7).
    pub struct ReplyShortChannelIdsEnd = 262 reply_short_channel_ids_end {
        /// Genesis hash of the chain.
        chain_hash: [u8; 32],
        /// Whether the sender follows that chain.
        full_information: bool,
    }
}

message! {
    /// Asks which channels were funded in a range of blocks (BOLT 7).
    pub struct QueryChannelRange = 263 query_channel_range {
        /// Genesis hash of the chain.
        chain_hash: [u8; 32],
        /// First block.
        first_blocknum: Height,
        /// How many blocks.
        number_of_blocks: u32,
    } tlvs {
        /// Bits [`WANT_TIMESTAMPS`] and [`WANT_CHECKSUMS`].
        1 => query_option: Option<BigSize>,
    }
}

/// Bit of `query_option`: the sender wants timestamps (BOLT 7).
pub const WANT_TIMESTAMPS: u64 = 1;
/// Bit of `query_option`: the sender wants checksums (BOLT 7).
pub const WANT_CHECKSUMS: u64 = 2;

message! {
    /// Part of the answer to a [`QueryChannelRange`] (BOLT 7).
    pub struct ReplyChannelRange = 264 reply_channel_range {
        /// Genesis hash of the chain.
        chain_hash: [u8; 32],
        /// First block that this part covers.
        first_blocknum: Height,
        /// How many blocks it covers.
        number_of_blocks: u32,
        /// Whether this is the last part.
        sync_complete: bool,
        /// The channels.
        encoded_short_ids: Vec<ShortChannelId>,
    } tlvs {
        /// When each channel was last updated.
        1 => timestamps_tlv: Option<Vec<ChannelUpdateTimestamps>>,
        /// What each channel's updates say, as checksums.
        3 => checksums_tlv: Option<Vec<ChannelUpdateChecksums>>,
    }
}

message! {
    /// Asks for gossip as it comes, of a range of timestamps (BOLT 7).
    pub struct GossipTimestampFilter = 265 gossip_timestamp_filter {
        /// Genesis hash of the chain.
        chain_hash: [u8; 32],
        /// Seconds since 1970.
        first_timestamp: u32,
        /// Seconds.
        timestamp_range: u32,
    }
}

/// The one encoding of arrays that is spoken: as they are (BOLT 7).
const UNCOMPRESSED: u8 = 0;

fn read_encoding(reader: &mut Reader<'_>) -> Result<(), ValueError> {
    match u8::read(reader)? {
        UNCOMPRESSED => Ok(()),
        other => Err(ValueError::UnknownEncoding(other)),
    }
}

/// Values to the end of the bytes.
fn read_all<T: Field>(mut reader: Reader<'_>) -> Result<Vec<T>, ValueError> {
    let mut values = Vec::new();
    while !reader.is_empty() {
        values.push(reader.read()?);
    }
    Ok(values)
}

/// An array of 8-byte ids behind its length in bytes and its encoding.
impl Field for Vec<ShortChannelId> {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        let mut array = Reader::new(reader.take_prefixed()?);
        read_encoding(&mut array)?;
        read_all(array)
    }
    fn write(&self, out: &mut Vec<u8>) {
        let mut array = Vec::with_capacity(1 + self.len() * 8);
        array.push(UNCOMPRESSED);
        self.iter().for_each(|id| id.write(&mut array));
        array.write(out);
    }
}

/// What a [`QueryShortChannelIds`] wants of each channel, as bits (BOLT 7). One for each id is the sender's duty, which
/// the codec does not check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryFlags(pub Vec<u64>);

impl QueryFlags {
    /// The `channel_announcement`.
    pub const CHANNEL_ANNOUNCEMENT: u64 = 1;
    /// The `channel_update` of node 1.
    pub const CHANNEL_UPDATE_1: u64 = 2;
    /// The `channel_update` of node 2.
    pub const CHANNEL_UPDATE_2: u64 = 4;
    /// The `node_announcement` of node 1.
    pub const NODE_ANNOUNCEMENT_1: u64 = 8;
    /// The `node_announcement` of node 2.
    pub const NODE_ANNOUNCEMENT_2: u64 = 16;
}

impl TlvValue for QueryFlags {
    fn from_tlv(bytes: &[u8]) -> Result<Self, ValueError> {
        let mut array = Reader::new(bytes);
        read_encoding(&mut array)?;
        let flags: Vec<BigSize> = read_all(array)?;
        Ok(Self(flags.into_iter().map(|flag| flag.0).collect()))
    }
    fn write_tlv(&self, out: &mut Vec<u8>) {
        out.push(UNCOMPRESSED);
        self.0.iter().for_each(|flag| BigSize(*flag).write(out));
    }
}

/// Timestamps of a channel's two updates (BOLT 7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChannelUpdateTimestamps {
    /// Of node 1; 0 when there is none.
    pub timestamp_node_id_1: u32,
    /// Of node 2; 0 when there is none.
    pub timestamp_node_id_2: u32,
}

impl Field for ChannelUpdateTimestamps {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        Ok(Self { timestamp_node_id_1: reader.read()?, timestamp_node_id_2: reader.read()? })
    }
    fn write(&self, out: &mut Vec<u8>) {
        self.timestamp_node_id_1.write(out);
        self.timestamp_node_id_2.write(out);
    }
}

impl TlvValue for Vec<ChannelUpdateTimestamps> {
    fn from_tlv(bytes: &[u8]) -> Result<Self, ValueError> {
        let mut array = Reader::new(bytes);
        read_encoding(&mut array)?;
        read_all(array)
    }
    fn write_tlv(&self, out: &mut Vec<u8>) {
        out.push(UNCOMPRESSED);
        self.iter().for_each(|timestamps| timestamps.write(out));
    }
}

/// CRC32C of a channel's two updates without signature and timestamp (BOLT 7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChannelUpdateChecksums {
    /// Of node 1; 0 when there is none.
    pub checksum_node_id_1: u32,
    /// Of node 2; 0 when there is none.
    pub checksum_node_id_2: u32,
}

impl Field for ChannelUpdateChecksums {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        Ok(Self { checksum_node_id_1: reader.read()?, checksum_node_id_2: reader.read()? })
    }
    fn write(&self, out: &mut Vec<u8>) {
        self.checksum_node_id_1.write(out);
        self.checksum_node_id_2.write(out);
    }
}

impl TlvValue for Vec<ChannelUpdateChecksums> {
    fn from_tlv(bytes: &[u8]) -> Result<Self, ValueError> {
        read_all(Reader::new(bytes))
    }
    fn write_tlv(&self, out: &mut Vec<u8>) {
        self.iter().for_each(|checksums| checksums.write(out));
    }
}
