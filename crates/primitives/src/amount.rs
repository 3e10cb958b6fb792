//! Money. Two units, never mixed: [`Msat`] for what moves in channels, [`Sat`] for what stands on chain.
//!
//! Arithmetic is checked or saturating by name; there is no `+` on purpose for values that a peer can choose. `Sum` and
//! `+` exist only through `checked_add`, so that an overflow is a decision of the caller and never a wrap.

use core::fmt;
use core::iter::Sum;

mod parse;

pub use parse::ParseAmountError;

/// All the bitcoin there will ever be, in satoshi.
pub const MAX_MONEY_SAT: u64 = 21_000_000 * 100_000_000;

macro_rules! unit {
    ($(#[$doc:meta])* $name:ident) => {
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
    Msat
);
unit!(
    /// Satoshi: the unit of transaction outputs.
    Sat
);

impl fmt::Display for Sat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} sat", grouped(self.0))
    }
}

/// In satoshi, as all that people read, with a fraction where there is one.
impl fmt::Display for Msat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 % 1_000 {
            0 => self.to_sat_floor().fmt(f),
            fraction => write!(f, "{}.{fraction:03} sat", grouped(self.0 / 1_000)),
        }
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_to_satoshi_is_named() {
        assert_eq!(Msat(1_999).to_sat_floor(), Sat(1));
        assert_eq!(Msat(1_001).to_sat_ceil(), Sat(2));
        assert_eq!(Sat(u64::MAX).to_msat(), Msat(u64::MAX));
    }

    #[test]
    fn amounts_print_with_their_unit() {
        assert_eq!(Sat(1_234_567).to_string(), "1,234,567 sat");
        assert_eq!(Msat(430_000_000).to_string(), "430,000 sat", "one unit for all that is told");
        assert_eq!(Msat(1_234_567).to_string(), "1,234.567 sat");
        assert_eq!(Msat(5).to_string(), "0.005 sat");
    }
}
