//! Who may use how much of a channel, and what it costs to be one who may.

use astrape_payment::jam::{
    Candidate, Fading, HALF_LIFE_MILLIS, Jam, RESOLUTION_MILLIS, Reputation, Usage, cost_of_time, is_good,
    judge, risk,
};
use astrape_primitives::{Msat, Timestamp};
use proptest::prelude::*;

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);
const FEE: Msat = Msat(1_000);

fn usage() -> Usage {
    Usage { slots: 100, amount: Msat(1_000_000), ..Usage::default() }
}

fn candidate(amount: u64) -> Candidate {
    Candidate { amount: Msat(amount), fee: FEE, blocks: 100 }
}

// attack 31
#[test]
fn a_part_of_the_slots_is_kept_for_those_who_have_earned_it() {
    let full = |used_slots| judge(&Usage { used_slots, ..usage() }, &candidate(1), false);
    assert_eq!(full(79), Ok(()));
    assert_eq!(full(80), Err(Jam::Slots));
    assert_eq!(judge(&Usage { used_slots: 99, ..usage() }, &candidate(1), true), Ok(()));
}

// attack 31
#[test]
fn a_part_of_the_amount_is_kept_unless_no_other_payment_is_in_flight() {
    let used =
        |others, used_amount| Usage { used_slots: 3, others, used_amount: Msat(used_amount), ..usage() };
    assert_eq!(judge(&used(1, 300_000), &candidate(500_000), false), Ok(()));
    assert_eq!(judge(&used(1, 300_000), &candidate(500_001), false), Err(Jam::Amount));
    assert_eq!(judge(&used(1, 300_000), &candidate(500_001), true), Ok(()));
    assert_eq!(judge(&used(0, 0), &candidate(1_000_000), false), Ok(()));
    assert_eq!(judge(&used(0, 300_000), &candidate(700_000), false), Ok(()), "the rest of one payment");
}

// attack 31
#[test]
fn an_outgoing_channel_that_holds_much_for_long_gets_no_more() {
    let stuck =
        |stuck_slots, stuck_amount| Usage { stuck_slots, stuck_amount: Msat(stuck_amount), ..usage() };
    assert_eq!(judge(&stuck(19, 200_000), &candidate(1), false), Ok(()));
    assert_eq!(judge(&stuck(20, 0), &candidate(1), false), Err(Jam::Stuck));
    assert_eq!(
        judge(&stuck(1, 1_000_000), &candidate(1), false),
        Ok(()),
        "a payment that its recipient holds"
    );
    assert_eq!(judge(&stuck(2, 200_000), &candidate(1), false), Ok(()));
    assert_eq!(judge(&stuck(2, 200_001), &candidate(1), false), Err(Jam::Stuck));
    assert_eq!(judge(&stuck(20, 200_001), &candidate(1), true), Ok(()));
    let small = Usage { slots: 6, stuck_slots: 3, ..usage() };
    assert_eq!(judge(&small, &candidate(1), false), Ok(()), "a few are always taken");
}

// attack 31
#[test]
fn reputation_costs_what_the_incoming_channel_earns_and_what_is_at_risk() {
    let (usage, candidate) = (Usage { risk: Msat(7_000), ..usage() }, candidate(1));
    let at_risk = risk(candidate.fee, candidate.blocks);
    assert_eq!(at_risk, Msat(1_000 * (100 * 600 / 90)));
    let incoming = Reputation::default().after_incoming(Msat(50_000), NOW);
    let asked = 50_000 + 7_000 + at_risk.0;
    let good = |earned: u64| {
        let outgoing = Reputation::default().after_outgoing(Msat(earned), true, 500, NOW);
        is_good(&outgoing, &incoming, &usage, &candidate, NOW)
    };
    assert!(good(asked) && !good(asked - 1));
    let free = Candidate { fee: Msat::ZERO, ..candidate };
    let nobody = Reputation::default();
    assert!(!is_good(&nobody, &nobody, &Usage::default(), &free, NOW), "who has paid nothing has none");
}

// attack 31
#[test]
fn what_is_slow_costs_reputation_whether_it_pays_in_the_end_or_not() {
    let good = Reputation::default().after_outgoing(Msat(100_000), true, 0, NOW);
    let earned = |r: Reputation| r.earned_out.at(NOW).0;
    let after = |paid, held| earned(good.after_outgoing(FEE, paid, held, NOW));
    assert_eq!(after(true, RESOLUTION_MILLIS - 1), 101_000);
    assert_eq!(after(false, RESOLUTION_MILLIS - 1), 100_000, "a quick failure costs nothing");
    assert_eq!(after(true, RESOLUTION_MILLIS), 99_000);
    assert_eq!(after(false, 10 * RESOLUTION_MILLIS), 90_000);
    assert_eq!(after(false, u64::MAX), 0, "and never less than nothing");
}

#[test]
fn what_was_earned_fades_by_half_and_in_the_end_wholly() {
    let earned = Fading::default().plus(Msat(1_000_000), NOW);
    assert_eq!(earned.at(NOW), Msat(1_000_000));
    assert_eq!(earned.at(NOW.plus(HALF_LIFE_MILLIS / 2)), Msat(750_000));
    assert_eq!(earned.at(NOW.plus(HALF_LIFE_MILLIS)), Msat(500_000));
    assert_eq!(earned.at(NOW.plus(3 * HALF_LIFE_MILLIS)), Msat(125_000));
    assert_eq!(earned.at(Timestamp(u64::MAX)), Msat::ZERO);
    assert_eq!(earned.at(Timestamp(0)), Msat(1_000_000), "a clock that goes back makes nothing more");
}

proptest! {
    #[test]
    fn no_numbers_break_the_judgement(
        numbers in any::<[u64; 8]>(),
        blocks in any::<u32>(),
        good in any::<bool>(),
        times in any::<[u64; 3]>(),
    ) {
        let [slots, used_slots, amount, used_amount, stuck_slots, stuck_amount, paid, fee] = numbers;
        let usage = Usage {
            slots: slots % 484,
            used_slots: used_slots % 484,
            others: used_slots % 7,
            amount: Msat(amount),
            used_amount: Msat(used_amount),
            stuck_slots: stuck_slots % 484,
            stuck_amount: Msat(stuck_amount),
            risk: risk(Msat(fee), blocks),
        };
        let candidate = Candidate { amount: Msat(paid), fee: Msat(fee), blocks };
        let judged = judge(&usage, &candidate, good);
        prop_assert!(!good || judged.is_ok());
        let reputation = Reputation::default()
            .after_outgoing(Msat(paid), good, times[0], Timestamp(times[1]))
            .after_incoming(Msat(fee), Timestamp(times[2]));
        let _ = is_good(&reputation, &reputation, &usage, &candidate, Timestamp(times[2]));
        let quick = times[0] % RESOLUTION_MILLIS;
        prop_assert_eq!(cost_of_time(Msat(fee), quick), Msat::ZERO);
    }
}
