//! The onions of payments (BOLT 4): building and peeling them, and the answers that come back through them.
//!
//! Owns Sphinx, the payloads that hops read, failure messages and attribution data. Everything is a function of its
//! arguments: session keys are drawn and node keys are used elsewhere (ECDH is handed in).
//!
//! | room | what is in it |
//! |---|---|
//! | [`construct`] | [`OnionRecipe`]: route and session key, from which packet and secrets follow |
//! | [`peel`](mod@peel) | [`peel`](fn@peel): one layer off, and how an HTLC whose layer does not come off is failed |
//! | [`payload`] | what a hop is told: [`ForwardPayload`], [`FinalPayload`] |
//! | [`failure`] | [`Failure`]: every failure message, as data and in words |
//! | [`answer`] | failures made, passed on and read; hold times of fulfilments |
//! | [`attribution`] | [`HoldTime`], and what vouches for it |
//! | [`keys`] | [`SharedSecret`] and the keys derived from it |
//! | [`record`] | the bytes of recipes and of what was peeled, in records |
//!
//! Invariants:
//! - No input from the network can make it panic or allocate more than the input's own size.
//! - A failure of ours never carries a `channel_update`, and none that is received is kept.
//! - The same recipe builds the same packet.
//!
//! It must never draw randomness, hold a private key of the node, or log a session key or shared secret.

pub mod answer;
pub mod attribution;
pub mod construct;
pub mod failure;
pub mod keys;
mod layout;
pub mod payload;
pub mod peel;
pub mod record;

pub use answer::{
    DecodedFailure, FailurePacket, FailureSource, create_failure, create_failure_with,
    create_fulfill_attribution, decode_failure, read_fulfill_attribution, relay_failure,
    relay_fulfill_attribution,
};
pub use attribution::HoldTime;
pub use construct::{BuildError, MAX_HOPS, OnionHop, OnionRecipe};
pub use failure::{Description, Failure};
pub use keys::SharedSecret;
pub use payload::{
    FIRST_CUSTOM_TYPE, FinalPayload, ForwardPayload, PaymentData, encode_final, encode_forward,
    forwarded_amount,
};
pub use peel::{Hop, PeelFailure, Peeled, peel};
pub use record::{RecordError, decode_peeled, encode_peeled};
