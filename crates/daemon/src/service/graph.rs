//! The network as others tell it.

use super::NodeService;
use super::argument::{node_id, short_channel_id};
use super::info::saturate;
use astrape_api::v1::{
    GetGraphChannelRequest, GetGraphChannelResponse, GetGraphNodeRequest, GetGraphNodeResponse,
    GetGraphRequest, GetGraphResponse, GraphChannel, GraphPolicy,
};
use astrape_routing::gossip::sync::Progress;
use astrape_routing::graph::{Channel, Policy};
use astrape_wire::printable;
use tonic::Status;

impl NodeService {
    pub(super) async fn get_graph(&self, _: GetGraphRequest) -> Result<GetGraphResponse, Status> {
        let summary = self.handle.graph_summary();
        Ok(GetGraphResponse {
            channels: saturate(summary.channels),
            closed_channels: saturate(summary.closed),
            nodes: saturate(summary.nodes),
            capacity_sat: summary.capacity_sat,
            updates: saturate(summary.updates),
            waiting: saturate(summary.waiting),
            status: progress(summary.progress),
            synced: summary.progress == Progress::Complete,
        })
    }

    pub(super) async fn get_graph_node(
        &self,
        request: GetGraphNodeRequest,
    ) -> Result<GetGraphNodeResponse, Status> {
        let id = node_id("node_id", &request.node_id)?;
        let node = self.handle.graph_node(&id);
        let node = node.ok_or_else(|| Status::not_found("node_id: no channel of this node is known"))?;
        let info = node.info.as_ref();
        Ok(GetGraphNodeResponse {
            node_id: id.to_string(),
            alias: info.map(|info| alias(&info.alias)).unwrap_or_default(),
            color: info.map(|info| hex::encode(info.color)).unwrap_or_default(),
            addresses: info.into_iter().flat_map(|i| &i.addresses).map(ToString::to_string).collect(),
            timestamp: info.map_or(0, |info| info.timestamp),
            channel_count: saturate(node.channel_count),
            channels: node.channels.iter().map(|(channel, closed)| shown(channel, *closed)).collect(),
        })
    }

    pub(super) async fn get_graph_channel(
        &self,
        request: GetGraphChannelRequest,
    ) -> Result<GetGraphChannelResponse, Status> {
        let id = short_channel_id("short_channel_id", &request.short_channel_id)?;
        let channel = self.handle.graph_channel(id);
        let (channel, closed) =
            channel.ok_or_else(|| Status::not_found("short_channel_id: this channel is not known"))?;
        Ok(GetGraphChannelResponse { channel: Some(shown(&channel, closed)) })
    }
}

/// Where the sync stands, in words.
pub(super) fn progress(progress: Progress) -> String {
    match progress {
        Progress::NoPeer => "no peer with gossip to share is connected".to_owned(),
        Progress::Listing => "a peer tells which channels there are".to_owned(),
        Progress::Fetching(left) => format!("asking a peer for {left} channels"),
        Progress::Complete => "up to date".to_owned(),
    }
}

/// An alias without its padding, safe to show (attack 80).
fn alias(bytes: &[u8; 32]) -> String {
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    printable(&bytes[..end])
}

fn shown(channel: &Channel, closed: bool) -> GraphChannel {
    GraphChannel {
        short_channel_id: channel.short_channel_id.to_string(),
        node_1: channel.node_1.to_string(),
        node_2: channel.node_2.to_string(),
        capacity_sat: channel.capacity.map_or(0, |capacity| capacity.0),
        closed,
        from_1: channel.policies[0].as_ref().map(policy),
        from_2: channel.policies[1].as_ref().map(policy),
    }
}

fn policy(policy: &Policy) -> GraphPolicy {
    GraphPolicy {
        timestamp: policy.timestamp,
        fee_base_msat: policy.fee_base_msat,
        fee_ppm: policy.fee_proportional_millionths,
        cltv_expiry_delta: policy.cltv_expiry_delta.0.into(),
        htlc_minimum_msat: policy.htlc_minimum.0,
        htlc_maximum_msat: policy.htlc_maximum.0,
        disabled: policy.disabled,
    }
}
