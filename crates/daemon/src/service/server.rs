//! The API on a socket: TLS, the token, limits.

use super::NodeService;
use super::connections::{self, Admit};
use crate::config::place::API_ADDRESS_FILE;
use crate::config::values::HostPort;
use crate::engine::Handle;
use anyhow::Context as _;
use astrape_api::auth::RequireToken;
use astrape_api::v1::node_server::NodeServer;
use astrape_api::{Credentials, MAX_MESSAGE, MAX_REQUEST};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Identity, Server, ServerTlsConfig};

/// Calls of one connection that are carried out at a time; more wait. Each payment that is waited for is one.
const MAX_CALLS: usize = 1_024;

/// How often a silent connection is tested.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// How long answers may take when the node stops.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// The API of a running node, offered at a socket.
pub struct Offered {
    service: NodeService,
    address: SocketAddr,
    address_file: PathBuf,
    end: oneshot::Sender<()>,
    /// Absent once its end was told.
    serving: Option<Serving>,
}

type Serving = JoinHandle<Result<(), tonic::transport::Error>>;

/// Offers the API of a node. Its credentials are in the data directory, made if they are missing, and so is its address.
///
/// # Errors
/// When the credentials cannot be made or read, or the port is taken.
pub async fn offer(
    handle: Handle,
    alias: Option<String>,
    data_dir: &Path,
    at: &HostPort,
) -> anyhow::Result<Offered> {
    let credentials = Credentials::load_or_create_for(data_dir, at.host.parse().ok())?;
    let listener = TcpListener::bind((at.host.as_str(), at.port)).await.with_context(|| {
        format!("cannot offer the API at {at}: is another node running there? (--rpc-addr)")
    })?;
    let address = listener.local_addr()?;
    let identity = Identity::from_pem(&credentials.certificate, credentials.key.reveal());
    let mut server = Server::builder()
        .tls_config(ServerTlsConfig::new().identity(identity))?
        .concurrency_limit_per_connection(MAX_CALLS)
        .http2_keepalive_interval(Some(KEEP_ALIVE));
    let service = NodeService::new(handle, alias);
    let node = NodeServer::new(service.clone())
        .max_decoding_message_size(MAX_REQUEST)
        .max_encoding_message_size(MAX_MESSAGE);
    let node = InterceptedService::new(node, Admit::new(RequireToken::new(credentials.token)));
    let (end, ended) = oneshot::channel();
    let serving = tokio::spawn(server.add_service(node).serve_with_incoming_shutdown(
        connections::incoming(listener),
        async {
            // Dropped is ended too.
            let _ = ended.await;
        },
    ));
    let address_file = data_dir.join(API_ADDRESS_FILE);
    std::fs::write(&address_file, format!("{}\n", reachable(address)))
        .with_context(|| format!("cannot write {}", address_file.display()))?;
    Ok(Offered { service, address, address_file, end, serving: Some(serving) })
}

/// How an address that means every interface is reached from this machine.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

impl Offered {
    /// Where it is, with the port that was taken.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns when a caller has asked the node to stop.
    ///
    /// # Errors
    /// When nobody serves any more, though nobody has asked for that: a node that cannot be asked shall not run unnoticed.
    pub async fn stop_asked(&mut self) -> anyhow::Result<()> {
        tokio::select! {
            () = self.service.stop_asked() => Ok(()),
            why = ended(&mut self.serving) => {
                anyhow::bail!("the API at {} has failed, and so the node stops: {why}", self.address)
            }
        }
    }

    /// Takes no more calls, ends those that wait, and lets the others answer.
    pub async fn close(self) {
        let _ = std::fs::remove_file(&self.address_file);
        self.service.close();
        let Some(serving) = self.serving else { return };
        // Gone only if it has failed, which it says below.
        let _ = self.end.send(());
        let abort = serving.abort_handle();
        match tokio::time::timeout(CLOSE_TIMEOUT, serving).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => tracing::error!(%error, "the API has failed"),
            Ok(Err(error)) => tracing::error!(%error, "the API has panicked"),
            Err(_) => abort.abort(),
        }
    }
}

/// Returns when nobody serves any more, with why. Told once.
async fn ended(serving: &mut Option<Serving>) -> String {
    let Some(task) = serving else { return std::future::pending().await };
    let end = task.await;
    *serving = None;
    match end {
        Ok(Ok(())) => "it has ended by itself".to_owned(),
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_api_that_nobody_serves_any_more_is_told_of_once() {
        let mut serving = Some(tokio::spawn(async { Ok(()) }));
        assert_eq!(ended(&mut serving).await, "it has ended by itself");
        assert!(serving.is_none(), "there is nothing to wait for when it closes");
        let task = tokio::spawn(std::future::pending());
        task.abort();
        let why = ended(&mut Some(task)).await;
        assert!(why.contains("cancelled"), "{why}");
    }

    #[test]
    fn every_interface_is_reached_by_loopback() {
        let through = |address: &str| reachable(address.parse().expect("an address")).to_string();
        assert_eq!(through("0.0.0.0:1"), "127.0.0.1:1");
        assert_eq!(through("[::]:1"), "[::1]:1");
        assert_eq!(through("10.0.0.1:1"), "10.0.0.1:1");
    }
}
