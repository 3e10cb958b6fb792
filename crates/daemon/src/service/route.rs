//! The way that a payment would take.

use super::payable::Wanted;
use super::{NodeService, argument};
use astrape_api::v1::{FindRouteRequest, FindRouteResponse, RouteHop, RoutePart};
use astrape_node::command::PayCommand;
use astrape_routing::search;
use tonic::Status;

impl NodeService {
    pub(super) async fn find_route(&self, request: FindRouteRequest) -> Result<FindRouteResponse, Status> {
        let wanted = Wanted {
            invoice: request.invoice.as_deref(),
            node_id: request.node_id.as_deref(),
            preimage: None,
            custom_records: &[],
            amount_msat: request.amount_msat,
        };
        let payable = self.payable(&wanted)?;
        let max_fee =
            request.max_fee_msat.map(|fee| argument::msat_or_none("max_fee_msat", fee)).transpose()?;
        let route = self.handle.find_route(PayCommand { max_fee, ..payable }).await;
        let route = route.map_err(|error| Status::failed_precondition(error.to_string()))?;
        Ok(FindRouteResponse {
            amount_msat: route.parts.iter().map(|part| part.amount.0).sum(),
            fee_msat: route.fee.0,
            chance_millionths: route.chance_millionths,
            parts: route.parts.iter().map(part).collect(),
        })
    }
}

fn part(part: &search::RoutePart) -> RoutePart {
    RoutePart { amount_msat: part.amount.0, fee_msat: part.fee.0, hops: part.hops.iter().map(hop).collect() }
}

fn hop(hop: &search::RouteHop) -> RouteHop {
    RouteHop {
        short_channel_id: hop.short_channel_id.to_string(),
        node_id: hop.node.to_string(),
        amount_msat: hop.amount.0,
        blocks: hop.blocks,
    }
}
