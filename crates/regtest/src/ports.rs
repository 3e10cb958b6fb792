//! Ports for servers of tests that come and go: below those that the system gives to outgoing connections, so that a port is
//! still free when its server comes, and comes back. A port that the system chose for a listener and that was let go again is
//! anybody's.

use std::io::{Error, ErrorKind, Result};
use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// Where we look: above the ports of well-known services, below those of outgoing connections (32768 on Linux).
const FIRST: u16 = 12_000;
const COUNT: u16 = 20_000;

/// Ports given out by this process so far.
static GIVEN: AtomicU16 = AtomicU16::new(0);

/// A port on which nobody listens, and which this process never gives twice.
///
/// # Errors
/// When all are taken.
pub fn free() -> Result<u16> {
    // Tests run as processes beside each other: each begins elsewhere.
    let begin = std::process::id().wrapping_mul(97);
    for _ in 0..COUNT {
        let offset = begin.wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed).into()) % u32::from(COUNT);
        let port = FIRST + u16::try_from(offset).map_err(Error::other)?;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    Err(Error::new(ErrorKind::AddrInUse, format!("no port is free from {FIRST} to {}", FIRST + COUNT)))
}
