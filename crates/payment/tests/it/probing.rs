//! How often others may find out what a channel has.

use astrape_payment::probing::{MAX_UNPAID, REFUSED_AS_ONE, REGAIN_MILLIS, REGAINED_BY_PAID, Unpaid};
use astrape_primitives::Timestamp;
use proptest::prelude::*;

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

fn unpaid(times: u64) -> Unpaid {
    (0..times).fold(Unpaid::default(), |account, _| account.after_unpaid(NOW))
}

/// How many may still come back at a time.
fn left(account: &Unpaid, now: Timestamp) -> u64 {
    let mut account = *account;
    (0..=MAX_UNPAID)
        .find(|_| {
            let used_up = account.is_used_up(now);
            account = account.after_unpaid(now);
            used_up
        })
        .expect("it is used up by then")
}

// attack 51
#[test]
fn so_many_forwards_come_back_unpaid_and_then_one_in_a_while() {
    let account = unpaid(MAX_UNPAID - 1);
    assert!(!account.is_used_up(NOW));
    let account = account.after_unpaid(NOW);
    assert!(account.is_used_up(NOW) && account.is_used_up(NOW.plus(REGAIN_MILLIS - 1)));
    assert_eq!(left(&account, NOW.plus(REGAIN_MILLIS)), 1);
    assert_eq!(left(&account, NOW.plus(7 * REGAIN_MILLIS)), 7);
    assert_eq!(left(&account, NOW.plus(MAX_UNPAID * REGAIN_MILLIS)), MAX_UNPAID);
    assert!(account.is_clear(NOW.plus(MAX_UNPAID * REGAIN_MILLIS)));
}

// attack 51
#[test]
fn an_empty_channel_may_be_asked_more_often_and_not_without_end() {
    let mut account = Unpaid::default();
    for _ in 0..MAX_UNPAID * REFUSED_AS_ONE - REFUSED_AS_ONE + 1 {
        assert!(!account.is_used_up(NOW));
        account = account.after_refused(NOW);
    }
    assert!(account.is_used_up(NOW));
}

#[test]
fn what_came_back_together_beyond_the_bound_is_not_held_against_those_who_come_later() {
    assert_eq!(unpaid(10 * MAX_UNPAID), unpaid(MAX_UNPAID));
}

#[test]
fn a_payer_of_many_parts_may_try_them_all_several_times() {
    let (parts, tries) = (20, 4);
    let account = unpaid(parts * tries);
    assert!(left(&account, NOW) >= parts, "once more");
    let paid = (0..parts).fold(account, |account, _| account.after_paid(NOW));
    assert!(paid.is_clear(NOW), "when they arrive all is as before");
}

#[test]
fn who_pays_once_in_ten_attempts_is_never_limited() {
    let mut account = unpaid(MAX_UNPAID - REGAINED_BY_PAID);
    for _ in 0..1_000 {
        for _ in 0..REGAINED_BY_PAID {
            assert!(!account.is_used_up(NOW));
            account = account.after_unpaid(NOW);
        }
        account = account.after_paid(NOW);
    }
}

#[test]
fn a_clock_that_goes_back_far_limits_nobody() {
    let account = unpaid(MAX_UNPAID);
    assert!(account.is_used_up(Timestamp(NOW.0 - 1_000)), "a little changes nothing");
    assert!(account.is_clear(Timestamp(NOW.0 - 86_400_000)));
}

proptest! {
    // attack 74
    #[test]
    fn no_time_breaks_the_arithmetic(events in proptest::collection::vec((any::<bool>(), any::<u64>()), 1..50)) {
        let mut account = Unpaid::default();
        for (paid, at) in events {
            let now = Timestamp(at);
            account = if paid { account.after_paid(now) } else { account.after_unpaid(now) };
            prop_assert!(!(account.is_clear(now) && account.is_used_up(now)));
        }
    }
}
