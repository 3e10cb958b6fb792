//! Worlds in which nodes live and die.
#![allow(clippy::unwrap_used, missing_docs)]

mod court;
mod crashes;
mod determinism;
mod planted;
mod scenarios;
mod siege;
mod swarm;
mod web;
