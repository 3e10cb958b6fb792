//! `init`: what we say of ourselves, and whether what the peer says suits us (BOLT 1, BOLT 9).

use super::DisconnectReason;
use astrape_primitives::{Feature, Features, Network};
use astrape_wire::{Address, Init};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// How much of a peer's feature vector is kept: 2048 bits, far above every assigned one. A peer may send 64 KiB of odd
/// bits, which we must ignore and need not remember.
pub const MAX_KEPT_FEATURE_BYTES: usize = 256;

/// What this node offers on every connection. Valid by construction: it keeps BOLT 9's rules for the one who sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalInit {
    features: Features,
    chains: Vec<[u8; 32]>,
}

/// Why features cannot be offered in `init`. A mistake of ours, not of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InitRefusal {
    /// A bit without a meaning (BOLT 1: undefined bits must be 0).
    #[error("feature bit {0} is not defined: leave it out")]
    Undefined(usize),
    /// A feature that belongs elsewhere (BOLT 9, context).
    #[error("{} does not belong into init: leave it out", .0.name())]
    NotInInit(Feature),
    /// Both bits of a pair (BOLT 9).
    #[error("{} is set as required and as optional: choose one", .0.name())]
    BothBits(Feature),
    /// A feature without what it depends on (BOLT 9).
    #[error("{} needs {}: offer both or neither", feature.name(), dependency.name())]
    MissingDependency {
        /// What is offered.
        feature: Feature,
        /// What is missing.
        dependency: Feature,
    },
}

/// What a peer said of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerInit {
    /// Both its vectors in one, up to [`MAX_KEPT_FEATURE_BYTES`].
    pub features: Features,
    /// Where it sees us, if it said so. A hint and no more: a peer may say what it likes.
    pub remote_addr: Option<Address>,
}

impl LocalInit {
    /// What a node on `network` says that offers `features`.
    ///
    /// # Errors
    /// When BOLT 9 forbids to send them.
    pub fn new(features: Features, network: Network) -> Result<Self, InitRefusal> {
        for bit in features.iter_bits() {
            let known = Feature::ALL.into_iter().find(|f| f.required_bit() == bit & !1);
            let feature = known.ok_or(InitRefusal::Undefined(bit))?;
            if matches!(feature, Feature::PaymentMetadata | Feature::Keysend) {
                return Err(InitRefusal::NotInInit(feature));
            }
            if features.bit(bit ^ 1) {
                return Err(InitRefusal::BothBits(feature));
            }
        }
        if let Some((feature, dependency)) = features.missing_dependency() {
            return Err(InitRefusal::MissingDependency { feature, dependency });
        }
        Ok(Self { features, chains: vec![network.chain_hash()] })
    }

    /// The features offered.
    #[must_use]
    pub fn features(&self) -> &Features {
        &self.features
    }

    /// Our `init`, with the address of who dialled us, if that is worth telling.
    pub(super) fn message(&self, accepted_from: Option<SocketAddr>) -> Init {
        Init {
            globalfeatures: Features::empty(),
            features: self.features.clone(),
            networks: Some(self.chains.clone()),
            remote_addr: accepted_from.and_then(public).map(|address| Address::from(address).to_descriptor()),
        }
    }

    /// What is left of the peer's `init` when it suits us.
    pub(super) fn accept(&self, theirs: &Init) -> Result<PeerInit, DisconnectReason> {
        let features = theirs.features.union(&theirs.globalfeatures);
        let known: Vec<Feature> =
            Feature::ALL.into_iter().filter(|f| f.is_assumed() || self.features.supports(*f)).collect();
        if let Some(bit) = features.first_unknown_required(&known) {
            return Err(DisconnectReason::UnknownFeature { bit });
        }
        if let Some((feature, dependency)) = features.missing_dependency() {
            return Err(DisconnectReason::MissingDependency { feature, dependency });
        }
        let is_common = |chains: &Vec<[u8; 32]>| chains.iter().any(|chain| self.chains.contains(chain));
        if !theirs.networks.as_ref().is_none_or(is_common) {
            return Err(DisconnectReason::NoCommonChain);
        }
        let remote_addr = theirs.remote_addr.as_deref().and_then(Address::from_descriptor);
        Ok(PeerInit { features: kept(&features), remote_addr })
    }
}

/// The low bits of a vector.
fn kept(features: &Features) -> Features {
    let bytes = features.to_be_bytes();
    Features::from_be_bytes(&bytes[bytes.len().saturating_sub(MAX_KEPT_FEATURE_BYTES)..])
}

/// The address as it is seen from the internet; `None` when it is none (BOLT 1: no private addresses).
fn public(address: SocketAddr) -> Option<SocketAddr> {
    // A socket that listens on both IPv4 and IPv6 shows IPv4 peers as mapped addresses.
    let ip = address.ip().to_canonical();
    let is_public = match ip {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    };
    (is_public && address.port() != 0).then(|| SocketAddr::new(ip, address.port()))
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, ..] = ip.octets();
    let is_carrier_nat = a == 100 && (64..128).contains(&b);
    let is_special = a == 0 || ip.is_loopback() || ip.is_multicast() || ip.is_broadcast();
    !(ip.is_private() || ip.is_link_local() || ip.is_documentation() || is_carrier_nat || is_special)
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let is_documentation = ip.segments()[..2] == [0x2001, 0xdb8];
    let is_local = ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local();
    !(ip.is_unspecified() || ip.is_multicast() || is_documentation || is_local)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_internet_are_told() {
        for (address, told) in [
            ("8.8.8.8:9735", Some("8.8.8.8:9735")),
            ("[::ffff:8.8.8.8]:9735", Some("8.8.8.8:9735")),
            ("[2a00:1450::1]:1", Some("[2a00:1450::1]:1")),
            ("8.8.8.8:0", None),
            ("127.0.0.1:9735", None),
            ("10.1.2.3:9735", None),
            ("172.16.0.1:9735", None),
            ("192.168.1.1:9735", None),
            ("[::ffff:192.168.1.1]:9735", None),
            ("100.64.0.1:9735", None),
            ("169.254.1.1:9735", None),
            ("0.0.0.0:9735", None),
            ("192.0.2.1:9735", None),
            ("224.0.0.1:9735", None),
            ("255.255.255.255:9735", None),
            ("[::1]:9735", None),
            ("[::]:9735", None),
            ("[fe80::1]:9735", None),
            ("[fd00::1]:9735", None),
            ("[2001:db8::1]:9735", None),
            ("[ff02::1]:9735", None),
        ] {
            let address: SocketAddr = address.parse().expect("an address");
            assert_eq!(public(address).map(|a| a.to_string()).as_deref(), told, "{address}");
        }
    }
}
