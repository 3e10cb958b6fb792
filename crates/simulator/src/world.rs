//! The world: nodes, one chain, one network, their disks, one clock, one seed. A loop that picks the next event.

mod advance;
mod chain;
mod crash;
mod look;
mod release;
#[cfg(test)]
mod tests;

use crate::check::Checks;
use crate::court::Court;
use crate::disk::Disk;
use crate::event::{Event, Queue};
use crate::machine::{Machine, Process};
use crate::network::Network;
use crate::plant::Plant;
use crate::prototype::{GENESIS, Prototype, prototype_of};
use crate::still::Still;
use crate::totals::Totals;
use crate::trace::Trace;
use crate::user::Users;
use crate::violation::Violation;
use crate::web::Web;
use astrape_node::Config;
use astrape_primitives::{Feature, Features, FeeratePerKw, Height, Network as BitcoinNetwork, Timestamp};
use astrape_regtest::RegtestChain;
use astrape_transactions::CommitmentFormat;
use astrape_transactions::signing::Signer as _;
use bitcoin::secp256k1::{All, Secp256k1};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

pub use advance::Advance;
pub use crash::{Crash, Plan};

/// Everything. A clone is a fork: both go on from here, each deterministic.
#[derive(Clone)]
pub struct World {
    pub(crate) rng: ChaCha8Rng,
    pub(crate) now: Timestamp,
    pub(crate) chain: RegtestChain,
    /// The first block with coins of the nodes.
    pub(crate) from: Height,
    pub(crate) machines: Vec<Machine>,
    pub(crate) network: Network,
    pub(crate) queue: Queue,
    pub(crate) users: Users,
    pub(crate) checks: Checks,
    pub(crate) totals: Totals,
    pub(crate) trace: Trace,
    pub(crate) secp: Arc<Secp256k1<All>>,
    pub(crate) feerate: FeeratePerKw,
    /// A crash that is to come.
    pub(crate) plan: Option<Plan>,
    /// How often, of 100 steps, a commit waits for further ones.
    pub(crate) group_percent: u32,
    /// How often, of 100 commits, the effects are late.
    pub(crate) late_percent: u32,
    /// Every how many steps the disk is compared with the node.
    pub(crate) disk_check_every: u64,
    /// A bug that was planted.
    pub(crate) plant: Option<Plant>,
    /// A node that was started from an old copy of its disk.
    pub(crate) late: Option<usize>,
    /// Whether somebody lies: only what a node owes itself can be checked then.
    pub(crate) besieged: bool,
    /// What is special about a world that ends before the court.
    pub(crate) court: Court,
    /// What is special about a whole network.
    pub(crate) web: Web,
    /// Channels that stand still.
    pub(crate) still: Still,
    /// Whether the nodes ask different things of each other, and balances and prices come near their bounds.
    pub(crate) is_uneven: bool,
    pub(crate) steps: u64,
    /// The last event's step: whose, and with how many effects.
    pub(crate) last_step: Option<(usize, usize)>,
    pub(crate) processes: u64,
}

impl World {
    /// Nodes in a line, each the neighbour of the next, with coins and without channels.
    ///
    /// # Panics
    /// With fewer than two nodes or more than a prototype has.
    #[must_use]
    pub fn line(nodes: usize, format: CommitmentFormat, seed: u64) -> Self {
        assert!((2..=4).contains(&nodes), "a line has two to four nodes");
        Self::with_links(nodes, (1..nodes).map(|node| (node - 1, node)).collect(), format, seed)
    }

    /// Nodes with coins and without channels, of which some are neighbours: the smaller first.
    pub(crate) fn with_links(
        nodes: usize,
        links: Vec<(usize, usize)>,
        format: CommitmentFormat,
        seed: u64,
    ) -> Self {
        let prototype = prototype_of(nodes);
        let machines: Vec<Machine> = (0..nodes).map(|node| machine(prototype, node, format)).collect();
        let mut world = Self {
            rng: ChaCha8Rng::seed_from_u64(seed),
            now: GENESIS,
            chain: prototype.chain.clone(),
            from: prototype.from,
            checks: Checks::new(&machines, &prototype.chain, prototype.from),
            machines,
            network: Network::new(links),
            queue: Queue::default(),
            users: Users::default(),
            totals: Totals::default(),
            trace: Trace::new(),
            secp: Arc::new(Secp256k1::new()),
            feerate: FeeratePerKw(1_000),
            plan: None,
            group_percent: 0,
            late_percent: 0,
            disk_check_every: 1,
            plant: None,
            late: None,
            besieged: false,
            court: Court::default(),
            web: Web::default(),
            still: Still::default(),
            is_uneven: false,
            steps: 0,
            last_step: None,
            processes: 0,
        };
        for node in 0..nodes {
            world.queue.push(world.now, Event::Start { node });
        }
        world
    }

    /// The hash of everything that happened so far.
    #[must_use]
    pub fn trace_hash(&self) -> [u8; 32] {
        self.trace.hash()
    }

    /// What was seen so far.
    #[must_use]
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Prints what happens as it happens.
    pub fn speak(&mut self) {
        self.trace.aloud = true;
    }

    /// How many steps the nodes have taken.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Plants a bug, for the checkers to find.
    pub fn plant(&mut self, plant: Plant) {
        self.plant = Some(plant);
        if let Some((node, bug)) = plant.disk_bug() {
            self.machines[node].disk.bug = Some(bug);
        }
        if let Plant::BroadcastsOld { node } = plant {
            self.court.keeper = Some(node);
        }
        if let Plant::ChargesNothing { node } = plant {
            crate::check::fees::charge_nothing(&mut self.machines[node].config);
        }
    }

    /// Cuts the connection between two neighbours; what is under way is lost on both sides. They connect again.
    pub fn cut_between(&mut self, a: usize, b: usize) {
        if let Some(connection) = self.network.live((a.min(b), a.max(b))) {
            self.cut(connection, crate::network::Loss::All, crate::network::Loss::All);
        }
    }

    pub(crate) fn process(&self, node: usize) -> Option<&Process> {
        self.machines[node].process.as_ref()
    }

    /// The process, if it is still this one.
    pub(crate) fn same_process(&self, node: usize, process: u64) -> bool {
        self.process(node).is_some_and(|p| p.id == process)
    }

    pub(crate) fn index_of(&self, node_id: &astrape_primitives::NodeId) -> Option<usize> {
        self.machines.iter().position(|m| m.node_id == *node_id)
    }

    /// What must hold when nothing is under way.
    ///
    /// # Errors
    /// The first rule that does not.
    pub fn check_at_rest(&self) -> Result<(), Violation> {
        crate::check::at_rest(self)
    }
}

fn machine(prototype: &Prototype, node: usize, format: CommitmentFormat) -> Machine {
    let signer = prototype.signers[node].clone();
    let node_id = signer.node_id();
    let mut config = Config::new(node_id, BitcoinNetwork::Regtest);
    if format == CommitmentFormat::StaticRemotekey {
        config.channel.anchors = false;
        config.features = without(&config.features, Feature::Anchors);
    }
    Machine {
        node_id,
        config,
        disk: Disk::default(),
        signer,
        wallet: Arc::clone(&prototype.wallets[node]),
        next_address: 0,
        process: None,
        doubted: Default::default(),
        copy: None,
        facts_seen: 0,
    }
}

pub(crate) fn without(features: &Features, feature: Feature) -> Features {
    let kept = features.iter_bits().filter(|bit| bit & !1 != feature.required_bit());
    kept.fold(Features::empty(), Features::with_bit)
}
