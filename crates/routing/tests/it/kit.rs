//! What tests build graphs of.

use astrape_primitives::{CltvDelta, Features, Msat, NodeId, Sat, ShortChannelId};
use astrape_routing::{Direction, Graph, NewChannel, Policy};
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
