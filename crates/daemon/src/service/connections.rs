//! Connections to the API: how many there are, and how long they have to show the token. Whoever reaches the port can open one,
//! so until it has shown the token a connection is a stranger's, whatever else it says.

use astrape_api::auth::RequireToken;
use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Sleep;
use tokio_stream::wrappers::ReceiverStream;
use tonic::service::Interceptor;
use tonic::transport::server::Connected;
use tonic::{Request, Status};

/// Connections that are open at a time: each holds a socket and the buffers of TLS and HTTP/2. Further ones wait in the kernel.
const MAX_CONNECTIONS: usize = 128;

/// How long a connection may take to shake hands and make a first call with the token. A client does it in a moment; a
/// program that is idle for so long after it has connected connects again with its first call.
const ADMISSION_TIMEOUT: Duration = Duration::from_secs(10);

/// Pause after an accept that failed, for example because there are too many open files.
const PAUSE: Duration = Duration::from_millis(200);

/// The connections that a listener accepts, for as long as the stream is kept.
pub(super) fn incoming(listener: TcpListener) -> ReceiverStream<io::Result<Connection>> {
    // What is accepted is taken at once: no place to wait is needed but the one that a channel must have.
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(accept(listener, sender));
    ReceiverStream::new(receiver)
}

async fn accept(listener: TcpListener, sender: mpsc::Sender<io::Result<Connection>>) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await.expect("it is never closed");
            listener.accept().await.map(|(stream, _)| Connection::new(stream, place))
        };
        let accepted = tokio::select! {
            accepted = next => accepted,
            () = sender.closed() => return,
        };
        match accepted {
            // Refused only where nobody wants it any more.
            Ok(connection) => drop(sender.send(Ok(connection)).await),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection to the API");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Whether a connection has shown the token. Clones are of the same connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Admission(Arc<AtomicBool>);

/// A connection, which fails once its time is over if it has not shown the token by then. Its place is taken until it is gone.
pub(super) struct Connection {
    stream: TcpStream,
    admission: Admission,
    /// Absent once it is admitted.
    deadline: Option<Pin<Box<Sleep>>>,
    _place: OwnedSemaphorePermit,
}

impl Connection {
    fn new(stream: TcpStream, place: OwnedSemaphorePermit) -> Self {
        // An answer is written at once: it shall leave at once too. Where that cannot be had it leaves later.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection to the API may be slow");
        }
        let deadline = Some(Box::pin(tokio::time::sleep(ADMISSION_TIMEOUT)));
        Self { stream, admission: Admission::default(), deadline, _place: place }
    }

    /// Fails a stranger whose time is over, and has its task woken when it will be.
    fn judge(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let Some(deadline) = &mut self.deadline else { return Ok(()) };
        if self.admission.0.load(Ordering::Relaxed) {
            self.deadline = None;
            return Ok(());
        }
        match deadline.as_mut().poll(cx) {
            Poll::Pending => Ok(()),
            Poll::Ready(()) => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("no call with the token came within {} seconds", ADMISSION_TIMEOUT.as_secs()),
            )),
        }
    }
}

impl Connected for Connection {
    type ConnectInfo = Admission;

    fn connect_info(&self) -> Admission {
        self.admission.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.judge(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.judge(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.judge(cx)?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Lets no call through that does not show the token, and notes of its connection that one did.
#[derive(Clone)]
pub(super) struct Admit(RequireToken);

impl Admit {
    /// For the token that is wanted.
    pub(super) fn new(token: RequireToken) -> Self {
        Self(token)
    }
}

impl Interceptor for Admit {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        let request = self.0.call(request)?;
        if let Some(admission) = request.extensions().get::<Admission>() {
            admission.0.store(true, Ordering::Relaxed);
        }
        Ok(request)
    }
}
