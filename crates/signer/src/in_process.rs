//! The signer that lives in the node's own process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use astrape_primitives::{ChannelKeysId, CommitmentNumber, Network, NodeId, Sat, Side, in_parallel};
use astrape_transactions::funding::funding_sighash;
use astrape_transactions::keys::derive_private_key;
use astrape_transactions::{
    Basepoints, ChannelKeys, ClaimInput, ClaimRequest, ClosingRequest, Commitment, CommitmentContent,
    FundingTerms, HtlcTransaction, Keychain, LocalCommitmentRequest, RemoteCommitmentRequest,
    RevocationRequest, SignatureFault, Signer, SignerRefusal, Spend, WalletRequest,
};
use bitcoin::Transaction;
use bitcoin::bip32::Xpub;
use bitcoin::hashes::{Hash as _, sha256d};
use bitcoin::secp256k1::ecdh::SharedSecret;
use bitcoin::secp256k1::ecdsa::{RecoverableSignature, Signature};
use bitcoin::secp256k1::{All, Message, PublicKey, Secp256k1, SecretKey};
use zeroize::Zeroizing;

use crate::channel::{ChannelSecrets, InvalidKey};
use crate::claims;
use crate::guard::Guard;
use crate::seed::{Seed, Wallet};

/// From so many HTLCs on, several threads sign.
const MIN_PARALLEL: usize = 16;

/// Keys that a developer gives instead of derived ones, to reproduce vectors. Never for real money.
#[derive(Clone, Default)]
pub struct DeveloperKeys {
    /// The node's private key.
    pub node: Option<[u8; 32]>,
    /// Secrets used as they are for *every* channel.
    pub channel: Option<ChannelSecrets>,
}

/// Secrets of a channel with their public side.
pub(crate) struct Keyset {
    pub(crate) secrets: ChannelSecrets,
    pub(crate) basepoints: Basepoints,
}

/// Where the secrets of channels come from.
#[derive(Clone)]
enum ChannelSource {
    Derived(Zeroizing<[u8; 32]>),
    Fixed(ChannelSecrets),
}

/// What is remembered of a channel.
#[derive(Clone)]
struct Entry {
    keyset: Arc<Keyset>,
    guard: Guard,
}

/// Signs with keys derived from a [`Seed`] in this process.
pub struct InProcessSigner {
    pub(crate) secp: Secp256k1<All>,
    pub(crate) wallet: Wallet,
    node: SecretKey,
    node_id: NodeId,
    channels: ChannelSource,
    entries: Mutex<HashMap<ChannelKeysId, Entry>>,
}

impl InProcessSigner {
    /// The signer of a node.
    #[must_use]
    pub fn new(seed: &Seed, network: Network) -> Self {
        let secp = Secp256k1::new();
        let roots = seed.roots(&secp, network);
        let node = SecretKey::from_slice(&*roots.node).expect("BIP 32 derives private keys");
        Self {
            node,
            node_id: NodeId::from_key(&node.public_key(&secp)),
            channels: ChannelSource::Derived(roots.channels),
            wallet: roots.wallet,
            entries: Mutex::new(HashMap::new()),
            secp,
        }
    }

    /// The same, with some keys given instead of derived.
    ///
    /// # Errors
    /// When the node key is no private key.
    pub fn with_developer_keys(
        seed: &Seed,
        network: Network,
        given: DeveloperKeys,
    ) -> Result<Self, InvalidKey> {
        let mut signer = Self::new(seed, network);
        if let Some(bytes) = given.node {
            signer.node = SecretKey::from_slice(&bytes).map_err(|_| InvalidKey("node"))?;
            signer.node_id = NodeId::from_key(&signer.node.public_key(&signer.secp));
        }
        if let Some(secrets) = given.channel {
            signer.channels = ChannelSource::Fixed(secrets);
        }
        Ok(signer)
    }

    /// Descriptor of a branch of the on-chain wallet, with public keys only: `tr([fingerprint/86'/coin'/0']xpub/branch/*)`.
    #[must_use]
    pub fn wallet_descriptor(&self, keychain: Keychain) -> String {
        let Wallet { account, fingerprint, coin } = &self.wallet;
        let branch = match keychain {
            Keychain::External => 0,
            Keychain::Internal => 1,
        };
        format!("tr([{fingerprint}/86'/{coin}'/0']{}/{branch}/*)", Xpub::from_priv(&self.secp, account))
    }

    /// The secrets of a channel: remembered from earlier, or derived.
    pub(crate) fn keyset(&self, id: &ChannelKeysId) -> Arc<Keyset> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        match entries.get(id) {
            Some(entry) => Arc::clone(&entry.keyset),
            None => {
                drop(entries);
                Arc::new(self.derive(id))
            }
        }
    }

    /// Asks the guard of a channel; what it answers it remembers. Only here does a channel begin to take memory.
    pub(crate) fn guarded<T>(
        &self,
        id: &ChannelKeysId,
        ask: impl FnOnce(&mut Guard) -> Result<T, SignerRefusal>,
    ) -> Result<T, SignerRefusal> {
        // The guard is whole after every assignment, so a panic elsewhere does not make it wrong.
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries
            .entry(*id)
            .or_insert_with(|| Entry { keyset: Arc::new(self.derive(id)), guard: Guard::default() });
        ask(&mut entry.guard)
    }

    fn derive(&self, id: &ChannelKeysId) -> Keyset {
        let secrets = self.secrets(id);
        let basepoints = secrets.basepoints(&self.secp);
        Keyset { secrets, basepoints }
    }

    fn secrets(&self, id: &ChannelKeysId) -> ChannelSecrets {
        match &self.channels {
            ChannelSource::Derived(master) => ChannelSecrets::derive(master, id),
            ChannelSource::Fixed(secrets) => secrets.clone(),
        }
    }

    /// The channel's secrets, once it is sure that the terms name them.
    fn keyset_for(&self, id: &ChannelKeysId, terms: &FundingTerms) -> Result<Arc<Keyset>, SignerRefusal> {
        let keyset = self.keyset(id);
        if terms.local.basepoints != keyset.basepoints {
            return Err(SignerRefusal::WrongKeys);
        }
        Ok(keyset)
    }

    fn sign(&self, message: &Message, key: &SecretKey) -> Signature {
        self.secp.sign_ecdsa(message, key)
    }

    /// One signature for each HTLC transaction, on several threads when there are many.
    fn sign_htlcs(&self, htlcs: &[HtlcTransaction], key: &SecretKey) -> Vec<Signature> {
        in_parallel(htlcs, MIN_PARALLEL, |htlc| self.sign(&htlc.counterparty_sighash(), key))
    }
}

/// Whether a content is of the side that the request is about.
fn owned_by(content: &CommitmentContent, side: Side) -> Result<(), SignerRefusal> {
    if content.owner == side { Ok(()) } else { Err(SignerRefusal::WrongOwner) }
}

impl Signer for InProcessSigner {
    fn node_id(&self) -> NodeId {
        self.node_id
    }

    fn channel_keys(&self, id: &ChannelKeysId) -> ChannelKeys {
        let keyset = self.keyset(id);
        let point = |n| keyset.secrets.per_commitment_point(&self.secp, CommitmentNumber(n));
        ChannelKeys { basepoints: keyset.basepoints, points: [point(0), point(1), point(2)] }
    }

    fn point(&self, id: &ChannelKeysId, number: CommitmentNumber) -> PublicKey {
        self.secrets(id).per_commitment_point(&self.secp, number)
    }

    fn sign_remote_commitment(
        &self,
        request: &RemoteCommitmentRequest,
    ) -> Result<(Signature, Vec<Signature>), SignerRefusal> {
        let RemoteCommitmentRequest { keys, terms, content } = request;
        owned_by(content, Side::Remote)?;
        let keyset = self.keyset_for(keys, terms)?;
        let commitment = Commitment::build(&self.secp, terms, content)?;
        let point = &content.per_commitment_point;
        let htlc_key = derive_private_key(&keyset.secrets.htlc, &keyset.basepoints.htlc, point)
            .map_err(|_| SignerRefusal::WrongKeys)?;
        self.guarded(keys, |guard| guard.remote(content.number, terms.outpoint, commitment.txid()))?;
        let signature = self.sign(&commitment.sighash(), &keyset.secrets.funding);
        Ok((signature, self.sign_htlcs(commitment.htlcs(), &htlc_key)))
    }

    fn sign_local_commitment(&self, request: &LocalCommitmentRequest) -> Result<Transaction, SignerRefusal> {
        let LocalCommitmentRequest { keys, terms, content, remote_signature } = request;
        owned_by(content, Side::Local)?;
        let keyset = self.keyset_for(keys, terms)?;
        if content.per_commitment_point != keyset.secrets.per_commitment_point(&self.secp, content.number) {
            return Err(SignerRefusal::WrongKeys);
        }
        let commitment = Commitment::build(&self.secp, terms, content)?;
        let sighash = commitment.sighash();
        self.secp
            .verify_ecdsa(&sighash, remote_signature, &terms.remote.basepoints.funding)
            .map_err(|_| SignatureFault::Commitment)?;
        self.guarded(keys, |guard| guard.broadcast(content.number))?;
        Ok(commitment.signed(&self.sign(&sighash, &keyset.secrets.funding), remote_signature))
    }

    fn sign_closing(&self, request: &ClosingRequest) -> Result<Signature, SignerRefusal> {
        let ClosingRequest { keys, terms, tx } = request;
        let keyset = self.keyset_for(keys, terms)?;
        if !matches!(&tx.input[..], [input] if input.previous_output == terms.outpoint) {
            return Err(SignerRefusal::Transaction(
                "a closing transaction spends the funding output and no other",
            ));
        }
        let paid: Sat = tx.output.iter().map(|out| Sat::from(out.value)).sum();
        if !matches!(tx.output.len(), 1 | 2) || paid > terms.capacity {
            return Err(SignerRefusal::Transaction(
                "a closing transaction pays what the channel holds to one or two",
            ));
        }
        Ok(self.sign(&funding_sighash(terms, tx), &keyset.secrets.funding))
    }

    fn reveal(&self, request: &RevocationRequest) -> Result<([u8; 32], PublicKey), SignerRefusal> {
        let RevocationRequest { keys, terms, revoked, content, .. } = request;
        owned_by(content, Side::Local)?;
        if content.number.previous() != Some(*revoked) {
            return Err(SignerRefusal::NotTheNext { revoked: *revoked, new: content.number });
        }
        let keyset = self.keyset_for(keys, terms)?;
        Commitment::check(terms, content)?;
        self.guarded(keys, |guard| guard.reveal(*revoked))?;
        let point = keyset.secrets.per_commitment_point(&self.secp, revoked.plus(3));
        Ok((*keyset.secrets.per_commitment_secret(*revoked), point))
    }

    fn sign_wallet_inputs(&self, request: &WalletRequest) -> Result<Transaction, SignerRefusal> {
        let describe = |outpoint| {
            let coin = request.inputs.iter().find(|coin| coin.outpoint == outpoint)?;
            let spend = Spend::Wallet { keychain: coin.keychain, index: coin.index };
            Some(ClaimInput { prevout: coin.prevout.clone(), spend })
        };
        let inputs: Option<Vec<_>> =
            request.tx.input.iter().map(|input| describe(input.previous_output)).collect();
        let inputs =
            inputs.ok_or(SignerRefusal::Transaction("an input is none of the coins that are described"))?;
        claims::sign(self, &ClaimRequest { tx: request.tx.clone(), inputs })
    }

    fn sign_claim(&self, request: &ClaimRequest) -> Result<Transaction, SignerRefusal> {
        claims::sign(self, request)
    }

    fn ecdh(&self, point: &PublicKey) -> [u8; 32] {
        SharedSecret::new(point, &self.node).secret_bytes()
    }

    fn sign_message(&self, digest: [u8; 32]) -> RecoverableSignature {
        self.secp.sign_ecdsa_recoverable(&Message::from_digest(digest), &self.node)
    }

    fn sign_channel_announcement(
        &self,
        id: &ChannelKeysId,
        announcement: &[u8],
    ) -> Result<(Signature, Signature), SignerRefusal> {
        let keyset = self.keyset(id);
        let funding = keyset.basepoints.funding.serialize();
        // It ends with both node ids and both funding keys. Nothing else that a funding key signs does.
        let ours = announcement.last_chunk::<132>().is_some_and(|ends| {
            let (nodes, fundings) = ends.split_at(66);
            [0, 33]
                .into_iter()
                .any(|at| nodes[at..at + 33] == *self.node_id.as_bytes() && fundings[at..at + 33] == funding)
        });
        if !ours {
            return Err(SignerRefusal::Message(
                "the announcement is not of a channel of this node with this funding key",
            ));
        }
        let message = Message::from_digest(sha256d::Hash::hash(announcement).to_byte_array());
        Ok((self.sign(&message, &self.node), self.sign(&message, &keyset.secrets.funding)))
    }

    fn forget(&self, id: &ChannelKeysId) {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}

/// The same keys and the same memory of what was signed: a simulation forks its nodes. A process that restarts in it begins
/// with a clone that was made before anything was signed.
impl Clone for InProcessSigner {
    fn clone(&self) -> Self {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Self {
            secp: self.secp.clone(),
            wallet: self.wallet.clone(),
            node: self.node,
            node_id: self.node_id,
            channels: self.channels.clone(),
            entries: Mutex::new(entries),
        }
    }
}

impl core::fmt::Debug for InProcessSigner {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "InProcessSigner({})", self.node_id)
    }
}

impl Drop for InProcessSigner {
    fn drop(&mut self) {
        self.node.non_secure_erase();
    }
}
