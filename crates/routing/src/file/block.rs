//! Blocks: a length, a checksum, and so many bytes.

use super::MAX_BLOCK;
use crate::checksum::crc32c;

/// Bytes before what is in a block.
pub(crate) const BLOCK_HEAD: usize = 8;

/// The first block, when it is whole. None is empty.
pub(crate) fn read(bytes: &[u8]) -> Option<&[u8]> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (checksum, rest) = rest.split_first_chunk()?;
    let length = usize::try_from(u32::from_be_bytes(*length))
        .ok()
        .filter(|length| (1..=MAX_BLOCK).contains(length))?;
    let block = rest.get(..length)?;
    (crc32c(block) == u32::from_be_bytes(*checksum)).then_some(block)
}

/// Appends a block of what was gathered, unless that is nothing.
pub(crate) fn close(file: &mut Vec<u8>, block: &mut Vec<u8>) {
    if block.is_empty() {
        return;
    }
    file.extend(u32::try_from(block.len()).expect("a block is short").to_be_bytes());
    file.extend(crc32c(block).to_be_bytes());
    file.append(block);
}

/// Appends a block when enough was gathered. A record is far shorter than half a block: features and addresses are parts of
/// messages of 65,535 bytes.
pub(crate) fn close_if_full(file: &mut Vec<u8>, block: &mut Vec<u8>) {
    if block.len() >= MAX_BLOCK / 2 {
        close(file, block);
    }
}
