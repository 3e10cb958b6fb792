//! Between the core and the disk: sealed steps wait here, merged, while the commit thread is busy. That is group commit.
//!
//! A step that lets nothing out and for which nobody waits may wait a moment for one that does: it costs no commit of its own.

use super::published::Published;
use astrape_node::{Effect, Journal, JournalError, MAX_UNCOMMITTED, Node, Step};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// How long a step may wait for the disk that nothing waits for.
const MAX_WAIT: Duration = Duration::from_millis(20);

/// The commit thread is gone, or the engine stops: nothing goes in any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Closed;

/// Who is told once all steps up to here are durable and their effects are out.
pub(crate) type After = oneshot::Sender<()>;

/// The queue before the disk.
pub(crate) struct Door {
    waiting: Mutex<Waiting>,
    /// Something came for the commit thread.
    filled: Condvar,
    /// There is room for the core again.
    emptied: Condvar,
    published: Published,
}

#[derive(Default)]
struct Waiting {
    /// All steps that wait, as one.
    step: Step,
    after: Vec<After>,
    /// The node as it is after them.
    node: Option<Arc<Node>>,
    /// Steps that wait.
    queued: usize,
    /// Since when.
    since: Option<Instant>,
    /// Steps that the commit thread has in hand.
    in_hand: usize,
    /// Who sleeps, so that nobody is woken for nothing.
    commit_sleep: Sleep,
    is_core_asleep: bool,
    closed: bool,
}

/// How the commit thread sleeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Sleep {
    #[default]
    Awake,
    /// Until what waits has waited long enough.
    ForAMoment,
    /// Until it is woken.
    Deeply,
}

/// What the commit thread takes at once.
struct Taken {
    step: Step,
    after: Vec<After>,
    node: Option<Arc<Node>>,
}

impl Waiting {
    /// Whether somebody waits for the commit, or the core for room.
    fn is_urgent(&self) -> bool {
        self.step.sealed_len() > 0 || !self.after.is_empty() || self.queued >= MAX_UNCOMMITTED / 2
    }

    /// How long the commit thread may sleep; `None` when it may as long as it likes, zero when it may not.
    fn rest(&self) -> Option<Duration> {
        if self.is_urgent() || (self.closed && self.queued > 0) {
            return Some(Duration::ZERO);
        }
        self.since.map(|since| MAX_WAIT.saturating_sub(since.elapsed()))
    }
}

impl Door {
    pub(crate) fn new(published: Published) -> Self {
        Self { waiting: Mutex::default(), filled: Condvar::new(), emptied: Condvar::new(), published }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands steps over, merged, with the node as it is after them. Waits only while [`MAX_UNCOMMITTED`] steps are ahead of
    /// the disk.
    pub(crate) fn push(&self, step: Step, after: Vec<After>, node: Arc<Node>) -> Result<(), Closed> {
        let mut waiting = self.lock();
        while waiting.queued + waiting.in_hand >= MAX_UNCOMMITTED && !waiting.closed {
            waiting.is_core_asleep = true;
            waiting = self.emptied.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        waiting.is_core_asleep = false;
        if waiting.closed {
            return Err(Closed);
        }
        let is_idle = step.writes().is_empty() && step.sealed_len() == 0 && after.is_empty();
        if is_idle && waiting.queued + waiting.in_hand == 0 {
            // All before it is durable, and it leaves nothing to be.
            drop(waiting);
            self.published.set(node);
            return Ok(());
        }
        waiting.queued += usize::try_from(step.writes().steps()).unwrap_or(usize::MAX).max(1);
        waiting.step = std::mem::take(&mut waiting.step).then(step);
        waiting.after.extend(after);
        let older = waiting.node.replace(node);
        waiting.since.get_or_insert_with(Instant::now);
        let is_to_wake = match waiting.commit_sleep {
            Sleep::Awake => false,
            Sleep::ForAMoment => waiting.is_urgent(),
            Sleep::Deeply => true,
        };
        drop(waiting);
        drop(older);
        if is_to_wake {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Nothing more comes. What is there is still committed.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_all();
        self.emptied.notify_all();
    }

    /// All that waits; `None` when the door is closed and nothing is left.
    fn take(&self) -> Option<Taken> {
        let mut waiting = self.lock();
        loop {
            waiting = match waiting.rest() {
                Some(Duration::ZERO) => {
                    waiting.in_hand = std::mem::take(&mut waiting.queued);
                    waiting.since = None;
                    let step = std::mem::take(&mut waiting.step);
                    return Some(Taken {
                        step,
                        after: std::mem::take(&mut waiting.after),
                        node: waiting.node.take(),
                    });
                }
                _ if waiting.closed => return None,
                rest => self.sleep(waiting, rest),
            };
        }
    }

    fn sleep<'a>(
        &'a self,
        mut waiting: MutexGuard<'a, Waiting>,
        rest: Option<Duration>,
    ) -> MutexGuard<'a, Waiting> {
        waiting.commit_sleep = if rest.is_some() { Sleep::ForAMoment } else { Sleep::Deeply };
        let mut waiting = match rest {
            None => self.filled.wait(waiting).unwrap_or_else(PoisonError::into_inner),
            Some(rest) => self.filled.wait_timeout(waiting, rest).unwrap_or_else(PoisonError::into_inner).0,
        };
        waiting.commit_sleep = Sleep::Awake;
        waiting
    }

    fn committed(&self) {
        let mut waiting = self.lock();
        waiting.in_hand = 0;
        let is_to_wake = waiting.is_core_asleep;
        drop(waiting);
        if is_to_wake {
            self.emptied.notify_one();
        }
    }

    /// The commit thread: commits what waits, publishes the node as it is then, and lets the effects out, until the door is
    /// closed or the disk fails. After a failure nothing is let out and nobody is told anything. Effects that make what readers look
    /// for beside the node are taken out by `remember` before the node is published: it is there when the node has it no more.
    pub(crate) fn serve<J: Journal + ?Sized>(
        &self,
        journal: &mut J,
        remember: impl Fn(&mut Vec<Effect>),
        mut let_out: impl FnMut(Vec<Effect>),
    ) -> Result<(), JournalError> {
        while let Some(Taken { step, after, node }) = self.take() {
            let mut effects = step.commit(journal).inspect_err(|_| self.close())?;
            remember(&mut effects);
            // Before anybody is answered: who then reads sees what was done.
            node.into_iter().for_each(|node| self.published.set(node));
            let_out(effects);
            self.committed();
            // Who does not wait any more is not told.
            for waiting in after {
                let _ = waiting.send(());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use astrape_node::{
        Command, CommandId, Config, Entry, Input, JournalError, Key, PastRequest, RequestId, RetiredHtlc,
        SeenOnion, Writes,
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
        fn past_request(&self, id: &RequestId) -> Result<Option<PastRequest>, JournalError> {
            self.memory.past_request(id)
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

    fn door_and_node() -> (Door, Node) {
        let empty = MemoryJournal::new();
        let (node, _) = Node::restore(Config::new(id(), Network::Regtest), &empty).expect("it is empty");
        (Door::new(Published::new(&node)), node)
    }

    fn hash(n: u32) -> bitcoin::BlockHash {
        bitcoin::hashes::Hash::hash(&n.to_be_bytes())
    }

    fn push(door: &Door, node: &mut Node, n: u64) -> Result<(), Closed> {
        let step = step(node, n);
        door.push(step, Vec::new(), Arc::new(node.clone()))
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
        let (door, mut node) = door_and_node();
        let (go, may_commit) = mpsc::channel();
        let mut disk = SlowDisk { memory: MemoryJournal::new(), may_commit, steps: Vec::new() };
        let known = |node: &Node| node.known_peers().next().map(|(_, known)| known.addresses.len());
        let out = std::thread::scope(|scope| {
            let serving = scope.spawn(|| {
                let mut out = Vec::new();
                let let_out = |effects: Vec<Effect>| out.extend(answered(&effects));
                door.serve(&mut disk, |_| {}, let_out).expect("the disk is well");
                out
            });
            push(&door, &mut node, 0).expect("it is open");
            // Until the first is in hand, the others would be merged with it.
            while door.lock().in_hand == 0 {
                std::thread::yield_now();
            }
            for n in 1..10 {
                push(&door, &mut node, n).expect("it is open");
            }
            assert_eq!(known(&door.published.get()), None, "what a reader saw could still be lost");
            door.close();
            (0..2).for_each(|_| go.send(()).expect("the disk waits"));
            serving.join().expect("no panic")
        });
        assert_eq!(out, (0..10).collect::<Vec<_>>());
        assert_eq!(disk.steps, [1, 9], "one commit for all that waited");
        assert_eq!(known(&door.published.get()), known(&node));
    }

    #[test]
    fn a_step_for_which_nobody_waits_is_committed_with_the_next_or_a_moment_later() {
        let (door, mut node) = door_and_node();
        let mut disk = MemoryJournal::new();
        let quiet = |node: &mut Node, n| {
            let block = astrape_primitives::BlockId { height: astrape_primitives::Height(n), hash: hash(n) };
            let event = astrape_primitives::ChainEvent::Connected {
                block,
                previous: hash(n - 1),
                time: 0,
                matched: Vec::new(),
            };
            let input = Input::Chain(astrape_node::ChainInput::Event(event));
            node.step(Timestamp(u64::from(n)), Entropy::new([1; 32]), input)
        };
        let one = quiet(&mut node, 1);
        assert!(!one.writes().is_empty() && one.sealed_len() == 0, "it writes and says nothing");
        door.push(one, Vec::new(), Arc::new(node.clone())).expect("it is open");
        {
            let mut waiting = door.lock();
            assert!(!waiting.is_urgent());
            // As if it had come a moment later: this thread may have been held up for as long as a step may wait.
            let later = Instant::now() + Duration::from_secs(60);
            assert!(waiting.since.replace(later).is_some_and(|since| since < later), "it has its time");
            assert_eq!(waiting.rest(), Some(MAX_WAIT), "and may wait");
            waiting.since = Some(Instant::now());
            assert!(waiting.rest().is_some_and(|rest| rest <= MAX_WAIT));
        }
        // Alone it is committed all the same, by a thread that slept when it came.
        std::thread::scope(|scope| {
            let serving = scope.spawn(|| door.serve(&mut disk, |_| {}, |_| {}));
            while door.published.get().height() < astrape_primitives::Height(1) {
                std::thread::yield_now();
            }
            while door.lock().commit_sleep != Sleep::Deeply {
                std::thread::yield_now();
            }
            door.push(quiet(&mut node, 2), Vec::new(), Arc::new(node.clone())).expect("it is open");
            while door.published.get().height() < astrape_primitives::Height(2) {
                std::thread::yield_now();
            }
            door.close();
            serving.join().expect("no panic").expect("the disk is well");
        });
        door.lock().closed = false;
        door.push(quiet(&mut node, 3), Vec::new(), Arc::new(node.clone())).expect("it is open");
        push(&door, &mut node, 2).expect("it is open");
        assert_eq!(door.lock().rest(), Some(Duration::ZERO));
        door.close();
        let mut out = Vec::new();
        let remember = |effects: &mut Vec<Effect>| {
            assert_eq!(answered(effects), [2]);
            assert_eq!(
                door.published.get().height(),
                astrape_primitives::Height(2),
                "it is remembered first"
            );
        };
        let let_out = |effects: Vec<Effect>| out.extend(answered(&effects));
        door.serve(&mut disk, remember, let_out).expect("the disk is well");
        assert_eq!(out, [2]);
        assert_eq!(door.published.get().height(), astrape_primitives::Height(3));
    }

    #[test]
    fn a_disk_that_fails_lets_nothing_out_and_closes_the_door() {
        let (door, mut node) = door_and_node();
        let mut disk = MemoryJournal::new();
        disk.crash_after(0);
        let (asking, mut done) = oneshot::channel();
        door.push(step(&mut node, 0), vec![asking], Arc::new(node.clone())).expect("it is open");
        let served = door.serve(
            &mut disk,
            |_| panic!("nothing may be remembered"),
            |_| panic!("nothing may be let out"),
        );
        assert!(served.is_err());
        assert_eq!(push(&door, &mut node, 1), Err(Closed));
        drop(door);
        assert!(done.try_recv().is_err(), "nobody is told that it is done");
    }

    #[test]
    fn the_core_runs_ahead_of_the_disk_by_a_bound() {
        let (door, mut node) = door_and_node();
        for n in 0..MAX_UNCOMMITTED as u64 {
            push(&door, &mut node, n).expect("it is open");
        }
        std::thread::scope(|scope| {
            let pushing = scope.spawn(|| push(&door, &mut node, 0));
            std::thread::sleep(Duration::from_millis(50));
            assert!(!pushing.is_finished(), "it waits for the disk");
            assert_eq!(door.lock().queued, MAX_UNCOMMITTED);
            drop(door.take().expect("there is much to commit"));
            door.committed();
            assert_eq!(pushing.join().expect("no panic"), Ok(()));
        });
    }
}
