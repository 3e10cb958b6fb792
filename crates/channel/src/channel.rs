//! The value of a channel. Its parts are in rooms of their own; what happens to it is in `opening/`, `open/`, `closing/`.

use crate::announcement::{Announcement, AnnouncementLink};
use crate::closing::Negotiation;
use crate::commitments::{LocalCommitments, RemoteCommitments};
use crate::event::Event;
use crate::fault::Fault;
use crate::fee::Fees;
use crate::funding::Funding;
use crate::htlc::{Htlc, HtlcKey, NewHtlc, Resolution};
use crate::opening::{AwaitingAcceptChannel, AwaitingFunding, AwaitingFundingCreated, AwaitingFundingSigned};
use crate::output::Transition;
use crate::params::Params;
use crate::policy::View;
use astrape_primitives::{
    ChannelId, ChannelKeysId, CommitmentNumber, FeeratePerKw, HtlcId, Msat, NodeId, SharedMap, ShortChannelId,
};
use astrape_transactions::signing::ClosingRequest;
use astrape_wire::AnnouncementSignatures;
use bitcoin::ScriptBuf;
use bitcoin::secp256k1::ecdsa::Signature;
use std::sync::Arc;

/// A channel: how far it is, and whether the peer can hear us. The two are independent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// Whether the peer can hear us. Volatile: a restart is a disconnection.
    pub link: Link,
    /// How far it is.
    pub phase: Phase,
}

/// The connection, as one channel sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// No connection.
    Down,
    /// Connected; we sent `channel_reestablish` and wait for the peer's. Some say a few things before it.
    Reestablishing(Early),
    /// The peer's `channel_reestablish` claims that we have lost state, and the signer looks at its proof. Until then our
    /// commitment must not be broadcast, whatever else the peer says.
    CheckingClaim,
    /// Messages flow.
    Up(Up),
}

/// What a peer has said before its `channel_reestablish`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Early {
    /// Whether it has said `channel_ready`, and for the first time.
    pub ready: bool,
    /// Its last `announcement_signatures`. LND may not say them again.
    pub signatures: Option<Box<AnnouncementSignatures>>,
}

/// What lives only as long as a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Up {
    /// HTLCs that the peer has added and not signed yet: no more than our `max_accepted_htlcs`.
    pub adds: SharedMap<HtlcId, Arc<Htlc>>,
    /// Ends of our HTLCs that the peer has not signed yet.
    pub removals: SharedMap<HtlcId, Resolution>,
    /// A feerate that the peer has not signed yet.
    pub feerate: Option<FeeratePerKw>,
    /// Whether the peer has sent `shutdown` on this connection.
    pub shutdown_received: bool,
    /// Whether it has told on this connection that it cannot take ours while there are HTLCs, as LND did before 0.18 (ADR 26).
    pub shutdown_refused: bool,
    /// Where the negotiation of a closing transaction stands.
    pub negotiation: Option<Negotiation>,
    /// Where the exchange of `announcement_signatures` stands.
    pub announcement: AnnouncementLink,
    /// Whether one side has told the other on this connection how the channel ends: it is not said again.
    pub told: bool,
}

/// How far a channel is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Negotiating. Volatile: lost with the connection, as BOLT 2 asks.
    Opening(Opening),
    /// Funded and not over: awaiting depth, normal, shutting down.
    Open(Box<Open>),
    /// The funding is about to be spent, or spent and not deep enough.
    Closing(Box<Closing>),
    /// Spent and deep. Nothing is left to do.
    Closed(Closed),
}

/// The steps of BOLT 2 "Channel Establishment v1".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opening {
    /// We sent `open_channel`.
    AwaitingAcceptChannel(Box<AwaitingAcceptChannel>),
    /// We have `accept_channel` and wait for our own wallet.
    AwaitingFunding(Box<AwaitingFunding>),
    /// We sent `funding_created`.
    AwaitingFundingSigned(Box<AwaitingFundingSigned>),
    /// We sent `accept_channel`.
    AwaitingFundingCreated(Box<AwaitingFundingCreated>),
}

/// A funded channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// What was agreed on.
    pub params: Arc<Params>,
    /// The funding output.
    pub funding: Funding,
    /// Balance of each side. An HTLC in [`Open::htlcs`] is its sender's until it is gone for good; commitments take it out.
    pub balances: Balances,
    /// All HTLCs that are not irrevocably gone.
    pub htlcs: SharedMap<HtlcKey, Arc<Htlc>>,
    /// Feerates of the commitments.
    pub fees: Fees,
    /// Our commitments.
    pub local: LocalCommitments,
    /// The peer's commitments.
    pub remote: RemoteCommitments,
    /// Id of the next HTLC that we offer.
    pub next_local_id: HtlcId,
    /// Id of the next HTLC that the peer offers, counting those it has signed.
    pub next_remote_id: HtlcId,
    /// HTLCs that we want to offer, in order.
    pub waiting: Vec<Arc<NewHtlc>>,
    /// A feerate that we want to set.
    pub waiting_feerate: Option<FeeratePerKw>,
    /// `channel_ready`, both ways.
    pub readiness: Readiness,
    /// How far the announcement of the funding to the network is.
    pub announcement: Announcement,
    /// `shutdown`, both ways.
    pub shutdown: Shutdown,
}

/// Millisatoshi of each side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Balances {
    /// Ours.
    pub local: Msat,
    /// The peer's.
    pub remote: Msat,
}

/// `channel_ready`, both ways.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// We have sent ours.
    pub sent: bool,
    /// The peer has sent its own.
    pub received: bool,
    /// The peer's alias for the channel.
    pub remote_alias: Option<ShortChannelId>,
}

/// `shutdown`, both ways.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shutdown {
    /// Where our balance goes, once we decided to close: sent, or to be sent as soon as the link is up.
    pub local: Option<ScriptBuf>,
    /// Where the peer's balance goes, once it has said so.
    pub remote: Option<ScriptBuf>,
    /// Whether we began it.
    pub by_us: bool,
    /// The first HTLC of the peer that came after we had said ours. Not known where an older version said it, until it is said again.
    pub late_from: Option<HtlcId>,
    /// Whether the peer has found no fee in the range that we offered at first.
    pub fees_apart: bool,
}

/// A channel whose funding is being spent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closing {
    /// The channel as it was; it holds all that enforcement needs.
    pub open: Open,
    /// How it ends.
    pub how: How,
}

/// How a channel ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    /// By a closing transaction that both signed: owed to the network until deep.
    Cooperative {
        /// The transaction, for our signature.
        request: Box<ClosingRequest>,
        /// The peer's signature.
        remote_signature: Signature,
    },
    /// By our own commitment, which is owed to the network until deep.
    OurCommitment {
        /// Why.
        reason: String,
    },
    /// By the peer's commitment: ours must never be broadcast (we are late, or may be).
    AwaitPeersCommitment {
        /// Why.
        reason: String,
    },
    /// The funding was spent before we decided anything.
    Spent,
}

impl How {
    /// In words, why our own commitment must not go out though somebody asks for it; `None` where it may.
    #[must_use]
    pub fn why_not_forced(&self) -> Option<String> {
        let How::AwaitPeersCommitment { reason } = self else { return None };
        Some(format!(
            "only the peer can close this channel: the state of this node is old ({}), and with it the peer could take all that is in \
             the channel. It was told so; keep this node running and connected with it",
            astrape_wire::printable(reason.as_bytes())
        ))
    }
}

/// What remains of a channel that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// What was agreed on.
    pub params: Arc<Params>,
    /// The transaction that spent the funding.
    pub txid: bitcoin::Txid,
}

impl Channel {
    /// Takes one event.
    ///
    /// # Errors
    /// A [`Fault`] when the peer broke a rule; nothing has changed then, and [`crate::reaction`] says what to do.
    pub fn handle(&self, event: Event, view: &View<'_>) -> Result<Transition, Fault> {
        match &self.phase {
            Phase::Opening(_) => crate::opening::handle(self, event, view),
            Phase::Open(_) => crate::open::handle(self, event, view),
            Phase::Closing(_) | Phase::Closed(_) => crate::closing::handle(self, event, view),
        }
    }

    /// The funded part, in whatever phase after the opening.
    #[must_use]
    pub fn open(&self) -> Option<&Open> {
        match &self.phase {
            Phase::Open(open) => Some(open),
            Phase::Closing(closing) => Some(&closing.open),
            Phase::Opening(_) | Phase::Closed(_) => None,
        }
    }

    /// The peer.
    #[must_use]
    pub fn peer(&self) -> NodeId {
        match &self.phase {
            Phase::Opening(opening) => opening.peer(),
            Phase::Open(open) => open.params.peer,
            Phase::Closing(closing) => closing.open.params.peer,
            Phase::Closed(closed) => closed.params.peer,
        }
    }

    /// Our name for the channel in records.
    #[must_use]
    pub fn keys(&self) -> ChannelKeysId {
        match &self.phase {
            Phase::Opening(opening) => opening.keys(),
            Phase::Open(open) => open.params.keys,
            Phase::Closing(closing) => closing.open.params.keys,
            Phase::Closed(closed) => closed.params.keys,
        }
    }

    /// The id that messages use now.
    #[must_use]
    pub fn channel_id(&self) -> ChannelId {
        match &self.phase {
            Phase::Opening(opening) => opening.channel_id(),
            Phase::Open(open) => open.params.channel_id,
            Phase::Closing(closing) => closing.open.params.channel_id,
            Phase::Closed(closed) => closed.params.channel_id,
        }
    }

    /// The value as a restart leaves it: without a connection; `None` when it is then forgotten.
    #[must_use]
    pub fn after_losing_the_connection(&self) -> Option<Channel> {
        match &self.phase {
            Phase::Opening(_) => None,
            phase => Some(Channel { link: Link::Down, phase: phase.clone() }),
        }
    }

    /// Whether HTLCs may be offered now: up, ready, its funding in the chain, not closing.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        let is_open = |open: &Open| {
            open.is_ready() && !open.has_lost_its_funding() && open.shutdown == Shutdown::default()
        };
        matches!(self.link, Link::Up(_)) && matches!(&self.phase, Phase::Open(open) if is_open(open))
    }
}

impl Open {
    /// Whether `channel_ready` went both ways.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.readiness.sent && self.readiness.received
    }

    /// Whether the peer has added this HTLC after we had said `shutdown`: what comes then is not to be routed (BOLT 2, "Closing
    /// Initiation").
    #[must_use]
    pub fn is_after_shutdown(&self, id: HtlcId) -> bool {
        self.shutdown.late_from.is_some_and(|first| id >= first)
    }

    /// The number that the peer's next `commitment_signed` will have.
    #[must_use]
    pub fn next_local_number(&self) -> CommitmentNumber {
        self.local.number.next()
    }
}
