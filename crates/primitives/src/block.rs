//! Heights, timelocks, feerates and networks.

use bitcoin::hashes::Hash as _;
use core::fmt;

/// Height of a block; the genesis block is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Height(pub u32);

impl Height {
    /// Confirmations of a transaction mined at this height when the tip is at `tip`: 1 in its own block, 0 above the tip.
    #[must_use]
    pub const fn confirmations_at(self, tip: Height) -> u32 {
        match tip.0.checked_sub(self.0) {
            Some(d) => d.saturating_add(1),
            None => 0,
        }
    }

    /// The height `blocks` above, held at the largest value.
    #[must_use]
    pub const fn plus(self, blocks: u32) -> Height {
        Height(self.0.saturating_add(blocks))
    }
}

impl fmt::Display for Height {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Absolute height at which an HTLC times out (`cltv_expiry`). Values from 500,000,000 are times, not heights, and are
/// refused where HTLCs are added (BOLT 2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CltvExpiry(pub u32);

impl CltvExpiry {
    /// First value that Bitcoin reads as a time instead of a height.
    pub const FIRST_TIME: u32 = 500_000_000;

    /// The expiry `delta` blocks later, or `None` when it is no height any more.
    #[must_use]
    pub fn checked_add(self, delta: CltvDelta) -> Option<CltvExpiry> {
        self.0.checked_add(u32::from(delta.0)).filter(|v| *v < Self::FIRST_TIME).map(CltvExpiry)
    }

    /// Blocks left until the expiry when the tip is at `tip`.
    #[must_use]
    pub const fn blocks_left(self, tip: Height) -> u32 {
        self.0.saturating_sub(tip.0)
    }
}

impl fmt::Display for CltvExpiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A difference of expiries in blocks (`cltv_expiry_delta`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CltvDelta(pub u16);

/// Feerate in satoshi per 1000 weight units, the unit of BOLT 2 and 3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FeeratePerKw(pub u32);

impl FeeratePerKw {
    /// Lowest feerate that a default Bitcoin node relays: 1 sat/vbyte, rounded up (253 and not 250, since weights are
    /// rounded up to virtual bytes).
    pub const FLOOR: FeeratePerKw = FeeratePerKw(253);

    /// Fee of `weight` weight units, rounded down as BOLT 3 asks.
    #[must_use]
    pub const fn fee(self, weight: u64) -> crate::Sat {
        crate::Sat((self.0 as u64).saturating_mul(weight) / 1000)
    }

    /// From satoshi per virtual byte.
    #[must_use]
    pub const fn from_sat_per_vb(sat: u32) -> FeeratePerKw {
        FeeratePerKw(sat.saturating_mul(250))
    }

    /// As people read feerates, and exactly: `5 sat/vB (1250 per kw)`.
    #[must_use]
    pub fn for_people(self) -> String {
        let thousandths = u64::from(self.0) * 4;
        let number = format!("{}.{:03}", thousandths / 1_000, thousandths % 1_000);
        let number = number.trim_end_matches('0').trim_end_matches('.');
        format!("{number} sat/vB ({} per kw)", self.0)
    }
}

impl fmt::Display for FeeratePerKw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} sat/kw", self.0)
    }
}

/// The Bitcoin network a node lives on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Network {
    /// The real one.
    Bitcoin,
    /// Test network, fourth edition (BIP 94).
    Testnet4,
    /// The default signet.
    Signet,
    /// A private chain for tests.
    Regtest,
}

impl Network {
    /// All networks, in the order users see them.
    pub const ALL: [Network; 4] = [Network::Bitcoin, Network::Testnet4, Network::Signet, Network::Regtest];

    /// Name used in configuration and data directories.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Network::Bitcoin => "bitcoin",
            Network::Testnet4 => "testnet4",
            Network::Signet => "signet",
            Network::Regtest => "regtest",
        }
    }

    /// Reads [`Network::name`]; `mainnet` also means Bitcoin.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Network> {
        if name == "mainnet" {
            return Some(Network::Bitcoin);
        }
        Network::ALL.into_iter().find(|n| n.name() == name)
    }

    /// The same network in the words of the `bitcoin` crate.
    #[must_use]
    pub const fn to_bitcoin(self) -> bitcoin::Network {
        match self {
            Network::Bitcoin => bitcoin::Network::Bitcoin,
            Network::Testnet4 => bitcoin::Network::Testnet4,
            Network::Signet => bitcoin::Network::Signet,
            Network::Regtest => bitcoin::Network::Regtest,
        }
    }

    /// `chain_hash` of BOLT 0: the genesis block's hash in internal byte order.
    #[must_use]
    pub fn chain_hash(self) -> [u8; 32] {
        bitcoin::constants::genesis_block(self.to_bitcoin()).block_hash().to_byte_array()
    }

    /// Human-readable prefix of BOLT 11 invoices after `ln`.
    #[must_use]
    pub const fn invoice_prefix(self) -> &'static str {
        match self {
            Network::Bitcoin => "bc",
            Network::Testnet4 => "tb",
            Network::Signet => "tbs",
            Network::Regtest => "bcrt",
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_has_one_confirmation_in_its_own_block() {
        assert_eq!(Height(100).confirmations_at(Height(100)), 1);
        assert_eq!(Height(100).confirmations_at(Height(105)), 6);
        assert_eq!(Height(100).confirmations_at(Height(99)), 0);
    }

    #[test]
    fn the_chain_hash_of_bitcoin_is_its_genesis_block() {
        let hex: String = Network::Bitcoin.chain_hash().iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, "6fe28c0ab6f1b372c1a6a246ae63f74f931e8365e15a089c68d6190000000000");
    }

    #[test]
    fn an_expiry_never_becomes_a_time() {
        assert_eq!(CltvExpiry(CltvExpiry::FIRST_TIME - 1).checked_add(CltvDelta(1)), None);
    }
}
