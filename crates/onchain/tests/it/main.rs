//! The enforcement of a channel on a chain whose scripts Bitcoin Core's engine judges.

mod batches;
mod classes;
mod coins;
mod fees;
mod kit;
mod mass;
mod mempool;
mod ours;
mod reorgs;
mod revoked;
mod strays;
mod theirs;
mod witnesses;
