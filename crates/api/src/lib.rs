//! The local API of a node: its contract, and what both ends need to talk safely.
//!
//! The contract is `proto/astrape/v1/node.proto`; the command line and programs use it by gRPC over TLS. Whoever may read
//! the node's data directory may use it: there lie the certificate, which a client pins, and the token, which it shows.
//!
//! | room | what is in it |
//! |---|---|
//! | [`v1`] | messages, client and server, made from the contract |
//! | [`client`] | [`connect`]: a client of the node in a data directory |
//! | [`credentials`] | certificate, key and token: made on the first start, kept private |
//! | [`auth`] | the token in a call: sent, and judged in constant time |
//! | [`names`] | enumerations as words |
//! | [`digest`] | whether two calls ask for the same |
//!
//! # Never
//! It never decides anything about the node: what a call means is the daemon's.

pub mod auth;
pub mod client;
pub mod credentials;
pub mod digest;
pub mod names;

/// Messages, client and server of the contract, version 1.
#[allow(missing_docs, unreachable_pub, unused_qualifications, clippy::all, reason = "generated code")]
pub mod v1 {
    tonic::include_proto!("astrape.v1");
}

pub use client::{Client, ConnectError, connect};
pub use credentials::{Credentials, CredentialsError};

/// Largest message that either side reads, in bytes: a list of 1,000 payments takes a tenth of it, and one of 10,000 channels half.
pub const MAX_MESSAGE: usize = 8 << 20;

/// Largest call that a node reads, in bytes: many times the longest invoice.
pub const MAX_REQUEST: usize = 64 << 10;
