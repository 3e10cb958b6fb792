//! The two things that the core lacks and the shell draws for it: the time, and randomness.

use astrape_primitives::Timestamp;
use bitcoin::key::rand::RngCore as _;
use bitcoin::key::rand::rngs::OsRng;
use std::time::{SystemTime, UNIX_EPOCH};

/// The time of the system's clock. Before 1970 it is 1970.
#[must_use]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// 32 fresh bytes from the operating system, fit for keys.
///
/// # Panics
/// When the system has no randomness to give: nothing can be done safely then.
#[must_use]
pub fn fresh32() -> [u8; 32] {
    let mut bytes = [0; 32];
    OsRng.fill_bytes(&mut bytes);
    bytes
}

/// The same for each of several inputs, with one question to the operating system.
///
/// # Panics
/// As [`fresh32`].
pub(crate) fn fresh(count: usize) -> Vec<[u8; 32]> {
    let mut all = vec![[0; 32]; count];
    OsRng.fill_bytes(all.as_flattened_mut());
    all
}

/// How long from now until a time; nothing when it has passed.
pub(crate) fn until(at: Timestamp) -> std::time::Duration {
    std::time::Duration::from_millis(at.since(now()))
}
