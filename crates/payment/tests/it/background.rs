//! How often and how large probes are that nobody has asked for.

use crate::support::node;
use astrape_payment::background::{
    AMOUNTS, BackgroundProbes, MAX_HTLCS_PER_HOUR, MAX_SHARE, MIN_INTERVAL_MILLIS, amount, is_mostly_free,
    pick,
};
use astrape_primitives::{Msat, Timestamp};
use proptest::prelude::*;

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

#[test]
fn the_next_waits_for_an_interval_and_for_what_the_hour_has_left() {
    let wish = BackgroundProbes { interval_millis: 60_000, htlcs_per_hour: 60 };
    assert_eq!(wish.next_at(NOW, 0), NOW.plus(60_000));
    assert_eq!(wish.next_at(NOW, 1), NOW.plus(60_000));
    assert_eq!(wish.next_at(NOW, 3), NOW.plus(180_000));
    let greedy = BackgroundProbes { interval_millis: 0, htlcs_per_hour: u32::MAX };
    assert_eq!(greedy.next_at(NOW, 0), NOW.plus(MIN_INTERVAL_MILLIS));
    assert_eq!(greedy.next_at(NOW, 360), NOW.plus(360 * 3_600_000 / u64::from(MAX_HTLCS_PER_HOUR)));
    let none = BackgroundProbes { interval_millis: 0, htlcs_per_hour: 0 };
    assert_eq!(none.next_at(NOW, u64::MAX), NOW.plus(u64::MAX));
}

#[test]
fn a_channel_is_mostly_free_up_to_a_tenth_of_its_slots() {
    assert!(is_mostly_free(0, 0) && is_mostly_free(1, 10) && is_mostly_free(48, 483));
    assert!(!is_mostly_free(1, 9) && !is_mostly_free(49, 483));
}

#[test]
fn all_nodes_and_all_amounts_that_fit_are_drawn() {
    let random = |byte: u8| [byte; 32];
    let nodes = [node(1), node(2), node(3)];
    let mut drawn: Vec<_> = (0..=255).filter_map(|byte| pick(random(byte), &nodes)).collect();
    drawn.sort_unstable();
    drawn.dedup();
    assert_eq!((drawn.len(), pick(random(1), &[])), (3, None));
    let amounts = |largest: u64| -> Vec<Msat> {
        let mut all: Vec<_> = (0..=255).filter_map(|byte| amount(random(byte), Msat(largest))).collect();
        all.sort_unstable();
        all.dedup();
        all
    };
    assert_eq!(amounts(u64::MAX), AMOUNTS);
    assert_eq!(amounts(AMOUNTS[1].0 * MAX_SHARE), AMOUNTS[..2]);
    assert!(amounts(AMOUNTS[0].0 * MAX_SHARE - 1).is_empty(), "there is too little");
}

proptest! {
    #[test]
    fn no_amount_is_more_than_its_share(random: [u8; 32], largest: u64) {
        if let Some(amount) = amount(random, Msat(largest)) {
            prop_assert!(amount.0 <= largest / MAX_SHARE);
        }
    }
}
