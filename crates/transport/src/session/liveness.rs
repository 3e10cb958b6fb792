//! Pings: ours, by which we know that the peer lives and reads, and the peer's, which we answer (BOLT 1, "The ping and
//! pong Messages").

use super::DisconnectReason;
use astrape_primitives::{Entropy, Timestamp};
use astrape_wire::{Ping, Pong};

/// How often the peer is pinged, whatever else it sends: a peer that sends much and reads nothing is found by this.
pub const PING_INTERVAL_MS: u64 = 60_000;
/// How long a pong may take. It stands behind all that waits in both directions, over Tor perhaps.
pub const PONG_TIMEOUT_MS: u64 = 45_000;
/// How many pings in a row are answered: much more than keeping alive and hiding traffic needs, after any pause.
pub const MAX_PING_BURST: u64 = 60;
/// One more ping is allowed after each such while.
pub const PING_REFILL_MS: u64 = 500;

/// The pong that answers a ping; `None` when none is wanted.
pub(super) fn answer(ping: &Ping) -> Option<Pong> {
    (ping.num_pong_bytes < Ping::NO_PONG).then(|| Pong { ignored: vec![0; usize::from(ping.num_pong_bytes)] })
}

/// Our pings, one at a time.
#[derive(Debug)]
pub(super) struct Liveness {
    pinged_at: Timestamp,
    /// How many bytes the pong must have that we wait for.
    awaited: Option<u16>,
    entropy: Entropy,
}

impl Liveness {
    /// The first ping is due an interval from now.
    pub(super) fn new(now: Timestamp, entropy: Entropy) -> Self {
        Self { pinged_at: now, awaited: None, entropy }
    }

    pub(super) fn wake_at(&self) -> Timestamp {
        self.pinged_at.plus(if self.awaited.is_some() { PONG_TIMEOUT_MS } else { PING_INTERVAL_MS })
    }

    /// A ping when it is due; the reason to disconnect when the pong is late.
    pub(super) fn tick(&mut self, now: Timestamp) -> Result<Option<Ping>, DisconnectReason> {
        // A clock that was set back must not silence us.
        self.pinged_at = self.pinged_at.min(now);
        if now < self.wake_at() {
            return Ok(None);
        }
        if self.awaited.is_some() {
            return Err(DisconnectReason::PongTimeout);
        }
        Ok(self.probe(now))
    }

    /// A ping now, unless one is not answered yet.
    pub(super) fn probe(&mut self, now: Timestamp) -> Option<Ping> {
        if self.awaited.is_some() {
            return None;
        }
        // Of random length, so that a peer which does not read cannot answer beforehand.
        let num_pong_bytes = u16::from(self.entropy.draw("ping")[0]);
        self.pinged_at = now;
        self.awaited = Some(num_pong_bytes);
        Some(Ping { num_pong_bytes, ignored: Vec::new() })
    }

    /// A pong of another length answers nothing that we asked.
    pub(super) fn receive(&mut self, pong: &Pong) {
        if self.awaited.is_some_and(|bytes| usize::from(bytes) == pong.ignored.len()) {
            self.awaited = None;
        }
    }
}

/// How many pings of the peer are still answered: each may cost 64 KiB of pong.
#[derive(Debug)]
pub(super) struct PingAllowance {
    left: u64,
    counted_at: Timestamp,
}

impl PingAllowance {
    pub(super) fn new(now: Timestamp) -> Self {
        Self { left: MAX_PING_BURST, counted_at: now }
    }

    /// Whether one more is allowed.
    pub(super) fn take(&mut self, now: Timestamp) -> bool {
        self.counted_at = self.counted_at.min(now);
        let refills = now.since(self.counted_at) / PING_REFILL_MS;
        self.left = self.left.saturating_add(refills).min(MAX_PING_BURST);
        self.counted_at = self.counted_at.plus(refills.saturating_mul(PING_REFILL_MS));
        let is_allowed = self.left > 0;
        self.left = self.left.saturating_sub(1);
        is_allowed
    }
}
