//! A world in which a script is played: what is on, when it is done, and how it is helped on.

use super::Act;
use crate::plant::Plant;
use crate::user::Flaw;
use crate::violation::{Checker, Violation};
use crate::world::{Advance, Plan, World};
use astrape_primitives::{ChannelKeysId, Msat};
use std::collections::VecDeque;

/// Most times that an act is helped on when the world is at rest and it is not done: a block, an hour, or another try.
const MAX_NUDGES: u32 = 40;

/// Most events between two rests. Beyond it something goes round in circles.
const MAX_EVENTS: u32 = 20_000;

/// How long nothing happens when a payment does not end: longer than parts are waited for.
const LONG_WAIT_MILLIS: u64 = 61_000;

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
pub(super) enum Progress {
    Moved(Advance),
    Done,
}

/// A world and what is left of the script.
#[derive(Clone)]
pub(super) struct Stage {
    world: World,
    acts: VecDeque<Act>,
    current: Option<Current>,
    crashes: bool,
    nudges: u32,
    events: u32,
}

impl Stage {
    pub(super) fn new(world: World, acts: VecDeque<Act>) -> Self {
        Self { world, acts, current: None, crashes: true, nudges: 0, events: 0 }
    }

    pub(super) fn world(&self) -> &World {
        &self.world
    }

    pub(super) fn into_world(self) -> World {
        self.world
    }

    /// Whether crashes are forked from the next step.
    pub(super) fn has_crashes(&self) -> bool {
        self.crashes
    }

    /// A fork in which the next step ends so.
    pub(super) fn fork(&self, plan: Plan) -> Result<World, Violation> {
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
    pub(super) fn play(&mut self) -> Result<(), Violation> {
        while let Progress::Moved(_) = self.go_on()? {}
        Ok(())
    }

    pub(super) fn go_on(&mut self) -> Result<Progress, Violation> {
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
