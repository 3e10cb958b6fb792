//! The daemon: everything between a node's core and the world. Sockets, tasks, disks, chain, wallet, users.
//!
//! | room | what is in it |
//! |---|---|
//! | [`engine`] | a running node as a library: threads, tasks, peers, chain, wallet |
//! | [`service`] | the local API over an engine |
//! | [`config`] | what the operator chose, from flags, environment and file; the seed file |
//! | [`cli`] | the command line: the node as a process, and commands that ask one |
//! | [`render`] | answers as text for people |
//! | [`playground`] | three nodes and a story in one command |

pub mod cli;
pub mod config;
pub mod engine;
pub mod playground;
pub mod render;
pub mod service;
