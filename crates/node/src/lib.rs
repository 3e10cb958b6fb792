//! The node: one deterministic state machine. It routes between the parts and knows no protocol itself.
//!
//! [`Node::step`] takes one [`Input`] and gives a [`Step`]. Committing steps to a [`Journal`] is the only way to their
//! [`Effect`]s; [`Node::restore`] gives back the same node from the journal, less all that a disconnection loses.
//!
//! | room | what is in it |
//! |---|---|
//! | [`input`], [`effect`] | all that goes in, all that comes out: read these two first |
//! | [`command`], [`ledger`] | what users want, and the facts that they are told |
//! | [`request`] | what they want once, however often they ask |
//! | `step` | the door: [`Step`] |
//! | [`journal`] | the contract with the disk |
//! | `node` | the state; `turn/` what one input does to it, by kind |
//! | `record/` | the state as rows, derived from its change |
//! | [`release`] | effects on their way out: signed, revealed, wrapped |
//!
//! # Never
//! No clock, no randomness, no key, no I/O. Nothing here says "store".

pub mod command;
pub mod config;
pub mod effect;
mod index;
pub mod input;
pub mod journal;
pub mod ledger;
mod node;
mod owed;
mod record;
pub mod release;
pub mod request;
pub mod reserve;
mod restore;
pub mod state;
mod step;
mod table;
#[cfg(test)]
mod tests;
mod turn;
mod view;

pub use command::{Command, Refusal, Reply};
pub use config::{Appearance, Config};
pub use effect::{Announcement, Broadcast, Effect, Find, Parent, Speech, Watch};
pub use input::{
    ChainInput, CommandId, Found, FreshKeys, Freshness, Input, PeerEvent, PeerMessage, SignerAnswer,
};
pub use journal::{
    Entry, Journal, JournalError, Key, MAX_FORGOTTEN_PER_COMMIT, RetiredHtlc, SeenOnion, Writes,
};
pub use ledger::{ChannelFact, Fact};
pub use node::{ConnectedPeer, Node};
pub use owed::SpentBy;
pub use request::{Outcome, PastRequest, Request, RequestId};
pub use restore::RestoreError;
pub use step::Step;
pub use turn::Proposals;
pub use turn::intercept::forward_of;
pub use turn::pay::RECIPIENT_AWAY;
pub use view::{MAX_UNCONFIRMED_BLOCKS, Stuck};

/// A [`Input::Tick`] comes at least this often.
pub const TICK_MILLIS: u64 = 1_000;

/// Most steps that may run ahead of the disk: bounds the memory behind the door, and what a lookup in prepare can have
/// missed.
pub const MAX_UNCOMMITTED: usize = 4_096;

/// Inputs that may wait for their steps, with what was looked up for each before. The shell must bound them so.
pub const MAX_WAITING_INPUTS: usize = 1_024 * 32;
