//! Why a payment cannot begin, or go on, and what to do about it.

use astrape_onion::BuildError;
use astrape_primitives::{Msat, Network, NodeId, Sat};

/// Why there is no way for a payment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayRefusal {
    /// The invoice is for another chain.
    #[error(
        "the invoice is for {invoice} and this node is on {ours}: ask for an invoice of the right network"
    )]
    OtherNetwork {
        /// Where it is to be paid.
        invoice: Network,
        /// Where we are.
        ours: Network,
    },
    /// The invoice is ours.
    #[error(
        "the invoice is this node's own: a payment to oneself needs no channel (to move balance between channels, see `rebalance`)"
    )]
    OwnInvoice,
    /// The invoice is too old.
    #[error("the invoice expired {secs} seconds ago: ask for a new one")]
    Expired {
        /// Since when.
        secs: u64,
    },
    /// The invoice leaves the amount open and none was given.
    #[error("the invoice leaves the amount open: say how much to pay")]
    AmountMissing,
    /// Nothing, or more than all channels could ever carry.
    #[error("{0} cannot be paid: give an amount above zero and below all the bitcoin there is")]
    Amount(Msat),
    /// Less than the invoice asks for, or more than twice as much.
    #[error(
        "the invoice asks for {asked} and {given} was given: pay at least what it asks and at most twice as much"
    )]
    OtherAmount {
        /// By the invoice.
        asked: Msat,
        /// By the user.
        given: Msat,
    },
    /// Nothing to pay with.
    #[error(
        "no channel is usable now: open one, or wait until its funding is confirmed and its peer connected"
    )]
    NoChannel,
    /// None of our channels leads to the recipient.
    #[error(
        "none of the usable channels leads to {destination}{hints}: open a channel with {with}",
        hints = if *hinted { " or to a node that its invoice names as a way" } else { "" }
    )]
    NoWay {
        /// The recipient.
        destination: NodeId,
        /// Whether the invoice has route hints.
        hinted: bool,
        /// With whom a channel would help.
        with: NodeId,
    },
    /// All channels together hold too little.
    #[error(
        "no channel with enough outbound: {missing} missing (all usable channels together can send {available} of {amount}); receive \
         some or open a larger channel",
        missing = missing_sat(*amount, *available)
    )]
    NotEnoughOutbound {
        /// What was to be sent.
        amount: Msat,
        /// What could be, all channels together.
        available: Msat,
    },
    /// The channels that lead to the recipient hold too little.
    #[error(
        "the channels that lead there can deliver {available} of {amount}: {missing} of outbound balance are missing; \
         receive some or open a larger channel",
        missing = missing_sat(*amount, *available)
    )]
    NotEnough {
        /// What was to be delivered.
        amount: Msat,
        /// What could be, all channels together.
        available: Msat,
    },
    /// No channel alone holds enough, and the recipient takes one part only.
    #[error(
        "the recipient takes a payment in one part only, and the largest channel that leads there can deliver {largest} \
         of {amount}: {missing} of outbound balance are missing in it",
        missing = missing_sat(*amount, *largest)
    )]
    NotEnoughInOne {
        /// What was to be delivered.
        amount: Msat,
        /// What one channel could deliver.
        largest: Msat,
    },
    /// The money is there, in too many pieces.
    #[error(
        "{amount} cannot be delivered in at most {most} parts of at least {min_part} each: pay less, or through a larger channel"
    )]
    TooManyParts {
        /// What was to be delivered.
        amount: Msat,
        /// Most parts.
        most: usize,
        /// Smallest part.
        min_part: Msat,
    },
    /// The way is too dear.
    #[error("the cheapest way costs {fee} and at most {max} was allowed: allow a higher fee")]
    FeeTooHigh {
        /// The cost.
        fee: Msat,
        /// The limit.
        max: Msat,
    },
    /// Less than a peer takes.
    #[error("{amount} is below the minimum of {minimum} of every channel that leads there: pay more at once")]
    BelowMinimum {
        /// What was to be delivered.
        amount: Msat,
        /// The lowest minimum.
        minimum: Msat,
    },
    /// The recipient and the hops would lock our money for too long.
    #[error(
        "the payment could be locked for {blocks} blocks and at most {most} are allowed: ask the recipient for an invoice with a \
         lower min_final_cltv_expiry_delta"
    )]
    TooLong {
        /// Blocks until our HTLC would expire.
        blocks: u32,
        /// Most.
        most: u32,
    },
    /// The payloads do not fit an onion.
    #[error("the invoice asks for more data than a payment can carry: {0}")]
    Onion(#[from] BuildError),
}

/// What is missing, in whole satoshi rounded up.
fn missing_sat(amount: Msat, available: Msat) -> Sat {
    amount.saturating_sub(available).to_sat_ceil()
}
