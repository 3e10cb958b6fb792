//! Address descriptors of BOLT 7 `node_announcement`.

use crate::codec::{Field, Reader, write_prefixed};
use crate::error::ValueError;
use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// Where a node listens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// Type 1.
    Ipv4(Ipv4Addr, u16),
    /// Type 2.
    Ipv6(Ipv6Addr, u16),
    /// Type 4: the 35 bytes of a version 3 onion service, and the port.
    TorV3([u8; 35], u16),
    /// Type 5: a DNS name, and the port.
    Hostname(Hostname, u16),
}

/// A DNS name of 1 to 255 letters, digits, dots, hyphens and underscores.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hostname(String);

impl Hostname {
    /// Reads a name; `None` when it has another character or length.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
        let fits = (1..=255).contains(&name.len()) && name.bytes().all(is_plain);
        fits.then(|| Self(name.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Address {
    /// Reads one descriptor that is all of `bytes`, such as `remote_addr` of `init`; `None` when it is of no known type
    /// or names no place to connect to.
    #[must_use]
    pub fn from_descriptor(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        match read_descriptor(&mut reader).ok()? {
            Descriptor::Address(address) if reader.is_empty() => Some(address),
            _ => None,
        }
    }

    /// Its descriptor.
    #[must_use]
    pub fn to_descriptor(&self) -> Vec<u8> {
        let mut out = vec![self.descriptor_type()];
        match self {
            Address::Ipv4(ip, _) => out.extend(ip.octets()),
            Address::Ipv6(ip, _) => out.extend(ip.octets()),
            Address::TorV3(onion, _) => out.extend(onion),
            Address::Hostname(name, _) => {
                out.push(u8::try_from(name.0.len()).expect("a Hostname has at most 255 bytes"));
                out.extend(name.0.as_bytes());
            }
        }
        out.extend(self.port().to_be_bytes());
        out
    }

    /// The type of its descriptor (BOLT 7).
    #[must_use]
    pub const fn descriptor_type(&self) -> u8 {
        match self {
            Address::Ipv4(..) => 1,
            Address::Ipv6(..) => 2,
            Address::TorV3(..) => 4,
            Address::Hostname(..) => 5,
        }
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        match self {
            Address::Ipv4(_, port)
            | Address::Ipv6(_, port)
            | Address::TorV3(_, port)
            | Address::Hostname(_, port) => *port,
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        match address {
            SocketAddr::V4(v4) => Address::Ipv4(*v4.ip(), v4.port()),
            SocketAddr::V6(v6) => Address::Ipv6(*v6.ip(), v6.port()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Ipv4(ip, port) => write!(f, "{ip}:{port}"),
            Address::Ipv6(ip, port) => write!(f, "[{ip}]:{port}"),
            Address::TorV3(onion, port) => write!(f, "{}.onion:{port}", base32(onion)),
            Address::Hostname(name, port) => write!(f, "{}:{port}", name.0),
        }
    }
}

/// Base 32 of RFC 4648 in lower case, for a multiple of 5 bytes.
fn base32(bytes: &[u8; 35]) -> String {
    const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut out = String::with_capacity(56);
    for chunk in bytes.chunks(5) {
        let word = chunk.iter().fold(0_u64, |word, byte| word << 8 | u64::from(*byte));
        (0..8).rev().for_each(|i| out.push(char::from(DIGITS[(word >> (5 * i) & 31) as usize])));
    }
    out
}

enum Descriptor {
    /// A place to connect to.
    Address(Address),
    /// Of a known type, but to be ignored: Tor v2, a port of 0, a name that is none.
    Ignored { is_hostname: bool },
    /// Of a type whose length is not known, so that nothing after it can be read.
    Unknown,
}

fn read_descriptor(reader: &mut Reader<'_>) -> Result<Descriptor, ValueError> {
    let kind = u8::read(reader)?;
    let truncated = |_| ValueError::TruncatedAddress(kind);
    let mut read_known = || -> Result<Descriptor, ValueError> {
        let address = match kind {
            1 => Address::Ipv4(Ipv4Addr::from(reader.array::<4>()?), reader.read()?),
            2 => Address::Ipv6(Ipv6Addr::from(reader.array::<16>()?), reader.read()?),
            3 => {
                reader.take(12)?;
                return Ok(Descriptor::Ignored { is_hostname: false });
            }
            4 => Address::TorV3(reader.array()?, reader.read()?),
            5 => {
                let len = u8::read(reader)?;
                let name = reader.take(usize::from(len))?;
                let port = reader.read()?;
                match core::str::from_utf8(name).ok().and_then(Hostname::new) {
                    Some(name) => Address::Hostname(name, port),
                    None => return Ok(Descriptor::Ignored { is_hostname: true }),
                }
            }
            _ => return Ok(Descriptor::Unknown),
        };
        Ok(match address.port() {
            0 => Descriptor::Ignored { is_hostname: kind == 5 },
            _ => Descriptor::Address(address),
        })
    };
    read_known().map_err(truncated)
}

/// The `addresses` of a `node_announcement`, verbatim since they are signed. Descriptors of known types are whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    bytes: Vec<u8>,
}

impl Addresses {
    /// As BOLT 7 asks a node to announce itself: in the order of types, without a port of 0, one DNS name at most (the
    /// first by alphabet).
    #[must_use]
    pub fn new(addresses: &[Address]) -> Self {
        let mut sorted: Vec<&Address> = addresses.iter().filter(|address| address.port() != 0).collect();
        sorted.sort();
        sorted.dedup_by(|b, a| a == b || matches!((a, b), (Address::Hostname(..), Address::Hostname(..))));
        Self { bytes: sorted.into_iter().flat_map(Address::to_descriptor).collect() }
    }

    /// The places to connect to. Left out is what BOLT 7 says to ignore: Tor v2, a port of 0, a name that is none, and
    /// the first descriptor of an unknown type with all that follows it.
    pub fn iter(&self) -> impl Iterator<Item = Address> + '_ {
        self.descriptors().filter_map(|descriptor| match descriptor {
            Descriptor::Address(address) => Some(address),
            Descriptor::Ignored { .. } | Descriptor::Unknown => None,
        })
    }

    /// Whether there is more than one DNS name: such a `node_announcement` must not be passed on (BOLT 7).
    #[must_use]
    pub fn has_several_hostnames(&self) -> bool {
        let is_hostname = |descriptor: &Descriptor| match descriptor {
            Descriptor::Address(address) => matches!(address, Address::Hostname(..)),
            Descriptor::Ignored { is_hostname } => *is_hostname,
            Descriptor::Unknown => false,
        };
        self.descriptors().filter(is_hostname).nth(1).is_some()
    }

    fn descriptors(&self) -> impl Iterator<Item = Descriptor> + '_ {
        let mut reader = Reader::new(&self.bytes);
        core::iter::from_fn(move || {
            if reader.is_empty() {
                return None;
            }
            match read_descriptor(&mut reader) {
                Ok(Descriptor::Unknown) | Err(_) => {
                    reader.take_rest();
                    None
                }
                Ok(descriptor) => Some(descriptor),
            }
        })
    }
}

impl Field for Addresses {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        let bytes = reader.take_prefixed()?;
        let mut descriptors = Reader::new(bytes);
        while !descriptors.is_empty() {
            if let Descriptor::Unknown = read_descriptor(&mut descriptors)? {
                break;
            }
        }
        Ok(Self { bytes: bytes.to_vec() })
    }
    fn write(&self, out: &mut Vec<u8>) {
        write_prefixed(out, &self.bytes);
    }
}
