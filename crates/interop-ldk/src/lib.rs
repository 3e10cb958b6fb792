//! LDK as a peer: the same protocol written by others, over TCP, on a real bitcoind.
//!
//! This library is the stage: LDK nodes inside the test's process, `astrape run` as a process of its own (from
//! `astrape-interop`), and its wire between them that can be cut in the middle of a message. The plays are in `tests/it/`.
//!
//! | room | what is in it |
//! |---|---|
//! | [`ldk`] | [`Ldk`]: a node made of LDK, to open, pay, fail and close with |
//! | [`seen`] | [`Seen`]: what an LDK node said of what happened |
//! | [`trial`] | [`Trial`]: a channel with payments in flight that goes on chain, and what must come of it |
//! | [`tree`] | [`Tree`]: the transactions that hang on a funding |
//! | [`network`] | many nodes of both kinds that pay each other at random |
//! | [`stage`] | [`Stage`]: bitcoind, nodes, channels between them, and whether both sides say the same |
//!
//! # Never
//! It never links the node that is tested: that one is the binary that people run. Of `routing` it uses what is there for tests.

pub mod ldk;
pub mod network;
pub mod seen;
pub mod stage;
pub mod tree;
pub mod trial;

pub use ldk::{Kind, Ldk};
pub use seen::{Ended, Seen};
pub use stage::Stage;
pub use tree::Tree;
pub use trial::Trial;
