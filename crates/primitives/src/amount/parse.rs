//! Amounts as people write them.
//!
//! What can be read in two ways is refused: a comma that is a decimal point to some and groups thousands to others, and an `m`
//! that is a million satoshi to some and a thousandth of a bitcoin (BOLT 11) to others. A guess would be wrong by a thousandfold,
//! or tenfold, without anybody's noticing.

use super::{MAX_MONEY_SAT, Msat};
use core::str::FromStr;

/// Most characters of a text that an error repeats.
const MAX_REPEATED: usize = 40;

/// Most digits behind the point: a bitcoin has 11 in millisatoshi.
const MAX_FRACTION: usize = 11;

/// What groups digits.
const SEPARATORS: [char; 2] = [',', '_'];

/// Digits in a group of thousands.
const GROUP: usize = 3;

/// A unit: its name behind the number, its value in millisatoshi, and whether digits in front of it may be grouped.
type Unit = (&'static str, u64, bool);

/// What is meant where no unit is written.
const SATOSHI: Unit = ("", 1_000, true);

/// The units that can be written; one that ends as another does comes first.
const UNITS: [Unit; 5] = [
    ("msat", 1, true),
    ("sats", 1_000, true),
    ("sat", 1_000, true),
    ("btc", 100_000_000_000, false),
    ("k", 1_000_000, false),
];

/// Why a text is not an amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseAmountError {
    /// It is none, or not one that there can be.
    #[error(
        "`{text}` is not an amount: write it as 1000 or 1000sat (satoshi), 50k (satoshi), 5msat or 0.001btc"
    )]
    Malformed {
        /// Its beginning.
        text: String,
    },
    /// A `,` or `_` that is not certain to group thousands.
    #[error(
        "`{text}` is not an amount: a comma or `_` only groups the digits of whole sat or msat by three, as in 1,000,000; for \
         a fraction write a decimal point, as in 0.001btc"
    )]
    Grouping {
        /// Its beginning.
        text: String,
    },
    /// An `m` alone behind the number.
    #[error(
        "`{text}` is not an amount: m could be a million satoshi or a thousandth of a bitcoin; write 1000k for the one, \
         0.001btc for the other"
    )]
    Million {
        /// Its beginning.
        text: String,
    },
}

impl FromStr for Msat {
    type Err = ParseAmountError;

    /// Reads what people write: `1000` and `1000sat` (satoshi), `50k` (thousands of satoshi), `5msat`, `0.001btc`. The digits of
    /// whole sat and msat may be grouped by three, by `,` or by `_`: `1,000,000`. Fractions of a millisatoshi are refused.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let repeated = || text.chars().take(MAX_REPEATED).collect();
        let malformed = || ParseAmountError::Malformed { text: repeated() };
        let plain = text.trim().to_ascii_lowercase();
        let written = UNITS.iter().find_map(|unit| Some((plain.strip_suffix(unit.0)?.trim_end(), *unit)));
        let (number, (_, unit, may_be_grouped)) = written.unwrap_or((plain.as_str(), SATOSHI));
        if let Some(number) = plain.strip_suffix('m')
            && number.contains(|c: char| c.is_ascii_digit())
        {
            return Err(ParseAmountError::Million { text: repeated() });
        }
        let number = if number.contains(SEPARATORS) {
            let joined = may_be_grouped.then(|| joined(number)).flatten();
            joined.ok_or_else(|| ParseAmountError::Grouping { text: repeated() })?
        } else {
            number.to_owned()
        };
        let total = millisatoshi(&number, unit).ok_or_else(malformed)?;
        if total > MAX_MONEY_SAT * 1000 {
            return Err(malformed());
        }
        Ok(Msat(total))
    }
}

/// The digits of a whole number without what groups them; `None` unless all of them are grouped as thousands are.
fn joined(number: &str) -> Option<String> {
    let separator = number.chars().find(|c| SEPARATORS.contains(c))?;
    let mut groups = number.split(separator);
    let first = groups.next()?;
    let is_group = |group: &str| group.len() == GROUP && is_digits(group);
    let begins = (1..=GROUP).contains(&first.len()) && is_digits(first) && !first.starts_with('0');
    (begins && groups.all(is_group)).then(|| number.replace(separator, ""))
}

/// A number with a decimal point or without, in units of so many millisatoshi.
fn millisatoshi(number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let is_empty = whole.is_empty() && fraction.is_empty();
    if is_empty || !is_digits(whole) || !is_digits(fraction) || fraction.len() > MAX_FRACTION {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut total = whole.checked_mul(unit)?;
    let mut scale = unit;
    for digit in fraction.bytes().map(|b| u64::from(b - b'0')) {
        if !scale.is_multiple_of(10) && digit != 0 {
            return None;
        }
        scale /= 10;
        total = total.checked_add(digit.checked_mul(scale)?)?;
    }
    Some(total)
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        text.parse::<Msat>().expect_err(text).to_string()
    }

    #[test]
    fn amounts_are_read_as_people_write_them() {
        for (text, msat) in [
            ("1000", 1_000_000),
            ("1000sat", 1_000_000),
            ("50k", 50_000_000),
            ("1.5k", 1_500_000),
            ("5msat", 5),
            ("0.001btc", 100_000_000),
            ("0.5sat", 500),
            (".5sat", 500),
            ("5.", 5_000),
            ("0", 0),
        ] {
            assert_eq!(text.parse(), Ok(Msat(msat)), "{text}");
        }
    }

    #[test]
    fn thousands_may_be_grouped() {
        for (text, msat) in [
            ("1,000 sat", 1_000_000),
            ("1,000", 1_000_000),
            ("1_000_000", 1_000_000_000),
            ("12,345,678 sats", 12_345_678_000),
            ("123,456msat", 123_456),
        ] {
            assert_eq!(text.parse(), Ok(Msat(msat)), "{text}");
        }
        for amount in [Msat(0), Msat(999), Msat(1_000), Msat(MAX_MONEY_SAT * 1000)] {
            assert_eq!(amount.to_string().parse(), Ok(amount), "as it is printed");
        }
    }

    #[test]
    fn a_comma_that_may_be_a_decimal_point_is_refused() {
        for text in [
            "0,001btc",
            "0,001",
            "1,5k",
            "0,5",
            "1,5",
            "1,50,000",
            "1,500btc",
            "1,500k",
            "1,000.5",
            "1.000,5",
            "1_000.5sat",
            ",5",
            "5,",
            "1,",
            ",",
            "1,,000",
            "1,000_000",
            "1234,567",
            "1,0000",
            "1,000,",
            "-1,000",
            "1,00a sat",
            "0,000",
            "1, 000",
        ] {
            assert!(refusal(text).contains("write a decimal point"), "{text}: {}", refusal(text));
        }
    }

    #[test]
    fn an_m_that_may_be_a_million_or_a_thousandth_is_refused() {
        for text in ["1m", "0.5m", "1.5M", "5 m", "1,000m"] {
            assert!(refusal(text).contains("1000k") && refusal(text).contains("0.001btc"), "{text}");
        }
    }

    #[test]
    fn what_is_not_an_amount_is_refused() {
        for text in [
            "",
            "sat",
            "m",
            ".",
            "-1",
            "1.5msat",
            "0.0001sat",
            "1e3",
            "5mbtc",
            "22000000btc",
            "99999999999999999999",
            "1.2.3",
            "ksat",
        ] {
            assert!(matches!(text.parse::<Msat>(), Err(ParseAmountError::Malformed { .. })), "{text}");
        }
    }

    #[test]
    fn an_error_repeats_no_more_than_a_person_would_read() {
        for text in ["x".repeat(10_000), "1,".repeat(10_000), format!("{}m", "1".repeat(10_000))] {
            assert!(refusal(&text).len() < 300, "{}", refusal(&text));
        }
    }
}
