//! Scouts: HTLCs that go ahead of the parts of a payment where their ways are doubtful.
//!
//! A recipient keeps the parts that have arrived for a minute, until the others come. What they take of channels cannot be laid
//! otherwise meanwhile, and a payment that cannot arrive is not over before. A scout has a hash of which nobody knows the preimage:
//! it comes back at once, from the recipient or from where there was too little, and either way path search learns what the channels
//! on its way hold. The parts follow as soon as their ways are likely to hold.
//!
//! A single part needs no scout: it comes back at once itself.

use super::{Payment, PaymentPart};
use astrape_onion::{FinalPayload, PaymentData};
use astrape_primitives::{PaymentHash, PaymentSecret};
use astrape_routing::Route;

/// Parts whose chance to arrive all together is below this have scouts, in millionths.
const DOUBTFUL_MILLIONTHS: u32 = 500_000;

/// HTLCs after which none are sent any more: whatever is still doubtful then is tried. Hops count what comes back unpaid
/// ([`crate::probing`]), and parts that wait at the recipient are ground that is gained.
const MAX_SCOUTED_ATTEMPTS: u64 = 16;

impl Payment {
    /// The hash of the scouts for these ways; `None` where the parts themselves may go. Scouts that go together have one hash, as parts
    /// have: a hop that counts what it holds for whom counts them as it will count the parts.
    pub(super) fn scouts_for(&self, route: &Route) -> Option<PaymentHash> {
        let is_doubtful = route.parts.len() > 1 && route.chance_millionths < DOUBTFUL_MILLIONTHS;
        // Parts that wait at the recipient are laid already.
        (is_doubtful && self.parts.is_empty() && self.attempts < MAX_SCOUTED_ATTEMPTS)
            .then(|| PaymentHash(self.tagged(b"astrape/payment/scout", self.attempts)))
    }

    /// What the recipient is told of a scout: nothing of the payment.
    pub(super) fn said_by_scout(&self, of_part: FinalPayload) -> FinalPayload {
        let payment_secret = PaymentSecret(self.tagged(b"astrape/payment/scout-secret", self.attempts));
        let total_msat = of_part.amt_to_forward;
        FinalPayload {
            payment_data: Some(PaymentData { payment_secret, total_msat }),
            payment_metadata: None,
            ..of_part
        }
    }

    /// Whether an HTLC of this payment is a scout.
    #[must_use]
    pub fn is_scout(&self, part: &PaymentPart) -> bool {
        part.recipe.associated_data != self.payment_hash
    }

    /// Whether scouts are not back yet.
    pub(super) fn waits_for_scouts(&self) -> bool {
        self.parts.values().any(|part| self.is_scout(part))
    }
}
