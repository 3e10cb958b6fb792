//! The words that every room of the house shares: amounts, ids, heights, feerates, features, chain events.
//!
//! Owns newtypes for every unit of the BOLTs, so that no public signature needs a bare integer. It has no behaviour of
//! the protocol, does no I/O (but to ask once how many processors there are) and must never depend on another crate of the house.
//!
//! | room | what is in it |
//! |---|---|
//! | [`amount`] | [`Msat`], [`Sat`]: money, with checked arithmetic only |
//! | [`id`] | channels, nodes, payments, HTLCs |
//! | [`block`] | heights, timelocks, feerates, networks |
//! | [`chain`] | what a chain source tells the core |
//! | [`features`] | BOLT 9 feature vectors and their dependencies |
//! | [`fees`] | feerates by how soon a transaction shall confirm |
//! | [`entropy`] | the randomness of one step |
//! | [`parallel`] | work that several threads share |
//! | [`shared_map`] | a sorted map with cheap clones |
//! | [`time`] | the time of one step |

pub mod amount;
pub mod block;
pub mod chain;
pub mod entropy;
pub mod features;
pub mod fees;
pub mod id;
pub mod parallel;
pub mod shared_map;
pub mod time;

pub use amount::{Msat, Sat};
pub use block::{CltvDelta, CltvExpiry, FeeratePerKw, Height, Network};
pub use chain::{BlockId, ChainEvent, ConfirmedTx};
pub use entropy::Entropy;
pub use features::{Feature, Features};
pub use fees::{FEE_TARGETS, Feerates};
pub use id::{
    ChannelId, ChannelKeysId, ClaimedId, CommitmentNumber, HtlcId, NodeId, PaymentHash, PaymentPreimage,
    PaymentSecret, ReplayId, ShortChannelId,
};
pub use parallel::in_parallel;
pub use shared_map::SharedMap;
pub use time::Timestamp;

/// Which of the two ends of a channel something belongs to, seen from this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// This node.
    Local,
    /// The peer.
    Remote,
}

impl Side {
    /// The other end.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Side::Local => Side::Remote,
            Side::Remote => Side::Local,
        }
    }
}
