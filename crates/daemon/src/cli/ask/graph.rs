//! The network as others tell it.

use super::Asking;
use crate::cli::GraphPart;
use crate::cli::exit::Failure;
use crate::render;
use astrape_api::v1::{GetGraphChannelRequest, GetGraphNodeRequest, GetGraphRequest};

impl Asking {
    pub(super) async fn graph(mut self, part: Option<&GraphPart>) -> Result<(), Failure> {
        match part {
            None => {
                let graph = self.client.get_graph(GetGraphRequest {}).await?.into_inner();
                self.show(&graph, render::graph::summary)
            }
            Some(GraphPart::Node { node_id }) => {
                let request = GetGraphNodeRequest { node_id: node_id.clone() };
                let node = self.client.get_graph_node(request).await?.into_inner();
                self.show(&node, render::graph::node)
            }
            Some(GraphPart::Channel { short_channel_id }) => {
                let request = GetGraphChannelRequest { short_channel_id: short_channel_id.clone() };
                let channel = self.client.get_graph_channel(request).await?.into_inner();
                self.show(&channel, render::graph::channel)
            }
        }
    }
}
