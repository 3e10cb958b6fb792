//! The core's thread: takes inputs in their order, one step each, and hands the steps to the door.

use super::clock;
use super::door::{After, Door};
use astrape_node::{Input, Node, Step};
use astrape_primitives::Entropy;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

/// Inputs that wait for the core. What exceeds it waits where it comes from: in the sockets of peers, in the calls of users.
pub(crate) const MAX_QUEUED: usize = 1_024;

/// The engine stops: nothing is taken any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the node is stopping")]
pub struct Stopped;

/// What the core's thread is asked.
pub(crate) enum Request {
    /// Make a step.
    Step {
        input: Input,
        /// Given back once the step is made: how much one peer may have waiting.
        allowance: Option<OwnedSemaphorePermit>,
        /// Told once what the step led to is out.
        settled: Option<oneshot::Sender<()>>,
    },
    /// Give the node as it is, once it is durable.
    Snapshot(oneshot::Sender<Arc<Node>>),
    /// All before this, and no more.
    Stop,
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
        self.send(Request::Step { input, allowance: None, settled: None }).await
    }

    /// Queues an input of a peer, with its allowance.
    pub(crate) async fn allowed(&self, input: Input, allowance: OwnedSemaphorePermit) -> Result<(), Stopped> {
        self.send(Request::Step { input, allowance: Some(allowance), settled: None }).await
    }

    /// Queues an input and waits until its step is durable and its effects are out.
    pub(crate) async fn settled(&self, input: Input) -> Result<(), Stopped> {
        let (settled, done) = oneshot::channel();
        self.send(Request::Step { input, allowance: None, settled: Some(settled) }).await?;
        done.await.map_err(|_| Stopped)
    }

    /// Queues an input if there is room: for what comes again anyway.
    pub(crate) fn try_input(&self, input: Input) {
        drop(self.0.try_send(Request::Step { input, allowance: None, settled: None }));
    }

    pub(crate) async fn snapshot(&self) -> Result<Arc<Node>, Stopped> {
        let (asking, answer) = oneshot::channel();
        self.send(Request::Snapshot(asking)).await?;
        answer.await.map_err(|_| Stopped)
    }

    pub(crate) async fn stop(&self) {
        let _ = self.send(Request::Stop).await;
    }

    async fn send(&self, request: Request) -> Result<(), Stopped> {
        self.0.send(request).await.map_err(|_| Stopped)
    }
}

/// The thread's work. Ends when it is told to stop, or when the door is closed because the disk failed.
pub(crate) fn run(mut node: Node, mut requests: mpsc::Receiver<Request>, door: &Door) {
    let mut snapshot: Option<Arc<Node>> = None;
    while let Some(request) = requests.blocking_recv() {
        let pushed = match request {
            Request::Step { input, allowance, settled } => {
                snapshot = None;
                let step = node.step(clock::now(), Entropy::new(clock::fresh32()), input);
                drop(allowance);
                door.push(step, settled.map(After::Done))
            }
            Request::Snapshot(asking) => {
                let node = snapshot.get_or_insert_with(|| Arc::new(node.clone()));
                door.push(Step::default(), Some(After::Snapshot(asking, Arc::clone(node))))
            }
            Request::Stop => break,
        };
        if pushed.is_err() {
            break;
        }
    }
    door.close();
}
