//! What people give to be paid that is something else: each is told what it is, and what to do instead.

use astrape_primitives::{Network, NodeId};
use bitcoin::Address;
use bitcoin::address::NetworkUnchecked;

/// Longest text that is looked at: a host name has 253 characters at most, and an address on chain far fewer.
const MAX_LOOKED_AT: usize = 512;

/// What is said where no invoice is to be had otherwise.
const ASK: &str = "ask the payee for an invoice (they begin with lnbc, lntbs, lntb or lnbcrt)";

/// What a text is that is no invoice (BOLT 11), with what to do; `None` where it looks like none of what is known.
pub(super) fn other_than_invoice(text: &str) -> Option<String> {
    let begins = |with: &str| text.get(..with.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(with));
    // An invoice whose amount is written like one of these has digits there, or none at all.
    if begins("lno1") {
        return Some(format!("this is an offer (BOLT 12), which this node cannot pay yet: {ASK}"));
    }
    if begins("lnr1") {
        return Some(
            "this asks for an invoice (BOLT 12), and is nothing to be paid: this node cannot answer it yet"
                .into(),
        );
    }
    if begins("lni1") {
        return Some(format!("this is an invoice of BOLT 12, which this node cannot pay yet: {ASK}"));
    }
    let is_url = ["lnurl1", "lnurlp:", "lnurlw:", "lnurlc:", "keyauth:"].iter().any(|scheme| begins(scheme));
    if is_url || begins("https://") || begins("http://") {
        return Some(format!(
            "this is the address of a web server that gives out invoices (LNURL), and this node asks none: open it with a wallet that \
             does, or {ASK}"
        ));
    }
    if text.len() > MAX_LOOKED_AT {
        return None;
    }
    if let Some((name, host)) = text.split_once('@') {
        return at_host(name, host);
    }
    let on_chain = text.parse::<Address<NetworkUnchecked>>().ok()?;
    Some(format!(
        "this is an address on chain, of network {}: `astrape withdraw ADDRESS AMOUNT` sends coins there",
        networks_of(&on_chain)
    ))
}

/// A name at a host.
fn at_host(name: &str, host: &str) -> Option<String> {
    if name.parse::<NodeId>().is_ok() {
        return Some(
            "this is a node with its address: to pay it without an invoice, give its id alone, and --amount"
                .into(),
        );
    }
    let is_name = |text: &str, more: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || more.contains(c);
        !text.is_empty() && text.chars().all(fits)
    };
    let is_address = is_name(name, "-_.+") && is_name(host, "-.:") && host.contains('.');
    is_address.then(|| {
        format!(
            "this is a Lightning address: a web server gives out invoices for it (LNURL), and this node asks none; use a wallet that does, \
             or {ASK}"
        )
    })
}

/// The networks that an address is of: those for tests share some of their forms.
pub(super) fn networks_of(address: &Address<NetworkUnchecked>) -> String {
    let is_of = |network: &&Network| address.is_valid_for_network(network.to_bitcoin());
    Network::ALL.iter().filter(is_of).map(|network| network.name()).collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_invoice_is_told_what_it_is_and_what_to_do() {
        let node = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798@203.0.113.7:9735";
        for (text, told, instead) in [
            (
                "lno1qgsqvgnwgcg35z6ee2h3yczraddm72xrfua9uve2rlrm9deu7xyfzrc",
                "offer (BOLT 12)",
                "ask the payee",
            ),
            ("LNO1QGSQVGNWGCG35", "offer (BOLT 12)", "ask the payee"),
            ("lnr1qqyqqqqqqqqqqqqqqcp4256ypqqkgzshgysy6ct5", "asks for an invoice", "nothing to be paid"),
            ("lni1qqgds4gweqxey37gexf5jus4kcrwu", "invoice of BOLT 12", "ask the payee"),
            (
                "LNURL1DP68GURN8GHJ7UM9WFMXJCM99E3K7MF0V9CXJ0M385EKVCENXC6R2C35XVUKXEFCV5MKVV34X5EKZD3EV56NYD3HX",
                "LNURL",
                "wallet",
            ),
            ("lnurlp://pay.example/x", "LNURL", "wallet"),
            ("satoshi@pay.example", "Lightning address", "ask the payee"),
            (node, "a node with its address", "its id alone"),
            ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "of network bitcoin:", "astrape withdraw"),
            (
                "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx",
                "of network testnet4 or signet:",
                "astrape withdraw",
            ),
            ("1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", "of network bitcoin:", "astrape withdraw"),
        ] {
            let words = other_than_invoice(text).unwrap_or_else(|| panic!("{text}"));
            assert!(words.contains(told) && words.contains(instead), "{text}: {words}");
        }
    }

    #[test]
    fn invoices_and_what_nobody_knows_are_nothing_else() {
        let long = format!("{}@pay.example", "a".repeat(60_000));
        for text in [
            "",
            "x",
            "lnbc1abc",
            "lnbcrt10u1abc",
            "lntb1x",
            "@",
            "a@",
            "@pay.example",
            "a@b",
            "é@b.c",
            "a b@c.d",
            &long,
        ] {
            assert_eq!(other_than_invoice(text), None, "{text:.20}");
        }
    }
}
