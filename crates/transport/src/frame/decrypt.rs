//! The direction that receives, with the one buffer that a peer can fill.

use super::{HEADER_LEN, MAX_BUFFERED, READ_CHUNK, RotatingKey, TransportError};
use crate::aead::TAG_LEN;
use crate::noise::Secret;

/// Finds messages in the stream of a peer. Bytes are read straight into its buffer and decrypted there.
///
/// Use: call [`Decryptor::next_message`] until it says `None`; then read from the socket into [`Decryptor::spare`], tell
/// [`Decryptor::filled`] how much came, and begin again. A driver that stops asking for messages stops reading too, and
/// the peer feels it in its own socket.
pub struct Decryptor {
    key: RotatingKey,
    /// Grows with what has come, never with what a length promises.
    buffer: Vec<u8>,
    /// What is buffered and not yet given out: `buffer[start..end]`.
    start: usize,
    end: usize,
    /// Bytes of the message whose length is read and whose body is awaited.
    awaited: Option<usize>,
    broken: bool,
}

impl Decryptor {
    pub(crate) fn new(key: Secret, chaining: Secret) -> Self {
        Self {
            key: RotatingKey::new(key, chaining),
            buffer: Vec::new(),
            start: 0,
            end: 0,
            awaited: None,
            broken: false,
        }
    }

    /// Room to read into: at least one byte whenever [`Decryptor::next_message`] has said `None`, and at most
    /// [`READ_CHUNK`] more than what the last reads filled.
    pub fn spare(&mut self) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            if self.buffer.len() > READ_CHUNK {
                // A long message is over; an idle peer costs one chunk.
                self.buffer.truncate(READ_CHUNK);
                self.buffer.shrink_to_fit();
            }
        } else if self.start > 0 && self.buffer.len() - self.end < READ_CHUNK {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let wanted = self.end + READ_CHUNK;
        if self.buffer.len() < wanted {
            let length = wanted.max(self.buffer.len() * 2).min(MAX_BUFFERED);
            self.buffer.reserve_exact(length - self.buffer.len());
            self.buffer.resize(length, 0);
        }
        &mut self.buffer[self.end..]
    }

    /// Says that the first `count` bytes of [`Decryptor::spare`] are filled.
    pub fn filled(&mut self, count: usize) {
        self.end = self.end.saturating_add(count).min(self.buffer.len());
    }

    /// Copies in what fits and says how much that was: 0 only when a whole message waits to be taken. For drivers that
    /// cannot read into [`Decryptor::spare`].
    pub fn push(&mut self, bytes: &[u8]) -> usize {
        let spare = self.spare();
        let count = spare.len().min(bytes.len());
        spare[..count].copy_from_slice(&bytes[..count]);
        self.filled(count);
        count
    }

    /// Bytes held for this peer, allocated or filled.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.buffer.capacity()
    }

    /// The next whole message, or `None` when more bytes are needed.
    ///
    /// # Errors
    /// When a tag does not match; the connection is then to be closed, and every later call fails too.
    pub fn next_message(&mut self) -> Result<Option<&[u8]>, TransportError> {
        if self.broken {
            return Err(TransportError::Broken);
        }
        let length = match self.awaited {
            Some(length) => length,
            None if self.end - self.start < HEADER_LEN => return Ok(None),
            None => self.open_length()?,
        };
        if self.end - self.start < length + TAG_LEN {
            self.awaited = Some(length);
            return Ok(None);
        }
        self.awaited = None;
        let frame = &mut self.buffer[self.start..self.start + length + TAG_LEN];
        let (message, tag) =
            frame.split_last_chunk_mut::<TAG_LEN>().expect("its length has room for the tag");
        if self.key.open(message, tag).is_err() {
            self.broken = true;
            return Err(TransportError::MessageTag);
        }
        self.start += length + TAG_LEN;
        Ok(Some(message))
    }

    fn open_length(&mut self) -> Result<usize, TransportError> {
        let mut header = [0; HEADER_LEN];
        header.copy_from_slice(&self.buffer[self.start..self.start + HEADER_LEN]);
        let (length, tag) = header.split_last_chunk_mut::<TAG_LEN>().expect("18 bytes have 16 at their end");
        if self.key.open(length, tag).is_err() {
            self.broken = true;
            return Err(TransportError::LengthTag);
        }
        self.start += HEADER_LEN;
        Ok(usize::from(u16::from_be_bytes([length[0], length[1]])))
    }
}

impl core::fmt::Debug for Decryptor {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Decryptor({} bytes waiting)", self.end - self.start)
    }
}
