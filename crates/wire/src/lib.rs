//! Every message of BOLT 1, 2 and 7, and `onion_message` of BOLT 4, as plain data with its codec.
//!
//! Owns what bytes a message is, and nothing of what it does: no check here needs a state, a key or a clock. Reading is
//! strict where BOLT 1 says MUST, and a type cannot hold what the codec refuses. What BOLT 2 wants answered in another way
//! than by closing the connection (a bad onion, a bad previous transaction, an invalid secret key) is left as bytes for
//! the one who answers.
//!
//! | room | what is in it |
//! |---|---|
//! | [`message`] | [`Message`]: all messages as one type; `decode`, `encode` |
//! | [`bolt1`] | init, error, warning, ping, pong, peer storage |
//! | [`open`], [`open2`] | channel establishment v1 and v2 |
//! | [`interactive`] | interactive transaction construction |
//! | [`splice`] | quiescence, splicing, batches |
//! | [`htlc`], [`commitment`], [`reestablish`] | normal operation |
//! | [`close`] | mutual close |
//! | [`gossip`], [`query`], [`address`] | BOLT 7 |
//! | [`onion`] | onion messages |
//! | [`tlv`] | BigSize, truncated integers, TLV streams: for all who read TLV |
//! | [`codec`] | how each type stands on the wire |
//! | [`text`] | a peer's text made safe to show |
//! | [`error`] | why bytes are no message |
//!
//! # Invariants
//!
//! - `decode(encode(m)) == m` for every message that encodes, and what was decoded always encodes.
//! - A signed gossip message encodes to the very bytes it came as.
//! - Hostile bytes cause no panic, and no allocation beyond a small multiple of their own length.
//! - A message longer than 65,535 bytes is an [`EncodeError`], never cut: the parts of a message may come from elsewhere
//!   (a failure reason passed on with attribution data added), so this can happen to an honest node.
//!
//! It must never interpret: order of messages, negotiated features and amounts are for `transport`, `channel` and
//! `routing`.

pub mod address;
pub mod bolt1;
pub mod close;
pub mod codec;
pub mod commitment;
pub mod error;
pub mod gossip;
pub mod htlc;
pub mod interactive;
mod macros;
pub mod message;
pub mod onion;
pub mod open;
pub mod open2;
pub mod query;
pub mod reestablish;
pub mod splice;
pub mod text;
pub mod tlv;

pub use address::{Address, Addresses, Hostname};
pub use bolt1::*;
pub use close::*;
pub use commitment::*;
pub use error::{DecodeError, EncodeError, MAX_MESSAGE_LEN, TlvError, ValueError};
pub use gossip::*;
pub use htlc::*;
pub use interactive::*;
pub use message::{Decoded, Message};
pub use onion::*;
pub use open::*;
pub use open2::*;
pub use query::*;
pub use reestablish::*;
pub use splice::*;
pub use text::printable;
