//! Fields of calls as values, or what is wrong with them: by the field's name, without repeating what was sent.

use super::kind;
use crate::config::values::HostPort;
use astrape_invoice::Invoice;
use astrape_primitives::amount::MAX_MONEY_SAT;
use astrape_primitives::{FeeratePerKw, Msat, Network, NodeId, Sat, ShortChannelId};
use bitcoin::address::NetworkUnchecked;
use bitcoin::{Address, ScriptBuf, Txid};
use core::fmt::Display;
use tonic::Status;

/// The highest feerate that is taken for what it is: 1000 sat/vB. More is a slip of the pen that costs a fortune.
const MAX_FEERATE: FeeratePerKw = FeeratePerKw::from_sat_per_vb(1_000);

/// Longest text of an address that is looked at.
const MAX_ADDRESS: usize = 128;

/// Facts in one answer, when the caller does not say.
const DEFAULT_PAGE: u32 = 100;

/// What is wrong with a field.
pub(crate) fn invalid(field: &str, why: impl Display) -> Status {
    Status::invalid_argument(format!("{field}: {why}"))
}

fn given<'a>(field: &str, text: &'a str) -> Result<&'a str, Status> {
    if text.is_empty() { Err(invalid(field, "it is missing")) } else { Ok(text) }
}

/// A node's public key.
pub(crate) fn node_id(field: &str, text: &str) -> Result<NodeId, Status> {
    given(field, text)?.parse().map_err(|error| invalid(field, error))
}

/// A place of a funding in the chain.
pub(crate) fn short_channel_id(field: &str, text: &str) -> Result<ShortChannelId, Status> {
    given(field, text)?.parse().map_err(|error| invalid(field, error))
}

/// `host:port`.
pub(crate) fn host_port(field: &str, text: &str) -> Result<HostPort, Status> {
    given(field, text)?.parse().map_err(|error| invalid(field, error))
}

/// 32 bytes in hexadecimal digits.
pub(crate) fn hex32(field: &str, text: &str) -> Result<[u8; 32], Status> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(given(field, text)?, &mut bytes)
        .map_err(|_| invalid(field, "it must be 32 bytes, written as 64 hexadecimal digits"))?;
    Ok(bytes)
}

/// What an address of our network pays to.
pub(crate) fn script(field: &str, text: &str, network: Network) -> Result<ScriptBuf, Status> {
    let wrong = || invalid(field, format!("this is no address of network {network}"));
    if given(field, text)?.len() > MAX_ADDRESS {
        return Err(wrong());
    }
    let address: Address<NetworkUnchecked> = text.parse().map_err(|_| wrong())?;
    let networks = kind::networks_of(&address);
    let address = address.require_network(network.to_bitcoin()).map_err(|_| {
        let why = format!("this is an address of network {networks}, and the node is on {network}");
        invalid(field, why)
    })?;
    Ok(address.script_pubkey())
}

/// An amount above zero, and not above all the bitcoin there is.
pub(crate) fn sat(field: &str, amount: u64) -> Result<Sat, Status> {
    match amount {
        0 => Err(invalid(field, "it must be above zero")),
        1..=MAX_MONEY_SAT => Ok(Sat(amount)),
        _ => Err(invalid(field, "there is not so much bitcoin")),
    }
}

/// The same in millisatoshi.
pub(crate) fn msat(field: &str, amount: u64) -> Result<Msat, Status> {
    if amount == 0 { Err(invalid(field, "it must be above zero")) } else { msat_or_none(field, amount) }
}

/// The same, where nothing is an amount too.
pub(crate) fn msat_or_none(field: &str, amount: u64) -> Result<Msat, Status> {
    if amount > MAX_MONEY_SAT * 1000 {
        return Err(invalid(field, "there is not so much bitcoin"));
    }
    Ok(Msat(amount))
}

/// The id of a transaction: 64 hexadecimal digits, as explorers show it.
pub(crate) fn txid(field: &str, text: &str) -> Result<Txid, Status> {
    if text.is_empty() {
        return Err(invalid(field, "it is missing"));
    }
    text.parse().map_err(|_| invalid(field, "it is the id of a transaction: 64 hexadecimal digits"))
}

/// A feerate that a transaction can have.
pub(crate) fn feerate(field: &str, per_kw: Option<u32>) -> Result<Option<FeeratePerKw>, Status> {
    let Some(feerate) = per_kw.map(FeeratePerKw) else {
        return Ok(None);
    };
    if !(FeeratePerKw::FLOOR..=MAX_FEERATE).contains(&feerate) {
        let (least, most) = (FeeratePerKw::FLOOR.for_people(), MAX_FEERATE.for_people());
        return Err(invalid(
            field,
            format!("it is from {least} to {most}, and not {}", feerate.for_people()),
        ));
    }
    Ok(Some(feerate))
}

/// A time from a second to `most`.
pub(crate) fn seconds(field: &str, seconds: Option<u64>, most: u64) -> Result<Option<u64>, Status> {
    match seconds {
        Some(seconds) if seconds == 0 || seconds > most => {
            Err(invalid(field, format!("it is in seconds, from 1 to {most}")))
        }
        seconds => Ok(seconds),
    }
}

/// An invoice.
pub(crate) fn invoice(field: &str, text: &str) -> Result<Invoice, Status> {
    let text = given(field, text)?.trim();
    let without_scheme = match text.split_once(':') {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("lightning") => rest,
        _ => text,
    };
    if let Some(what) = kind::other_than_invoice(without_scheme) {
        return Err(invalid(field, what));
    }
    if !without_scheme.get(..2).is_some_and(|begin| begin.eq_ignore_ascii_case("ln")) {
        return Err(invalid(
            field,
            "it is no invoice (those begin with lnbc, lntbs, lntb or lnbcrt), no link with one, and no id of a node",
        ));
    }
    text.parse().map_err(|error| invalid(field, error))
}

/// How many facts are asked for.
pub(crate) fn limit(field: &str, limit: Option<u32>) -> Result<usize, Status> {
    let most = astrape_storage::sqlite::MAX_PAGE;
    let limit = usize::try_from(limit.unwrap_or(DEFAULT_PAGE)).unwrap_or(usize::MAX);
    if (1..=most).contains(&limit) {
        Ok(limit)
    } else {
        Err(invalid(field, format!("it is from 1 to {most}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::Code;

    fn is_refused<T>(result: Result<T, Status>) {
        let Err(status) = result else { panic!("it was taken") };
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().starts_with("field: "), "{}", status.message());
        assert!(status.message().len() < 200, "what was sent is not repeated");
    }

    #[test]
    fn an_invoice_may_stand_behind_the_scheme_of_a_link() {
        let nothing = invoice("field", "lnbcrt1nothing").expect_err("it is broken").message().to_owned();
        for text in ["lightning:lnbcrt1nothing", " LIGHTNING:LNBCRT1NOTHING "] {
            assert_eq!(invoice("field", text).expect_err("it is broken").message(), nothing, "{text}");
        }
    }

    #[test]
    fn what_is_no_invoice_at_all_is_told_what_would_be_one() {
        for text in ["x", "02ab", "\u{e9}\u{e9}", "1"] {
            let refused = invoice("invoice", text).expect_err("it is none");
            assert!(refused.message().contains("no invoice (those begin with lnbc"), "{}", refused.message());
        }
        let spoilt = invoice("invoice", "lnbcrt1").expect_err("it is spoilt");
        assert!(!spoilt.message().contains("those begin"), "{}", spoilt.message());
    }

    #[test]
    fn amounts_are_bounded_by_all_the_bitcoin_there_is() {
        assert_eq!(sat("field", MAX_MONEY_SAT).ok(), Some(Sat(MAX_MONEY_SAT)));
        assert_eq!(msat_or_none("field", 0).ok(), Some(Msat(0)));
        for amount in [0, MAX_MONEY_SAT + 1, u64::MAX] {
            is_refused(sat("field", amount));
        }
        for amount in [0, MAX_MONEY_SAT * 1000 + 1, u64::MAX] {
            is_refused(msat("field", amount));
        }
    }

    #[test]
    fn feerates_are_bounded_on_both_sides() {
        assert_eq!(feerate("field", None).ok(), Some(None));
        assert_eq!(feerate("field", Some(253)).ok(), Some(Some(FeeratePerKw(253))));
        for per_kw in [0, 252, 250_001, u32::MAX] {
            is_refused(feerate("field", Some(per_kw)));
        }
    }

    #[test]
    fn an_address_is_of_the_nodes_network() {
        let regtest = "bcrt1pqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqm3usuw";
        for text in ["", "x", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", regtest, &"b".repeat(60_000)] {
            is_refused(script("field", text, Network::Testnet4));
        }
        assert!(script("field", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", Network::Bitcoin).is_ok());
        for (address, on, told) in [
            (
                "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
                Network::Signet,
                "of network bitcoin, and the node is on signet",
            ),
            (
                "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx",
                Network::Bitcoin,
                "of network testnet4 or signet, and the node is on bitcoin",
            ),
        ] {
            let refused = script("field", address, on).expect_err("another network");
            assert!(refused.message().contains(told), "{}", refused.message());
        }
    }

    #[test]
    fn texts_that_are_missing_malformed_or_huge_are_refused() {
        for text in ["", " ", "zz", "\0", "\u{202e}", &"ab".repeat(31), &"ab".repeat(33), &"a".repeat(60_000)]
        {
            is_refused(node_id("field", text));
            is_refused(host_port("field", text));
            is_refused(hex32("field", text));
            is_refused(invoice("field", text));
        }
    }

    #[test]
    fn pages_are_bounded() {
        assert_eq!(limit("field", None).ok(), Some(100));
        assert_eq!(limit("field", Some(1_000)).ok(), Some(1_000));
        for wrong in [0, 1_001, u32::MAX] {
            is_refused(limit("field", Some(wrong)));
        }
        assert_eq!(seconds("field", None, 10).ok(), Some(None));
        for wrong in [0, 11, u64::MAX] {
            is_refused(seconds("field", Some(wrong), 10));
        }
    }
}
