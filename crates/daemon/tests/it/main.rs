//! Behaviour of running nodes.
#![allow(clippy::unwrap_used, missing_docs)]

mod api;
mod applications;
mod arguments;
mod closes;
mod command_arguments;
mod command_line;
mod command_names;
mod floods;
mod gossip;
mod line;
mod process;
mod rendering;
mod reserve;
mod requests;
mod restored;
mod strangers;
mod support;
mod ways;
