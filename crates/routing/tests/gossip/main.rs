//! Gossip by the rules of BOLT 7: what is taken, what is not, what is passed on, asked and answered.
#![allow(clippy::unwrap_used, missing_docs)]

mod bootstrap;
mod chain;
mod channels;
mod kit;
mod live;
mod nodes;
mod queries;
mod queue;
mod relay;
mod store;
mod sync;
mod updates;
