//! The little of HTTP/1.1 that a JSON-RPC call needs: one POST, and an answer of known length, in chunks, or up to the
//! end of the connection.

use crate::rpc::RpcError;
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _,
    BufReader,
};

/// Longest line of a head, and of a chunk's.
const MAX_LINE: usize = 8_192;
/// Most lines of a head or trailer.
const MAX_LINES: usize = 100;
/// Most answers of the kind "100 Continue" before the true one.
const MAX_INTERIM: usize = 4;

/// A POST.
pub(crate) struct Request<'a> {
    pub(crate) host: &'a str,
    pub(crate) authorization: &'a str,
    pub(crate) body: &'a str,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// Sends a request and reads its answer, of which the body has at most `limit` bytes.
pub(crate) async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    request: &Request<'_>,
    limit: usize,
) -> Result<Response, RpcError> {
    let head = format!(
        "POST / HTTP/1.1\r\nHost: {}\r\nAuthorization: {}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        request.host,
        request.authorization,
        request.body.len()
    );
    stream.write_all(head.as_bytes()).await.map_err(RpcError::Broken)?;
    stream.write_all(request.body.as_bytes()).await.map_err(RpcError::Broken)?;
    stream.flush().await.map_err(RpcError::Broken)?;
    let mut reader = BufReader::new(stream);
    for _ in 0..MAX_INTERIM {
        let head = read_head(&mut reader).await?;
        if !(100..200).contains(&head.status) {
            let body = read_body(&mut reader, &head.length, limit).await?;
            return Ok(Response { status: head.status, body });
        }
    }
    Err(RpcError::Garbage("too many interim answers".into()))
}

struct Head {
    status: u16,
    length: Length,
}

/// How the end of a body is known.
enum Length {
    Known(usize),
    Chunked,
    UntilEnd,
}

async fn read_head<R: AsyncBufRead + Unpin>(reader: &mut R) -> Result<Head, RpcError> {
    let first = read_line(reader).await?;
    let mut words = first.split(' ');
    let is_http = words.next().is_some_and(|word| word.starts_with("HTTP/1."));
    let status = words.next().filter(|_| is_http).and_then(|word| word.parse().ok());
    let status = status.ok_or_else(|| RpcError::Garbage("it is no HTTP".into()))?;
    let mut length = Length::UntilEnd;
    for _ in 0..MAX_LINES {
        let line = read_line(reader).await?;
        if line.is_empty() {
            return Ok(Head { status, length });
        }
        let Some((name, value)) = line.split_once(':') else {
            return Err(RpcError::Garbage("a header without a colon".into()));
        };
        let value = value.trim();
        if name.eq_ignore_ascii_case("transfer-encoding") {
            if !value.eq_ignore_ascii_case("chunked") {
                return Err(RpcError::Garbage(format!("unknown transfer encoding {value:?}")));
            }
            length = Length::Chunked;
        } else if name.eq_ignore_ascii_case("content-length") && !matches!(length, Length::Chunked) {
            let known =
                value.parse().map_err(|_| RpcError::Garbage("a content length that is no number".into()))?;
            length = Length::Known(known);
        }
    }
    Err(RpcError::Garbage("too many headers".into()))
}

async fn read_body<R: AsyncBufRead + Unpin>(
    reader: &mut R,
    length: &Length,
    limit: usize,
) -> Result<Vec<u8>, RpcError> {
    let mut body = Vec::new();
    match length {
        Length::Known(known) => read_exactly(reader, &mut body, *known, limit).await?,
        Length::UntilEnd => {
            let room = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
            reader.take(room).read_to_end(&mut body).await.map_err(RpcError::Broken)?;
        }
        Length::Chunked => loop {
            let line = read_line(reader).await?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16)
                .map_err(|_| RpcError::Garbage("a chunk's size that is no number".into()))?;
            if size == 0 {
                break;
            }
            read_exactly(reader, &mut body, size, limit).await?;
            if !read_line(reader).await?.is_empty() {
                return Err(RpcError::Garbage("a chunk longer than its size".into()));
            }
        },
    }
    if body.len() > limit { Err(RpcError::TooLarge { limit }) } else { Ok(body) }
}

/// Appends `more` bytes, if the body stays within `limit`. Memory grows as bytes arrive, not as they are announced.
async fn read_exactly<R: AsyncBufRead + Unpin>(
    reader: &mut R,
    body: &mut Vec<u8>,
    more: usize,
    limit: usize,
) -> Result<(), RpcError> {
    if more > limit.saturating_sub(body.len()) {
        return Err(RpcError::TooLarge { limit });
    }
    let wanted = u64::try_from(more).unwrap_or(u64::MAX);
    let read = reader.take(wanted).read_to_end(body).await.map_err(RpcError::Broken)?;
    if read < more {
        return Err(RpcError::Broken(std::io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(())
}

/// A line without its end.
async fn read_line<R: AsyncBufRead + Unpin>(reader: &mut R) -> Result<String, RpcError> {
    let mut line = Vec::new();
    let mut bounded = reader.take(u64::try_from(MAX_LINE).unwrap_or(u64::MAX));
    bounded.read_until(b'\n', &mut line).await.map_err(RpcError::Broken)?;
    if line.pop() != Some(b'\n') {
        return Err(match line.len() {
            0 => RpcError::Broken(std::io::ErrorKind::UnexpectedEof.into()),
            _ => RpcError::Garbage("a line that does not end".into()),
        });
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    String::from_utf8(line).map_err(|_| RpcError::Garbage("a head that is no text".into()))
}
