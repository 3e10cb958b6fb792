//! What this node wants: HTLCs to offer, to settle, to fail; a feerate. All of it waits for the next `commitment_signed`.

use super::Work;
use super::projection::Projection;
use crate::channel::{Link, Open, Shutdown, Up};
use crate::fault::Refusal;
use crate::htlc::{Htlc, NewHtlc, Removal, Resolution};
use crate::output::{Output, Transition};
use astrape_primitives::{CltvExpiry, FeeratePerKw, HtlcId, Msat, Side};
use astrape_transactions::CommittedHtlc;
use std::sync::Arc;

/// BOLT 2 recommends that the opener can pay twice the feerate for one HTLC more before it offers one: the fee may rise, and
/// the peer may add one at the same time (attack 41).
pub(super) const FEE_SPIKE_FACTOR: u32 = 2;

impl Open {
    /// Whether a channel that was ready waits for its funding to confirm again, after a reorganisation. Whoever paid for it may have
    /// taken the money elsewhere.
    #[must_use]
    pub fn has_lost_its_funding(&self) -> bool {
        self.is_ready() && self.funding.confirmed.is_none() && self.params.minimum_depth > 0
    }
}

impl Work<'_> {
    /// Takes an HTLC that is to be offered, or says why not.
    pub(super) fn add(mut self, new: NewHtlc) -> Transition {
        match self.may_add(&new) {
            Ok(()) => self.open.waiting.push(Arc::new(new)),
            Err(refusal) => self.refuse(&new, refusal),
        }
        self.finish()
    }

    /// The peer takes nothing for too long.
    pub(super) fn give_up_waiting(mut self) -> Transition {
        self.refuse_waiting(&Refusal::NotUsable("with a peer that is away, or does not answer"));
        self.finish()
    }

    pub(crate) fn refuse(&mut self, new: &NewHtlc, refusal: Refusal) {
        let (origin, payment_hash) = (new.origin, new.payment_hash);
        self.outputs.push(Output::NotOffered { origin, payment_hash, refusal });
    }

    fn may_add(&self, new: &NewHtlc) -> Result<(), Refusal> {
        let Link::Up(up) = &self.link else {
            return Err(Refusal::NotUsable("without a connection to the peer"));
        };
        if self.open.shutdown != Shutdown::default() {
            return Err(Refusal::NotUsable("closing"));
        }
        if !self.open.is_ready() {
            return Err(Refusal::NotUsable("waiting for the funding transaction"));
        }
        if self.open.has_lost_its_funding() {
            return Err(Refusal::NotUsable(
                "waiting for its funding to confirm again after a reorganisation",
            ));
        }
        let minimum = self.open.params.remote.htlc_minimum.max(Msat(1));
        if new.amount < minimum {
            return Err(Refusal::BelowMinimum { amount: new.amount, minimum });
        }
        if new.cltv_expiry.0 >= CltvExpiry::FIRST_TIME {
            return Err(Refusal::ExpiryIsATime(new.cltv_expiry.0));
        }
        if new.cltv_expiry.0 <= self.view.tip.0 {
            return Err(Refusal::Expired(new.cltv_expiry));
        }
        self.check_limits(up, new)
    }

    /// Checks an HTLC of ours against both commitments as they would be with it.
    fn check_limits(&self, up: &Up, new: &NewHtlc) -> Result<(), Refusal> {
        let open = &self.open;
        let htlc = CommittedHtlc {
            offered_by: Side::Local,
            id: HtlcId(u64::MAX),
            amount: new.amount,
            payment_hash: new.payment_hash,
            cltv_expiry: new.cltv_expiry,
        };
        let mut remote = open.next_remote();
        remote.add(htlc);
        let limit = open.params.remote.max_accepted_htlcs.min(crate::policy::MAX_ACCEPTED_HTLCS);
        if remote.offered_by(Side::Local).count() > usize::from(limit) {
            return Err(Refusal::TooManyHtlcs(limit));
        }
        let in_flight: Msat = remote.offered_by(Side::Local).map(|h| h.amount).sum();
        if in_flight > open.params.remote.max_htlc_value_in_flight {
            let over = in_flight.saturating_sub(open.params.remote.max_htlc_value_in_flight);
            return Err(Refusal::TooMuchInFlight { over });
        }
        let mut local = open.eventual_local(up);
        local.add(htlc);
        let opener = open.params.opener;
        for projection in [&remote, &local] {
            let spike = FeeratePerKw(projection.feerate.0.saturating_mul(FEE_SPIKE_FACTOR));
            let (feerate, extra) = if opener == Side::Local { (spike, 1) } else { (projection.feerate, 0) };
            let missing = projection.shortfall(open, Side::Local, feerate, extra);
            if missing > Msat::ZERO {
                return Err(Refusal::InsufficientBalance { missing });
            }
            if opener == Side::Remote {
                let short = |p: &Projection| p.shortfall(open, Side::Remote, p.feerate, 0);
                // One that has no output costs the opener nothing, so that a side below its reserve can be helped out.
                if short(projection) > Msat::ZERO && !projection.trims(open, &htlc, projection.feerate) {
                    return Err(Refusal::PeerCannotPayFee);
                }
            }
            let limit = self.view.policy.dust_exposure_of(open.funding.terms.capacity);
            let dust = projection.trims(open, &htlc, projection.feerate);
            if dust && projection.dust(open, projection.feerate) > limit {
                return Err(Refusal::DustExposure { limit });
            }
        }
        Ok(())
    }

    /// Drops what has timed out while it waited: to offer it would be to lose it.
    pub(super) fn drop_expired(&mut self) {
        let tip = self.view.tip;
        let (expired, waiting) =
            std::mem::take(&mut self.open.waiting).into_iter().partition(|new| new.cltv_expiry.0 <= tip.0);
        self.open.waiting = waiting;
        let expired: Vec<Arc<NewHtlc>> = expired;
        for new in expired {
            self.refuse(&new, Refusal::Expired(new.cltv_expiry));
        }
    }

    /// Drops what waits from its end until the peer's next commitment can carry the rest: the peer may have changed the fee
    /// or the balances since it was taken.
    pub(super) fn drop_what_does_not_fit(&mut self) {
        while !self.open.waiting.is_empty() {
            let next = self.open.next_remote();
            let missing = next.shortfall(&self.open, Side::Local, next.feerate, 0);
            let limit = self.open.params.remote.max_accepted_htlcs;
            let refusal = if missing > Msat::ZERO {
                Refusal::InsufficientBalance { missing }
            } else if self.what_waits_is_too_dear_for_the_peer(&next) {
                Refusal::PeerCannotPayFee
            } else if next.offered_by(Side::Local).count() > usize::from(limit) {
                Refusal::TooManyHtlcs(limit)
            } else {
                return;
            };
            if let Some(last) = self.open.waiting.pop() {
                self.refuse(&last, refusal);
            }
        }
    }

    /// Whether the peer, which opened, cannot pay the fee for the outputs of what waits and keep its reserve.
    fn what_waits_is_too_dear_for_the_peer(&self, next: &Projection) -> bool {
        let open = &self.open;
        open.params.opener == Side::Remote
            && next.shortfall(open, Side::Remote, next.feerate, 0) > Msat::ZERO
            && next
                .offered_by(Side::Local)
                .any(|htlc| htlc.id >= open.next_local_id && !next.trims(open, htlc, next.feerate))
    }

    /// Decides the end of an HTLC that the peer offered. The second end of one HTLC is ignored: the first is durable, and a
    /// command may come twice. But a preimage is worth more than a failure, as long as it can count.
    pub(crate) fn resolve(mut self, id: HtlcId, resolution: Resolution) -> Transition {
        let key = (Side::Remote, id);
        if let Some(htlc) = self.open.htlcs.get(&key)
            && self.open.is_irrevocable(htlc)
            && let Some(removal) = end_of(htlc, resolution, self.how.is_some())
        {
            let next = Htlc { removal: Some(removal), ..(**htlc).clone() };
            self.open.htlcs.insert(key, Arc::new(next));
        }
        self.finish()
    }

    /// Takes a feerate that is to be set. Ours only when we opened; the newest wish replaces an older one.
    pub(super) fn want_feerate(mut self, feerate: FeeratePerKw) -> Transition {
        if self.open.params.opener == Side::Local && !self.open.is_over_but_for_its_closing() {
            self.open.waiting_feerate = (feerate != self.open.fees.newest()).then_some(feerate);
        }
        self.finish()
    }
}

/// What an HTLC ends by when this is decided; none where that changes nothing. A failure that was signed stands in commitments that must
/// be known again when they come on chain: beside it the preimage is kept.
fn end_of(htlc: &Htlc, resolution: Resolution, is_on_chain: bool) -> Option<Removal> {
    match (&htlc.removal, &resolution) {
        (None, _) => Some(Removal::unsaid(resolution)),
        (Some(_), Resolution::Fulfilled { .. }) if htlc.is_failed_unsaid() => {
            Some(Removal::unsaid(resolution))
        }
        (Some(signed), Resolution::Fulfilled { preimage, .. }) if htlc.may_be_fulfilled(is_on_chain) => {
            Some(Removal { late_preimage: Some(*preimage), ..signed.clone() })
        }
        _ => None,
    }
}
