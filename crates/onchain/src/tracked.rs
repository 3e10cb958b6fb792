//! One output that is followed until it is irrevocably resolved.

use crate::deadline::TIMEOUT_MARGIN_BLOCKS;
use crate::evidence::HtlcKey;
use astrape_primitives::{ChannelKeysId, CommitmentNumber, FeeratePerKw, Height, PaymentPreimage, Sat, Side};
use astrape_transactions::{CommitmentFormat, CommittedHtlc, Spend, SpendPath};
use bitcoin::secp256k1::PublicKey;
use bitcoin::secp256k1::ecdsa::Signature;
use bitcoin::{ScriptBuf, Sequence, TxOut, Txid};

/// An output on chain with money in it, or a way to money, that concerns us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tracked {
    /// The output.
    pub output: TxOut,
    /// Its witness script; `None` for a P2WPKH.
    pub witness_script: Option<ScriptBuf>,
    /// What it is.
    pub role: Role,
    /// When it was first followed: from here on the fee of its claims rises.
    pub since: Height,
    /// The block that it stands in.
    pub confirmed: Option<Height>,
    /// What a confirmed transaction has made of it.
    pub spent: Option<Spent>,
    /// Whether somebody contested it: it is claimed alone from then on (attacks 16 and 18).
    pub alone: bool,
    /// The feerate of its last claim: the next never pays less (attack 16).
    pub paid: FeeratePerKw,
}

/// A confirmed spend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spent {
    /// By which transaction.
    pub txid: Txid,
    /// In which block.
    pub height: Height,
    /// Whether we took it.
    pub by_us: bool,
}

/// What an output is to us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// Ours after a delay: `to_local` of our commitment, or the output of an HTLC transaction of ours.
    Delayed {
        /// Number of our commitment.
        number: CommitmentNumber,
        /// `to_self_delay`.
        delay: u16,
    },
    /// `to_remote` of a commitment of the peer.
    ToRemote,
    /// Our anchor. Of an unconfirmed commitment it brings the fee.
    Anchor {
        /// The commitment, while it is not confirmed.
        parent: Option<Parent>,
    },
    /// An HTLC of our commitment.
    OurHtlc {
        /// It.
        htlc: CommittedHtlc,
        /// Number of our commitment.
        number: CommitmentNumber,
        /// The peer's signature on its HTLC transaction.
        remote_signature: Signature,
        /// What that transaction pays out.
        second_stage: Sat,
        /// For one that the peer offered.
        preimage: Option<PaymentPreimage>,
        /// For one that we offered: when the one that pays for it expires.
        upstream_expiry: Option<Height>,
    },
    /// An HTLC of a valid commitment of the peer.
    TheirHtlc {
        /// It.
        htlc: CommittedHtlc,
        /// The per-commitment point of that commitment.
        point: PublicKey,
        /// For one that the peer offered.
        preimage: Option<PaymentPreimage>,
        /// For one that we offered: when the one that pays for it expires.
        upstream_expiry: Option<Height>,
    },
    /// `to_local` of a revoked commitment, or the output of an HTLC transaction upon it.
    RevokedDelayed {
        /// What the peer revealed.
        secret: [u8; 32],
        /// After so many blocks the peer can take it.
        delay: u16,
    },
    /// An HTLC of a revoked commitment.
    RevokedHtlc {
        /// It.
        htlc: CommittedHtlc,
        /// What the peer revealed.
        secret: [u8; 32],
        /// After so many blocks the peer can take the output of its HTLC transaction.
        delay: u16,
    },
    /// An output that we cannot claim, watched for the preimage that its spend may show.
    Foreign,
}

/// A commitment that waits for its fee.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parent {
    /// Whose it is. Ours goes out with its child as a package.
    pub owner: Side,
    /// What it pays by itself.
    pub fee: Sat,
    /// What it weighs, signed.
    pub weight: u64,
    /// What is lost if it is late: HTLCs with a deadline.
    pub at_stake: Sat,
    /// What is ours of it at leisure, with what comes back of payments of our own.
    pub balance: Sat,
    /// The first deadline among the HTLCs.
    pub deadline: Option<Height>,
}

impl Tracked {
    /// A new one of a transaction in that block.
    pub(crate) fn new(
        output: &TxOut,
        witness_script: Option<ScriptBuf>,
        role: Role,
        since: Height,
        confirmed: Option<Height>,
    ) -> Self {
        Self {
            output: output.clone(),
            witness_script,
            role,
            since,
            confirmed,
            spent: None,
            alone: false,
            paid: FeeratePerKw(0),
        }
    }

    /// What it is worth.
    #[must_use]
    pub fn value(&self) -> Sat {
        self.output.value.into()
    }

    /// What is lost if its claim is late: it, or for the anchor of a commitment that waits what hangs on that.
    pub(crate) fn at_stake(&self) -> Sat {
        match &self.role {
            Role::Anchor { parent: Some(parent) } => parent.at_stake,
            _ => self.value(),
        }
    }

    /// Whether a coin of the wallet must pay for its claim.
    pub(crate) fn needs_coins(&self, format: CommitmentFormat) -> bool {
        match &self.role {
            Role::OurHtlc { .. } => format == CommitmentFormat::Anchors,
            Role::Anchor { parent } => parent.is_some(),
            _ => false,
        }
    }

    /// The HTLC that it holds.
    #[must_use]
    pub fn htlc(&self) -> Option<&CommittedHtlc> {
        match &self.role {
            Role::OurHtlc { htlc, .. } | Role::TheirHtlc { htlc, .. } | Role::RevokedHtlc { htlc, .. } => {
                Some(htlc)
            }
            _ => None,
        }
    }

    /// The key of that HTLC.
    #[must_use]
    pub fn key(&self) -> Option<HtlcKey> {
        self.htlc().map(|htlc| (htlc.offered_by, htlc.id))
    }

    /// The first tip at which a claim of it may enter the next block; `None` when we may not claim it, or not yet.
    #[must_use]
    pub fn claimable_from(&self, format: CommitmentFormat) -> Option<Height> {
        let confirmed = self.confirmed;
        match &self.role {
            // A delay of n is over in the n-th block above.
            Role::Delayed { delay, .. } => Some(confirmed?.plus(u32::from(*delay).saturating_sub(1))),
            Role::Anchor { parent: Some(_) } => Some(self.since),
            Role::ToRemote | Role::Anchor { parent: None } => confirmed,
            Role::RevokedDelayed { .. } | Role::RevokedHtlc { .. } => confirmed,
            Role::OurHtlc { htlc, preimage, .. } | Role::TheirHtlc { htlc, preimage, .. } => {
                let at = confirmed?;
                let from = match htlc.offered_by {
                    Side::Local => at.max(Height(htlc.cltv_expiry.0)),
                    Side::Remote => preimage.map(|_| at)?,
                };
                // One block must be between where the format says so: the next one is, whatever the tip.
                debug_assert!(format.htlc_sequence().0 <= 1);
                Some(from)
            }
            Role::Foreign => None,
        }
    }

    /// The block by which it must be ours; later somebody else can take it, or take what it pays for.
    #[must_use]
    pub fn deadline(&self) -> Option<Height> {
        match &self.role {
            Role::OurHtlc { htlc, upstream_expiry, .. } | Role::TheirHtlc { htlc, upstream_expiry, .. } => {
                match htlc.offered_by {
                    Side::Local => upstream_expiry.map(|e| Height(e.0.saturating_sub(TIMEOUT_MARGIN_BLOCKS))),
                    Side::Remote => Some(Height(htlc.cltv_expiry.0)),
                }
            }
            Role::RevokedDelayed { delay, .. } | Role::RevokedHtlc { delay, .. } => {
                Some(self.confirmed?.plus(u32::from(*delay)))
            }
            Role::Anchor { parent: Some(parent) } => parent.deadline,
            Role::Delayed { .. } | Role::ToRemote | Role::Anchor { parent: None } | Role::Foreign => None,
        }
    }

    /// How it is signed for; `None` for what we cannot claim.
    #[must_use]
    pub fn spend(&self, keys: ChannelKeysId, format: CommitmentFormat) -> Option<Spend> {
        let path = match &self.role {
            Role::Delayed { number, .. } => SpendPath::Delayed { number: *number },
            Role::ToRemote => SpendPath::ToRemote,
            Role::Anchor { .. } => SpendPath::Anchor,
            Role::OurHtlc { number, remote_signature, preimage, .. } => SpendPath::HtlcTransaction {
                number: *number,
                format,
                remote_signature: *remote_signature,
                preimage: *preimage,
            },
            Role::TheirHtlc { point, preimage, .. } => {
                SpendPath::RemoteHtlc { per_commitment_point: *point, preimage: *preimage }
            }
            Role::RevokedDelayed { secret, .. } => {
                SpendPath::PenaltyDelayed { per_commitment_secret: *secret }
            }
            Role::RevokedHtlc { secret, .. } => SpendPath::PenaltyHtlc { per_commitment_secret: *secret },
            Role::Foreign => return None,
        };
        Some(Spend::Channel { keys, witness_script: self.witness_script.clone(), path })
    }

    /// `nSequence` of an input that claims it.
    pub(crate) fn sequence(&self, format: CommitmentFormat) -> Sequence {
        match &self.role {
            Role::Delayed { delay, .. } => Sequence(u32::from(*delay)),
            Role::ToRemote if format == CommitmentFormat::Anchors => Sequence(1),
            Role::OurHtlc { .. } | Role::TheirHtlc { .. } => format.htlc_sequence(),
            _ => Sequence::ENABLE_RBF_NO_LOCKTIME,
        }
    }

    /// `nLockTime` that a claim of it needs.
    pub(crate) fn lock_time(&self) -> u32 {
        match &self.role {
            Role::OurHtlc { htlc, .. } | Role::TheirHtlc { htlc, .. } if htlc.offered_by == Side::Local => {
                htlc.cltv_expiry.0
            }
            _ => 0,
        }
    }

    /// Whether nobody but us can take it; an anchor until it is 16 blocks old, and then it is worth no quarrel.
    #[must_use]
    pub fn is_safe(&self) -> bool {
        matches!(self.role, Role::Delayed { .. } | Role::ToRemote | Role::Anchor { parent: None })
    }
}
