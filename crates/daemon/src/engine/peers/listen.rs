//! Connections that others open.

use super::connection::{self, Origin};
use super::shake;
use crate::engine::Shared;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// Handshakes of others that may be under way: each holds a socket and some hundred bytes until its deadline. Further ones
/// wait in the kernel.
pub(crate) const MAX_HANDSHAKES: usize = 128;

/// Pause after an accept that failed, for example because there are too many open files.
const PAUSE: Duration = Duration::from_millis(200);

/// Accepts connections until the engine stops.
pub(crate) async fn listen(shared: Arc<Shared>, listener: TcpListener, handshakes: Arc<Semaphore>) {
    loop {
        let next = async {
            let permit = Arc::clone(&handshakes).acquire_owned().await;
            listener.accept().await.map(|accepted| (accepted, permit))
        };
        let accepted = tokio::select! {
            accepted = next => accepted,
            () = shared.shutdown.begun() => return,
        };
        let ((stream, address), permit) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            match welcome(&shared, stream, address, permit).await {
                Ok(()) => {}
                Err(reason) => tracing::debug!(%address, %reason, "not connected"),
            }
        });
    }
}

/// Shakes hands with who came, and runs the connection. The permit is for the handshake alone.
async fn welcome<P>(
    shared: &Arc<Shared>,
    stream: TcpStream,
    address: SocketAddr,
    permit: P,
) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let (mut reader, mut writer) = stream.into_split();
    let secured = shake::respond((&mut reader, &mut writer), &*shared.signer).await?;
    drop(permit);
    let origin = Origin { inbound: true, address: address.to_string(), accepted_from: Some(address) };
    connection::run(Arc::clone(shared), (reader, writer), secured, origin, None).await?;
    Ok(())
}
