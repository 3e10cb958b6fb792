//! What could still be sent, the question that a payment asks before it chooses a channel; and what could still come.

use super::projection::Projection;
use crate::channel::{Channel, Link, Open, Up};
use astrape_primitives::{FeeratePerKw, Msat, Side};

impl Channel {
    /// The largest HTLC that we could offer now, at a guess that errs on the small side; zero where none could be.
    #[must_use]
    pub fn sendable(&self) -> Msat {
        match (&self.link, self.open()) {
            (Link::Up(up), Some(open)) if self.is_usable() => open.sendable(up),
            _ => Msat::ZERO,
        }
    }
}

impl Open {
    /// What the peer could pay to us in all, with what is under way: it keeps its reserve and, as the opener, what the fee may take.
    #[must_use]
    pub fn receivable(&self) -> Msat {
        let next = self.next_remote();
        let kept =
            self.params.reserve_of(Side::Remote).to_msat().saturating_add(self.spike_of(&next, Side::Remote));
        let free = self.balances.remote.saturating_sub(kept);
        if self.params.opener == Side::Local { free.min(self.most_beside_fee(&next)) } else { free }
    }

    /// What a side keeps for the fee as the opener: for an HTLC of its own and, at a feerate that may rise, one of the other side.
    fn spike_of(&self, projection: &Projection, side: Side) -> Msat {
        if self.params.opener != side {
            return Msat::ZERO;
        }
        let spike = FeeratePerKw(projection.feerate.0.saturating_mul(super::command::FEE_SPIKE_FACTOR));
        projection.opener_cost(self, spike, 2)
    }

    /// The largest HTLC that the opener can pay the fee for, when the other side offers it: none that has an output, where it has too
    /// little left.
    fn most_beside_fee(&self, projection: &Projection) -> Msat {
        let opener = self.params.opener;
        let cost = projection.opener_cost(self, projection.feerate, 1);
        let kept = self.params.reserve_of(opener).to_msat().saturating_add(cost);
        if projection.balance(opener) >= kept {
            return Msat(u64::MAX);
        }
        let terms = &self.funding.terms;
        let trimmed = terms.local.dust_limit.min(terms.remote.dust_limit);
        trimmed.to_msat().saturating_sub(Msat(1))
    }

    fn sendable(&self, up: &Up) -> Msat {
        let remote = self.next_remote();
        let local = self.eventual_local(up);
        let limit = usize::from(self.params.remote.max_accepted_htlcs.min(crate::policy::MAX_ACCEPTED_HTLCS));
        if remote.offered_by(Side::Local).count() >= limit {
            return Msat::ZERO;
        }
        let in_flight: Msat = remote.offered_by(Side::Local).map(|h| h.amount).sum();
        let room = self.params.remote.max_htlc_value_in_flight.saturating_sub(in_flight);
        // With the HTLC itself and, as the opener, the one more that the fee spike buffer is for.
        let free = [&remote, &local].map(|projection| {
            let kept = self.params.reserve_of(Side::Local).to_msat();
            let kept = kept.saturating_add(self.spike_of(projection, Side::Local));
            let free = projection.balance(Side::Local).saturating_sub(kept);
            if self.params.opener == Side::Remote { free.min(self.most_beside_fee(projection)) } else { free }
        });
        free[0].min(free[1]).min(room)
    }
}
