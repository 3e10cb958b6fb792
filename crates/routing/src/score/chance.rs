//! The chance that a channel can forward an amount, and what it is worth: a little arithmetic that gives the same on every
//! machine (only `+`, `-`, `*` and `/` of IEEE 754, whose results are laid down).
//!
//! Where a channel's money lies is guessed from probes of the real network: half of all channels have it anywhere, the other
//! half near one of their ends. With x from -1 (all is there) to 1 (all is here), the density is 1 + 9x^8.

/// The worst that is reckoned with: a chance of one in a thousand, in nats.
pub(crate) const MAX_NATS: f32 = 6.907_755;

const STEPS: usize = 1024;

/// So near the whole capacity the curve is too steep for straight lines: so many steps from its end one is off by a ten thousandth of a nat.
const STEEP_STEPS: usize = 32;

/// Nats that an amount costs over a channel of which nothing is known, by the 1024ths of its capacity.
static UNKNOWN: [f32; STEPS + 2] = unknown();

const fn unknown() -> [f32; STEPS + 2] {
    let mut table = [MAX_NATS; STEPS + 2];
    let mut step = 0;
    while step < STEPS {
        table[step] = nats(chance(0.0, 1.0, step as f64 / STEPS as f64));
        step += 1;
    }
    table
}

/// The chance that an amount is there, when at least `least` and at most `most` is (all as parts of the capacity).
const fn chance(least: f64, most: f64, amount: f64) -> f64 {
    if amount <= least {
        return 1.0;
    }
    if amount >= most {
        return 0.0;
    }
    let (above, all) = (mass(most) - mass(amount), mass(most) - mass(least));
    // Bounds so close that 53 bits hardly tell them apart.
    if all <= 0.0 || above < 0.0 || above > all { 0.5 } else { above / all }
}

/// The integral of the density.
const fn mass(part: f64) -> f64 {
    let x = 2.0 * part - 1.0;
    let x4 = x * x * x * x;
    x + x * x4 * x4
}

/// Minus the natural logarithm of a chance, up to [`MAX_NATS`].
#[expect(clippy::cast_possible_truncation, reason = "24 bits are enough for an estimate")]
const fn nats(chance: f64) -> f32 {
    if chance < 0.001 {
        return MAX_NATS;
    }
    let (mut scaled, mut twos) = (chance, 0.0);
    while scaled < 0.75 {
        scaled *= 2.0;
        twos += 1.0;
    }
    // ln m = 2 artanh z; z is at most a seventh, so that six terms leave nothing that 24 bits would show.
    let z = (scaled - 1.0) / (scaled + 1.0);
    let z2 = z * z;
    let series = 1.0 + z2 * (1.0 / 3.0 + z2 * (0.2 + z2 * (1.0 / 7.0 + z2 * (1.0 / 9.0 + z2 / 11.0))));
    let nats = twos * core::f64::consts::LN_2 - 2.0 * z * series;
    (nats as f32).clamp(0.0, MAX_NATS)
}

/// What `amount` costs over a channel of which nothing is known but one over its capacity.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "an estimate; a cast of what is too large gives the largest"
)]
pub(crate) fn nats_unknown(amount: u64, inverse_capacity: f32) -> f32 {
    let part = (amount as f32 * inverse_capacity).min(1.0);
    let at = part * STEPS as f32;
    let step = at as usize;
    if step + STEEP_STEPS >= STEPS {
        return nats(chance(0.0, 1.0, f64::from(part)));
    }
    let (low, high) = (UNKNOWN[step], UNKNOWN[step + 1]);
    low + (high - low) * (at - step as f32)
}

/// What `amount` costs over a channel where at least `at_least` and at most `at_most` of `capacity` is there; `None` when
/// it is more than can be there.
#[expect(clippy::cast_precision_loss, reason = "53 bits are enough for an estimate")]
pub(crate) fn nats_between(amount: u64, at_least: u64, at_most: u64, capacity: u64) -> Option<f32> {
    if amount > at_most {
        return None;
    }
    if amount <= at_least {
        return Some(0.0);
    }
    let part = |msat: u64| msat as f64 / capacity.max(1) as f64;
    Some(nats(chance(part(at_least), part(at_most), part(amount))))
}

/// What it costs to send `more` than is believed to be there: the worst, and the more the farther.
#[expect(clippy::cast_precision_loss, reason = "24 bits are enough for an estimate")]
pub(crate) fn nats_against(more: u64, capacity: u64) -> f32 {
    MAX_NATS * (1.0 + more as f32 / capacity.max(1) as f32)
}

/// The chance that `nats` stand for, in millionths.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a chance in millionths is small"
)]
pub(crate) fn millionths(nats: f32) -> u32 {
    let (mut chance, mut rest) = (1_000_000.0_f64, f64::from(nats.max(0.0)));
    while rest > 0.5 && chance > 0.5 {
        // e^-0.5
        chance *= 0.606_530_659_712_633_4;
        rest -= 0.5;
    }
    let small =
        1.0 - rest * (1.0 - rest / 2.0 * (1.0 - rest / 3.0 * (1.0 - rest / 4.0 * (1.0 - rest / 5.0))));
    (chance * small) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn also_near_the_whole_capacity_a_chance_costs_its_logarithm() {
        for amount in [900_000_u32, 960_000, 969_000, 990_000, 999_000, 999_500] {
            let x = 2.0 * f64::from(amount) / 1e6 - 1.0;
            let exact = -((2.0 - x - x.powi(9)) / 4.0).ln();
            let told = f64::from(nats_unknown(amount.into(), 1e-6));
            assert!((told - exact).abs() < 1e-3, "{amount}: {told} for {exact}");
        }
    }

    #[test]
    fn chances_fall_from_one_to_none() {
        let mut last = -1.0;
        for amount in 0..=1_000 {
            let now = nats_unknown(amount, 0.001);
            assert!(now >= last && now.is_finite(), "{amount}: {now} after {last}");
            last = now;
        }
        assert!(nats_unknown(0, 0.001) < 1e-6);
        assert!((nats_unknown(500, 0.001) - core::f32::consts::LN_2).abs() < 1e-3);
        assert!(last >= MAX_NATS - 1e-3);
    }

    #[test]
    fn the_logarithm_is_that_of_the_library() {
        for thousandths in 1..=1_000 {
            let chance = f64::from(thousandths) / 1_000.0;
            assert!((f64::from(nats(chance)) + chance.ln()).abs() < 2e-3, "{chance}");
            assert!(millionths(nats(chance)).abs_diff(thousandths * 1_000) <= 1_000, "{chance}");
        }
    }

    // attack 74
    #[test]
    fn no_amount_and_no_capacity_breaks_the_arithmetic() {
        let extremes = [0, 1, 2, 999, u64::MAX / 2, u64::MAX - 1, u64::MAX];
        for amount in extremes {
            for inverse in [0.0, 1.0 / u64::MAX as f32, 1.0] {
                assert!((0.0..=MAX_NATS).contains(&nats_unknown(amount, inverse)));
            }
            for capacity in extremes {
                for at_most in extremes.into_iter().filter(|most| *most <= capacity) {
                    for at_least in extremes.into_iter().filter(|least| *least <= at_most) {
                        let nats = nats_between(amount, at_least, at_most, capacity);
                        assert!(nats.is_none_or(|nats| (0.0..=MAX_NATS).contains(&nats)));
                        assert_eq!(nats.is_none(), amount > at_most);
                    }
                }
            }
        }
    }
}
