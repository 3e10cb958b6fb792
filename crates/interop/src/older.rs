//! A bitcoind that is older than the one we test with: to it some methods are unknown.

use crate::bitcoind::Bitcoind;
use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

/// Largest request that is passed on: a package of 404,000 weight units in hexadecimal, and room for its frame.
const MAX_REQUEST: usize = 4_000_000;

/// What an RPC server says of a method that it does not have, with HTTP status 404 (`RPC_METHOD_NOT_FOUND`).
const METHOD_NOT_FOUND: i64 = -32601;

/// Stands before a bitcoind, and denies that it has some methods.
#[derive(Clone, Debug)]
pub struct Older {
    address: SocketAddr,
    denied: Arc<AtomicU32>,
}

impl Older {
    /// Such a one. Its threads live as long as the process.
    ///
    /// # Errors
    /// When the system gives no port.
    pub fn than(bitcoind: &Bitcoind, missing: &'static [&'static str]) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let older = Self { address: listener.local_addr()?, denied: Arc::default() };
        let (server, denied) = (bitcoind.rpc_address(), Arc::clone(&older.denied));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (server, denied) = (server.clone(), Arc::clone(&denied));
                // A client that breaks off is no affair of ours.
                thread::spawn(move || pass(client, &server, missing, &denied).ok());
            }
        });
        Ok(older)
    }

    /// Where it offers its RPC, `host:port`.
    #[must_use]
    pub fn rpc_address(&self) -> String {
        self.address.to_string()
    }

    /// How often it was asked for what it does not have.
    #[must_use]
    pub fn denied(&self) -> u32 {
        self.denied.load(Ordering::SeqCst)
    }
}

/// One call: a connection each, as our client makes them.
fn pass(mut client: TcpStream, server: &str, missing: &[&str], denied: &AtomicU32) -> Result<()> {
    let request = read(&client)?;
    let at = request.windows(4).position(|four| four == b"\r\n\r\n").context("no body")?;
    let call: Value = serde_json::from_slice(request.get(at + 4..).unwrap_or_default())?;
    if !call["method"].as_str().is_some_and(|method| missing.contains(&method)) {
        let mut server = TcpStream::connect(server)?;
        server.write_all(&request)?;
        io::copy(&mut server, &mut client)?;
        return Ok(());
    }
    denied.fetch_add(1, Ordering::SeqCst);
    let error = json!({ "code": METHOD_NOT_FOUND, "message": "Method not found" });
    let body = json!({ "result": null, "error": error, "id": call["id"] }).to_string();
    let head = "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nConnection: close\r\n";
    client.write_all(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes())?;
    Ok(())
}

/// A request with its head.
fn read(client: &TcpStream) -> Result<Vec<u8>> {
    let mut reader = BufReader::new(client).take(MAX_REQUEST as u64);
    let (mut request, mut length) = (Vec::new(), 0_u64);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        request.extend_from_slice(line.as_bytes());
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
    }
    reader.take(length).read_to_end(&mut request)?;
    Ok(request)
}
