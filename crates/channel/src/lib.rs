//! BOLT 2: a channel as one value and one function.
//!
//! [`Channel::handle`] takes an [`Event`] and gives a [`Transition`]: the next value and the [`Output`]s, or a [`Fault`] and
//! then nothing has changed. No I/O, no clock, no key: what is to be signed leaves as [`Outgoing::Sign`] and is signed when
//! the step that made it is durable.
//!
//! | room | what is in it |
//! |---|---|
//! | [`event`], [`output`] | all that goes in, all that comes out: read these two first |
//! | [`fault`] | what a peer can do wrong, by rule of BOLT 2, and what we do about it |
//! | [`policy`] | what we accept and offer, and the [`policy::View`] of the world |
//! | [`params`], [`funding`], [`htlc`], [`fee`], [`commitments`] | the parts of the value |
//! | `opening/` | `open_channel` … `funding_signed` |
//! | [`announcement`] | what both ends sign for the network to know of the channel |
//! | `open/` | `channel_ready`, HTLCs, fees, commit and revoke, reestablish |
//! | `closing/` | `shutdown`, `closing_signed`, force-close, the spend of the funding, what is owed after a restart |
//!
//! # Invariants
//! - Our own updates are intentions until the step whose `commitment_signed` covers them: never sent but unsigned.
//! - At most one `commitment_signed` of ours is unrevoked.
//! - The content of a remote commitment number never changes once it was signed: what a peer that reconnects must be sent
//!   again is a function of this value and of its `channel_reestablish`.
//! - The balances are the capacity, always; in each commitment, the balances and the HTLCs are.
//! - Our newest commitment carries the peer's signatures, so that we can go on chain at any time; once the peer has proved
//!   that our state is old, we never do.
//!
//! # Never
//! It never says "store": the node derives what to write from the change of the value. It never decides when to go on chain
//! because of our own failures.

pub mod announcement;
mod channel;
mod closing;
pub mod commitments;
pub mod event;
pub mod fault;
pub mod fee;
pub mod funding;
pub mod htlc;
mod open;
mod opening;
pub mod output;
pub mod params;
pub mod policy;

pub use announcement::{ANNOUNCEMENT_DEPTH, Announcement, AnnouncementHalf};
pub use channel::{
    Balances, Channel, Closed, Closing, Early, How, Link, Open, Opening, Phase, Readiness, Shutdown, Up,
};
pub use closing::{Negotiation, is_passing, words_of};
pub use event::{Command, Event};
pub use fault::{Fault, Reaction, Refusal, reaction};
pub use htlc::{Attribution, Htlc, HtlcKey, NewHtlc, OnionSource, Origin, Resolution};
pub use opening::{
    Agreed, AwaitingAcceptChannel, AwaitingFunding, AwaitingFundingCreated, AwaitingFundingSigned,
    IncomingRequest, OpenRequest, Proposal,
};
pub use output::{Outgoing, Output, Signing, Transition};
pub use params::{Announced, Params};
pub use policy::{Policy, View};
