//! The half of a connection that reads. It reads no faster than the core takes: what exceeds the peer's allowance waits in
//! the peer's own socket.

use super::link::{Link, WriterGone};
use super::prepare::{Heard, is_for_core, prepare};
use crate::engine::core::Stopped;
use crate::engine::gossip::GossipEngine;
use crate::engine::{Shared, clock};
use astrape_node::{Input, PeerEvent};
use astrape_primitives::Timestamp;
use astrape_transport::{Action, Decryptor, DisconnectReason, Session, TransportError};
use astrape_wire::{Message, printable};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::{Semaphore, oneshot};

/// Messages of one peer that may wait for the core: enough to keep it busy, and a small part of its queue, so that a peer
/// which floods us waits behind itself.
pub(crate) const MAX_PEER_QUEUED: usize = 64;

/// Messages that are handed to the core together, when so many are there: while it takes them, the next are prepared.
pub(crate) const MAX_TOGETHER: usize = 32;

/// How long to sleep where the session has nothing to wait for.
const IDLE_MILLIS: u64 = 60_000;

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum End {
    #[error("the peer closed the connection")]
    Closed,
    #[error("the connection broke: {0}")]
    Socket(#[from] std::io::Error),
    #[error(transparent)]
    Transport(#[from] TransportError),
    #[error("{0}")]
    Session(DisconnectReason),
    #[error("this node ended it")]
    Ours,
    #[error("reading panicked: please report it")]
    Panic,
    #[error(transparent)]
    Stopped(#[from] Stopped),
    #[error(transparent)]
    Journal(#[from] astrape_node::JournalError),
}

impl From<WriterGone> for End {
    fn from(WriterGone: WriterGone) -> Self {
        End::Ours
    }
}

/// The half that reads.
pub(crate) struct Reader<R> {
    shared: Arc<Shared>,
    link: Arc<Link>,
    socket: R,
    decryptor: Decryptor,
    session: Session,
    allowance: Arc<Semaphore>,
    /// Not handed to the core yet.
    heard: Vec<Heard>,
    /// The core waits for a sign of life.
    is_probed: bool,
    /// Who waits for the connection to be up.
    waiting: Option<oneshot::Sender<()>>,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    pub(crate) fn new(
        shared: Arc<Shared>,
        link: Arc<Link>,
        socket: R,
        decryptor: Decryptor,
        session: Session,
        waiting: Option<oneshot::Sender<()>>,
    ) -> Self {
        let allowance = Arc::new(Semaphore::new(MAX_PEER_QUEUED));
        Self {
            shared,
            link,
            socket,
            decryptor,
            session,
            allowance,
            heard: Vec::new(),
            is_probed: false,
            waiting,
        }
    }

    /// Says our `init`, then reads until the connection ends, and tells why it did.
    pub(crate) async fn run(&mut self, init: Message) -> End {
        if let Err(gone) = self.link.answer(init).await {
            return gone.into();
        }
        loop {
            if let Err(end) = self.turn().await {
                // What came before the end was said all the same: the peer counts it as heard.
                return match self.hand_over().await {
                    Ok(()) => end,
                    Err(sooner) => sooner,
                };
            }
        }
    }

    /// Takes all messages that are there, then waits for whatever comes first.
    async fn turn(&mut self) -> Result<(), End> {
        while let Some(bytes) = self.decryptor.next_message()? {
            let action = self.session.receive(bytes, clock::now());
            if std::mem::take(&mut self.is_probed) {
                self.hear(Heard::Event(PeerEvent::Heard)).await?;
            }
            self.act(action).await?;
        }
        self.hand_over().await?;
        let wake_at = self.session.wake_at().unwrap_or(Timestamp(clock::now().0.saturating_add(IDLE_MILLIS)));
        tokio::select! {
            count = self.socket.read(self.decryptor.spare()) => match count? {
                0 => Err(End::Closed),
                count => { self.decryptor.filled(count); Ok(()) }
            },
            () = self.link.probe.notified() => {
                self.is_probed = true;
                let ping = self.session.probe(clock::now());
                self.act(ping).await
            }
            () = tokio::time::sleep(clock::until(wake_at)) => {
                let due = self.session.tick(clock::now());
                self.act(due).await
            }
        }
    }

    async fn act(&mut self, action: Option<Action>) -> Result<(), End> {
        match action {
            None => Ok(()),
            Some(Action::Send(message)) => Ok(self.link.answer(message).await?),
            Some(Action::Up(init)) => {
                tracing::info!(peer = %self.link.peer, address = %self.link.address, "connected");
                self.link.set_rising();
                let features = init.features;
                self.hear(Heard::Event(PeerEvent::Up { features: features.clone() })).await?;
                self.hand_over().await?;
                self.link.set_up();
                GossipEngine::connected(&self.shared, &self.link, &features);
                // Who asked for the connection may be gone.
                self.waiting.take().map(|waiting| waiting.send(()));
                Ok(())
            }
            Some(Action::Deliver(message)) => self.deliver(message).await,
            Some(Action::Disconnect { reason, warning }) => {
                if let Some(warning) = warning {
                    self.link.answer(warning).await?;
                }
                self.link.close();
                Err(End::Session(reason))
            }
        }
    }

    async fn deliver(&mut self, message: Message) -> Result<(), End> {
        match &message {
            Message::Error(error) => {
                tracing::warn!(peer = %self.link.peer, channel = %error.channel_id, text = %printable(&error.data), "the peer sent an error");
            }
            Message::Warning(warning) => {
                tracing::warn!(peer = %self.link.peer, channel = %warning.channel_id, text = %printable(&warning.data), "the peer sent a warning");
            }
            message => tracing::trace!(peer = %self.link.peer, message = message.name(), "received"),
        }
        let Some(message) = self.shared.gossip.take(&self.shared.published, self.link.peer, message) else {
            return Ok(());
        };
        if is_for_core(&message) { self.hear(Heard::Message(message)).await } else { Ok(()) }
    }

    /// Notes something for the core.
    async fn hear(&mut self, heard: Heard) -> Result<(), End> {
        self.heard.push(heard);
        if self.heard.len() < MAX_TOGETHER { Ok(()) } else { self.hand_over().await }
    }

    /// Prepares what was heard and hands it to the core, once the peer's allowance has room for it.
    async fn hand_over(&mut self) -> Result<(), End> {
        let Some(count) = u32::try_from(self.heard.len()).ok().filter(|count| *count > 0) else {
            return Ok(());
        };
        let heard = std::mem::take(&mut self.heard);
        let events = prepare(heard, &*self.shared.signer, &self.shared.lookups)?;
        let peer = self.link.peer;
        let inputs = events.into_iter().map(|event| Input::Peer { peer, event }).collect();
        let allowance = Arc::clone(&self.allowance).acquire_many_owned(count).await.map_err(|_| Stopped)?;
        Ok(self.shared.core.allowed(inputs, allowance).await?)
    }
}
