//! BOLT 5: the enforcement of a channel on chain, as one value and one function.
//!
//! [`Resolution::handle`] takes an [`Event`] and gives the next value and the [`Output`]s. It says what spends a funding, which
//! of its outputs are ours and by when, which claims to make and for which fee, and how each HTLC of ours ended.
//!
//! | room | what is in it |
//! |---|---|
//! | [`evidence`] | what the channel brings: its valid commitments, the revoked secrets, its HTLCs |
//! | [`spender`] | what spends a funding: cooperative, ours, theirs, revoked, from the future, unknown |
//! | `layout` | which outputs of it concern us, and which HTLC is whose |
//! | [`tracked`] | one output: when it may be claimed, how, and by when |
//! | [`resolution`] | the value; `resolution/` what each event does to it |
//! | [`plan`] | which claims to make now: grouped, paid, replaced, split |
//! | [`claim`] | one claim |
//! | [`output`] | all that comes out |
//! | `witness` | what a spend shows: who took it, and a preimage |
//! | [`deadline`] | when to go on chain at all, and when it is not worth it |
//! | [`nights`] | blocks that came while we slept |
//! | [`stray`] | what peers paid out of channels that are not known any more |
//!
//! # Invariants
//! - Every fact has its height: a reorganisation undoes exactly what its blocks held.
//! - A preimage is told in the step that sees it, and an HTLC whose preimage is known is never failed.
//! - An HTLC is failed only when its end is deep; nothing is forgotten before all is.
//! - A claim is owed until an input of it is spent, and never pays less than the one before, nor more than its budget.
//! - What somebody can contest is never claimed together with what is safe.
//! - Where coins of the wallet are few, they go to what is lost first; none is held back by what can wait.
//!
//! # Never
//! No I/O, no key, no clock. Nothing that a peer can put into a transaction makes it fail.

pub mod claim;
pub mod deadline;
pub mod evidence;
mod layout;
pub mod nights;
pub mod output;
pub mod plan;
pub mod resolution;
pub mod spender;
pub mod stray;
pub mod tracked;
mod witness;

pub use claim::{Claim, ClaimId};
pub use evidence::{Evidence, HtlcKey, LiveHtlc};
pub use nights::Nights;
pub use output::{Output, Parent as ClaimParent, Story};
pub use resolution::again::Left;
pub use resolution::{Close, Event, Resolution, Sums, View, Waiting};
pub use spender::{Spender, SpenderKind, classify};
pub use tracked::{Parent, Role, Spent, Tracked};
