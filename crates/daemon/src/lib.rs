//! The daemon: everything between a node's core and the world. Sockets, tasks, disks, chain, wallet, users.
//!
//! | room | what is in it |
//! |---|---|
//! | [`engine`] | a running node as a library: threads, tasks, peers, chain, wallet |

pub mod engine;
