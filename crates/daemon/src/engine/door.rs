//! Between the core and the disk: sealed steps wait here, merged, while the commit thread is busy. That is group commit.

use astrape_node::{Effect, Journal, MAX_UNCOMMITTED, Node, Step};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// The commit thread is gone, or the engine stops: nothing goes in any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Closed;

/// What is to be told once all steps up to here are durable and their effects are out.
pub(crate) enum After {
    /// That it is so.
    Done(oneshot::Sender<()>),
    /// The node as it was then: a reader must not see what could still be lost.
    Snapshot(oneshot::Sender<Arc<Node>>, Arc<Node>),
}

impl After {
    fn tell(self) {
        // Who does not wait any more is not told.
        match self {
            After::Done(waiting) => drop(waiting.send(())),
            After::Snapshot(waiting, node) => drop(waiting.send(node)),
        }
    }
}

/// The queue before the disk.
pub(crate) struct Door {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    /// All steps that wait, as one.
    step: Option<Step>,
    after: Vec<After>,
    /// Steps that wait.
    queued: usize,
    /// Steps that the commit thread has in hand.
    in_hand: usize,
    closed: bool,
}

impl Door {
    pub(crate) fn new() -> Self {
        Self { waiting: Mutex::default(), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a step over. Waits only while [`MAX_UNCOMMITTED`] steps are ahead of the disk.
    pub(crate) fn push(&self, step: Step, after: Option<After>) -> Result<(), Closed> {
        let mut waiting = self.lock();
        while waiting.queued + waiting.in_hand >= MAX_UNCOMMITTED && !waiting.closed {
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        if waiting.closed {
            return Err(Closed);
        }
        let is_idle = step.writes().is_empty() && step.sealed_len() == 0;
        if !is_idle {
            waiting.step = Some(match waiting.step.take() {
                Some(before) => before.then(step),
                None => step,
            });
            waiting.queued += 1;
        }
        waiting.after.extend(after);
        drop(waiting);
        self.changed.notify_all();
        Ok(())
    }

    /// Nothing more comes. What is there is still committed.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// All that waits; `None` when the door is closed and nothing is left.
    fn take(&self) -> Option<(Option<Step>, Vec<After>)> {
        let mut waiting = self.lock();
        loop {
            if waiting.step.is_some() || !waiting.after.is_empty() {
                waiting.in_hand = std::mem::take(&mut waiting.queued);
                return Some((waiting.step.take(), std::mem::take(&mut waiting.after)));
            }
            if waiting.closed {
                return None;
            }
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn committed(&self) {
        self.lock().in_hand = 0;
        self.changed.notify_all();
    }

    /// The commit thread: commits what waits and lets its effects out, until the door is closed or the disk fails. After a
    /// failure nothing is let out and nobody is told anything.
    pub(crate) fn serve<J: Journal + ?Sized>(
        &self,
        journal: &mut J,
        mut let_out: impl FnMut(Vec<Effect>),
    ) -> Result<(), astrape_node::JournalError> {
        while let Some((step, after)) = self.take() {
            if let Some(step) = step {
                let effects = step.commit(journal).inspect_err(|_| self.close())?;
                let_out(effects);
            }
            self.committed();
            after.into_iter().for_each(After::tell);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use astrape_node::{
        Command, CommandId, Config, Entry, Input, JournalError, Key, RetiredHtlc, SeenOnion, Writes,
    };
    use astrape_primitives::{
        ChannelKeysId, CommitmentNumber, Entropy, Network, NodeId, PaymentHash, Timestamp,
    };
    use astrape_storage::MemoryJournal;
    use std::collections::BTreeMap;
    use std::sync::mpsc;

    /// A disk that takes each commit only when it is told to.
    struct SlowDisk {
        memory: MemoryJournal,
        may_commit: mpsc::Receiver<()>,
        steps: Vec<u64>,
    }

    impl Journal for SlowDisk {
        fn commit(&mut self, writes: &Writes) -> Result<(), JournalError> {
            self.may_commit.recv().expect("the test lets it go on");
            self.steps.push(writes.steps());
            self.memory.commit(writes)
        }
        fn load(&self) -> Result<BTreeMap<Key, Vec<u8>>, JournalError> {
            self.memory.load()
        }
        fn onion_seen(&self, onion: &SeenOnion) -> Result<bool, JournalError> {
            self.memory.onion_seen(onion)
        }
        fn last_payment_fact(&self, hash: &PaymentHash) -> Result<Option<Entry>, JournalError> {
            self.memory.last_payment_fact(hash)
        }
        fn retired_htlcs(
            &self,
            channel: &ChannelKeysId,
            commitment: CommitmentNumber,
        ) -> Result<Vec<RetiredHtlc>, JournalError> {
            self.memory.retired_htlcs(channel, commitment)
        }
    }

    fn id() -> NodeId {
        "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798".parse().expect("a point")
    }

    fn new_node() -> Node {
        Node::restore(Config::new(id(), Network::Regtest), &MemoryJournal::new()).expect("it is empty").0
    }

    /// A step that writes something and answers a command.
    fn step(node: &mut Node, n: u64) -> Step {
        let command = Command::RememberPeer { peer: id(), addresses: vec![format!("host{n}:9735")] };
        node.step(Timestamp(n), Entropy::new([1; 32]), Input::Command { id: CommandId(n), command })
    }

    /// Which commands were answered.
    fn answered(effects: &[Effect]) -> Vec<u64> {
        let reply = |effect: &Effect| match effect {
            Effect::Reply { command, .. } => Some(command.0),
            _ => None,
        };
        effects.iter().filter_map(reply).collect()
    }

    #[test]
    fn steps_that_wait_for_the_disk_are_one_commit_and_let_out_in_order() {
        let (door, mut node) = (Door::new(), new_node());
        let (go, may_commit) = mpsc::channel();
        let mut disk = SlowDisk { memory: MemoryJournal::new(), may_commit, steps: Vec::new() };
        let (asking, mut snapshot) = oneshot::channel();
        let out = std::thread::scope(|scope| {
            let serving = scope.spawn(|| {
                let mut out = Vec::new();
                door.serve(&mut disk, |effects| out.extend(answered(&effects))).expect("the disk is well");
                out
            });
            door.push(step(&mut node, 0), None).expect("it is open");
            // Until the first is in hand, the others would be merged with it.
            while door.lock().in_hand == 0 {
                std::thread::yield_now();
            }
            for n in 1..10 {
                door.push(step(&mut node, n), None).expect("it is open");
            }
            let reading = After::Snapshot(asking, Arc::new(node.clone()));
            door.push(Step::default(), Some(reading)).expect("it is open");
            assert!(snapshot.try_recv().is_err(), "what it shows could still be lost");
            door.close();
            (0..2).for_each(|_| go.send(()).expect("the disk waits"));
            serving.join().expect("no panic")
        });
        assert_eq!(out, (0..10).collect::<Vec<_>>());
        assert_eq!(disk.steps, [1, 9], "one commit for all that waited");
        assert!(snapshot.try_recv().is_ok());
    }

    #[test]
    fn a_disk_that_fails_lets_nothing_out_and_closes_the_door() {
        let (door, mut node) = (Door::new(), new_node());
        let mut disk = MemoryJournal::new();
        disk.crash_after(0);
        let (asking, mut done) = oneshot::channel();
        door.push(step(&mut node, 0), Some(After::Done(asking))).expect("it is open");
        let served = door.serve(&mut disk, |_| panic!("nothing may be let out"));
        assert!(served.is_err());
        assert_eq!(door.push(step(&mut node, 1), None), Err(Closed));
        drop(door);
        assert!(done.try_recv().is_err(), "nobody is told that it is done");
    }

    #[test]
    fn the_core_runs_ahead_of_the_disk_by_a_bound() {
        let (door, mut node) = (Door::new(), new_node());
        for n in 0..MAX_UNCOMMITTED as u64 {
            door.push(step(&mut node, n), None).expect("it is open");
        }
        std::thread::scope(|scope| {
            let pushing = scope.spawn(|| door.push(step(&mut node, 0), None));
            std::thread::sleep(std::time::Duration::from_millis(50));
            assert!(!pushing.is_finished(), "it waits for the disk");
            assert_eq!(door.lock().queued, MAX_UNCOMMITTED);
            let (step, _) = door.take().expect("there is much to commit");
            drop(step);
            door.committed();
            assert_eq!(pushing.join().expect("no panic"), Ok(()));
        });
    }
}
