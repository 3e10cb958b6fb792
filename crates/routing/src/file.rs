//! The graph as bytes: a file that only grows, of blocks with a checksum each.
//!
//! A block holds records; a record puts a node or a channel into its numbered place, or empties one. The numbers are those of
//! the graph in memory, so that reading is no more than filling two tables. A whole graph (an export) and what has changed
//! since the last time (to be appended) are written in the same format; the shell starts a new file from an export when the
//! old one has grown too long.
//!
//! | room | what is in it |
//! |---|---|
//! | `record` | the records |
//! | `read` | bytes to graph: `Graph::import`, `Graph::load` |
//! | `write` | graph to bytes: `Graph::export`, `Graph::take_changes` |
//!
//! What is read is not believed: numbers, ids and sums are checked, nothing is allocated for what is only announced, and a
//! graph larger than [`MAX_CHANNELS`](crate::graph::MAX_CHANNELS) is refused.

mod read;
mod record;
mod write;

pub use read::{FileError, Loaded};
pub(crate) use write::Changes;

/// How a file begins: what it is, and the version of the format.
const MAGIC: &[u8; 8] = b"astgrph1";

/// Longest block: what is read and checked at once.
const MAX_BLOCK: usize = 1 << 20;

/// Longest file that is read: twice what the largest graph takes.
pub const MAX_FILE: usize = 1 << 30;
