//! What a start reads instead of the whole log: an image of all that the log says up to a place, in the form in which it lies
//! in memory ([ADR 15](../../../../docs/adr/0015-a-start-reads-an-image-of-the-log.md)).
//!
//! ```text
//! file     = MAGIC head funding-blocks spent-blocks graph
//! head     = block of: chain_hash(32) log_end(8) log_tail(4) fundings(4) spent(4) length of the file(8)
//! fundings = short_channel_id(8) txid(32) vout(4), upwards
//! spent    = short_channel_id(8) height(4), upwards
//! graph    = a file of a graph, to the end
//! ```
//!
//! An image is believed whole or not at all: its checksums hold, it is of our chain, all that it says fits together, and the log
//! ends there as it did when the image was made, or goes on from there. Otherwise the log is read from its beginning.

use super::Gossip;
use super::closed::Closed;
use super::log::LogEnd;
use crate::checksum::crc32c;
use crate::file::block::{self, BLOCK_HEAD};
use crate::file::{FileError, MAX_FILE};
use crate::graph::{Graph, MAX_CHANNELS};
use astrape_primitives::{Height, NodeId, ShortChannelId};
use bitcoin::hashes::Hash as _;
use bitcoin::{OutPoint, Txid};
use std::collections::BTreeMap;
use std::ops::Range;

/// How an image begins. The last byte is the version.
pub const MAGIC: &[u8; 8] = b"astgim\0\x01";

/// Bytes of the log before its end that are compared: another log is told from the one that the image is of.
pub const TAIL: u64 = 4_096;

/// The longest image that is read.
pub const MAX_IMAGE: u64 = MAX_FILE as u64;

const FUNDING: usize = 8 + 32 + 4;
const SPENT: usize = 8 + 4;
const HEAD: usize = 32 + 8 + 4 + 4 + 4 + 8;

/// Why an image is not believed. Nothing is lost by it: the log says the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// Another kind or version.
    #[error("it is none that this version reads")]
    Format,
    /// A block is cut off or its checksum is wrong.
    #[error("it is damaged at byte {0}")]
    Damaged(usize),
    /// It is of another chain.
    #[error("it is of another chain")]
    OtherChain,
    /// The log is not the one of which it is.
    #[error("it is not of this log")]
    OtherLog,
    /// What it says cannot be, although the checksums hold.
    #[error("it contradicts itself")]
    Inconsistent,
    /// Its graph cannot be read.
    #[error("its graph cannot be read: {0}")]
    Graph(FileError),
}

/// The part of a log that is compared, for a log that ends at `end`.
#[must_use]
pub fn tail(end: LogEnd) -> Range<u64> {
    end.bytes().saturating_sub(TAIL)..end.bytes()
}

impl Gossip {
    /// An image of all that is known, of what waits to be appended to the log too. It is whole once
    /// [sealed](Image::seal) with what the log ends with.
    #[must_use]
    pub fn image(&self) -> Image {
        let in_graph = |id: &ShortChannelId| self.graph.contains(*id);
        let fundings: Vec<_> = self.fundings.iter().filter(|(id, _)| in_graph(id)).collect();
        let spent: Vec<_> = self.closed.spent().filter(|(id, _)| in_graph(id)).collect();
        let mut bytes = vec![0; MAGIC.len() + BLOCK_HEAD];
        let mut blocks = Vec::new();
        let mut block = Vec::new();
        for (id, outpoint) in &fundings {
            block.extend(id.0.to_be_bytes());
            block.extend(outpoint.txid.to_byte_array());
            block.extend(outpoint.vout.to_be_bytes());
            block::close_if_full(&mut blocks, &mut block);
        }
        block::close(&mut blocks, &mut block);
        for (id, height) in &spent {
            block.extend(id.0.to_be_bytes());
            block.extend(height.0.to_be_bytes());
            block::close_if_full(&mut blocks, &mut block);
        }
        block::close(&mut blocks, &mut block);
        bytes.extend(self.chain_hash);
        bytes.extend(self.end.bytes().to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend(count(fundings.len()));
        bytes.extend(count(spent.len()));
        bytes.extend([0; 8]);
        bytes.append(&mut blocks);
        self.graph.export_to(&mut bytes);
        Image { bytes, end: self.end }
    }
}

fn count(count: usize) -> [u8; 4] {
    u32::try_from(count).expect("a graph has few channels").to_be_bytes()
}

/// An image to be written.
#[derive(Debug)]
pub struct Image {
    bytes: Vec<u8>,
    end: LogEnd,
}

impl Image {
    /// Where the log ends of which it is.
    #[must_use]
    pub const fn end(&self) -> LogEnd {
        self.end
    }

    /// The file, given the [`tail`] of the log.
    #[must_use]
    pub fn seal(mut self, log_tail: &[u8]) -> Vec<u8> {
        let head = MAGIC.len() + BLOCK_HEAD;
        self.bytes[head + 40..head + 44].copy_from_slice(&crc32c(log_tail).to_be_bytes());
        let length = self.bytes.len() as u64;
        self.bytes[head + 52..head + 60].copy_from_slice(&length.to_be_bytes());
        let mut sealed = MAGIC.to_vec();
        block::close(&mut sealed, &mut self.bytes[head..head + HEAD].to_vec());
        self.bytes[..head].copy_from_slice(&sealed[..head]);
        self.bytes
    }
}

/// A file that may be an image.
#[derive(Debug)]
pub struct ImageFile<'a> {
    bytes: &'a [u8],
    /// Where its head ends.
    at: usize,
    chain_hash: [u8; 32],
    end: LogEnd,
    log_tail: u32,
    fundings: usize,
    spent: usize,
}

impl<'a> ImageFile<'a> {
    /// Reads its head.
    ///
    /// # Errors
    /// When it is none, or damaged there.
    pub fn open(bytes: &'a [u8]) -> Result<Self, ImageError> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(ImageError::Format)?;
        let head = block::read(rest).ok_or(ImageError::Damaged(MAGIC.len()))?;
        let head: &[u8; HEAD] = head.try_into().map_err(|_| ImageError::Inconsistent)?;
        let (chain_hash, rest) = head.split_first_chunk().ok_or(ImageError::Inconsistent)?;
        let mut fields = Fields(rest);
        let end = fields.u64();
        let [log_tail, fundings, spent] = [0; 3].map(|_| fields.u32());
        // A part of it could end between two blocks.
        if fields.u64() != bytes.len() as u64 {
            return Err(ImageError::Damaged(bytes.len()));
        }
        Ok(Self {
            bytes,
            at: MAGIC.len() + BLOCK_HEAD + HEAD,
            chain_hash: *chain_hash,
            end: LogEnd::at(end).ok_or(ImageError::Inconsistent)?,
            log_tail,
            fundings: fundings as usize,
            spent: spent as usize,
        })
    }

    /// Where the log ended of which it is.
    #[must_use]
    pub const fn end(&self) -> LogEnd {
        self.end
    }

    /// What it says, given the [`tail`] of the log up to [`ImageFile::end`].
    ///
    /// # Errors
    /// When it is of another chain or log, is damaged, or says what cannot be.
    pub fn load(
        mut self,
        chain_hash: [u8; 32],
        our_id: NodeId,
        log_tail: &[u8],
    ) -> Result<Gossip, ImageError> {
        if self.chain_hash != chain_hash {
            return Err(ImageError::OtherChain);
        }
        let compared = tail(self.end);
        if compared.end - compared.start != log_tail.len() as u64 || crc32c(log_tail) != self.log_tail {
            return Err(ImageError::OtherLog);
        }
        let mut fundings = Vec::new();
        self.records(self.fundings, FUNDING, |record| {
            let mut fields = Fields(record);
            let id = fields.id();
            let (txid, vout) = (Txid::from_byte_array(fields.array()), fields.u32());
            fundings.push((id, OutPoint { txid, vout }));
        })?;
        let mut spent = Vec::new();
        self.records(self.spent, SPENT, |record| {
            let mut fields = Fields(record);
            spent.push((fields.id(), Height(fields.u32())));
        })?;
        let graph = Graph::import(&self.bytes[self.at..]).map_err(ImageError::Graph)?;
        let fits =
            is_in(&graph, &fundings) && is_in(&graph, &spent) && graph.is_stored_before(self.end.bytes());
        let by_outpoint: BTreeMap<_, _> = fundings.iter().map(|(id, outpoint)| (*outpoint, *id)).collect();
        if !fits || by_outpoint.len() != fundings.len() {
            return Err(ImageError::Inconsistent);
        }
        Ok(Gossip {
            graph,
            fundings: fundings.into_iter().collect(),
            by_outpoint,
            closed: Closed::of(spent),
            end: self.end,
            ..Gossip::new(chain_hash, our_id)
        })
    }

    /// Reads `count` records of `size` bytes. Nothing is allocated for what is only announced.
    fn records(&mut self, count: usize, size: usize, mut take: impl FnMut(&[u8])) -> Result<(), ImageError> {
        if count > MAX_CHANNELS {
            return Err(ImageError::Inconsistent);
        }
        let mut left = count;
        while left > 0 {
            let block = block::read(&self.bytes[self.at..]).ok_or(ImageError::Damaged(self.at))?;
            let records = block.len() / size;
            if records == 0 || records > left || block.len() % size != 0 {
                return Err(ImageError::Inconsistent);
            }
            block.chunks_exact(size).for_each(&mut take);
            left -= records;
            self.at += BLOCK_HEAD + block.len();
        }
        Ok(())
    }
}

/// Whether the channels are in the graph, each once and upwards.
fn is_in<T>(graph: &Graph, channels: &[(ShortChannelId, T)]) -> bool {
    channels.windows(2).all(|pair| pair[0].0 < pair[1].0)
        && channels.iter().all(|(id, _)| graph.contains(*id))
}

/// Fields of a record whose length was looked at.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn array<const N: usize>(&mut self) -> [u8; N] {
        let (array, rest) = self.0.split_first_chunk().expect("the record's length was looked at");
        self.0 = rest;
        *array
    }

    fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.array())
    }

    fn u64(&mut self) -> u64 {
        u64::from_be_bytes(self.array())
    }

    fn id(&mut self) -> ShortChannelId {
        ShortChannelId(self.u64())
    }
}
