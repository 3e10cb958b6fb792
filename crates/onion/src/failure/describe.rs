//! Failures in words: their name in the BOLT, the likely cause, and what to do.

use super::Failure;

/// What a failure means for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Description {
    /// The likely cause, as a clause about the node that failed the payment.
    pub cause: &'static str,
    /// What helps.
    pub next_step: &'static str,
}

impl core::fmt::Display for Description {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}: {}", self.cause, self.next_step)
    }
}

const ANOTHER_ROUTE: &str = "another route is tried; if all fail, try again later";
const REFRESH: &str = "the route is computed anew with a wider margin; it helps to let gossip catch up";
const ASK_RECIPIENT: &str = "ask the recipient for a new invoice and check that it is for this amount";
const REPORT: &str = "another route is tried; if it happens often, report it with the log of this payment";

impl Failure {
    /// The BOLT's name of the message.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::TemporaryNodeFailure => "temporary_node_failure",
            Self::PermanentNodeFailure => "permanent_node_failure",
            Self::RequiredNodeFeatureMissing => "required_node_feature_missing",
            Self::InvalidOnionVersion { .. } => "invalid_onion_version",
            Self::InvalidOnionHmac { .. } => "invalid_onion_hmac",
            Self::InvalidOnionKey { .. } => "invalid_onion_key",
            Self::TemporaryChannelFailure => "temporary_channel_failure",
            Self::PermanentChannelFailure => "permanent_channel_failure",
            Self::RequiredChannelFeatureMissing => "required_channel_feature_missing",
            Self::UnknownNextPeer => "unknown_next_peer",
            Self::AmountBelowMinimum { .. } => "amount_below_minimum",
            Self::FeeInsufficient { .. } => "fee_insufficient",
            Self::IncorrectCltvExpiry { .. } => "incorrect_cltv_expiry",
            Self::ExpiryTooSoon => "expiry_too_soon",
            Self::IncorrectOrUnknownPaymentDetails { .. } => "incorrect_or_unknown_payment_details",
            Self::FinalIncorrectCltvExpiry { .. } => "final_incorrect_cltv_expiry",
            Self::FinalIncorrectHtlcAmount { .. } => "final_incorrect_htlc_amount",
            Self::ChannelDisabled { .. } => "channel_disabled",
            Self::ExpiryTooFar => "expiry_too_far",
            Self::InvalidOnionPayload { .. } => "invalid_onion_payload",
            Self::MppTimeout => "mpp_timeout",
            Self::InvalidOnionBlinding { .. } => "invalid_onion_blinding",
            Self::Unknown { .. } => "unknown failure",
        }
    }

    /// The likely cause and the next step, in words for people.
    #[must_use]
    pub const fn describe(&self) -> Description {
        let (cause, next_step) = match self {
            Self::TemporaryNodeFailure => ("a node on the route is overloaded or starting up", ANOTHER_ROUTE),
            Self::PermanentNodeFailure => {
                ("a node on the route is shutting down or does not forward", ANOTHER_ROUTE)
            }
            Self::RequiredNodeFeatureMissing => {
                ("a node on the route asks for a feature that this node lacks", ANOTHER_ROUTE)
            }
            Self::InvalidOnionVersion { .. }
            | Self::InvalidOnionHmac { .. }
            | Self::InvalidOnionKey { .. } => (
                "the next node could not read the onion: it was changed on its way, or was built for another node key",
                REPORT,
            ),
            Self::TemporaryChannelFailure => {
                ("a channel on the route has too little balance on the needed side or is busy", ANOTHER_ROUTE)
            }
            Self::PermanentChannelFailure => ("a channel on the route is closed or closing", ANOTHER_ROUTE),
            Self::RequiredChannelFeatureMissing => {
                ("a channel on the route asks for a feature that this node lacks", ANOTHER_ROUTE)
            }
            Self::UnknownNextPeer => {
                ("the next node of the route is offline or its channel is unknown", ANOTHER_ROUTE)
            }
            Self::AmountBelowMinimum { .. } => (
                "the amount is below what a channel on the route carries",
                "a channel with a lower minimum is tried; it helps to pay more at once or in fewer parts",
            ),
            Self::FeeInsufficient { .. } => ("a channel on the route has raised its fee", REFRESH),
            Self::IncorrectCltvExpiry { .. } => {
                ("a channel on the route asks for more blocks between the expiries", REFRESH)
            }
            Self::ExpiryTooSoon => (
                "the payment would expire too soon for a node on the route",
                "check that this node is synchronized to the newest block, then try again",
            ),
            Self::IncorrectOrUnknownPaymentDetails { .. } => (
                "the recipient does not know this payment, has already been paid, or expects another amount",
                ASK_RECIPIENT,
            ),
            Self::FinalIncorrectCltvExpiry { .. } => {
                ("the last forwarding node gave the recipient less time than it was told to", ANOTHER_ROUTE)
            }
            Self::FinalIncorrectHtlcAmount { .. } => {
                ("the last forwarding node gave the recipient less than it was told to", ANOTHER_ROUTE)
            }
            Self::ChannelDisabled { .. } => ("a channel on the route is disabled", ANOTHER_ROUTE),
            Self::ExpiryTooFar => (
                "the payment could be held for longer than a node on the route allows",
                "a route with fewer or quicker channels is tried; a shorter final expiry in the invoice helps",
            ),
            Self::InvalidOnionPayload { .. } => {
                ("a node on the route did not understand its instructions or misses one", REPORT)
            }
            Self::MppTimeout => (
                "not all parts of the payment reached the recipient in time",
                "the payment can be tried again, with fewer parts if it is possible",
            ),
            Self::InvalidOnionBlinding { .. } => (
                "something failed inside the recipient's blinded path, which tells no more on purpose",
                "another blinded path of the recipient is tried; if there is none, ask for a new invoice",
            ),
            Self::Unknown { .. } => {
                ("a node on the route gave a reason that this node does not know", REPORT)
            }
        };
        Description { cause, next_step }
    }
}
