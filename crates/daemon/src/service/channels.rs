//! Channels: what they are, opening, closing.

use super::facts::Heard;
use super::forced::forced_close;
use super::info::saturate;
use super::money::share;
use super::{NodeService, argument, named, once, policies, refusal};
use crate::engine::clock;
use astrape_api::v1::{
    Channel as ChannelMessage, ChannelState, CloseChannelRequest, CloseChannelResponse, ForcedClose,
    ListChannelsRequest, ListChannelsResponse, OpenChannelRequest, OpenChannelResponse,
};
use astrape_channel::{Channel, How, Link, Open, Opening, Phase};
use astrape_node::command::OpenChannelCommand;
use astrape_node::request::Errand;
use astrape_node::{ChannelFact, Command, Entry, Fact, Node, Reply};
use astrape_primitives::{ChannelKeysId, Height, Msat, Side};
use astrape_transactions::CommitmentFormat;
use astrape_wire::text::printable;
use std::time::Duration;
use tokio::sync::broadcast::Receiver;
use tokio::time::timeout;
use tonic::Status;

/// How long a peer may take to agree to a channel.
const OPEN_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a close is waited for: with nothing in flight it takes a few messages.
const CLOSE_WAIT: Duration = Duration::from_secs(5);

impl NodeService {
    pub(super) async fn open_channel(
        &self,
        request: OpenChannelRequest,
    ) -> Result<OpenChannelResponse, Status> {
        let named = once::named("OpenChannel", request.request_id.as_deref(), &request)?;
        if let Some(before) = self.recall(named.as_ref()).await? {
            return self.opened_before(&before).await;
        }
        let peer = argument::node_id("node_id", &request.node_id)?;
        let address = request.address.as_deref().map(|at| argument::host_port("address", at)).transpose()?;
        let funding = argument::sat("amount_sat", request.amount_sat)?;
        let push = argument::msat_or_none("push_msat", request.push_msat)?;
        let feerate = argument::feerate("feerate_perkw", request.feerate_perkw)?;
        if push > funding.to_msat() {
            return Err(argument::invalid("push_msat", "it is more than the channel is to hold"));
        }
        if peer == self.handle.node_id() {
            return Err(argument::invalid("node_id", "this is the node itself"));
        }
        self.check_wallet(feerate)?;
        let is_connected = self.snapshot().connected_peers().any(|(id, _)| id == peer);
        if !is_connected {
            self.connect(peer, address.as_ref()).await?;
        }
        let command = OpenChannelCommand {
            peer,
            funding,
            push,
            announce: !request.private,
            feerate,
            keys: self.handle.fresh_keys(),
            change_script: self.handle.change_script().await.map_err(refusal::address)?,
            upfront_shutdown_script: None,
            spend_reserve: request.spend_reserve,
            accept_high_fee: request.accept_high_fee,
        };
        let mut facts = self.handle.facts();
        let command = Errand::Open(Box::new(command)).by(named);
        match self.handle.command(command).await.map_err(refusal::command)? {
            Reply::Opening { channel } => self.opened(channel, &mut facts).await,
            other => self.opened_before(&once::outcome(other)?).await,
        }
    }

    /// Waits until the channel is funded or was given up.
    pub(super) async fn opened(
        &self,
        keys: ChannelKeysId,
        facts: &mut Receiver<Entry>,
    ) -> Result<OpenChannelResponse, Status> {
        let late = "the peer has not agreed to the channel within a minute: see `astrape channels` for how it goes on";
        let waiting = self.channel_fact(keys, facts, |fact| match fact {
            ChannelFact::Opened { outpoint, .. } => Some(Ok(*outpoint)),
            ChannelFact::NotOpened { reason } => Some(Err(reason.clone())),
            _ => None,
        });
        let outcome = timeout(OPEN_TIMEOUT, waiting).await.map_err(|_| Status::deadline_exceeded(late))??;
        match outcome {
            Ok(outpoint) => Ok(self.funded(&outpoint)),
            Err(reason) => Err(Status::failed_precondition(format!("the channel was not opened: {reason}"))),
        }
    }

    /// A channel that is funded.
    pub(super) fn funded(&self, outpoint: &bitcoin::OutPoint) -> OpenChannelResponse {
        OpenChannelResponse {
            channel_id: astrape_primitives::ChannelId::from_funding(outpoint).to_string(),
            funding_outpoint: outpoint.to_string(),
            warning: crate::render::money::reserve_warning(self.snapshot().missing_reserve().0),
        }
    }

    /// Waits for a turning point of a channel. Facts that were missed are read from the ledger.
    async fn channel_fact<T>(
        &self,
        keys: ChannelKeysId,
        facts: &mut Receiver<Entry>,
        wanted: impl Fn(&ChannelFact) -> Option<T>,
    ) -> Result<T, Status> {
        let judge = |entry: &Entry| match &entry.fact {
            Fact::Channel { keys: of, event, .. } if *of == keys => wanted(event),
            _ => None,
        };
        let mut next =
            self.handle.read(|ledger| ledger.newest_fact()).await.map_err(refusal::ledger)?.unwrap_or(0);
        loop {
            match self.hear(facts).await? {
                Heard::Fact(entry) => {
                    next = entry.number + 1;
                    if let Some(found) = judge(&entry) {
                        return Ok(found);
                    }
                }
                Heard::Missed => {
                    let missed = self.facts_from(next).await?;
                    if let Some(found) = missed.iter().find_map(&judge) {
                        return Ok(found);
                    }
                    next = missed.last().map_or(next, |entry| entry.number + 1);
                }
            }
        }
    }

    pub(super) async fn list_channels(&self, _: ListChannelsRequest) -> Result<ListChannelsResponse, Status> {
        let node = self.snapshot();
        let channels = node.channels().map(|(keys, channel)| message(&node, keys, channel));
        Ok(ListChannelsResponse {
            channels: channels.collect(),
            warning: crate::render::money::reserve_warning(node.missing_reserve().0),
        })
    }

    pub(super) async fn close_channel(
        &self,
        request: CloseChannelRequest,
    ) -> Result<CloseChannelResponse, Status> {
        let network = self.handle.network();
        let script =
            request.address.as_deref().map(|to| argument::script("address", to, network)).transpose()?;
        if request.force && script.is_some() {
            return Err(argument::invalid("address", "a forced close always pays to the node's own wallet"));
        }
        if request.dry_run && !request.force {
            return Err(argument::invalid("dry_run", "only a forced close is reckoned before"));
        }
        let node = self.snapshot();
        let channel = named::channel_to_close(&node, "channel", &request.channel)?;
        if request.force {
            super::forced::check(&node, channel)?;
        }
        let forced =
            request.force.then(|| forced_close(&node, node.channel(&channel)?, !request.dry_run)).flatten();
        if request.dry_run {
            return Ok(close_response(&node, channel, None, forced));
        }
        let mut facts = self.handle.facts();
        let command = if request.force {
            Command::ForceCloseChannel { channel }
        } else {
            let script = match script.or_else(|| node.script_for_plain_peer(&channel)) {
                Some(script) => script,
                None => self.handle.new_address().await.map_err(refusal::address)?.script_pubkey(),
            };
            Command::CloseChannel { channel, script }
        };
        self.handle.command(command).await.map_err(refusal::command)?;
        let agreed = self.channel_fact(channel, &mut facts, |fact| match fact {
            ChannelFact::ClosingAgreed { txid, .. } | ChannelFact::Spent { txid, .. } => Some(Some(*txid)),
            ChannelFact::ForceClosing { .. } | ChannelFact::Over { .. } => Some(None),
            _ => None,
        });
        let agreed = match timeout(CLOSE_WAIT, agreed).await {
            Ok(found) => found?,
            Err(_) => None,
        };
        Ok(close_response(&self.snapshot(), channel, agreed, forced))
    }
}

fn close_response(
    node: &Node,
    channel: ChannelKeysId,
    agreed: Option<bitcoin::Txid>,
    forced: Option<ForcedClose>,
) -> CloseChannelResponse {
    let now = node.channel(&channel);
    let open = now.and_then(Channel::open);
    let closing_txid = agreed.or_else(|| open.and_then(|open| closing_txid(now, open)));
    CloseChannelResponse {
        channel_id: now.map_or_else(|| channel.to_string(), |now| now.channel_id().to_string()),
        closing_txid: closing_txid.map(|txid| txid.to_string()),
        status: now.map_or_else(|| "over".to_owned(), |now| status(node, channel, now)),
        forced,
    }
}

/// A channel as the contract has it.
pub(super) fn message(node: &Node, keys: ChannelKeysId, channel: &Channel) -> ChannelMessage {
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
pub(super) fn settled(open: &Open, side: Side) -> Msat {
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

const fn format_name(format: CommitmentFormat) -> &'static str {
    match format {
        CommitmentFormat::StaticRemotekey => "static_remotekey",
        CommitmentFormat::Anchors => "anchors",
    }
}

/// The transaction that spends the funding, once there is one.
fn closing_txid(channel: Option<&Channel>, open: &Open) -> Option<bitcoin::Txid> {
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
pub(super) fn state(node: &Node, channel: &Channel) -> ChannelState {
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
fn status(node: &Node, keys: ChannelKeysId, channel: &Channel) -> String {
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
    let (tip, last) = (node.height(), super::closes::last_spendable(resolution));
    match last.filter(|_| sums.pending.0 > 0) {
        Some(at) if at > tip => {
            let about = crate::render::words::about(super::closes::secs_until(at, tip));
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
