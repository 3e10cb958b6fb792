//! The session of BOLT 1 over a secured connection: `init` first, then messages, with pings to know that the peer lives.
//!
//! The session stands between the [`Decryptor`](crate::Decryptor) and the node. It decodes, answers pings, and says what
//! to do by one [`Action`] at most for each thing that it is told, so whoever drives it can stop reading while its
//! writes wait: that is what bounds a peer that sends much and reads nothing.

mod init;
mod liveness;
mod reason;

use astrape_primitives::{ChannelId, Entropy, Timestamp};
use astrape_wire::{Decoded, Error, Init, Message, Warning, printable};
use core::net::SocketAddr;
use liveness::{Liveness, PingAllowance};

pub use init::{InitRefusal, LocalInit, MAX_KEPT_FEATURE_BYTES, PeerInit};
pub use liveness::{MAX_PING_BURST, PING_INTERVAL_MS, PING_REFILL_MS, PONG_TIMEOUT_MS};
pub use reason::DisconnectReason;

/// How long a peer that has finished the handshake may wait with its `init`.
pub const INIT_TIMEOUT_MS: u64 = 30_000;

/// What the driver has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send this.
    Send(Message),
    /// The peer's `init` came and suits us: tell the node. Nothing of the node's may be sent before this (BOLT 1).
    Up(PeerInit),
    /// Give this to the node. Among it `error` and `warning`, which fail channels or are shown, as their channel ids say.
    Deliver(Message),
    /// Send the warning, if there is one, and close the connection. No channel fails for it.
    Disconnect {
        /// Why.
        reason: DisconnectReason,
        /// The same in words for the peer, if it may be spoken to.
        warning: Option<Message>,
    },
}

/// One connection from its handshake to its end.
#[derive(Debug)]
pub struct Session {
    phase: Phase,
    heard_at: Timestamp,
}

#[derive(Debug)]
enum Phase {
    /// Ours is sent, the peer's is awaited. Nothing else is sent.
    AwaitingInit { local: LocalInit, deadline: Timestamp, entropy: Entropy },
    /// Both were exchanged.
    Up { liveness: Liveness, allowance: PingAllowance },
    /// A disconnection was asked for. What comes now is dropped.
    Over,
}

impl Session {
    /// Begins after the handshake and gives our `init`, the first message to send. `accepted_from` is where an incoming
    /// connection came from, if it came by IP; `entropy` are 32 fresh random bytes.
    #[must_use]
    pub fn start(
        local: LocalInit,
        accepted_from: Option<SocketAddr>,
        entropy: [u8; 32],
        now: Timestamp,
    ) -> (Self, Message) {
        let ours = Message::Init(local.message(accepted_from));
        let deadline = now.plus(INIT_TIMEOUT_MS);
        let phase = Phase::AwaitingInit { local, deadline, entropy: Entropy::new(entropy) };
        (Self { phase, heard_at: now }, ours)
    }

    /// Whether both `init` were exchanged and the connection is not being closed.
    #[must_use]
    pub fn is_up(&self) -> bool {
        matches!(self.phase, Phase::Up { .. })
    }

    /// When the peer was last heard: its last message, of any type.
    #[must_use]
    pub fn heard_at(&self) -> Timestamp {
        self.heard_at
    }

    /// When to call [`Session::tick`] at the latest; `None` when there is nothing left to wait for.
    #[must_use]
    pub fn wake_at(&self) -> Option<Timestamp> {
        match &self.phase {
            Phase::AwaitingInit { deadline, .. } => Some(*deadline),
            Phase::Up { liveness, .. } => Some(liveness.wake_at()),
            Phase::Over => None,
        }
    }

    /// The passing of time: a ping when it is due, a disconnection when the peer is late.
    pub fn tick(&mut self, now: Timestamp) -> Option<Action> {
        match &mut self.phase {
            Phase::AwaitingInit { deadline, .. } if now >= *deadline => {
                Some(self.disconnect(DisconnectReason::InitTimeout))
            }
            Phase::Up { liveness, .. } => match liveness.tick(now) {
                Ok(ping) => ping.map(|ping| Action::Send(Message::Ping(ping))),
                Err(reason) => Some(self.disconnect(reason)),
            },
            Phase::AwaitingInit { .. } | Phase::Over => None,
        }
    }

    /// Asks the peer for a sign of life now, unless it is being asked already or is not up. For what is only worth
    /// proposing to a peer that lives.
    pub fn probe(&mut self, now: Timestamp) -> Option<Action> {
        match &mut self.phase {
            Phase::Up { liveness, .. } => liveness.probe(now).map(|ping| Action::Send(Message::Ping(ping))),
            Phase::AwaitingInit { .. } | Phase::Over => None,
        }
    }

    /// One decrypted message of the peer.
    pub fn receive(&mut self, bytes: &[u8], now: Timestamp) -> Option<Action> {
        if matches!(self.phase, Phase::Over) {
            return None;
        }
        let message = match Message::decode(bytes) {
            Ok(Decoded::Known(message)) => message,
            Ok(Decoded::IgnoredOdd(_)) => {
                self.heard_at = now;
                return None;
            }
            Err(problem) => return Some(self.disconnect(DisconnectReason::Malformed(problem))),
        };
        self.heard_at = now;
        match &mut self.phase {
            Phase::AwaitingInit { local, entropy, .. } => match first_message(message) {
                Ok(theirs) => {
                    let accepted = local.accept(&theirs);
                    let liveness = Liveness::new(now, entropy.clone());
                    // Suited or not, the peer may be spoken to from here on: its init is there.
                    self.phase = Phase::Up { liveness, allowance: PingAllowance::new(now) };
                    Some(accepted.map_or_else(|reason| self.disconnect(reason), Action::Up))
                }
                Err(reason) => Some(self.disconnect(reason)),
            },
            Phase::Up { liveness, allowance } => match message {
                Message::Ping(_) if !allowance.take(now) => {
                    Some(self.disconnect(DisconnectReason::PingFlood))
                }
                Message::Ping(ping) => liveness::answer(&ping).map(|pong| Action::Send(Message::Pong(pong))),
                Message::Pong(pong) => {
                    liveness.receive(&pong);
                    None
                }
                Message::Init(_) => Some(self.disconnect(DisconnectReason::SecondInit)),
                other => Some(Action::Deliver(other)),
            },
            Phase::Over => None,
        }
    }

    fn disconnect(&mut self, reason: DisconnectReason) -> Action {
        let warning = (self.is_up() && reason.is_said()).then(|| {
            Message::Warning(Warning { channel_id: ChannelId::ALL, data: reason.to_string().into_bytes() })
        });
        self.phase = Phase::Over;
        Action::Disconnect { reason, warning }
    }
}

/// The first message must be `init`.
fn first_message(message: Message) -> Result<Init, DisconnectReason> {
    match message {
        Message::Init(init) => Ok(init),
        Message::Error(Error { data, .. }) | Message::Warning(Warning { data, .. }) => {
            Err(DisconnectReason::RefusedByPeer(printable(&data)))
        }
        other => Err(DisconnectReason::NotInit(other.name())),
    }
}
