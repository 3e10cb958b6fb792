//! How the transport behaves, one file a behaviour.
#![allow(clippy::unwrap_used, missing_docs)]

mod connection;
mod frame_stream;
mod frame_vectors;
mod handshake_stream;
mod handshake_vectors;
mod mutation;
mod session_init;
mod session_messages;
mod session_pings;
mod support;
