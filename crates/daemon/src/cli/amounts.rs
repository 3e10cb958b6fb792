//! Amounts and times as people write them.

use astrape_primitives::{Msat, Sat};
use clap::Arg;
use core::any::TypeId;
use core::str::FromStr;

/// How amounts are written, for the help of every command that takes one.
pub(crate) const UNITS: &str = "\
Amounts are in satoshi unless a unit is given: 1000 or 1000sat, 50k (thousands of satoshi), 5msat, 0.001btc. A fraction has a \
decimal point.";

/// Whether an argument is an amount of money.
pub(crate) fn is_amount(arg: &Arg) -> bool {
    let parsed = arg.get_value_parser().type_id();
    let amounts = [
        TypeId::of::<Msat>(),
        TypeId::of::<WholeSat>(),
        TypeId::of::<AmountOrAll>(),
        TypeId::of::<AmountOrAny>(),
    ];
    amounts.iter().any(|amount| parsed == *amount)
}

/// An amount in whole satoshi.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WholeSat(pub Sat);

impl FromStr for WholeSat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let amount: Msat =
            text.parse().map_err(|e: astrape_primitives::amount::ParseAmountError| e.to_string())?;
        if !amount.0.is_multiple_of(1000) {
            return Err("on chain there are whole satoshi only".to_owned());
        }
        Ok(Self(amount.to_sat_floor()))
    }
}

/// An amount in whole satoshi, or all there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AmountOrAll {
    /// So much.
    Amount(Sat),
    /// All there is.
    All,
}

impl FromStr for AmountOrAll {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "all" { Ok(Self::All) } else { text.parse().map(|WholeSat(sat)| Self::Amount(sat)) }
    }
}

/// An amount, or whatever the payer chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AmountOrAny {
    /// So much.
    Amount(Msat),
    /// What the payer chooses.
    Any,
}

impl FromStr for AmountOrAny {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "any" {
            return Ok(Self::Any);
        }
        match text.parse() {
            Ok(Msat::ZERO) => {
                Err("an invoice over nothing cannot be paid: write `any` to let the payer choose".into())
            }
            Ok(amount) => Ok(Self::Amount(amount)),
            Err(error) => Err(format!("{error}, or `any`")),
        }
    }
}

/// A time in seconds: `3600`, `90s`, `10m`, `2h`, `7d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seconds(pub u64);

impl FromStr for Seconds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let units = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)];
        let found = units.iter().find_map(|(suffix, unit)| Some((text.strip_suffix(suffix)?, *unit)));
        let (digits, unit) = found.unwrap_or((text, 1));
        let number = digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<u64>().ok()).flatten();
        let seconds = number.and_then(|number| number.checked_mul(unit)).filter(|seconds| *seconds > 0);
        seconds.map(Self).ok_or_else(|| "a time is written 3600, 90s, 10m, 2h or 7d".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coins_are_whole_satoshi_or_all() {
        assert_eq!("50k".parse(), Ok(AmountOrAll::Amount(Sat(50_000))));
        assert_eq!("all".parse(), Ok(AmountOrAll::All));
        assert_eq!("1000msat".parse(), Ok(WholeSat(Sat(1))));
        for text in ["5msat", "ALL", "", "-1", "1.5sat"] {
            assert!(text.parse::<AmountOrAll>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_invoice_is_over_something_or_anything() {
        assert_eq!("5msat".parse(), Ok(AmountOrAny::Amount(Msat(5))));
        assert_eq!("any".parse(), Ok(AmountOrAny::Any));
        for text in ["0", "all", "", "x"] {
            assert!(text.parse::<AmountOrAny>().is_err(), "{text}");
        }
    }

    #[test]
    fn times_have_units() {
        for (text, seconds) in [("3600", 3_600), ("90s", 90), ("10m", 600), ("2h", 7_200), ("7d", 604_800)] {
            assert_eq!(text.parse(), Ok(Seconds(seconds)), "{text}");
        }
        for text in
            ["", "0", "0h", "h", "-1", "+1", "1.5h", "1w", "18446744073709551616", "18446744073709551615d"]
        {
            assert!(text.parse::<Seconds>().is_err(), "{text}");
        }
    }
}
