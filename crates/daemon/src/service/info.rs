//! Who the node is and how it stands.

use super::NodeService;
use super::channels::state;
use astrape_api::v1::{ChannelState, GetInfoRequest, GetInfoResponse, StopRequest, StopResponse};
use astrape_channel::{Channel, How, Phase};
use astrape_node::{Node, SpentBy, Stuck};
use astrape_primitives::ChannelKeysId;
use tonic::Status;

impl NodeService {
    pub(super) async fn get_info(&self, _: GetInfoRequest) -> Result<GetInfoResponse, Status> {
        let node = self.snapshot();
        let chain = self.handle.chain_status();
        let states: Vec<ChannelState> = node.channels().map(|(_, channel)| state(&node, channel)).collect();
        let count = |wanted: &[ChannelState]| saturate(states.iter().filter(|s| wanted.contains(s)).count());
        let opening =
            [ChannelState::Opening, ChannelState::AwaitingConfirmations, ChannelState::AwaitingPeer];
        let closing = [ChannelState::ShuttingDown, ChannelState::Closing, ChannelState::ForceClosing];
        let reading = self.handle.wallet_reading();
        let mut alarms = alarms(&node, (!chain.is_reliable()).then(|| chain.to_string()));
        alarms.extend(self.handle.source_alarms());
        alarms.extend(self.handle.old_copy_alarm());
        alarms.extend(reading.map(|reading| {
            format!(
                "{reading}: sums do not count coins above, and nothing is withdrawn and no channel opened until it has read them all"
            )
        }));
        let (progress, graph_channels, graph_nodes) = self.handle.graph_progress();
        Ok(GetInfoResponse {
            node_id: self.handle.node_id().to_string(),
            alias: self.alias.clone(),
            network: self.handle.network().name().to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            block_height: node.height().0,
            chain_synced: chain.is_reliable(),
            chain_status: chain.to_string(),
            listening: self.handle.listening().iter().map(ToString::to_string).collect(),
            connected_peers: saturate(node.connected_peers().count()),
            ready_channels: count(&[ChannelState::Ready]),
            opening_channels: count(&opening),
            closing_channels: count(&closing),
            graph_status: super::graph::progress(progress),
            graph_channels: saturate(graph_channels),
            graph_nodes: saturate(graph_nodes),
            alarms,
            wallet_reading: reading.map(super::money::wallet_reading),
            commitment_signatures: self.handle.commitment_signatures(),
        })
    }

    pub(super) async fn stop(&self, _: StopRequest) -> Result<StopResponse, Status> {
        self.stop.notify_one();
        Ok(StopResponse {})
    }
}

pub(super) fn saturate(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// What is wrong with a channel that only a peer or the chain can put right.
fn still_open(channel: &Channel) -> Option<String> {
    let (id, peer) = (channel.channel_id(), channel.peer());
    match &channel.phase {
        Phase::Open(open) if open.has_lost_its_funding() => Some(format!(
            "a reorganisation has taken the funding of channel {id} out of the chain: nothing goes over it until it is in a block again. If \
             that does not happen within some hours, whoever opened it has spent the money elsewhere"
        )),
        Phase::Closing(closing) if closing.open.funding.spent.is_none() => match &closing.how {
            How::AwaitPeersCommitment { .. } => Some(crate::engine::old_state(&id, &peer)),
            _ => None,
        },
        _ => None,
    }
}

/// What the operator should look at now.
fn alarms(node: &Node, unreliable: Option<String>) -> Vec<String> {
    let mut alarms = Vec::new();
    alarms.extend(unreliable.map(|why| {
        format!("what the node sees of the chain is not up to date ({why}): it forwards nothing and opens no channels until it is")
    }));
    let suspect = node.suspect().filter(|keys| node.channel(keys).is_some()).count();
    if suspect > 0 {
        alarms.push(format!(
            "the state of {suspect} channels may be older than what their peers know (was the database put back from a copy?): \
             none of them is closed by this node alone until its peer has connected"
        ));
    }
    alarms.extend(node.channels().filter_map(|(_, channel)| still_open(channel)));
    let is_short = |keys: &ChannelKeysId| node.resolution(keys).is_some_and(|close| close.short_of_coins);
    let short = node.channels().filter(|(keys, _)| is_short(keys));
    alarms.extend(short.map(|(_, channel)| {
        format!(
            "the wallet has no confirmed coins for the fees of the close of channel {}: send some to an address of `astrape newaddr` \
             now, before its deadlines (`astrape onchain`)",
            channel.channel_id()
        )
    }));
    alarms.extend(node.stuck_transactions().map(|stuck| not_in_the_chain(node, &stuck)));
    alarms.extend(node.closes_that_stand_still().filter_map(|keys| node.channel(&keys)).map(|channel| {
        format!(
            "channel {} is being closed by both sides, and its peer has not agreed on a fee for ten minutes: nothing is lost; if it does \
             not go on, `astrape close --force` closes it by this node alone, after a delay",
            channel.channel_id()
        )
    }));
    alarms.extend(crate::render::money::missing_reserve(node.missing_reserve().0));
    alarms.extend(node.quarantined().map(|(keys, _)| {
        format!(
            "an error in this program stopped work on channel {keys}: please report it with the log; a restart takes it up again"
        )
    }));
    alarms
}

/// A transaction of the wallet that does not get into the chain: what, why, and what to do.
fn not_in_the_chain(node: &Node, stuck: &Stuck<'_>) -> String {
    let mut open = node.channels().filter_map(|(_, channel)| channel.open());
    let funded = open.find(|open| open.funding.terms.outpoint.txid == stuck.txid);
    let what = match funded {
        Some(open) => format!("the funding of channel {}", open.params.channel_id),
        None => "a withdrawal".to_owned(),
    };
    let txid = stuck.txid;
    if let Some(SpentBy { by, height }) = stuck.beaten_by {
        return format!(
            "transaction {txid}, {what}, cannot be mined: transaction {by} in block {height} has spent what it spends, or what it builds \
             on. Once that block is seven deep it is given up by itself, and its other coins are free again; nothing is built on it \
             meanwhile. If you have not made that other transaction, somebody else has the words of this wallet: move its coins to \
             another one"
        );
    }
    if let Some((coin, reason)) = stuck.lost_deposit.zip(stuck.refused) {
        return format!(
            "the network does not take transaction {txid}, {what} ({reason}): it spends {coin}, which a reorganisation has taken out of \
             the chain. It goes as soon as that is in a block again: ask whoever paid you by transaction {} to broadcast it once more, \
             with a higher fee if need be. Until then its other coins stay set aside, and new ones can be sent to an address of \
             `astrape newaddr`",
            coin.txid
        );
    }
    match stuck.refused {
        Some(reason) => format!(
            "the network does not take transaction {txid}, {what} ({reason}): it is offered again with every block, and nothing of it is \
             lost. If its fee is too low it goes when fees fall, or with `astrape bumpfee {txid}`; if an input is missing or spent, another program has used this wallet's \
             coins"
        ),
        None => format!(
            "transaction {txid}, {what}, has waited {} blocks for its place in one: its fee is too low for now. It stays offered and goes \
             when fees fall; sooner with `astrape bumpfee {txid}`, or if whoever it pays spends what it brings for a higher fee",
            stuck.blocks
        ),
    }
}
