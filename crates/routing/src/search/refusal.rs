//! Why there is no way, and what would help.

use astrape_primitives::{Feature, Msat, NodeId, Sat};

/// Why there is no way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRoute {
    /// Zero, or more than there is.
    #[error("there is no way for {0}: name an amount above zero and below all money")]
    NoAmount(Msat),
    /// The start is the recipient, and not us.
    #[error("money goes in a circle only from channels of our own")]
    ToItself,
    /// The payer has no channel that may be used.
    #[error("the payer has no channel that can be used: open one, or wait until one is ready")]
    NoChannel,
    /// All channels of the payer hold less.
    #[error("no channel with enough outbound: {} missing", sat(.missing))]
    NotEnoughOutbound {
        /// How much.
        missing: Msat,
    },
    /// Nothing that is known leads to the recipient.
    #[error("no channel of {0} is known: wait for gossip, or ask for an invoice with a route hint")]
    UnknownNode(NodeId),
    /// All channels that lead to the recipient hold less.
    #[error("{to} can receive {} less than that over the channels that are known", sat(.missing))]
    NotEnoughInbound {
        /// The recipient.
        to: NodeId,
        /// How much.
        missing: Msat,
    },
    /// The recipient requires what we do not know (BOLT 7).
    #[error("{to} requires a feature that is not known here: bit {bit}")]
    ForeignNode {
        /// The recipient.
        to: NodeId,
        /// The even bit.
        bit: usize,
    },
    /// The cheapest way is dearer than allowed.
    #[error(
        "the cheapest way costs {least} and the limit is {limit}: allow a higher fee, or pay less at a time"
    )]
    FeeTooHigh {
        /// What the cheapest way that was found costs.
        least: Msat,
        /// The limit.
        limit: Msat,
    },
    /// The ways lock the money for longer than allowed.
    #[error("the shortest way would lock the money for {blocks} blocks more, and the limit is {limit}")]
    TooLong {
        /// What the hops add.
        blocks: u32,
        /// The limit.
        limit: u32,
    },
    /// The ways have more hops than allowed.
    #[error("there is no way of at most {limit} hops")]
    TooManyHops {
        /// The limit.
        limit: usize,
    },
    /// No single way holds as much, and the limit of parts is met.
    #[error("{amount} does not fit into so few parts ({limit}): with more parts there is a way")]
    TooManyParts {
        /// What was to arrive.
        amount: Msat,
        /// The limit.
        limit: usize,
    },
    /// All ways have a node in the middle that does not support what is asked.
    #[error("no way has only nodes that support {}", .0.name())]
    NotSupported(Feature),
    /// The network between payer and recipient does not hold as much.
    #[error("the known network can bring {} less than that from the payer to {to}", sat(.missing))]
    NotEnoughBetween {
        /// The recipient.
        to: NodeId,
        /// How much.
        missing: Msat,
    },
}

impl NoRoute {
    /// Whether money is missing in channels of others.
    pub(super) const fn is_want_of_money(&self) -> bool {
        matches!(
            self,
            Self::NotEnoughInbound { .. } | Self::NotEnoughBetween { .. } | Self::TooManyParts { .. }
        )
    }
}

fn sat(amount: &Msat) -> Sat {
    amount.to_sat_ceil()
}
