//! The form in which gossip lies on disk: an append-only log of frames, each with its checksum. The messages in it are as
//! they came, so that they are passed on from there; with each channel stands what the chain said.
//!
//! ```text
//! file   = MAGIC frame*
//! frame  = len(4) crc32c(4) kind(1) body        len and checksum are of kind and body
//! ```
//!
//! A log that ends within a frame was cut by a crash, and goes on from the last whole frame. All of it can be had from the
//! network again.

use crate::checksum::crc32c;
use crate::graph::StoredAt;
use astrape_primitives::{Height, Sat, ShortChannelId};
use bitcoin::hashes::Hash as _;
use bitcoin::{OutPoint, Txid};
use core::num::NonZeroU64;
use std::sync::Arc;

/// How a log begins. The last byte is the version.
pub const MAGIC: &[u8; 8] = b"astgsp\0\x01";

/// Bytes before the kind of a frame.
pub const FRAME_HEAD: usize = 8;

/// Longest frame, kind and body: a message of 64 KiB with what the chain said.
pub const MAX_FRAME: usize = (1 << 16) + 64;

/// One thing in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A channel: its announcement, and what the chain said.
    Channel {
        /// `channel_announcement`, type included.
        bytes: Arc<[u8]>,
        /// The funding output and what it holds, where the chain source could say.
        funding: Option<(OutPoint, Sat)>,
        /// When it was heard, in seconds of UNIX time.
        received: u32,
    },
    /// A `channel_update` or `node_announcement`, type included.
    Message(Arc<[u8]>),
    /// The funding of a channel was spent at this height.
    Spent(ShortChannelId, Height),
    /// A block came or went with which the spend of a funding went: the channel is open again.
    Unspent(ShortChannelId),
    /// A channel is forgotten.
    Removed(ShortChannelId),
}

const CHANNEL: u8 = 1;
const MESSAGE: u8 = 2;
const SPENT: u8 = 3;
const UNSPENT: u8 = 4;
const REMOVED: u8 = 5;

/// Of a channel's body what comes before its message: received, a flag, txid, output, amount.
const CHANNEL_HEAD: usize = 4 + 1 + 32 + 4 + 8;

impl Record {
    /// Its frame.
    #[must_use]
    pub fn frame(&self) -> Vec<u8> {
        let mut frame = vec![0; FRAME_HEAD];
        self.write(&mut frame);
        let len = u32::try_from(frame.len() - FRAME_HEAD).expect("a frame is far below 4 GiB");
        let checksum = crc32c(&frame[FRAME_HEAD..]);
        frame[..4].copy_from_slice(&len.to_be_bytes());
        frame[4..FRAME_HEAD].copy_from_slice(&checksum.to_be_bytes());
        frame
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Record::Channel { bytes, funding, received } => {
                out.push(CHANNEL);
                out.extend(received.to_be_bytes());
                let (outpoint, amount) = funding.unwrap_or((OutPoint::null(), Sat(0)));
                out.push(u8::from(funding.is_some()));
                out.extend(outpoint.txid.to_byte_array());
                out.extend(outpoint.vout.to_be_bytes());
                out.extend(amount.0.to_be_bytes());
                out.extend_from_slice(bytes);
            }
            Record::Message(bytes) => {
                out.push(MESSAGE);
                out.extend_from_slice(bytes);
            }
            Record::Spent(id, height) => {
                out.push(SPENT);
                out.extend(id.0.to_be_bytes());
                out.extend(height.0.to_be_bytes());
            }
            Record::Unspent(id) => {
                out.push(UNSPENT);
                out.extend(id.0.to_be_bytes());
            }
            Record::Removed(id) => {
                out.push(REMOVED);
                out.extend(id.0.to_be_bytes());
            }
        }
    }

    /// Reads what is in a frame, kind and body.
    fn read(content: &[u8]) -> Option<Self> {
        let (kind, body) = content.split_first()?;
        let id = |bytes: &[u8]| bytes.try_into().ok().map(|bytes| ShortChannelId(u64::from_be_bytes(bytes)));
        Some(match *kind {
            CHANNEL => {
                let (head, message) = body.split_first_chunk::<CHANNEL_HEAD>()?;
                let u32_at =
                    |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
                let txid = Txid::from_byte_array(head[5..37].try_into().ok()?);
                let amount = Sat(u64::from_be_bytes(head[41..49].try_into().ok()?));
                let funding = (head[4] != 0).then_some((OutPoint { txid, vout: u32_at(37) }, amount));
                Record::Channel { bytes: message.into(), funding, received: u32_at(0) }
            }
            MESSAGE => Record::Message(body.into()),
            SPENT => {
                let (at, height) = body.split_at_checked(8)?;
                Record::Spent(id(at)?, Height(u32::from_be_bytes(height.try_into().ok()?)))
            }
            UNSPENT => Record::Unspent(id(body)?),
            REMOVED => Record::Removed(id(body)?),
            _ => return None,
        })
    }
}

/// What stands at a place of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A record, and the length of its frame.
    Whole(Record, usize),
    /// The bytes end before the frame does.
    Cut,
    /// The checksum does not fit, or what is there makes no sense.
    Damaged,
}

/// Reads the frame that `bytes` begin with.
#[must_use]
pub fn read_frame(bytes: &[u8]) -> Frame {
    let Some((head, rest)) = bytes.split_first_chunk::<FRAME_HEAD>() else {
        return Frame::Cut;
    };
    let [a, b, c, d, e, f, g, h] = *head;
    let len = u32::from_be_bytes([a, b, c, d]) as usize;
    if len == 0 || len > MAX_FRAME {
        return Frame::Damaged;
    }
    let Some(content) = rest.get(..len) else {
        return Frame::Cut;
    };
    if crc32c(content) != u32::from_be_bytes([e, f, g, h]) {
        return Frame::Damaged;
    }
    match Record::read(content) {
        Some(record) => Frame::Whole(record, FRAME_HEAD + len),
        None => Frame::Damaged,
    }
}

/// Where the next frame goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogEnd(u64);

impl LogEnd {
    /// Of a log that holds nothing.
    pub const EMPTY: Self = Self(MAGIC.len() as u64);

    /// Of a log of so many bytes; `None` where there is no room for how a log begins.
    pub(crate) fn at(bytes: u64) -> Option<Self> {
        (bytes >= Self::EMPTY.0).then_some(Self(bytes))
    }

    /// The length of the file.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// The place of the next frame, which is `len` bytes long.
    pub(crate) fn advance(&mut self, len: usize) -> StoredAt {
        let at = NonZeroU64::new(self.0).expect("a log begins with its magic bytes");
        self.0 += len as u64;
        StoredAt(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examples() -> Vec<Record> {
        let funding = (OutPoint { txid: Txid::from_byte_array([7; 32]), vout: 3 }, Sat(123_456));
        vec![
            Record::Channel { bytes: [1, 2, 3].into(), funding: Some(funding), received: 77 },
            Record::Channel { bytes: [9; 400].into(), funding: None, received: 0 },
            Record::Message([4, 5].into()),
            Record::Spent(ShortChannelId(5), Height(6)),
            Record::Unspent(ShortChannelId(8)),
            Record::Removed(ShortChannelId(u64::MAX)),
        ]
    }

    #[test]
    fn what_was_written_is_read_again() {
        for record in examples() {
            let mut bytes = record.frame();
            let len = bytes.len();
            bytes.extend([1, 2, 3]);
            assert_eq!(read_frame(&bytes), Frame::Whole(record, len));
        }
    }

    #[test]
    fn a_frame_that_is_cut_or_damaged_is_told_from_a_whole_one() {
        for record in examples() {
            let bytes = record.frame();
            for cut in 0..bytes.len() {
                assert_eq!(read_frame(&bytes[..cut]), Frame::Cut);
            }
            for at in 4..bytes.len() {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1;
                assert_eq!(read_frame(&damaged), Frame::Damaged, "byte {at}");
            }
        }
        assert_eq!(read_frame(&[0xff; 64]), Frame::Damaged, "a length that no frame has");
        assert_eq!(read_frame(&[0; 64]), Frame::Damaged);
    }
}
