//! What one peer asks for and is told, at its own pace: the next piece is looked up when the last is on its way, so that a
//! peer that does not read costs one piece (attack 62).

use crate::engine::Shared;
use crate::engine::peers::link::Link;
use astrape_routing::StoredAt;
use astrape_routing::gossip::serve::{Backlog, IdsAnswer, PIECE, Piece, RangeAnswer};
use astrape_routing::gossip::sync::Progress;
use astrape_routing::gossip::{Batch, Filter};
use astrape_wire::Message;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// What may wait for one peer: a few flushes, a query of each kind. What is more is not told; the peer may ask.
const MAX_TO_SERVE: usize = 64;

/// Pause after what a filter asked for was looked through, before the next filter of that peer is followed.
const BACKLOG_PAUSE: Duration = Duration::from_secs(3);

/// Something to tell a peer.
pub(super) enum ToServe {
    /// An answer.
    Ids(IdsAnswer),
    /// An answer.
    Range(RangeAnswer),
    /// What its newest filter lets through of what is known.
    Backlog,
    /// What was flushed, with its filter.
    Batch(Arc<Batch>, Filter),
    /// Something of ours.
    Own(Arc<[u8]>),
}

/// The task of one peer.
pub(super) struct Conversation {
    shared: Arc<Shared>,
    link: Arc<Link>,
    queue: mpsc::Receiver<ToServe>,
    /// When all that is known was last looked through for it.
    looked_through_at: Option<Instant>,
}

/// The peer is gone.
struct Over;

impl Conversation {
    pub(super) fn new(shared: Arc<Shared>, link: Arc<Link>) -> (Self, mpsc::Sender<ToServe>) {
        let (to_serve, queue) = mpsc::channel(MAX_TO_SERVE);
        (Self { shared, link, queue, looked_through_at: None }, to_serve)
    }

    /// Talks until the connection ends.
    pub(super) async fn run(mut self) {
        let link = Arc::clone(&self.link);
        tokio::select! {
            () = link.gone.raised() => {}
            () = async {
                while let Some(work) = self.queue.recv().await {
                    if self.serve(work).await.is_err() {
                        return;
                    }
                }
            } => {}
        }
    }

    async fn serve(&mut self, work: ToServe) -> Result<(), Over> {
        match work {
            ToServe::Own(bytes) => self.say(bytes).await,
            ToServe::Batch(batch, filter) => self.batch(&batch, filter).await,
            ToServe::Backlog => self.backlog().await,
            ToServe::Range(answer) => self.range(answer).await,
            ToServe::Ids(answer) => self.ids(answer).await,
        }
    }

    async fn batch(&self, batch: &Batch, filter: Filter) -> Result<(), Over> {
        let wanted = batch.iter().filter(|item| filter.passes(item, &self.link.peer));
        let places: Vec<StoredAt> = wanted.map(|item| item.stored).collect();
        for piece in places.chunks(PIECE) {
            self.stored(piece.to_vec()).await?;
        }
        Ok(())
    }

    /// Looks through all that is known for a peer, which costs more than the filter that asks for it: a newer filter ends it,
    /// and its turn comes after a pause.
    async fn backlog(&mut self) -> Result<(), Over> {
        let (shared, peer) = (Arc::clone(&self.shared), self.link.peer);
        let gossip = &shared.gossip;
        while let Some(filter) = gossip.take_backlog(&peer) {
            if let Some(at) = self.looked_through_at {
                tokio::time::sleep_until(at + BACKLOG_PAUSE).await;
            }
            let mut backlog = Backlog::new(filter);
            while !gossip.has_backlog(&peer) {
                let piece = backlog.next(&gossip.lock().gossip);
                let Some(piece) = piece else { break };
                self.stored(piece).await?;
                // A piece of which nothing is wanted has waited for nobody.
                tokio::task::yield_now().await;
            }
            self.looked_through_at = Some(Instant::now());
        }
        Ok(())
    }

    async fn range(&self, mut answer: RangeAnswer) -> Result<(), Over> {
        loop {
            let part = answer.next(&self.shared.gossip.lock().gossip);
            let Some(part) = part else { return Ok(()) };
            if part.sync_complete {
                self.shared.gossip.answered_in_full(&self.link.peer, |unanswered| &mut unanswered.range);
            }
            self.message(Message::ReplyChannelRange(part)).await?;
        }
    }

    async fn ids(&self, mut answer: IdsAnswer) -> Result<(), Over> {
        loop {
            let piece = {
                let state = self.shared.gossip.lock();
                let is_complete = state.sync.progress() == Progress::Complete;
                answer.next(&state.gossip, is_complete)
            };
            match piece {
                Some(Piece::Stored(places)) => self.stored(places).await?,
                Some(Piece::End(end)) => {
                    self.shared.gossip.answered_in_full(&self.link.peer, |unanswered| &mut unanswered.ids);
                    self.message(Message::ReplyShortChannelIdsEnd(end)).await?;
                }
                None => return Ok(()),
            }
        }
    }

    /// Reads messages from the log, on a thread that may block, and says them.
    async fn stored(&self, places: Vec<StoredAt>) -> Result<(), Over> {
        if places.is_empty() {
            return Ok(());
        }
        let shared = Arc::clone(&self.shared);
        let reading = move || shared.gossip.store.messages(&shared.gossip, &places);
        let messages = tokio::task::spawn_blocking(reading).await.map_err(|_| Over)?;
        for bytes in messages {
            self.say(bytes).await?;
        }
        Ok(())
    }

    async fn message(&self, message: Message) -> Result<(), Over> {
        let bytes = message.encode().map_err(|_| Over)?;
        self.say(bytes.into()).await
    }

    async fn say(&self, bytes: Arc<[u8]>) -> Result<(), Over> {
        self.link.gossip(bytes).await.map_err(|_| Over)
    }
}
