//! Who is whose neighbour, and which channels there are: a few nodes have many, most have few, as in the network.

use crate::swarm;
use crate::violation::Violation;
use crate::world::World;
use astrape_primitives::{Msat, Sat};
use rand::Rng;

/// Most channels that a newcomer opens: there are coins for twice as many.
const MAX_OPENED: usize = 4;

/// Each newcomer becomes the neighbour of some that are there, of those the rather who have many.
pub(super) fn links(rng: &mut impl Rng, nodes: usize) -> Vec<(usize, usize)> {
    let mut links: Vec<(usize, usize)> = Vec::new();
    // Every end of a link, and every node once: who is drawn from here is drawn by its degree.
    let mut ends = vec![0];
    for newcomer in 1..nodes {
        let wanted = rng.gen_range(1..=MAX_OPENED).min(newcomer);
        for _ in 0..wanted {
            let there = ends[rng.gen_range(0..ends.len())];
            if there != newcomer && !links.contains(&(there, newcomer)) {
                links.push((there, newcomer));
                ends.push(there);
            }
        }
        ends.push(newcomer);
    }
    links
}

/// Every two neighbours get a channel, of some size and with something on each side.
pub(super) fn open_channels(world: &mut World, events: u32) -> Result<(), Violation> {
    swarm::to_rest_within(world, events)?;
    for (there, newcomer) in world.network.links.clone() {
        let funding = Sat(world.rng.gen_range(100_000..2_000_000));
        let push = Msat(funding.to_msat().0 / 100 * world.rng.gen_range(0..90));
        world.open(newcomer, there, funding, push);
    }
    for _ in 0..6 {
        swarm::to_rest_within(world, events)?;
        world.mine(1);
    }
    swarm::to_rest_within(world, events)
}
