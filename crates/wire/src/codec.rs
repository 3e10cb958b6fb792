//! How each type stands on the wire. Two forms: a [`Field`] knows its own end; a [`TlvValue`] is all the bytes of a
//! record. One Rust type has one form of each kind, so a message is read by its field types alone.
//!
//! Nothing is allocated for a claimed length before the bytes are there.

use crate::error::ValueError;
use crate::tlv::{BigSize, decode_tu64, encode_tu};
use astrape_primitives::amount::MAX_MONEY_SAT;
use astrape_primitives::{
    ChannelId, ClaimedId, CltvDelta, CltvExpiry, CommitmentNumber, Features, FeeratePerKw, Height, HtlcId,
    Msat, NodeId, PaymentHash, PaymentPreimage, Sat, ShortChannelId,
};
use bitcoin::hashes::Hash as _;
use bitcoin::secp256k1::PublicKey;
use bitcoin::secp256k1::ecdsa::Signature;
use bitcoin::{ScriptBuf, Txid, Witness};

/// Bytes yet to be read.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads from the first of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// How many bytes are left.
    #[must_use]
    pub const fn remaining(&self) -> usize {
        self.bytes.len()
    }

    /// Whether all was read.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The next `len` bytes.
    ///
    /// # Errors
    /// [`ValueError::Truncated`] when there are fewer.
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], ValueError> {
        let (head, tail) = self.bytes.split_at_checked(len).ok_or(ValueError::Truncated)?;
        self.bytes = tail;
        Ok(head)
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    /// [`ValueError::Truncated`] when there are fewer.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], ValueError> {
        let (head, tail) = self.bytes.split_first_chunk().ok_or(ValueError::Truncated)?;
        self.bytes = tail;
        Ok(*head)
    }

    /// All that is left.
    pub fn take_rest(&mut self) -> &'a [u8] {
        core::mem::take(&mut self.bytes)
    }

    /// The bytes of a field that starts with its own length of 2 bytes.
    ///
    /// # Errors
    /// [`ValueError::Truncated`] when there are fewer.
    pub fn take_prefixed(&mut self) -> Result<&'a [u8], ValueError> {
        let len = u16::read(self)?;
        self.take(usize::from(len))
    }

    /// The next value.
    ///
    /// # Errors
    /// As [`Field::read`].
    pub fn read<T: Field>(&mut self) -> Result<T, ValueError> {
        T::read(self)
    }
}

/// A value that knows its own end.
pub trait Field: Sized {
    /// Reads the value.
    ///
    /// # Errors
    /// When the bytes end too early or are no such value.
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError>;

    /// Writes the value.
    fn write(&self, out: &mut Vec<u8>);
}

/// A value that is all the bytes of a TLV record.
pub trait TlvValue: Sized {
    /// Reads the value from all of `bytes`.
    ///
    /// # Errors
    /// When the bytes are no such value, or more than it.
    fn from_tlv(bytes: &[u8]) -> Result<Self, ValueError>;

    /// Writes the value.
    fn write_tlv(&self, out: &mut Vec<u8>);
}

/// Reads a [`Field`] that must end where `bytes` end.
///
/// # Errors
/// As [`Field::read`]; [`ValueError::TooLong`] when bytes are left.
pub fn read_whole<T: Field>(bytes: &[u8]) -> Result<T, ValueError> {
    let mut reader = Reader::new(bytes);
    let value = reader.read()?;
    if reader.is_empty() { Ok(value) } else { Err(ValueError::TooLong(reader.remaining())) }
}

/// Writes `bytes` behind their length of 2 bytes. A length that does not fit is written as 65,535: such a message is too
/// long as a whole and `Message::encode` refuses it.
pub(crate) fn write_prefixed(out: &mut Vec<u8>, bytes: &[u8]) {
    write_count(out, bytes.len());
    out.extend_from_slice(bytes);
}

fn write_count(out: &mut Vec<u8>, count: usize) {
    out.extend(u16::try_from(count).unwrap_or(u16::MAX).to_be_bytes());
}

/// A place of a struct that a TLV record fills.
pub(crate) trait TlvSlot: Default {
    /// Takes the value of the record.
    fn fill(&mut self, bytes: &[u8]) -> Result<(), ValueError>;

    /// The value of the record, if it is to be written.
    fn value(&self) -> Option<Vec<u8>>;
}

impl<T: TlvValue> TlvSlot for Option<T> {
    fn fill(&mut self, bytes: &[u8]) -> Result<(), ValueError> {
        *self = Some(T::from_tlv(bytes)?);
        Ok(())
    }

    fn value(&self) -> Option<Vec<u8>> {
        self.as_ref().map(|value| {
            let mut out = Vec::new();
            value.write_tlv(&mut out);
            out
        })
    }
}

/// A record without content: its presence is what it says.
impl TlvSlot for bool {
    fn fill(&mut self, bytes: &[u8]) -> Result<(), ValueError> {
        *self = true;
        if bytes.is_empty() { Ok(()) } else { Err(ValueError::TooLong(bytes.len())) }
    }

    fn value(&self) -> Option<Vec<u8>> {
        self.then(Vec::new)
    }
}

macro_rules! integer {
    ($($int:ty),*) => {$(
        impl Field for $int {
            fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
                reader.array().map(<$int>::from_be_bytes)
            }
            fn write(&self, out: &mut Vec<u8>) {
                out.extend(self.to_be_bytes());
            }
        }
    )*};
}
integer!(u8, u16, u32, u64, i64);

macro_rules! newtype {
    ($($name:ident),*) => {$(
        impl Field for $name {
            fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
                reader.read().map($name)
            }
            fn write(&self, out: &mut Vec<u8>) {
                self.0.write(out);
            }
        }
    )*};
}
newtype!(Sat, Msat, ChannelId, ShortChannelId, HtlcId, PaymentHash, PaymentPreimage);
newtype!(Height, CltvExpiry, CltvDelta, FeeratePerKw, CommitmentNumber);

/// One byte: zero is false and all else true.
impl Field for bool {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        u8::read(reader).map(|byte| byte != 0)
    }
    fn write(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
}

impl<const N: usize> Field for [u8; N] {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        reader.array()
    }
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
}

impl Field for PublicKey {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        PublicKey::from_slice(&reader.array::<33>()?).map_err(|_| ValueError::InvalidPoint)
    }
    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.serialize());
    }
}

impl Field for ClaimedId {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        reader.array().map(ClaimedId::from_bytes)
    }
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }
}

impl Field for NodeId {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        NodeId::from_bytes(reader.array()?).map_err(|_| ValueError::InvalidPoint)
    }
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }
}

/// 64 bytes. A high S is read as it is: whoever verifies decides about it.
impl Field for Signature {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        Signature::from_compact(&reader.array::<64>()?).map_err(|_| ValueError::InvalidSignature)
    }
    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.serialize_compact());
    }
}

/// In the order of the hash function, not the reversed one that people see.
impl Field for Txid {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        reader.array().map(Txid::from_byte_array)
    }
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_byte_array());
    }
}

impl Field for Vec<u8> {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        reader.take_prefixed().map(<[u8]>::to_vec)
    }
    fn write(&self, out: &mut Vec<u8>) {
        write_prefixed(out, self);
    }
}

impl Field for ScriptBuf {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        reader.read().map(ScriptBuf::from_bytes)
    }
    fn write(&self, out: &mut Vec<u8>) {
        write_prefixed(out, self.as_bytes());
    }
}

impl Field for Features {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        reader.take_prefixed().map(Features::from_be_bytes)
    }
    fn write(&self, out: &mut Vec<u8>) {
        write_prefixed(out, &self.to_be_bytes());
    }
}

impl Field for Vec<Signature> {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        let count = u16::read(reader)?;
        let mut all = Reader::new(reader.take(usize::from(count) * 64)?);
        (0..count).map(|_| all.read()).collect()
    }
    fn write(&self, out: &mut Vec<u8>) {
        write_count(out, self.len());
        self.iter().for_each(|signature| signature.write(out));
    }
}

impl Field for Vec<Witness> {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        let count = u16::read(reader)?;
        (0..count).map(|_| read_witness(reader.take_prefixed()?)).collect()
    }
    fn write(&self, out: &mut Vec<u8>) {
        write_count(out, self.len());
        self.iter().for_each(|witness| write_prefixed(out, &bitcoin::consensus::serialize(witness)));
    }
}

/// Reads Bitcoin's serialisation of a witness. Not by the library, which makes room for claimed lengths at once.
fn read_witness(bytes: &[u8]) -> Result<Witness, ValueError> {
    let mut reader = Reader::new(bytes);
    let count = read_compact_size(&mut reader)?;
    let mut elements = Vec::new();
    for _ in 0..count {
        let len = read_compact_size(&mut reader)?;
        let len = usize::try_from(len).map_err(|_| ValueError::InvalidWitness)?;
        elements.push(reader.take(len).map_err(|_| ValueError::InvalidWitness)?);
    }
    if reader.is_empty() { Ok(Witness::from_slice(&elements)) } else { Err(ValueError::InvalidWitness) }
}

/// Bitcoin's own variable-length integer: as [`BigSize`], but little-endian.
fn read_compact_size(reader: &mut Reader<'_>) -> Result<u64, ValueError> {
    let mut read = || -> Result<(u64, u64), ValueError> {
        let [first] = reader.array()?;
        Ok(match first {
            0xfd => (u64::from(u16::from_le_bytes(reader.array()?)), 0xfd),
            0xfe => (u64::from(u32::from_le_bytes(reader.array()?)), 0x1_0000),
            0xff => (u64::from_le_bytes(reader.array()?), 0x1_0000_0000),
            small => (u64::from(small), 0),
        })
    };
    match read() {
        Ok((value, least)) if value >= least => Ok(value),
        _ => Err(ValueError::InvalidWitness),
    }
}

macro_rules! tlv_value_is_the_field {
    ($($name:ty),*) => {$(
        impl TlvValue for $name {
            fn from_tlv(bytes: &[u8]) -> Result<Self, ValueError> {
                read_whole(bytes)
            }
            fn write_tlv(&self, out: &mut Vec<u8>) {
                self.write(out);
            }
        }
    )*};
}
pub(crate) use tlv_value_is_the_field;
tlv_value_is_the_field!(u16, i64, BigSize, ShortChannelId, PublicKey, Signature, Txid);

impl TlvValue for Vec<u8> {
    fn from_tlv(bytes: &[u8]) -> Result<Self, ValueError> {
        Ok(bytes.to_vec())
    }
    fn write_tlv(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
}

impl TlvValue for ScriptBuf {
    fn from_tlv(bytes: &[u8]) -> Result<Self, ValueError> {
        Ok(ScriptBuf::from_bytes(bytes.to_vec()))
    }
    fn write_tlv(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }
}

impl TlvValue for Features {
    fn from_tlv(bytes: &[u8]) -> Result<Self, ValueError> {
        Ok(Features::from_be_bytes(bytes))
    }
    fn write_tlv(&self, out: &mut Vec<u8>) {
        out.extend(self.to_be_bytes());
    }
}

macro_rules! tlv_amount {
    ($($name:ident, $max:expr;)*) => {$(
        /// A `tu64` of no more than all the bitcoin there will ever be (BOLT 1).
        impl TlvValue for $name {
            fn from_tlv(bytes: &[u8]) -> Result<Self, ValueError> {
                let amount = decode_tu64(bytes)?;
                if amount > $max { Err(ValueError::AboveAllBitcoin) } else { Ok($name(amount)) }
            }
            fn write_tlv(&self, out: &mut Vec<u8>) {
                out.extend(encode_tu(self.0));
            }
        }
    )*};
}
tlv_amount! {
    Sat, MAX_MONEY_SAT;
    Msat, MAX_MONEY_SAT * 1000;
}

/// An array of 32-byte values without a count (BOLT 1 `networks`).
impl TlvValue for Vec<[u8; 32]> {
    fn from_tlv(bytes: &[u8]) -> Result<Self, ValueError> {
        let (chunks, rest) = bytes.as_chunks::<32>();
        if rest.is_empty() { Ok(chunks.to_vec()) } else { Err(ValueError::Truncated) }
    }
    fn write_tlv(&self, out: &mut Vec<u8>) {
        self.iter().for_each(|chunk| out.extend_from_slice(chunk));
    }
}
