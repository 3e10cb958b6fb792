//! An oracle for tests: what could flow through a network by one who knows all balances. Exact, and in no hurry.

use std::collections::{BTreeMap, VecDeque};

/// What nodes, by number, can send to each other at the moment. Fees are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Balances {
    /// By sender and receiver: of each channel between them, how much.
    channels: BTreeMap<(usize, usize), Vec<u64>>,
}

impl Balances {
    /// A channel over which `from` can send so much to `to`.
    pub fn add(&mut self, from: usize, to: usize, amount: u64) {
        self.channels.entry((from, to)).or_default().push(amount);
    }

    /// The most that can go from one node to another over any number of ways (Edmonds and Karp).
    #[must_use]
    pub fn max_flow(&self, from: usize, to: usize) -> u64 {
        if from == to {
            return 0;
        }
        let mut left: BTreeMap<(usize, usize), u64> = BTreeMap::new();
        let mut neighbours: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for ((one, two), amounts) in &self.channels {
            *left.entry((*one, *two)).or_default() += amounts.iter().sum::<u64>();
            neighbours.entry(*one).or_default().push(*two);
            // What has flowed can flow back.
            neighbours.entry(*two).or_default().push(*one);
        }
        let mut flow = 0;
        while let Some(way) = shortest(&neighbours, from, to, |step| left.get(&step).is_some_and(|l| *l > 0))
        {
            let width = way.iter().filter_map(|step| left.get(step)).min().copied().unwrap_or(0);
            for (one, two) in way {
                *left.entry((one, two)).or_default() -= width;
                *left.entry((two, one)).or_default() += width;
            }
            flow += width;
        }
        flow
    }

    /// The most that can go over one way, each of its channels carrying all of it.
    #[must_use]
    pub fn widest_way(&self, from: usize, to: usize) -> u64 {
        let mut widths: Vec<u64> = self.channels.values().flatten().copied().collect();
        widths.sort_unstable();
        let mut neighbours: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        self.channels.keys().for_each(|(one, two)| neighbours.entry(*one).or_default().push(*two));
        let carries = |width: u64| {
            let is_wide = |step| self.channels[&step].iter().any(|amount| *amount >= width);
            shortest(&neighbours, from, to, is_wide).is_some()
        };
        let carried = widths.partition_point(|width| carries(*width));
        carried.checked_sub(1).map_or(0, |at| widths[at])
    }
}

/// The steps of a shortest way over those that are open.
fn shortest(
    neighbours: &BTreeMap<usize, Vec<usize>>,
    from: usize,
    to: usize,
    is_open: impl Fn((usize, usize)) -> bool,
) -> Option<Vec<(usize, usize)>> {
    let mut before: BTreeMap<usize, usize> = BTreeMap::new();
    let mut queue = VecDeque::from([from]);
    while let Some(at) = queue.pop_front() {
        for next in neighbours.get(&at).into_iter().flatten() {
            if *next != from && !before.contains_key(next) && is_open((at, *next)) {
                before.insert(*next, at);
                queue.push_back(*next);
            }
        }
    }
    let mut way = Vec::new();
    let mut at = to;
    while at != from {
        let previous = *before.get(&at)?;
        way.push((previous, at));
        at = previous;
    }
    (!way.is_empty()).then_some(way)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn balances(channels: &[(usize, usize, u64)]) -> Balances {
        let mut balances = Balances::default();
        channels.iter().for_each(|(from, to, amount)| balances.add(*from, *to, *amount));
        balances
    }

    #[test]
    fn a_flow_goes_over_several_ways_and_takes_back_what_was_in_its_way() {
        // The shortest way is over 1 and 2, and would block both of the long ones.
        let net = balances(&[
            (0, 1, 5),
            (1, 2, 5),
            (2, 9, 5),
            (0, 3, 5),
            (3, 4, 5),
            (4, 2, 5),
            (1, 5, 5),
            (5, 6, 5),
            (6, 9, 5),
        ]);
        assert_eq!(net.max_flow(0, 9), 10);
        assert_eq!(net.max_flow(9, 0), 0, "each direction has its own balance");
        assert_eq!((net.max_flow(0, 0), net.max_flow(0, 77)), (0, 0));
    }

    #[test]
    fn one_way_carries_what_its_narrowest_channel_does() {
        let net = balances(&[(0, 1, 9), (1, 3, 4), (0, 2, 6), (2, 3, 5), (2, 3, 2)]);
        assert_eq!(net.max_flow(0, 3), 10);
        assert_eq!(net.widest_way(0, 3), 5, "two channels between the same nodes are two ways");
        assert_eq!(net.widest_way(3, 0), 0);
    }
}
