//! Who may use how much of a channel for forwards, and what each has earned by that.

use super::{Turn, incoming_htlc, origin_of};
use astrape_channel::{Htlc, NewHtlc, Open, Origin};
use astrape_payment::jam::{Candidate, Jam, RESOLUTION_MILLIS, Usage, is_good, judge, risk};
use astrape_payment::probing::{MAX_ACCOUNTS, Unpaid};
use astrape_primitives::{ChannelKeysId, Msat, Side};

impl Turn<'_> {
    /// Whether a forward is taken on that pays and leaves time enough.
    pub(super) fn judge_forward(
        &self,
        incoming: ChannelKeysId,
        htlc: &Htlc,
        outgoing: ChannelKeysId,
        new: &NewHtlc,
    ) -> Result<(), Jam> {
        if self.node.unpaid.get(&(incoming, outgoing)).is_some_and(|account| account.is_used_up(self.now)) {
            return Err(Jam::Unpaid);
        }
        let candidate = Candidate {
            amount: htlc.amount,
            fee: htlc.amount.saturating_sub(new.amount),
            blocks: htlc.cltv_expiry.blocks_left(self.height()),
        };
        let usage = self.usage(incoming, htlc, outgoing);
        judge(&usage, &candidate, false).or_else(|jam| {
            let usage = Usage { risk: self.risk_of(outgoing), ..usage };
            let reputation = |keys| self.node.reputations.get(keys).copied().unwrap_or_default();
            let (theirs, ours) = (reputation(&outgoing), reputation(&incoming));
            if is_good(&theirs, &ours, &usage, &candidate, self.now) { Ok(()) } else { Err(jam) }
        })
    }

    /// How the incoming channel is used beside an HTLC, without the risk.
    fn usage(&self, incoming: ChannelKeysId, judged: &Htlc, outgoing: ChannelKeysId) -> Usage {
        let Some(open) = self.open_of(incoming) else { return Usage::default() };
        let others = || {
            let htlcs = open.htlcs.values().filter(|h| h.offered_by == Side::Remote && h.id != judged.id);
            htlcs.filter(|h| h.removal.is_none())
        };
        let is_stuck = |h: &&Htlc| {
            matches!(origin_of(h), Some(Origin::Relay { channel, .. }) if channel == incoming)
                && h.removal.is_none()
                && self.now.since(h.at) > RESOLUTION_MILLIS
        };
        let ours = self.open_of(outgoing).into_iter().flat_map(|open| open.htlcs.values());
        let stuck: Vec<Msat> = ours.map(|h| &**h).filter(is_stuck).map(|h| h.amount).collect();
        let capacity = open.funding.terms.capacity.to_msat();
        Usage {
            slots: open.params.local.max_accepted_htlcs.into(),
            used_slots: others().count() as u64,
            others: others().filter(|h| h.payment_hash != judged.payment_hash).count() as u64,
            amount: open.params.local.max_htlc_value_in_flight.min(capacity),
            used_amount: others().map(|h| h.amount).sum(),
            stuck_slots: stuck.len() as u64,
            stuck_amount: stuck.into_iter().sum(),
            risk: Msat::ZERO,
        }
    }

    /// What all forwards may cost that are under way over a channel.
    fn risk_of(&self, outgoing: ChannelKeysId) -> Msat {
        let htlcs = self.open_of(outgoing).into_iter().flat_map(|open| open.htlcs.values());
        let of = |htlc: &Htlc| {
            let Some(Origin::Relay { channel, id }) = origin_of(htlc) else { return Msat::ZERO };
            let upstream = self.node.channels.get(&channel).and_then(|c| incoming_htlc(c, id));
            upstream.map_or(Msat::ZERO, |up| {
                risk(up.amount.saturating_sub(htlc.amount), up.cltv_expiry.blocks_left(self.height()))
            })
        };
        htlcs.fold(Msat::ZERO, |sum, htlc| sum.saturating_add(of(htlc)))
    }

    pub(super) fn open_of(&self, keys: ChannelKeysId) -> Option<&Open> {
        self.node.channels.get(&keys).and_then(|c| c.open())
    }

    /// A forward has brought a fee.
    pub(super) fn forward_paid(
        &mut self,
        incoming: ChannelKeysId,
        outgoing: ChannelKeysId,
        fee: Msat,
        took_ms: u64,
    ) {
        let now = self.now;
        self.change_reputation(incoming, |reputation| reputation.after_incoming(fee, now));
        self.change_reputation(outgoing, |reputation| reputation.after_outgoing(fee, true, took_ms, now));
        if let Some(account) = self.node.unpaid.get(&(incoming, outgoing)).map(|a| a.after_paid(now)) {
            self.account(incoming, outgoing, account);
        }
    }

    /// A forward came back: that tells its sender that there was enough.
    pub(super) fn forward_unpaid(&mut self, incoming: ChannelKeysId, outgoing: ChannelKeysId) {
        let before = self.node.unpaid.get(&(incoming, outgoing)).copied().unwrap_or_default();
        self.account(incoming, outgoing, before.after_unpaid(self.now));
    }

    /// The outgoing channel did not take a forward: that tells its sender that there was not enough.
    pub(super) fn forward_refused(&mut self, incoming: ChannelKeysId, outgoing: ChannelKeysId) {
        let before = self.node.unpaid.get(&(incoming, outgoing)).copied().unwrap_or_default();
        self.account(incoming, outgoing, before.after_refused(self.now));
    }

    /// Keeps an account of what came back, as long as there is something to remember.
    fn account(&mut self, incoming: ChannelKeysId, outgoing: ChannelKeysId, account: Unpaid) {
        if account.is_clear(self.now) {
            self.node.unpaid.remove(&(incoming, outgoing));
            return;
        }
        self.node.unpaid.insert((incoming, outgoing), account);
        if self.node.unpaid.len() > MAX_ACCOUNTS {
            self.forget_accounts();
        }
    }

    /// Makes room: an eighth of the accounts go, those first that are clear or will be soonest.
    fn forget_accounts(&mut self) {
        let mut all: Vec<_> = self.node.unpaid.iter().map(|(pair, account)| (*account, *pair)).collect();
        all.sort_unstable();
        for (_, pair) in all.into_iter().take(MAX_ACCOUNTS / 8) {
            self.node.unpaid.remove(&pair);
        }
    }

    /// A forward has brought nothing, after some time.
    pub(super) fn forward_cost(&mut self, outgoing: ChannelKeysId, fee: Msat, took_ms: u64) {
        let now = self.now;
        self.change_reputation(outgoing, |reputation| reputation.after_outgoing(fee, false, took_ms, now));
    }

    /// There is a reputation for each channel at most: it goes with the channel.
    fn change_reputation(
        &mut self,
        keys: ChannelKeysId,
        change: impl FnOnce(&astrape_payment::jam::Reputation) -> astrape_payment::jam::Reputation,
    ) {
        if !self.node.channels.contains(&keys) {
            return;
        }
        let before = self.node.reputations.get(&keys).copied().unwrap_or_default();
        let after = change(&before);
        if after != before {
            self.node.reputations.insert(keys, after);
        }
    }
}
