//! A client of the node in a data directory.

use crate::auth::ShowToken;
use crate::credentials::{CERTIFICATE_NAME, CredentialsError, load_for_client};
use crate::v1::node_client::NodeClient;
use crate::{MAX_MESSAGE, MAX_REQUEST};
use std::path::Path;
use std::time::Duration;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

/// A client that shows the token of its node with each call.
pub type Client = NodeClient<InterceptedService<Channel, ShowToken>>;

/// Longest time to reach a node.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How often a silent connection is tested while a call waits: a payment may take minutes.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// Why there is no connection to a node.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The data directory does not have what is needed.
    #[error("{0}")]
    Credentials(#[from] CredentialsError),
    /// The address is no `host:port`.
    #[error("`{0}` is no address of an API: write it as host:port, for example 127.0.0.1:9835")]
    Address(String),
    /// Somebody answers with another certificate than that in the data directory.
    #[error(
        "another node answers at {address} than that of {data_dir}, whose certificate is another ({reason}): give the data directory of \
         that node, or the address of this one (--data-dir, --rpc-addr)"
    )]
    OtherNode {
        /// Where.
        address: String,
        /// Whose certificate was expected.
        data_dir: String,
        /// What is wrong with the other.
        reason: String,
    },
    /// Nobody answers.
    #[error("cannot reach the node at {address}: {reason}. Is it running (`astrape run`)?")]
    Unreachable {
        /// Where.
        address: String,
        /// What failed.
        reason: String,
    },
}

/// Connects to the node whose data directory is `data_dir` and whose API is at `address` (`host:port`).
///
/// # Errors
/// When the node was never started, is not there, or is another than that of the directory.
pub async fn connect(data_dir: &Path, address: &str) -> Result<Client, ConnectError> {
    let (certificate, token) = load_for_client(data_dir)?;
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(certificate))
        .domain_name(CERTIFICATE_NAME);
    let invalid = || ConnectError::Address(address.to_owned());
    let unreachable = |error: tonic::transport::Error| {
        let (address, reason) = (address.to_owned(), innermost(&error));
        // The library that checks it says so in words alone.
        if reason.contains("certificate") {
            return ConnectError::OtherNode { address, data_dir: data_dir.display().to_string(), reason };
        }
        ConnectError::Unreachable { address, reason }
    };
    let channel = Endpoint::from_shared(format!("https://{address}"))
        .map_err(|_| invalid())?
        .tls_config(tls)
        .map_err(unreachable)?
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .connect()
        .await
        .map_err(unreachable)?;
    let client = NodeClient::with_interceptor(channel, ShowToken::new(&token));
    Ok(client.max_decoding_message_size(MAX_MESSAGE).max_encoding_message_size(MAX_REQUEST))
}

/// The reason below all wrappers: what an operator can act on.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
