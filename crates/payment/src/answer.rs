//! How an HTLC that a peer offered is answered: what its sender, and nobody else, will read (BOLT 4, "Returning Errors").

use astrape_channel::htlc::Direction;
use astrape_channel::{Attribution, Htlc, Resolution};
use astrape_onion::{
    Failure, HoldTime, PeelFailure, SharedSecret, create_failure, create_failure_with, relay_failure,
    relay_fulfill_attribution,
};
use astrape_primitives::PaymentPreimage;
use astrape_wire::{AttributionData, ChannelUpdate};

/// Longest `reason` of a failure that is passed on, in bytes. What BOLT 4 knows is padded to 292; nothing that it foresees is half as
/// long. Failures of a full channel that are longer are said all at once, and would fill what waits for a peer.
pub const MAX_RELAYED_REASON: usize = 2_048;

/// Fails an HTLC at this node. Where its onion could not be peeled, the answer is what the onion asks for and not `failure`.
/// `held_ms` is for how long it was here. The amount that the recipient of a payment in parts tells is that of each part.
///
/// # Panics
/// On an HTLC that we offered: there is nobody to answer.
#[must_use]
pub fn fail(incoming: &Htlc, failure: &Failure, held_ms: u64) -> Resolution {
    fail_with(incoming, failure, None, held_ms)
}

/// The same for a forward, with what we said last of the channel that its onion names, if that is known to the network. A
/// failure that is not read without it becomes one that is.
///
/// # Panics
/// On an HTLC that we offered: there is nobody to answer.
#[must_use]
pub fn fail_with(
    incoming: &Htlc,
    failure: &Failure,
    update: Option<&ChannelUpdate>,
    held_ms: u64,
) -> Resolution {
    let hold_time = HoldTime::from_millis(held_ms);
    match secret(incoming) {
        Ok((shared, None)) => {
            let failure = match failure {
                unread if unread.needs_update() && update.is_none() => Failure::TemporaryChannelFailure,
                failure => with_amount_of(incoming, failure),
            };
            let update = update.filter(|_| failure.needs_update());
            Resolution::Failed(create_failure_with(shared, &failure, update, hold_time))
        }
        Ok((shared, Some(own))) => Resolution::Failed(create_failure(shared, own, hold_time)),
        Err(malformed) => malformed,
    }
}

/// A failure of a whole set is told to each of its parts with the amount of that part (BOLT 4, `htlc_msat`).
fn with_amount_of(incoming: &Htlc, failure: &Failure) -> Failure {
    match failure {
        Failure::IncorrectOrUnknownPaymentDetails { height, .. } => {
            Failure::IncorrectOrUnknownPaymentDetails { htlc_msat: incoming.amount, height: *height }
        }
        other => other.clone(),
    }
}

/// Passes on how the outgoing HTLC of a forward ended: `how` is [`Resolution::Failed`] or [`Resolution::Malformed`].
///
/// What the next node could not read is told to the sender as a failure of ours, with the next node's code and hash
/// (BOLT 2, "Removing an HTLC"), and so is a failure beyond [`MAX_RELAYED_REASON`].
///
/// # Panics
/// On an HTLC that we offered: there is nobody to answer.
#[must_use]
pub fn fail_from_downstream(incoming: &Htlc, how: &Resolution, held_ms: u64) -> Resolution {
    let hold_time = HoldTime::from_millis(held_ms);
    match (how, secret(incoming)) {
        (_, Err(malformed)) => malformed,
        (Resolution::Failed(packet), Ok(_)) if packet.reason.len() > MAX_RELAYED_REASON => {
            fail(incoming, &Failure::TemporaryChannelFailure, held_ms)
        }
        (Resolution::Failed(packet), Ok((shared, _))) => {
            Resolution::Failed(relay_failure(shared, packet.clone(), hold_time))
        }
        (Resolution::Malformed { sha256_of_onion, failure_code }, Ok(_)) => {
            // Without BADONION it was a fault of the peer, and its code says nothing.
            let failure = Failure::from_malformed(*failure_code, *sha256_of_onion)
                .unwrap_or(Failure::TemporaryChannelFailure);
            fail(incoming, &failure, held_ms)
        }
        (Resolution::Fulfilled { preimage, attribution }, Ok(_)) => {
            fulfil(incoming, *preimage, attribution.clone().data(), held_ms)
        }
    }
}

/// Settles an HTLC. `downstream` is what came with the preimage; nothing when we are the recipient.
///
/// # Panics
/// On an HTLC that we offered: there is nobody to answer.
#[must_use]
pub fn fulfil(
    incoming: &Htlc,
    preimage: PaymentPreimage,
    downstream: Option<AttributionData>,
    held_ms: u64,
) -> Resolution {
    let hold_time = HoldTime::from_millis(held_ms);
    let attribution = match (secret(incoming), downstream) {
        (Err(_), _) => Attribution::Silent,
        (Ok(_), None) => Attribution::Held(hold_time),
        (Ok((shared, _)), Some(data)) => {
            Attribution::Data(relay_fulfill_attribution(shared, Some(&data), hold_time))
        }
    };
    Resolution::Fulfilled { preimage, attribution }
}

/// What the sender shares with us, and the failure that its payload has earned already; or the only answer to an onion that
/// gives no secret.
fn secret(incoming: &Htlc) -> Result<(&SharedSecret, Option<&Failure>), Resolution> {
    let Direction::Incoming(onion) = &incoming.direction else {
        panic!("HTLC {} was offered by us: only those of the peer are answered", incoming.id);
    };
    match &**onion {
        Ok(peeled) => Ok((&peeled.shared_secret, None)),
        Err(PeelFailure::Payload { shared_secret, failure }) => Ok((shared_secret, Some(failure))),
        Err(PeelFailure::Malformed { failure_code, sha256_of_onion }) => {
            Err(Resolution::Malformed { sha256_of_onion: *sha256_of_onion, failure_code: *failure_code })
        }
    }
}
