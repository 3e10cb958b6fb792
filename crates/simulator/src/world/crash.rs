//! How a process dies, and how it comes back.

use crate::event::{Event, FeesKind};
use crate::machine::{Pending, Process, WatchSet};
use crate::network::Loss;
use crate::violation::{Checker, Violation};
use crate::world::World;
use astrape_node::{Freshness, Input, Node, TICK_MILLIS};
use astrape_primitives::{BlockId, Height};
use rand::Rng as _;

/// Blocks below the tip where a new node begins.
const FIRST_BLOCKS: u32 = 4;

/// Where in its step a process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// Before the commit: the step is lost, and its input.
    BeforeCommit,
    /// After the commit and this many effects.
    AfterCommit {
        /// How many effects got out.
        released: usize,
    },
    /// After the commit and some of its effects, by chance; waits for a commit that has two or more.
    AfterSome,
    /// Not at all: all its connections are cut after the step.
    Cut,
}

/// A crash that is to come in a step of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Whose.
    pub node: usize,
    /// So many of its steps are gathered into one commit before.
    pub gather: usize,
    /// What happens then.
    pub crash: Crash,
}

impl World {
    /// The process of a node dies now. What it has said still arrives, or some of it.
    pub(crate) fn crash(&mut self, node: usize, loss: Loss) {
        if self.machines[node].process.is_none() {
            return;
        }
        self.die(node, loss);
        let after = self.rng.gen_range(20..=200);
        self.queue.push(self.now.plus(after), Event::Start { node });
    }

    /// The same, and nobody starts it for a while.
    pub(crate) fn sleep(&mut self, node: usize, millis: u64) {
        if self.machines[node].process.is_some() {
            self.die(node, Loss::Tail);
            self.queue.push(self.now.plus(millis), Event::Start { node });
        }
    }

    fn die(&mut self, node: usize, loss: Loss) {
        if let Some(process) = self.machines[node].process.take() {
            self.machines[node].doubted = process.node.suspect().collect();
        }
        self.trace.say(|| format!("{} node {node} dies", self.now.0));
        self.trace.note(b"crash");
        self.machines[node].disk.crash();
        self.cut_off(node, loss);
        self.users_of_a_dead_process(node);
    }

    /// Somebody copies the disk of a node.
    pub(crate) fn copy_disk(&mut self, node: usize) {
        self.machines[node].copy = Some(self.machines[node].disk.journal.clone());
    }

    /// The node dies and starts from the copy. It is late then, and bound by what it has forgotten.
    pub(crate) fn use_copy(&mut self, node: usize) {
        self.crash(node, Loss::None);
        let machine = &mut self.machines[node];
        if let Some(copy) = machine.copy.take() {
            machine.facts_seen = copy.ledger().len();
            machine.disk.journal = copy;
            self.late = Some(node);
        }
    }

    /// A process starts from its disk.
    pub(crate) fn start(&mut self, node: usize) -> Result<(), Violation> {
        if self.machines[node].process.is_some() || self.court.gone.contains(&node) {
            return Ok(());
        }
        let signers = &crate::prototype::prototype_of(self.machines.len()).signers;
        let machine = &mut self.machines[node];
        machine.signer = signers[node].clone();
        let (restored, owed) = Node::restore(machine.config_with(machine.doubted.clone()), &machine.disk)
            .map_err(|error| Violation::new(Checker::Disk, format!("node {node} does not start: {error}")))?;
        self.processes += 1;
        let id = self.processes;
        let cursor = restored.chain().tip().unwrap_or_else(|| self.first_block());
        self.machines[node].process = Some(Process {
            id,
            node: restored,
            pending: Pending::default(),
            watch: WatchSet::default(),
            cursor,
            outbox: Default::default(),
            connections: Default::default(),
        });
        self.trace.say(|| format!("{} node {node} starts, block {}", self.now.0, cursor.height.0));
        crate::check::justice::after_restart(self, node)?;
        crate::check::exit::after_restart(self, node)?;
        for effect in owed {
            self.release_one(node, &Default::default(), effect)?;
        }
        self.wake_the_shell(node, id);
        Ok(())
    }

    /// What the shell of a process does at its start, in this order: fees, coins, blocks, peers.
    fn wake_the_shell(&mut self, node: usize, process: u64) {
        let now = self.now;
        if self.court.sits {
            // Fresh is said when it has read all blocks.
            self.court.blind_until.entry(node).or_insert(now);
            crate::court::freshness(self, node, Freshness::Behind("starting".to_owned()));
        }
        for kind in FeesKind::ALL {
            self.queue.push(now, Event::Fees { node, process, kind });
        }
        let machine = &self.machines[node];
        if let Some(running) = &machine.process {
            let coins = Input::Coins(machine.wallet.scan_all(&running.node, &self.chain, self.from));
            self.queue.push(now, Event::Local { node, process, input: Box::new(coins) });
        }
        self.queue.push(now, Event::Chain { node, process });
        self.queue.push(now.plus(1), Event::Mempool { node, process });
        self.queue.push(now.plus(TICK_MILLIS), Event::Tick { node, process });
        let neighbours: Vec<(usize, usize)> =
            self.network.links.iter().copied().filter(|(a, b)| *a == node || *b == node).collect();
        for pair in neighbours {
            let after = self.rng.gen_range(10..=60);
            self.queue.push(now.plus(after), Event::Connect { pair });
        }
    }

    fn first_block(&self) -> BlockId {
        let height = Height(self.chain.tip().height.0.saturating_sub(FIRST_BLOCKS));
        let hash = self.chain.hash_at(height).expect("it is below the tip");
        BlockId { height, hash }
    }
}
