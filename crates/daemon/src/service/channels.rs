//! Channels: opening and closing them.

mod told;

use told::{closing_txid, status};
pub(super) use told::{message, settled, state};

use super::facts::Heard;
use super::forced::forced_close;
use super::{NodeService, argument, named, once, refusal};
use astrape_api::v1::{
    CloseChannelRequest, CloseChannelResponse, ForcedClose, ListChannelsRequest, ListChannelsResponse,
    OpenChannelRequest, OpenChannelResponse,
};
use astrape_channel::Channel;
use astrape_node::command::OpenChannelCommand;
use astrape_node::request::Errand;
use astrape_node::{ChannelFact, Command, Entry, Fact, Node, Reply};
use astrape_primitives::ChannelKeysId;
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
        let format = request.format.as_deref().map(told::read_format).transpose()?;
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
            format,
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
