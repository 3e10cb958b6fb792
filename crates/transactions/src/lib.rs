//! BOLT 3: the transactions of a channel and the keys in their scripts, as pure functions of values.
//!
//! Owns key derivation, the storage of revoked secrets, scripts, the commitment formats, what is trimmed and what a
//! commitment costs, the building and checking of commitment, HTLC and closing transactions, and the contract with
//! whoever holds the keys ([`Signer`]).
//!
//! | room | what is in it |
//! |---|---|
//! | [`terms`] | what a channel agreed on and what one commitment says: [`FundingTerms`], [`CommitmentContent`] |
//! | [`mod@format`] | the kinds of commitment, one file each |
//! | [`keys`] | keys derived from basepoints and per-commitment points |
//! | [`shachain`] | per-commitment secrets: made from a seed, and stored when received |
//! | [`numbering`] | the commitment number, obscured, as it stands in the transaction |
//! | [`scripts`] | witness scripts and output scripts |
//! | [`weights`] | weights of BOLT 3, and dust thresholds of Bitcoin nodes |
//! | [`trim`] | which HTLCs get an output, and the fee |
//! | [`commitment`] | [`Commitment`]: built, verified, signed |
//! | [`funding`] | spending the funding output: sighash and witness |
//! | [`htlc`] | [`HtlcTransaction`]: the second stage |
//! | [`closing`] | [`ClosingTransaction`] of `closing_signed` |
//! | [`signing`] | the requests to a signer and the trait it implements |
//!
//! Invariants: a built commitment never pays out more than the channel holds; the same terms and content always give the
//! same bytes; the trimming predicate and the built transaction agree. In BOLT 3 "local" is whoever owns the commitment;
//! here that is the *owner* (the other end is the *counterparty*), and `local` always means this node.
//!
//! Never here: private keys at rest (only functions of keys handed in), negotiation, or the decision to broadcast.

pub mod closing;
pub mod commitment;
pub mod format;
pub mod funding;
pub mod htlc;
pub mod keys;
pub mod numbering;
pub mod scripts;
pub mod shachain;
pub mod signing;
pub mod terms;
pub mod trim;
pub mod weights;

pub use closing::{ClosingContent, ClosingError, ClosingTransaction, is_closing};
pub use commitment::{BuildError, Commitment, CommitmentOutput, MAX_COMMITTED_HTLCS, SignatureFault};
pub use format::CommitmentFormat;
pub use htlc::HtlcTransaction;
pub use keys::{CommitmentKeys, KeyError};
pub use shachain::{ReceivedSecrets, SecretFault, per_commitment_point, per_commitment_secret};
pub use signing::{
    ChannelKeys, ClaimInput, ClaimRequest, ClosingRequest, Keychain, LocalCommitmentRequest,
    RemoteCommitmentRequest, RevocationRequest, Signer, SignerRefusal, Spend, SpendPath, WalletInput,
    WalletRequest,
};
pub use terms::{Basepoints, CommitmentContent, CommittedHtlc, FundingTerms, HtlcDirection, PartyTerms};
pub use trim::{commitment_fee, htlc_fee, is_trimmed, trim_threshold};
