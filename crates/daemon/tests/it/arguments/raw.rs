//! Calls as bytes: nothing between the test and the node makes sense of them.

use super::contract::{Call, Field, Kind};
use crate::support::PATIENCE;
use astrape_api::credentials::{CERTIFICATE_NAME, load_for_client};
use prost::bytes::{Buf as _, BufMut as _};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::MetadataValue;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Status};

/// The value of an argument.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Text(String),
    Number(u64),
    Flag(bool),
    /// What stands where a text should, and is none.
    Bytes(Vec<u8>),
}

/// How long a stream may be silent when it has nothing to tell.
const SILENCE: Duration = Duration::from_millis(300);

/// A connection.
pub(crate) struct Raw {
    channel: Channel,
    token: String,
}

impl Raw {
    pub(crate) async fn connect(data_dir: &Path, at: SocketAddr) -> Self {
        let (certificate, token) = load_for_client(data_dir).unwrap();
        let tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(certificate))
            .domain_name(CERTIFICATE_NAME);
        let endpoint = Endpoint::from_shared(format!("https://{at}")).unwrap().tls_config(tls).unwrap();
        Self { channel: endpoint.connect().await.unwrap(), token: token.reveal_hex().to_owned() }
    }

    /// The status that a call ends with, unless it ends well.
    pub(crate) async fn call(&self, call: &Call, body: Vec<u8>) -> Option<Status> {
        self.call_with_token(call, body, Some(&self.token)).await
    }

    pub(crate) async fn call_with_token(
        &self,
        call: &Call,
        body: Vec<u8>,
        token: Option<&str>,
    ) -> Option<Status> {
        let mut request = Request::new(body);
        if let Some(token) = token {
            let Ok(value) = MetadataValue::try_from(format!("Bearer {token}").into_bytes()) else {
                return Some(Status::unauthenticated("no header can hold it"));
            };
            request.metadata_mut().insert("authorization", value);
        }
        let mut client = tonic::client::Grpc::new(self.channel.clone());
        client.ready().await.unwrap();
        let path = format!("/astrape.v1.Node/{}", call.name).parse().unwrap();
        if !call.is_stream {
            let answer = client.unary(request, path, Plain);
            return tokio::time::timeout(PATIENCE, answer).await.expect("it is answered").err();
        }
        let mut stream = match client.server_streaming(request, path, Plain).await {
            Ok(answer) => answer.into_inner(),
            Err(status) => return Some(status),
        };
        match tokio::time::timeout(SILENCE, stream.message()).await {
            Ok(Err(status)) => Some(status),
            Ok(Ok(_)) | Err(_) => None,
        }
    }
}

/// The bytes of a request with these arguments, one of them replaced or left out.
pub(crate) fn body(call: &Call, good: &[(&str, Value)], changed: &str, value: Option<&Value>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for field in &call.fields {
        let given = if field.name == changed {
            value
        } else {
            good.iter().find(|(name, _)| *name == field.name).map(|(_, value)| value)
        };
        match given {
            Some(Value::Text(text)) => put_bytes(&mut bytes, field, text.as_bytes()),
            Some(Value::Bytes(raw)) => put_bytes(&mut bytes, field, raw),
            Some(Value::Number(number)) => put_number(&mut bytes, field, *number),
            Some(Value::Flag(flag)) => put_number(&mut bytes, field, u64::from(*flag)),
            None => {}
        }
    }
    bytes
}

/// An argument as if it were of another kind.
pub(crate) fn of_wrong_kind(field: &Field) -> Vec<u8> {
    let mut bytes = Vec::new();
    match field.kind {
        Kind::Text => put_number(&mut bytes, field, 7),
        Kind::Number | Kind::Flag => put_bytes(&mut bytes, field, b"seven"),
    }
    bytes
}

fn put_bytes(to: &mut Vec<u8>, field: &Field, bytes: &[u8]) {
    put_varint(to, field.number << 3 | 2);
    put_varint(to, bytes.len() as u64);
    to.extend_from_slice(bytes);
}

fn put_number(to: &mut Vec<u8>, field: &Field, number: u64) {
    put_varint(to, field.number << 3);
    put_varint(to, number);
}

fn put_varint(to: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        to.push(0x80 | u8::try_from(number & 0x7f).expect("seven bits"));
        number >>= 7;
    }
    to.push(u8::try_from(number).expect("seven bits"));
}

/// Bytes as they are.
#[derive(Clone, Copy, Default)]
struct Plain;

impl Codec for Plain {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Plain {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Plain {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let mut item = vec![0; from.remaining()];
        from.copy_to_slice(&mut item);
        Ok(Some(item))
    }
}
