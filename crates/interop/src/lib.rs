//! Tests among real components: `astrape` as separate processes, beside a real bitcoind, over loopback, on real disks.
//!
//! This library is the stage; what is played on it stands in `tests/it/`, and the benchmark of payments in
//! `src/bin/bench-payments/`, and the long soak in `src/bin/soak.rs`. The nodes are used by their command line alone
//! (benchmark and soak pay by their API), and ended as roughly as a power cut does.
//!
//! | room | what is in it |
//! |---|---|
//! | [`bitcoind`] | [`Bitcoind`]: a bitcoind of its own, on regtest |
//! | [`older`] | [`Older`]: the same, without some of its methods |
//! | [`daemon`] | [`Daemon`]: an `astrape run`, to start, kill and start again |
//! | [`cli`] | [`Cli`]: the command line of a node, and what it answers |
//! | [`mod@line`] | [`Line`]: nodes in a row with channels between neighbours |
//! | [`accounts`] | who owns what, and whether both sides of everything say the same |
//! | [`load`] | payments, many at a time, by an [`account`] of whatever node |
//! | [`ldk_node`], [`ldk_line`] | the same of others, for comparison: a process, and a row of them |
//! | [`soak`] | payments at full speed while sockets are cut and processes killed |
//! | [`wire`] | [`Wire`]: a TCP connection that is cut after so many bytes |
//! | [`process`] | processes that end with us; their CPU time and memory |
//! | [`ports`], [`wait`] | ports that stay free; waiting with a deadline |
//!
//! # Never
//! It never links the node: what is tested is the binary that people run.

pub mod account;
pub mod accounts;
pub mod bitcoind;
pub mod cli;
pub mod daemon;
pub mod ldk_line;
pub mod ldk_node;
pub mod line;
pub mod load;
pub mod older;
pub mod process;
pub mod soak;
pub mod wait;
pub mod wire;

pub use astrape_regtest::ports;
pub use bitcoind::Bitcoind;
pub use cli::{Answer, Cli};
pub use daemon::Daemon;
pub use ldk_line::LdkLine;
pub use line::Line;
pub use older::Older;
pub use wire::Wire;
