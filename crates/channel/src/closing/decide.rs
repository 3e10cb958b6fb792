//! What follows from a fee of the peer (BOLT 2 "Legacy Closing Negotiation", the receiver of `closing_signed`).

use super::Negotiation;
use crate::channel::Open;
use crate::fault::Fault;
use astrape_primitives::{Sat, Side};
use astrape_wire::{ClosingSigned, FeeRange};

pub(super) enum Decision {
    Agree,
    Propose(Sat),
}

/// A fee of the peer, beside what we know.
pub(super) struct Proposed<'a> {
    /// What we accept, as we said.
    pub(super) ours: FeeRange,
    /// What we accept in the end.
    pub(super) most: Sat,
    pub(super) choice: Sat,
    pub(super) message: &'a ClosingSigned,
    pub(super) negotiation: Option<&'a Negotiation>,
}

/// The requirements of the receiver of `closing_signed`.
pub(super) fn decide(proposed: &Proposed<'_>, open: &Open) -> Result<Decision, Fault> {
    let (fee, sent) = (proposed.message.fee_satoshis, proposed.negotiation.map(|n| n.sent));
    let Some(theirs) = proposed.message.fee_range else {
        return decide_without_range(proposed);
    };
    let min = proposed.ours.min_fee_satoshis.max(theirs.min_fee_satoshis);
    let max = proposed.ours.max_fee_satoshis.min(theirs.max_fee_satoshis);
    if min > max {
        return Err(Fault::ClosingFeesApart {
            min: theirs.min_fee_satoshis,
            max: theirs.max_fee_satoshis,
            our_min: proposed.ours.min_fee_satoshis,
            our_max: proposed.ours.max_fee_satoshis,
        });
    }
    let in_overlap = min <= fee && fee <= max;
    match (open.params.opener, sent) {
        (Side::Local, _) if in_overlap => Ok(Decision::Agree),
        (Side::Local, _) => Err(Fault::ClosingFee(format!("{fee} is not between {min} and {max}"))),
        (Side::Remote, Some(sent)) if sent == fee => Ok(Decision::Agree),
        (Side::Remote, Some(sent)) => {
            Err(Fault::ClosingFee(format!("{fee} is not the {sent} that we picked")))
        }
        (Side::Remote, None) if in_overlap => Ok(Decision::Agree),
        (Side::Remote, None) => Ok(Decision::Propose(proposed.choice.clamp(min, max))),
    }
}

/// The older way: a fee that we accept ends it, any other must come nearer, and is answered by the middle.
fn decide_without_range(proposed: &Proposed<'_>) -> Result<Decision, Fault> {
    let fee = proposed.message.fee_satoshis;
    // A peer that says no range has not read ours.
    let (least, most) = (proposed.ours.min_fee_satoshis, proposed.most);
    if least <= fee && fee <= most {
        return Ok(Decision::Agree);
    }
    let Some(negotiation) = proposed.negotiation else {
        return Ok(Decision::Propose(proposed.choice));
    };
    let sent = negotiation.sent;
    let between = |a: Sat, b: Sat| fee > a.min(b) && fee < a.max(b);
    if negotiation.received.is_some_and(|received| fee != sent && !between(sent, received)) {
        return Err(Fault::ClosingFeeNotBetween { fee });
    }
    let (low, high) =
        (Sat(fee.min(sent).0.saturating_add(1)).max(least), Sat(fee.max(sent).0.saturating_sub(1)).min(most));
    if low > high {
        return Err(Fault::ClosingFeeNotBetween { fee });
    }
    Ok(Decision::Propose(Sat(low.0 + (high.0 - low.0) / 2)))
}
