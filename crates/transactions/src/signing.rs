//! The contract with whoever holds the keys: the core emits these requests, release has them signed.
//!
//! A request carries the whole meaning of what is signed, so that a signer may rebuild and judge it. Nothing here holds a
//! private key; the signer derives all of them from a [`ChannelKeysId`].

use std::sync::Arc;

use astrape_primitives::{ChannelKeysId, CommitmentNumber, NodeId, PaymentPreimage};
use bitcoin::secp256k1::PublicKey;
use bitcoin::secp256k1::ecdsa::{RecoverableSignature, Signature};
use bitcoin::{OutPoint, ScriptBuf, Transaction, TxOut};

use crate::commitment::{BuildError, SignatureFault};
use crate::format::CommitmentFormat;
use crate::funding::funding_witness;
use crate::terms::{Basepoints, CommitmentContent, FundingTerms};

/// The public side of our keys of one channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelKeys {
    /// Our basepoints.
    pub basepoints: Basepoints,
    /// Our per-commitment points 0, 1 and 2.
    pub points: [PublicKey; 3],
}

/// Which branch of the wallet's descriptors an output belongs to (BIP 44 "change").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Keychain {
    /// Addresses that were handed out: branch 0.
    External,
    /// Change: branch 1.
    Internal,
}

/// One of our on-chain coins: a BIP 86 taproot output, spent by its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalletInput {
    /// The coin.
    pub outpoint: OutPoint,
    /// What stands there.
    pub prevout: TxOut,
    /// The branch of its address.
    pub keychain: Keychain,
    /// The index of its address.
    pub index: u32,
}

/// Sign the peer's commitment (`commitment_signed`, `funding_created`, `funding_signed`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteCommitmentRequest {
    /// Our keys.
    pub keys: ChannelKeysId,
    /// The channel's terms.
    pub terms: Arc<FundingTerms>,
    /// What the commitment says; its owner is the peer.
    pub content: CommitmentContent,
}

/// Sign our own commitment, to broadcast it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalCommitmentRequest {
    /// Our keys.
    pub keys: ChannelKeysId,
    /// The channel's terms.
    pub terms: Arc<FundingTerms>,
    /// What the commitment says; its owner is this node.
    pub content: CommitmentContent,
    /// The peer's signature over it.
    pub remote_signature: Signature,
}

/// Sign a mutual close.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosingRequest {
    /// Our keys.
    pub keys: ChannelKeysId,
    /// The channel's terms.
    pub terms: Arc<FundingTerms>,
    /// The closing transaction: its one input spends the funding output.
    pub tx: Transaction,
}

impl ClosingRequest {
    /// The closing transaction with both signatures, ready to be broadcast.
    #[must_use]
    pub fn signed(&self, local: &Signature, remote: &Signature) -> Transaction {
        let mut tx = self.tx.clone();
        for input in &mut tx.input {
            input.witness = funding_witness(&self.terms, local, remote);
        }
        tx
    }
}

/// Revoke our commitment `revoked`, having received the next with the peer's signatures (`revoke_and_ack`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevocationRequest {
    /// Our keys.
    pub keys: ChannelKeysId,
    /// The channel's terms.
    pub terms: Arc<FundingTerms>,
    /// The commitment to revoke.
    pub revoked: CommitmentNumber,
    /// Our new commitment: number `revoked + 1`.
    pub content: CommitmentContent,
    /// The peer's signature over the new commitment.
    pub signature: Signature,
    /// The peer's signatures over its HTLC transactions.
    pub htlc_signatures: Vec<Signature>,
}

/// Sign a transaction all of whose inputs are coins of the wallet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalletRequest {
    /// The transaction.
    pub tx: Transaction,
    /// Its inputs, each once, in any order.
    pub inputs: Vec<WalletInput>,
}

/// Sign a transaction that claims outputs of a channel, maybe with coins of the wallet beside them (BOLT 5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimRequest {
    /// The transaction.
    pub tx: Transaction,
    /// What its inputs spend, in their order.
    pub inputs: Vec<ClaimInput>,
}

/// One input of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimInput {
    /// The output that it spends.
    pub prevout: TxOut,
    /// How.
    pub spend: Spend,
}

/// How an input is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spend {
    /// A coin of the wallet.
    Wallet {
        /// The branch of its address.
        keychain: Keychain,
        /// The index of its address.
        index: u32,
    },
    /// An output of a channel.
    Channel {
        /// Our keys of that channel.
        keys: ChannelKeysId,
        /// Witness script of the output; `None` for the P2WPKH `to_remote` of `static_remotekey`.
        witness_script: Option<ScriptBuf>,
        /// Which way out of the script.
        path: SpendPath,
    },
}

/// A way to spend an output of a commitment, or of an HTLC transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpendPath {
    /// `to_local` of our commitment, or the output of our HTLC transaction, after `to_self_delay`.
    Delayed {
        /// Number of our commitment.
        number: CommitmentNumber,
    },
    /// `to_remote` of the peer's commitment.
    ToRemote,
    /// Our anchor.
    Anchor,
    /// An HTLC output of our commitment, by our HTLC-success (with preimage) or HTLC-timeout (without).
    HtlcTransaction {
        /// Number of our commitment.
        number: CommitmentNumber,
        /// Decides the sighash type of the peer's signature.
        format: CommitmentFormat,
        /// The peer's `htlc_signature`.
        remote_signature: Signature,
        /// For HTLC-success.
        preimage: Option<PaymentPreimage>,
    },
    /// An HTLC output of the peer's commitment: by preimage when the peer offered it, by timeout when we did.
    RemoteHtlc {
        /// The peer's per-commitment point of that commitment.
        per_commitment_point: PublicKey,
        /// For an HTLC that the peer offered.
        preimage: Option<PaymentPreimage>,
    },
    /// `to_local` of a revoked commitment of the peer, or the output of an HTLC transaction upon it.
    PenaltyDelayed {
        /// What the peer revealed.
        per_commitment_secret: [u8; 32],
    },
    /// An HTLC output of a revoked commitment of the peer.
    PenaltyHtlc {
        /// What the peer revealed.
        per_commitment_secret: [u8; 32],
    },
}

impl Spend {
    /// Largest weight of the witness that this makes, its count of items included (signatures of 73 bytes).
    #[must_use]
    pub fn max_witness_weight(&self) -> u64 {
        const SIGNATURE: u64 = 1 + 73;
        const KEY: u64 = 1 + 33;
        let Spend::Channel { witness_script, path, .. } = self else { return 1 + 1 + 64 };
        let preimage = |given: bool| if given { 33 } else { 1 };
        let items = match path {
            SpendPath::Delayed { .. } => SIGNATURE + 1,
            SpendPath::ToRemote | SpendPath::Anchor => SIGNATURE,
            SpendPath::HtlcTransaction { preimage: p, .. } => 1 + 2 * SIGNATURE + preimage(p.is_some()),
            SpendPath::RemoteHtlc { preimage: p, .. } => SIGNATURE + preimage(p.is_some()),
            SpendPath::PenaltyDelayed { .. } => SIGNATURE + 2,
            SpendPath::PenaltyHtlc { .. } => SIGNATURE + KEY,
        };
        1 + items + witness_script.as_ref().map_or(KEY, |script| 1 + script.len() as u64)
    }
}

/// Why a signer does not sign. It refuses rather than risk money: every one of these is a fault of this node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignerRefusal {
    /// The content is none of a valid commitment.
    #[error("will not sign: {0}")]
    Build(#[from] BuildError),
    /// The keys in the terms are not those of the channel.
    #[error("will not sign: the terms name other keys than the signer holds for this channel")]
    WrongKeys,
    /// A request to sign the one side's commitment with the content of the other's.
    #[error("will not sign: this is the commitment of the wrong side")]
    WrongOwner,
    /// Another remote commitment of this number was signed already: the peer would hold two.
    #[error("will not sign: a different remote commitment {0} was signed before")]
    DifferentCommitment(CommitmentNumber),
    /// A later remote commitment was signed already.
    #[error("will not sign: remote commitment {asked} is older than {signed}, which was signed before")]
    OldCommitment {
        /// What was asked for.
        asked: CommitmentNumber,
        /// The latest signed.
        signed: CommitmentNumber,
    },
    /// More fundings at one commitment number than a channel can have.
    #[error("will not sign: too many funding transactions for one commitment number")]
    TooManyFundings,
    /// The secret of this local commitment was revealed: broadcasting it would lose everything.
    #[error("will not sign: local commitment {0} is revoked")]
    Revoked(CommitmentNumber),
    /// A local commitment was signed for broadcast: revealing its secret would lose everything.
    #[error("will not reveal: local commitment {0} was signed for broadcast")]
    Broadcast(CommitmentNumber),
    /// Secrets are revealed in order.
    #[error("will not reveal the secret of {asked}: that of {due} is due")]
    RevealOutOfOrder {
        /// What was asked for.
        asked: CommitmentNumber,
        /// Whose turn it is.
        due: CommitmentNumber,
    },
    /// The new commitment of a revocation is not the one after the revoked.
    #[error("will not reveal the secret of {revoked}: the new commitment is {new}")]
    NotTheNext {
        /// To be revoked.
        revoked: CommitmentNumber,
        /// What came with it.
        new: CommitmentNumber,
    },
    /// The peer's signature does not fit, so that what is signed would be worth nothing.
    #[error("will not sign: {0}")]
    RemoteSignature(#[from] SignatureFault),
    /// A transaction that is not what the request says.
    #[error("will not sign: {0}")]
    Transaction(&'static str),
    /// A message that is not what the request says.
    #[error("will not sign: {0}")]
    Message(&'static str),
}

/// Who holds the keys. Answers may be late; the core never waits for one inside a step.
pub trait Signer: Send + Sync {
    /// The public key of the node.
    fn node_id(&self) -> NodeId;

    /// Our public keys for a new channel.
    fn channel_keys(&self, id: &ChannelKeysId) -> ChannelKeys;

    /// One of our per-commitment points.
    fn point(&self, id: &ChannelKeysId, number: CommitmentNumber) -> PublicKey;

    /// Signs the peer's commitment, and one signature for each of its HTLC transactions in their order.
    ///
    /// # Errors
    /// See [`SignerRefusal`].
    fn sign_remote_commitment(
        &self,
        request: &RemoteCommitmentRequest,
    ) -> Result<(Signature, Vec<Signature>), SignerRefusal>;

    /// Signs our commitment. From here on its secret is never revealed.
    ///
    /// # Errors
    /// See [`SignerRefusal`].
    fn sign_local_commitment(&self, request: &LocalCommitmentRequest) -> Result<Transaction, SignerRefusal>;

    /// Signs a mutual close.
    ///
    /// # Errors
    /// See [`SignerRefusal`].
    fn sign_closing(&self, request: &ClosingRequest) -> Result<Signature, SignerRefusal>;

    /// Reveals the secret of the revoked commitment, with our point of number `revoked + 3`. Asked again, it answers the same.
    ///
    /// # Errors
    /// See [`SignerRefusal`].
    fn reveal(&self, request: &RevocationRequest) -> Result<([u8; 32], PublicKey), SignerRefusal>;

    /// Signs all inputs of a transaction that spends coins of the wallet.
    ///
    /// # Errors
    /// See [`SignerRefusal`].
    fn sign_wallet_inputs(&self, request: &WalletRequest) -> Result<Transaction, SignerRefusal>;

    /// Signs all inputs of a claim.
    ///
    /// # Errors
    /// See [`SignerRefusal`].
    fn sign_claim(&self, request: &ClaimRequest) -> Result<Transaction, SignerRefusal>;

    /// SHA-256 of the compressed point `node key * point`: what BOLT 4 peels with and BOLT 8 shakes hands with.
    fn ecdh(&self, point: &PublicKey) -> [u8; 32];

    /// Signs a digest with the node's key: invoices (BOLT 11), gossip (BOLT 7, without the recovery id).
    fn sign_message(&self, digest: [u8; 32]) -> RecoverableSignature;

    /// Signs a `channel_announcement`, given from its features on: with the node's key, and with the funding key.
    ///
    /// # Errors
    /// When it is none of this node and this funding key.
    fn sign_channel_announcement(
        &self,
        id: &ChannelKeysId,
        announcement: &[u8],
    ) -> Result<(Signature, Signature), SignerRefusal>;

    /// Forgets what is remembered to guard a channel that is gone.
    fn forget(&self, id: &ChannelKeysId);
}
