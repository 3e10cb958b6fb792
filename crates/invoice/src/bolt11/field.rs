//! The parts of an invoice that are more than a number.

use astrape_primitives::{CltvDelta, Network, NodeId, ShortChannelId};
use bitcoin::hashes::{Hash as _, sha256};
use bitcoin::{Address, PubkeyHash, Script, ScriptBuf, ScriptHash, WitnessProgram};

/// What an invoice is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Description {
    /// The text itself (`d`). It is the payee's: show it as hostile text.
    Text(String),
    /// SHA-256 of a text that is found elsewhere (`h`).
    Hash([u8; 32]),
}

impl Description {
    /// The description that commits to `text` without holding it.
    #[must_use]
    pub fn hash_of(text: &str) -> Self {
        Self::Hash(sha256::Hash::hash(text.as_bytes()).to_byte_array())
    }

    /// Whether `text` is what the invoice is for. A payer who was given a text must ask this before paying (BOLT 11).
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        match self {
            Self::Text(own) => own == text,
            Self::Hash(_) => *self == Self::hash_of(text),
        }
    }
}

/// One channel on the way to a payee that the graph may not show (an entry of an `r` field).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteHint {
    /// The node at the start of the channel.
    pub node_id: NodeId,
    /// The channel; often an alias.
    pub short_channel_id: ShortChannelId,
    /// Base fee of the channel, in millisatoshi.
    pub fee_base_msat: u32,
    /// Proportional fee of the channel, in millionths.
    pub fee_proportional_millionths: u32,
    /// Blocks that the channel adds to the expiry.
    pub cltv_expiry_delta: CltvDelta,
}

impl RouteHint {
    /// Bytes of an entry.
    pub(super) const LEN: usize = 51;

    /// Reads an entry; `None` when its node is no public key.
    pub(super) fn read(bytes: &[u8; Self::LEN]) -> Option<Self> {
        let (node_id, rest) = bytes.split_first_chunk::<33>()?;
        let (scid, rest) = rest.split_first_chunk::<8>()?;
        let (base, rest) = rest.split_first_chunk::<4>()?;
        let (proportional, rest) = rest.split_first_chunk::<4>()?;
        Some(Self {
            node_id: NodeId::from_bytes(*node_id).ok()?,
            short_channel_id: ShortChannelId(u64::from_be_bytes(*scid)),
            fee_base_msat: u32::from_be_bytes(*base),
            fee_proportional_millionths: u32::from_be_bytes(*proportional),
            cltv_expiry_delta: CltvDelta(u16::from_be_bytes(*rest.first_chunk()?)),
        })
    }

    /// Appends an entry.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.node_id.as_bytes());
        out.extend(self.short_channel_id.0.to_be_bytes());
        out.extend(self.fee_base_msat.to_be_bytes());
        out.extend(self.fee_proportional_millionths.to_be_bytes());
        out.extend(self.cltv_expiry_delta.0.to_be_bytes());
    }
}

/// An address on chain that the payee accepts instead (`f`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// Pay to public key hash.
    PubkeyHash(PubkeyHash),
    /// Pay to script hash.
    ScriptHash(ScriptHash),
    /// A witness program: P2WPKH, P2WSH, P2TR and what may come.
    Witness(WitnessProgram),
}

impl Fallback {
    /// The fallback that pays to `script`, or `None` when it has no address.
    #[must_use]
    pub fn from_script(script: &Script) -> Option<Self> {
        // The network is of no concern: an invoice names it in its prefix.
        use bitcoin::address::AddressData;
        match Address::from_script(script, bitcoin::Network::Bitcoin).ok()?.to_address_data() {
            AddressData::P2pkh { pubkey_hash } => Some(Self::PubkeyHash(pubkey_hash)),
            AddressData::P2sh { script_hash } => Some(Self::ScriptHash(script_hash)),
            AddressData::Segwit { witness_program } => Some(Self::Witness(witness_program)),
            _ => None,
        }
    }

    /// The script that it pays to.
    #[must_use]
    pub fn script_pubkey(&self) -> ScriptBuf {
        match self {
            Self::PubkeyHash(hash) => ScriptBuf::new_p2pkh(hash),
            Self::ScriptHash(hash) => ScriptBuf::new_p2sh(hash),
            Self::Witness(program) => ScriptBuf::new_witness_program(program),
        }
    }

    /// The address as people know it.
    #[must_use]
    pub fn address(&self, network: Network) -> Address {
        Address::from_script(&self.script_pubkey(), network.to_bitcoin())
            .expect("a fallback holds only what has an address")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // BOLT 11.tagged-fields.32
    #[test]
    fn a_hashed_description_matches_only_its_text() {
        let text = "One piece of chocolate cake, one icecream cone, one pickle, one slice of swiss cheese, \
                    one slice of salami, one lollypop, one piece of cherry pie, one sausage, one cupcake, \
                    and one slice of watermelon";
        let description = Description::hash_of(text);
        let Description::Hash(hash) = &description else { panic!("a hash") };
        assert_eq!(hash[..4], [0x39, 0x25, 0xb6, 0xf6]);
        assert!(description.matches(text));
        assert!(!description.matches("One piece of chocolate cake"));
        assert!(Description::Text("tea".into()).matches("tea"));
        assert!(!Description::Text("tea".into()).matches("coffee"));
    }

    #[test]
    fn a_fallback_is_the_script_it_was_made_from() {
        for address in [
            "1RustyRX2oai4EYYDpQGWvEL62BBGqN9T",
            "3EktnHQD7RiAE6uzMj2ZifT9YgRrkSgzQX",
            "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
            "bc1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qccfmv3",
            "bc1pptdvg0d2nj99568qn6ssdy4cygnwuxgw2ukmnwgwz7jpqjz2kszse2s3lm",
        ] {
            let script = address.parse::<Address<_>>().expect("an address").assume_checked().script_pubkey();
            let fallback = Fallback::from_script(&script).expect("has an address");
            assert_eq!(fallback.script_pubkey(), script);
            assert_eq!(fallback.address(Network::Bitcoin).to_string(), address);
        }
        assert_eq!(Fallback::from_script(&ScriptBuf::new_op_return([1, 2])), None);
    }
}
