//! Why a running node does not do what it is asked for.

use crate::engine::core::Stopped;
use astrape_node::{RECIPIENT_AWAY, Refusal};
use astrape_payment::PayRefusal;
use astrape_routing::NoRoute;

/// Why there is no address.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// A new node that has not seen a block yet.
    #[error(
        "this new node has not reached its chain source yet, and coins that came to an address of it would not be found: see \
         `astrape getinfo` for what it waits for, and try again"
    )]
    NotBegun,
    /// It cannot be written down.
    #[error(transparent)]
    Failed(#[from] anyhow::Error),
}

/// Why a command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// The core does not do it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The engine stops.
    #[error("the node is stopping")]
    Stopped,
    /// What the command needs to know could not be looked up.
    #[error("{0}")]
    Lookup(String),
}

impl From<Stopped> for CommandError {
    fn from(Stopped: Stopped) -> Self {
        CommandError::Stopped
    }
}

/// Why there is no way for a payment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// There can be none, whatever the network is like.
    #[error(transparent)]
    Refused(#[from] PayRefusal),
    /// Path search finds none.
    #[error(transparent)]
    NoRoute(#[from] NoRoute),
    /// Nor does it where a channel of ours would do.
    #[error("{0}; {RECIPIENT_AWAY}")]
    RecipientAway(NoRoute),
}
