//! `astrape` as people run it: separate processes, a real bitcoind, real disks, the command line.
#![allow(missing_docs)]

mod chain_trouble;
mod command_line;
mod judged;
mod money;
mod old_bitcoind;
mod processes;
mod repeated;
mod soak;
mod three_nodes;
