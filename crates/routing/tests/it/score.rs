//! What payments teach of liquidity.

use crate::kit::scid;
use astrape_primitives::{Msat, Timestamp};
use astrape_routing::score::{HALF_LIFE_SECS, MAX_DELAY_MILLIS, MAX_KNOWN, ScoresError};
use astrape_routing::{Crossing, Direction, Outcome, Scores};
use proptest::prelude::*;

const CAPACITY: Msat = Msat(1_000_000);
const NOW: Timestamp = Timestamp::from_secs(1_000_000);

fn crossing(amount: u64) -> Crossing {
    Crossing {
        short_channel_id: scid(1),
        direction: Direction::FromNode2,
        capacity: CAPACITY,
        amount: Msat(amount),
    }
}

fn after(half_lives: u32) -> Timestamp {
    NOW.plus(u64::from(half_lives * HALF_LIFE_SECS) * 1_000)
}

fn bounds(scores: &Scores, direction: Direction, now: Timestamp) -> (u64, u64) {
    let (least, most) = scores.bounds(scid(1), direction, CAPACITY, now);
    (least.0, most.0)
}

#[test]
fn what_one_end_has_the_other_has_not() {
    let mut scores = Scores::new();
    assert_eq!(bounds(&scores, Direction::FromNode2, NOW), (0, 1_000_000));
    scores.learn(&crossing(300_000), Outcome::Passed, NOW);
    scores.learn(&crossing(800_000), Outcome::Stuck, NOW);
    assert_eq!(bounds(&scores, Direction::FromNode2, NOW), (300_000, 799_999));
    assert_eq!(bounds(&scores, Direction::FromNode1, NOW), (200_001, 700_000));
}

#[test]
fn what_was_paid_has_moved_to_the_other_end() {
    let mut scores = Scores::new();
    scores.learn(&crossing(800_000), Outcome::Stuck, NOW);
    scores.learn(&crossing(300_000), Outcome::Paid, NOW);
    assert_eq!(bounds(&scores, Direction::FromNode2, NOW), (0, 499_999));
    assert_eq!(bounds(&scores, Direction::FromNode1, NOW), (500_001, 1_000_000));
}

#[test]
fn the_newer_word_counts_where_two_contradict_each_other() {
    let mut scores = Scores::new();
    scores.learn(&crossing(600_000), Outcome::Passed, NOW);
    scores.learn(&crossing(100_000), Outcome::Stuck, NOW);
    assert_eq!(bounds(&scores, Direction::FromNode2, NOW), (99_999, 99_999));
    scores.learn(&crossing(500_000), Outcome::Passed, NOW);
    assert_eq!(bounds(&scores, Direction::FromNode2, NOW), (500_000, 500_000));
}

#[test]
fn half_of_what_is_known_is_forgotten_each_half_life() {
    let mut scores = Scores::new();
    scores.learn(&crossing(400_000), Outcome::Passed, NOW);
    scores.learn(&crossing(600_001), Outcome::Stuck, NOW);
    for (half_lives, known) in
        [(0, (400_000, 600_000)), (1, (200_000, 800_000)), (2, (100_000, 900_000)), (20, (0, 1_000_000))]
    {
        assert_eq!(bounds(&scores, Direction::FromNode2, after(half_lives)), known);
    }
    let middle = NOW.plus(u64::from(HALF_LIFE_SECS) * 500);
    assert_eq!(bounds(&scores, Direction::FromNode2, middle), (300_000, 700_000));
    scores.prune(after(19));
    assert_eq!(scores.len(), 1);
    scores.prune(after(20));
    assert!(scores.is_empty());
}

#[test]
fn the_oldest_is_forgotten_when_there_is_too_much() {
    let mut scores = Scores::new();
    let learn = |scores: &mut Scores, number: u32| {
        let crossing = Crossing { short_channel_id: scid(number), ..crossing(5) };
        scores.learn(&crossing, Outcome::Passed, NOW.plus(u64::from(number) * 1_000));
    };
    for number in 0..=u32::try_from(MAX_KNOWN).expect("a bound") {
        learn(&mut scores, number);
    }
    assert!(scores.len() <= MAX_KNOWN && scores.len() > MAX_KNOWN / 2);
    let now = NOW.plus(MAX_KNOWN as u64 * 1_000);
    let known = |number| scores.bounds(scid(number), Direction::FromNode2, CAPACITY, now).0 > Msat(0);
    assert!(known(u32::try_from(MAX_KNOWN).expect("a bound")));
    assert_eq!(Scores::from_bytes(&scores.to_bytes()).map(|read| read == scores), Ok(true));
}

// attack 83
#[test]
fn damaged_scores_are_refused() {
    let mut scores = Scores::new();
    scores.learn(&crossing(400_000), Outcome::Passed, NOW);
    let bytes = scores.to_bytes();
    assert_eq!(Scores::from_bytes(&bytes), Ok(scores));
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(Scores::from_bytes(&damaged).is_err(), "bit {bit}");
    }
    for length in 0..bytes.len() {
        assert!(Scores::from_bytes(&bytes[..length]).is_err(), "{length} bytes");
    }
    assert_eq!(Scores::from_bytes(b"something else"), Err(ScoresError::Format));
}

proptest! {
    // attack 74
    #[test]
    fn bounds_stay_in_order_whatever_is_learnt(
        lessons in proptest::collection::vec((any::<bool>(), any::<u64>(), any::<u64>(), 0usize..3, any::<u64>()), 1..20),
        capacity: u64,
        now: u64,
    ) {
        let mut scores = Scores::new();
        for (forth, capacity, amount, outcome, when) in lessons {
            let direction = if forth { Direction::FromNode1 } else { Direction::FromNode2 };
            let crossing = Crossing { direction, capacity: Msat(capacity), ..crossing(amount) };
            scores.learn(&crossing, [Outcome::Passed, Outcome::Stuck, Outcome::Paid][outcome], Timestamp(when));
            scores.learn_delay(scid(1), amount);
        }
        for direction in Direction::BOTH {
            let (least, most) = scores.bounds(scid(1), direction, Msat(capacity), Timestamp(now));
            prop_assert!(least <= most && most.0 <= capacity);
        }
        prop_assert!(scores.delay(scid(1), Timestamp(now)) <= MAX_DELAY_MILLIS.into());
        prop_assert_eq!(Scores::from_bytes(&scores.to_bytes()), Ok(scores));
    }
}

#[test]
fn how_long_a_channel_takes_is_half_the_newest_word_and_is_forgotten_with_time() {
    let mut scores = Scores::new();
    scores.learn_delay(scid(1), 8_000);
    assert!(scores.is_empty(), "nothing else is known of it");
    scores.learn(&crossing(5), Outcome::Passed, NOW);
    assert_eq!(scores.delay(scid(1), NOW), 0);
    scores.learn_delay(scid(1), 8_000);
    assert_eq!(scores.delay(scid(1), NOW), 4_000);
    scores.learn(&crossing(5), Outcome::Passed, NOW);
    scores.learn_delay(scid(1), 20_000);
    assert_eq!(scores.delay(scid(1), NOW), 12_000);
    assert_eq!(scores.delay(scid(1), after(1)), 6_000);
    assert_eq!(scores.delay(scid(1), after(20)), 0);
    // What is learnt later of its liquidity does not make old delays new.
    scores.learn(&crossing(5), Outcome::Paid, after(1));
    assert_eq!(scores.delay(scid(1), after(2)), 3_000);
}

#[test]
fn a_delay_beyond_belief_counts_as_a_minute() {
    let mut scores = Scores::new();
    scores.learn(&crossing(5), Outcome::Passed, NOW);
    for _ in 0..100 {
        scores.learn_delay(scid(1), u64::MAX);
    }
    let most = u64::from(MAX_DELAY_MILLIS);
    assert!((most - 1..=most).contains(&scores.delay(scid(1), NOW)));
}

#[test]
fn scores_of_the_version_without_delays_are_read() {
    // One channel, as the version before wrote it: 600x1x0, from 1,000 to 2,000 msat at its first end, learnt at 1,000,000 s.
    let mut written = b"astscor1".to_vec();
    written.extend(scid(600).0.to_be_bytes());
    written.extend([1_000_u64, 2_000].into_iter().flat_map(u64::to_be_bytes));
    written.extend(1_000_000_u32.to_be_bytes());
    written.extend(0x9934_0406_u32.to_be_bytes());
    let scores = Scores::from_bytes(&written).expect("it is whole");
    assert_eq!(scores.bounds(scid(600), Direction::FromNode1, CAPACITY, NOW), (Msat(1_000), Msat(2_000)));
    assert_eq!(scores.delay(scid(600), NOW), 0);
}
