//! How the transport behaves, one file a behaviour.
#![allow(clippy::unwrap_used, missing_docs)]

mod frame_stream;
mod frame_vectors;
mod handshake_stream;
mod handshake_vectors;
mod mutation;
mod support;
