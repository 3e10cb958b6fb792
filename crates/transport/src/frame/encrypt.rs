//! The direction that sends.

use super::{FRAME_OVERHEAD, HEADER_LEN, MAX_MESSAGE, RotatingKey, TransportError};
use crate::noise::{Secret, TAG_LEN};

/// Makes frames of messages. It holds keys only; frames go to a buffer of the caller's, whose bound is the caller's.
pub struct Encryptor {
    key: RotatingKey,
}

impl Encryptor {
    pub(crate) fn new(key: Secret, chaining: Secret) -> Self {
        Self { key: RotatingKey::new(key, chaining) }
    }

    /// Appends the frame of `message` to `out`.
    ///
    /// # Errors
    /// [`TransportError::MessageTooLong`], with `out` and the keys as they were.
    pub fn seal(&mut self, message: &[u8], out: &mut Vec<u8>) -> Result<(), TransportError> {
        out.reserve(message.len().min(MAX_MESSAGE) + FRAME_OVERHEAD);
        self.seal_with(out, |out| out.extend_from_slice(message))
    }

    /// Appends the frame of the message that `write` appends: it is encrypted where it was written, without a copy.
    /// `write` must only append.
    ///
    /// # Errors
    /// [`TransportError::MessageTooLong`], with `out` and the keys as they were.
    pub fn seal_with(
        &mut self,
        out: &mut Vec<u8>,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), TransportError> {
        let start = out.len();
        out.extend_from_slice(&[0; HEADER_LEN]);
        write(out);
        let frame = out.get_mut(start..).filter(|frame| frame.len() >= HEADER_LEN);
        let (header, message) =
            frame.and_then(<[u8]>::split_first_chunk_mut::<HEADER_LEN>).expect("`write` only appends");
        let Ok(length) = u16::try_from(message.len()) else {
            let length = message.len();
            out.truncate(start);
            return Err(TransportError::MessageTooLong { length });
        };
        let (length_bytes, length_tag) = header.split_at_mut(HEADER_LEN - TAG_LEN);
        length_bytes.copy_from_slice(&length.to_be_bytes());
        length_tag.copy_from_slice(&self.key.seal(length_bytes));
        let message_tag = self.key.seal(message);
        out.extend_from_slice(&message_tag);
        Ok(())
    }
}

impl core::fmt::Debug for Encryptor {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Encryptor(..)")
    }
}
