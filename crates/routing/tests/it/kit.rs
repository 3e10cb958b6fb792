//! What tests build graphs of.

use astrape_primitives::{CltvDelta, Features, Msat, NodeId, Sat, ShortChannelId, Timestamp};
use astrape_routing::search::{Limits, Start, Weights};
use astrape_routing::{Direction, Finder, Graph, NewChannel, NoRoute, Policy, Request, Route, Scores};
use bitcoin::secp256k1::{PublicKey, Secp256k1, SecretKey};

/// Node ids that ascend with their number.
pub(crate) fn nodes(count: u16) -> Vec<NodeId> {
    let secp = Secp256k1::new();
    let key = |number: u16| {
        let mut secret = [1; 32];
        secret[..2].copy_from_slice(&number.to_be_bytes());
        PublicKey::from_secret_key(&secp, &SecretKey::from_slice(&secret).expect("not zero"))
    };
    let mut ids: Vec<NodeId> = (0..count).map(|number| NodeId::from_key(&key(number))).collect();
    ids.sort_unstable();
    ids
}

/// The id of a channel by its number.
pub(crate) fn scid(number: u32) -> ShortChannelId {
    ShortChannelId::new(number, 1, 0).expect("a block height")
}

/// A channel of a million satoshi.
pub(crate) fn channel(number: u32, ends: [NodeId; 2]) -> NewChannel {
    NewChannel {
        short_channel_id: scid(number),
        node_1: ends[0],
        node_2: ends[1],
        capacity: Some(Sat(1_000_000)),
        features: Features::empty(),
        received: 1_000,
        stored: None,
    }
}

/// A satoshi and a thousandth, 40 blocks.
pub(crate) fn policy(timestamp: u32) -> Policy {
    Policy {
        timestamp,
        fee_base_msat: 1_000,
        fee_proportional_millionths: 1_000,
        cltv_expiry_delta: CltvDelta(40),
        htlc_minimum: Msat(1_000),
        htlc_maximum: Msat(1_000_000_000),
        disabled: false,
        checksum: timestamp ^ 0xffff_ffff,
        stored: None,
    }
}

/// A line of channels with policies both ways: channel `n` is between nodes `n` and `n + 1`.
pub(crate) fn line(nodes: &[NodeId]) -> Graph {
    let mut graph = Graph::new();
    for (number, ends) in (0..).zip(nodes.windows(2)) {
        graph.add_channel(channel(number, [ends[0], ends[1]])).expect("a new channel");
        for direction in Direction::BOTH {
            graph.set_policy(scid(number), direction, policy(2_000)).expect("the channel is there");
        }
    }
    graph
}

/// A request between nodes of the graph, without limits that matter.
pub(crate) fn request(from: NodeId, to: NodeId, amount: Msat) -> Request<'static> {
    Request {
        from: Start::Node(from),
        to,
        invoice_features: None,
        hints: &[],
        amount,
        limits: Limits { max_fee: Msat(100_000_000_000), max_blocks: 2_016, max_hops: 20, max_parts: 1 },
        through: &[],
        without_channels: &[],
        at_most: &[],
        asked: &[],
        without_nodes: &[],
        in_flight: &[],
        weights: Weights::default(),
        now: Timestamp::from_secs(10_000),
    }
}

/// The same in several parts.
pub(crate) fn in_parts(request: Request<'_>, max_parts: usize) -> Request<'_> {
    Request { limits: Limits { max_parts, ..request.limits }, ..request }
}

/// Searches once, knowing nothing of liquidity.
pub(crate) fn find(graph: &mut Graph, request: &Request<'_>) -> Result<Route, NoRoute> {
    Finder::new(graph.snapshot(), &Scores::new()).find(request)
}

/// The nodes that each part crosses, by their place in `ids`.
pub(crate) fn ways(route: &Route, ids: &[NodeId]) -> Vec<Vec<usize>> {
    let place = |node: &NodeId| ids.iter().position(|id| id == node).expect("a node of the graph");
    route.parts.iter().map(|part| part.hops.iter().map(|hop| place(&hop.node)).collect()).collect()
}

/// A graph as a list: ends by number (in any order), capacity, and the policies of the first and the second end.
pub(crate) type Sketch = Vec<([usize; 2], u64, [Policy; 2])>;

/// The graph of a sketch; channels between a node and itself are left out. Channel `n` has the id `scid(n)`.
pub(crate) fn sketched(sketch: &Sketch, ids: &[NodeId]) -> Graph {
    let mut graph = Graph::new();
    for (number, (ends, capacity, policies)) in (0..).zip(sketch) {
        let turned = ids[ends[0]] > ids[ends[1]];
        let sorted = if turned { [ends[1], ends[0]] } else { *ends };
        let new =
            NewChannel { capacity: Some(Sat(*capacity)), ..channel(number, sorted.map(|end| ids[end])) };
        if graph.add_channel(new).is_err() {
            continue;
        }
        for (direction, policy) in Direction::BOTH.into_iter().zip(policies) {
            let direction = if turned { direction.reverse() } else { direction };
            graph.set_policy(scid(number), direction, *policy).expect("the channel is there");
        }
    }
    graph
}
