//! The core's thread: takes inputs in their order, one step each, and hands the steps to the door, those that came
//! together as one.

use super::clock;
use super::door::{After, Closed, Door};
use super::peers::reader::MAX_TOGETHER;
use astrape_node::{Input, Node, Proposals, Step};
use astrape_primitives::Entropy;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle as Runtime;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::timeout;

/// Inputs that wait for the core. What exceeds it waits where it comes from: in the sockets of peers, in the calls of users.
pub(crate) const MAX_QUEUED: usize = 1_024;

const _: () = assert!(MAX_QUEUED * MAX_TOGETHER <= astrape_node::MAX_WAITING_INPUTS);

/// The engine stops: nothing is taken any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the node is stopping")]
pub struct Stopped;

/// Requests that are taken from the queue at once.
const MAX_BATCH: usize = 64;

/// Steps that are handed to the door together.
const MAX_MERGED: usize = 512;

/// How long steps may wait for those that follow them, while there are any, before they are handed to the door.
const MAX_HELD: Duration = Duration::from_millis(3);

/// What the core's thread is asked.
pub(crate) enum Request {
    /// Make a step of each input.
    Steps {
        inputs: Inputs,
        /// Given back once the steps are made: how much one peer may have waiting.
        allowance: Option<OwnedSemaphorePermit>,
        /// Told once what the steps led to is out.
        settled: Option<oneshot::Sender<()>>,
    },
    /// All before this, and no more.
    Stop,
}

impl Request {
    /// How many inputs it brings.
    fn inputs(&self) -> usize {
        match self {
            Request::Steps { inputs: Inputs::One(_), .. } => 1,
            Request::Steps { inputs: Inputs::Several(inputs), .. } => inputs.len(),
            Request::Stop => 0,
        }
    }
}

/// One input, or several in their order.
pub(crate) enum Inputs {
    One(Box<Input>),
    Several(Vec<Input>),
}

/// The way to the core.
#[derive(Clone)]
pub(crate) struct CoreSender(mpsc::Sender<Request>);

impl CoreSender {
    pub(crate) fn new() -> (Self, mpsc::Receiver<Request>) {
        let (sender, receiver) = mpsc::channel(MAX_QUEUED);
        (Self(sender), receiver)
    }

    /// Queues an input, waiting for room.
    pub(crate) async fn input(&self, input: Input) -> Result<(), Stopped> {
        self.send(steps(input, None)).await
    }

    /// Queues inputs of a peer, with their allowance.
    pub(crate) async fn allowed(
        &self,
        inputs: Vec<Input>,
        allowance: OwnedSemaphorePermit,
    ) -> Result<(), Stopped> {
        let inputs = Inputs::Several(inputs);
        self.send(Request::Steps { inputs, allowance: Some(allowance), settled: None }).await
    }

    /// Queues an input and waits until its step is durable and its effects are out.
    pub(crate) async fn settled(&self, input: Input) -> Result<(), Stopped> {
        let (settled, done) = oneshot::channel();
        self.send(steps(input, Some(settled))).await?;
        done.await.map_err(|_| Stopped)
    }

    /// The same for several, which are durable together and seen together.
    pub(crate) async fn all_settled(&self, inputs: Vec<Input>) -> Result<(), Stopped> {
        let (settled, done) = oneshot::channel();
        let inputs = Inputs::Several(inputs);
        self.send(Request::Steps { inputs, allowance: None, settled: Some(settled) }).await?;
        done.await.map_err(|_| Stopped)
    }

    /// Queues an input if there is room: for what comes again anyway.
    pub(crate) fn try_input(&self, input: Input) {
        drop(self.0.try_send(steps(input, None)));
    }

    pub(crate) async fn stop(&self) {
        let _ = self.send(Request::Stop).await;
    }

    async fn send(&self, request: Request) -> Result<(), Stopped> {
        self.0.send(request).await.map_err(|_| Stopped)
    }
}

fn steps(input: Input, settled: Option<oneshot::Sender<()>>) -> Request {
    Request::Steps { inputs: Inputs::One(Box::new(input)), allowance: None, settled }
}

/// Steps on their way to the door.
#[derive(Default)]
struct Held {
    step: Step,
    after: Vec<After>,
    since: Option<Instant>,
}

impl Held {
    fn add(&mut self, step: Step) {
        self.step = std::mem::take(&mut self.step).then(step);
        self.since.get_or_insert_with(Instant::now);
    }

    fn is_due(&self) -> bool {
        let long = self.since.is_some_and(|since| since.elapsed() >= MAX_HELD);
        long || self.step.writes().steps() >= MAX_MERGED as u64
    }

    /// Hands over what is held, if anything is.
    fn push(&mut self, node: &Node, door: &Door) -> Result<(), Closed> {
        let Held { step, after, since } = std::mem::take(self);
        if since.is_none() { Ok(()) } else { door.push(step, after, Arc::new(node.clone())) }
    }
}

/// The thread's work. Ends when it is told to stop, or when the door is closed because the disk failed.
pub(crate) fn run(mut node: Node, mut requests: mpsc::Receiver<Request>, door: &Door, runtime: &Runtime) {
    let (mut batch, mut held) = (Vec::with_capacity(MAX_BATCH), Held::default());
    while receive(&mut requests, &mut batch, &node, runtime) > 0 {
        if take(&mut batch, &mut node, &mut held, door).is_err() {
            break;
        }
        // As long as more is there, the next steps join these in one commit.
        if requests.is_empty() && held.push(&node, door).is_err() {
            break;
        }
    }
    door.close();
}

/// Waits for requests, but not beyond the time at which the core wants to look at what it held back.
fn receive(
    requests: &mut mpsc::Receiver<Request>,
    batch: &mut Vec<Request>,
    node: &Node,
    runtime: &Runtime,
) -> usize {
    let Some(due) = node.proposals_due() else {
        return requests.blocking_recv_many(batch, MAX_BATCH);
    };
    let most = Duration::from_millis(due.since(clock::now()));
    let received = runtime.block_on(async { timeout(most, requests.recv_many(batch, MAX_BATCH)).await });
    received.unwrap_or_else(|_| {
        batch.push(steps(Input::Moment, None));
        batch.len()
    })
}

/// Makes the steps of a batch. An error ends the work, for one reason or the other.
fn take(batch: &mut Vec<Request>, node: &mut Node, held: &mut Held, door: &Door) -> Result<(), Closed> {
    let mut left: usize = batch.iter().map(Request::inputs).sum();
    let mut entropy = clock::fresh(left).into_iter();
    for request in batch.drain(..) {
        let Request::Steps { inputs, allowance, settled } = request else {
            held.push(node, door)?;
            return Err(Closed);
        };
        let mut add = |input: Input| {
            left = left.saturating_sub(1);
            let proposals = if left > 0 { Proposals::Later } else { Proposals::WhenDue };
            let entropy = Entropy::new(entropy.next().expect("as many as inputs were drawn"));
            held.add(node.step_and_propose(clock::now(), entropy, input, proposals));
        };
        match inputs {
            Inputs::One(input) => add(*input),
            Inputs::Several(inputs) => inputs.into_iter().for_each(add),
        }
        drop(allowance);
        held.after.extend(settled);
        if held.is_due() {
            held.push(node, door)?;
        }
    }
    Ok(())
}
