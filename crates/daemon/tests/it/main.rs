//! Behaviour of running nodes.
#![allow(clippy::unwrap_used, missing_docs)]

mod api;
mod command_line;
mod line;
mod process;
mod rendering;
mod strangers;
mod support;
