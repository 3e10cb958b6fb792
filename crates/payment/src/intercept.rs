//! Forwards that an application is asked about: it may open a channel first, take another fee, or refuse. What waits for it is an
//! HTLC as any other, and is given back before it would become late.

use crate::policy::{MIN_CLTV_EXPIRY_DELTA, PaymentPolicy};
use astrape_channel::{Htlc, NewHtlc, OnionSource, Origin};
use astrape_onion::{Failure, ForwardPayload};
use astrape_primitives::{ChannelKeysId, Height, Msat, ShortChannelId, Timestamp};
use astrape_wire::OnionPacket;

/// HTLCs that wait for an application at a time: each is a row, and a slot of a channel.
pub const MAX_HELD: usize = 1_000;

/// Those of them that came in over one channel: it has slots for others too.
pub const MAX_HELD_PER_CHANNEL: usize = 60;

/// An application that forwards less than this share of what the sender meant has slipped: in hundredths.
pub const MIN_FORWARDED_PERCENT: u64 = 50;

/// About which forwards an application is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Intercept {
    /// None.
    #[default]
    Nothing,
    /// Those to a short channel id of this range: ids that are no channels, which the application hands out in route hints.
    Range {
        /// The first.
        first: ShortChannelId,
        /// The last.
        last: ShortChannelId,
    },
    /// All.
    Everything,
}

impl Intercept {
    /// Whether a forward to this id is one of them.
    #[must_use]
    pub fn takes(&self, id: ShortChannelId) -> bool {
        match self {
            Self::Nothing => false,
            Self::Range { first, last } => (*first..=*last).contains(&id),
            Self::Everything => true,
        }
    }
}

/// Since when an HTLC of a peer waits for an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The time.
    pub since: Timestamp,
}

impl Held {
    /// Whether it has waited for as long as it may.
    #[must_use]
    pub fn is_late(
        &self,
        payload: &ForwardPayload,
        now: Timestamp,
        tip: Height,
        policy: &PaymentPolicy,
    ) -> bool {
        now.since(self.since) >= policy.intercept_millis || tip >= held_until(payload, policy)
    }
}

/// The height at which an HTLC that waits is given back: from there on it could not be forwarded any more.
#[must_use]
pub fn held_until(payload: &ForwardPayload, policy: &PaymentPolicy) -> Height {
    Height(payload.outgoing_cltv_value.0.saturating_sub(policy.min_forward_expiry_blocks))
}

/// Whether an HTLC may wait for an application. `held` is how many do already: in all, and of the channel that it came in over.
///
/// # Errors
/// The failure for its sender.
pub fn may_wait(
    incoming: &Htlc,
    payload: &ForwardPayload,
    held: (usize, usize),
    chain_fresh: bool,
    tip: Height,
    policy: &PaymentPolicy,
) -> Result<(), Failure> {
    if !chain_fresh {
        return Err(Failure::TemporaryNodeFailure);
    }
    if incoming.over_dust_exposure || held.0 >= MAX_HELD || held.1 >= MAX_HELD_PER_CHANNEL {
        return Err(Failure::TemporaryChannelFailure);
    }
    check_time(incoming, payload, tip, policy)
}

/// Whether there is time enough, whatever the application does (BOLT 2, "`cltv_expiry_delta` Selection").
fn check_time(
    incoming: &Htlc,
    payload: &ForwardPayload,
    tip: Height,
    policy: &PaymentPolicy,
) -> Result<(), Failure> {
    let outgoing = payload.outgoing_cltv_value;
    let latest = incoming.cltv_expiry.0.checked_sub(u32::from(MIN_CLTV_EXPIRY_DELTA));
    if latest.is_none_or(|latest| latest < outgoing.0) {
        return Err(Failure::IncorrectCltvExpiry { cltv_expiry: outgoing });
    }
    if tip >= held_until(payload, policy) {
        return Err(Failure::ExpiryTooSoon);
    }
    if incoming.cltv_expiry.blocks_left(tip) > policy.max_expiry_blocks {
        return Err(Failure::ExpiryTooFar);
    }
    Ok(())
}

/// Why an HTLC is not forwarded as its application wants. It goes on waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResumeRefusal {
    /// The chain may be old.
    #[error(
        "what this node sees of the chain may be old, so that no expiry can be judged: wait until it is in sync"
    )]
    Stale,
    /// No channel.
    #[error("no channel has the short channel id that the sender named: say over which one to forward it")]
    NoChannel,
    /// A channel that carries nothing now.
    #[error("the channel carries nothing now: {0}")]
    Unusable(&'static str),
    /// More than there is.
    #[error("{wanted} are more than the {there} that came in: the node would pay the difference")]
    More {
        /// By the application.
        wanted: Msat,
        /// Of the HTLC.
        there: Msat,
    },
    /// Hardly anything.
    #[error(
        "{wanted} are less than half of the {meant} that the sender meant to be forwarded: the rest would be lost to the payee"
    )]
    Less {
        /// By the application.
        wanted: Msat,
        /// By the sender.
        meant: Msat,
    },
    /// About to expire.
    #[error("the HTLC is about to expire, and is given back")]
    Late,
}

/// What to offer for an HTLC that waited: over that channel, as much as the application wants, or as the sender meant. The
/// application decides on the fee, and cannot give away what is the node's.
///
/// # Errors
/// What stands against it.
pub fn resume(
    incoming: &Htlc,
    incoming_channel: ChannelKeysId,
    (payload, next): (&ForwardPayload, &OnionPacket),
    usable: Result<(), &'static str>,
    amount: Option<Msat>,
    tip: Height,
    policy: &PaymentPolicy,
) -> Result<NewHtlc, ResumeRefusal> {
    let (there, meant) = (incoming.amount, payload.amt_to_forward);
    let wanted = amount.unwrap_or(meant);
    if wanted > there {
        return Err(ResumeRefusal::More { wanted, there });
    }
    let least = u128::from(meant.0) * u128::from(MIN_FORWARDED_PERCENT);
    if wanted == Msat::ZERO || u128::from(wanted.0) * 100 < least {
        return Err(ResumeRefusal::Less { wanted, meant });
    }
    check_time(incoming, payload, tip, policy).map_err(|_| ResumeRefusal::Late)?;
    usable.map_err(ResumeRefusal::Unusable)?;
    Ok(NewHtlc {
        amount: wanted,
        payment_hash: incoming.payment_hash,
        cltv_expiry: payload.outgoing_cltv_value,
        onion: OnionSource::Packet(next.clone()),
        origin: Origin::Relay { channel: incoming_channel, id: incoming.id },
    })
}
