//! What a peer can do wrong, one variant a rule of BOLT 2, and what we do about it: one table.

use astrape_primitives::{CltvExpiry, FeeratePerKw, HtlcId, Msat, Sat};

/// The peer broke a rule. The channel is as it was before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A message that has no place in the present phase.
    #[error("unexpected {message} while {phase}")]
    Unexpected {
        /// The message's name.
        message: &'static str,
        /// Where the channel is.
        phase: &'static str,
    },
    /// An `open_channel` or `accept_channel` that we do not accept (BOLT 2, their receiver's requirements).
    #[error("the channel proposal is not acceptable: {0}")]
    Proposal(String),
    /// The signature of a commitment, HTLC or closing transaction is wrong, has high S, or one is missing or too many.
    #[error("invalid signature: {0}")]
    Signature(String),
    /// The funding transaction does not have the agreed output (attack 1).
    #[error("the funding transaction does not fund this channel: {0}")]
    Funding(String),
    /// HTLC ids count up by one (BOLT 2 `update_add_htlc`).
    #[error("HTLC id {got} where {expected} was next")]
    HtlcIdOutOfOrder {
        /// Given.
        got: HtlcId,
        /// Due.
        expected: HtlcId,
    },
    /// `amount_msat` is 0 or below our `htlc_minimum_msat`.
    #[error("HTLC of {amount} is below the minimum of {minimum}")]
    HtlcBelowMinimum {
        /// Given.
        amount: Msat,
        /// Ours.
        minimum: Msat,
    },
    /// `cltv_expiry` is a time and not a height.
    #[error("cltv_expiry {0} is not a height")]
    ExpiryIsATime(u32),
    /// More HTLCs than our `max_accepted_htlcs`.
    #[error("more than {0} HTLCs in flight")]
    TooManyHtlcs(u16),
    /// More than our `max_htlc_value_in_flight_msat`.
    #[error("{total} in flight where {limit} is the most")]
    TooMuchInFlight {
        /// With the new one.
        total: Msat,
        /// Ours.
        limit: Msat,
    },
    /// The peer cannot pay for what it offers and keep its reserve and the fee.
    #[error("the sender of the HTLC cannot afford it: {missing} missing with its reserve and the fee")]
    CannotAfford {
        /// How much.
        missing: Msat,
    },
    /// An update about an HTLC that is not there, or not irrevocably committed, or ended already.
    #[error("no HTLC {0} that could be resolved now")]
    UnknownHtlc(HtlcId),
    /// The preimage of an `update_fulfill_htlc` does not have the HTLC's hash.
    #[error("the preimage does not match HTLC {0}")]
    WrongPreimage(HtlcId),
    /// `update_fail_malformed_htlc` without the BADONION bit.
    #[error("failure code {0:#06x} without BADONION in update_fail_malformed_htlc")]
    NotBadOnion(u16),
    /// `update_fee` from the side that does not pay the fee.
    #[error("update_fee from the side that did not open the channel")]
    FeeFromNonOpener,
    /// A feerate too low for timely processing or unreasonably large.
    #[error("feerate of {got} is not between {min} and {max}")]
    Feerate {
        /// Given.
        got: FeeratePerKw,
        /// Lowest accepted.
        min: FeeratePerKw,
        /// Highest accepted.
        max: FeeratePerKw,
    },
    /// The opener cannot pay the commitment's fee and keep its reserve.
    #[error("the opener cannot pay the commitment fee of {fee}")]
    CannotPayFee {
        /// The fee.
        fee: Sat,
    },
    /// Nothing in the peer's next commitment would be worth an output.
    #[error("the next commitment would have no outputs")]
    NoOutputs,
    /// At that feerate more would go to dust than the bound (attack 38).
    #[error("{exposure} of dust HTLCs would be over the bound of {limit}")]
    DustExposure {
        /// With the change.
        exposure: Msat,
        /// Ours.
        limit: Msat,
    },
    /// The fee would take too large a share of the capacity (attack 39).
    #[error("a commitment fee of {fee} would take more than {percent}% of the capacity")]
    FeeShare {
        /// The fee.
        fee: Sat,
        /// The bound.
        percent: u8,
    },
    /// A `commitment_signed` for another funding transaction.
    #[error("commitment_signed for a funding transaction that this channel does not have")]
    OtherFunding,
    /// An update or commitment after the negotiation of the closing transaction began.
    #[error("{0} after both sides have shut down")]
    AfterShutdown(&'static str),
    /// `revoke_and_ack` that nothing asked for.
    #[error("revoke_and_ack without a commitment_signed to answer")]
    NothingToRevoke,
    /// The secret does not belong to the commitment that is to be revoked.
    #[error("the revealed secret is not that of the revoked commitment")]
    WrongSecret,
    /// The numbers of `channel_reestablish` fit no state that we can be in.
    #[error("channel_reestablish does not fit: {0}")]
    Reestablish(String),
    /// `shutdown` that we do not accept: script form, upfront script, or too early.
    #[error("shutdown is not acceptable: {0}")]
    Shutdown(String),
    /// A `closing_signed` for which BOLT 2 says that the channel must be failed: a fee outside of the overlap of both ranges,
    /// or other than the one that was picked in it, or with an output that is dust.
    #[error("closing fee is not acceptable: {0}")]
    ClosingFee(String),
    /// The `fee_range`s of both sides have nothing in common; the peer may say another.
    #[error("closing fees of {min} to {max} are out of the question: it must be {our_min} to {our_max}")]
    ClosingFeesApart {
        /// The peer's least.
        min: Sat,
        /// The peer's most.
        max: Sat,
        /// Our least.
        our_min: Sat,
        /// Our most.
        our_max: Sat,
    },
    /// Without `fee_range`: a fee that does not come nearer, or no room is left to come nearer.
    #[error("closing fee of {fee} does not come nearer to ours")]
    ClosingFeeNotBetween {
        /// Given.
        fee: Sat,
    },
    /// `announcement_signatures` for another channel or where none are due.
    #[error("announcement_signatures are not acceptable: {0}")]
    Announcement(String),
    /// The signatures of `announcement_signatures` are none on this channel's announcement.
    #[error("the signatures in announcement_signatures do not sign this channel's announcement")]
    AnnouncementSignature,
    /// An `error` that fails nothing, as LND uses it (ADR 26).
    #[error("the error {0:?} is one that passes: the channel stays, and the connection begins anew")]
    Passing(String),
    /// The signer has not given the next point yet; the peer is fine, and a reconnection helps.
    #[error("the signer is behind; try again")]
    SignerBehind,
}

/// What we do about a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// Say so and go on.
    Warn,
    /// Say so (`error`) and forget the negotiation.
    AbortNegotiation,
    /// Say so (`warning`) and close the connection: the peer may come back in a better state.
    Disconnect,
    /// Say so (`error`) and go on chain.
    FailChannel,
}

/// What we do about a fault of a channel that is (`funded`) or is not yet bound to money. The only place that decides it.
///
/// A channel is failed only where BOLT 2 leaves no other way or the peer has shown that its state is not ours; everywhere
/// else it may close the connection and come back, since a close costs both sides and helps nobody.
#[must_use]
pub fn reaction(fault: &Fault, funded: bool) -> Reaction {
    if !funded {
        return Reaction::AbortNegotiation;
    }
    match fault {
        Fault::WrongSecret
        | Fault::NothingToRevoke
        | Fault::Funding(_)
        | Fault::Reestablish(_)
        | Fault::ClosingFee(_) => Reaction::FailChannel,
        Fault::Signature(_)
        | Fault::HtlcIdOutOfOrder { .. }
        | Fault::HtlcBelowMinimum { .. }
        | Fault::ExpiryIsATime(_)
        | Fault::TooManyHtlcs(_)
        | Fault::TooMuchInFlight { .. }
        | Fault::CannotAfford { .. }
        | Fault::UnknownHtlc(_)
        | Fault::WrongPreimage(_)
        | Fault::NotBadOnion(_)
        | Fault::FeeFromNonOpener
        | Fault::Feerate { .. }
        | Fault::CannotPayFee { .. }
        | Fault::NoOutputs
        | Fault::DustExposure { .. }
        | Fault::FeeShare { .. }
        | Fault::OtherFunding
        | Fault::AfterShutdown(_)
        | Fault::ClosingFeeNotBetween { .. }
        | Fault::Shutdown(_)
        | Fault::AnnouncementSignature
        | Fault::Passing(_)
        | Fault::SignerBehind
        | Fault::Unexpected { .. } => Reaction::Disconnect,
        Fault::Proposal(_) | Fault::ClosingFeesApart { .. } | Fault::Announcement(_) => Reaction::Warn,
    }
}

/// The caller asked for what cannot be. Says what is missing or in the way.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The channel is not open for HTLCs.
    #[error("the channel is {0}")]
    NotUsable(&'static str),
    /// Too small for the peer.
    #[error("{amount} is below the peer's minimum of {minimum}")]
    BelowMinimum {
        /// Asked.
        amount: Msat,
        /// The peer's.
        minimum: Msat,
    },
    /// As many HTLCs as the peer (or we) let be in flight.
    #[error("{0} HTLCs are in flight already; wait until some are resolved")]
    TooManyHtlcs(u16),
    /// Over what the peer lets be in flight.
    #[error("over the peer's limit in flight by {over}")]
    TooMuchInFlight {
        /// By how much.
        over: Msat,
    },
    /// Not enough balance with the reserve, the fee and the buffer for a fee spike.
    #[error("{missing} missing on our side of the channel (with the reserve and the fee)")]
    InsufficientBalance {
        /// How much.
        missing: Msat,
    },
    /// The peer (the opener) could not pay the fee with one HTLC more.
    #[error("the peer cannot pay the commitment's fee with one HTLC more")]
    PeerCannotPayFee,
    /// Too much dust in flight.
    #[error("dust in flight would be over the bound of {limit}")]
    DustExposure {
        /// Ours.
        limit: Msat,
    },
    /// A time and not a height.
    #[error("cltv_expiry {0} is not a height")]
    ExpiryIsATime(u32),
    /// It timed out while it waited for its turn.
    #[error("cltv_expiry {0} has passed")]
    Expired(CltvExpiry),
    /// The channel cannot be opened so.
    #[error("cannot open the channel: {0}")]
    Open(String),
    /// As the channel is now it cannot be closed that way.
    #[error("cannot close: {0}")]
    Close(String),
}
