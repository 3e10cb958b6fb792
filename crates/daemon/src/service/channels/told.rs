//! What is told of a channel.

use crate::engine::clock;
use crate::service::info::saturate;
use crate::service::money::share;
use crate::service::{argument, policies};
use astrape_api::v1::{Channel as ChannelMessage, ChannelState};
use astrape_channel::{Channel, How, Link, Open, Opening, Phase};
use astrape_node::Node;
use astrape_primitives::{ChannelKeysId, Height, Msat, Side};
use astrape_transactions::CommitmentFormat;
use astrape_wire::text::printable;
use tonic::Status;

/// A channel as the contract has it.
pub(in crate::service) fn message(node: &Node, keys: ChannelKeysId, channel: &Channel) -> ChannelMessage {
    let (reputation, now) = (node.reputation(&keys), clock::now());
    let message = ChannelMessage {
        channel_id: channel.channel_id().to_string(),
        keys_id: keys.to_string(),
        peer: channel.peer().to_string(),
        connected: node.connected_peers().any(|(id, _)| id == channel.peer()),
        state: state(node, channel).into(),
        status: status(node, keys, channel),
        short_channel_id: node.short_channel_id(&keys).map(|scid| scid.to_string()),
        sendable_msat: channel.sendable().0,
        policy: Some(policies::policy(node, keys)),
        earned_out_msat: reputation.earned_out.at(now).0,
        earned_in_msat: reputation.earned_in.at(now).0,
        ..ChannelMessage::default()
    };
    match (&channel.phase, channel.open()) {
        (_, Some(open)) => with_funding(message, node, keys, channel, open),
        (Phase::Opening(opening), None) => with_proposal(message, opening),
        (_, None) => message,
    }
}

/// What a side has in flight.
fn offered(open: &Open, side: Side) -> Msat {
    open.htlcs.values().filter(|h| h.offered_by == side).map(|h| h.amount).sum()
}

/// What is a side's without what is in flight: until an HTLC is gone for good its sender's balance still has it.
pub(in crate::service) fn settled(open: &Open, side: Side) -> Msat {
    let balance = match side {
        Side::Local => open.balances.local,
        Side::Remote => open.balances.remote,
    };
    balance.saturating_sub(offered(open, side))
}

fn with_funding(
    message: ChannelMessage,
    node: &Node,
    keys: ChannelKeysId,
    channel: &Channel,
    open: &Open,
) -> ChannelMessage {
    // Once its funding is spent, what is in it is told by the outputs of what spent it.
    let is_spent = open.funding.spent.is_some();
    let unless_spent = |amount: Msat| if is_spent { 0 } else { amount.0 };
    ChannelMessage {
        funding_outpoint: Some(open.funding.terms.outpoint.to_string()),
        alias: Some(open.params.local_alias.to_string()),
        capacity_sat: open.funding.terms.capacity.0,
        local_msat: share(node, keys, open).0,
        remote_msat: unless_spent(settled(open, Side::Remote)),
        outgoing_msat: unless_spent(offered(open, Side::Local)),
        incoming_msat: unless_spent(offered(open, Side::Remote)),
        htlcs: if is_spent { 0 } else { saturate(open.htlcs.len()) },
        sendable_msat: if open.has_lost_its_funding() { 0 } else { message.sendable_msat },
        reserve_sat: open.params.reserve_of(Side::Local).0,
        opened_by_us: open.params.opener == Side::Local,
        private: !open.params.announce,
        format: format_name(open.params.format).to_owned(),
        feerate_perkw: open.fees.at(Side::Local, open.local.number).0,
        commitment_number: open.local.number.0,
        closing_txid: closing_txid(Some(channel), open).map(|txid| txid.to_string()),
        ..message
    }
}

fn with_proposal(message: ChannelMessage, opening: &Opening) -> ChannelMessage {
    let proposal = opening.proposal();
    let pushed = proposal.push;
    let (local, remote) = match proposal.opener {
        Side::Local => (proposal.funding.to_msat().saturating_sub(pushed), pushed),
        Side::Remote => (pushed, proposal.funding.to_msat().saturating_sub(pushed)),
    };
    ChannelMessage {
        capacity_sat: proposal.funding.0,
        local_msat: local.0,
        remote_msat: remote.0,
        opened_by_us: proposal.opener == Side::Local,
        private: !proposal.announce,
        format: format_name(proposal.format).to_owned(),
        feerate_perkw: proposal.feerate.0,
        ..message
    }
}

/// What the commitments of a channel are to be, by its name.
pub(super) fn read_format(name: &str) -> Result<CommitmentFormat, Status> {
    let all = [CommitmentFormat::Anchors, CommitmentFormat::StaticRemotekey];
    let found = all.into_iter().find(|format| format_name(*format) == name);
    found.ok_or_else(|| argument::invalid("format", "it is anchors or static_remotekey"))
}

const fn format_name(format: CommitmentFormat) -> &'static str {
    match format {
        CommitmentFormat::StaticRemotekey => "static_remotekey",
        CommitmentFormat::Anchors => "anchors",
    }
}

/// The transaction that spends the funding, once there is one.
pub(super) fn closing_txid(channel: Option<&Channel>, open: &Open) -> Option<bitcoin::Txid> {
    let spent = open.funding.spent.as_ref().map(|spend| spend.tx.compute_txid());
    spent.or_else(|| match &channel?.phase {
        Phase::Closing(closing) => match &closing.how {
            How::Cooperative { request, .. } => Some(request.tx.compute_txid()),
            How::OurCommitment { .. } | How::AwaitPeersCommitment { .. } | How::Spent => None,
        },
        _ => None,
    })
}

/// How far a channel is.
pub(in crate::service) fn state(node: &Node, channel: &Channel) -> ChannelState {
    match &channel.phase {
        Phase::Opening(_) => ChannelState::Opening,
        Phase::Open(open) if is_shutting_down(open) => ChannelState::ShuttingDown,
        Phase::Open(open) if open.has_lost_its_funding() => ChannelState::AwaitingConfirmations,
        Phase::Open(open) if open.is_ready() => ChannelState::Ready,
        Phase::Open(open) if confirmations(open, node.height()) < open.params.minimum_depth => {
            ChannelState::AwaitingConfirmations
        }
        Phase::Open(_) => ChannelState::AwaitingPeer,
        Phase::Closing(closing) => match closing.how {
            How::Cooperative { .. } => ChannelState::Closing,
            How::OurCommitment { .. } | How::AwaitPeersCommitment { .. } | How::Spent => {
                ChannelState::ForceClosing
            }
        },
        Phase::Closed(_) => ChannelState::Closed,
    }
}

fn is_shutting_down(open: &Open) -> bool {
    open.shutdown.local.is_some() || open.shutdown.remote.is_some()
}

fn confirmations(open: &Open, tip: Height) -> u32 {
    open.funding.confirmed.map_or(0, |confirmed| confirmed.height.confirmations_at(tip))
}

/// How a channel stands, in words.
pub(super) fn status(node: &Node, keys: ChannelKeysId, channel: &Channel) -> String {
    let words = match (&channel.phase, state(node, channel)) {
        (Phase::Open(open), ChannelState::AwaitingConfirmations) if open.has_lost_its_funding() => {
            "waiting for its funding to confirm again after a reorganisation".to_owned()
        }
        (Phase::Open(open), ChannelState::AwaitingConfirmations) => {
            let (has, needs) = (confirmations(open, node.height()), open.params.minimum_depth);
            format!("awaiting confirmations: {has} of {needs}")
        }
        (Phase::Open(open), ChannelState::ShuttingDown) if !open.htlcs.is_empty() => {
            format!("shutting down: {} in flight", open.htlcs.len())
        }
        (Phase::Open(_), ChannelState::ShuttingDown) if node.closes_that_stand_still().any(|k| k == keys) => {
            "shutting down: the peer agrees on no fee; `astrape close --force` ends it".to_owned()
        }
        (Phase::Closing(closing), _) => {
            format!("{}{}", closing_words(&closing.how, &closing.open, node.height()), to_come(node, keys))
        }
        (_, state) => crate::render::words::channel_state(state).to_owned(),
    };
    let link = match (&channel.phase, &channel.link) {
        (Phase::Open(_), Link::Down) => ", peer away",
        (Phase::Open(_), Link::Reestablishing(_)) => ", peer coming back",
        _ => "",
    };
    let broken = if node.quarantined().any(|(of, _)| of == keys) {
        ", stopped by an error of this program"
    } else {
        ""
    };
    format!("{words}{link}{broken}")
}

/// What is still to come of a close, and when the last of it can be spent.
fn to_come(node: &Node, keys: ChannelKeysId) -> String {
    let (Some(resolution), Some(sums)) = (node.resolution(&keys), node.close_sums(&keys)) else {
        return String::new();
    };
    let (tip, last) = (node.height(), crate::service::closes::last_spendable(resolution));
    match last.filter(|_| sums.pending.0 > 0) {
        Some(at) if at > tip => {
            let about = crate::render::words::about(crate::service::closes::secs_until(at, tip));
            format!("; {} to come, the last at block {at} ({about})", sums.pending)
        }
        Some(_) => format!("; {} to come", sums.pending),
        None => String::new(),
    }
}

fn closing_words(how: &How, open: &Open, tip: Height) -> String {
    let how = match how {
        How::Cooperative { .. } => "closing".to_owned(),
        How::OurCommitment { reason } => format!("force-closing: {}", printable(reason.as_bytes())),
        How::AwaitPeersCommitment { reason } => {
            format!("waiting for the peer to close: {}", printable(reason.as_bytes()))
        }
        How::Spent => "closed by the peer".to_owned(),
    };
    match &open.funding.spent {
        Some(spend) => format!("{how}; {} confirmations", spend.height.confirmations_at(tip)),
        None => format!("{how}; not in a block yet"),
    }
}
