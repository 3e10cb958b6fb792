//! Values of options and arguments that are more than a number.

use astrape_payment::intercept::Intercept;
use astrape_primitives::{Network, NodeId, ShortChannelId};
use core::fmt;
use core::str::FromStr;
use std::net::SocketAddr;

/// The port of a Lightning node where none is given (BOLT 1).
pub const DEFAULT_PEER_PORT: u16 = 9735;

/// Longest host name of the DNS.
const MAX_HOST: usize = 253;

/// A network by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkName(pub Network);

impl FromStr for NetworkName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = Network::ALL.map(Network::name).join(", ");
        Network::from_name(text).map(Self).ok_or_else(|| format!("there is no such network, only {names}"))
    }
}

/// About which forwards an application is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Intercepted(pub Intercept);

impl FromStr for Intercepted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            "it is none, all, or two short channel ids, the lesser first, as 16000000x0x0-16000000x0x99"
                .to_owned()
        };
        Ok(Self(match text {
            "none" => Intercept::Nothing,
            "all" => Intercept::Everything,
            range => {
                let (first, last) = range.split_once('-').ok_or_else(wrong)?;
                let id = |text: &str| text.parse::<ShortChannelId>().map_err(|_| wrong());
                let (first, last) = (id(first)?, id(last)?);
                if first > last {
                    return Err(wrong());
                }
                Intercept::Range { first, last }
            }
        }))
    }
}

/// A host, by name or number, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// A name, an IPv4 address, or an IPv6 address without brackets.
    pub host: String,
    /// The port, never 0 in what was read.
    pub port: u16,
}

impl HostPort {
    /// From its parts.
    #[must_use]
    pub fn new(host: &str, port: u16) -> Self {
        Self { host: host.to_owned(), port }
    }

    /// Reads `host:port`, or `host` alone where there is a default for the port.
    fn read(text: &str, default_port: Option<u16>) -> Result<Self, String> {
        let wrong = |why: &str| {
            Err(format!("{why}: write it as host:port, for example 203.0.113.7:9735 or [2001:db8::1]:9735"))
        };
        let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, rest)) if host.parse::<std::net::Ipv6Addr>().is_ok() => {
                match rest.strip_prefix(':') {
                    Some(port) => (host, Some(port)),
                    None if rest.is_empty() => (host, None),
                    None => return wrong("what follows `]` is no port"),
                }
            }
            Some(_) => return wrong("what is in the brackets is no IPv6 address"),
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        if host.is_empty() || host.len() > MAX_HOST || !host.chars().all(is_name) {
            return wrong("this is no host");
        }
        let port = match (port, default_port) {
            (Some(port), _) => port.parse().ok().filter(|port| *port != 0 && !text.contains("+")),
            (None, default) => default,
        };
        match port {
            Some(port) => Ok(Self { host: host.to_owned(), port }),
            None => wrong("there is no port from 1 to 65535"),
        }
    }
}

impl FromStr for HostPort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::read(text, None)
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// Where an API is: as [`HostPort`], and port 0 takes any that is free.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiAt(pub HostPort);

impl FromStr for ApiAt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_suffix(":0") {
            Some(host) => {
                HostPort::read(&format!("{host}:1"), None).map(|at| Self(HostPort { port: 0, ..at }))
            }
            None => text.parse().map(Self),
        }
    }
}

/// A peer, perhaps with its address: `ID` or `ID@host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerAt {
    /// The peer's public key.
    pub node_id: NodeId,
    /// Where it is.
    pub address: Option<HostPort>,
}

impl FromStr for PeerAt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (id, address) = match text.split_once('@') {
            Some((id, address)) => (id, Some(address)),
            None => (text, None),
        };
        let node_id = id.parse().map_err(|e| format!("{e}: a peer is written ID or ID@HOST:PORT"))?;
        let address = address.map(|address| HostPort::read(address, Some(DEFAULT_PEER_PORT))).transpose()?;
        Ok(Self { node_id, address })
    }
}

/// Where to listen, or that nobody listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenAt {
    /// An address and a port; port 0 is any.
    At(SocketAddr),
    /// Not at all.
    None,
}

impl FromStr for ListenAt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self::None);
        }
        text.parse().map(Self::At).map_err(|_| {
            "write it as IP:PORT, for example 0.0.0.0:9735 or [::]:9735, or `none` not to listen".to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";

    #[test]
    fn hosts_and_ports_are_read_as_people_write_them() {
        for (text, host, port) in [
            ("127.0.0.1:9735", "127.0.0.1", 9735),
            ("node.example.com:1", "node.example.com", 1),
            ("[::1]:65535", "::1", 65535),
        ] {
            assert_eq!(text.parse(), Ok(HostPort::new(host, port)), "{text}");
            assert_eq!(HostPort::new(host, port).to_string(), text);
        }
    }

    #[test]
    fn what_is_no_host_and_port_is_refused() {
        for text in [
            "",
            ":",
            "host",
            "host:",
            ":1",
            "host:0",
            "host:65536",
            "host:+1",
            "host:x",
            "::1:9735",
            "[::1]",
            "[::1]x",
            "[x]:1",
            "a b:1",
            "http://x:1",
            "host:1:2",
            "host/:1",
            "höst:1",
            "\u{202e}:1",
        ] {
            assert!(text.parse::<HostPort>().is_err(), "{text}");
        }
        assert!(format!("{}:1", "a".repeat(254)).parse::<HostPort>().is_err());
    }

    #[test]
    fn an_api_may_take_any_port() {
        assert_eq!("127.0.0.1:0".parse(), Ok(ApiAt(HostPort::new("127.0.0.1", 0))));
        assert_eq!("[::1]:0".parse(), Ok(ApiAt(HostPort::new("::1", 0))));
        assert_eq!("host:7".parse(), Ok(ApiAt(HostPort::new("host", 7))));
        for text in ["", ":0", "host", "host:0:0", "host:1:0", "[::1]"] {
            assert!(text.parse::<ApiAt>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_peer_may_come_with_its_address() {
        let node_id: NodeId = ID.parse().expect("a point");
        let at = |address| Ok(PeerAt { node_id, address });
        assert_eq!(ID.parse(), at(None));
        assert_eq!(format!("{ID}@host:99").parse(), at(Some(HostPort::new("host", 99))));
        assert_eq!(format!("{ID}@host").parse(), at(Some(HostPort::new("host", 9735))));
        assert_eq!(format!("{ID}@[::1]").parse(), at(Some(HostPort::new("::1", 9735))));
        for text in [
            "",
            "@host:1",
            "02@host:1",
            &format!("{ID}@"),
            &format!("{ID}@host:0"),
            &format!("{}@h", &ID[2..]),
        ] {
            assert!(text.parse::<PeerAt>().is_err(), "{text}");
        }
    }

    #[test]
    fn listening_is_by_number_or_not_at_all() {
        assert_eq!("none".parse(), Ok(ListenAt::None));
        assert_eq!("0.0.0.0:9735".parse(), Ok(ListenAt::At(([0, 0, 0, 0], 9735).into())));
        assert!("localhost:9735".parse::<ListenAt>().is_err());
    }
}
