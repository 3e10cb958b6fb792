//! An in-process Bitcoin regtest chain: headers, coins, a mempool with Bitcoin Core's policy, mining and reorgs.
//!
//! It is the ground under the playground and the simulator. [`RegtestChain`] is one value: no I/O, no clock (the caller
//! sets [`RegtestChain::set_now`]), no randomness, the same calls give the same hashes. A clone costs two reference
//! counts; what is shared is copied when one of the clones changes.
//!
//! | room | what is in it |
//! |---|---|
//! | [`chain`] | [`RegtestChain`]: the whole public face |
//! | [`faucet`] | coins for whoever asks |
//! | [`events`] | [`BlockEvent`]: what connected and went since a block |
//! | [`policy`] | [`Policy`]: the settable part of the relay rules, and the rules in rooms below |
//! | [`reject`] | why a transaction, package or block was refused, in Bitcoin Core's words |
//! | [`ports`] | ports for the servers of tests, beside the chain and the only I/O here |
//! | `ledger` | blocks, coins, undo, connect and disconnect |
//! | `mempool` | unconfirmed transactions and how they hang together |
//! | `consensus` | rules of a transaction that hold in blocks too; scripts by `bitcoinconsensus` |
//! | `assemble`, `template` | building a block, and choosing what goes in |
//!
//! # Invariants
//!
//! - Headers carry real regtest proof of work and every block has its own hash, also when mined again after a reorg.
//! - Every script in a block or the mempool was verified by Bitcoin Core's own engine with all consensus flags.
//! - No mempool transaction conflicts with another one or with the chain; parents stand before their children.
//! - Value is conserved: a coinbase claims at most subsidy and fees.
//!
//! # What is copied from Bitcoin Core, and what is not
//!
//! The relay rules are those of Bitcoin Core 29 (full RBF, TRUC, ephemeral dust, child-with-parents packages, limited
//! package RBF). Not copied, since no Lightning transaction meets them: script policy flags that the consensus library
//! does not offer (`NULLFAIL`, `CLEANSTACK` of bare scripts, `WITNESS_PUBKEYTYPE`, `DISCOURAGE_*`); the block's sigops
//! limit; orphans; a size limit of the mempool with its rolling fee floor (the caller sets [`Policy::mempool_min`]
//! instead); the rule that a header's time is at most two hours ahead; difficulty adjustment (regtest has none); the locks
//! of what waited in the mempool are asked anew when a block goes, where Bitcoin Core goes on reckoning some at the old tip.
//!
//! It must never be used for a chain with value: it trusts its caller.

pub mod chain;
pub mod events;
pub mod faucet;
pub mod offer;
pub mod policy;
pub mod ports;
pub mod reject;

mod assemble;
mod consensus;
mod ledger;
mod mempool;
mod template;
pub mod weather;

pub use chain::{Place, RegtestChain, Seen, Unspent};
pub use events::BlockEvent;
pub use faucet::FundError;
pub use offer::Offer;
pub use policy::Policy;
pub use reject::{BlockReject, MempoolReject, PackageFault, PackageReject, TxInvalid};
pub use weather::Weather;
