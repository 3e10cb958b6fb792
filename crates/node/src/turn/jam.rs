//! Who may use how much of a channel for forwards, and what each has earned by that.

use super::{Turn, incoming_htlc, origin_of};
use astrape_channel::{Htlc, NewHtlc, Open, Origin};
use astrape_payment::jam::{Candidate, Jam, RESOLUTION_MILLIS, Usage, is_good, judge, risk};
use astrape_primitives::{ChannelKeysId, HtlcId, Msat, Side};

impl Turn<'_> {
    /// Whether a forward is taken on that pays and leaves time enough.
    pub(super) fn judge_forward(
        &self,
        incoming: ChannelKeysId,
        htlc: &Htlc,
        outgoing: ChannelKeysId,
        new: &NewHtlc,
    ) -> Result<(), Jam> {
        let candidate = Candidate {
            amount: htlc.amount,
            fee: htlc.amount.saturating_sub(new.amount),
            blocks: htlc.cltv_expiry.blocks_left(self.height()),
        };
        let usage = self.usage(incoming, htlc.id, outgoing);
        judge(&usage, &candidate, false).or_else(|jam| {
            let usage = Usage { risk: self.risk_of(outgoing), ..usage };
            let reputation = |keys| self.node.reputations.get(keys).copied().unwrap_or_default();
            let (theirs, ours) = (reputation(&outgoing), reputation(&incoming));
            if is_good(&theirs, &ours, &usage, &candidate, self.now) { Ok(()) } else { Err(jam) }
        })
    }

    /// How the incoming channel is used beside an HTLC, without the risk.
    fn usage(&self, incoming: ChannelKeysId, id: HtlcId, outgoing: ChannelKeysId) -> Usage {
        let Some(open) = self.open_of(incoming) else { return Usage::default() };
        let others = || {
            let htlcs = open.htlcs.values().filter(|h| h.offered_by == Side::Remote && h.id != id);
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

    fn open_of(&self, keys: ChannelKeysId) -> Option<&Open> {
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
