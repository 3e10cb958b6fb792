//! Checksums of rows: SQLite's own checks see the form of its pages, not a bit that flipped inside a value.

use bitcoin::hashes::{Hash as _, HashEngine as _, sha256};
use rusqlite::types::Value;

/// Bytes of a checksum: damage is chance, not malice, so that a part of the hash will do.
pub(super) const LEN: usize = 8;

/// Of a list of byte strings, each with its length.
pub(super) fn of_bytes(table: &str, parts: &[&[u8]]) -> [u8; LEN] {
    let mut engine = sha256::Hash::engine();
    for part in core::iter::once(&table.as_bytes()).chain(parts) {
        engine.input(&(part.len() as u64).to_be_bytes());
        engine.input(part);
    }
    let hash = sha256::Hash::from_engine(engine).to_byte_array();
    let mut sum = [0; LEN];
    sum.copy_from_slice(&hash[..LEN]);
    sum
}

/// Of the columns of a row, as SQLite keeps them.
pub(super) fn of_values(table: &str, values: &[Value]) -> [u8; LEN] {
    let mut bytes = Vec::new();
    for value in values {
        match value {
            Value::Null => bytes.push(0),
            Value::Integer(number) => {
                bytes.push(1);
                bytes.extend(number.to_be_bytes());
            }
            Value::Real(number) => {
                bytes.push(2);
                bytes.extend(number.to_be_bytes());
            }
            Value::Text(text) => {
                bytes.push(3);
                bytes.extend((text.len() as u64).to_be_bytes());
                bytes.extend(text.as_bytes());
            }
            Value::Blob(blob) => {
                bytes.push(4);
                bytes.extend((blob.len() as u64).to_be_bytes());
                bytes.extend(blob);
            }
        }
    }
    of_bytes(table, &[&bytes])
}

/// A value with its checksum before it, as the records lie in their table.
pub(super) fn seal(table: &str, key: &[u8], value: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(LEN + value.len());
    sealed.extend(of_bytes(table, &[key, value]));
    sealed.extend_from_slice(value);
    sealed
}

/// The value, or `None` when it does not fit its checksum.
pub(super) fn unseal<'a>(table: &str, key: &[u8], sealed: &'a [u8]) -> Option<&'a [u8]> {
    let (sum, value) = sealed.split_first_chunk::<LEN>()?;
    (of_bytes(table, &[key, value]) == *sum).then_some(value)
}
