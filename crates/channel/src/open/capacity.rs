//! What could still be sent, the question that a payment asks before it chooses a channel; and what could still come.

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
    /// What the peer could pay to us in all, with what is under way: it keeps its reserve.
    #[must_use]
    pub fn receivable(&self) -> Msat {
        self.balances.remote.saturating_sub(self.params.reserve_of(Side::Remote).to_msat())
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
            let spike = FeeratePerKw(projection.feerate.0.saturating_mul(super::command::FEE_SPIKE_FACTOR));
            let ours = self.params.opener == Side::Local;
            let cost = if ours { projection.opener_cost(self, spike, 2) } else { Msat::ZERO };
            let kept = self.params.reserve_of(Side::Local).to_msat().saturating_add(cost);
            projection.balance(Side::Local).saturating_sub(kept)
        });
        free[0].min(free[1]).min(room)
    }
}
