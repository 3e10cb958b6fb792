//! What the rest of the engine holds of a connection: a bounded queue of what is to be said, and ways to end it.

use super::room::Room;
use crate::engine::signal::Signal;
use astrape_node::Speech;
use astrape_primitives::NodeId;
use astrape_wire::Message;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};

/// Answers of the session (pongs, of up to 64 KiB each) that wait to be sent. While they do, the peer is not read from.
const MAX_ANSWERS: usize = 4;

/// Gossip that waits to be sent, in bytes: what the core says meanwhile waits behind no more. The longest message fits.
const MAX_GOSSIP_BYTES: usize = 256 * 1024;

/// What a message of gossip counts at least: few are longer, and no more than 64 wait, which leaves the queue to the core.
const MIN_GOSSIP_BYTES: usize = MAX_GOSSIP_BYTES / 64;

/// The core is being told of the connection.
const RISING: u8 = 1;
/// The core was told.
const UP: u8 = 2;

/// One thing for the writer to do.
pub(crate) enum ToPeer {
    /// Say what the core wants said.
    Speech(Box<Speech>, OwnedSemaphorePermit),
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
    /// Each but the one [`ToPeer::Close`] holds a permit of what follows, which is what bounds it.
    unsaid: mpsc::UnboundedSender<ToPeer>,
    closes: AtomicBool,
    room: Room,
    answers: Arc<Semaphore>,
    gossip_bytes: Arc<Semaphore>,
}

impl Link {
    /// A connection, and what its writer reads from.
    pub(crate) fn new(
        peer: NodeId,
        inbound: bool,
        address: String,
    ) -> (Arc<Self>, mpsc::UnboundedReceiver<ToPeer>) {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let (unsaid, to_say) = mpsc::unbounded_channel();
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
            closes: AtomicBool::new(false),
            room: Room::new(),
            answers: Arc::new(Semaphore::new(MAX_ANSWERS)),
            gossip_bytes: Arc::new(Semaphore::new(MAX_GOSSIP_BYTES)),
        };
        (Arc::new(link), to_say)
    }

    /// Whether the core has been told of it and it is not ending.
    pub(crate) fn is_up(&self) -> bool {
        self.state.load(Ordering::Acquire) == UP && !self.gone.is_raised()
    }

    /// Whether the core is being told of it.
    pub(crate) fn is_rising(&self) -> bool {
        self.state.load(Ordering::Acquire) == RISING && !self.gone.is_raised()
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

    /// There are so many channels with the peer: what they have to say fits.
    pub(crate) fn make_room(&self, channels: usize) {
        self.room.grow(channels);
    }

    /// Says something of the core's, never waiting: a peer that does not read is disconnected.
    pub(crate) fn say(&self, speech: Speech) {
        match (&speech, self.room.take(&speech)) {
            (Speech::Probe, _) => self.probe.notify_one(),
            (_, Some(permit)) => self.queue(ToPeer::Speech(Box::new(speech), permit)),
            (_, None) => {
                tracing::warn!(peer = %self.peer, "the peer does not read what is sent: disconnecting");
                self.gone.raise();
            }
        }
    }

    /// Closes the connection after what was said before.
    pub(crate) fn close(&self) {
        if !self.closes.swap(true, Ordering::AcqRel) {
            self.queue(ToPeer::Close);
        }
    }

    fn queue(&self, item: ToPeer) {
        // When the writer has ended the connection is over.
        drop(self.unsaid.send(item));
    }

    /// Says something of the session's; waits while the peer does not read. Fails when the writer has ended.
    pub(crate) async fn answer(&self, message: Message) -> Result<(), WriterGone> {
        let permit = Arc::clone(&self.answers).acquire_owned().await.map_err(|_| WriterGone)?;
        self.unsaid.send(ToPeer::Session(message, permit)).map_err(|_| WriterGone)
    }

    /// Says something of the gossip's, type and all; waits while the peer does not read. Fails when the writer has ended.
    pub(crate) async fn gossip(&self, bytes: Arc<[u8]>) -> Result<(), WriterGone> {
        let counted = permits(bytes.len().clamp(MIN_GOSSIP_BYTES, MAX_GOSSIP_BYTES));
        let permit =
            Arc::clone(&self.gossip_bytes).acquire_many_owned(counted).await.map_err(|_| WriterGone)?;
        self.unsaid.send(ToPeer::Gossip(bytes, permit)).map_err(|_| WriterGone)
    }
}

fn permits(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("a message has 64 KiB at most")
}

/// Nobody writes to the peer any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WriterGone;

#[cfg(test)]
mod tests {
    use super::super::room::{USUAL_BYTES, USUAL_MESSAGES};
    use super::*;
    use astrape_wire::{Ping, Pong};
    use std::time::Duration;

    fn link() -> (Arc<Link>, mpsc::UnboundedReceiver<ToPeer>) {
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
        let (link, queue) = link();
        let short = || Speech::Plain(Message::Ping(Ping { num_pong_bytes: 0, ignored: vec![0; 1_500] }));
        for _ in 0..USUAL_MESSAGES {
            link.say(short());
        }
        assert!(!link.gone.is_raised());
        link.say(short());
        assert!(link.gone.is_raised());
        assert_eq!(queue.len(), USUAL_MESSAGES);
    }

    // attack 63
    #[tokio::test]
    async fn a_peer_for_which_few_long_messages_wait_is_disconnected_by_their_bytes() {
        let (link, mut queue) = link();
        let most = USUAL_MESSAGES * USUAL_BYTES / 60_000;
        for _ in 0..most {
            link.say(Speech::Plain(pong()));
        }
        assert!(!link.gone.is_raised() && most < USUAL_MESSAGES / 10);
        // What is written counts no more.
        drop(queue.recv().await);
        link.say(Speech::Plain(pong()));
        assert!(!link.gone.is_raised());
        link.say(Speech::Plain(pong()));
        assert!(link.gone.is_raised());
    }

    /// How much gossip of a length waits before there is no room.
    async fn waiting_gossip(length: usize) -> usize {
        let (link, queue) = link();
        let soon = Duration::from_millis(50);
        let message: Arc<[u8]> = vec![0; length].into();
        while tokio::time::timeout(soon, link.gossip(Arc::clone(&message))).await.is_ok() {}
        queue.len()
    }

    // attack 63
    #[tokio::test]
    async fn gossip_that_waits_is_bounded_by_its_bytes_and_leaves_the_queue_to_the_core() {
        assert_eq!(waiting_gossip(65_535).await, 4, "256 KiB of the longest");
        assert_eq!(waiting_gossip(430).await, 64);
    }

    #[tokio::test]
    async fn answers_wait_for_those_before_them() {
        let (link, mut queue) = link();
        for _ in 0..MAX_ANSWERS {
            link.answer(pong()).await.expect("there is room");
        }
        let further = tokio::time::timeout(Duration::from_millis(50), link.answer(pong())).await;
        assert!(further.is_err(), "the peer is not read from meanwhile");
        drop(queue.recv().await);
        link.answer(pong()).await.expect("there is room again");
        assert_eq!(queue.len(), MAX_ANSWERS);
    }
}
