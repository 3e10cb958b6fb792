//! What the network tells of itself: the truth, and what liars say of their own channels. Nobody can say anything of those of
//! others, which is what signatures are for (BOLT 7); two liars can announce a channel that they do not use.

use super::{Role, Web};
use crate::world::World;
use astrape_primitives::{CltvDelta, Features, Msat, NodeId, Sat, ShortChannelId};
use astrape_routing::Graph;
use astrape_routing::graph::{Direction, NewChannel, Policy};

/// What a channel holds that does not exist: enough for everything.
const GHOST: Sat = Sat(50_000_000);

/// Names of channels that do not exist: far above those that are drawn.
const FIRST_GHOST: u64 = 0x00ff_ff00_0000_0000;

impl Web {
    /// What a node tells of what it asks.
    fn says(&self, node: usize, asks: Policy) -> Policy {
        match self.role(node) {
            Some(Role::Cheap) => Policy { fee_base_msat: 0, fee_proportional_millionths: 0, ..asks },
            Some(Role::Hasty) => Policy { cltv_expiry_delta: CltvDelta(1), ..asks },
            _ => asks,
        }
    }
}

impl World {
    /// The channels that are ready, each direction by the name that its sender gave it, with what liars say.
    pub(crate) fn told(&self) -> Graph {
        let mut graph = Graph::new();
        for (node, machine) in self.machines.iter().enumerate() {
            let channels = machine.process.iter().flat_map(|process| process.node.channels());
            for open in channels.filter_map(|(_, channel)| channel.open()).filter(|open| open.is_ready()) {
                let peer = open.params.peer;
                let (id, capacity) = (open.params.local_alias, open.funding.terms.capacity);
                let forward = &machine.config.payment.forward;
                let asks = Policy {
                    timestamp: 1,
                    fee_base_msat: u32::try_from(forward.fee_base.0).unwrap_or(u32::MAX),
                    fee_proportional_millionths: forward.fee_proportional_millionths,
                    cltv_expiry_delta: forward.cltv_expiry_delta,
                    htlc_minimum: forward.htlc_minimum,
                    htlc_maximum: capacity.to_msat(),
                    disabled: false,
                    checksum: 0,
                    stored: None,
                };
                add(&mut graph, id, [machine.node_id, peer], capacity, self.web.says(node, asks));
            }
        }
        for (number, (a, b)) in (0..).zip(&self.web.ghosts) {
            let ends = [*a, *b].map(|node| self.machines[node].node_id);
            let free = Policy {
                timestamp: 1,
                fee_base_msat: 0,
                fee_proportional_millionths: 0,
                cltv_expiry_delta: CltvDelta(1),
                htlc_minimum: Msat(1),
                htlc_maximum: GHOST.to_msat(),
                disabled: false,
                checksum: 0,
                stored: None,
            };
            add(&mut graph, ShortChannelId(FIRST_GHOST + 2 * number), ends, GHOST, free);
            add(&mut graph, ShortChannelId(FIRST_GHOST + 2 * number + 1), [ends[1], ends[0]], GHOST, free);
        }
        graph
    }
}

/// Adds the direction of a channel from the first of its ends.
fn add(
    graph: &mut Graph,
    short_channel_id: ShortChannelId,
    [from, to]: [NodeId; 2],
    capacity: Sat,
    policy: Policy,
) {
    let added = graph.add_channel(NewChannel {
        short_channel_id,
        node_1: from.min(to),
        node_2: from.max(to),
        capacity: Some(capacity),
        features: Features::empty(),
        received: 0,
        stored: None,
    });
    let direction = if from < to { Direction::FromNode1 } else { Direction::FromNode2 };
    added
        .and_then(|()| graph.set_policy(short_channel_id, direction, policy))
        .expect("aliases are drawn once");
}
