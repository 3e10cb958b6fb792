//! Connections that this node opens.

use super::connection::{self, Origin};
use super::shake::{self, ShakeError};
use crate::engine::Shared;
use astrape_primitives::NodeId;
use astrape_transport::HandshakeError;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::oneshot;

/// How long to wait for the other end to accept.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a peer may take from the handshake until it is up: the session's own limit for `init`, and some.
const UP_TIMEOUT: Duration = Duration::from_secs(40);

/// Why there is no connection, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No `host:port`.
    #[error("`{0}` is no address: write it as host:port, such as 203.0.113.7:9735")]
    Address(String),
    /// Nobody has said where the peer is.
    #[error("no address of {0} is known: give it as ID@HOST:PORT")]
    NoAddress(NodeId),
    /// Our own node id.
    #[error("this is our own node id")]
    Ourselves,
    /// Nobody answers there.
    #[error("{address} cannot be reached: {reason}")]
    Unreachable {
        /// Where.
        address: String,
        /// Why.
        reason: String,
    },
    /// Somebody answers and hangs up: the handshake is for another key than its own.
    #[error(
        "{address} hung up during the handshake: another node than {peer} probably answers there; check the id"
    )]
    OtherNode {
        /// Where.
        address: String,
        /// Who was wanted.
        peer: NodeId,
    },
    /// Somebody answers, but not as this peer.
    #[error(transparent)]
    Shake(#[from] ShakeError),
    /// The connection ended before both sides had said who they are.
    #[error("the peer ended the connection before it was up: see the log")]
    Ended,
    /// The engine stops.
    #[error("the node is stopping")]
    Stopped,
}

/// What a dial has found out of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialled {
    /// The peer has shaken hands there.
    Reached,
    /// Nothing: the peer was connected before.
    NotTried,
}

/// Opens a connection and returns once it is up. Whoever is connected already stays so.
pub(crate) async fn dial(shared: &Arc<Shared>, peer: NodeId, address: &str) -> Result<Dialled, ConnectError> {
    if peer == shared.node_id {
        return Err(ConnectError::Ourselves);
    }
    let _turn = shared.peers.turn_to_dial(peer).await;
    if shared.peers.get(&peer).is_some_and(|link| link.is_up()) {
        return Ok(Dialled::NotTried);
    }
    // One of the peer's that is as good as up will do.
    if shared.peers.get(&peer).is_some_and(|link| link.is_rising())
        && wait_for_the_other(shared, &peer).await.is_ok()
    {
        return Ok(Dialled::NotTried);
    }
    if !address.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok()) {
        return Err(ConnectError::Address(astrape_wire::printable(address.as_bytes())));
    }
    let unreachable = |reason: String| ConnectError::Unreachable { address: address.to_owned(), reason };
    let stream = match tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
        Ok(connected) => connected.map_err(|error| unreachable(error.to_string()))?,
        Err(_) => return Err(unreachable("no answer in time".to_owned())),
    };
    // Messages are gathered before they are written; what is written shall leave at once.
    stream.set_nodelay(true).map_err(|error| unreachable(error.to_string()))?;
    let (mut reader, mut writer) = stream.into_split();
    let secured = shake::initiate((&mut reader, &mut writer), peer, &*shared.signer).await;
    let secured = secured.map_err(|error| match error {
        ShakeError::Handshake(HandshakeError::Closed { .. }) => {
            ConnectError::OtherNode { address: address.to_owned(), peer }
        }
        other => ConnectError::Shake(other),
    })?;
    let origin = Origin { inbound: false, address: address.to_owned(), accepted_from: None };
    let (rising, up) = oneshot::channel();
    let running = connection::run(Arc::clone(shared), (reader, writer), secured, origin, Some(rising));
    tokio::spawn(async move {
        if let Err(reason) = running.await {
            tracing::debug!(%peer, %reason, "not connected");
        }
    });
    match tokio::time::timeout(UP_TIMEOUT, up).await {
        Ok(Ok(())) => {}
        _ => wait_for_the_other(shared, &peer).await?,
    }
    Ok(Dialled::Reached)
}

/// Our connection gave way, perhaps to one that the peer opened at the same time: that one will do.
async fn wait_for_the_other(shared: &Arc<Shared>, peer: &NodeId) -> Result<(), ConnectError> {
    for _ in 0..40 {
        match shared.peers.get(peer) {
            Some(link) if link.is_up() => return Ok(()),
            Some(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            None => break,
        }
    }
    Err(if shared.shutdown.has_begun() { ConnectError::Stopped } else { ConnectError::Ended })
}
