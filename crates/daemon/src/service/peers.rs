//! Peers.

use super::info::saturate;
use super::{NodeService, argument, refusal};
use crate::config::values::HostPort;
use astrape_api::v1::{
    ConnectPeerRequest, ConnectPeerResponse, DisconnectPeerRequest, DisconnectPeerResponse, ListPeersRequest,
    ListPeersResponse, Peer,
};
use astrape_node::Node;
use astrape_primitives::NodeId;
use astrape_wire::text::printable;
use std::collections::BTreeSet;
use tonic::Status;

impl NodeService {
    pub(super) async fn connect_peer(
        &self,
        request: ConnectPeerRequest,
    ) -> Result<ConnectPeerResponse, Status> {
        let peer = argument::node_id("node_id", &request.node_id)?;
        let address = request.address.as_deref().map(|at| argument::host_port("address", at)).transpose()?;
        if peer == self.handle.node_id() {
            return Err(argument::invalid("node_id", "this is the node itself"));
        }
        self.connect(peer, address.as_ref()).await?;
        Ok(ConnectPeerResponse {})
    }

    /// Connects with a peer at an address that is given, or wherever the node knows that it may be.
    pub(super) async fn connect(&self, peer: NodeId, address: Option<&HostPort>) -> Result<(), Status> {
        let connecting = match address {
            Some(address) => self.handle.connect(peer, &address.to_string()).await,
            None => self.handle.connect_known(peer).await,
        };
        connecting.map_err(refusal::connect)
    }

    pub(super) async fn disconnect_peer(
        &self,
        request: DisconnectPeerRequest,
    ) -> Result<DisconnectPeerResponse, Status> {
        let peer = argument::node_id("node_id", &request.node_id)?;
        let node = self.snapshot();
        let is_known = node.known_peers().any(|(id, _)| id == peer);
        let was_connected = self.handle.disconnect(peer).await.map_err(refusal::stopped)?;
        if !was_connected && !is_known {
            return Err(Status::not_found("there is no such peer: see `astrape peers`"));
        }
        Ok(DisconnectPeerResponse { reconnects: channels_with(&node, peer) > 0 })
    }

    pub(super) async fn list_peers(&self, _: ListPeersRequest) -> Result<ListPeersResponse, Status> {
        let node = self.snapshot();
        let connected = node.connected_peers().map(|(id, _)| id);
        let known = node.known_peers().map(|(id, _)| id);
        let with_channels = node.channels().map(|(_, channel)| channel.peer());
        let all: BTreeSet<NodeId> = connected.chain(known).chain(with_channels).collect();
        Ok(ListPeersResponse { peers: all.into_iter().map(|id| self.peer(&node, id)).collect() })
    }

    fn peer(&self, node: &Node, id: NodeId) -> Peer {
        let connected = node.connected_peers().find(|(peer, _)| *peer == id).map(|(_, peer)| peer);
        let known = node.known_peers().find(|(peer, _)| *peer == id);
        let mut addresses: Vec<String> = known.map(|(_, peer)| peer.addresses.clone()).unwrap_or_default();
        // Where a peer that called us is cannot be called back: it is shown, not remembered.
        let mut called_us = false;
        if let Some((address, inbound)) =
            self.handle.peer_address(&id).filter(|(at, _)| !addresses.contains(at))
        {
            addresses.insert(0, address);
            called_us = inbound;
        }
        Peer {
            node_id: id.to_string(),
            connected: connected.is_some(),
            addresses: addresses.iter().map(|address| printable(address.as_bytes())).collect(),
            features: connected.map(|peer| hex::encode(peer.features.to_be_bytes())).unwrap_or_default(),
            channels: channels_with(node, id),
            called_us,
        }
    }
}

fn channels_with(node: &Node, peer: NodeId) -> u32 {
    saturate(node.channels().filter(|(_, channel)| channel.peer() == peer).count())
}
