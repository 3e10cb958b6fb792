//! Our coins on chain, as values: what there is, what it is reserved for, and which of it pays for what.
//!
//! Owns [`Coins`], a value that only these functions change, so that a coin and the channel that it funds are one
//! commit. Finding coins, keys and signatures is the shell's: what a scanner finds comes in as [`WalletFinding`], what
//! is to be signed goes out as a [`WalletRequest`](astrape_transactions::signing::WalletRequest).
//!
//! | room | what is in it |
//! |---|---|
//! | [`coin`] | [`Coin`], what it is [reserved](Reservation) for, and when it may be spent |
//! | [`coins`] | [`Coins`]: findings, [`Balance`], reservations |
//! | [`select`] | [`Selection`]: which coins pay, what comes back, what it costs; [`Refusal`] |
//! | [`child`] | a transaction that pays for those whose change it spends |
//! | [`build`] | the transaction of a selection |
//!
//! Invariants:
//! - Every coin is a BIP 86 output (P2TR, spent by its key), so the weight of a transaction is known before it is signed.
//! - A coin that is reserved, spent, not mature, or a stranger's and unconfirmed is never selected.
//! - Inputs = outputs + change + fee, and neither an output nor the change is dust.
//! - A reorganisation gives back what it unspends, with its reservation.
//!
//! Never: a key, a descriptor, an address index of its own, a guess of the feerate.

pub mod build;
pub mod child;
pub mod coin;
pub mod coins;
pub mod select;

pub use child::Package;
pub use coin::{Coin, FoundCoin, Reservation};
pub use coins::{Balance, Coins, WalletFinding};
pub use select::{Refusal, Selection, Terms};
