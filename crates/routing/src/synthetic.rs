//! A network made up from a seed, for benches and tests: the same on every machine.
//!
//! Its shape is that of the real one, as far as search is concerned: a node joins with a few channels to nodes that have many
//! (so that degrees follow a power law), most nodes are leaves, and capacities and fees spread over orders of magnitude.

pub mod flow;

use crate::graph::{Direction, Graph, GraphError, NewChannel, Policy};
use astrape_primitives::{CltvDelta, Features, Msat, NodeId, Sat, ShortChannelId};

/// Random numbers that need not be secret (SplitMix64).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// From a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub fn any(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.any() % bound
    }

    /// One of these.
    pub fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        let at = usize::try_from(self.any() % of.len() as u64).expect("an index");
        of[at]
    }
}

/// What a channel is like, before its ends have ids: nodes by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its ends.
    pub ends: [u32; 2],
    /// What it holds.
    pub capacity: Sat,
    /// How its ends forward: the first end, the second end.
    pub policies: [Policy; 2],
}

/// The channels of a network of `nodes` nodes (3 at least) and about `channels` channels, whose updates are all of `timestamp`.
#[must_use]
pub fn links(seed: u64, nodes: u32, channels: usize, timestamp: u32) -> Vec<Link> {
    let mut dice = Dice::new(seed);
    let mut links = Vec::with_capacity(channels);
    // Each end of each channel once: drawing from it prefers nodes with many channels.
    let mut ends: Vec<u32> = vec![0, 1, 1, 2];
    links.push(link(&mut dice, [0, 1], timestamp));
    links.push(link(&mut dice, [1, 2], timestamp));
    for node in 3..nodes {
        // Three of ten have one channel, as many have two.
        for _ in 0..dice.one_of(&[1, 1, 1, 2, 2, 2, 3, 4, 5, 8]) {
            join(&mut dice, &mut links, &mut ends, node, timestamp);
        }
    }
    // The rest is between nodes that have many already.
    while links.len() < channels {
        let node = dice.one_of(&ends);
        join(&mut dice, &mut links, &mut ends, node, timestamp);
    }
    links.truncate(channels);
    links
}

fn join(dice: &mut Dice, links: &mut Vec<Link>, ends: &mut Vec<u32>, node: u32, timestamp: u32) {
    let other = dice.one_of(ends);
    if other != node {
        links.push(link(dice, [node, other], timestamp));
        ends.extend([node, other]);
    }
}

fn link(dice: &mut Dice, ends: [u32; 2], timestamp: u32) -> Link {
    let large = [100, 200, 500, 1_000, 1_000, 2_000, 2_000, 5_000, 5_000, 10_000, 20_000, 50_000];
    let capacity = Sat(dice.one_of(&large) * (700 + dice.below(600)));
    Link { ends, capacity, policies: [policy(dice, capacity, timestamp), policy(dice, capacity, timestamp)] }
}

fn policy(dice: &mut Dice, capacity: Sat, timestamp: u32) -> Policy {
    let millionths = [0, 1, 1, 10, 10, 50, 100, 100, 250, 500, 1_000, 2_500];
    let capacity = capacity.to_msat().0;
    Policy {
        timestamp,
        fee_base_msat: dice.one_of(&[0, 0, 0, 0, 1, 100, 1_000, 1_000, 1_000]),
        fee_proportional_millionths: dice.one_of(&millionths),
        cltv_expiry_delta: CltvDelta(dice.one_of(&[34, 40, 40, 80, 80, 100, 144])),
        htlc_minimum: Msat(dice.one_of(&[1, 1, 1_000, 1_000, 1_000, 10_000])),
        htlc_maximum: Msat(dice.one_of(&[capacity, capacity / 100 * 99, capacity / 100 * 99, capacity / 2])),
        disabled: dice.below(20) == 0,
        checksum: 0,
        stored: None,
    }
}

/// The graph of such channels; nodes get their ids from `ids`. The channel `n` is in block `n + 1`.
///
/// # Errors
/// When two nodes have the same id.
pub fn graph(links: &[Link], ids: &[NodeId]) -> Result<Graph, GraphError> {
    let mut graph = Graph::new();
    for (number, link) in (1..).zip(links) {
        let ends = link.ends.map(|end| ids[end as usize]);
        let id = ShortChannelId(number << 40 | 1 << 16);
        let (turned, [node_1, node_2]) =
            if ends[0] < ends[1] { (false, ends) } else { (true, [ends[1], ends[0]]) };
        let features = Features::empty();
        let capacity = Some(link.capacity);
        graph.add_channel(NewChannel {
            short_channel_id: id,
            node_1,
            node_2,
            capacity,
            features,
            received: link.policies[0].timestamp,
            stored: None,
        })?;
        for (policy, direction) in link.policies.into_iter().zip(Direction::BOTH) {
            graph.set_policy(id, if turned { direction.reverse() } else { direction }, policy)?;
        }
    }
    Ok(graph)
}
