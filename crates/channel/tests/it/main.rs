//! Behaviour of a channel, from outside: two of them that talk, with real signatures and connections that are cut.
#![allow(clippy::unwrap_used, missing_docs)]

mod announcement;
mod bounds;
mod closing;
mod commit;
mod dust;
mod fees;
mod funding;
mod hostile;
mod htlcs;
mod negotiation;
mod onchain;
mod pair;
mod passing;
mod payments;
mod proposals;
mod reestablish;
mod retransmission;
mod walk;
