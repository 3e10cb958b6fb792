//! The wire: messages that arrive, are taken off, or are lost.

use super::{A, B, Pair, failure};
use astrape_channel::{Channel, Command, Event, Fault, Htlc, Reaction, Resolution, reaction};
use astrape_onion::PeelFailure;
use astrape_primitives::Side;
use astrape_wire::{Decoded, Message};
use std::sync::Arc;

impl Pair {
    /// Hands the next message of `from` to the other end; `false` when there is none.
    pub(crate) fn deliver(&mut self, from: usize) -> Result<bool, Fault> {
        let Some(message) = self.nodes[from].outbox.pop_front() else {
            return Ok(false);
        };
        let bytes = message.encode().expect("ours encode");
        let Ok(Decoded::Known(message)) = Message::decode(&bytes) else {
            panic!("ours decode");
        };
        self.receive(1 - from, message)?;
        Ok(true)
    }

    /// A message arrives at `to`.
    pub(crate) fn receive(&mut self, to: usize, message: Message) -> Result<(), Fault> {
        match (&self.nodes[to].channel, message) {
            (None, Message::OpenChannel(m)) => {
                let transition = Channel::open_incoming(&m, self.incoming_request(), &self.view(to))?;
                self.install(to, transition.next, transition.outputs);
            }
            (None, _) => {}
            (Some(_), message) => self.handle(to, event(message))?,
        }
        if self.eager {
            self.settle(to);
            self.propose(to);
        }
        Ok(())
    }

    /// Ends what came in, by plan.
    pub(crate) fn settle(&mut self, who: usize) {
        for (htlc, resolution) in self.planned(who) {
            self.command(who, Command::Resolve { id: htlc.id, resolution });
        }
    }

    fn planned(&self, who: usize) -> Vec<(Arc<Htlc>, Resolution)> {
        let node = &self.nodes[who];
        let Some(open) = node.channel.as_ref().and_then(Channel::open) else {
            return Vec::new();
        };
        let due =
            |h: &&Arc<Htlc>| h.offered_by == Side::Remote && h.removal.is_none() && open.is_irrevocable(h);
        let plan = |h: &Arc<Htlc>| {
            let plan =
                if h.over_dust_exposure { Some(failure()) } else { node.plans.get(&h.payment_hash).cloned() };
            plan.map(|resolution| (h.clone(), resolution))
        };
        open.htlcs.values().filter(due).filter_map(plan).collect()
    }

    pub(crate) fn propose(&mut self, who: usize) {
        if self.nodes[who].channel.is_some() {
            self.handle(who, Event::Propose).expect("no fault");
        }
    }

    /// One thing that can happen now: a message, else what the nodes want. `false` when all is quiet.
    pub(crate) fn step(&mut self, first: usize) -> bool {
        for from in [first, 1 - first] {
            if self.deliver(from).unwrap_or_else(|fault| panic!("{} at {}", fault, 1 - from)) {
                return true;
            }
        }
        for who in [first, 1 - first] {
            self.settle(who);
        }
        for who in [first, 1 - first] {
            self.propose(who);
        }
        self.nodes.iter().any(|n| !n.outbox.is_empty())
    }

    /// Until all is quiet. Ends look alike then.
    pub(crate) fn run(&mut self) {
        let mut steps = 0;
        while self.step(steps % 2) {
            steps += 1;
            assert!(steps < 10_000, "no end");
        }
        if self.nodes.iter().all(|n| n.phase() == "open") {
            self.check_mirrors();
        }
    }

    /// The connection is lost, with all that is on its way.
    pub(crate) fn cut(&mut self) {
        for who in [A, B] {
            self.nodes[who].outbox.clear();
            let Some(channel) = self.nodes[who].channel.clone() else {
                continue;
            };
            let remembered = channel.after_losing_the_connection();
            self.handle(who, Event::Disconnected).expect("no fault");
            assert_eq!(self.nodes[who].channel, remembered, "a restart is a disconnection and nothing else");
        }
    }

    pub(crate) fn connect(&mut self) {
        for who in [A, B] {
            if self.nodes[who].channel.is_some() {
                self.handle(who, Event::Connected).expect("no fault");
            }
        }
    }

    /// Delivers messages of `from` up to and with the first of this name.
    pub(crate) fn deliver_until(&mut self, from: usize, name: &str) {
        loop {
            let next = self.nodes[from].outbox.front().map(Message::name);
            assert!(next.is_some(), "{from} says no {name}");
            self.deliver(from).expect("honest");
            if next == Some(name) {
                return;
            }
        }
    }

    /// Takes the next message of `from` off the wire.
    pub(crate) fn intercept(&mut self, from: usize) -> Message {
        self.nodes[from].outbox.pop_front().expect("it has said something")
    }

    /// A message that breaks a rule: nothing changes, and this is what we do about it.
    pub(crate) fn refused(&mut self, to: usize, message: Message) -> (Fault, Reaction) {
        let before = self.nodes[to].channel.clone();
        let fault = self.receive(to, message).expect_err("it breaks a rule");
        assert_eq!(self.nodes[to].channel, before, "a fault changes nothing");
        let reaction = reaction(&fault, true);
        (fault, reaction)
    }
}

/// The event of a message.
pub(crate) fn event(message: Message) -> Event {
    match message {
        Message::UpdateAddHtlc(message) => {
            let failure = PeelFailure::Malformed { failure_code: 0xc005, sha256_of_onion: [3; 32] };
            Event::Add { message, onion: Arc::new(Err(failure)) }
        }
        message => Event::Message(message),
    }
}
