//! BigSize, truncated integers and TLV streams (BOLT 1), for messages, onions and invoices alike.
//!
//! Reading allocates nothing: a [`TlvStream`] lends the bytes of each record, after the rules of the stream were checked.

use crate::codec::{Field, Reader};
use crate::error::{TlvError, ValueError};
use std::collections::BTreeMap;

/// A variable-length integer: 1, 3, 5 or 9 bytes, big-endian, always in its shortest form (BOLT 1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BigSize(pub u64);

impl Field for BigSize {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ValueError> {
        let [first] = reader.array()?;
        let (value, least) = match first {
            0xfd => (u64::from(u16::read(reader)?), 0xfd),
            0xfe => (u64::from(u32::read(reader)?), 0x1_0000),
            0xff => (u64::read(reader)?, 0x1_0000_0000),
            small => (u64::from(small), 0),
        };
        if value < least { Err(ValueError::NotMinimal) } else { Ok(Self(value)) }
    }

    #[expect(clippy::cast_possible_truncation, reason = "each arm's pattern bounds the value")]
    fn write(&self, out: &mut Vec<u8>) {
        match self.0 {
            v @ 0..=0xfc => out.push(v as u8),
            v @ 0xfd..=0xffff => {
                out.push(0xfd);
                out.extend((v as u16).to_be_bytes());
            }
            v @ 0x1_0000..=0xffff_ffff => {
                out.push(0xfe);
                out.extend((v as u32).to_be_bytes());
            }
            v => {
                out.push(0xff);
                out.extend(v.to_be_bytes());
            }
        }
    }
}

/// Reads a whole value as a truncated integer of at most `MAX` bytes.
fn decode_truncated<const MAX: usize>(bytes: &[u8]) -> Result<u64, ValueError> {
    if bytes.len() > MAX {
        return Err(ValueError::TooLong(bytes.len() - MAX));
    }
    if bytes.first() == Some(&0) {
        return Err(ValueError::NotMinimal);
    }
    Ok(bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

/// Reads a whole value as a `tu16`: 0 to 2 bytes.
///
/// # Errors
/// [`ValueError::TooLong`], or [`ValueError::NotMinimal`] when it has a leading zero byte.
#[expect(clippy::cast_possible_truncation, reason = "two bytes were read")]
pub fn decode_tu16(bytes: &[u8]) -> Result<u16, ValueError> {
    decode_truncated::<2>(bytes).map(|v| v as u16)
}

/// Reads a whole value as a `tu32`: 0 to 4 bytes.
///
/// # Errors
/// [`ValueError::TooLong`], or [`ValueError::NotMinimal`] when it has a leading zero byte.
#[expect(clippy::cast_possible_truncation, reason = "four bytes were read")]
pub fn decode_tu32(bytes: &[u8]) -> Result<u32, ValueError> {
    decode_truncated::<4>(bytes).map(|v| v as u32)
}

/// Reads a whole value as a `tu64`: 0 to 8 bytes.
///
/// # Errors
/// [`ValueError::TooLong`], or [`ValueError::NotMinimal`] when it has a leading zero byte.
pub fn decode_tu64(bytes: &[u8]) -> Result<u64, ValueError> {
    decode_truncated::<8>(bytes)
}

/// The truncated form of an integer (`tu16`, `tu32` and `tu64` alike): big-endian without leading zero bytes.
#[must_use]
pub fn encode_tu(value: u64) -> Vec<u8> {
    let skip = value.leading_zeros() as usize / 8;
    value.to_be_bytes()[skip..].to_vec()
}

/// One record of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlvRecord<'a> {
    /// Its type (`type` in BOLT 1).
    pub number: u64,
    /// Its value.
    pub value: &'a [u8],
    /// The record as it came: type, length and value.
    pub raw: &'a [u8],
}

/// The records of a TLV stream in order, checked as they are read: types strictly increasing, type and length minimal, no
/// length past the end, no unknown even type. Unknown odd records are lent too: messages ignore them, while invoices sign
/// them. After an error the stream is at its end.
#[derive(Clone, Debug)]
pub struct TlvStream<'a, K> {
    rest: &'a [u8],
    previous: Option<u64>,
    is_known: K,
}

impl<'a, K: Fn(u64) -> bool> TlvStream<'a, K> {
    /// Reads `bytes`, all of which are the stream. `is_known` says which types the caller understands.
    pub fn new(bytes: &'a [u8], is_known: K) -> Self {
        Self { rest: bytes, previous: None, is_known }
    }

    fn read(&mut self) -> Result<TlvRecord<'a>, TlvError> {
        let mut reader = Reader::new(self.rest);
        let BigSize(number) = reader.read().map_err(|e| match e {
            ValueError::NotMinimal => TlvError::TypeNotMinimal,
            _ => TlvError::TruncatedType,
        })?;
        if let Some(previous) = self.previous.filter(|previous| *previous >= number) {
            return Err(TlvError::NotIncreasing { previous, record: number });
        }
        let BigSize(length) = reader.read().map_err(|e| match e {
            ValueError::NotMinimal => TlvError::LengthNotMinimal(number),
            _ => TlvError::TruncatedLength(number),
        })?;
        let left = reader.remaining();
        let value = usize::try_from(length)
            .ok()
            .and_then(|length| reader.take(length).ok())
            .ok_or(TlvError::TruncatedValue { record: number, length, left })?;
        if number.is_multiple_of(2) && !(self.is_known)(number) {
            return Err(TlvError::UnknownEven(number));
        }
        let raw = &self.rest[..self.rest.len() - reader.remaining()];
        self.rest = reader.take_rest();
        self.previous = Some(number);
        Ok(TlvRecord { number, value, raw })
    }
}

impl<'a, K: Fn(u64) -> bool> Iterator for TlvStream<'a, K> {
    type Item = Result<TlvRecord<'a>, TlvError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let record = self.read();
        if record.is_err() {
            self.rest = &[];
        }
        Some(record)
    }
}

/// Writes one record. The caller keeps the order of the types; [`TlvWriter`] does it by itself.
pub fn write_record(out: &mut Vec<u8>, number: u64, value: &[u8]) {
    BigSize(number).write(out);
    BigSize(value.len() as u64).write(out);
    out.extend_from_slice(value);
}

/// Puts records in their order, whatever the order they are given in. A type given twice holds its last value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlvWriter {
    records: BTreeMap<u64, Vec<u8>>,
}

impl TlvWriter {
    /// With no record.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more record.
    #[must_use]
    pub fn with(mut self, number: u64, value: impl Into<Vec<u8>>) -> Self {
        self.records.insert(number, value.into());
        self
    }

    /// With one more record, if there is a value.
    #[must_use]
    pub fn with_some(self, number: u64, value: Option<impl Into<Vec<u8>>>) -> Self {
        match value {
            Some(value) => self.with(number, value),
            None => self,
        }
    }

    /// The stream.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        let mut out = Vec::new();
        self.records.iter().for_each(|(number, value)| write_record(&mut out, *number, value));
        out
    }
}
