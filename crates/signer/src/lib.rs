//! The keys of a node, and the hand that signs with them: in this process, from one seed.
//!
//! Owns the seed, the derivation of every key, signing, and a guard that refuses what could lose money. Implements
//! [`astrape_transactions::Signer`].
//!
//! | room | what is in it |
//! |---|---|
//! | [`seed`] | [`Seed`]: 24 words (BIP 39) |
//! | [`channel`] | secrets of one channel, derived or given by a developer |
//! | [`in_process`] | [`InProcessSigner`] |
//! | `claims` | inputs of on-chain claims, and coins of the wallet |
//! | `guard` | what was signed and revealed, by channel |
//!
//! # Derivation
//!
//! `seed` is the 64-byte BIP 39 seed of the 24 words with an empty passphrase, `coin` is 0 on Bitcoin and 1 elsewhere
//! (BIP 44), paths are BIP 32.
//!
//! | key | derivation |
//! |---|---|
//! | node | `m/1037'/coin'/0'` |
//! | channel master | `m/1037'/coin'/1'`: 32 bytes, only hashed |
//! | wallet | `m/86'/coin'/0'/{0: external, 1: internal}/index`, taproot key path (BIP 86) |
//! | funding, revocation, delayed payment, HTLC, shachain seed of a channel | `HMAC-SHA256(channel master, name ‖ keys id ‖ counter)` |
//! | payment of a channel | `HMAC-SHA256(channel master, "payment" ‖ n ‖ counter)`, n (2 bytes, big endian) being the first 2 bytes of the keys id modulo 1024 |
//!
//! Names are `"funding"`, `"revocation"`, `"delayed_payment"`, `"htlc"`, `"shachain"`; the counter is one byte, 0 unless the
//! result is no private key (never seen). There are only 1024 payment keys: what peers pay out to us in their commitments
//! (`to_remote`) has one of 1024 scripts for each format of a channel, which follow from the words alone. Who has nothing left but the
//! words has the chain searched for these scripts (`astrape recover`).
//!
//! # Invariants
//!
//! Same seed, same keys, same signatures: nothing here is random. No durable state: what the guard remembers is in memory
//! and bounded per channel; what must survive a restart is the core's to know. It checks that a request is consistent (keys,
//! amounts, numbers, the transaction it says); whether the peer's signatures over a new commitment are valid was checked by
//! the core in this same process, before its commit, and is not checked twice.
//!
//! Never here: files, sockets, the decision what to sign, keys in logs or errors.

mod claims;
mod guard;

pub mod channel;
pub mod in_process;
pub mod seed;

pub use channel::{ChannelSecrets, InvalidKey};
pub use in_process::{DeveloperKeys, InProcessSigner};
pub use seed::{Seed, SeedError};
