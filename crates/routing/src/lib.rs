//! The network as others tell it (BOLT 7): its graph, what is known of its liquidity, and the ways through it.
//!
//! | room | what is in it |
//! |---|---|
//! | [`graph`] | [`Graph`]: channels, policies and nodes, written by one owner |
//! | [`bootstrap`] | the first peers, by DNS (BOLT 10) |
//! | [`gossip`] | from what peers say to the graph, and back to those who ask (BOLT 7) |
//! | [`snapshot`] | [`Snapshot`]: the graph as path search reads it, immutable and shared |
//! | [`mod@file`] | the graph as a file; export and import |
//! | [`score`] | [`Scores`]: what payments have taught of channels' liquidity |
//! | [`search`] | [`Finder`]: ways of least cost, or why there are none |
//! | [`synthetic`] | networks made up from a seed, for benches and tests |
//!
//! Invariants:
//! - What is here can be rebuilt from the network: losing it costs time and no money.
//! - A [`Graph`] holds no more than [`MAX_CHANNELS`](graph::MAX_CHANNELS) channels, and no node without a channel.
//! - A [`Snapshot`] never changes. Whoever holds one reads it without asking anybody.
//!
//! Never: a clock, randomness, a lock, a file (bytes go in and out; the shell reads and writes them).

pub mod bootstrap;
mod checksum;
pub mod file;
pub mod gossip;
pub mod graph;
mod lot;
pub mod score;
pub mod search;
pub mod snapshot;
pub mod synthetic;

pub use file::FileError;
pub use gossip::Gossip;
pub use graph::{Channel, Direction, Graph, GraphError, NewChannel, NodeInfo, Policy, StoredAt};
pub use score::{Crossing, Outcome, Scores};
pub use search::{Finder, NoRoute, Request, Route};
pub use snapshot::Snapshot;
