//! How a record's value is written: a version byte, then a TLV stream (BOLT 1's form) whose fields hold the values of
//! `astrape_wire::codec` one after the other. A field of an unknown even number is an error, one of an odd number is not.

use astrape_wire::ValueError;
use astrape_wire::codec::{Field, Reader};
use astrape_wire::tlv::{BigSize, TlvStream};
use std::collections::BTreeMap;

/// Version of all records so far.
const VERSION: u8 = 1;

/// Room for most records, so that few grow while they are written.
const TYPICAL: usize = 384;

/// Why a record cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("it is missing")]
    NoRow,
    #[error("version {0} is not known: it was written by a newer version")]
    Version(u8),
    #[error("field {0} is missing")]
    Missing(u64),
    #[error("field {0} is not known: it was written by a newer version")]
    UnknownEven(u64),
    #[error("its fields are no TLV stream: {0}")]
    Stream(String),
    #[error("field {0} is damaged: {1}")]
    Field(u64, String),
    #[error("it does not make sense: {0}")]
    Senseless(&'static str),
}

/// A value being written.
pub(crate) struct Out {
    bytes: Vec<u8>,
}

impl Out {
    pub(crate) fn new() -> Self {
        let mut bytes = Vec::with_capacity(TYPICAL);
        bytes.push(VERSION);
        Self { bytes }
    }

    /// Writes a field. Numbers go up. The value is written in its place: its length, of one byte as a rule, is put before it
    /// once it is known.
    pub(crate) fn field(mut self, number: u64, write: impl FnOnce(&mut Vec<u8>)) -> Self {
        BigSize(number).write(&mut self.bytes);
        let at = self.bytes.len();
        self.bytes.push(0);
        write(&mut self.bytes);
        let length = self.bytes.len() - at - 1;
        match u8::try_from(length) {
            Ok(short) if short < 0xfd => self.bytes[at] = short,
            _ => {
                let mut written = Vec::new();
                BigSize(length as u64).write(&mut written);
                self.bytes.splice(at..=at, written);
            }
        }
        self
    }

    /// Writes one value as a field.
    pub(crate) fn value<T: Field>(self, number: u64, value: &T) -> Self {
        self.field(number, |out| value.write(out))
    }

    /// Writes bytes as a field.
    pub(crate) fn bytes(self, number: u64, value: &[u8]) -> Self {
        self.field(number, |out| out.extend_from_slice(value))
    }

    /// Writes a field if there is a value.
    pub(crate) fn some<T: Field>(self, number: u64, value: Option<&T>) -> Self {
        match value {
            Some(value) => self.value(number, value),
            None => self,
        }
    }

    /// Writes bytes as a field if there are any.
    pub(crate) fn some_bytes(self, number: u64, value: Option<&[u8]>) -> Self {
        match value {
            Some(value) => self.bytes(number, value),
            None => self,
        }
    }

    /// Writes a field of something, if there is something.
    pub(crate) fn some_field<T>(
        self,
        number: u64,
        value: Option<&T>,
        write: impl FnOnce(&T, &mut Vec<u8>),
    ) -> Self {
        match value {
            Some(value) => self.field(number, |out| write(value, out)),
            None => self,
        }
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// A value being read.
pub(crate) struct In<'a> {
    fields: BTreeMap<u64, &'a [u8]>,
}

impl<'a> In<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self, Unreadable> {
        let (version, rest) = bytes.split_first().ok_or(Unreadable::Version(0))?;
        if *version != VERSION {
            return Err(Unreadable::Version(*version));
        }
        let mut fields = BTreeMap::new();
        for record in TlvStream::new(rest, |_| true) {
            let record = record.map_err(|e| Unreadable::Stream(e.to_string()))?;
            fields.insert(record.number, record.value);
        }
        Ok(Self { fields })
    }

    /// Reads a field that must be there, to its end.
    pub(crate) fn field<T>(
        &mut self,
        number: u64,
        read: impl FnOnce(&mut Reader<'a>) -> Result<T, ValueError>,
    ) -> Result<T, Unreadable> {
        self.some_field(number, read)?.ok_or(Unreadable::Missing(number))
    }

    /// Reads a field that may be there.
    pub(crate) fn some_field<T>(
        &mut self,
        number: u64,
        read: impl FnOnce(&mut Reader<'a>) -> Result<T, ValueError>,
    ) -> Result<Option<T>, Unreadable> {
        let Some(bytes) = self.fields.remove(&number) else {
            return Ok(None);
        };
        let mut reader = Reader::new(bytes);
        let value = read(&mut reader).map_err(|e| Unreadable::Field(number, e.to_string()))?;
        if !reader.is_empty() {
            return Err(Unreadable::Field(number, format!("{} bytes too many", reader.remaining())));
        }
        Ok(Some(value))
    }

    pub(crate) fn value<T: Field>(&mut self, number: u64) -> Result<T, Unreadable> {
        self.field(number, Reader::read)
    }

    pub(crate) fn some<T: Field>(&mut self, number: u64) -> Result<Option<T>, Unreadable> {
        self.some_field(number, Reader::read)
    }

    pub(crate) fn bytes(&mut self, number: u64) -> Result<&'a [u8], Unreadable> {
        self.fields.remove(&number).ok_or(Unreadable::Missing(number))
    }

    pub(crate) fn some_bytes(&mut self, number: u64) -> Option<&'a [u8]> {
        self.fields.remove(&number)
    }

    pub(crate) fn text(&mut self, number: u64) -> Result<String, Unreadable> {
        self.some_text(number)?.ok_or(Unreadable::Missing(number))
    }

    pub(crate) fn some_text(&mut self, number: u64) -> Result<Option<String>, Unreadable> {
        let text = self.some_bytes(number).map(|bytes| String::from_utf8(bytes.to_vec()));
        text.transpose().map_err(|e| Unreadable::Field(number, e.to_string()))
    }

    /// All that is left must be odd.
    pub(crate) fn finish(self) -> Result<(), Unreadable> {
        match self.fields.keys().find(|n| n.is_multiple_of(2)) {
            Some(number) => Err(Unreadable::UnknownEven(*number)),
            None => Ok(()),
        }
    }
}

/// Reads bytes that another crate encodes.
pub(crate) fn read_with<T, E: std::fmt::Display>(
    number: u64,
    bytes: &[u8],
    read: impl FnOnce(&[u8]) -> Result<T, E>,
) -> Result<T, Unreadable> {
    read(bytes).map_err(|e| Unreadable::Field(number, e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_read_as_it_was_written_whatever_its_length() {
        for length in [0, 1, 0xfc, 0xfd, 0xfe, 0xff, 0x100, 0xffff, 0x1_0000, 0x1_0001] {
            let value: Vec<u8> = (0..length).map(|at| u8::try_from(at % 251).expect("below 251")).collect();
            let written = Out::new().value(0, &7u16).bytes(3, &value).value(0xfd, &9u64).finish();
            let mut read = In::new(&written).expect("a record");
            assert_eq!(read.value::<u16>(0), Ok(7));
            assert_eq!(read.bytes(3), Ok(&value[..]));
            assert_eq!(read.value::<u64>(0xfd), Ok(9));
            assert_eq!(read.finish(), Ok(()));
        }
    }
}
