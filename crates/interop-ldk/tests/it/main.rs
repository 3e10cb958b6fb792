//! Astrape and LDK, each a judge of the other: real sockets, a real bitcoind, both kinds of channel.
#![allow(missing_docs)]

mod announced;
mod cheats;
mod closes;
mod common;
mod cuts;
mod direct;
mod failures;
mod fees;
mod forgotten;
mod forwards;
mod network;
mod reorgs;
