//! The node itself, and its peers.

use super::Asking;
use crate::cli::exit::Failure;
use crate::config::values::PeerAt;
use crate::render;
use astrape_api::v1::{
    ConnectPeerRequest, DisconnectPeerRequest, GetInfoRequest, ListPeersRequest, StopRequest,
};

impl Asking {
    pub(super) async fn getinfo(mut self) -> Result<(), Failure> {
        let info = self.client.get_info(GetInfoRequest {}).await?.into_inner();
        self.show(&info, render::node::info)
    }

    pub(super) async fn connect(mut self, peer: &PeerAt) -> Result<(), Failure> {
        let request = ConnectPeerRequest {
            node_id: peer.node_id.to_string(),
            address: peer.address.as_ref().map(ToString::to_string),
        };
        let done = self.client.connect_peer(request).await?.into_inner();
        self.show(&done, |_| format!("Connected to {}.", peer.node_id))
    }

    pub(super) async fn disconnect(mut self, peer: &PeerAt) -> Result<(), Failure> {
        let request = DisconnectPeerRequest { node_id: peer.node_id.to_string() };
        let done = self.client.disconnect_peer(request).await?.into_inner();
        self.show(&done, |done| match done.reconnects {
            true => {
                format!("Disconnected from {}, until the node calls it again for its channels.", peer.node_id)
            }
            false => format!("Disconnected from {}, and forgot it.", peer.node_id),
        })
    }

    pub(super) async fn peers(mut self) -> Result<(), Failure> {
        let peers = self.client.list_peers(ListPeersRequest {}).await?.into_inner();
        self.show(&peers, render::node::peers)
    }

    pub(super) async fn stop(mut self) -> Result<(), Failure> {
        let done = self.client.stop(StopRequest {}).await?.into_inner();
        self.show(&done, |_| "The node is stopping.".to_owned())
    }
}
