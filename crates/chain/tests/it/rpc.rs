//! The JSON-RPC client against servers good and bad.

use crate::server::{Call, Reply, Server, http};
use astrape_chain::rpc::MAX_RESPONSE;
use astrape_chain::{Auth, RpcClient, RpcError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::time::Duration;

fn password() -> Auth {
    Auth::UserPassword { user: "alice".into(), password: "secret".into() }
}

fn client(server: &Server) -> RpcClient {
    RpcClient::new(&server.address, password(), Duration::from_secs(60))
}

/// What a call gives when the server answers it so.
async fn call_with(reply: impl Fn(&Call) -> Reply + Send + Sync + 'static) -> Result<Value, RpcError> {
    let server = Server::start(reply).await;
    client(&server).call("getsomething", json!([1, "two"])).await
}

/// An answer body for a call.
fn body(call: &Call, result: &Value) -> String {
    json!({ "result": result, "error": null, "id": call.id }).to_string()
}

#[tokio::test]
async fn a_call_carries_its_method_parameters_and_password() {
    let server = Server::start(|_| Reply::Result(json!({ "deep": [1, 2] }))).await;
    let client = client(&server);
    let result: Value = client.call("getsomething", json!([1, "two"])).await.unwrap();
    assert_eq!(result, json!({ "deep": [1, 2] }));
    client.call::<Value>("again", json!([])).await.unwrap();
    let calls = server.calls();
    assert_eq!((calls[0].method.as_str(), &calls[0].params), ("getsomething", &json!([1, "two"])));
    assert_eq!(calls[0].authorization, format!("Basic {}", STANDARD.encode("alice:secret")));
    assert_ne!(calls[0].id, calls[1].id);
}

#[tokio::test]
async fn the_cookie_is_read_anew_for_each_call() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(".cookie");
    let server = Server::start(|_| Reply::Result(json!(null))).await;
    let client = RpcClient::new(&server.address, Auth::Cookie(path.clone()), Duration::from_secs(60));
    let missing = client.call::<Value>("a", json!([])).await;
    assert!(matches!(missing, Err(RpcError::Cookie { .. })), "{missing:?}");
    for cookie in ["__cookie__:one", "__cookie__:two\n"] {
        std::fs::write(&path, cookie).unwrap();
        client.call::<Value>("a", json!([])).await.unwrap();
        let sent = server.calls().last().unwrap().authorization.clone();
        assert_eq!(sent, format!("Basic {}", STANDARD.encode(cookie.trim_end())));
    }
}

#[tokio::test]
async fn a_chunked_answer_is_put_together() {
    let result = call_with(|call| {
        let body = body(call, &json!("chunk by chunk"));
        let (one, two) = body.split_at(7);
        Reply::raw(format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n{:x}\r\n{one}\r\n{:X};ext=1\r\n{two}\r\n0\r\n\r\n",
            one.len(),
            two.len()
        ))
    });
    assert_eq!(result.await.unwrap(), json!("chunk by chunk"));
}

#[tokio::test]
async fn an_answer_may_end_with_its_connection_or_come_after_an_interim_one() {
    let result = call_with(|call| Reply::raw(format!("HTTP/1.0 200 OK\r\n\r\n{}", body(call, &json!(7)))));
    assert_eq!(result.await.unwrap(), json!(7));
    let result = call_with(|call| {
        Reply::raw(format!("HTTP/1.1 100 Continue\r\n\r\n{}", http("200 OK", &body(call, &json!(8)))))
    });
    assert_eq!(result.await.unwrap(), json!(8));
}

#[tokio::test]
async fn the_servers_error_comes_with_its_code() {
    let error = call_with(|_| Reply::Error(-8, "Block height out of range")).await.unwrap_err();
    assert_eq!(error.code(), Some(-8));
    assert_eq!(error.to_string(), "Block height out of range (code -8)");
    let error = call_with(|call| {
        let error = json!({ "code": -32601, "message": "Method not found" });
        Reply::raw(http("404 Not Found", &json!({ "error": error, "id": call.id }).to_string()))
    });
    assert_eq!(error.await.unwrap_err().code(), Some(-32601));
}

#[tokio::test]
async fn each_http_failure_has_its_name() {
    let of = |status: &'static str| call_with(move |_| Reply::raw(http(status, "")));
    assert!(matches!(of("401 Unauthorized").await, Err(RpcError::Unauthorized)));
    assert!(matches!(of("403 Forbidden").await, Err(RpcError::Forbidden)));
    assert!(matches!(of("503 Service Unavailable").await, Err(RpcError::Http(503))));
    assert!(matches!(of("200 OK").await, Err(RpcError::Garbage(_))));
}

#[tokio::test]
async fn an_oversize_answer_is_not_read() {
    let announced =
        call_with(|_| Reply::raw(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", u64::MAX)));
    assert!(matches!(announced.await, Err(RpcError::TooLarge { limit: MAX_RESPONSE })));
    let streamed = call_with(|_| {
        let mut bytes = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
        bytes.resize(bytes.len() + MAX_RESPONSE + 1, b' ');
        Reply::Raw(bytes)
    });
    assert!(matches!(streamed.await, Err(RpcError::TooLarge { .. })));
    let chunked = call_with(|_| {
        let mut bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for _ in 0..=MAX_RESPONSE / 0x10_0000 {
            bytes.extend(b"100000\r\n");
            bytes.resize(bytes.len() + 0x10_0000, b' ');
            bytes.extend(b"\r\n");
        }
        Reply::Raw(bytes)
    });
    assert!(matches!(chunked.await, Err(RpcError::TooLarge { .. })));
}

#[tokio::test]
async fn an_endless_head_is_not_read() {
    let line = call_with(|_| Reply::raw(format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(100_000))));
    assert!(matches!(line.await, Err(RpcError::Garbage(_))));
    let lines = call_with(|_| Reply::raw(format!("HTTP/1.1 200 OK\r\n{}", "X: y\r\n".repeat(1_000))));
    assert!(matches!(lines.await, Err(RpcError::Garbage(_))));
    let interim = call_with(|_| Reply::raw("HTTP/1.1 100 Continue\r\n\r\n".repeat(1_000)));
    assert!(matches!(interim.await, Err(RpcError::Garbage(_))));
}

#[tokio::test]
async fn garbage_is_called_garbage() {
    let replies: [&'static str; 8] = [
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
        "\u{16}\u{3}\u{1}\r\n\r\n",
        "HTTP/1.1 abc\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{\"result\"",
    ];
    for reply in replies {
        let result = call_with(move |_| Reply::raw(reply)).await;
        assert!(matches!(result, Err(RpcError::Garbage(_))), "{reply:?}: {result:?}");
    }
}

#[tokio::test]
async fn an_answer_to_another_call_or_of_another_type_is_garbage() {
    let result = call_with(|_| Reply::raw(http("200 OK", r#"{"result": 1, "error": null, "id": 999}"#)));
    assert!(matches!(result.await, Err(RpcError::Garbage(_))));
    let server = Server::start(|_| Reply::Result(json!("text"))).await;
    let number: Result<u32, _> = client(&server).call("getblockcount", json!([])).await;
    assert!(matches!(number, Err(RpcError::Garbage(text)) if text.contains("getblockcount")));
}

#[tokio::test]
async fn a_silent_server_is_given_up() {
    let server = Server::start(|_| Reply::Silence).await;
    let client = RpcClient::new(&server.address, password(), Duration::from_millis(50));
    let result = client.call::<Value>("a", json!([])).await;
    assert!(matches!(result, Err(RpcError::Timeout(_))), "{result:?}");
}

#[tokio::test]
async fn a_connection_that_ends_too_soon_is_broken() {
    for reply in ["", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"result\""] {
        let result = call_with(move |_| Reply::raw(reply)).await;
        assert!(matches!(result, Err(RpcError::Broken(_))), "{reply:?}: {result:?}");
    }
}

#[tokio::test]
async fn a_restarted_server_is_found_again() {
    let first = Server::start(|_| Reply::Result(json!(1))).await;
    let (client, address) = (client(&first), first.address.clone());
    assert_eq!(client.call::<u32>("a", json!([])).await.unwrap(), 1);
    drop(first);
    let gone = async {
        while !matches!(client.call::<u32>("a", json!([])).await, Err(RpcError::Connect { .. })) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), gone).await.unwrap();
    let _second = Server::start_at(&address, |_| Reply::Result(json!(2))).await;
    assert_eq!(client.call::<u32>("a", json!([])).await.unwrap(), 2);
}
