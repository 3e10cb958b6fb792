//! The graph as bytes: a file of blocks with a checksum each.
//!
//! A block holds records; a record puts a node or a channel into its numbered place, or leaves one empty. The numbers are those
//! of the graph in memory, so that reading is no more than filling two tables. It is an export, and a part of the
//! [image](crate::gossip::image) that a node starts from.
//!
//! | room | what is in it |
//! |---|---|
//! | `block` | lengths and checksums |
//! | `record` | the records |
//! | `read` | bytes to graph: `Graph::import` |
//! | `write` | graph to bytes: `Graph::export` |
//!
//! What is read is not believed: numbers, ids and sums are checked, nothing is allocated for what is only announced, and a
//! graph larger than [`MAX_CHANNELS`](crate::graph::MAX_CHANNELS) is refused.

pub(crate) mod block;
mod read;
mod record;
mod write;

pub use read::FileError;

/// How a file begins: what it is, and the version of the format.
const MAGIC: &[u8; 8] = b"astgrph1";

/// Longest block: what is read and checked at once.
pub(crate) const MAX_BLOCK: usize = 1 << 20;

/// Longest file that is read: twice what the largest graph takes.
pub const MAX_FILE: usize = 1 << 30;
