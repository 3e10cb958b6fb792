//! The two chains of commitments: ours and the peer's, by number.

use crate::channel::Open;
use astrape_primitives::{CommitmentNumber, Side};
use astrape_transactions::ReceivedSecrets;
use astrape_wire::ChannelReestablish;
use bitcoin::secp256k1::{PublicKey, ecdsa::Signature};
use std::sync::Arc;

/// The first commitment of each side from which something holds; `None` while it is in none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// Of ours.
    pub local: Option<CommitmentNumber>,
    /// Of the peer's.
    pub remote: Option<CommitmentNumber>,
}

impl Numbers {
    /// In the first commitments of both.
    pub const FROM_THE_START: Numbers =
        Numbers { local: Some(CommitmentNumber(0)), remote: Some(CommitmentNumber(0)) };

    /// Of one side.
    #[must_use]
    pub fn of(&self, owner: Side) -> Option<CommitmentNumber> {
        match owner {
            Side::Local => self.local,
            Side::Remote => self.remote,
        }
    }

    /// Whether it holds in commitment `number` of `owner`.
    #[must_use]
    pub fn includes(&self, owner: Side, number: CommitmentNumber) -> bool {
        self.of(owner).is_some_and(|first| first <= number)
    }
}

/// Our commitments: what we could broadcast.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalCommitments {
    /// The newest that the peer has signed. All before it are revoked.
    pub number: CommitmentNumber,
    /// Per-commitment points of `number`, `number + 1` and `number + 2`. The last comes from the signer with each
    /// revocation.
    pub points: [PublicKey; 2],
    /// Points of `number - 1` and `number - 2`, which are revoked: a peer that comes back shows the secret of one of them.
    pub revoked_points: [Option<PublicKey>; 2],
    /// Point of `number + 2`; absent between a revocation and the signer's answer.
    pub third_point: Option<PublicKey>,
    /// The peer's signatures on commitment `number`.
    pub signatures: Arc<RemoteSignatures>,
}

/// The peer's signatures on one of our commitments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteSignatures {
    /// On the commitment transaction.
    pub commitment: Signature,
    /// On its HTLC transactions, in output order.
    pub htlcs: Vec<Signature>,
}

/// The peer's commitments: what the peer could broadcast.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteCommitments {
    /// The newest that we have signed.
    pub number: CommitmentNumber,
    /// Set while `number - 1` is not revoked yet: the peer may broadcast either.
    pub unrevoked: Option<Unrevoked>,
    /// Point of the newest commitment whose predecessor is revoked ([`RemoteCommitments::acked`]).
    pub point: PublicKey,
    /// Point of the one after it; absent until `channel_ready`.
    pub next_point: Option<PublicKey>,
    /// The secrets of all that are revoked.
    pub secrets: ReceivedSecrets,
}

/// Our newest `commitment_signed`, not answered yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unrevoked {
    /// Our own newest commitment when it was signed: tells the order of `revoke_and_ack` and `commitment_signed` when both
    /// must be sent again.
    pub signed_after_local: CommitmentNumber,
}

impl RemoteCommitments {
    /// The newest whose predecessor is revoked: what the peer is bound to.
    #[must_use]
    pub fn acked(&self) -> CommitmentNumber {
        if self.unrevoked.is_some() {
            self.number.previous().expect("commitment 0 is acknowledged by the opening")
        } else {
            self.number
        }
    }

    /// Point of the newest commitment that we have signed.
    #[must_use]
    pub fn newest_point(&self) -> PublicKey {
        if self.unrevoked.is_some() { self.next_point.expect("it was needed to sign") } else { self.point }
    }
}

/// Where we are, as a peer that comes back must hear it (BOLT 2 `channel_reestablish`).
pub(crate) fn reestablish_message(open: &Open) -> ChannelReestablish {
    let acked = open.remote.acked();
    let last = acked.previous().and_then(|number| open.remote.secrets.get(number));
    ChannelReestablish {
        channel_id: open.params.channel_id,
        next_commitment_number: open.next_local_number(),
        next_revocation_number: acked,
        your_last_per_commitment_secret: last.unwrap_or([0; 32]),
        my_current_per_commitment_point: open.local.points[0],
        next_funding: None,
        my_current_funding_locked: None,
    }
}
