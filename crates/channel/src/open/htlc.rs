//! HTLCs as the peer says them: `update_add_htlc` and the three ways of removing one. All of it is volatile until the
//! peer's `commitment_signed`, but for a preimage.

use super::Work;
use super::projection::Projection;
use crate::channel::{Link, Up};
use crate::commitments::Numbers;
use crate::fault::Fault;
use crate::htlc::{Attribution, Direction, Htlc, Resolution};
use crate::output::{Output, Transition};
use astrape_onion::{FailurePacket, PeelFailure, Peeled};
use astrape_primitives::{CltvExpiry, HtlcId, Msat, PaymentPreimage, Side};
use astrape_wire::{
    AttributionData, UpdateAddHtlc, UpdateFailHtlc, UpdateFailMalformedHtlc, UpdateFulfillHtlc,
};
use std::sync::Arc;

/// Set in failure codes of onions that could not be read (BOLT 4).
const BADONION: u16 = 0x8000;

impl Work<'_> {
    /// The peer offers an HTLC.
    pub(super) fn update_add_htlc(
        mut self,
        message: UpdateAddHtlc,
        onion: Arc<Result<Peeled, PeelFailure>>,
    ) -> Result<Transition, Fault> {
        self.check_updates_allowed("update_add_htlc")?;
        if self.open.shutdown.remote.is_some() {
            return Err(Fault::AfterShutdown("update_add_htlc"));
        }
        let due = self.open.next_remote_id.0;
        let up = self.up("update_add_htlc")?;
        let expected = HtlcId(due.saturating_add(up.adds.len() as u64));
        if message.id != expected {
            return Err(Fault::HtlcIdOutOfOrder { got: message.id, expected });
        }
        let minimum = self.open.params.local.htlc_minimum.max(Msat(1));
        if message.amount_msat < minimum {
            return Err(Fault::HtlcBelowMinimum { amount: message.amount_msat, minimum });
        }
        if message.cltv_expiry.0 >= CltvExpiry::FIRST_TIME {
            return Err(Fault::ExpiryIsATime(message.cltv_expiry.0));
        }
        let mut htlc = Htlc {
            offered_by: Side::Remote,
            id: message.id,
            amount: message.amount_msat,
            payment_hash: message.payment_hash,
            cltv_expiry: message.cltv_expiry,
            direction: Direction::Incoming(onion),
            added: Numbers::default(),
            removal: None,
            over_dust_exposure: false,
            at: self.view.now,
        };
        let up = self.up("update_add_htlc")?;
        up.adds.insert(htlc.id, Arc::new(htlc.clone()));
        let next = self.next_local()?;
        self.check_limits_of_the_peer(&next)?;
        if self.is_over_dust_exposure(&next, &htlc) {
            htlc.over_dust_exposure = true;
            self.up("update_add_htlc")?.adds.insert(htlc.id, Arc::new(htlc));
        }
        Ok(self.finish())
    }

    fn next_local(&mut self) -> Result<Projection, Fault> {
        let up: Up = self.up("an update")?.clone();
        Ok(self.open.next_local(&up))
    }

    /// BOLT 2, receiver of `update_add_htlc`: slots, value in flight, reserve and fee.
    fn check_limits_of_the_peer(&self, next: &Projection) -> Result<(), Fault> {
        let ours = &self.open.params.local;
        if next.offered_by(Side::Remote).count() > usize::from(ours.max_accepted_htlcs) {
            return Err(Fault::TooManyHtlcs(ours.max_accepted_htlcs));
        }
        let total: Msat = next.offered_by(Side::Remote).map(|h| h.amount).sum();
        if total > ours.max_htlc_value_in_flight {
            return Err(Fault::TooMuchInFlight { total, limit: ours.max_htlc_value_in_flight });
        }
        let missing = next.shortfall(&self.open, Side::Remote, next.feerate, 0);
        if missing > Msat::ZERO {
            return Err(Fault::CannotAfford { missing });
        }
        Ok(())
    }

    /// BOLT 2 `max_dust_htlc_exposure_msat`: what comes over the bound is taken and failed once committed (attack 38).
    fn is_over_dust_exposure(&self, next: &Projection, htlc: &Htlc) -> bool {
        let limit = self.view.policy.dust_exposure_of(self.open.funding.terms.capacity);
        let committed = htlc.committed();
        let over = |p: &Projection| {
            p.trims(&self.open, &committed, p.feerate) && p.dust(&self.open, p.feerate) > limit
        };
        let mut remote = self.open.next_remote();
        if let Link::Up(up) = &self.link {
            up.adds.values().for_each(|h| remote.add(h.committed()));
        }
        over(next) || over(&remote)
    }

    /// The peer gives the preimage of an HTLC of ours. It is durable and claimed upstream at once; the removal waits for the
    /// peer's signature.
    pub(super) fn update_fulfill_htlc(mut self, message: UpdateFulfillHtlc) -> Result<Transition, Fault> {
        let htlc = self.removable(message.id, "update_fulfill_htlc")?;
        if message.payment_preimage.payment_hash() != htlc.payment_hash {
            return Err(Fault::WrongPreimage(message.id));
        }
        let preimage = message.payment_preimage;
        self.learn_preimage(&htlc, preimage, message.attribution_data);
        // What the hops say of their hold times was passed on with the preimage; nobody asks for it again.
        let resolution = Resolution::Fulfilled { preimage, attribution: Attribution::Silent };
        self.up("update_fulfill_htlc")?.removals.insert(message.id, resolution);
        Ok(self.finish())
    }

    /// The preimage of an HTLC of ours is known, from the peer or from the chain.
    pub(crate) fn learn_preimage(
        &mut self,
        htlc: &Htlc,
        preimage: PaymentPreimage,
        attribution_data: Option<AttributionData>,
    ) {
        let Direction::Outgoing { origin, onion, .. } = htlc.direction.clone() else {
            return;
        };
        let direction = Direction::Outgoing { origin, onion, preimage: Some(preimage) };
        let next = Htlc { direction, ..htlc.clone() };
        self.open.htlcs.insert(htlc.key(), Arc::new(next));
        if htlc.preimage().is_none() {
            self.outputs.push(Output::Fulfilled {
                origin,
                id: htlc.id,
                amount: htlc.amount,
                payment_hash: htlc.payment_hash,
                preimage,
                attribution_data,
            });
        }
    }

    /// The peer gives an HTLC of ours back, with a failure that only the origin can read.
    pub(super) fn update_fail_htlc(mut self, message: UpdateFailHtlc) -> Result<Transition, Fault> {
        self.removable(message.id, "update_fail_htlc")?;
        let packet = FailurePacket { reason: message.reason, attribution_data: message.attribution_data };
        self.up("update_fail_htlc")?.removals.insert(message.id, Resolution::Failed(packet));
        Ok(self.finish())
    }

    /// The peer could not read the onion of an HTLC of ours.
    pub(super) fn update_fail_malformed_htlc(
        mut self,
        message: &UpdateFailMalformedHtlc,
    ) -> Result<Transition, Fault> {
        if message.failure_code & BADONION == 0 {
            return Err(Fault::NotBadOnion(message.failure_code));
        }
        self.removable(message.id, "update_fail_malformed_htlc")?;
        let resolution = Resolution::Malformed {
            sha256_of_onion: message.sha256_of_onion,
            failure_code: message.failure_code,
        };
        self.up("update_fail_malformed_htlc")?.removals.insert(message.id, resolution);
        Ok(self.finish())
    }

    /// An HTLC of ours that the peer may remove now: irrevocable and without an end, signed or not.
    fn removable(&mut self, id: HtlcId, message: &'static str) -> Result<Arc<Htlc>, Fault> {
        self.check_updates_allowed(message)?;
        if self.up(message)?.removals.contains_key(&id) {
            return Err(Fault::UnknownHtlc(id));
        }
        let htlc = self.open.htlcs.get(&(Side::Local, id)).ok_or(Fault::UnknownHtlc(id))?;
        if htlc.removal.is_some() || !self.open.is_irrevocable(htlc) {
            return Err(Fault::UnknownHtlc(id));
        }
        Ok(Arc::clone(htlc))
    }

    /// Updates need both `channel_ready`, and no negotiation of a closing transaction.
    pub(super) fn check_updates_allowed(&mut self, message: &'static str) -> Result<(), Fault> {
        if self.up(message)?.negotiation.is_some() {
            return Err(Fault::AfterShutdown(message));
        }
        if !self.open.is_ready() {
            return Err(Fault::Unexpected { message, phase: "waiting for channel_ready" });
        }
        Ok(())
    }
}
