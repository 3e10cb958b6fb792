//! `update_fee`, both ways.

use super::Work;
use crate::fault::Fault;
use crate::output::Transition;
use astrape_primitives::{FeeratePerKw, Msat, Sat, Side};
use astrape_transactions::CommitmentFormat;
use astrape_wire::UpdateFee;

impl Work<'_> {
    /// The opener changes the feerate.
    pub(super) fn update_fee(mut self, message: &UpdateFee) -> Result<Transition, Fault> {
        self.check_updates_allowed("update_fee")?;
        if self.open.params.opener == Side::Local {
            return Err(Fault::FeeFromNonOpener);
        }
        let feerate = message.feerate_per_kw;
        let min = self.view.min_feerate_of_updates(self.open.params.format);
        let max = self.view.max_feerate_of_updates();
        // A rise is never too low: it makes things better even where it does not reach our estimate.
        let rises = feerate > self.open.fees.newest();
        if (feerate < min && !rises) || feerate > max || feerate < self.view.policy.feerate_floor {
            return Err(Fault::Feerate { got: feerate, min, max });
        }
        let up = self.up("update_fee")?;
        up.feerate = Some(feerate);
        let up = up.clone();
        self.check_fee(feerate, &up)?;
        Ok(self.finish())
    }

    fn check_fee(&self, feerate: FeeratePerKw, up: &crate::Up) -> Result<(), Fault> {
        let open = &self.open;
        let next = open.next_local(up);
        let cost = next.opener_cost(open, feerate, 0);
        let fee = next.fee(open, feerate, 0);
        // What it is below its reserve by already, a rise must not make more of: without it the peer's own commitment may be
        // left without any output.
        let rises = feerate > open.fees.newest();
        let is_short = rises && next.shortfall(open, Side::Remote, feerate, 0) > Msat::ZERO;
        if is_short || next.balance(Side::Remote) < cost {
            return Err(Fault::CannotPayFee { fee });
        }
        let percent = self.view.policy.max_fee_percent;
        let share = Sat(open.funding.terms.capacity.0 / 100 * u64::from(percent));
        if fee > share {
            return Err(Fault::FeeShare { fee, percent });
        }
        let limit = self.view.policy.dust_exposure_of(open.funding.terms.capacity);
        let exposure = next.dust(open, feerate).max(open.next_remote().dust(open, feerate));
        if open.params.format == CommitmentFormat::StaticRemotekey && rises && exposure > limit {
            return Err(Fault::DustExposure { exposure, limit });
        }
        Ok(())
    }

    /// Drops a feerate of ours that we could not pay, or that would put too much into dust. The present one stays. Once a
    /// `shutdown` was said and no HTLC is left, BOLT 2 allows no update any more.
    pub(super) fn drop_fee_that_does_not_fit(&mut self) {
        let Some(feerate) = self.open.waiting_feerate else {
            return;
        };
        let open = &self.open;
        if open.is_over_but_for_its_closing() {
            self.open.waiting_feerate = None;
            return;
        }
        let next = open.next_remote();
        let fee = next.fee(open, feerate, 0);
        let share = Sat(open.funding.terms.capacity.0 / 100 * u64::from(self.view.policy.max_fee_percent));
        let exposed = open.params.format == CommitmentFormat::StaticRemotekey
            && next.dust(open, feerate) > self.view.policy.dust_exposure_of(open.funding.terms.capacity);
        if next.shortfall(open, Side::Local, feerate, 0) > Msat::ZERO || fee > share || exposed {
            self.open.waiting_feerate = None;
        }
    }
}
