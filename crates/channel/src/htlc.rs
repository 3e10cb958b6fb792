//! One HTLC for its lifetime: in which commitments of which side it stands, and how it ends.

use crate::commitments::Numbers;
use astrape_onion::{FailurePacket, HoldTime, OnionRecipe, PeelFailure, Peeled, create_fulfill_attribution};
use astrape_primitives::{
    ChannelKeysId, CltvExpiry, CommitmentNumber, HtlcId, Msat, PaymentHash, PaymentPreimage, Side, Timestamp,
};
use astrape_transactions::CommittedHtlc;
use astrape_wire::{AttributionData, OnionPacket};
use std::sync::Arc;

/// Which HTLC of a channel: who offered it, and its id among those of that side.
pub type HtlcKey = (Side, HtlcId);

/// An HTLC that we want to offer: durable, without an id until it is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewHtlc {
    /// What the peer gets for the preimage.
    pub amount: Msat,
    /// The hash of the preimage.
    pub payment_hash: PaymentHash,
    /// When it times out.
    pub cltv_expiry: CltvExpiry,
    /// The onion that goes with it.
    pub onion: OnionSource,
    /// What it is for.
    pub origin: Origin,
}

/// Where the onion of an outgoing HTLC comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnionSource {
    /// Peeled from an incoming HTLC.
    Packet(OnionPacket),
    /// To be built from a route of our own; the recipe is a seventh of the packet's size and always builds the same one.
    Recipe(Arc<OnionRecipe>),
}

/// What an outgoing HTLC is for: who is told how it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// One part of a payment of this node.
    Payment {
        /// The payment.
        payment_hash: PaymentHash,
        /// Which part of it.
        part: u64,
    },
    /// An HTLC that came in on another channel.
    Relay {
        /// The other channel.
        channel: ChannelKeysId,
        /// The peer's HTLC there.
        id: HtlcId,
    },
}

/// How an HTLC ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// `update_fulfill_htlc`.
    Fulfilled {
        /// The preimage.
        preimage: PaymentPreimage,
        /// What is said of how long it was held.
        attribution: Attribution,
    },
    /// `update_fail_htlc`.
    Failed(FailurePacket),
    /// `update_fail_malformed_htlc`.
    Malformed {
        /// Hash of the onion that could not be read.
        sha256_of_onion: [u8; 32],
        /// A failure code with the BADONION bit.
        failure_code: u16,
    },
}

/// What comes with a preimage of how long each hop held an HTLC (`attribution_data`, BOLT 4, "Returning Errors").
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attribution {
    /// Nothing.
    Silent,
    /// What the hops behind us have said, and we with them.
    Data(AttributionData),
    /// Our own hold time and nothing behind it, for an HTLC that the peer offered. The data are made of it when they are said: kept,
    /// they would be 920 bytes of every payment that we receive.
    Held(HoldTime),
}

impl Attribution {
    /// What the hops behind us have said, if they have.
    #[must_use]
    pub fn data(self) -> Option<AttributionData> {
        match self {
            Attribution::Data(data) => Some(data),
            Attribution::Silent | Attribution::Held(_) => None,
        }
    }
}

impl Resolution {
    /// Whether the receiver of the HTLC gets the money.
    #[must_use]
    pub fn is_fulfilled(&self) -> bool {
        matches!(self, Resolution::Fulfilled { .. })
    }
}

/// What only one direction has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The peer offered it: what was in its onion.
    Incoming(Arc<Result<Peeled, PeelFailure>>),
    /// We offered it.
    Outgoing {
        /// What it is for.
        origin: Origin,
        /// Its onion, for retransmission.
        onion: OnionSource,
        /// The preimage, durable from the peer's `update_fulfill_htlc` on, signed or not.
        preimage: Option<PaymentPreimage>,
    },
}

/// An end of an HTLC, on its way into both commitments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// How it ends.
    pub resolution: Resolution,
    /// The first commitments without it.
    pub from: Numbers,
    /// The preimage, when it came after a failure was signed and the channel was on its way to the chain: for claims alone. What
    /// commitments say stays as it was signed.
    pub late_preimage: Option<PaymentPreimage>,
}

impl Removal {
    /// An end that no commitment knows of yet.
    pub(crate) fn unsaid(resolution: Resolution) -> Self {
        Self { resolution, from: Numbers::default(), late_preimage: None }
    }
}

/// An HTLC of an open channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Htlc {
    /// Who offered it.
    pub offered_by: Side,
    /// Its id among those of that side.
    pub id: HtlcId,
    /// What it is worth.
    pub amount: Msat,
    /// The hash of the preimage.
    pub payment_hash: PaymentHash,
    /// When it times out.
    pub cltv_expiry: CltvExpiry,
    /// What only its direction has.
    pub direction: Direction,
    /// The first commitments with it.
    pub added: Numbers,
    /// Its end, when it has been decided.
    pub removal: Option<Removal>,
    /// Set when it would have passed the bound on dust when it came: failed as soon as it is committed.
    pub over_dust_exposure: bool,
    /// When it came or was offered: how long it was held is told to the sender (BOLT 4, attribution data).
    pub at: Timestamp,
}

/// Where an HTLC stands with respect to one commitment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Not in it yet.
    Absent,
    /// In it.
    Pending,
    /// It was in an earlier one and is resolved in this one.
    Resolved {
        /// Whether the receiver got the money.
        fulfilled: bool,
    },
}

impl Htlc {
    /// Its key.
    #[must_use]
    pub fn key(&self) -> HtlcKey {
        (self.offered_by, self.id)
    }

    /// Where it stands in commitment `number` of `owner`.
    #[must_use]
    pub fn standing(&self, owner: Side, number: CommitmentNumber) -> Standing {
        if !self.added.includes(owner, number) {
            return Standing::Absent;
        }
        match &self.removal {
            Some(removal) if removal.from.includes(owner, number) => {
                Standing::Resolved { fulfilled: removal.resolution.is_fulfilled() }
            }
            _ => Standing::Pending,
        }
    }

    /// What is said with its preimage. Only who could read its onion has a secret for it.
    #[must_use]
    pub fn attribution_data(&self, attribution: &Attribution) -> Option<AttributionData> {
        let secret = match &self.direction {
            Direction::Incoming(onion) => match &**onion {
                Ok(Peeled { shared_secret, .. }) | Err(PeelFailure::Payload { shared_secret, .. }) => {
                    Some(shared_secret)
                }
                Err(PeelFailure::Malformed { .. }) => None,
            },
            Direction::Outgoing { .. } => None,
        };
        match attribution {
            Attribution::Silent => None,
            Attribution::Data(data) => Some(data.clone()),
            Attribution::Held(time) => secret.map(|secret| create_fulfill_attribution(secret, *time)),
        }
    }

    /// As BOLT 3 sees it.
    #[must_use]
    pub fn committed(&self) -> CommittedHtlc {
        CommittedHtlc {
            offered_by: self.offered_by,
            id: self.id,
            amount: self.amount,
            payment_hash: self.payment_hash,
            cltv_expiry: self.cltv_expiry,
        }
    }

    /// Whether it is to be failed and the peer was not told: that is said with a commitment.
    #[must_use]
    pub fn is_failed_unsaid(&self) -> bool {
        let is_unsaid = |r: &Removal| !r.resolution.is_fulfilled() && r.from == Numbers::default();
        self.removal.as_ref().is_some_and(is_unsaid)
    }

    /// Whether its preimage would still count: it has no end, or a failure that nobody was told of. Once the channel is on its way to
    /// the chain also one that was signed, since the commitment that confirms may be one that has the HTLC.
    #[must_use]
    pub fn may_be_fulfilled(&self, is_on_chain: bool) -> bool {
        self.removal.is_none() || self.is_failed_unsaid() || (is_on_chain && self.preimage().is_none())
    }

    /// The preimage, if it is known: for one of ours when the peer or the chain has shown it, for one of the peer's when we settle it.
    #[must_use]
    pub fn preimage(&self) -> Option<PaymentPreimage> {
        match (&self.direction, &self.removal) {
            (Direction::Outgoing { preimage: Some(preimage), .. }, _) => Some(*preimage),
            (_, Some(Removal { resolution: Resolution::Fulfilled { preimage, .. }, .. })) => Some(*preimage),
            (_, Some(removal)) => removal.late_preimage,
            _ => None,
        }
    }
}
