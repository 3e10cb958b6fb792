//! BOLT 2 "Channel Establishment v1": from `open_channel` to `funding_signed`.
//!
//! Nothing here outlives the connection: until `funding_signed` no money is bound, and BOLT 2 asks to forget.

mod channel_type;
mod check;
mod incoming;
mod outgoing;
mod proposal;

pub use incoming::IncomingRequest;
pub use outgoing::OpenRequest;
pub use proposal::{Agreed, Proposal};

use crate::channel::{Channel, Opening, Phase};
use crate::event::{Command, Event};
use crate::fault::{Fault, Refusal};
use crate::output::{Outgoing, Output, Transition};
use crate::policy::View;
use astrape_primitives::{ChannelId, ChannelKeysId, FeeratePerKw, NodeId};
use astrape_wire::Message;
use bitcoin::{OutPoint, Transaction};
use std::sync::Arc;

/// We sent `open_channel`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwaitingAcceptChannel {
    /// What we proposed.
    pub proposal: Proposal,
    /// The feerate that the user asked for the funding transaction, if any.
    pub funding_feerate: Option<FeeratePerKw>,
}

/// We have `accept_channel` and wait for our own wallet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwaitingFunding {
    /// What was agreed on.
    pub agreed: Agreed,
}

/// We sent `funding_created`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwaitingFundingSigned {
    /// What was agreed on.
    pub agreed: Agreed,
    /// The funding transaction, which nobody but us has.
    pub tx: Arc<Transaction>,
    /// Its output that funds the channel.
    pub outpoint: OutPoint,
}

/// We sent `accept_channel`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwaitingFundingCreated {
    /// What was agreed on.
    pub agreed: Agreed,
}

impl Opening {
    /// What was proposed, whoever did.
    #[must_use]
    pub fn proposal(&self) -> &Proposal {
        match self {
            Opening::AwaitingAcceptChannel(state) => &state.proposal,
            Opening::AwaitingFunding(state) => &state.agreed.proposal,
            Opening::AwaitingFundingSigned(state) => &state.agreed.proposal,
            Opening::AwaitingFundingCreated(state) => &state.agreed.proposal,
        }
    }

    /// The peer.
    #[must_use]
    pub fn peer(&self) -> NodeId {
        self.proposal().peer
    }

    /// Our name for the channel.
    #[must_use]
    pub fn keys(&self) -> ChannelKeysId {
        self.proposal().keys
    }

    /// The id that `open_channel` gave.
    #[must_use]
    pub fn temporary_channel_id(&self) -> ChannelId {
        self.proposal().temporary_channel_id
    }

    /// The id that the peer's next message has: the final one in `funding_signed`, else the temporary one.
    #[must_use]
    pub fn channel_id(&self) -> ChannelId {
        match self {
            Opening::AwaitingFundingSigned(state) => ChannelId::from_funding(&state.outpoint),
            other => other.temporary_channel_id(),
        }
    }

    fn phase(&self) -> &'static str {
        match self {
            Opening::AwaitingAcceptChannel(_) => "waiting for accept_channel",
            Opening::AwaitingFunding(_) => "waiting for our funding transaction",
            Opening::AwaitingFundingSigned(_) => "waiting for funding_signed",
            Opening::AwaitingFundingCreated(_) => "waiting for funding_created",
        }
    }
}

/// Dispatches an event for a channel that is being negotiated.
pub(crate) fn handle(channel: &Channel, event: Event, view: &View<'_>) -> Result<Transition, Fault> {
    let Phase::Opening(opening) = &channel.phase else {
        unreachable!("the caller has matched the phase");
    };
    match event {
        Event::Message(message) => handle_message(channel, opening, &message, view),
        Event::Add { .. } => Err(unexpected("update_add_htlc", opening)),
        Event::Command(command) => Ok(handle_command(channel, opening, command, view)),
        Event::Disconnected => {
            Ok(forgotten(channel, "the connection was lost before the channel was funded"))
        }
        Event::Connected
        | Event::Propose
        | Event::Tip(_)
        | Event::FundingConfirmed { .. }
        | Event::FundingReorged
        | Event::FundingSpent { .. }
        | Event::SpendReorged
        | Event::PreimageSeen { .. }
        | Event::Resolved
        | Event::SecretChecked { .. }
        | Event::StateIsOld
        | Event::Point { .. } => Ok(unchanged(channel)),
    }
}

fn handle_message(
    channel: &Channel,
    opening: &Opening,
    message: &Message,
    view: &View<'_>,
) -> Result<Transition, Fault> {
    match (opening, message) {
        (Opening::AwaitingAcceptChannel(state), Message::AcceptChannel(m)) => {
            outgoing::accept_channel(state, m, view)
        }
        (Opening::AwaitingFundingCreated(state), Message::FundingCreated(m)) => {
            incoming::funding_created(state, m, view)
        }
        (Opening::AwaitingFundingSigned(state), Message::FundingSigned(m)) => {
            outgoing::funding_signed(state, m, view)
        }
        (_, Message::Error(m)) => {
            let text = astrape_wire::printable(&m.data);
            Ok(forgotten(channel, &format!("the peer refused: {text}")))
        }
        (_, Message::Warning(_)) => Ok(unchanged(channel)),
        (opening, other) => Err(unexpected(other.name(), opening)),
    }
}

fn handle_command(channel: &Channel, opening: &Opening, command: Command, view: &View<'_>) -> Transition {
    match (opening, command) {
        (Opening::AwaitingFunding(state), Command::Fund { tx, outpoint }) => {
            outgoing::fund(channel, state, tx, outpoint, view)
        }
        (opening, Command::ForceClose { reason }) => abort(channel, opening, &reason),
        (opening, Command::Shutdown { .. }) => abort(channel, opening, "the opening was cancelled"),
        (_, Command::Add(new)) => {
            let refusal = Refusal::NotUsable("not open yet");
            let output = Output::NotOffered { origin: new.origin, payment_hash: new.payment_hash, refusal };
            Transition { next: channel.clone(), outputs: vec![output] }
        }
        (
            _,
            Command::Fund { .. } | Command::Resolve { .. } | Command::UpdateFee(_) | Command::RefuseWaiting,
        ) => unchanged(channel),
    }
}

fn unexpected(message: &'static str, opening: &Opening) -> Fault {
    Fault::Unexpected { message, phase: opening.phase() }
}

fn unchanged(channel: &Channel) -> Transition {
    Transition { next: channel.clone(), outputs: Vec::new() }
}

fn forgotten(channel: &Channel, reason: &str) -> Transition {
    let outputs = vec![Output::Forgotten { reason: reason.to_owned() }];
    Transition { next: channel.clone(), outputs }
}

/// Ends the negotiation from our side: the peer is told.
fn abort(channel: &Channel, opening: &Opening, reason: &str) -> Transition {
    let mut transition = forgotten(channel, reason);
    let error = crate::closing::error_message(opening.channel_id(), reason);
    transition.outputs.insert(0, Output::Send(Outgoing::Plain(error)));
    transition
}
