//! The authenticated key agreement of BOLT 8, `Noise_XK`: 50 bytes to the responder, 50 back, 66 to the responder.
//!
//! [`Initiator`] and [`Responder`] are the acts alone. [`Handshake`] is what a driver uses: it collects the bytes of an
//! act, holds the deadline and tells what to send.

mod initiator;
mod responder;

use crate::frame::{Decryptor, Encryptor};
use crate::noise::{Keys, Secret};
use astrape_primitives::{NodeId, Timestamp};
use bitcoin::secp256k1::ecdh::SharedSecret;
use bitcoin::secp256k1::{PublicKey, Secp256k1, SecretKey};
use core::fmt;

pub use initiator::Initiator;
pub use responder::{Responder, ResponderAwaitingActThree};

/// Bytes of Act One.
pub const ACT_ONE_LEN: usize = 50;
/// Bytes of Act Two.
pub const ACT_TWO_LEN: usize = 50;
/// Bytes of Act Three.
pub const ACT_THREE_LEN: usize = 66;
/// The longest act: all that a peer can make us hold before it has proved who it is.
pub const MAX_ACT: usize = ACT_THREE_LEN;

/// How long a handshake may take. Long enough for 1.5 round trips over Tor, short enough that silent connections do not
/// pile up.
pub const HANDSHAKE_TIMEOUT_MS: u64 = 15_000;

/// The only version of the handshake (BOLT 8, "Handshake Versioning").
const VERSION: u8 = 0;

/// ECDH with the node's static key: SHA-256 of the compressed point. The key itself stays with the signer.
pub type StaticEcdh<'a> = &'a dyn Fn(&PublicKey) -> [u8; 32];

/// One of the three acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Initiator to responder: proves that it knows the responder's key.
    One,
    /// Responder to initiator: proves that it holds that key.
    Two,
    /// Initiator to responder: says who it is and proves it.
    Three,
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Act::One => "Act One",
            Act::Two => "Act Two",
            Act::Three => "Act Three",
        })
    }
}

/// Why a handshake failed. The connection is closed without another byte (BOLT 8).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// A version other than 0 (BOLT 8, "Handshake Versioning").
    #[error("{act} has version {version}; only version 0 is known")]
    Version {
        /// Where it stood.
        act: Act,
        /// What it said.
        version: u8,
    },
    /// 33 bytes that are no point of the curve.
    #[error("{act} holds a public key that is no point of the curve")]
    PublicKey {
        /// Where it stood.
        act: Act,
    },
    /// A tag that does not match: the ends do not agree on a key, mostly because the node id dialled is not the
    /// peer's, or the bytes were changed on the way.
    #[error("{act} does not authenticate; is the node id of the peer right?")]
    Tag {
        /// Where it stood.
        act: Act,
    },
    /// The peer closed the connection in the middle.
    #[error("the connection ended after {received} bytes of {act}")]
    Closed {
        /// The act that was expected.
        act: Act,
        /// How much of it came.
        received: usize,
    },
    /// The deadline passed.
    #[error("{act} did not come in time")]
    Timeout {
        /// The act that was expected.
        act: Act,
    },
    /// The 32 bytes given as ephemeral key are no private key (chance: 2^-128). Draw others.
    #[error("the 32 random bytes given are no private key; draw others")]
    Ephemeral,
    /// Bytes were given to a handshake that is over.
    #[error("the handshake is over")]
    Over,
}

/// What a handshake leaves: who the peer is, and the two directions, each to be used from a task of its own.
pub struct Secured {
    /// The peer, proved by its static key.
    pub remote: NodeId,
    /// For what we send.
    pub encryptor: Encryptor,
    /// For what we receive.
    pub decryptor: Decryptor,
}

impl Secured {
    fn initiator(remote: NodeId, keys: Keys) -> Self {
        Self {
            remote,
            encryptor: Encryptor::new(keys.initiator_to_responder, keys.chaining.clone()),
            decryptor: Decryptor::new(keys.responder_to_initiator, keys.chaining),
        }
    }

    fn responder(remote: NodeId, keys: Keys) -> Self {
        Self {
            remote,
            encryptor: Encryptor::new(keys.responder_to_initiator, keys.chaining.clone()),
            decryptor: Decryptor::new(keys.initiator_to_responder, keys.chaining),
        }
    }
}

impl fmt::Debug for Secured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secured({})", self.remote)
    }
}

/// The ephemeral key pair of one handshake.
struct Ephemeral {
    secret: SecretKey,
    public: PublicKey,
}

impl Ephemeral {
    fn new(bytes: &[u8; 32]) -> Result<Self, HandshakeError> {
        let secret = SecretKey::from_slice(bytes).map_err(|_| HandshakeError::Ephemeral)?;
        let public = PublicKey::from_secret_key(&Secp256k1::signing_only(), &secret);
        Ok(Self { secret, public })
    }

    fn ecdh(&self, point: &PublicKey) -> [u8; 32] {
        SharedSecret::new(point, &self.secret).secret_bytes()
    }
}

impl Drop for Ephemeral {
    fn drop(&mut self) {
        self.secret.non_secure_erase();
    }
}

/// Takes version, key and tag of Act One or Two apart.
fn open_act(act: Act, bytes: &[u8; 50]) -> Result<(PublicKey, [u8; 16]), HandshakeError> {
    check_version(act, bytes[0])?;
    let point = PublicKey::from_slice(&bytes[1..34]).map_err(|_| HandshakeError::PublicKey { act })?;
    let tag = bytes[34..].try_into().expect("an act of 50 bytes ends with 16 after the key");
    Ok((point, tag))
}

/// Puts Act One or Two together.
fn close_act(point: &PublicKey, tag: &[u8; 16]) -> [u8; 50] {
    let mut bytes = [VERSION; 50];
    bytes[1..34].copy_from_slice(&point.serialize());
    bytes[34..].copy_from_slice(tag);
    bytes
}

fn check_version(act: Act, version: u8) -> Result<(), HandshakeError> {
    if version == VERSION { Ok(()) } else { Err(HandshakeError::Version { act, version }) }
}

/// Where a handshake stands: what it expects.
enum State {
    ActOne { responder: Responder, ephemeral: Secret },
    ActTwo(Initiator),
    ActThree(ResponderAwaitingActThree),
    Over,
}

/// What came of bytes given to a [`Handshake`].
#[derive(Debug)]
pub enum Progress {
    /// More bytes are needed; all that were given are taken.
    NeedMore,
    /// Act Two, to be sent; the handshake goes on.
    Reply([u8; ACT_TWO_LEN]),
    /// The initiator's end: send Act Three, then messages.
    Initiated([u8; ACT_THREE_LEN], Secured),
    /// The responder's end: the initiator has proved who it is.
    Responded(Secured),
}

/// A handshake that is fed from a socket in pieces of any size.
pub struct Handshake {
    state: State,
    act: [u8; MAX_ACT],
    received: usize,
    deadline: Timestamp,
}

impl Handshake {
    /// Begins as initiator and gives Act One to send. `ephemeral` is 32 bytes of fresh cryptographic randomness, never
    /// used before.
    ///
    /// # Errors
    /// [`HandshakeError::Ephemeral`] when the 32 bytes are no private key.
    pub fn initiate(
        local: NodeId,
        remote: NodeId,
        ephemeral: [u8; 32],
        now: Timestamp,
    ) -> Result<(Self, [u8; ACT_ONE_LEN]), HandshakeError> {
        let (initiator, act_one) = Initiator::start(local, remote, &ephemeral)?;
        Ok((Self::new(State::ActTwo(initiator), now), act_one))
    }

    /// Begins as responder. `ephemeral` as for [`Handshake::initiate`].
    #[must_use]
    pub fn respond(local: NodeId, ephemeral: [u8; 32], now: Timestamp) -> Self {
        Self::new(State::ActOne { responder: Responder::new(local), ephemeral: Secret::new(ephemeral) }, now)
    }

    fn new(state: State, now: Timestamp) -> Self {
        Self { state, act: [0; MAX_ACT], received: 0, deadline: now.plus(HANDSHAKE_TIMEOUT_MS) }
    }

    /// When to give up: call [`Handshake::check_deadline`] then.
    #[must_use]
    pub fn deadline(&self) -> Timestamp {
        self.deadline
    }

    /// # Errors
    /// [`HandshakeError::Timeout`] once the deadline has passed.
    pub fn check_deadline(&self, now: Timestamp) -> Result<(), HandshakeError> {
        match self.expected() {
            Some((act, _)) if now >= self.deadline => Err(HandshakeError::Timeout { act }),
            _ => Ok(()),
        }
    }

    /// How many bytes complete the act that is expected. A driver that reads no more than this never has bytes over.
    #[must_use]
    pub fn wanted(&self) -> usize {
        self.expected().map_or(0, |(_, length)| length - self.received)
    }

    /// What the end of the stream means now.
    #[must_use]
    pub fn closed(&self) -> HandshakeError {
        match self.expected() {
            Some((act, _)) => HandshakeError::Closed { act, received: self.received },
            None => HandshakeError::Over,
        }
    }

    /// Takes bytes from the socket, never more than the current act needs: the number taken is returned, and what is
    /// left belongs to the next call or, at the end, to the [`Decryptor`].
    ///
    /// # Errors
    /// Any [`HandshakeError`]; the connection is then to be closed without another byte, and the handshake is over.
    pub fn receive(
        &mut self,
        bytes: &[u8],
        now: Timestamp,
        ecdh: StaticEcdh<'_>,
    ) -> Result<(usize, Progress), HandshakeError> {
        self.check_deadline(now)?;
        let wanted = self.wanted();
        if wanted == 0 {
            return Err(HandshakeError::Over);
        }
        let taken = wanted.min(bytes.len());
        self.act[self.received..self.received + taken].copy_from_slice(&bytes[..taken]);
        self.received += taken;
        if taken < wanted {
            return Ok((taken, Progress::NeedMore));
        }
        self.received = 0;
        Ok((taken, self.complete(ecdh)?))
    }

    /// A whole act is there. An error leaves the handshake over.
    fn complete(&mut self, ecdh: StaticEcdh<'_>) -> Result<Progress, HandshakeError> {
        match core::mem::replace(&mut self.state, State::Over) {
            State::ActOne { responder, ephemeral } => {
                let (next, reply) = responder.receive(self.first(), &ephemeral, ecdh)?;
                self.state = State::ActThree(next);
                Ok(Progress::Reply(reply))
            }
            State::ActTwo(initiator) => {
                let (act_three, secured) = initiator.receive(self.first(), ecdh)?;
                Ok(Progress::Initiated(act_three, secured))
            }
            State::ActThree(responder) => Ok(Progress::Responded(responder.receive(&self.act)?)),
            State::Over => Err(HandshakeError::Over),
        }
    }

    fn first(&self) -> &[u8; 50] {
        self.act.first_chunk().expect("an act buffer of 66 bytes has 50")
    }

    fn expected(&self) -> Option<(Act, usize)> {
        match self.state {
            State::ActOne { .. } => Some((Act::One, ACT_ONE_LEN)),
            State::ActTwo(_) => Some((Act::Two, ACT_TWO_LEN)),
            State::ActThree(_) => Some((Act::Three, ACT_THREE_LEN)),
            State::Over => None,
        }
    }
}
