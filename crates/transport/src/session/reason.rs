//! Why a session ends.

use astrape_primitives::Feature;
use astrape_wire::DecodeError;

/// Why we end a connection. Written so that the operator and the peer can both read it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DisconnectReason {
    /// Bytes that are no message, or one of an even type that is unknown (BOLT 1, "Lightning Message Format").
    #[error("cannot read your message: {0}")]
    Malformed(#[from] DecodeError),
    /// The first message was another one (BOLT 1, "The init Message").
    #[error("the first message was {0} and not init")]
    NotInit(&'static str),
    /// Instead of `init` came an `error` or `warning`, with this text.
    #[error("the peer refused the connection: {0}")]
    RefusedByPeer(String),
    /// `init` came twice.
    #[error("init came a second time")]
    SecondInit,
    /// An even feature bit that we do not support (BOLT 1, "The init Message").
    #[error("you require feature bit {bit}, which this node does not support")]
    UnknownFeature {
        /// The bit.
        bit: usize,
    },
    /// A feature without what it depends on (BOLT 1 and 9).
    #[error("you offer {} without {}, on which it depends", feature.name(), dependency.name())]
    MissingDependency {
        /// What is offered.
        feature: Feature,
        /// What is missing.
        dependency: Feature,
    },
    /// `networks` holds none of ours (BOLT 1, "The init Message").
    #[error("your networks are not ours: no chain in common")]
    NoCommonChain,
    /// No `init` in time.
    #[error("no init within {} seconds", super::INIT_TIMEOUT_MS / 1000)]
    InitTimeout,
    /// A ping was not answered: the peer is gone, stuck, or does not read.
    #[error("no pong within {} seconds", super::PONG_TIMEOUT_MS / 1000)]
    PongTimeout,
    /// More pings than any honest peer sends.
    #[error("too many pings")]
    PingFlood,
}

impl DisconnectReason {
    /// Whether the peer is told. Not one that does not read: the words would wait in front of a closed door. Nor one that needs
    /// what we do not know: the connection is closed, and no message is expected (BOLT 1).
    pub(super) fn is_said(&self) -> bool {
        !matches!(
            self,
            Self::PongTimeout
                | Self::UnknownFeature { .. }
                | Self::Malformed(DecodeError::UnknownEvenType(_))
        )
    }
}
