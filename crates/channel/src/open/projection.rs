//! Commitments that are not there yet: what each side would hold if all that is under way were signed. All checks of
//! amounts ask these.

use crate::channel::{Balances, Open, Up};
use crate::htlc::{Htlc, Standing};
use astrape_primitives::{CommitmentNumber, FeeratePerKw, HtlcId, Msat, Sat, Side};
use astrape_transactions::{CommitmentContent, CommittedHtlc, commitment_fee, is_trimmed};
use bitcoin::secp256k1::PublicKey;

/// A commitment as it would be.
#[derive(Clone, Debug)]
pub(crate) struct Projection {
    /// Whose it is.
    pub(crate) owner: Side,
    /// Millisatoshi before fee and anchors. Signed: within one commitment a side may spend what it gets in it.
    local: i64,
    remote: i64,
    /// Its HTLCs.
    pub(crate) htlcs: Vec<CommittedHtlc>,
    /// Its feerate.
    pub(crate) feerate: FeeratePerKw,
}

impl Open {
    /// The content of commitment `number` of `owner`, from the HTLCs' first and last commitments.
    pub(crate) fn content(
        &self,
        owner: Side,
        number: CommitmentNumber,
        point: PublicKey,
    ) -> CommitmentContent {
        let feerate = self.fees.at(owner, number);
        let projection =
            self.project(owner, feerate, self.htlcs.values().map(|h| (&**h, h.standing(owner, number))));
        CommitmentContent {
            owner,
            number,
            per_commitment_point: point,
            feerate: projection.feerate,
            local_balance: projection.balance(Side::Local),
            remote_balance: projection.balance(Side::Remote),
            htlcs: projection.htlcs,
        }
    }

    /// Our next commitment if the peer signed now: all that the peer has said, and all of ours that it has acknowledged.
    pub(crate) fn next_local(&self, up: &Up) -> Projection {
        let next = self.next_local_number();
        let acked = self.remote.acked();
        let held = self.htlcs.values().map(|h| {
            let standing = match h.standing(Side::Local, next) {
                Standing::Absent if h.added.includes(Side::Remote, acked) => Standing::Pending,
                other => other,
            };
            let ended = match &h.removal {
                Some(r) if r.from.includes(Side::Local, next) || r.from.includes(Side::Remote, acked) => {
                    Some(r.resolution.is_fulfilled())
                }
                None if h.offered_by == Side::Local => up.removals.get(&h.id).map(|r| r.is_fulfilled()),
                _ => None,
            };
            match (standing, ended) {
                (Standing::Pending, Some(fulfilled)) => (&**h, Standing::Resolved { fulfilled }),
                (standing, _) => (&**h, standing),
            }
        });
        let adds = up.adds.values().map(|h| (&**h, Standing::Pending));
        let feerate = up.feerate.unwrap_or_else(|| self.fees_acked());
        self.project(Side::Local, feerate, held.chain(adds))
    }

    /// The peer's next commitment if we signed now everything that waits.
    pub(crate) fn next_remote(&self) -> Projection {
        let next = self.remote.number.next();
        let held = self.htlcs.values().map(|h| {
            // All that is in one of ours is in the peer's next; so are our own ends of HTLCs, signed or not.
            let fulfilled = h.removal.as_ref().map(|r| r.resolution.is_fulfilled());
            match (h.added.includes(Side::Remote, next) || h.added.local.is_some(), fulfilled) {
                (false, _) => (&**h, Standing::Absent),
                (true, None) => (&**h, Standing::Pending),
                (true, Some(fulfilled)) => (&**h, Standing::Resolved { fulfilled }),
            }
        });
        let mut projection =
            self.project(Side::Remote, self.waiting_feerate.unwrap_or_else(|| self.fees.newest()), held);
        self.add_waiting(&mut projection);
        projection
    }

    /// Our commitment when all that either side has under way is in it, with nothing credited to us that is not
    /// irrevocable: what we may still spend, at worst.
    pub(crate) fn eventual_local(&self, up: &Up) -> Projection {
        let held = self.htlcs.values().map(|h| (&**h, Standing::Pending));
        let adds = up.adds.values().map(|h| (&**h, Standing::Pending));
        let feerate = up.feerate.or(self.waiting_feerate).unwrap_or_else(|| self.fees.newest());
        let mut projection = self.project(Side::Local, feerate, held.chain(adds));
        self.add_waiting(&mut projection);
        projection
    }

    fn add_waiting(&self, projection: &mut Projection) {
        for (i, new) in self.waiting.iter().enumerate() {
            projection.add(CommittedHtlc {
                offered_by: Side::Local,
                id: HtlcId(self.next_local_id.0.saturating_add(i as u64)),
                amount: new.amount,
                payment_hash: new.payment_hash,
                cltv_expiry: new.cltv_expiry,
            });
        }
    }

    /// The feerate of our next commitment without what the peer has not signed: ours count once acknowledged.
    fn fees_acked(&self) -> FeeratePerKw {
        let acked = self.remote.acked();
        let holds =
            |c: &&crate::fee::FeeChange| c.from.local.is_some() || c.from.includes(Side::Remote, acked);
        self.fees.changes().iter().rev().find(holds).map_or_else(|| self.fees.newest(), |c| c.feerate)
    }

    fn project<'a>(
        &self,
        owner: Side,
        feerate: FeeratePerKw,
        htlcs: impl Iterator<Item = (&'a Htlc, Standing)>,
    ) -> Projection {
        // Asked for with every HTLC that comes or goes: grown once.
        let most = self.htlcs.len() + self.waiting.len();
        let mut projection = Projection {
            owner,
            local: signed(self.balances.local),
            remote: signed(self.balances.remote),
            htlcs: Vec::with_capacity(most),
            feerate,
        };
        for (htlc, standing) in htlcs {
            match standing {
                Standing::Absent => {}
                Standing::Pending => projection.add(htlc.committed()),
                Standing::Resolved { fulfilled: true } => {
                    projection.take(htlc.offered_by, htlc.amount);
                    projection.give(htlc.offered_by.other(), htlc.amount);
                }
                Standing::Resolved { fulfilled: false } => {}
            }
        }
        projection
    }
}

impl Balances {
    pub(crate) fn of_mut(&mut self, side: Side) -> &mut Msat {
        match side {
            Side::Local => &mut self.local,
            Side::Remote => &mut self.remote,
        }
    }

    /// Of one side.
    #[must_use]
    pub fn of(&self, side: Side) -> Msat {
        match side {
            Side::Local => self.local,
            Side::Remote => self.remote,
        }
    }
}

impl Projection {
    /// Adds an HTLC, taking it from its sender.
    pub(crate) fn add(&mut self, htlc: CommittedHtlc) {
        self.take(htlc.offered_by, htlc.amount);
        self.htlcs.push(htlc);
    }

    fn take(&mut self, side: Side, amount: Msat) {
        let balance = self.balance_mut(side);
        *balance = balance.saturating_sub(signed(amount));
    }

    fn give(&mut self, side: Side, amount: Msat) {
        let balance = self.balance_mut(side);
        *balance = balance.saturating_add(signed(amount));
    }

    fn balance_mut(&mut self, side: Side) -> &mut i64 {
        match side {
            Side::Local => &mut self.local,
            Side::Remote => &mut self.remote,
        }
    }

    /// What `side` has; zero when it is overdrawn.
    pub(crate) fn balance(&self, side: Side) -> Msat {
        let balance = if side == Side::Local { self.local } else { self.remote };
        Msat(u64::try_from(balance).unwrap_or(0))
    }

    /// By how much `side` offers more than it has.
    pub(crate) fn overdraft(&self, side: Side) -> Msat {
        let balance = if side == Side::Local { self.local } else { self.remote };
        Msat(if balance < 0 { balance.unsigned_abs() } else { 0 })
    }

    /// HTLCs that `side` offers here.
    pub(crate) fn offered_by(&self, side: Side) -> impl Iterator<Item = &CommittedHtlc> {
        self.htlcs.iter().filter(move |h| h.offered_by == side)
    }

    /// Whether an HTLC has no output here at `feerate`.
    pub(crate) fn trims(&self, open: &Open, htlc: &CommittedHtlc, feerate: FeeratePerKw) -> bool {
        let dust_limit = open.params.of(self.owner).dust_limit;
        is_trimmed(open.params.format, htlc.direction(self.owner), htlc.amount, dust_limit, feerate)
    }

    /// What goes to the miners at `feerate`, for want of an output.
    pub(crate) fn dust(&self, open: &Open, feerate: FeeratePerKw) -> Msat {
        self.htlcs.iter().filter(|h| self.trims(open, h, feerate)).map(|h| h.amount).sum()
    }

    /// The fee at `feerate` with `extra` more HTLCs that have an output.
    pub(crate) fn fee(&self, open: &Open, feerate: FeeratePerKw, extra: usize) -> Sat {
        let outputs = self.htlcs.iter().filter(|h| !self.trims(open, h, feerate)).count();
        commitment_fee(open.params.format, feerate, outputs.saturating_add(extra))
    }

    /// What the opener pays on top of its outputs: the fee, and the anchors.
    pub(crate) fn opener_cost(&self, open: &Open, feerate: FeeratePerKw, extra: usize) -> Msat {
        self.fee(open, feerate, extra).saturating_add(open.params.format.anchors_cost()).to_msat()
    }

    /// Whether this commitment has an output beside its anchors: one without any is no transaction.
    pub(crate) fn has_output(&self, open: &Open) -> bool {
        let dust_limit = open.params.of(self.owner).dust_limit;
        let is_paid = |side: Side| {
            let cost =
                if open.params.opener == side { self.opener_cost(open, self.feerate, 0) } else { Msat::ZERO };
            self.balance(side).saturating_sub(cost).to_sat_floor() >= dust_limit
        };
        is_paid(Side::Local)
            || is_paid(Side::Remote)
            || self.htlcs.iter().any(|htlc| !self.trims(open, htlc, self.feerate))
    }

    /// What `side` is short of: its balance must hold its reserve and, if it opened, the fee at `feerate` with `extra` more
    /// HTLCs. Zero when it can afford all.
    pub(crate) fn shortfall(&self, open: &Open, side: Side, feerate: FeeratePerKw, extra: usize) -> Msat {
        let cost =
            if open.params.opener == side { self.opener_cost(open, feerate, extra) } else { Msat::ZERO };
        let due = open.params.reserve_of(side).to_msat().saturating_add(cost);
        due.saturating_sub(self.balance(side)).saturating_add(self.overdraft(side))
    }
}

/// All the money there is fits: 21 million bitcoin are 2.1e18 millisatoshi.
fn signed(amount: Msat) -> i64 {
    i64::try_from(amount.0).unwrap_or(i64::MAX)
}
