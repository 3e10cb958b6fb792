//! Where the node learns of the chain: sources of blocks, fees and broadcast, and the one that follows them.
//!
//! A source answers questions ([`ChainSource`]); a [`Follower`] asks them and turns the answers into an unbroken line of
//! blocks that come and go, from a cursor on; a [`Watch`] set picks out of each block what the core waits for, as
//! [`astrape_primitives::ChainEvent`].
//!
//! | room | what is in it |
//! |---|---|
//! | [`source`] | [`ChainSource`], the seam: what any source can be asked |
//! | [`follow`] | [`Follower`]: cursor, forks, retries |
//! | [`settings`] | [`FollowerSettings`]: how it goes about it |
//! | [`patience`] | the limit of time for each question of a follower |
//! | [`status`] | [`Status`]: whether the chain can be relied on now |
//! | [`watch`] | [`Watch`]: from a block to a chain event |
//! | [`fees`] | [`FeeEstimates`] |
//! | [`bitcoind`] | [`Bitcoind`]: a source by Bitcoin Core's RPC |
//! | [`rpc`] | JSON-RPC over HTTP/1.1, bounded in size and time |
//!
//! # How to drive it
//!
//! Run [`Follower::next`] in a task of its own, or beside other work, but never so that it is dropped for it. For each [`Update::Block`]: hand the full block to whoever scans it (the
//! wallet), make the event with [`Watch::event`], give it to the core, wait until its effects came out and put what they
//! watch into the [`Watch`]; only then ask for the next update. So nothing that a block made the core wait for can slip by
//! in the following one.
//!
//! # Invariants
//!
//! - A follower's blocks form a line: each connects on the last one, or the last one goes. After a stop it goes on from
//!   the cursor of the core and finds the fork by itself.
//! - A block goes only where the source has another in the place of one of ours. A source that merely lacks blocks is waited for,
//!   and one that has left our chain below the cursor is an alarm, before anything is undone.
//! - A block is passed on only if it is the one asked for and its transactions are those its header commits to.
//! - No answer of a source is unbounded in size or time, and no failure of it ends the follower: it reports and retries.
//!
//! It must never judge consensus (attack 9: that is the full node's work), and never hold a key or a decision.

pub mod bitcoind;
pub mod fees;
pub mod follow;
pub mod mempool;
pub mod patience;
pub mod rpc;
pub mod settings;
pub mod source;
pub mod status;
pub mod watch;

pub use bitcoind::{Bitcoind, BitcoindConfig};
pub use fees::FeeEstimates;
pub use follow::{BlockChange, Follower, MAX_CURSOR, Update, starting_cursor};
pub use mempool::MempoolView;
pub use rpc::{Auth, RpcClient, RpcError};
pub use settings::FollowerSettings;
pub use source::{
    Answer, BroadcastResult, ChainSource, FoundOutput, SourceError, SourceState, UnspentOutput,
};
pub use status::Status;
pub use watch::Watch;
