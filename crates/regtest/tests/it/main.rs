//! Behaviour of the regtest chain, one file a subject.
#![allow(clippy::unwrap_used, missing_docs)]

mod blocks;
mod events;
mod kit;
mod locktimes;
mod mempool;
mod packages;
mod replacement;
mod scripts;
mod truc;
mod weather;
