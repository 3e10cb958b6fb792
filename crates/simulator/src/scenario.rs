//! Scripted worlds: `line(3).open(0, 1, sat(1_000_000)).pay(0, 2, sat(1_000)).close(0, 1)`, run once, or with a crash of each
//! kind forked at each step.

mod stage;

use crate::plant::Plant;
use crate::user::Flaw;
use crate::violation::Violation;
use crate::world::{Advance, Crash, Plan, World};
use astrape_primitives::{FeeratePerKw, Msat, Sat};
use astrape_transactions::CommitmentFormat;
use stage::{Progress, Stage};

/// Steps that are gathered in the variants with a group commit.
const GATHER: usize = 2;

/// One thing that a scenario does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Open {
        from: usize,
        to: usize,
        funding: Sat,
        push: Msat,
    },
    Pay {
        payer: usize,
        payee: usize,
        amount: Msat,
        flaw: Flaw,
    },
    Feerate(FeeratePerKw),
    /// A node asks another base fee for forwarding over all of its channels.
    Policy {
        node: usize,
        fee_base: Msat,
    },
    Cut {
        a: usize,
        b: usize,
    },
    Close {
        node: usize,
        other: usize,
    },
    /// Blocks come, one after the other.
    Mine(u32),
    /// Somebody copies the disk of a node.
    CopyDisk(usize),
    /// The node dies, and starts from the copy.
    UseCopy(usize),
    /// Whether crashes are forked from here on.
    Crashes(bool),
}

/// A script for a world.
#[derive(Clone)]
pub struct Scenario {
    nodes: usize,
    format: CommitmentFormat,
    seed: u64,
    plant: Option<Plant>,
    acts: Vec<Act>,
}

/// Nodes in a line.
#[must_use]
pub fn line(nodes: usize) -> Scenario {
    Scenario { nodes, format: CommitmentFormat::Anchors, seed: 1, plant: None, acts: Vec::new() }
}

/// So many satoshi.
#[must_use]
pub const fn sat(amount: u64) -> Sat {
    Sat(amount)
}

impl Scenario {
    /// With channels of this format.
    #[must_use]
    pub fn format(self, format: CommitmentFormat) -> Self {
        Self { format, ..self }
    }

    /// With other chance.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// With a bug.
    #[must_use]
    pub fn plant(self, plant: Plant) -> Self {
        Self { plant: Some(plant), ..self }
    }

    fn then(mut self, act: Act) -> Self {
        self.acts.push(act);
        self
    }

    /// Opens a channel, with nothing for the other side, and waits until it is ready.
    #[must_use]
    pub fn open(self, from: usize, to: usize, funding: Sat) -> Self {
        self.then(Act::Open { from, to, funding, push: Msat::ZERO })
    }

    /// Opens a channel with half of it for the other side.
    #[must_use]
    pub fn open_balanced(self, from: usize, to: usize, funding: Sat) -> Self {
        self.then(Act::Open { from, to, funding, push: Sat(funding.0 / 2).to_msat() })
    }

    /// Pays, and waits for the end.
    #[must_use]
    pub fn pay(self, payer: usize, payee: usize, amount: Sat) -> Self {
        self.pay_flawed(payer, payee, amount, Flaw::None)
    }

    /// Pays what cannot be paid.
    #[must_use]
    pub fn pay_flawed(self, payer: usize, payee: usize, amount: Sat, flaw: Flaw) -> Self {
        self.then(Act::Pay { payer, payee, amount: amount.to_msat(), flaw })
    }

    /// Changes the feerate for everybody.
    #[must_use]
    pub fn feerate(self, feerate: FeeratePerKw) -> Self {
        self.then(Act::Feerate(feerate))
    }

    /// Asks another base fee for forwarding over all channels of a node.
    #[must_use]
    pub fn policy(self, node: usize, fee_base: Msat) -> Self {
        self.then(Act::Policy { node, fee_base })
    }

    /// Cuts a connection; it comes back.
    #[must_use]
    pub fn cut(self, a: usize, b: usize) -> Self {
        self.then(Act::Cut { a, b })
    }

    /// Closes all channels between two nodes, by the first one's wish, and waits until they are over.
    #[must_use]
    pub fn close(self, node: usize, other: usize) -> Self {
        self.then(Act::Close { node, other })
    }

    /// Mines blocks, and lets the world come to rest after each.
    #[must_use]
    pub fn mine(self, blocks: u32) -> Self {
        (0..blocks).fold(self, |scenario, _| scenario.then(Act::Mine(1)))
    }

    /// Copies the disk of a node.
    #[must_use]
    pub fn copy_disk(self, node: usize) -> Self {
        self.then(Act::CopyDisk(node))
    }

    /// The node dies and starts from the copy, which no node ever should.
    #[must_use]
    pub fn use_copy(self, node: usize) -> Self {
        self.then(Act::UseCopy(node))
    }

    /// From here on no crashes are forked: what comes was forked elsewhere, or only shows that all is well.
    #[must_use]
    pub fn calm(self) -> Self {
        self.then(Act::Crashes(false))
    }

    /// From here on crashes are forked again.
    #[must_use]
    pub fn perilous(self) -> Self {
        self.then(Act::Crashes(true))
    }

    /// Runs it once, without faults.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn run(&self) -> Result<World, Violation> {
        let mut stage = self.stage();
        stage.play()?;
        Ok(stage.into_world())
    }

    /// Runs it, and beside it from each step on a fork for each way to die in that step, to its end.
    ///
    /// # Errors
    /// The first rule that is broken, with the step and the crash that led there.
    pub fn run_with_every_crash(&self) -> Result<Forks, Violation> {
        let mut stage = self.stage();
        let mut forks = Forks::default();
        loop {
            let before = stage.clone();
            match stage.go_on()? {
                Progress::Done => return Ok(forks),
                Progress::Moved(Advance::Stepped { node, effects }) if before.has_crashes() => {
                    for plan in variants(node, effects) {
                        forks.totals.add(before.fork(plan)?.totals());
                        forks.count += 1;
                    }
                }
                Progress::Moved(_) => {}
            }
        }
    }

    /// Runs it once, and keeps the world before each step of a node.
    pub(crate) fn moments(&self, node: usize) -> Result<Vec<World>, Violation> {
        let mut stage = self.stage();
        let mut moments = Vec::new();
        loop {
            let before = stage.world().clone();
            match stage.go_on()? {
                Progress::Done => return Ok(moments),
                Progress::Moved(Advance::Stepped { node: stepped, .. }) if stepped == node => {
                    moments.push(before)
                }
                Progress::Moved(_) => {}
            }
        }
    }

    fn stage(&self) -> Stage {
        let mut world = World::line(self.nodes, self.format, self.seed);
        if let Some(plant) = self.plant {
            world.plant(plant);
        }
        Stage::new(world, self.acts.iter().copied().collect())
    }
}

/// What all forks together have seen.
#[derive(Clone, Debug, Default)]
pub struct Forks {
    /// How many there were.
    pub count: u64,
    /// Steps of the script itself, where they are counted.
    pub steps: u64,
    /// Their sum.
    pub totals: crate::Totals,
}

/// All ways to die in a step.
pub(crate) fn variants(node: usize, effects: usize) -> Vec<Plan> {
    let mut plans = vec![
        Plan { node, gather: 0, crash: Crash::BeforeCommit },
        Plan { node, gather: 0, crash: Crash::Cut },
        Plan { node, gather: GATHER, crash: Crash::BeforeCommit },
        Plan { node, gather: GATHER, crash: Crash::AfterCommit { released: 0 } },
    ];
    let after =
        (0..=effects).map(|released| Plan { node, gather: 0, crash: Crash::AfterCommit { released } });
    plans.extend(after);
    plans
}
