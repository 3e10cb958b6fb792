//! BOLT 3: commitments with anchors and 0, 50 and 483 HTLCs: built; built and signed for the peer; built, and the peer's
//! signatures verified. Both sides of a channel are here, Astrape's and LDK's.

mod ldk;

use crate::clock::{Row, Table, work};
use anyhow::{Result, anyhow, ensure};
use astrape_primitives::{
    ChannelKeysId, CltvExpiry, CommitmentNumber, FeeratePerKw, HtlcId, Msat, Network, PaymentHash, Sat, Side,
};
use astrape_signer::{InProcessSigner, Seed};
use astrape_transactions::{
    Commitment, CommitmentContent, CommitmentFormat, CommittedHtlc, FundingTerms, PartyTerms,
    RemoteCommitmentRequest, Signer as _,
};
use bitcoin::hashes::Hash as _;
use bitcoin::secp256k1::{All, Message, Secp256k1, SecretKey, ecdsa::Signature};
use bitcoin::{OutPoint, Txid};
use std::sync::Arc;

pub(crate) const CAPACITY: Sat = Sat(100_000_000);
pub(crate) const FEERATE: u32 = 1_000;
pub(crate) const DELAY: u16 = 144;
pub(crate) const EXPIRY: u32 = 800_000;
const KEYS: ChannelKeysId = ChannelKeysId([0xa; 32]);

/// A channel between two signers of ours, and one between two of LDK's.
pub(crate) struct Channel {
    pub(crate) secp: Secp256k1<All>,
    /// As the owner of the commitments sees it.
    pub(crate) terms: FundingTerms,
    /// As the peer sees it, who signs.
    peer_terms: Arc<FundingTerms>,
    owner: InProcessSigner,
    peer: InProcessSigner,
    pub(crate) ldk: ldk::Pair,
    /// For the bare operations.
    pub(crate) some_key: SecretKey,
}

pub(crate) fn measure(table: &mut Table) -> Result<()> {
    let channel = Channel::open()?;
    for htlcs in [0, 50, 483] {
        channel.built(table, htlcs);
        channel.signed(table, htlcs)?;
        channel.verified(table, htlcs)?;
    }
    Ok(())
}

impl Channel {
    pub(crate) fn open() -> Result<Self> {
        let owner = InProcessSigner::new(&Seed::from_entropy([1; 32]), Network::Regtest);
        let peer = InProcessSigner::new(&Seed::from_entropy([2; 32]), Network::Regtest);
        let party = |signer: &InProcessSigner| PartyTerms {
            basepoints: signer.channel_keys(&KEYS).basepoints,
            dust_limit: Sat(354),
            to_self_delay: DELAY,
        };
        let terms = FundingTerms {
            format: CommitmentFormat::Anchors,
            outpoint: OutPoint { txid: Txid::from_byte_array([7; 32]), vout: 1 },
            capacity: CAPACITY,
            opener: Side::Local,
            local: party(&owner),
            remote: party(&peer),
        };
        let peer_terms =
            FundingTerms { opener: Side::Remote, local: terms.remote, remote: terms.local, ..terms };
        let (secp, some_key) = (Secp256k1::new(), SecretKey::from_slice(&[0x61; 32])?);
        let ldk = ldk::Pair::open(&secp);
        Ok(Self { secp, terms, peer_terms: Arc::new(peer_terms), owner, peer, ldk, some_key })
    }

    /// Our commitment with so many HTLCs, one in two of them offered by us.
    pub(crate) fn content(&self, htlcs: u64) -> CommitmentContent {
        let htlcs: Vec<_> = (0..htlcs).map(htlc).collect();
        let pending: Msat = htlcs.iter().map(|htlc| htlc.amount).sum();
        let remote = Msat(30_000_000_000);
        // A number of its own for each content: the signer signs no two commitments of one number.
        let number = CommitmentNumber(htlcs.len() as u64);
        CommitmentContent {
            owner: Side::Local,
            number,
            per_commitment_point: self.owner.point(&KEYS, number),
            feerate: FeeratePerKw(FEERATE),
            local_balance: Msat(CAPACITY.to_msat().0 - remote.0 - pending.0),
            remote_balance: remote,
            htlcs,
        }
    }

    fn built(&self, table: &mut Table, htlcs: u64) {
        let content = self.content(htlcs);
        let theirs = self.ldk.content(htlcs);
        table.row(Row {
            name: format!("commitment with {htlcs} HTLCs built"),
            bare: Some(work(|| self.bare_keys())),
            astrape: work(|| Commitment::build(&self.secp, &self.terms, &content)),
            ldk: Some(work(|| self.ldk.build(&self.secp, &theirs))),
        });
    }

    fn signed(&self, table: &mut Table, htlcs: u64) -> Result<()> {
        let request = self.request(htlcs);
        let theirs = self.ldk.content(htlcs);
        let message = Message::from_digest([9; 32]);
        let signed = self.ldk.sign(&self.secp, &self.ldk.build(&self.secp, &theirs))?;
        ensure!(signed.1.len() as u64 == htlcs, "LDK signs other HTLCs");
        table.row(Row {
            name: format!("commitment with {htlcs} HTLCs built and signed"),
            bare: Some(work(|| {
                let keys = self.bare_keys();
                let sign = |_| self.secp.sign_ecdsa(&message, &self.some_key);
                (keys, (0..=htlcs).map(sign).collect::<Vec<_>>())
            })),
            astrape: work(|| self.peer.sign_remote_commitment(&request)),
            ldk: Some(work(|| self.ldk.sign(&self.secp, &self.ldk.build(&self.secp, &theirs)))),
        });
        Ok(())
    }

    fn verified(&self, table: &mut Table, htlcs: u64) -> Result<()> {
        let (content, request) = (self.content(htlcs), self.request(htlcs));
        let (signature, htlc_signatures) = self.peer.sign_remote_commitment(&request)?;
        let verify = || -> Result<()> {
            let commitment = Commitment::build(&self.secp, &self.terms, &content)?;
            Ok(commitment.verify(&self.secp, &signature, &htlc_signatures)?)
        };
        verify()?;
        let theirs = self.ldk.content(htlcs);
        let signed = self.ldk.sign(&self.secp, &self.ldk.build(&self.secp, &theirs))?;
        self.ldk.verify(&self.secp, &self.ldk.build(&self.secp, &theirs), &signed)?;
        let key = self.some_key.public_key(&self.secp);
        // All different: a signature that is checked again and again teaches the processor its branches.
        let sign = |id| {
            let message = Message::from_digest(payment_hash(id));
            (message, self.secp.sign_ecdsa(&message, &self.some_key))
        };
        let bare: Vec<(Message, Signature)> = (0..=htlcs).map(sign).collect();
        table.row(Row {
            name: format!("commitment with {htlcs} HTLCs built and verified"),
            bare: Some(work(|| {
                let keys = self.bare_keys();
                let valid =
                    bare.iter().filter(|(message, one)| self.secp.verify_ecdsa(message, one, &key).is_ok());
                (keys, valid.count())
            })),
            astrape: work(verify),
            ldk: Some(work(|| self.ldk.verify(&self.secp, &self.ldk.build(&self.secp, &theirs), &signed))),
        });
        Ok(())
    }

    /// What the peer's signer is asked: the same commitment as the peer sees it.
    fn request(&self, htlcs: u64) -> RemoteCommitmentRequest {
        let content = self.content(htlcs);
        let flip = |htlc: CommittedHtlc| CommittedHtlc { offered_by: htlc.offered_by.other(), ..htlc };
        let content = CommitmentContent {
            owner: Side::Remote,
            local_balance: content.remote_balance,
            remote_balance: content.local_balance,
            htlcs: content.htlcs.into_iter().map(flip).collect(),
            ..content
        };
        RemoteCommitmentRequest { keys: KEYS, terms: Arc::clone(&self.peer_terms), content }
    }
}

fn htlc(id: u64) -> CommittedHtlc {
    CommittedHtlc {
        offered_by: if id.is_multiple_of(2) { Side::Local } else { Side::Remote },
        id: HtlcId(id),
        amount: Msat(1_000_000),
        payment_hash: PaymentHash(payment_hash(id)),
        cltv_expiry: CltvExpiry(EXPIRY),
    }
}

/// All different, as in life.
pub(crate) fn payment_hash(id: u64) -> [u8; 32] {
    bitcoin::hashes::sha256::Hash::hash(&id.to_be_bytes()).to_byte_array()
}

pub(crate) fn invalid(_: impl Sized) -> anyhow::Error {
    anyhow!("LDK refuses its own signature")
}
