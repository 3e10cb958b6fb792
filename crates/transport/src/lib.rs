//! What stands between a socket and the node: the encrypted transport of BOLT 8 and the session of BOLT 1.
//!
//! Everything here is sans-IO: bytes, times and fresh randomness go in; bytes and actions come out. The sockets, the
//! clock and the tasks are the daemon's.
//!
//! | room | what is in it |
//! |---|---|
//! | [`handshake`] | the three acts of `Noise_XK`: [`Handshake`], and the acts alone: [`Initiator`], [`Responder`] |
//! | [`frame`] | [`Encryptor`] and [`Decryptor`]: one message a frame, keys rotated every 1000 uses |
//! | [`session`] | [`Session`]: init, features, pings, what to deliver and when to disconnect |
//!
//! How a driver uses it: feed [`Handshake`] until it gives [`Secured`]; split that into its [`Encryptor`] (for the
//! task that writes) and its [`Decryptor`] (for the task that reads); give each message of the latter to a [`Session`],
//! call [`Session::tick`] at [`Session::wake_at`], and do what its [`Action`]s say. A driver reads no further while what
//! it has to write exceeds a bound: so a peer that does not read is soon not read from either, and its pong is missed.
//!
//! Invariants:
//! - What a peer can make us hold is bounded: [`handshake::MAX_ACT`] bytes before the handshake is done, and
//!   [`frame::MAX_BUFFERED`] bytes after.
//! - Before the peer's `init` is there, nothing but our own is sent.
//! - The first failed check is the last word: no byte is decrypted with a key after a tag did not match.
//! - The node's private key is never here. ECDH with it is a function that the caller gives.
//!
//! It must never read a clock, draw randomness, or know a channel.

mod aead;
pub mod frame;
pub mod handshake;
mod noise;
pub mod session;

pub use frame::{Decryptor, Encryptor, TransportError};
pub use handshake::{Handshake, HandshakeError, Initiator, Progress, Responder, Secured};
pub use session::{Action, DisconnectReason, LocalInit, PeerInit, Session};
