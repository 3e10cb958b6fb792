//! Behaviour of chain sources, one file a subject.
#![allow(clippy::unwrap_used, missing_docs)]

mod bitcoind;
mod bitcoind_answers;
mod follower;
mod kit;
mod mempool;
mod node;
mod regtest_agrees;
mod rpc;
mod server;
mod watch;
