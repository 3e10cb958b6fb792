//! What a claim pays: from the estimate to its budget as its deadline nears.

use crate::resolution::Waiting;
use astrape_primitives::{FeeratePerKw, Feerates, Height, Sat};

/// Share of what is lost at the deadline that its claim may pay, in percent. Beyond one half a thief who is paid in fees
/// gains more from delaying us than we from winning (attack 37), and below it high feerates keep small HTLCs from their
/// blocks.
pub const DEADLINE_BUDGET_PERCENT: u64 = 50;

/// Share of what nobody can take from us that its claim may pay, in percent: it can wait for a calmer day. What is worth
/// only a few times the least fee may always pay that.
pub const SAFE_BUDGET_PERCENT: u64 = 10;

/// Share of what is ours at leisure in a commitment that its child may pay, in percent. It doubles each time that the commitment
/// has waited as long as it should, up to [`SAFE_BUDGET_PERCENT`]: of a small channel the first share may never be enough, and
/// all that it holds waits.
pub const BALANCE_BUDGET_PERCENT: u64 = 2;

/// Blocks within which a claim without a deadline shall confirm. Whatever was too small for the fees of all these days waits for no
/// better ones: it may pay what the least is by then.
pub(crate) const LEISURE_BLOCKS: u32 = 144;

/// Blocks within which a commitment of ours shall confirm when nothing in it has a deadline.
pub(crate) const COMMITMENT_BLOCKS: u32 = 24;

/// The least by which the feerate of a replacement is above that of what it replaces (BIP 125 rule 4, with the default of
/// Bitcoin nodes), in sat/kw.
pub const MIN_INCREMENT: FeeratePerKw = FeeratePerKw::FLOOR;

/// Blocks that a fee has to rise in, where there were so many: whoever wakes up with fewer left begins in the middle of the curve.
pub const RISE_BLOCKS: u32 = 12;

/// Blocks before the deadline of a claim that waits for a coin by which whoever holds one must have let go of it: two claims,
/// one upon the other, still have to go into blocks then.
const HURRY_BLOCKS: u32 = 6;

/// What the fee of a claim depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stake {
    /// The most that it may pay.
    pub(crate) budget: Sat,
    /// The tip from which its fee rises ([`rises_from`]).
    pub(crate) since: Height,
    /// The block by which it must be in.
    pub(crate) deadline: Option<Height>,
    /// Blocks within which it shall confirm without a deadline.
    pub(crate) leisure: u32,
}

/// The budget of a claim worth so much that has a deadline.
pub(crate) fn budget(value: Sat) -> Sat {
    percent(value, DEADLINE_BUDGET_PERCENT)
}

/// The budget of one that nobody can take from us: enough for the `least` fee in any case, as long as half is left.
pub(crate) fn budget_at_leisure(value: Sat, least: Sat) -> Sat {
    percent(value, SAFE_BUDGET_PERCENT).max(least.min(percent(value, 50)))
}

fn percent(of: Sat, percent: u64) -> Sat {
    Sat(of.0 / 100 * percent + of.0 % 100 * percent / 100)
}

/// What the child of a commitment may pay of what is ours in it at leisure, when that has waited so many blocks.
pub(crate) fn budget_of_balance(balance: Sat, waited: u32) -> Sat {
    let doublings = (waited / COMMITMENT_BLOCKS).min(8);
    Sat(balance.0 / 100 * (BALANCE_BUDGET_PERCENT << doublings).min(SAFE_BUDGET_PERCENT))
}

/// The feerate that a claim of `weight` shall pay at this tip; `None` when not even the least that is relayed is within the
/// budget.
///
/// It begins at the estimate for half of the time that is left, and rises with the square of the time gone by to the whole
/// budget in the last block before the deadline: cheap while time is plenty, everything when it is not (attack 13).
pub(crate) fn feerate(stake: Stake, weight: u64, tip: Height, feerates: &Feerates) -> Option<FeeratePerKw> {
    let most = per_kw(stake.budget, weight);
    if most < feerates.floor() {
        return None;
    }
    let Some(deadline) = stake.deadline else {
        return Some(feerates.within(stake.leisure).clamp(feerates.floor(), most));
    };
    let left = deadline.0.saturating_sub(tip.0.saturating_add(1));
    let estimate = feerates.within(left / 2).clamp(feerates.floor(), most);
    Some(estimate.max(on_the_curve(estimate, most, stake.since, deadline, tip)))
}

/// What a claim without a deadline pays that has waited its time for a block: whatever told that `last` is enough was wrong,
/// and the same source is no better today. It pays twice as much, within its budget (attack 13). Zero when it shall wait.
pub(crate) fn after_waiting(stake: Stake, weight: u64, last: FeeratePerKw, waited: u32) -> FeeratePerKw {
    if stake.deadline.is_some() || waited < stake.leisure {
        return FeeratePerKw(0);
    }
    FeeratePerKw(last.0.saturating_mul(2)).min(per_kw(stake.budget, weight))
}

/// The tip from which a fee rises: from where the claim could have been made, less the blocks that came while we slept, and
/// early enough for the deadline.
pub(crate) fn rises_from(claimable: Height, deadline: Option<Height>, asleep: u32) -> Height {
    let latest = deadline.map_or(Height(u32::MAX), |d| Height(d.0.saturating_sub(RISE_BLOCKS)));
    claimable.plus(asleep).min(latest).max(claimable)
}

/// From `least` at `since` to `most` in the last block before the deadline.
fn on_the_curve(
    least: FeeratePerKw,
    most: FeeratePerKw,
    since: Height,
    deadline: Height,
    tip: Height,
) -> FeeratePerKw {
    let all = u64::from(deadline.0.saturating_sub(since.0).saturating_sub(1));
    let gone = u64::from(tip.0.saturating_sub(since.0));
    if gone >= all {
        return most;
    }
    let range = u64::from(most.0.saturating_sub(least.0));
    // Blocks are less than 2^32, and so are feerates: their product fits when one square is taken at a time.
    let risen = range * gone / all * gone / all;
    FeeratePerKw(least.0.saturating_add(u32::try_from(risen).unwrap_or(u32::MAX)))
}

/// The feerate of a fee, rounded down.
pub(crate) fn per_kw(fee: Sat, weight: u64) -> FeeratePerKw {
    let per_kw = fee.0.saturating_mul(1_000) / in_whole_bytes(weight).max(1);
    FeeratePerKw(u32::try_from(per_kw).unwrap_or(u32::MAX))
}

/// The fee of a weight, rounded up: what relays and miners ask for is never missed by a fraction.
pub(crate) fn fee(feerate: FeeratePerKw, weight: u64) -> Sat {
    Sat(u64::from(feerate.0).saturating_mul(in_whole_bytes(weight)).div_ceil(1_000))
}

/// They count in whole virtual bytes.
fn in_whole_bytes(weight: u64) -> u64 {
    weight.div_ceil(4).saturating_mul(4)
}

impl Stake {
    /// At leisure.
    pub(crate) const fn at_leisure(budget: Sat, since: Height) -> Self {
        Self { budget, since, deadline: None, leisure: LEISURE_BLOCKS }
    }

    /// With a deadline, if there is one.
    pub(crate) const fn until(budget: Sat, since: Height, deadline: Option<Height>) -> Self {
        Self { budget, since, deadline, leisure: LEISURE_BLOCKS }
    }

    /// The same when others need the coins that it holds: it must be in a block early enough for them, and may pay a part of
    /// what they stand to lose. One that is due before them does what it did.
    pub(crate) fn hurried(self, waiting: &Waiting, most: Sat) -> Self {
        let Some(others) = waiting.deadline.map(|d| Height(d.0.saturating_sub(HURRY_BLOCKS))) else {
            return self;
        };
        if self.deadline.is_some_and(|own| own <= others) {
            return self;
        }
        let share = Sat(waiting.at_stake.0 / waiting.holders.max(1) as u64);
        Self {
            budget: self.budget.saturating_add(budget(share)).min(most.max(self.budget)),
            since: self.since.max(Height(others.0.saturating_sub(RISE_BLOCKS))),
            deadline: Some(others),
            leisure: self.leisure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stake(deadline: u32) -> Stake {
        Stake::until(Sat(50_000), Height(100), Some(Height(deadline)))
    }

    // attack 13
    #[test]
    fn the_fee_rises_from_the_estimate_to_the_budget_whatever_the_estimator_says() {
        let (weight, low) = (1_000, Feerates::flat(FeeratePerKw(300)));
        let mut before = FeeratePerKw(0);
        for tip in 100..180 {
            let now = feerate(stake(181), weight, Height(tip), &low).expect("within the budget");
            assert!(now >= before, "never lower: {tip}");
            before = now;
        }
        assert_eq!(feerate(stake(181), weight, Height(100), &low), Some(FeeratePerKw(300)));
        let half = feerate(stake(181), weight, Height(140), &low).expect("within").0;
        assert!((12_000..14_000).contains(&half), "a quarter of the way at half of the time: {half}");
        for late in [180, 181, 500, u32::MAX] {
            assert_eq!(feerate(stake(181), weight, Height(late), &low), Some(FeeratePerKw(50_000)), "{late}");
        }
    }

    #[test]
    fn blocks_that_came_while_we_slept_raise_no_fee_but_the_deadline_is_kept() {
        let low = Feerates::flat(FeeratePerKw(300));
        let paid = |tip: u32, asleep: u32| {
            let since = rises_from(Height(100), Some(Height(200)), asleep);
            let stake = Stake { since, ..stake(200) };
            feerate(stake, 1_000, Height(tip), &low).expect("within the budget").0
        };
        assert!(paid(160, 0) > 18_000, "who was awake and missed sixty blocks pays for the next");
        assert_eq!(paid(160, 60), 300, "who slept through them begins");
        assert_eq!(paid(188, 88), 300);
        assert!((10_000..20_000).contains(&paid(194, 94)), "six of the last twelve blocks are gone");
        for asleep in [0, 50, 99, u32::MAX] {
            assert_eq!(paid(199, asleep), 50_000, "all of it in the last block");
        }
        assert_eq!(
            rises_from(Height(195), Some(Height(200)), 3),
            Height(195),
            "never before it could be made"
        );
        assert_eq!(rises_from(Height(195), None, 3), Height(198));
    }

    // attack 13
    #[test]
    fn what_a_commitment_may_cost_grows_while_it_waits_and_never_beyond_a_tenth_of_what_is_ours() {
        let of = |waited| budget_of_balance(Sat(120_000), waited).0;
        assert_eq!(
            [0, 23, 24, 48, 72, 10_000, u32::MAX].map(of),
            [2_400, 2_400, 4_800, 9_600, 12_000, 12_000, 12_000]
        );
    }

    // attack 13
    #[test]
    fn what_has_waited_its_time_at_leisure_pays_twice_as_much_within_its_budget() {
        let stake = Stake::at_leisure(Sat(3_000), Height(1));
        let next = |last, waited| after_waiting(stake, 1_000, FeeratePerKw(last), waited).0;
        assert_eq!(next(1_000, LEISURE_BLOCKS - 1), 0);
        assert_eq!(next(1_000, LEISURE_BLOCKS), 2_000);
        assert_eq!(next(2_000, LEISURE_BLOCKS), 3_000, "all that it may pay");
        let due = Stake { deadline: Some(Height(900)), ..stake };
        assert_eq!(after_waiting(due, 1_000, FeeratePerKw(1_000), 800).0, 0, "a curve of its own");
    }

    #[test]
    fn who_holds_a_coin_that_others_wait_for_is_as_hurried_as_they_are() {
        let others = Waiting {
            channels: 3,
            urgent: 2,
            holders: 2,
            deadline: Some(Height(118)),
            at_stake: Sat(80_000),
        };
        let idle = Stake::at_leisure(Sat(1_000), Height(50));
        let hurried = idle.hurried(&others, Sat(1_000_000));
        assert_eq!(
            (hurried.budget, hurried.since, hurried.deadline),
            (Sat(21_000), Height(100), Some(Height(112)))
        );
        assert_eq!(idle.hurried(&others, Sat(5_000)).budget, Sat(5_000));
        let due = stake(112);
        assert_eq!(due.hurried(&others, Sat(1_000_000)), due, "it is in a hurry itself");
        assert_eq!(idle.hurried(&Waiting::default(), Sat(1_000_000)), idle);
    }

    // attack 37
    #[test]
    fn no_claim_pays_more_than_its_budget_and_none_is_made_that_could_not_be_relayed() {
        let high = Feerates::flat(FeeratePerKw(90_000));
        assert_eq!(feerate(stake(181), 1_000, Height(100), &high), Some(FeeratePerKw(50_000)));
        let dear = Feerates::new(FeeratePerKw(60_000), [FeeratePerKw(60_000); 4]);
        assert_eq!(feerate(stake(181), 1_000, Height(100), &dear), None, "the floor is beyond the budget");
        let leisure = Stake::at_leisure(Sat(400), Height(1));
        assert_eq!(feerate(leisure, 1_000, Height(900), &high), Some(FeeratePerKw(400)));
    }

    #[test]
    fn small_safe_outputs_may_pay_the_least_fee_and_nothing_is_spent_for_less_than_half() {
        assert_eq!(budget_at_leisure(Sat(1_000_000), Sat(152)), Sat(100_000));
        assert_eq!(budget_at_leisure(Sat(1_000), Sat(152)), Sat(152));
        assert_eq!(budget_at_leisure(Sat(200), Sat(152)), Sat(100));
        assert_eq!(budget(Sat(1_001)), Sat(500));
    }

    #[test]
    fn what_is_worth_twice_the_least_fee_is_claimed_at_it_whatever_its_weight() {
        for weight in 1..2_000 {
            let value = Sat(2 * fee(FeeratePerKw::FLOOR, weight).0);
            let least = fee(FeeratePerKw::FLOOR, weight);
            let stake = Stake::at_leisure(budget_at_leisure(value, least), Height(1));
            let paid = feerate(stake, weight, Height(2), &Feerates::flat(FeeratePerKw::FLOOR));
            assert!(paid.is_some_and(|paid| paid >= FeeratePerKw::FLOOR), "{weight}: {paid:?}");
        }
    }

    #[test]
    fn a_feerate_that_is_asked_for_by_the_virtual_byte_is_reached() {
        // 531 weight units are 133 virtual bytes.
        assert_eq!(fee(FeeratePerKw(2_000), 531), Sat(1_064));
        assert_eq!(per_kw(Sat(1_064), 531), FeeratePerKw(2_000));
        assert!(
            (1..3_000).all(|weight| fee(per_kw(Sat(9_999), weight), weight) <= Sat(9_999)),
            "within the budget"
        );
    }

    #[test]
    fn hostile_numbers_do_not_overflow() {
        let rates = Feerates::flat(FeeratePerKw(u32::MAX));
        let all = Stake::until(Sat(u64::MAX), Height(0), Some(Height(u32::MAX)));
        assert!(
            feerate(all, u64::MAX, Height(u32::MAX - 1), &rates).is_some()
                || per_kw(Sat(u64::MAX), u64::MAX).0 < u32::MAX
        );
        assert_eq!(per_kw(Sat(u64::MAX), 0), FeeratePerKw(u32::MAX));
        assert_eq!(budget(Sat(u64::MAX)).0, u64::MAX / 100 * 50 + 7);
    }
}
