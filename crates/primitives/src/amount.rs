//! Money. Two units, never mixed: [`Msat`] for what moves in channels, [`Sat`] for what stands on chain.
//!
//! Arithmetic is checked or saturating by name; there is no `+` on purpose for values that a peer can choose. `Sum` and
//! `+` exist only through `checked_add`, so that an overflow is a decision of the caller and never a wrap.

use core::fmt;
use core::iter::Sum;
use core::str::FromStr;

/// All the bitcoin there will ever be, in satoshi.
pub const MAX_MONEY_SAT: u64 = 21_000_000 * 100_000_000;

macro_rules! unit {
    ($(#[$doc:meta])* $name:ident, $suffix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl $name {
            /// Nothing.
            pub const ZERO: Self = Self(0);

            /// The sum, or `None` when it does not fit.
            #[must_use]
            pub const fn checked_add(self, other: Self) -> Option<Self> {
                match self.0.checked_add(other.0) {
                    Some(v) => Some(Self(v)),
                    None => None,
                }
            }

            /// The difference, or `None` when it would be negative.
            #[must_use]
            pub const fn checked_sub(self, other: Self) -> Option<Self> {
                match self.0.checked_sub(other.0) {
                    Some(v) => Some(Self(v)),
                    None => None,
                }
            }

            /// The sum, held at the largest value.
            #[must_use]
            pub const fn saturating_add(self, other: Self) -> Self {
                Self(self.0.saturating_add(other.0))
            }

            /// The difference, held at zero.
            #[must_use]
            pub const fn saturating_sub(self, other: Self) -> Self {
                Self(self.0.saturating_sub(other.0))
            }

            /// The product, or `None` when it does not fit.
            #[must_use]
            pub const fn checked_mul(self, factor: u64) -> Option<Self> {
                match self.0.checked_mul(factor) {
                    Some(v) => Some(Self(v)),
                    None => None,
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{} {}", grouped(self.0), $suffix)
            }
        }

        impl Sum for $name {
            /// Saturates: a sum of hostile amounts is then too large for whatever it is compared with.
            fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
                iter.fold(Self::ZERO, Self::saturating_add)
            }
        }
    };
}

unit!(
    /// Thousandths of a satoshi: the unit of HTLCs and channel balances.
    Msat,
    "msat"
);
unit!(
    /// Satoshi: the unit of transaction outputs.
    Sat,
    "sat"
);

impl Msat {
    /// Whole satoshi, rounded down (BOLT 3 rounds outputs down).
    #[must_use]
    pub const fn to_sat_floor(self) -> Sat {
        Sat(self.0 / 1000)
    }

    /// Whole satoshi, rounded up.
    #[must_use]
    pub const fn to_sat_ceil(self) -> Sat {
        Sat(self.0.div_ceil(1000))
    }

    /// From satoshi, held at the largest value.
    #[must_use]
    pub const fn from_sat(sat: Sat) -> Self {
        Self(sat.0.saturating_mul(1000))
    }
}

impl Sat {
    /// The same amount in thousandths, held at the largest value.
    #[must_use]
    pub const fn to_msat(self) -> Msat {
        Msat::from_sat(self)
    }
}

impl From<Sat> for bitcoin::Amount {
    fn from(sat: Sat) -> Self {
        bitcoin::Amount::from_sat(sat.0)
    }
}

impl From<bitcoin::Amount> for Sat {
    fn from(amount: bitcoin::Amount) -> Self {
        Sat(amount.to_sat())
    }
}

/// Groups digits by three, for people: `1,234,567`.
fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// Why a text is not an amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an amount: write it as 1000sat, 50k (satoshi), 0.5m (satoshi), 5msat or 0.001btc")]
pub struct ParseAmountError {
    text: String,
}

impl FromStr for Msat {
    type Err = ParseAmountError;

    /// Reads what people write: `1000` and `1000sat` (satoshi), `50k`, `1.5m` (thousands and millions of satoshi),
    /// `5msat`, `0.001btc`. Digits may be grouped by `_` or `,`. Fractions of a millisatoshi are refused.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParseAmountError { text: text.chars().take(40).collect() };
        let plain: String =
            text.trim().to_ascii_lowercase().chars().filter(|c| *c != '_' && *c != ',').collect();
        let units: [(&str, u64); 6] = [
            ("msat", 1),
            ("sats", 1_000),
            ("sat", 1_000),
            ("btc", 100_000_000_000),
            ("k", 1_000_000),
            ("m", 1_000_000_000),
        ];
        let (number, unit) = units
            .iter()
            .find_map(|(suffix, unit)| plain.strip_suffix(suffix).map(|n| (n.trim_end(), *unit)))
            .unwrap_or((plain.as_str(), 1_000));
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits = |s: &str| s.chars().all(|c| c.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty())
            || !digits(whole)
            || !digits(fraction)
            || fraction.len() > 11
        {
            return Err(error());
        }
        let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| error())? };
        let mut total = whole.checked_mul(unit).ok_or_else(error)?;
        let mut scale = unit;
        for digit in fraction.bytes().map(|b| u64::from(b - b'0')) {
            if scale % 10 != 0 && digit != 0 {
                return Err(error());
            }
            scale /= 10;
            total = digit.checked_mul(scale).and_then(|d| total.checked_add(d)).ok_or_else(error)?;
        }
        if total > MAX_MONEY_SAT * 1000 {
            return Err(error());
        }
        Ok(Msat(total))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_people_write_them() {
        for (text, msat) in [
            ("1000", 1_000_000),
            ("1000sat", 1_000_000),
            ("1,000 sat", 1_000_000),
            ("50k", 50_000_000),
            ("1.5m", 1_500_000_000),
            ("5msat", 5),
            ("0.001btc", 100_000_000),
            ("0.5sat", 500),
            (".5sat", 500),
            ("0", 0),
        ] {
            assert_eq!(text.parse(), Ok(Msat(msat)), "{text}");
        }
    }

    #[test]
    fn what_is_not_an_amount_is_refused() {
        for text in [
            "",
            "sat",
            "-1",
            "1.5msat",
            "0.0001sat",
            "1e3",
            "22000000btc",
            "99999999999999999999",
            "1.2.3",
            "ksat",
        ] {
            assert!(text.parse::<Msat>().is_err(), "{text}");
        }
    }

    #[test]
    fn rounding_to_satoshi_is_named() {
        assert_eq!(Msat(1_999).to_sat_floor(), Sat(1));
        assert_eq!(Msat(1_001).to_sat_ceil(), Sat(2));
        assert_eq!(Sat(u64::MAX).to_msat(), Msat(u64::MAX));
    }

    #[test]
    fn amounts_print_with_their_unit() {
        assert_eq!(Sat(1_234_567).to_string(), "1,234,567 sat");
        assert_eq!(Msat(999).to_string(), "999 msat");
    }
}
