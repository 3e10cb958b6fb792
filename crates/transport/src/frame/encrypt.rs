//! The direction that sends.

use super::{FRAME_OVERHEAD, RotatingKey, TransportError};
use crate::noise::Secret;

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
        let Ok(length) = u16::try_from(message.len()) else {
            return Err(TransportError::MessageTooLong { length: message.len() });
        };
        out.reserve(message.len() + FRAME_OVERHEAD);
        self.append(&length.to_be_bytes(), out);
        self.append(message, out);
        Ok(())
    }

    /// Appends a text, encrypted, and its tag.
    fn append(&mut self, text: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(text);
        let tag = self.key.seal(&mut out[start..]);
        out.extend_from_slice(&tag);
    }
}

impl core::fmt::Debug for Encryptor {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Encryptor(..)")
    }
}
