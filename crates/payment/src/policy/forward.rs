//! What is asked for forwarding, and by which rules a change of it is taken.

use astrape_primitives::{CltvDelta, Msat, Timestamp};

/// For how long what was asked before a change is still taken, in milliseconds: payers do not hear of it at once.
pub const OLD_POLICY_MILLIS: u64 = 10 * 60_000;

/// Most policies of a channel that are still taken: the oldest go first.
pub const MAX_OLD_POLICIES: usize = 4;

/// The least `cltv_expiry_delta` that leaves time for a claim on chain (BOLT 2, "`cltv_expiry_delta` Selection").
pub const MIN_CLTV_EXPIRY_DELTA: u16 = 34;

/// The most that is of use: payers refuse longer ways.
pub const MAX_CLTV_EXPIRY_DELTA: u16 = 2_016;

/// The most that is asked in proportion: as much as is passed on. More is a slip of the pen.
pub const MAX_FEE_MILLIONTHS: u32 = 1_000_000;

/// TLV of `channel_update` in which the fee for what comes in is told (bLIP 18): two signed numbers of four bytes.
pub const INBOUND_FEE_TLV: u64 = 55_555;

/// What is asked, beside the fee of the outgoing channel, of HTLCs that come in over a channel (bLIP 18). It is never above
/// zero: payers who do not know of it would pay too little.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InboundFee {
    /// For each HTLC, in millisatoshi.
    pub base_msat: i32,
    /// In millionths of what is passed on and the fee for it.
    pub proportional_millionths: i32,
}

impl InboundFee {
    /// What comes on top of the outgoing channel's fee, for HTLCs that are to bring `amount` before this. The share is
    /// rounded towards zero, as payers do.
    fn of(&self, amount: Msat) -> i128 {
        let share = i128::from(self.proportional_millionths) * i128::from(amount.0) / 1_000_000;
        i128::from(self.base_msat) + share
    }

    /// Whether nothing is asked.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// Why a policy makes no sense, and what would.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyRefusal {
    /// A base fee that `channel_update` cannot say.
    #[error("a base fee of {0} is more than can be announced: at most {max} msat", max = u32::MAX)]
    FeeBase(Msat),
    /// More than is passed on.
    #[error("{0} millionths are more than the payment itself: at most {MAX_FEE_MILLIONTHS}")]
    FeeProportional(u32),
    /// No time to claim, or more than anyone grants.
    #[error("a cltv_expiry_delta of {0} is not from {MIN_CLTV_EXPIRY_DELTA} to {MAX_CLTV_EXPIRY_DELTA}")]
    CltvExpiryDelta(u16),
    /// Nothing fits.
    #[error("no payment is at least {minimum} and at most {maximum}: raise the one or lower the other")]
    Limits {
        /// Smallest.
        minimum: Msat,
        /// Largest.
        maximum: Msat,
    },
    /// More than the channel holds.
    #[error("the channel holds {capacity}: no payment of {wanted} can pass")]
    AboveCapacity {
        /// By the operator.
        wanted: Msat,
        /// Of the channel.
        capacity: Msat,
    },
    /// A fee on what comes in.
    #[error(
        "a fee on what comes in must not be above zero: payers who do not know of it would pay too little"
    )]
    InboundAboveZero,
    /// More than is passed on.
    #[error("a discount of {0} millionths is more than the payment itself: at least -{MAX_FEE_MILLIONTHS}")]
    InboundProportional(i32),
}

/// What we ask of HTLCs that we pass on. It is announced in `channel_update`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardPolicy {
    /// `fee_base_msat`.
    pub fee_base: Msat,
    /// `fee_proportional_millionths`.
    pub fee_proportional_millionths: u32,
    /// `cltv_expiry_delta` of the outgoing channel; at least 34 is reasonable (BOLT 2).
    pub cltv_expiry_delta: CltvDelta,
    /// `htlc_minimum_msat`: smallest outgoing HTLC.
    pub htlc_minimum: Msat,
    /// `htlc_maximum_msat`: largest outgoing HTLC; the capacity if absent.
    pub htlc_maximum: Option<Msat>,
    /// What is asked of HTLCs that come in over this channel, beside the fee of the one they go out over.
    pub inbound: InboundFee,
}

impl Default for ForwardPolicy {
    /// One satoshi and a hundred millionths; 80 blocks.
    fn default() -> Self {
        Self {
            fee_base: Msat(1_000),
            fee_proportional_millionths: 100,
            cltv_expiry_delta: CltvDelta(80),
            htlc_minimum: Msat(1),
            htlc_maximum: None,
            inbound: InboundFee::default(),
        }
    }
}

impl ForwardPolicy {
    /// What we ask for passing `amount` on (BOLT 7, "HTLC Fees"); `None` when it is more than any money.
    #[must_use]
    pub fn fee(&self, amount: Msat) -> Option<Msat> {
        forwarding_fee(self.fee_base, self.fee_proportional_millionths, amount)
    }

    /// What we ask for passing `amount` on when it came in over a channel that asks for `inbound`: together never below
    /// nothing (bLIP 18). `None` when it is more than any money.
    #[must_use]
    pub fn fee_from(&self, inbound: &InboundFee, amount: Msat) -> Option<Msat> {
        let outbound = self.fee(amount)?;
        let both = i128::from(outbound.0) + inbound.of(amount.checked_add(outbound)?);
        u64::try_from(both.max(0)).ok().map(Msat)
    }

    /// Whether it makes sense for a channel of `capacity`.
    ///
    /// # Errors
    /// The first thing that does not.
    pub fn check(&self, capacity: Msat) -> Result<(), PolicyRefusal> {
        if u32::try_from(self.fee_base.0).is_err() {
            return Err(PolicyRefusal::FeeBase(self.fee_base));
        }
        if self.fee_proportional_millionths > MAX_FEE_MILLIONTHS {
            return Err(PolicyRefusal::FeeProportional(self.fee_proportional_millionths));
        }
        let delta = self.cltv_expiry_delta.0;
        if !(MIN_CLTV_EXPIRY_DELTA..=MAX_CLTV_EXPIRY_DELTA).contains(&delta) {
            return Err(PolicyRefusal::CltvExpiryDelta(delta));
        }
        let maximum = self.htlc_maximum.unwrap_or(capacity);
        if let Some(wanted) = [self.htlc_minimum, maximum].into_iter().find(|wanted| *wanted > capacity) {
            return Err(PolicyRefusal::AboveCapacity { wanted, capacity });
        }
        if self.htlc_minimum > maximum || maximum == Msat::ZERO {
            return Err(PolicyRefusal::Limits { minimum: self.htlc_minimum, maximum });
        }
        if self.inbound.base_msat > 0 || self.inbound.proportional_millionths > 0 {
            return Err(PolicyRefusal::InboundAboveZero);
        }
        if self.inbound.proportional_millionths.unsigned_abs() > MAX_FEE_MILLIONTHS {
            return Err(PolicyRefusal::InboundProportional(self.inbound.proportional_millionths));
        }
        Ok(())
    }
}

/// What a channel asks that differs from the node's own policy, and what it asked before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChannelPolicy {
    /// Of this channel alone; that of the node if absent.
    pub own: Option<ForwardPolicy>,
    /// What was asked before, newest first, until when it is still taken.
    pub before: Vec<(ForwardPolicy, Timestamp)>,
}

impl ChannelPolicy {
    /// After `old` was announced to be over.
    #[must_use]
    pub fn without(&self, old: ForwardPolicy, now: Timestamp) -> Self {
        let mut next = self.after(now);
        next.before.retain(|(policy, _)| *policy != old);
        next.before.insert(0, (old, now.plus(OLD_POLICY_MILLIS)));
        next.before.truncate(MAX_OLD_POLICIES);
        next
    }

    /// Without what is not taken any more.
    #[must_use]
    pub fn after(&self, now: Timestamp) -> Self {
        let mut next = self.clone();
        next.before.retain(|(_, until)| *until > now);
        next
    }

    /// Whether it says nothing that the node's policy does not.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.own.is_none() && self.before.is_empty()
    }
}

/// `fee_base_msat + amount_to_forward * fee_proportional_millionths / 1000000` (BOLT 7); `None` when it does not fit.
pub(crate) fn forwarding_fee(base: Msat, proportional_millionths: u32, amount: Msat) -> Option<Msat> {
    let proportional = u128::from(amount.0) * u128::from(proportional_millionths) / 1_000_000;
    base.checked_add(Msat(u64::try_from(proportional).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    // BOLT 7.htlc-fees.1
    #[test]
    fn the_fee_is_the_base_and_millionths_of_what_is_forwarded_rounded_down() {
        let policy =
            ForwardPolicy { fee_base: Msat(7), fee_proportional_millionths: 250, ..Default::default() };
        assert_eq!(policy.fee(Msat(3_999)), Some(Msat(7)));
        assert_eq!(policy.fee(Msat(4_000)), Some(Msat(8)));
        assert_eq!(policy.fee(Msat(1_000_000_000)), Some(Msat(250_007)));
    }

    #[test]
    fn a_fee_beyond_all_money_is_no_fee() {
        let policy = ForwardPolicy { fee_proportional_millionths: u32::MAX, ..Default::default() };
        assert_eq!(policy.fee(Msat(u64::MAX)), None);
        let policy = ForwardPolicy { fee_base: Msat(u64::MAX), ..Default::default() };
        assert_eq!(policy.fee(Msat(10_000)), None);
        assert_eq!(policy.fee(Msat(9_999)), Some(Msat(u64::MAX)));
    }

    #[test]
    fn a_discount_for_what_comes_in_is_taken_off_the_fee_and_never_more_than_it() {
        let policy =
            ForwardPolicy { fee_base: Msat(1_000), fee_proportional_millionths: 100, ..Default::default() };
        let fee = |base_msat, proportional_millionths| {
            policy.fee_from(&InboundFee { base_msat, proportional_millionths }, Msat(10_000_000))
        };
        assert_eq!(fee(0, 0), Some(Msat(2_000)));
        assert_eq!(fee(-300, 0), Some(Msat(1_700)));
        // A share of what is passed on and its fee, 10,002,000 msat: 500.1 msat, rounded towards zero.
        assert_eq!(fee(0, -50), Some(Msat(1_500)));
        assert_eq!(fee(-2_001, 0), Some(Msat(0)));
        assert_eq!(fee(i32::MIN, i32::MIN), Some(Msat(0)));
        assert_eq!(policy.fee_from(&InboundFee::default(), Msat(u64::MAX)), None);
    }

    #[test]
    fn a_policy_that_makes_no_sense_is_refused() {
        let capacity = Msat(1_000_000_000);
        let check = |change: &dyn Fn(&mut ForwardPolicy)| {
            let mut policy = ForwardPolicy::default();
            change(&mut policy);
            policy.check(capacity)
        };
        assert_eq!(check(&|_| {}), Ok(()));
        let too_much = Msat(u64::from(u32::MAX) + 1);
        assert_eq!(check(&|p| p.fee_base = too_much), Err(PolicyRefusal::FeeBase(too_much)));
        assert_eq!(check(&|p| p.fee_base = Msat(too_much.0 - 1)), Ok(()));
        assert_eq!(check(&|p| p.fee_proportional_millionths = 1_000_000), Ok(()));
        let more = check(&|p| p.fee_proportional_millionths = 1_000_001);
        assert_eq!(more, Err(PolicyRefusal::FeeProportional(1_000_001)));
        for (delta, is_good) in [(0, false), (33, false), (34, true), (2_016, true), (2_017, false)] {
            assert_eq!(check(&|p| p.cltv_expiry_delta = CltvDelta(delta)).is_ok(), is_good, "{delta}");
        }
        assert_eq!(check(&|p| p.htlc_maximum = Some(capacity)), Ok(()));
        assert!(check(&|p| p.htlc_maximum = Some(Msat(capacity.0 + 1))).is_err());
        assert!(check(&|p| p.htlc_minimum = Msat(capacity.0 + 1)).is_err());
        assert!(check(&|p| (p.htlc_minimum, p.htlc_maximum) = (Msat(2), Some(Msat(1)))).is_err());
        assert!(check(&|p| (p.htlc_minimum, p.htlc_maximum) = (Msat(0), Some(Msat(0)))).is_err());
        let inbound = |base_msat, proportional_millionths| {
            check(&|p| p.inbound = InboundFee { base_msat, proportional_millionths })
        };
        assert_eq!(inbound(-5, -1_000_000), Ok(()));
        assert_eq!(inbound(1, 0), Err(PolicyRefusal::InboundAboveZero));
        assert_eq!(inbound(0, 1), Err(PolicyRefusal::InboundAboveZero));
        assert_eq!(inbound(0, -1_000_001), Err(PolicyRefusal::InboundProportional(-1_000_001)));
    }

    #[test]
    fn what_was_asked_before_is_taken_for_a_while_and_only_so_much_of_it() {
        let asked = |base: u64| ForwardPolicy { fee_base: Msat(base), ..Default::default() };
        let now = Timestamp::from_secs(1_000);
        let mut policy = ChannelPolicy::default();
        for base in 0..6 {
            policy = policy.without(asked(base), now.plus(base));
        }
        let bases =
            |policy: &ChannelPolicy| policy.before.iter().map(|(p, _)| p.fee_base.0).collect::<Vec<_>>();
        assert_eq!(bases(&policy), [5, 4, 3, 2]);
        assert_eq!(bases(&policy.without(asked(3), now.plus(9))), [3, 5, 4, 2], "once");
        assert_eq!(bases(&policy.after(now.plus(OLD_POLICY_MILLIS + 3))), [5, 4]);
        assert!(policy.after(now.plus(OLD_POLICY_MILLIS + 5)).is_empty());
    }
}
