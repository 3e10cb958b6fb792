//! Behaviour of the in-process signer, from outside.
#![allow(clippy::unwrap_used, missing_docs)]

mod claims;
mod developer;
mod node_key;
mod pair;
mod refusals;
mod roundtrip;
