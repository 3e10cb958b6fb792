//! Feerates as people write them: in satoshi per virtual byte or, as the BOLTs have them, per 1000 weight units.

use astrape_primitives::FeeratePerKw;
use clap::Args;
use core::str::FromStr;

/// How a feerate is written.
const FORM: &str = "a feerate is written 5, 5sat/vb or 2.5sat/vb (satoshi per virtual byte), or 1250perkw (satoshi per 1000 weight units)";

/// Steps of a feerate in a satoshi per virtual byte: 1000 weight units are 250 virtual bytes.
const PER_SAT_PER_VB: u64 = 250;

/// What a transaction is to pay.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct Fees {
    /// Feerate, instead of the node's estimate: 5 or 5sat/vb (satoshi per virtual byte), or 1250perkw (satoshi per 1000 weight units)
    #[arg(long, value_name = "FEERATE", conflicts_with = "feerate_perkw")]
    pub feerate: Option<Feerate>,
    /// The same as a number of satoshi per 1000 weight units
    #[arg(long, value_name = "N", hide = true, value_parser = clap::value_parser!(u32).range(253..))]
    pub feerate_perkw: Option<u32>,
}

impl Fees {
    /// In satoshi per 1000 weight units, if it is given.
    #[must_use]
    pub fn per_kw(self) -> Option<u32> {
        self.feerate.map(|Feerate(feerate)| feerate.0).or(self.feerate_perkw)
    }
}

/// A feerate, exactly as it is written, but that 1 sat/vB is the least that is relayed: weights are rounded up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feerate(pub FeeratePerKw);

impl FromStr for Feerate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let lower = text.to_ascii_lowercase();
        let per_kw = match ["perkw", "sat/kw"].iter().find_map(|unit| lower.strip_suffix(unit)) {
            Some(number) => whole(number.trim_end()).ok_or(FORM)?,
            None => {
                let number = ["sat/vb", "sat/vbyte"].iter().find_map(|unit| lower.strip_suffix(unit));
                per_vb(number.unwrap_or(&lower).trim_end())?
            }
        };
        let feerate = u32::try_from(per_kw).map(FeeratePerKw).map_err(|_| FORM)?;
        if u64::from(feerate.0) == PER_SAT_PER_VB {
            return Ok(Self(FeeratePerKw::FLOOR));
        }
        if feerate < FeeratePerKw::FLOOR {
            let least = FeeratePerKw::FLOOR;
            return Err(format!(
                "{} is less than is relayed: {} is the least",
                feerate.for_people(),
                least.for_people()
            ));
        }
        Ok(Self(feerate))
    }
}

/// Satoshi per virtual byte, as satoshi per 1000 weight units.
fn per_vb(text: &str) -> Result<u64, String> {
    let (sat, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let (sat, fraction) = whole(sat).zip(whole(decimals)).ok_or(FORM)?;
    let unit = 10_u64.checked_pow(u32::try_from(decimals.len()).unwrap_or(u32::MAX));
    let parts = unit.and_then(|unit| Some((sat.checked_mul(unit)?.checked_add(fraction)?, unit)));
    let (parts, unit) = parts.ok_or(FORM)?;
    let scaled = parts.checked_mul(PER_SAT_PER_VB).ok_or(FORM)?;
    if scaled.is_multiple_of(unit) {
        return Ok(scaled / unit);
    }
    // What lies on either side of it can be had.
    let near = |per_kw: u64| u32::try_from(per_kw).map_or(FeeratePerKw(u32::MAX), FeeratePerKw);
    let (below, above) = (near(scaled / unit), near(scaled / unit + 1));
    Err(format!(
        "there are steps of 0.004 sat/vB (1 sat per 1000 weight units): {} or {}",
        below.for_people(),
        above.for_people()
    ))
}

/// A number in digits alone.
fn whole(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn feerates_are_exact_in_both_units() {
        for (text, per_kw) in [
            ("1", 253),
            ("1sat/vb", 253),
            ("5", 1_250),
            ("5sat/vb", 1_250),
            ("5 sat/vB", 1_250),
            ("5sat/vbyte", 1_250),
            ("1.012", 253),
            ("2.5sat/vb", 625),
            ("2.50", 625),
            ("5.004", 1_251),
            ("1250perkw", 1_250),
            ("253perkw", 253),
            ("1250 sat/kw", 1_250),
            ("1000", 250_000),
        ] {
            assert_eq!(text.parse(), Ok(Feerate(FeeratePerKw(per_kw))), "{text}");
        }
    }

    #[test]
    fn what_is_no_feerate_is_told_how_one_is_written() {
        let huge = "9".repeat(60);
        for text in [
            "",
            "x",
            "-5",
            "+5",
            "5,5",
            "1e3",
            "5.",
            ".5",
            "5sat",
            "5vb",
            "perkw",
            "sat/vb",
            "12.5perkw",
            "5 5",
            "5\u{202e}",
            "4294967296perkw",
            &huge,
            "0x10",
        ] {
            let refused = text.parse::<Feerate>().expect_err(text);
            assert!(refused.contains("is written 5, 5sat/vb"), "{text}: {refused}");
        }
    }

    #[test]
    fn a_feerate_between_two_steps_or_below_the_least_is_told_which_there_are() {
        let refused = |text: &str| text.parse::<Feerate>().expect_err(text);
        let between = refused("5.001");
        assert!(between.contains("5 sat/vB (1250 per kw) or 5.004 sat/vB (1251 per kw)"), "{between}");
        for (text, told) in [
            (
                "0.996",
                "0.996 sat/vB (249 per kw) is less than is relayed: 1.012 sat/vB (253 per kw) is the least",
            ),
            ("0", "0 sat/vB (0 per kw)"),
            ("252perkw", "1.008 sat/vB (252 per kw)"),
        ] {
            assert!(refused(text).contains(told), "{}", refused(text));
        }
    }
}
