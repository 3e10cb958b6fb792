//! Connections that others open.

use super::connection::{self, Origin};
use super::handshakes::{Handshakes, Ticket};
use super::shake;
use crate::engine::Shared;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

/// Pause after an accept that failed, for example because there are too many open files.
const PAUSE: Duration = Duration::from_millis(200);

/// Accepts connections until the engine stops.
pub(crate) async fn listen(shared: Arc<Shared>, listener: TcpListener, handshakes: Arc<Handshakes>) {
    loop {
        let next = async {
            let (stream, address) = listener.accept().await?;
            Ok::<_, std::io::Error>((stream, address, handshakes.begin(address.ip()).await))
        };
        let accepted = tokio::select! {
            accepted = next => accepted,
            () = shared.shutdown.begun() => return,
        };
        let (stream, address, ticket) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            match welcome(&shared, stream, address, ticket).await {
                Ok(()) => {}
                Err(reason) => tracing::debug!(%address, %reason, "not connected"),
            }
        });
    }
}

/// Shakes hands with who came, and runs the connection. The ticket is for the handshake alone.
async fn welcome(
    shared: &Arc<Shared>,
    stream: TcpStream,
    address: SocketAddr,
    ticket: Ticket,
) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let (mut reader, mut writer) = stream.into_split();
    let secured = tokio::select! {
        secured = shake::respond((&mut reader, &mut writer), &*shared.signer, || ticket.has_spoken()) => secured?,
        () = ticket.gives_way() => anyhow::bail!("others needed the place of its handshake"),
    };
    drop(ticket);
    let origin = Origin { inbound: true, address: address.to_string(), accepted_from: Some(address) };
    connection::run(Arc::clone(shared), (reader, writer), secured, origin, None).await?;
    Ok(())
}
