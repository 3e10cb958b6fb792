//! Two signers with a channel between them: each signs the other's commitments.

use std::sync::Arc;

use astrape_primitives::{
    ChannelKeysId, CltvExpiry, CommitmentNumber, FeeratePerKw, HtlcId, Msat, Network, PaymentPreimage, Sat,
    Side,
};
use astrape_signer::{InProcessSigner, Seed};
use astrape_transactions::{
    Commitment, CommitmentContent, CommitmentFormat, CommittedHtlc, FundingTerms, LocalCommitmentRequest,
    PartyTerms, RemoteCommitmentRequest, RevocationRequest, Signer as _, SignerRefusal,
};
use bitcoin::hashes::Hash as _;
use bitcoin::secp256k1::ecdsa::Signature;
use bitcoin::secp256k1::{All, Secp256k1};
use bitcoin::{OutPoint, Txid};

pub(crate) const FORMATS: [CommitmentFormat; 2] =
    [CommitmentFormat::StaticRemotekey, CommitmentFormat::Anchors];
pub(crate) const CAPACITY: Sat = Sat(10_000_000);
pub(crate) const DELAY: u16 = 144;

/// One end: its signer and the channel as it sees it.
pub(crate) struct End {
    pub(crate) signer: InProcessSigner,
    pub(crate) keys: ChannelKeysId,
    pub(crate) terms: Arc<FundingTerms>,
}

pub(crate) struct Pair {
    pub(crate) secp: Secp256k1<All>,
    /// The opener.
    pub(crate) alice: End,
    pub(crate) bob: End,
}

pub(crate) fn seed(byte: u8) -> Seed {
    Seed::from_entropy([byte; 32])
}

impl Pair {
    pub(crate) fn new(format: CommitmentFormat) -> Self {
        let alice = InProcessSigner::new(&seed(1), Network::Regtest);
        let bob = InProcessSigner::new(&seed(2), Network::Regtest);
        Self::of(alice, bob, format)
    }

    pub(crate) fn of(alice: InProcessSigner, bob: InProcessSigner, format: CommitmentFormat) -> Self {
        let (a, b) = (ChannelKeysId([0xa; 32]), ChannelKeysId([0xb; 32]));
        let party = |signer: &InProcessSigner, id: &ChannelKeysId| PartyTerms {
            basepoints: signer.channel_keys(id).basepoints,
            dust_limit: Sat(354),
            to_self_delay: DELAY,
        };
        let of_alice = FundingTerms {
            format,
            outpoint: OutPoint { txid: Txid::from_byte_array([7; 32]), vout: 1 },
            capacity: CAPACITY,
            opener: Side::Local,
            local: party(&alice, &a),
            remote: party(&bob, &b),
        };
        let of_bob =
            FundingTerms { opener: Side::Remote, local: of_alice.remote, remote: of_alice.local, ..of_alice };
        Self {
            secp: Secp256k1::new(),
            alice: End { signer: alice, keys: a, terms: Arc::new(of_alice) },
            bob: End { signer: bob, keys: b, terms: Arc::new(of_bob) },
        }
    }

    /// Alice's commitment as Alice sees it, with these HTLCs.
    pub(crate) fn content(&self, number: u64, htlcs: Vec<CommittedHtlc>) -> CommitmentContent {
        let pending: Msat = htlcs.iter().map(|htlc| htlc.amount).sum();
        let remote = Msat(3_000_000_000);
        CommitmentContent {
            owner: Side::Local,
            number: CommitmentNumber(number),
            per_commitment_point: self.alice.signer.point(&self.alice.keys, CommitmentNumber(number)),
            feerate: FeeratePerKw(1_000),
            local_balance: Msat(CAPACITY.to_msat().0 - remote.0 - pending.0),
            remote_balance: remote,
            htlcs,
        }
    }

    /// Has Bob sign Alice's commitment.
    pub(crate) fn bob_signs(
        &self,
        content: &CommitmentContent,
    ) -> Result<(Signature, Vec<Signature>), SignerRefusal> {
        self.bob.signer.sign_remote_commitment(&RemoteCommitmentRequest {
            keys: self.bob.keys,
            terms: Arc::clone(&self.bob.terms),
            content: mirror(content),
        })
    }

    /// Has Alice sign her own commitment, to broadcast it.
    pub(crate) fn alice_broadcasts(
        &self,
        content: &CommitmentContent,
    ) -> Result<bitcoin::Transaction, SignerRefusal> {
        let bob = &InProcessSigner::new(&seed(2), Network::Regtest);
        let (remote_signature, _) = bob.sign_remote_commitment(&RemoteCommitmentRequest {
            keys: self.bob.keys,
            terms: Arc::clone(&self.bob.terms),
            content: mirror(content),
        })?;
        self.alice.signer.sign_local_commitment(&LocalCommitmentRequest {
            keys: self.alice.keys,
            terms: Arc::clone(&self.alice.terms),
            content: content.clone(),
            remote_signature,
        })
    }

    /// The request to revoke Alice's commitment `number`.
    pub(crate) fn revocation(&self, number: u64) -> RevocationRequest {
        let content = self.content(number + 1, vec![]);
        let bob = &InProcessSigner::new(&seed(2), Network::Regtest);
        let (signature, htlc_signatures) = bob
            .sign_remote_commitment(&RemoteCommitmentRequest {
                keys: self.bob.keys,
                terms: Arc::clone(&self.bob.terms),
                content: mirror(&content),
            })
            .expect("a valid commitment");
        RevocationRequest {
            keys: self.alice.keys,
            terms: Arc::clone(&self.alice.terms),
            revoked: CommitmentNumber(number),
            content,
            signature,
            htlc_signatures,
        }
    }

    pub(crate) fn build(&self, content: &CommitmentContent) -> Commitment {
        Commitment::build(&self.secp, &self.alice.terms, content).expect("a valid commitment")
    }
}

/// The same commitment as the other end sees it.
pub(crate) fn mirror(content: &CommitmentContent) -> CommitmentContent {
    let flip = |htlc: &CommittedHtlc| CommittedHtlc { offered_by: htlc.offered_by.other(), ..*htlc };
    CommitmentContent {
        owner: content.owner.other(),
        local_balance: content.remote_balance,
        remote_balance: content.local_balance,
        htlcs: content.htlcs.iter().map(flip).collect(),
        ..content.clone()
    }
}

pub(crate) const PREIMAGE: PaymentPreimage = PaymentPreimage([0x77; 32]);
pub(crate) const EXPIRY: u32 = 600;

/// So many HTLCs, offered by Alice and Bob in turn.
pub(crate) fn htlcs(count: u64) -> Vec<CommittedHtlc> {
    (0..count)
        .map(|id| CommittedHtlc {
            offered_by: if id % 2 == 0 { Side::Local } else { Side::Remote },
            id: HtlcId(id),
            amount: Msat(4_000_000 + id * 1_000),
            payment_hash: PREIMAGE.payment_hash(),
            cltv_expiry: CltvExpiry(EXPIRY),
        })
        .collect()
}
