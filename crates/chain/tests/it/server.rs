//! A server on this machine that answers HTTP as a test says.

use astrape_regtest::ports;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// How often another port is tried when one was taken since it was found free.
const TRIES: u8 = 5;

/// A call that came in.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) authorization: String,
    pub(crate) id: Value,
    pub(crate) method: String,
    pub(crate) params: Value,
}

/// What to answer.
pub(crate) enum Reply {
    /// A result.
    Result(Value),
    /// A JSON-RPC error, in the way of bitcoind: with status 500.
    Error(i64, &'static str),
    /// These bytes, then the end of the connection.
    Raw(Vec<u8>),
    /// Nothing, ever.
    Silence,
}

impl Reply {
    pub(crate) fn raw(text: impl Into<String>) -> Self {
        Reply::Raw(text.into().into_bytes())
    }
}

/// A body with its head.
pub(crate) fn http(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

pub(crate) struct Server {
    pub(crate) address: String,
    calls: Arc<Mutex<Vec<Call>>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(crate) async fn start(reply: impl Fn(&Call) -> Reply + Send + Sync + 'static) -> Self {
        let reply = Arc::new(reply);
        for _ in 0..TRIES {
            // Not a port of the system's choice: a server that comes back must find it free.
            let address = format!("127.0.0.1:{}", ports::free().unwrap());
            if let Ok(listener) = TcpListener::bind(address).await {
                return Self::on(listener, reply);
            }
        }
        panic!("whatever port is free is taken at once");
    }

    pub(crate) async fn start_at(
        address: &str,
        reply: impl Fn(&Call) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::on(TcpListener::bind(address).await.unwrap(), Arc::new(reply))
    }

    fn on(listener: TcpListener, reply: Arc<impl Fn(&Call) -> Reply + Send + Sync + 'static>) -> Self {
        let address = listener.local_addr().unwrap().to_string();
        let calls = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&calls);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (log, reply) = (Arc::clone(&log), Arc::clone(&reply));
                tokio::spawn(async move {
                    serve(stream, &log, reply.as_ref()).await.ok();
                });
            }
        });
        Self { address, calls, task }
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }
}

async fn serve(
    mut stream: TcpStream,
    log: &Mutex<Vec<Call>>,
    reply: &(impl Fn(&Call) -> Reply + Send + Sync),
) -> std::io::Result<()> {
    let call = read_call(&mut stream).await?;
    log.lock().unwrap().push(call.clone());
    let bytes = match reply(&call) {
        Reply::Result(result) => {
            http("200 OK", &json!({ "result": result, "error": null, "id": call.id }).to_string())
                .into_bytes()
        }
        Reply::Error(code, message) => {
            let error = json!({ "code": code, "message": message });
            let body = json!({ "result": null, "error": error, "id": call.id }).to_string();
            http("500 Internal Server Error", &body).into_bytes()
        }
        Reply::Raw(bytes) => bytes,
        Reply::Silence => {
            tokio::time::sleep(Duration::from_secs(3_600)).await;
            Vec::new()
        }
    };
    stream.write_all(&bytes).await?;
    stream.shutdown().await
}

async fn read_call(stream: &mut TcpStream) -> std::io::Result<Call> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).expect("heads are text");
    assert!(head.starts_with("POST / HTTP/1.1\r\n"), "{head}");
    let header = |name: &str| {
        let line = head.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("the request has {name}")).trim().to_owned()
    };
    let length: usize = header("Content-Length:").parse().expect("the length is a number");
    while bytes.len() < head_end + length {
        stream.read_buf(&mut bytes).await?;
    }
    let body: Value = serde_json::from_slice(&bytes[head_end..head_end + length]).expect("the body is JSON");
    Ok(Call {
        authorization: header("Authorization:"),
        id: body["id"].clone(),
        method: body["method"].as_str().expect("a method has a name").to_owned(),
        params: body["params"].clone(),
    })
}
