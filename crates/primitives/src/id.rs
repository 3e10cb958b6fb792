//! Ids of channels, nodes, payments and HTLCs.

use bitcoin::hashes::{Hash as _, sha256};
use bitcoin::secp256k1::PublicKey;
use bitcoin::{OutPoint, hex::FromHex as _};
use core::cmp::Ordering;
use core::fmt;
use core::str::FromStr;

/// Why a text is not an id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseIdError {
    /// Not the right number of hexadecimal digits.
    #[error("expected {expected} hexadecimal digits for a {what}")]
    Hex {
        /// What was expected.
        what: &'static str,
        /// How many digits it has.
        expected: usize,
    },
    /// 33 bytes that are no point of the curve.
    #[error("not a public key: the 33 bytes are no point on secp256k1")]
    Point,
    /// Not `BLOCKxTXxOUTPUT`.
    #[error("not a short channel id: write it as BLOCKxTRANSACTIONxOUTPUT, such as 800000x12x0")]
    ShortChannelId,
}

fn hex_fmt(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|b| write!(f, "{b:02x}"))
}

/// The order of the bytes. Ids are keys of large maps, and nearly always their first eight bytes differ: to compare those as one number
/// costs a fraction of comparing memory.
#[inline]
fn by_bytes(a: &[u8; 32], b: &[u8; 32]) -> Ordering {
    let head = |bytes: &[u8; 32]| bytes.first_chunk().map(|head| u64::from_be_bytes(*head));
    head(a).cmp(&head(b)).then_with(|| a.cmp(b))
}

macro_rules! id32 {
    ($(#[$doc:meta])* $name:ident, $what:literal, $debug:tt) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name(pub [u8; 32]);

        impl Ord for $name {
            #[inline]
            fn cmp(&self, other: &Self) -> Ordering {
                by_bytes(&self.0, &other.0)
            }
        }

        impl PartialOrd for $name {
            #[inline]
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;
            fn from_str(s: &str) -> Result<Self, ParseIdError> {
                <[u8; 32]>::from_hex(s).map(Self).map_err(|_| ParseIdError::Hex { what: $what, expected: 64 })
            }
        }

        id32!(@fmt $name, $debug);
    };
    (@fmt $name:ident, public) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                hex_fmt(&self.0, f)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                hex_fmt(&self.0, f)
            }
        }
    };
    (@fmt $name:ident, secret) => {
        impl $name {
            /// The bytes as hexadecimal digits. Named, so that a secret is never printed by accident.
            #[must_use]
            pub fn reveal_hex(&self) -> String {
                self.0.iter().map(|b| format!("{b:02x}")).collect()
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    };
}

id32!(
    /// Id of a channel: temporary until the funding is known, then the funding txid (internal byte order) with its last two
    /// bytes XORed with the output index (BOLT 2).
    ChannelId, "channel id", public
);
id32!(
    /// SHA-256 of a [`PaymentPreimage`].
    PaymentHash, "payment hash", public
);
id32!(
    /// The secret whose knowledge settles an HTLC.
    PaymentPreimage, "payment preimage", secret
);
id32!(
    /// Proof that a sender knows the invoice (BOLT 4 `payment_data`).
    PaymentSecret, "payment secret", secret
);
id32!(
    /// Which set of keys of the signer a channel uses. Chosen at random when the channel is negotiated.
    ChannelKeysId, "channel keys id", public
);
id32!(
    /// What is remembered of an onion that was acted on: a second one with the same is a replay (BOLT 4, "Accepting and Forwarding a Payment").
    ReplayId, "replay id", public
);

impl ChannelId {
    /// The id that means "every channel" in `error` and `warning` (BOLT 1).
    pub const ALL: ChannelId = ChannelId([0; 32]);

    /// From the funding outpoint (BOLT 2, "Definition of channel_id").
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "funding output indices fit 16 bits; only those bits are XORed"
    )]
    pub fn from_funding(outpoint: &OutPoint) -> Self {
        let mut bytes = outpoint.txid.to_byte_array();
        let [high, low] = (outpoint.vout as u16).to_be_bytes();
        bytes[30] ^= high;
        bytes[31] ^= low;
        Self(bytes)
    }
}

impl PaymentPreimage {
    /// The hash that this preimage settles.
    #[must_use]
    pub fn payment_hash(&self) -> PaymentHash {
        PaymentHash(sha256::Hash::hash(&self.0).to_byte_array())
    }
}

/// A node: its public key, compressed. Always a point of the curve. Ordered by bytes as BOLT 7 orders nodes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId([u8; 33]);

impl NodeId {
    /// From a key.
    #[must_use]
    pub fn from_key(key: &PublicKey) -> Self {
        Self(key.serialize())
    }

    /// From 33 bytes.
    ///
    /// # Errors
    /// When they are no point of the curve.
    pub fn from_bytes(bytes: [u8; 33]) -> Result<Self, ParseIdError> {
        PublicKey::from_slice(&bytes).map_err(|_| ParseIdError::Point)?;
        Ok(Self(bytes))
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> PublicKey {
        PublicKey::from_slice(&self.0).expect("a NodeId is only made from a point of the curve")
    }

    /// The 33 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 33] {
        &self.0
    }
}

/// The 33 bytes by which an announcement names a node. Whether they are a point of the curve, and so a node at all, is known once a
/// signature by it holds: to look before costs a square root. Ordered as [`NodeId`]s are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClaimedId([u8; 33]);

impl ClaimedId {
    /// From 33 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 33]) -> Self {
        Self(bytes)
    }

    /// The 33 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 33] {
        &self.0
    }

    /// The node.
    ///
    /// # Errors
    /// When there can be none: the bytes are no point of the curve.
    pub fn check(&self) -> Result<NodeId, ParseIdError> {
        NodeId::from_bytes(self.0)
    }

    /// The node, when a signature by it was seen to hold: only a point has any. For other bytes [`NodeId::key`] panics.
    #[must_use]
    pub const fn proven(self) -> NodeId {
        NodeId(self.0)
    }
}

impl From<NodeId> for ClaimedId {
    fn from(node: NodeId) -> Self {
        Self(node.0)
    }
}

impl PartialEq<NodeId> for ClaimedId {
    fn eq(&self, node: &NodeId) -> bool {
        self.0 == node.0
    }
}

impl fmt::Debug for ClaimedId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex_fmt(&self.0, f)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex_fmt(&self.0, f)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex_fmt(&self.0, f)
    }
}

impl FromStr for NodeId {
    type Err = ParseIdError;
    fn from_str(s: &str) -> Result<Self, ParseIdError> {
        let bytes =
            <[u8; 33]>::from_hex(s).map_err(|_| ParseIdError::Hex { what: "node id", expected: 66 })?;
        Self::from_bytes(bytes)
    }
}

/// Where a funding output stands in the chain: block, transaction, output (BOLT 7), or an alias of the same form.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShortChannelId(pub u64);

impl ShortChannelId {
    /// From its parts; `None` when one does not fit its field (24, 24 and 16 bits).
    #[must_use]
    pub fn new(block: u32, transaction: u32, output: u32) -> Option<Self> {
        if block >= 1 << 24 || transaction >= 1 << 24 || output >= 1 << 16 {
            return None;
        }
        Some(Self(u64::from(block) << 40 | u64::from(transaction) << 16 | u64::from(output)))
    }

    /// Height of the block.
    #[must_use]
    pub const fn block(self) -> u32 {
        (self.0 >> 40) as u32
    }

    /// Index of the transaction in its block.
    #[must_use]
    pub const fn transaction(self) -> u32 {
        ((self.0 >> 16) & 0xff_ffff) as u32
    }

    /// Index of the output in its transaction.
    #[must_use]
    pub const fn output(self) -> u16 {
        (self.0 & 0xffff) as u16
    }
}

impl fmt::Display for ShortChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}x{}", self.block(), self.transaction(), self.output())
    }
}

impl fmt::Debug for ShortChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ShortChannelId {
    type Err = ParseIdError;
    fn from_str(s: &str) -> Result<Self, ParseIdError> {
        let parts: Vec<u32> = s
            .split('x')
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map_err(|_| ParseIdError::ShortChannelId)?;
        match parts[..] {
            [block, tx, output] => Self::new(block, tx, output).ok_or(ParseIdError::ShortChannelId),
            _ => Err(ParseIdError::ShortChannelId),
        }
    }
}

/// Number of an HTLC among those that one side offered in a channel (BOLT 2 `id`), from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HtlcId(pub u64);

impl fmt::Display for HtlcId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Number of a commitment transaction, from 0 upwards (BOLT 3); 48 bits are on chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommitmentNumber(pub u64);

impl CommitmentNumber {
    /// Largest number that BOLT 3 can express: 2^48 - 1.
    pub const MAX: CommitmentNumber = CommitmentNumber((1 << 48) - 1);

    /// The next number.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The number `n` further.
    #[must_use]
    pub const fn plus(self, n: u64) -> Self {
        Self(self.0 + n)
    }

    /// The number before, or `None` at 0.
    #[must_use]
    pub const fn previous(self) -> Option<Self> {
        match self.0.checked_sub(1) {
            Some(n) => Some(Self(n)),
            None => None,
        }
    }
}

impl fmt::Display for CommitmentNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_ordered_as_their_bytes_are() {
        let mut ids = vec![[0; 32], [1; 32], [255; 32]];
        for at in 0..32 {
            for value in [1, 127, 128, 255] {
                let mut bytes = [1; 32];
                bytes[at] = value;
                ids.push(bytes);
            }
        }
        for a in &ids {
            for b in &ids {
                assert_eq!(PaymentHash(*a).cmp(&PaymentHash(*b)), a.cmp(b));
                assert_eq!(PaymentHash(*a).partial_cmp(&PaymentHash(*b)), a.partial_cmp(b));
            }
        }
    }

    #[test]
    fn a_channel_id_is_the_funding_txid_xor_the_output_index() {
        let outpoint = OutPoint { txid: bitcoin::Txid::from_byte_array([7; 32]), vout: 0x0102 };
        let id = ChannelId::from_funding(&outpoint);
        assert_eq!(id.0[..30], [7; 30]);
        assert_eq!(id.0[30..], [7 ^ 1, 7 ^ 2]);
    }

    #[test]
    fn short_channel_ids_read_what_they_print() {
        let scid = ShortChannelId::new(800_000, 12, 1).expect("fits");
        assert_eq!(scid.to_string(), "800000x12x1");
        assert_eq!("800000x12x1".parse(), Ok(scid));
        assert!("1x2".parse::<ShortChannelId>().is_err());
        assert!("16777216x0x0".parse::<ShortChannelId>().is_err());
    }

    #[test]
    fn a_node_id_is_a_point_of_the_curve() {
        assert_eq!(NodeId::from_bytes([2; 33]).map(|_| ()), Ok(()));
        assert_eq!(NodeId::from_bytes([0; 33]), Err(ParseIdError::Point));
        assert!("02".parse::<NodeId>().is_err());
    }

    #[test]
    fn secrets_are_not_printed_by_accident() {
        assert_eq!(format!("{:?}", PaymentPreimage([9; 32])), "PaymentPreimage(..)");
    }
}
