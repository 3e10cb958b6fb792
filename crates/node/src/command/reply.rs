//! What commands led to.

use crate::journal::Entry;
use crate::request::Outcome;
use astrape_primitives::{ChannelKeysId, FeeratePerKw, Msat, NodeId, PaymentHash, Sat};
use bitcoin::Txid;

/// What a command led to so far. What follows later is published as facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Done.
    Done,
    /// The channel is being negotiated; the ledger tells how it goes on.
    Opening {
        /// Our name for it.
        channel: ChannelKeysId,
    },
    /// The payment is under way; the ledger tells how it ends.
    Paying {
        /// Its hash.
        payment_hash: PaymentHash,
    },
    /// The probe is over.
    Probed(Box<Probed>),
    /// It was paid before: nothing was sent now.
    AlreadyPaid(Box<Entry>),
    /// The request was carried out before: nothing was done now.
    DoneBefore(Box<Outcome>),
    /// The request that was asked about was not carried out.
    NotDone,
    /// The transaction that pays for another is made and owed to the network.
    Bumped(Bumped),
    /// The transaction is made and owed to the network.
    Withdrawing {
        /// Its id.
        txid: Txid,
        /// What it pays out.
        amount: Sat,
        /// What it costs.
        fee: Sat,
    },
}

/// What a probe has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probed {
    /// Whether it has reached the node: a payment would have arrived a moment ago.
    pub reached: bool,
    /// What the way would have cost.
    pub fee: Msat,
    /// The nodes on it, our peer first: of the way that reached the node, or on which the probe still is.
    pub hops: Vec<NodeId>,
    /// How long each of them held the probe that has reached the node, in milliseconds, as far as they tell and can be believed.
    pub hold_times: Vec<u64>,
    /// How many ways were tried.
    pub attempts: u64,
    /// What the node said, or why and where the last way ended.
    pub words: String,
}

impl Probed {
    /// One that reached nobody.
    pub(crate) const fn failed(attempts: u64, words: String) -> Self {
        Self { reached: false, fee: Msat::ZERO, hops: Vec::new(), hold_times: Vec::new(), attempts, words }
    }
}

/// What pays for a transaction now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bumped {
    /// The transaction that pays for it.
    pub child: Txid,
    /// What that costs.
    pub fee: Sat,
    /// What they pay together, with all that they build on.
    pub feerate: FeeratePerKw,
}
