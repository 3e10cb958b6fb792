//! Behaviour of running nodes.
#![allow(clippy::unwrap_used, missing_docs)]

mod alone;
mod api;
mod applications;
mod arguments;
mod closes;
mod command_arguments;
mod command_line;
mod command_names;
mod floods;
mod gate;
mod gossip;
mod line;
mod lookups;
mod moved;
mod process;
mod recover;
mod rendering;
mod requests;
mod reserve;
mod restored;
mod strangers;
mod sums;
mod support;
mod ways;
