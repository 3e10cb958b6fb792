//! JSON-RPC over HTTP/1.1, as bitcoind speaks it. One connection a call: a restart of the server needs no care, and
//! nothing of a broken answer can leak into the next one.

mod auth;
mod http;

pub use auth::Auth;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;

/// Largest answer that is read: a block of 4,000,000 bytes in hexadecimal, and room for its frame.
pub const MAX_RESPONSE: usize = 9_000_000;

/// Longest time to open a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Method is unknown to the server (`RPC_METHOD_NOT_FOUND`).
pub(crate) const METHOD_NOT_FOUND: i64 = -32601;
/// The server is starting up (`RPC_IN_WARMUP`).
pub(crate) const IN_WARMUP: i64 = -28;

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    /// Nobody answers at the address.
    #[error("cannot connect to {address}: {error}; is bitcoind running, and with -server?")]
    Connect {
        /// The address.
        address: String,
        /// The operating system's reason.
        error: std::io::Error,
    },
    /// The cookie file cannot be read.
    #[error("cannot read the cookie {path}: {error}; is bitcoind running, and is this its data directory?")]
    Cookie {
        /// The file.
        path: String,
        /// The reason.
        error: std::io::Error,
    },
    /// The credentials are wrong (HTTP 401).
    #[error("bitcoind refuses the credentials: check rpcuser and rpcpassword, or the cookie's path")]
    Unauthorized,
    /// The caller or the method is not allowed (HTTP 403).
    #[error("bitcoind forbids the call: check rpcallowip and rpcwhitelist")]
    Forbidden,
    /// The connection broke within the answer.
    #[error("the connection broke: {0}")]
    Broken(std::io::Error),
    /// No answer in time.
    #[error("no answer within {} s", .0.as_secs_f32())]
    Timeout(Duration),
    /// The answer is larger than any honest one.
    #[error("the answer is larger than {limit} bytes")]
    TooLarge {
        /// What is read at most.
        limit: usize,
    },
    /// The answer is no HTTP, or no JSON-RPC, or not of the form that belongs to the method.
    #[error("the answer cannot be understood: {0}")]
    Garbage(String),
    /// An HTTP failure without a JSON-RPC error in it; 503 means that the work queue is full.
    #[error("HTTP status {0}")]
    Http(u16),
    /// The server's own error.
    #[error("{message} (code {code})")]
    Server {
        /// Its number (`RPCErrorCode`).
        code: i64,
        /// Its words.
        message: String,
    },
}

impl RpcError {
    /// The number of the server's own error.
    #[must_use]
    pub fn code(&self) -> Option<i64> {
        match self {
            RpcError::Server { code, .. } => Some(*code),
            _ => None,
        }
    }
}

/// A client of one server.
#[derive(Debug)]
pub struct RpcClient {
    address: String,
    auth: Auth,
    timeout: Duration,
    next_id: AtomicU64,
}

#[derive(Deserialize)]
struct Reply {
    #[serde(default)]
    result: Value,
    error: Option<ServerError>,
    id: Value,
}

#[derive(Deserialize)]
struct ServerError {
    code: i64,
    #[serde(default)]
    message: String,
}

impl RpcClient {
    /// A client of the server at `address` (`host:port`); each call ends within `timeout`.
    #[must_use]
    pub fn new(address: impl Into<String>, auth: Auth, timeout: Duration) -> Self {
        Self { address: address.into(), auth, timeout, next_id: AtomicU64::new(1) }
    }

    /// Calls a method with positional parameters.
    ///
    /// # Errors
    /// See [`RpcError`].
    pub async fn call<T: DeserializeOwned>(&self, method: &str, params: Value) -> Result<T, RpcError> {
        self.call_within(method, params, self.timeout).await
    }

    /// Calls a method that by its nature takes longer than others.
    ///
    /// # Errors
    /// See [`RpcError`].
    pub async fn call_within<T: DeserializeOwned>(
        &self,
        method: &str,
        params: Value,
        timeout: Duration,
    ) -> Result<T, RpcError> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let request = json!({ "jsonrpc": "1.0", "id": id, "method": method, "params": params });
        let exchange = self.exchange(request.to_string());
        let answer =
            tokio::time::timeout(timeout, exchange).await.map_err(|_| RpcError::Timeout(timeout))??;
        let result = read_reply(&answer, id)?;
        serde_json::from_value(result).map_err(|error| RpcError::Garbage(format!("{method}: {error}")))
    }

    async fn exchange(&self, body: String) -> Result<http::Response, RpcError> {
        let authorization = self.auth.header().await?;
        let connect = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(&self.address));
        let mut stream = connect
            .await
            .map_err(|_| RpcError::Timeout(CONNECT_TIMEOUT))?
            .map_err(|error| RpcError::Connect { address: self.address.clone(), error })?;
        let request = http::Request { host: &self.address, authorization: &authorization, body: &body };
        http::exchange(&mut stream, &request, MAX_RESPONSE).await
    }
}

/// The result in an answer. Errors come with a status of 500 or 404, and a body that says more.
fn read_reply(response: &http::Response, id: u64) -> Result<Value, RpcError> {
    match response.status {
        401 => return Err(RpcError::Unauthorized),
        403 => return Err(RpcError::Forbidden),
        _ => {}
    }
    let reply: Reply = match serde_json::from_slice(&response.body) {
        Ok(reply) => reply,
        Err(_) if response.status != 200 => return Err(RpcError::Http(response.status)),
        Err(error) => return Err(RpcError::Garbage(error.to_string())),
    };
    if let Some(ServerError { code, message }) = reply.error {
        return Err(RpcError::Server { code, message });
    }
    if response.status != 200 {
        return Err(RpcError::Http(response.status));
    }
    if reply.id != json!(id) {
        return Err(RpcError::Garbage("it answers another call".into()));
    }
    Ok(reply.result)
}
