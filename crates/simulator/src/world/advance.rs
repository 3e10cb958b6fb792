//! The loop: pick the next event, let it make its step, commit, release, look.

use crate::event::Event;
use crate::machine::{Part, Taken};
use crate::network::{Loss, Packet};
use crate::violation::{Checker, Violation};
use crate::world::{Crash, Plan, World};
use astrape_node::{Effect, Input, PeerEvent, Proposals, TICK_MILLIS};
use astrape_primitives::Entropy;
use rand::{Rng as _, RngCore as _};
use std::sync::Arc;

/// How long a commit waits for further steps, in milliseconds.
const GROUP_MILLIS: u64 = 8;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advance {
    /// Nothing is left but the passing of time.
    Quiet,
    /// Something, without a step of a node.
    Moved,
    /// A node took a step.
    Stepped {
        /// Which.
        node: usize,
        /// How many effects were sealed in it.
        effects: usize,
    },
}

impl World {
    /// Picks the next event and lets it happen.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn advance(&mut self) -> Result<Advance, Violation> {
        if self.queue.is_quiet() {
            return Ok(Advance::Quiet);
        }
        let steps = self.steps;
        self.last_step = None;
        let Some((at, event)) = self.queue.pop() else {
            return Ok(Advance::Quiet);
        };
        self.now = self.now.max(at);
        self.happen(event)?;
        assert!(self.steps <= steps + 1, "an event leads to at most one step");
        Ok(self.last_step.map_or(Advance::Moved, |(node, effects)| Advance::Stepped { node, effects }))
    }

    /// Lets time go by; ticks come while it does.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn wait(&mut self, millis: u64) -> Result<(), Violation> {
        let until = self.now.plus(millis);
        // A jump: the ticks of the time between are one.
        self.now = until;
        while self.queue.next_at().is_some_and(|at| at <= until) {
            let Some((at, event)) = self.queue.pop() else { break };
            self.now = self.now.max(at);
            self.happen(event)?;
        }
        Ok(())
    }

    fn happen(&mut self, event: Event) -> Result<(), Violation> {
        match event {
            Event::Deliver { connection, to, packet } => self.deliver(connection, to, packet),
            Event::Local { node, process, input } if self.same_process(node, process) => {
                self.step(node, *input, Taken::Other)
            }
            Event::Fees { node, process, kind } if self.same_process(node, process) => {
                self.step(node, Input::Chain(self.fees_told(kind)), Taken::Other)
            }
            Event::Tick { node, process } if self.same_process(node, process) => {
                self.queue.push(self.now.plus(TICK_MILLIS), Event::Tick { node, process });
                self.step(node, Input::Tick, Taken::Other)
            }
            Event::Moment { node, process } if self.same_process(node, process) => {
                self.step(node, Input::Moment, Taken::Other)
            }
            Event::Chain { node, process } => self.look_at_the_chain(node, process).map(|_| ()),
            Event::Mempool { node, process } => self.look_at_the_mempool(node, process),
            Event::Commit { node, process } if self.same_process(node, process) => self.commit_now(node),
            Event::Release { node, process } if self.same_process(node, process) => {
                self.release_the_late(node)
            }
            Event::Start { node } => self.start(node),
            Event::Connect { pair } => {
                self.connect(pair);
                Ok(())
            }
            Event::User(errand) => self.run_errand(errand),
            Event::Local { .. }
            | Event::Fees { .. }
            | Event::Tick { .. }
            | Event::Moment { .. }
            | Event::Commit { .. }
            | Event::Release { .. } => Ok(()),
        }
    }

    fn deliver(&mut self, connection: u64, to: usize, packet: Packet) -> Result<(), Violation> {
        let Some(from) = self.sender(connection, to, &packet) else {
            return Ok(());
        };
        let peer = self.machines[from].node_id;
        let Some(process) = &mut self.machines[to].process else {
            return Ok(());
        };
        let (event, taken) = match packet {
            Packet::Init(features) => {
                process.connections.insert(from, connection);
                (PeerEvent::Up { features }, Taken::Other)
            }
            Packet::Closed => {
                process.connections.remove(&from);
                (PeerEvent::Down, Taken::Other)
            }
            Packet::Ping => {
                self.send(connection, from, Packet::Pong);
                return Ok(());
            }
            Packet::Pong => (PeerEvent::Heard, Taken::Other),
            Packet::Message(bytes) => {
                let mut fresh = [0; 32];
                self.rng.fill_bytes(&mut fresh);
                match self.machines[to].prepare(&bytes, fresh)? {
                    Some((message, taken)) => (PeerEvent::Message(self.twisted(to, message)), taken),
                    None => return Ok(()),
                }
            }
        };
        self.step(to, Input::Peer { peer, event }, taken)
    }

    /// Who sent a packet; `None` when the receiver has no part in that connection any more.
    fn sender(&self, connection: u64, to: usize, packet: &Packet) -> Option<usize> {
        if matches!(packet, Packet::Init(_)) {
            let (a, b) = self.network.connections.get(&connection)?.pair;
            return Some(if to == a { b } else { a });
        }
        let connections = &self.process(to)?.connections;
        connections.iter().find(|(_, id)| **id == connection).map(|(peer, _)| *peer)
    }

    /// A node takes a step. It is committed now or with later ones, and dies here if that is the plan.
    pub(crate) fn step(&mut self, node: usize, input: Input, taken: Taken) -> Result<(), Violation> {
        let Some(process) = &mut self.machines[node].process else {
            return Ok(());
        };
        self.steps += 1;
        let mut entropy = [0; 32];
        self.rng.fill_bytes(&mut entropy);
        self.trace.note(&self.now.0.to_be_bytes());
        self.trace.note(&[u8::try_from(node).unwrap_or(u8::MAX)]);
        self.trace.note(&entropy);
        // As if more had come together with it, now and then.
        let is_among_others = self.steps.is_multiple_of(8);
        let proposals = if is_among_others { Proposals::Later } else { Proposals::WhenDue };
        let step = process.node.step_and_propose(self.now, Entropy::new(entropy), input, proposals);
        let follows = is_among_others.then(|| self.now.plus(1)).or(process.node.proposals_due());
        let process_id = process.id;
        let effects = step.sealed_len();
        self.last_step = Some((node, effects));
        let connections = Arc::new(process.connections.clone());
        process.pending.parts.push(Part { effects, connections, taken });
        process.pending.step = Some(match process.pending.step.take() {
            Some(earlier) => earlier.then(step),
            None => step,
        });
        if let Some(at) = follows {
            self.queue.push(at, Event::Moment { node, process: process_id });
        }
        self.decide_commit(node)
    }

    fn decide_commit(&mut self, node: usize) -> Result<(), Violation> {
        let gathered = self.process(node).map_or(0, |p| p.pending.parts.len());
        let later = match self.plan {
            Some(plan) if plan.node == node => gathered <= plan.gather,
            _ => self.group_percent > 0 && gathered < 12 && self.rng.gen_range(0..100) < self.group_percent,
        };
        if !later {
            return self.commit_now(node);
        }
        if let Some(process) = self.process(node).map(|p| p.id) {
            let at = self.now.plus(if self.plan.is_some() { 25 * GROUP_MILLIS } else { GROUP_MILLIS });
            self.queue.push(at, Event::Commit { node, process });
        }
        Ok(())
    }

    /// Commits what waits and lets its effects out; or dies before, between or after.
    pub(crate) fn commit_now(&mut self, node: usize) -> Result<(), Violation> {
        let sealed =
            |p: &crate::machine::Process| p.pending.step.as_ref().map(astrape_node::Step::sealed_len);
        let Some(sealed) = self.process(node).and_then(sealed) else {
            return Ok(());
        };
        let due = |plan: &mut Plan| plan.node == node && (plan.crash != Crash::AfterSome || sealed > 1);
        let crash = match self.plan.take_if(due).map(|plan| plan.crash) {
            Some(Crash::AfterSome) => Some(Crash::AfterCommit { released: self.rng.gen_range(1..sealed) }),
            crash => crash,
        };
        if crash == Some(Crash::BeforeCommit) {
            self.totals.crashed(crash, 0, self.pending_steps(node));
            self.crash(node, Loss::None);
            return Ok(());
        }
        let steps = self.pending_steps(node);
        let (parts, effects) = self.commit(node)?;
        crate::check::after_commit(self, node, &parts, &effects)?;
        self.keep(node);
        let all = effects.len();
        match crash {
            Some(Crash::AfterCommit { released }) => {
                self.release_the_late(node)?;
                self.release(node, &parts, effects, released, false)?;
                self.totals.crashed(crash, all, steps);
                self.crash(node, Loss::None);
            }
            Some(Crash::Cut) => {
                self.release(node, &parts, effects, all, true)?;
                self.totals.cuts += 1;
                self.cut_everything(node, Loss::All);
            }
            Some(Crash::BeforeCommit | Crash::AfterSome) | None => {
                self.release(node, &parts, effects, all, true)?
            }
        }
        Ok(())
    }

    fn pending_steps(&self, node: usize) -> usize {
        self.process(node).map_or(0, |p| p.pending.parts.len())
    }

    fn commit(&mut self, node: usize) -> Result<(Vec<Part>, Vec<Effect>), Violation> {
        let machine = &mut self.machines[node];
        let Some(process) = &mut machine.process else {
            return Ok((Vec::new(), Vec::new()));
        };
        let parts = std::mem::take(&mut process.pending.parts);
        let step = process.pending.step.take().unwrap_or_default();
        let effects = step.commit(&mut machine.disk).map_err(|error| {
            Violation::new(Checker::Disk, format!("the journal takes no commit: {error}"))
        })?;
        Ok((parts, effects))
    }

    /// Cuts all connections of a node.
    pub(crate) fn cut_everything(&mut self, node: usize, loss: Loss) {
        for (connection, _) in self.network.of(node) {
            self.cut(connection, loss, loss);
        }
    }
}
