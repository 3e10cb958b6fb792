//! The human-readable part: network and amount.

use super::error::{DraftError, ParseInvoiceError};
use astrape_primitives::amount::MAX_MONEY_SAT;
use astrape_primitives::{Msat, Network};

/// All the bitcoin there will ever be.
const MAX_MSAT: Msat = Msat(MAX_MONEY_SAT * 1000);

/// Multipliers from the largest, with the millisatoshi that one of each is worth. `p` is a tenth and stands apart.
const UNITS: [(&str, u64); 4] = [("", 100_000_000_000), ("m", 100_000_000), ("u", 100_000), ("n", 100)];

/// Reads a human-readable part in lower case.
pub(super) fn read(hrp: &str) -> Result<(Network, Option<Msat>), ParseInvoiceError> {
    let rest = hrp.strip_prefix("ln").ok_or(ParseInvoiceError::NotLightning)?;
    let amount_at = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
    let (prefix, amount) = rest.split_at(amount_at);
    let network = Network::ALL
        .into_iter()
        .find(|network| network.invoice_prefix() == prefix)
        .ok_or_else(|| ParseInvoiceError::UnknownNetwork(prefix.to_owned()))?;
    let amount = if amount.is_empty() { None } else { Some(read_amount(amount)?) };
    Ok((network, amount))
}

/// Reads digits and an optional multiplier; `text` begins with a digit.
fn read_amount(text: &str) -> Result<Msat, ParseInvoiceError> {
    let syntax = || ParseInvoiceError::AmountSyntax(text.to_owned());
    let multiplier_at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, multiplier) = text.split_at(multiplier_at);
    if multiplier != "p" && !UNITS.iter().any(|(letter, _)| *letter == multiplier) {
        return Err(syntax());
    }
    if digits.starts_with('0') {
        return Err(ParseInvoiceError::AmountNotPositive(text.to_owned()));
    }
    // Only digits are left, so it fails only by being too large.
    let number: u64 = digits.parse().map_err(|_| ParseInvoiceError::AmountTooLarge)?;
    let msat = match UNITS.iter().find(|(letter, _)| *letter == multiplier) {
        Some((_, unit)) => number.checked_mul(*unit),
        None if !number.is_multiple_of(10) => return Err(ParseInvoiceError::AmountSubMillisatoshi),
        None => Some(number / 10),
    };
    msat.map(Msat).filter(|msat| *msat <= MAX_MSAT).ok_or(ParseInvoiceError::AmountTooLarge)
}

/// Writes the human-readable part, the amount as short as can be.
pub(super) fn write(network: Network, amount: Option<Msat>) -> Result<String, DraftError> {
    let prefix = network.invoice_prefix();
    let Some(Msat(msat)) = amount else { return Ok(format!("ln{prefix}")) };
    if msat == 0 {
        return Err(DraftError::AmountZero);
    }
    if msat > MAX_MSAT.0 {
        return Err(DraftError::AmountTooLarge);
    }
    Ok(match UNITS.iter().find(|(_, unit)| msat.is_multiple_of(*unit)) {
        Some((letter, unit)) => format!("ln{prefix}{}{letter}", msat / unit),
        None => format!("ln{prefix}{msat}0p"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // BOLT 11.human-readable-part.1
    // BOLT 11.human-readable-part.2
    // BOLT 11.human-readable-part.3
    // BOLT 11.human-readable-part.4
    // BOLT 11.human-readable-part.5
    // BOLT 11.human-readable-part.9
    #[test]
    fn amounts_are_written_as_short_as_can_be_and_read_back() {
        for (msat, text) in [
            (1, "lnbc10p"),
            (99, "lnbc990p"),
            (100, "lnbc1n"),
            (1_000, "lnbc10n"),
            (12_345_678, "lnbc123456780p"),
            (100_000, "lnbc1u"),
            (250_000_000, "lnbc2500u"),
            (2_500_000_000, "lnbc25m"),
            (100_000_000_000, "lnbc1"),
            (967_878_534, "lnbc9678785340p"),
            (MAX_MSAT.0, "lnbc21000000"),
        ] {
            assert_eq!(write(Network::Bitcoin, Some(Msat(msat))).as_deref(), Ok(text));
            assert_eq!(read(text), Ok((Network::Bitcoin, Some(Msat(msat)))));
        }
        assert_eq!(write(Network::Bitcoin, Some(Msat(0))), Err(DraftError::AmountZero));
        assert_eq!(write(Network::Bitcoin, Some(Msat(MAX_MSAT.0 + 1))), Err(DraftError::AmountTooLarge));
    }

    // BOLT 11.human-readable-part.7
    #[test]
    fn every_network_has_its_prefix_and_an_amount_may_be_missing() {
        for network in Network::ALL {
            let hrp = write(network, None).expect("no amount to refuse");
            assert_eq!(read(&hrp), Ok((network, None)));
            let hrp = write(network, Some(Msat(1_000))).expect("a small amount");
            assert_eq!(read(&hrp), Ok((network, Some(Msat(1_000)))));
        }
    }

    // BOLT 11.human-readable-part.6
    #[test]
    fn unknown_networks_are_refused() {
        for prefix in ["", "bcx", "ltc", "bcr", "b"] {
            let unknown = ParseInvoiceError::UnknownNetwork(prefix.to_owned());
            assert_eq!(read(&format!("ln{prefix}")), Err(unknown.clone()));
            assert_eq!(read(&format!("ln{prefix}1u")), Err(unknown));
        }
        assert_eq!(
            read("lnbcm"),
            Err(ParseInvoiceError::UnknownNetwork("bcm".into())),
            "no digits, no amount"
        );
        assert_eq!(read("bc1"), Err(ParseInvoiceError::NotLightning));
    }

    // BOLT 11.human-readable-part.8
    #[test]
    fn what_is_not_an_amount_is_refused() {
        for amount in ["1x", "1mm", "1m1", "1 m", "1.5", "1-", "2500x", "1pm"] {
            let syntax = ParseInvoiceError::AmountSyntax(amount.to_owned());
            assert_eq!(read(&format!("lnbc{amount}")), Err(syntax));
        }
        for amount in ["0", "0m", "01m", "00"] {
            let error = ParseInvoiceError::AmountNotPositive(amount.to_owned());
            assert_eq!(read(&format!("lnbc{amount}")), Err(error));
        }
        for amount in ["21000001", "21000000001m", "99999999999999999999", "18446744073709551615m"] {
            assert_eq!(read(&format!("lnbc{amount}")), Err(ParseInvoiceError::AmountTooLarge), "{amount}");
        }
    }

    // BOLT 11.human-readable-part.10
    #[test]
    fn fractions_of_a_millisatoshi_are_refused() {
        assert_eq!(read("lnbc1p"), Err(ParseInvoiceError::AmountSubMillisatoshi));
        assert_eq!(read("lnbc2500000001p"), Err(ParseInvoiceError::AmountSubMillisatoshi));
        assert_eq!(read("lnbc2500000010p"), Ok((Network::Bitcoin, Some(Msat(250_000_001)))));
    }
}
