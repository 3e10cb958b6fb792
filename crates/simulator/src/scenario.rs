//! Scripted worlds: `line(3).open(0, 1, sat(1_000_000)).pay(0, 2, sat(1_000)).close(0, 1)`, run once, or with a crash of each
//! kind forked at each step.

use crate::plant::Plant;
use crate::user::Flaw;
use crate::violation::{Checker, Violation};
use crate::world::{Advance, Crash, Plan, World};
use astrape_primitives::{ChannelKeysId, FeeratePerKw, Msat, Sat};
use astrape_transactions::CommitmentFormat;
use std::collections::VecDeque;

/// Most times that an act is helped on when the world is at rest and it is not done: a block, an hour, or another try.
const MAX_NUDGES: u32 = 40;

/// Most events between two rests. Beyond it something goes round in circles.
const MAX_EVENTS: u32 = 20_000;

/// How long nothing happens when a payment does not end: longer than parts are waited for.
const LONG_WAIT_MILLIS: u64 = 61_000;

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
        Ok(stage.world)
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
                Progress::Moved(Advance::Stepped { node, effects }) if before.crashes => {
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
            let before = stage.world.clone();
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
        let acts = self.acts.iter().copied().collect();
        Stage { world, acts, current: None, crashes: true, nudges: 0, events: 0 }
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

/// An act that is on.
#[derive(Clone, Debug)]
enum Current {
    Open(usize),
    Pay(usize),
    Close(Vec<(usize, ChannelKeysId)>),
    Policy {
        node: usize,
        fee_base: Msat,
    },
    /// Done when the world is at rest.
    Rest,
}

/// What a move of the stage was.
enum Progress {
    Moved(Advance),
    Done,
}

/// A world and what is left of the script.
#[derive(Clone)]
struct Stage {
    world: World,
    acts: VecDeque<Act>,
    current: Option<Current>,
    crashes: bool,
    nudges: u32,
    events: u32,
}

impl Stage {
    /// A fork in which the next step ends so.
    fn fork(&self, plan: Plan) -> Result<World, Violation> {
        let mut fork = self.clone();
        fork.world.plan = Some(plan);
        match fork.play() {
            Ok(()) => Ok(fork.world),
            Err(violation) => Err(Violation::new(
                violation.checker,
                format!(
                    "{} (at step {}, {plan:?}, before {:?})",
                    violation.what,
                    self.world.steps(),
                    self.current
                ),
            )),
        }
    }

    /// To the end.
    fn play(&mut self) -> Result<(), Violation> {
        while let Progress::Moved(_) = self.go_on()? {}
        Ok(())
    }

    fn go_on(&mut self) -> Result<Progress, Violation> {
        let advance = self.world.advance()?;
        if advance != Advance::Quiet {
            self.events += 1;
            if self.events > MAX_EVENTS {
                return Err(Violation::new(Checker::Rest, format!("no rest after {MAX_EVENTS} events")));
            }
            return Ok(Progress::Moved(advance));
        }
        self.events = 0;
        match self.current.take() {
            Some(current) if !self.is_done(&current) => {
                self.nudge(&current)?;
                self.current = Some(current);
            }
            _ => {
                self.nudges = 0;
                let Some(act) = self.acts.pop_front() else {
                    self.world.check_at_rest()?;
                    return Ok(Progress::Done);
                };
                self.current = Some(self.begin(act));
            }
        }
        Ok(Progress::Moved(Advance::Moved))
    }

    fn begin(&mut self, act: Act) -> Current {
        match act {
            Act::Open { from, to, funding, push } => Current::Open(self.world.open(from, to, funding, push)),
            Act::Pay { payer, payee, amount, flaw } => {
                Current::Pay(self.world.pay(payer, payee, amount, flaw))
            }
            Act::Feerate(feerate) => {
                self.world.set_feerate(feerate);
                Current::Rest
            }
            Act::Policy { node, fee_base } => {
                self.world.ask(node, fee_base);
                Current::Policy { node, fee_base }
            }
            Act::Cut { a, b } => {
                self.world.cut_between(a, b);
                Current::Rest
            }
            Act::Mine(blocks) => {
                self.world.mine(blocks);
                Current::Rest
            }
            Act::CopyDisk(node) => {
                self.world.copy_disk(node);
                Current::Rest
            }
            Act::UseCopy(node) => {
                self.world.use_copy(node);
                Current::Rest
            }
            Act::Crashes(crashes) => {
                self.crashes = crashes;
                Current::Rest
            }
            Act::Close { node, other } => {
                let channels = self.world.channels_between(node, other);
                for keys in &channels {
                    if self.world.plant == Some(Plant::ClosesUnasked { node }) {
                        self.world.close_by_nobody(node, *keys);
                    } else {
                        self.world.close(node, *keys);
                    }
                }
                Current::Close(channels.into_iter().map(|keys| (node, keys)).collect())
            }
        }
    }

    fn is_done(&self, current: &Current) -> bool {
        match current {
            Current::Open(wanted) => self.world.is_usable(*wanted),
            Current::Pay(deal) => self.world.users.deals[*deal].is_over(),
            Current::Close(channels) => channels.iter().all(|(node, keys)| self.world.is_over(*node, keys)),
            Current::Policy { node, fee_base } => self.world.asks(*node, *fee_base),
            Current::Rest => true,
        }
    }

    /// The world is at rest and the act is not done: helps it on.
    fn nudge(&mut self, current: &Current) -> Result<(), Violation> {
        self.nudges += 1;
        if self.nudges > MAX_NUDGES {
            return Err(Violation::new(Checker::Rest, format!("{current:?} is never done")));
        }
        match current {
            Current::Open(wanted) if self.world.must_ask_again(*wanted) => {
                self.world.users.wanted[*wanted].refused = false;
                self.world.go(crate::user::Errand::Open(*wanted));
            }
            Current::Open(_) => self.world.mine(1),
            Current::Pay(deal) if self.world.users.deals[*deal].flaw == Flaw::Forgotten => self.world.mine(2),
            Current::Pay(_) => self.world.wait(LONG_WAIT_MILLIS)?,
            Current::Close(channels) => {
                for (node, keys) in channels {
                    if self.world.is_open(*node, keys) {
                        self.world.close(*node, *keys);
                    }
                }
                self.world.mine(1);
            }
            Current::Policy { node, fee_base } => self.world.ask(*node, *fee_base),
            Current::Rest => {}
        }
        Ok(())
    }
}
