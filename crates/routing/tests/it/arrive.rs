//! Payments over a network whose balances nobody knows: find, try, learn, try again. Whether one could arrive at all is known
//! from the largest flow over the true balances.

use crate::check::towards;
use crate::kit::{nodes, request};
use astrape_primitives::{Msat, NodeId, ShortChannelId};
use astrape_routing::search::{FirstHop, InFlight, Limits, RoutePart, Start};
use astrape_routing::synthetic::{self, Dice};
use astrape_routing::{
    Channel, Crossing, Direction, Finder, Graph, Outcome, Policy, Request, Scores, Snapshot,
};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

const NODES: u16 = 150;
const PARTS: usize = 16;
const ATTEMPTS: usize = 150;

/// What each end of each channel really has, in msat.
struct World {
    graph: Graph,
    snapshot: Arc<Snapshot>,
    channels: Vec<Channel>,
    balances: BTreeMap<(ShortChannelId, Direction), u64>,
}

impl World {
    fn new(seed: u64, ids: &[NodeId]) -> Self {
        let mut links = synthetic::links(seed, NODES.into(), 500, 5_000);
        for policy in links.iter_mut().flat_map(|link| &mut link.policies) {
            *policy = Policy { disabled: false, htlc_minimum: Msat(1), ..*policy };
        }
        let mut graph = synthetic::graph(&links, ids).expect("ids differ");
        let channels: Vec<Channel> = graph.channels(..).collect();
        let mut dice = Dice::new(seed);
        let mut balances = BTreeMap::new();
        for channel in &channels {
            let all = channel.capacity.expect("made up with one").to_msat().0;
            // Half anywhere, half at one of the ends.
            let share =
                if dice.below(2) == 0 { dice.below(1_001) } else { dice.one_of(&[0, 20, 980, 1_000]) };
            let one = all / 1_000 * share;
            balances.insert((channel.short_channel_id, Direction::FromNode1), one);
            balances.insert((channel.short_channel_id, Direction::FromNode2), all - one);
        }
        Self { snapshot: graph.snapshot(), graph, channels, balances }
    }

    fn own(&self, node: NodeId) -> Vec<FirstHop> {
        let ours = self.channels.iter().filter(|channel| [channel.node_1, channel.node_2].contains(&node));
        let first = |channel: &Channel| {
            let peer = if channel.node_1 == node { channel.node_2 } else { channel.node_1 };
            let sendable = self.balances[&(channel.short_channel_id, towards(channel, peer))];
            FirstHop {
                short_channel_id: channel.short_channel_id,
                peer,
                sendable: Msat(sendable),
                htlc_minimum: Msat(1),
            }
        };
        ours.map(first).collect()
    }

    fn hops(&self, part: &RoutePart) -> Vec<((ShortChannelId, Direction), u64)> {
        let hop = |hop: &astrape_routing::search::RouteHop| {
            let channel = self.graph.channel(hop.short_channel_id).expect("a channel of the graph");
            ((hop.short_channel_id, towards(&channel, hop.node)), hop.amount.0)
        };
        part.hops.iter().map(hop).collect()
    }

    /// Holds an HTLC along a way as far as there is money; the hop where there is none.
    fn hold(&mut self, part: &RoutePart) -> Result<(), usize> {
        let hops = self.hops(part);
        let lacks = |(over, amount): &((ShortChannelId, Direction), u64)| self.balances[over] < *amount;
        if let Some(stuck) = hops.iter().position(lacks) {
            return Err(stuck);
        }
        hops.iter().for_each(|(over, amount)| *self.balances.get_mut(over).expect("a channel") -= amount);
        Ok(())
    }

    /// Ends an HTLC that is held: the money goes on, or back.
    fn end(&mut self, part: &RoutePart, paid: bool) {
        for ((id, direction), amount) in self.hops(part) {
            let to = if paid { direction.reverse() } else { direction };
            *self.balances.get_mut(&(id, to)).expect("a channel") += amount;
        }
    }

    /// The largest flow over the true balances.
    fn max_flow(&self, ids: &[NodeId], from: usize, to: usize) -> u64 {
        let place: BTreeMap<NodeId, usize> = ids.iter().enumerate().map(|(at, id)| (*id, at)).collect();
        let mut left: BTreeMap<(usize, usize), u64> = BTreeMap::new();
        let mut next: Vec<Vec<usize>> = vec![Vec::new(); ids.len()];
        for channel in &self.channels {
            for direction in Direction::BOTH {
                let one = place[&channel.sender(direction)];
                let two = place[&channel.sender(direction.reverse())];
                *left.entry((one, two)).or_default() += self.balances[&(channel.short_channel_id, direction)];
                next[one].push(two);
            }
        }
        let mut flow = 0;
        loop {
            let (mut before, mut queue) = (vec![None; ids.len()], VecDeque::from([from]));
            while let Some(node) = queue.pop_front() {
                for to in &next[node] {
                    if before[*to].is_none() && *to != from && left[&(node, *to)] > 0 {
                        before[*to] = Some(node);
                        queue.push_back(*to);
                    }
                }
            }
            if before[to].is_none() {
                return flow;
            }
            let nodes = std::iter::successors(Some(to), |node| before[*node]);
            let steps: Vec<(usize, usize)> = nodes
                .take_while(|node| *node != from)
                .map(|node| (before[node].expect("a step"), node))
                .collect();
            let width = steps.iter().map(|step| left[step]).min().expect("a way has steps");
            for (one, two) in steps {
                *left.get_mut(&(one, two)).expect("an edge") -= width;
                *left.get_mut(&(two, one)).expect("both ways") += width;
            }
            flow += width;
        }
    }
}

/// Tells what was learnt of the hops before `end` and, where one was stuck, of that one. What is held beside counts too.
fn learn(
    scores: &mut Scores,
    part: &RoutePart,
    held: &[InFlight],
    stuck: Option<usize>,
    now: astrape_primitives::Timestamp,
) {
    for (at, hop) in part.hops.iter().enumerate().take(stuck.map_or(usize::MAX, |stuck| stuck + 1)) {
        let Some(crossing) = hop.crossing() else { continue };
        let beside = held.iter().filter(|busy| {
            (busy.short_channel_id, busy.direction) == (crossing.short_channel_id, crossing.direction)
        });
        let amount = crossing.amount.saturating_add(beside.map(|busy| busy.amount).sum());
        let outcome = if Some(at) == stuck { Outcome::Stuck } else { Outcome::Passed };
        scores.learn(&Crossing { amount, ..crossing }, outcome, now);
    }
}

fn in_flight(held: &[RoutePart]) -> Vec<InFlight> {
    let crossings = held.iter().flat_map(|part| part.hops.iter().filter_map(|hop| hop.crossing()));
    let busy = |crossing: Crossing| InFlight {
        short_channel_id: crossing.short_channel_id,
        direction: crossing.direction,
        amount: crossing.amount,
    };
    crossings.map(busy).collect()
}

/// Pays, or finds that it cannot; nothing is left held. Whether it arrived, and in how many parts.
fn pay(
    world: &mut World,
    scores: &mut Scores,
    from: NodeId,
    to: NodeId,
    amount: u64,
    now: u64,
) -> Option<usize> {
    let now = astrape_primitives::Timestamp::from_secs(now);
    let mut finder = Finder::new(Arc::clone(&world.snapshot), scores);
    let mut held: Vec<RoutePart> = Vec::new();
    for _ in 0..ATTEMPTS {
        let missing = amount - held.iter().map(|part| part.amount.0).sum::<u64>();
        if missing == 0 {
            break;
        }
        let (own, busy) = (world.own(from), in_flight(&held));
        let limits = Limits {
            max_fee: Msat(amount / 10 + 100_000),
            max_blocks: 2_016,
            max_hops: 20,
            max_parts: PARTS - held.len(),
        };
        let start = Start::Own { node: from, channels: &own };
        let wanted =
            Request { from: start, limits, in_flight: &busy, now, ..request(from, to, Msat(missing)) };
        finder.look_at(&world.snapshot, scores);
        let Ok(route) = finder.find(&wanted) else { break };
        for part in route.parts {
            let busy = in_flight(&held);
            match world.hold(&part) {
                Ok(()) => {
                    learn(scores, &part, &busy, None, now);
                    held.push(part);
                }
                Err(stuck) => learn(scores, &part, &busy, Some(stuck), now),
            }
        }
    }
    let arrived = held.iter().map(|part| part.amount.0).sum::<u64>() == amount;
    for part in &held {
        world.end(part, arrived);
        for crossing in part.hops.iter().filter_map(|hop| hop.crossing()).filter(|_| arrived) {
            scores.learn(&crossing, Outcome::Paid, now);
        }
    }
    arrived.then_some(held.len())
}

#[test]
fn nearly_all_payments_arrive_for_which_there_is_a_flow() {
    let ids = nodes(NODES);
    let (mut could, mut arrived, mut split) = (0, 0, 0);
    for seed in 1..=2 {
        let mut world = World::new(seed, &ids);
        let all: u64 = world.balances.values().sum();
        let mut dice = Dice::new(seed + 100);
        for number in 0..60 {
            let [from, to] = [0; 2].map(|_| usize::try_from(dice.below(NODES.into())).expect("an index"));
            let amount = 1_000 * dice.one_of(&[1_000, 10_000, 100_000, 1_000_000, 5_000_000]);
            // Fees and what is rounded take some room: a flow of a twentieth more than the amount.
            if from == to || world.max_flow(&ids, from, to) < amount / 20 * 21 + 100_000 {
                continue;
            }
            could += 1;
            // Whoever pays knows nothing but what its own attempts teach.
            let paid = pay(&mut world, &mut Scores::new(), ids[from], ids[to], amount, 10_000 + number);
            arrived += usize::from(paid.is_some());
            split += usize::from(paid.is_some_and(|parts| parts > 1));
        }
        assert_eq!(world.balances.values().sum::<u64>(), all, "money is conserved");
    }
    assert!(could > 60 && split > 5, "the test sees what it must: {could} could arrive, {split} were split");
    assert!(arrived * 1_000 >= could * 995, "{arrived} of {could} arrived");
}
