//! Behaviour of the transactions of BOLT 3, from outside.
#![allow(clippy::unwrap_used, missing_docs)]

mod channel;
mod closing;
mod funding;
mod keys;
mod secrets;
mod signatures;
mod trimming;
mod vectors;
