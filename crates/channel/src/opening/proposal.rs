//! What one side proposes, what both agree on, and the channel that comes of it.

use super::channel_type::ChannelType;
use crate::announcement::Announcement;
use crate::channel::{Balances, Channel, Link, Open, Phase, Readiness, Shutdown, Up};
use crate::commitments::{LocalCommitments, RemoteCommitments, RemoteSignatures};
use crate::fault::Fault;
use crate::fee::Fees;
use crate::funding::Funding;
use crate::output::{Output, Story};
use crate::params::{Announced, Params};
use crate::policy::View;
use astrape_primitives::{
    ChannelId, ChannelKeysId, CommitmentNumber, Features, FeeratePerKw, HtlcId, Msat, NodeId, Sat, SharedMap,
    ShortChannelId, Side,
};
use astrape_transactions::{
    Commitment, CommitmentContent, CommitmentFormat, FundingTerms, PartyTerms, ReceivedSecrets,
    RemoteCommitmentRequest,
};
use bitcoin::secp256k1::{PublicKey, ecdsa::Signature};
use bitcoin::{OutPoint, Transaction};
use std::sync::Arc;

/// What `open_channel` says, and what is ours in the channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The peer.
    pub peer: NodeId,
    /// Our keys, and our name for the channel.
    pub keys: ChannelKeysId,
    /// `temporary_channel_id`.
    pub temporary_channel_id: ChannelId,
    /// Who sent `open_channel`.
    pub opener: Side,
    /// Format of the commitments.
    pub format: CommitmentFormat,
    /// Whether the channel type has `option_scid_alias`.
    pub scid_alias: bool,
    /// Whether it shall be announced.
    pub announce: bool,
    /// `funding_satoshis`.
    pub funding: Sat,
    /// `push_msat`.
    pub push: Msat,
    /// First feerate of the commitments.
    pub feerate: FeeratePerKw,
    /// What we announce.
    pub local: Announced,
    /// Our per-commitment points 0, 1 and 2.
    pub points: [PublicKey; 3],
    /// Our alias for the channel.
    pub local_alias: ShortChannelId,
}

/// What both sides know before there is a funding transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// What was proposed.
    pub proposal: Proposal,
    /// What the peer announced.
    pub remote: Announced,
    /// The peer's `first_per_commitment_point`.
    pub remote_point: PublicKey,
    /// Confirmations before our `channel_ready`.
    pub minimum_depth: u32,
}

impl Proposal {
    /// `channel_type`.
    pub(super) fn channel_type(&self) -> Features {
        ChannelType { format: self.format, scid_alias: self.scid_alias }.features()
    }

    fn balances(&self) -> Balances {
        let opener = self.funding.to_msat().saturating_sub(self.push);
        match self.opener {
            Side::Local => Balances { local: opener, remote: self.push },
            Side::Remote => Balances { local: self.push, remote: opener },
        }
    }
}

impl Agreed {
    /// All that the commitments of this funding share.
    pub(super) fn terms(&self, outpoint: OutPoint) -> FundingTerms {
        let (local, remote) = (&self.proposal.local, &self.remote);
        let party = |own: &Announced, other: &Announced| PartyTerms {
            basepoints: own.basepoints,
            dust_limit: own.dust_limit,
            to_self_delay: other.to_self_delay,
        };
        FundingTerms {
            format: self.proposal.format,
            outpoint,
            capacity: self.proposal.funding,
            opener: self.proposal.opener,
            local: party(local, remote),
            remote: party(remote, local),
        }
    }

    fn first_content(&self, owner: Side) -> CommitmentContent {
        let balances = self.proposal.balances();
        CommitmentContent {
            owner,
            number: CommitmentNumber(0),
            per_commitment_point: match owner {
                Side::Local => self.proposal.points[0],
                Side::Remote => self.remote_point,
            },
            feerate: self.proposal.feerate,
            local_balance: balances.local,
            remote_balance: balances.remote,
            htlcs: Vec::new(),
        }
    }

    /// The request for our signature on the peer's first commitment.
    #[must_use]
    pub fn remote_request(&self, outpoint: OutPoint) -> RemoteCommitmentRequest {
        RemoteCommitmentRequest {
            keys: self.proposal.keys,
            terms: Arc::new(self.terms(outpoint)),
            content: self.first_content(Side::Remote),
        }
    }

    /// Checks the peer's signature on our first commitment.
    pub(super) fn check_signature(
        &self,
        outpoint: OutPoint,
        signature: &Signature,
        view: &View<'_>,
    ) -> Result<(), Fault> {
        Commitment::build(view.secp, &self.terms(outpoint), &self.first_content(Side::Local))
            .map_err(|e| Fault::Proposal(e.to_string()))?
            .verify(view.secp, signature, &[])
            .map_err(|e| Fault::Signature(e.to_string()))
    }

    /// The channel as it is once both first commitments are signed.
    pub(super) fn open(
        &self,
        outpoint: OutPoint,
        tx: Option<Arc<Transaction>>,
        signature: Signature,
        view: &View<'_>,
    ) -> Channel {
        let proposal = &self.proposal;
        let [first, second, third] = proposal.points;
        let open = Open {
            params: Arc::new(self.params(outpoint, view)),
            funding: Funding { terms: Arc::new(self.terms(outpoint)), tx, confirmed: None, spent: None },
            balances: proposal.balances(),
            htlcs: SharedMap::new(),
            fees: Fees::new(proposal.feerate),
            local: LocalCommitments {
                number: CommitmentNumber(0),
                points: [first, second],
                revoked_points: [None, None],
                third_point: Some(third),
                signatures: Arc::new(RemoteSignatures { commitment: signature, htlcs: Vec::new() }),
            },
            remote: RemoteCommitments {
                number: CommitmentNumber(0),
                unrevoked: None,
                point: self.remote_point,
                next_point: None,
                secrets: ReceivedSecrets::new(),
            },
            next_local_id: HtlcId(0),
            next_remote_id: HtlcId(0),
            waiting: Vec::new(),
            waiting_feerate: None,
            readiness: Readiness::default(),
            announcement: Announcement::default(),
            shutdown: Shutdown::default(),
        };
        Channel { link: Link::Up(Up::default()), phase: Phase::Open(Box::new(open)) }
    }

    fn params(&self, outpoint: OutPoint, view: &View<'_>) -> Params {
        let proposal = &self.proposal;
        Params {
            keys: proposal.keys,
            peer: proposal.peer,
            channel_id: ChannelId::from_funding(&outpoint),
            opener: proposal.opener,
            format: proposal.format,
            scid_alias: proposal.scid_alias,
            announce: proposal.announce,
            local: proposal.local.clone(),
            remote: self.remote.clone(),
            minimum_depth: self.minimum_depth,
            local_alias: proposal.local_alias,
            funded_at: view.tip,
        }
    }

    /// What is to be done with the new channel whoever funds it: watch, and tell.
    pub(super) fn opened(&self, outpoint: OutPoint) -> [Output; 2] {
        let script = self.terms(outpoint).funding_script();
        let story = Story::Opened { outpoint, capacity: self.proposal.funding };
        [Output::WatchFunding { outpoint, script }, Output::Story(story)]
    }
}
