//! LDK's side.

use crate::model::Found;
use astrape_primitives::NodeId;
use astrape_routing::synthetic::Link;
use bitcoin::Network;
use bitcoin::constants::ChainHash;
use bitcoin::secp256k1::PublicKey;
use lightning::ln::msgs::UnsignedChannelUpdate;
use lightning::routing::gossip::{NetworkGraph, NodeId as LdkNodeId};
use lightning::routing::router::{PaymentParameters, RouteParameters, find_route};
use lightning::routing::scoring::{
    ProbabilisticScorer, ProbabilisticScoringDecayParameters, ProbabilisticScoringFeeParameters,
};
use lightning::util::logger::{Logger, Record};
use lightning::util::ser::{ReadableArgs, Writeable};
use lightning_types::features::{Bolt11InvoiceFeatures, ChannelFeatures};

#[derive(Clone, Copy)]
pub struct Silent;

impl Logger for Silent {
    fn log(&self, _record: Record) {}
}

pub type Graph = NetworkGraph<Silent2>;
pub type Silent2 = &'static Silent;
pub static SILENT: Silent = Silent;

pub fn graph(links: &[Link], ids: &[NodeId]) -> Graph {
    let graph = NetworkGraph::new(Network::Regtest, &SILENT);
    for (number, link) in (1_u64..).zip(links) {
        let ends = link.ends.map(|end| ids[end as usize]);
        let turned = ends[0] > ends[1];
        let key = |id: NodeId| LdkNodeId::from_pubkey(&id.key());
        let [one, two] = if turned { [key(ends[1]), key(ends[0])] } else { [key(ends[0]), key(ends[1])] };
        let id = number << 40 | 1 << 16;
        let timestamp = u64::from(link.policies[0].timestamp);
        graph
            .add_channel_from_partial_announcement(
                id,
                Some(link.capacity.0),
                timestamp,
                ChannelFeatures::empty(),
                one,
                two,
            )
            .expect("a new channel");
        for (direction, policy) in (0_u8..).zip(&link.policies) {
            let direction = if turned { 1 - direction } else { direction };
            let update = UnsignedChannelUpdate {
                chain_hash: ChainHash::REGTEST,
                short_channel_id: id,
                timestamp: policy.timestamp,
                message_flags: 1,
                channel_flags: direction | if policy.disabled { 2 } else { 0 },
                cltv_expiry_delta: policy.cltv_expiry_delta.0,
                htlc_minimum_msat: policy.htlc_minimum.0,
                htlc_maximum_msat: policy.htlc_maximum.0,
                fee_base_msat: policy.fee_base_msat,
                fee_proportional_millionths: policy.fee_proportional_millionths,
                excess_data: Vec::new(),
            };
            graph.update_channel_unsigned(&update).expect("the channel is there");
        }
    }
    graph
}

pub fn encode(graph: &Graph) -> Vec<u8> {
    graph.encode()
}

pub fn load(bytes: &[u8]) -> Graph {
    NetworkGraph::read(&mut &bytes[..], &SILENT).expect("it was written by the same code")
}

pub struct Finder<'a> {
    graph: &'a Graph,
    scorer: ProbabilisticScorer<&'a Graph, Silent2>,
    weights: ProbabilisticScoringFeeParameters,
}

impl<'a> Finder<'a> {
    pub fn new(graph: &'a Graph) -> Self {
        let decay = ProbabilisticScoringDecayParameters::default();
        Self {
            graph,
            scorer: ProbabilisticScorer::new(decay, graph, &SILENT),
            weights: ProbabilisticScoringFeeParameters::default(),
        }
    }

    pub fn find(&self, from: PublicKey, to: PublicKey, amount_msat: u64, max_parts: u8) -> Option<Found> {
        let mut features = Bolt11InvoiceFeatures::empty();
        features.set_variable_length_onion_required();
        features.set_payment_secret_required();
        if max_parts > 1 {
            features.set_basic_mpp_optional();
        }
        let payee = PaymentParameters::from_node_id(to, 42)
            .with_bolt11_features(features)
            .expect("no blinded paths")
            .with_max_path_count(max_parts);
        let wanted = RouteParameters::from_payment_params_and_value(payee, amount_msat);
        let graph = self.graph;
        let route =
            find_route(&from, &wanted, graph, None, &SILENT, &self.scorer, &self.weights, &[42; 32]).ok()?;
        let part = |path: &lightning::routing::router::Path| {
            let mut over = 0;
            let mut hops: Vec<(u64, u64)> = path
                .hops
                .iter()
                .rev()
                .map(|hop| {
                    over += hop.fee_msat;
                    (hop.short_channel_id, over)
                })
                .collect();
            hops.reverse();
            (path.final_value_msat(), hops)
        };
        Some(Found { parts: route.paths.iter().map(part).collect() })
    }
}
