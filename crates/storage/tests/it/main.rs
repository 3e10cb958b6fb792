//! What journals promise, and what they do with files that are not as they left them.

#![allow(clippy::unwrap_used, missing_docs)]

mod damage;
mod fences;
mod journals;
mod ledger;
mod names;
mod speed;
mod stale;
mod support;
mod wallet;
