//! The coins of the wallet: what is found, what may be spent, what it costs.
#![allow(clippy::unwrap_used, missing_docs)]

mod child;
mod coins;
mod selection;
mod support;
mod transaction;
