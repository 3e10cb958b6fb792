//! What the fuzzers check: for each target a function that takes any bytes, and panics when they break a promise.
//!
//! The targets for cargo-fuzz are in `fuzz/`, a workspace of its own: each calls one of these functions.
//! `fuzz/corpus/TARGET.hex` keeps inputs that reach what others do not, and those that once broke something; the tests of
//! this crate play them on every compiler.
//!
//! | target | what the bytes are |
//! |---|---|
//! | [`messages`] | a message by its type, a TLV stream, a text to show |
//! | [`transport`] | a hostile peer from the first act of the handshake to the end of the session |
//! | [`onion`] | the payloads of an onion, answers on their way back, records |
//! | [`invoice`] | the letters of an invoice, to which checksum and signature are made |
//! | [`step`] | what a hostile peer and its helpers do to a channel at any moment of its life |

pub mod bytes;
pub mod invoice;
pub mod messages;
pub mod onion;
pub mod step;
pub mod tally;
pub mod transport;

use bitcoin::secp256k1::{All, Secp256k1};
use std::sync::LazyLock;

/// The tables of libsecp256k1, made once.
static SECP: LazyLock<Secp256k1<All>> = LazyLock::new(Secp256k1::new);

/// A function that takes any bytes.
pub type Target = fn(&[u8]);

/// All targets by name.
pub const TARGETS: [(&str, Target); 5] = [
    ("messages", messages::run),
    ("transport", transport::run),
    ("onion", onion::run),
    ("invoice", invoice::run),
    ("step", step::run),
];
