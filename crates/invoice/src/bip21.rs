//! Links that ask for a payment (BIP 21): `bitcoin:ADDRESS?amount=0.001&lightning=lnbc…`.

use astrape_primitives::amount::MAX_MONEY_SAT;
use astrape_primitives::{Msat, Sat};
use thiserror::Error;

/// Longest link that is read: an invoice of the longest kind, percent-encoded in parts, and some more.
pub const MAX_LINK_LENGTH: usize = 16_384;

/// Most parameters of a link.
const MAX_PARAMETERS: usize = 64;

/// A link that was read. What it says for people is not kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PaymentLink {
    /// An on-chain address, as it is written; absent where the link leaves it out.
    pub address: Option<String>,
    /// How much is asked for.
    pub amount: Option<Msat>,
    /// The text of an invoice.
    pub lightning: Option<String>,
}

/// Why a text is no link that can be followed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LinkError {
    /// Another scheme.
    #[error("it does not begin with `bitcoin:`")]
    NoLink,
    /// Longer than [`MAX_LINK_LENGTH`], or with more parameters than any wallet writes.
    #[error("it is too long for a payment link")]
    TooLong,
    /// A `%` without two hexadecimal digits, or bytes that are no text.
    #[error("its percent-encoding is damaged")]
    Encoding,
    /// The amount is no decimal number of bitcoin, or more than there is.
    #[error("its amount is no amount of bitcoin")]
    Amount,
    /// A parameter is there twice.
    #[error("it says `{0}` twice")]
    Twice(&'static str),
    /// It may only be followed by who understands a parameter that we do not.
    #[error("it requires what this version does not know: a parameter that begins with `req-`")]
    Required,
}

impl PaymentLink {
    /// Whether a text claims to be such a link.
    #[must_use]
    pub fn is_link(text: &str) -> bool {
        text.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("bitcoin:"))
    }

    /// Reads a link.
    ///
    /// # Errors
    /// When it is none, is damaged, or requires what is not known.
    pub fn read(text: &str) -> Result<Self, LinkError> {
        if !Self::is_link(text) {
            return Err(LinkError::NoLink);
        }
        if text.len() > MAX_LINK_LENGTH {
            return Err(LinkError::TooLong);
        }
        let (address, query) = text[8..].split_once('?').unwrap_or((&text[8..], ""));
        let mut link = Self { address: some(decoded(address)?), ..Self::default() };
        if query.split('&').count() > MAX_PARAMETERS {
            return Err(LinkError::TooLong);
        }
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            link.take(&decoded(key)?.to_ascii_lowercase(), &decoded(value)?)?;
        }
        Ok(link)
    }

    fn take(&mut self, key: &str, value: &str) -> Result<(), LinkError> {
        match key {
            "amount" if self.amount.is_some() => Err(LinkError::Twice("amount")),
            "amount" => {
                self.amount = Some(amount(value).ok_or(LinkError::Amount)?);
                Ok(())
            }
            "lightning" if self.lightning.is_some() => Err(LinkError::Twice("lightning")),
            "lightning" => {
                self.lightning = some(value.to_owned());
                Ok(())
            }
            unknown if unknown.starts_with("req-") => Err(LinkError::Required),
            _ => Ok(()),
        }
    }
}

fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

fn decoded(text: &str) -> Result<String, LinkError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16).and_then(|d| u8::try_from(d).ok());
        let (high, low) = (digit(rest.next()), digit(rest.next()));
        bytes.push(high.zip(low).map(|(high, low)| high << 4 | low).ok_or(LinkError::Encoding)?);
    }
    String::from_utf8(bytes).map_err(|_| LinkError::Encoding)
}

/// A decimal number of bitcoin, to the satoshi.
fn amount(text: &str) -> Option<Msat> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && part.is_empty()) || !digits(whole) || !digits(part) || part.len() > 8 {
        return None;
    }
    let number = |text: &str| if text.is_empty() { Some(0) } else { text.parse::<u64>().ok() };
    let sat = number(whole)?.checked_mul(100_000_000)?.checked_add(number(&format!("{part:0<8}"))?)?;
    (1..=MAX_MONEY_SAT).contains(&sat).then(|| Sat(sat).to_msat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lightning(text: &str) -> Option<String> {
        PaymentLink::read(text).expect("a link").lightning
    }

    #[test]
    fn a_link_gives_its_address_its_amount_and_its_invoice() {
        let link = PaymentLink::read("bitcoin:bc1qxyz?amount=0.0012&label=Tea%20house&lightning=lnbc1abc");
        let expected = PaymentLink {
            address: Some("bc1qxyz".into()),
            amount: Some(Msat(120_000_000)),
            lightning: Some("lnbc1abc".into()),
        };
        assert_eq!(link, Ok(expected));
        assert_eq!(lightning("BITCOIN:?LIGHTNING=LNBC1ABC"), Some("LNBC1ABC".into()));
        assert_eq!(lightning("bitcoin:bc1qxyz"), None);
        assert_eq!(lightning("bitcoin:bc1qxyz?lightning=ln%62c1"), Some("lnbc1".into()));
    }

    #[test]
    fn amounts_are_bitcoin_to_the_satoshi() {
        let read = |text: &str| PaymentLink::read(&format!("bitcoin:?amount={text}")).map(|link| link.amount);
        for (text, msat) in [("1", 100_000_000_000), (".5", 50_000_000_000), ("20.3", 2_030_000_000_000)] {
            assert_eq!(read(text), Ok(Some(Msat(msat))), "{text}");
        }
        assert_eq!(read("0.00000001"), Ok(Some(Msat(1_000))));
        for text in ["", "0", ".", "-1", "1e3", "1,5", "0.000000001", "21000001", "99999999999999999999"] {
            assert_eq!(read(text), Err(LinkError::Amount), "{text}");
        }
    }

    #[test]
    fn what_must_be_understood_and_is_not_is_not_followed() {
        let required = PaymentLink::read("bitcoin:?lightning=lnbc1&req-somethingyoudontunderstand=50");
        assert_eq!(required, Err(LinkError::Required));
        assert_eq!(lightning("bitcoin:?lightning=lnbc1&something=50"), Some("lnbc1".into()));
        let twice = PaymentLink::read("bitcoin:?lightning=lnbc1&lightning=lnbc2");
        assert_eq!(twice, Err(LinkError::Twice("lightning")));
        let twice = PaymentLink::read("bitcoin:?amount=1&amount=2");
        assert_eq!(twice, Err(LinkError::Twice("amount")));
    }

    #[test]
    fn what_is_no_link_is_refused_without_a_panic() {
        for text in ["", "bitcoin", "lnbc1abc", "bitcóin:x", "🦀🦀🦀🦀"] {
            assert_eq!(PaymentLink::read(text), Err(LinkError::NoLink), "{text}");
        }
        for text in
            ["bitcoin:?lightning=%", "bitcoin:?lightning=%2", "bitcoin:?lightning=%zz", "bitcoin:?a=%ff"]
        {
            assert_eq!(PaymentLink::read(text), Err(LinkError::Encoding), "{text}");
        }
        let long = format!("bitcoin:?lightning={}", "x".repeat(MAX_LINK_LENGTH));
        assert_eq!(PaymentLink::read(&long), Err(LinkError::TooLong));
        let many = format!("bitcoin:?{}", "a=1&".repeat(100));
        assert_eq!(PaymentLink::read(&many), Err(LinkError::TooLong));
    }
}
