//! A TCP connection that can be cut anywhere, also in the middle of a message.

use anyhow::Result;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// Bytes that no test sends: the wire is whole.
const WHOLE: i64 = i64::MAX / 2;

/// What the threads of a wire share.
#[derive(Debug)]
struct Shared {
    open: Mutex<Vec<TcpStream>>,
    left: AtomicI64,
    cuts: AtomicU32,
}

/// Passes on what comes to [`Wire::address`], both ways.
#[derive(Clone, Debug)]
pub struct Wire {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Wire {
    /// A wire to a server. Its threads live as long as the process.
    ///
    /// # Errors
    /// When the system gives no port.
    pub fn to(server: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let shared =
            Shared { open: Mutex::new(Vec::new()), left: AtomicI64::new(WHOLE), cuts: AtomicU32::new(0) };
        let shared = Arc::new(shared);
        let wire = Self { address, shared: Arc::clone(&shared) };
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // Nobody home: the client sees its connection end.
                if let Ok(server) = TcpStream::connect(server) {
                    let _ = shared.join(&client, &server);
                }
            }
        });
        Ok(wire)
    }

    /// Where it begins.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts it as soon as so many bytes more have passed, both ways counted. It can be used again at once.
    pub fn cut_after(&self, bytes: u32) {
        self.shared.left.store(bytes.into(), Ordering::SeqCst);
    }

    /// How often it was cut.
    #[must_use]
    pub fn cuts(&self) -> u32 {
        self.shared.cuts.load(Ordering::SeqCst)
    }
}

impl Shared {
    fn join(self: &Arc<Self>, client: &TcpStream, server: &TcpStream) -> Result<()> {
        {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.retain(|stream| stream.peer_addr().is_ok());
            open.extend([client.try_clone()?, server.try_clone()?]);
        }
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        for (from, to) in [(client, server), (server, client)] {
            let (from, to, shared) = (from.try_clone()?, to.try_clone()?, Arc::clone(self));
            thread::spawn(move || shared.pass(from, to));
        }
        Ok(())
    }

    fn pass(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            let left = self.left.fetch_sub(i64::try_from(read).unwrap_or(0), Ordering::SeqCst);
            let passed = usize::try_from(left.max(0)).unwrap_or(read).min(read);
            let written = to.write_all(&buffer[..passed]);
            if passed < read {
                self.cut();
            }
            if written.is_err() {
                break;
            }
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }

    fn cut(&self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if self.left.load(Ordering::SeqCst) < 0 {
            self.left.store(WHOLE, Ordering::SeqCst);
            self.cuts.fetch_add(1, Ordering::SeqCst);
        }
        for stream in open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}
