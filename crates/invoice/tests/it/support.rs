//! What the tests share: the keys, and invoices put together group by group, right or wrong.

use astrape_invoice::{Description, Invoice, InvoiceDraft};
use astrape_primitives::{Network, NodeId, PaymentHash, PaymentSecret};
use bech32::Fe32;
use bech32::primitives::checksum::Checksum;
use bech32::primitives::iter::{ByteIterExt as _, Fe32IterExt as _};
use bitcoin::hashes::{Hash as _, sha256};
use bitcoin::secp256k1::ecdsa::RecoverableSignature;
use bitcoin::secp256k1::{Message, Secp256k1, SecretKey};

/// The key that signs the vectors of BOLT 11.
pub(crate) fn key() -> SecretKey {
    let hex = "e126f68f7eafcc8b74f54d269fe206be715000f94dac067d1c04a8ca3b2db734";
    hex.parse().expect("32 bytes")
}

pub(crate) fn node_id(key: &SecretKey) -> NodeId {
    NodeId::from_key(&key.public_key(&Secp256k1::new()))
}

pub(crate) fn sign(key: &SecretKey, digest: [u8; 32]) -> RecoverableSignature {
    Secp256k1::new().sign_ecdsa_recoverable(&Message::from_digest(digest), key)
}

/// A small draft by [`key`].
pub(crate) fn draft() -> InvoiceDraft {
    InvoiceDraft::new(
        Network::Regtest,
        node_id(&key()),
        1_700_000_000,
        PaymentHash([1; 32]),
        PaymentSecret([2; 32]),
        Description::Text("tea".into()),
    )
}

pub(crate) fn finish(draft: &InvoiceDraft) -> Invoice {
    let unsigned = draft.to_unsigned().expect("a good draft");
    unsigned.finish(&sign(&key(), unsigned.signing_digest())).expect("the payee signed")
}

/// BIP 173's checksum over texts of any length that a test may want.
pub(crate) enum LongBech32 {}

impl Checksum for LongBech32 {
    type MidstateRepr = u32;
    const CODE_LENGTH: usize = 100_000;
    const CHECKSUM_LENGTH: usize = bech32::Bech32::CHECKSUM_LENGTH;
    const GENERATOR_SH: [u32; 5] = bech32::Bech32::GENERATOR_SH;
    const TARGET_RESIDUE: u32 = bech32::Bech32::TARGET_RESIDUE;
}

/// An invoice as groups of 5 bits, with its signature apart.
#[derive(Clone, Debug)]
pub(crate) struct Raw {
    pub(crate) hrp: String,
    /// Timestamp and fields.
    pub(crate) signed: Vec<Fe32>,
    pub(crate) signature: Vec<Fe32>,
}

impl Raw {
    /// An invoice of a timestamp and nothing else.
    pub(crate) fn empty(hrp: &str) -> Self {
        Self { hrp: hrp.into(), signed: vec![Fe32::Q; 7], signature: vec![Fe32::Q; 104] }
    }

    /// The least that is an invoice: payment hash, secret and description.
    pub(crate) fn minimal() -> Self {
        Self::empty("lnbcrt").bytes('p', &[1; 32]).bytes('s', &[2; 32]).bytes('d', b"tea")
    }

    /// Without a rule of its own, as long as the text is bech32 with room for a signature.
    pub(crate) fn parse(text: &str) -> Self {
        let (hrp, data) = text.rsplit_once('1').expect("a separator");
        let data: Vec<Fe32> = data.chars().map(|c| Fe32::from_char(c).expect("bech32")).collect();
        let data = &data[..data.len() - 6];
        let (signed, signature) = data.split_at(data.len() - 104);
        Self { hrp: hrp.into(), signed: signed.into(), signature: signature.into() }
    }

    pub(crate) fn field(mut self, tag: char, groups: &[Fe32]) -> Self {
        self.signed.push(Fe32::from_char(tag).expect("a letter of bech32"));
        for length in [groups.len() / 32, groups.len() % 32] {
            self.signed.push(Fe32::try_from(u8::try_from(length).expect("below 32")).expect("below 32"));
        }
        self.signed.extend(groups);
        self
    }

    pub(crate) fn bytes(self, tag: char, bytes: &[u8]) -> Self {
        let groups: Vec<Fe32> = bytes.iter().copied().bytes_to_fes().collect();
        self.field(tag, &groups)
    }

    /// The tags of the fields, as far as their lengths make sense.
    pub(crate) fn tags(&self) -> Vec<char> {
        self.fields().into_iter().map(|range| self.signed[range.start].to_char()).collect()
    }

    /// Where the fields stand, as far as their lengths make sense.
    pub(crate) fn fields(&self) -> Vec<core::ops::Range<usize>> {
        let mut fields = Vec::new();
        let mut at = 7;
        while let Some([_, high, low]) = self.signed.get(at..at + 3) {
            let end = at + 3 + usize::from(high.to_u8()) * 32 + usize::from(low.to_u8());
            if end > self.signed.len() {
                break;
            }
            fields.push(at..end);
            at = end;
        }
        fields
    }

    /// The digest, by other arithmetic than the crate's own: a string of bits.
    pub(crate) fn digest(&self) -> [u8; 32] {
        let mut bits: String = self.signed.iter().map(|group| format!("{:05b}", group.to_u8())).collect();
        while !bits.len().is_multiple_of(8) {
            bits.push('0');
        }
        let mut message = self.hrp.clone().into_bytes();
        for byte in bits.as_bytes().chunks(8) {
            let byte = core::str::from_utf8(byte).expect("digits");
            message.push(u8::from_str_radix(byte, 2).expect("eight bits"));
        }
        sha256::Hash::hash(&message).to_byte_array()
    }

    pub(crate) fn sign(mut self, key: &SecretKey) -> Self {
        let (recovery_id, compact) = sign(key, self.digest()).serialize_compact();
        self.set_signature(compact, u8::try_from(recovery_id.to_i32()).expect("0 to 3"));
        self
    }

    pub(crate) fn set_signature(&mut self, compact: [u8; 64], recovery_id: u8) {
        self.signature = compact.into_iter().chain([recovery_id]).bytes_to_fes().collect();
    }

    /// The compact signature and the recovery id.
    pub(crate) fn signature(&self) -> ([u8; 64], u8) {
        let bytes: Vec<u8> = self.signature.iter().copied().fes_to_bytes().collect();
        (bytes[..64].try_into().expect("64 bytes"), bytes[64])
    }

    /// The text, with a right checksum.
    pub(crate) fn text(&self) -> String {
        let hrp = bech32::Hrp::parse(&self.hrp).expect("a human-readable part");
        let data = self.signed.iter().chain(&self.signature).copied();
        data.with_checksum::<LongBech32>(&hrp).chars().collect()
    }

    /// The text, signed by [`key`].
    pub(crate) fn signed_text(self) -> String {
        self.sign(&key()).text()
    }
}
