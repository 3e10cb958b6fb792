//! One connection from the end of its handshake to its own end.

use super::link::Link;
use super::reader::{End, Reader};
use super::{NotTaken, writer};
use crate::engine::{Shared, clock};
use astrape_node::{Input, PeerEvent};
use astrape_transport::{Secured, Session};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;

/// How long the writer may take for last words.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Where a connection came from.
pub(crate) struct Origin {
    /// Whether the peer opened it.
    pub(crate) inbound: bool,
    /// The other end, as `host:port`.
    pub(crate) address: String,
    /// The other end of an incoming connection, which `init` tells the peer.
    pub(crate) accepted_from: Option<SocketAddr>,
}

/// Runs a connection to its end. `waiting` is told when it is up.
pub(crate) async fn run<R, W>(
    shared: Arc<Shared>,
    (reader, writer): (R, W),
    secured: Secured,
    origin: Origin,
    waiting: Option<oneshot::Sender<()>>,
) -> Result<(), NotTaken>
where
    R: AsyncRead + Unpin + Send + 'static,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let Secured { remote, encryptor, decryptor } = secured;
    let (link, queue) = Link::new(remote, origin.inbound, origin.address);
    shared.peers.claim(&link).await?;
    let (session, init) =
        Session::start(shared.local_init.clone(), origin.accepted_from, clock::fresh32(), clock::now());
    let writing = tokio::spawn(writer::run(Arc::clone(&shared), Arc::clone(&link), writer, encryptor, queue));
    let mut reader = Reader::new(Arc::clone(&shared), Arc::clone(&link), reader, decryptor, session, waiting);
    // A task of its own, so that not even a panic leaves the peer's place taken.
    let mut reading = tokio::spawn(async move { reader.run(init).await });
    let end = tokio::select! {
        end = &mut reading => end.unwrap_or(End::Panic),
        () = link.gone.raised() => {
            reading.abort();
            reading.await.unwrap_or(End::Ours)
        }
    };
    finish(&shared, &link, writing, &end).await;
    Ok(())
}

/// Lets the writer end, tells the core, and frees the peer's place.
async fn finish(shared: &Shared, link: &Link, mut writing: tokio::task::JoinHandle<()>, end: &End) {
    tracing::info!(peer = %link.peer, reason = %end, "disconnected");
    shared.gossip.disconnected(link);
    if let End::Journal(error) = end {
        shared.shutdown.fail(error);
    }
    let has_last_words = matches!(end, End::Session(_));
    let waiting = if has_last_words { LAST_WORDS } else { Duration::ZERO };
    let written = match tokio::time::timeout(waiting, &mut writing).await {
        Ok(written) => written,
        Err(_) => {
            link.gone.raise();
            // It ends as soon as what is being signed is signed: nothing of this connection is signed after its end.
            writing.await
        }
    };
    if let Err(error) = written {
        shared.shutdown.fail(format_args!("a peer's writer panicked: {error}"));
    }
    if link.may_be_known() {
        let down = Input::Peer { peer: link.peer, event: PeerEvent::Down };
        // When the core has stopped, everybody is disconnected anyway.
        let _ = shared.core.settled(down).await;
    }
    shared.peers.release(link);
}
