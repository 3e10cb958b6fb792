//! What a failure of the recipient teaches. Only one that is permanent is its last word (BOLT 4, "Receiving Failure Codes"): some say
//! so that their last channel carries no more, or that they are busy.

use super::{Avoid, Lesson, Verdict, channel_to};
use crate::send::PaymentPart;
use crate::words;
use astrape_onion::Failure;
use astrape_primitives::{Height, Msat};

/// A part that the recipient failed.
pub(super) struct Failed<'a> {
    pub(super) part: &'a PaymentPart,
    /// The recipient, as a hop from 0.
    pub(super) index: usize,
    pub(super) failure: &'a Failure,
    /// What other parts had beside it in the channel to the recipient.
    pub(super) there: Msat,
}

impl Failed<'_> {
    pub(super) fn lesson(&self, tip: Height) -> Lesson {
        let Self { part, index, failure, .. } = *self;
        let mut words = words::hop_failed(part, index, failure);
        let mut taught = part.reached(index);
        let verdict = match failure {
            // The node before has passed on less, or less time, than it was told to.
            Failure::FinalIncorrectCltvExpiry { .. } | Failure::FinalIncorrectHtlcAmount { .. } => {
                Verdict::Avoid(vec![channel_to(part, index, Msat::ZERO)])
            }
            Failure::IncorrectOrUnknownPaymentDetails { height, .. } if *height > tip.plus(1) => {
                words = format!("{words}; {}", words::behind(*height, tip));
                Verdict::GiveUp
            }
            Failure::MppTimeout => Verdict::Anew,
            failure if failure.is_permanent() => Verdict::GiveUp,
            failure if failure.is_node() => Verdict::Later,
            failure => {
                if let Some(before) = index.checked_sub(1) {
                    taught = part.stuck(self.there, before, failure);
                }
                Verdict::Avoid(vec![self.less()])
            }
        };
        let arrived =
            matches!(failure, Failure::IncorrectOrUnknownPaymentDetails { .. } | Failure::MppTimeout);
        Lesson { words, verdict, taught, hold_times: Vec::new(), read_from: Some(index), arrived }
    }

    /// The channel to the recipient does not carry so much.
    fn less(&self) -> Avoid {
        match self.index.checked_sub(1).and_then(|before| self.part.crossings().nth(before)) {
            Some(last) => {
                let most = self.there.saturating_add(last.amount.saturating_sub(Msat(1)));
                channel_to(self.part, self.index, most)
            }
            // What is known of a channel of ours is tried as it is, so that half of it is told.
            None => Avoid::Own(self.part.channel, Msat(self.part.sent().0 / 2)),
        }
    }
}
