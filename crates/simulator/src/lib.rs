//! Worlds in which nodes live and die: nodes, one chain, one network, their disks, one clock, one seed, and no async.
//!
//! A [`World`] is a value. Its loop picks the next event, and each event leads to at most one step of one node; a clone is a
//! fork, so that a crash of every kind can be tried at every step. The nodes are the real ones: what they say goes over the
//! wire in bytes, what they write goes to a journal, what they broadcast is judged by Bitcoin Core's engine.
//!
//! | room | what is in it |
//! |---|---|
//! | [`world`] | [`World`]: the loop, the door with its crashes, release, the chain |
//! | [`scenario`] | scripts: `line(3).open(0, 1, sat(1_000_000)).pay(0, 2, sat(1_000))`, with every crash |
//! | [`swarm`] | random worlds: [`run_seed`] |
//! | [`siege`] | a hostile peer at any moment of a channel's life |
//! | [`court`] | random worlds whose channels end on chain: [`run_court_seed`] |
//! | `check/` | the rules that hold in every world, one file each |
//! | [`web`] | a whole network, with lying gossip and hostile forwarders: [`run_web_seed`] |
//! | [`plant`] | bugs that prove the checkers |
//! | [`totals`] | what a run has seen |
//! | `calm` | when blocks may come in worlds where nobody goes on chain |
//! | `still` | channels that stand still in the middle of payments |
//! | `machine`, `disk`, `wallet`, `network`, `user`, `prepare` | what is around a node |
//!
//! # Invariants
//! - The same seed gives the same trace hash.
//! - After every commit the journal alone gives the node as it is, less its connections.
//! - A run that did not see what it must see fails.
//!
//! # Never
//! No clock, no sockets, no threads in a world; no hook for it in the node. (`court::weigh` looks at a clock: it measures.)

mod calm;
mod check;
pub mod court;
mod disk;
mod event;
mod machine;
mod network;
pub mod plant;
mod prepare;
mod prototype;
pub mod scenario;
pub mod siege;
mod still;
pub mod swarm;
pub mod totals;
mod trace;
mod user;
pub mod violation;
mod wallet;
pub mod web;
pub mod world;

pub use court::{
    Kind, Mass, MassClose, Weight, run_court_seed, run_court_seed_for_its_chain, run_court_seed_with,
    run_mass_close, run_resolution, weigh_revoked_states,
};
pub use plant::Plant;
pub use scenario::{Forks, Scenario, line, sat};
pub use siege::{AtBounds, Deed, Heard, Siege, run_bounds_seed};
pub use swarm::{Outcome, run_seed};
pub use totals::{CourtTotals, REESTABLISH_CASES, Totals, WebTotals};
pub use user::Flaw;
pub use violation::{Checker, Violation};
pub use web::{Size, run_web_seed, run_web_seed_with};
pub use world::{Advance, Crash, Plan, World};
