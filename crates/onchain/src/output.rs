//! All that a resolution answers.

use crate::evidence::HtlcKey;
use crate::spender::Spender;
use astrape_primitives::{CommitmentNumber, Height, HtlcId, PaymentPreimage, Sat};
use astrape_transactions::ClaimRequest;
use bitcoin::{OutPoint, ScriptBuf, Transaction, Txid};
use std::sync::Arc;

/// One consequence of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Watch for spends of this output, in blocks and in the mempool.
    Watch {
        /// It.
        outpoint: OutPoint,
        /// Its script.
        script: ScriptBuf,
        /// No spend is in an earlier block.
        from: Height,
    },
    /// It is followed no more.
    Forget(OutPoint),
    /// A fresh script of our wallet is needed: answer with [`crate::Event::Script`].
    ScriptNeeded,
    /// The archived HTLCs of this revoked commitment are needed: answer with [`crate::Event::Rows`].
    RowsNeeded(CommitmentNumber),
    /// A preimage was seen on chain: what pays for the HTLC is to be claimed in this very step.
    Preimage {
        /// The HTLC of ours that it was taken with; `None` when it is one without an output here: all with its hash.
        htlc: Option<HtlcId>,
        /// It.
        preimage: PaymentPreimage,
    },
    /// An HTLC of ours has ended without a preimage, irrevocably: what pays for it is to be failed.
    Failed(HtlcId),
    /// Bring this into a block.
    Broadcast {
        /// The claim, for the signer.
        request: Box<ClaimRequest>,
        /// The commitment that it brings the fee for, where that must go out with it.
        parent: Option<Parent>,
        /// The block by which it must be in.
        deadline: Option<Height>,
    },
    /// This was in a block, as it is, and left it: bring it back.
    Again(Arc<Transaction>),
    /// What had spent the funding left the chain and does not come back: our own commitment is to go out, if it may.
    OursNeeded,
    /// For people.
    Story(Story),
    /// All is irrevocably resolved.
    Resolved,
}

/// A commitment that goes out together with the child that pays for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parent {
    /// Our newest, to be signed.
    Ours,
    /// One of the peer that was in a block or in the mempool, with its signatures.
    Signed(Arc<Transaction>),
}

/// What happened on chain, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Story {
    /// The funding was spent.
    Spent {
        /// By which transaction.
        txid: Txid,
        /// What it is.
        spender: Spender,
    },
    /// What spent the funding left the chain.
    LeftTheChain {
        /// It.
        txid: Txid,
    },
    /// A claim goes out, for the first time or for a higher fee.
    Claiming {
        /// The transaction.
        txid: Txid,
        /// What it claims.
        value: Sat,
        /// What it pays to miners.
        fee: Sat,
        /// The block by which it must be in.
        deadline: Option<Height>,
        /// Whether it goes out for the first time.
        is_first: bool,
    },
    /// Outputs were claimed by us: the transaction is in a block.
    Claimed {
        /// It.
        txid: Txid,
        /// What it claims.
        value: Sat,
        /// What it paid to miners, where that is known.
        fee: Option<Sat>,
    },
    /// The peer has taken an HTLC (attack 26).
    TakenByPeer {
        /// Which.
        htlc: HtlcKey,
        /// What it was worth.
        value: Sat,
        /// With the preimage, or else by timeout.
        with_preimage: bool,
        /// By which transaction.
        txid: Txid,
    },
    /// What was ours by penalty was taken by the peer.
    Lost {
        /// What it was worth.
        value: Sat,
        /// By which transaction.
        txid: Txid,
    },
    /// The wallet has too few coins for the fee of a claim.
    NoCoins {
        /// What a further coin would have to be worth.
        missing: Sat,
    },
}
