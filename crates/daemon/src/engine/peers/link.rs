//! What the rest of the engine holds of a connection: a bounded queue of what is to be said, and ways to end it.

use crate::engine::signal::Signal;
use astrape_node::Speech;
use astrape_primitives::NodeId;
use astrape_wire::Message;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};

/// What may wait to be said to one peer: several full commitments' worth of messages. A peer for which more waits does not
/// read, and is disconnected; what it missed is told when it comes back.
pub(crate) const MAX_UNSAID: usize = 4_096;

/// Answers of the session (pongs, of up to 64 KiB each) that wait to be sent. While they do, the peer is not read from.
const MAX_ANSWERS: usize = 4;

/// Messages of gossip that wait to be sent: what the core says meanwhile waits behind some tens of kilobytes at most.
const MAX_GOSSIP: usize = 64;

/// The core is being told of the connection.
const RISING: u8 = 1;
/// The core was told.
const UP: u8 = 2;

/// One thing for the writer to do.
pub(crate) enum ToPeer {
    /// Say what the core wants said.
    Speech(Box<Speech>),
    /// Say what the session wants said.
    Session(Message, OwnedSemaphorePermit),
    /// Say what the gossip wants said, encoded already.
    Gossip(Arc<[u8]>, OwnedSemaphorePermit),
    /// Say what is before this, then close.
    Close,
}

/// One connection.
pub(crate) struct Link {
    /// Tells it from earlier ones with the same peer.
    pub(crate) id: u64,
    pub(crate) peer: NodeId,
    /// Whether the peer opened it.
    pub(crate) inbound: bool,
    /// The other end, as `host:port`.
    pub(crate) address: String,
    /// It shall end now.
    pub(crate) gone: Signal,
    /// It has ended, and the core has taken note.
    pub(crate) over: Signal,
    /// The core wants a sign of life.
    pub(crate) probe: Notify,
    state: AtomicU8,
    unsaid: mpsc::Sender<ToPeer>,
    answers: Arc<Semaphore>,
    gossip: Arc<Semaphore>,
}

impl Link {
    /// A connection, and what its writer reads from.
    pub(crate) fn new(peer: NodeId, inbound: bool, address: String) -> (Arc<Self>, mpsc::Receiver<ToPeer>) {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let (unsaid, to_say) = mpsc::channel(MAX_UNSAID);
        let link = Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            peer,
            inbound,
            address,
            gone: Signal::new(),
            over: Signal::new(),
            probe: Notify::new(),
            state: AtomicU8::new(0),
            unsaid,
            answers: Arc::new(Semaphore::new(MAX_ANSWERS)),
            gossip: Arc::new(Semaphore::new(MAX_GOSSIP)),
        };
        (Arc::new(link), to_say)
    }

    /// Whether the core has been told of it and it is not ending.
    pub(crate) fn is_up(&self) -> bool {
        self.state.load(Ordering::Acquire) == UP && !self.gone.is_raised()
    }

    /// Whether the core was told of it, or was about to be.
    pub(crate) fn may_be_known(&self) -> bool {
        self.state.load(Ordering::Acquire) >= RISING
    }

    /// `init` was exchanged: the core will be told now.
    pub(crate) fn set_rising(&self) {
        self.state.store(RISING, Ordering::Release);
    }

    /// The core has been told.
    pub(crate) fn set_up(&self) {
        self.state.store(UP, Ordering::Release);
    }

    /// Says something of the core's, never waiting: a peer that does not read is disconnected.
    pub(crate) fn say(&self, speech: Speech) {
        match speech {
            Speech::Probe => self.probe.notify_one(),
            speech => self.queue(ToPeer::Speech(Box::new(speech))),
        }
    }

    /// Closes the connection after what was said before.
    pub(crate) fn close(&self) {
        self.queue(ToPeer::Close);
    }

    fn queue(&self, item: ToPeer) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.unsaid.try_send(item) {
            tracing::warn!(peer = %self.peer, "the peer does not read what is sent: disconnecting");
            self.gone.raise();
        }
    }

    /// Says something of the session's; waits while the peer does not read. Fails when the writer has ended.
    pub(crate) async fn answer(&self, message: Message) -> Result<(), WriterGone> {
        let permit = Arc::clone(&self.answers).acquire_owned().await.map_err(|_| WriterGone)?;
        self.unsaid.send(ToPeer::Session(message, permit)).await.map_err(|_| WriterGone)
    }

    /// Says something of the gossip's, type and all; waits while the peer does not read. Fails when the writer has ended.
    pub(crate) async fn gossip(&self, bytes: Arc<[u8]>) -> Result<(), WriterGone> {
        let permit = Arc::clone(&self.gossip).acquire_owned().await.map_err(|_| WriterGone)?;
        self.unsaid.send(ToPeer::Gossip(bytes, permit)).await.map_err(|_| WriterGone)
    }

    /// How much waits to be said.
    #[cfg(test)]
    pub(crate) fn unsaid(&self) -> usize {
        MAX_UNSAID - self.unsaid.capacity()
    }
}

/// Nobody writes to the peer any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WriterGone;

#[cfg(test)]
mod tests {
    use super::*;
    use astrape_wire::Pong;

    fn link() -> (Arc<Link>, mpsc::Receiver<ToPeer>) {
        let peer =
            "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798".parse().expect("a point");
        Link::new(peer, true, "somewhere".into())
    }

    fn pong() -> Message {
        Message::Pong(Pong { ignored: vec![0; 60_000] })
    }

    // attack 63: a peer that does not read costs no more than its queue.
    #[test]
    fn a_peer_for_which_too_much_waits_is_disconnected() {
        let (link, _queue) = link();
        for _ in 0..MAX_UNSAID {
            link.say(Speech::Plain(pong()));
        }
        assert!(!link.gone.is_raised());
        link.say(Speech::Plain(pong()));
        assert!(link.gone.is_raised());
        assert_eq!(link.unsaid(), MAX_UNSAID);
    }

    #[tokio::test]
    async fn answers_wait_for_those_before_them() {
        let (link, mut queue) = link();
        for _ in 0..MAX_ANSWERS {
            link.answer(pong()).await.expect("there is room");
        }
        let further = tokio::time::timeout(std::time::Duration::from_millis(50), link.answer(pong())).await;
        assert!(further.is_err(), "the peer is not read from meanwhile");
        drop(queue.recv().await);
        link.answer(pong()).await.expect("there is room again");
        assert_eq!(link.unsaid(), MAX_ANSWERS);
    }
}
