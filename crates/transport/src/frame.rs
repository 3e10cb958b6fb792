//! Messages on the wire after the handshake (BOLT 8, "Lightning Message Specification"): an encrypted length with its
//! tag, then the encrypted message with its tag. Keys are rotated every 1000 uses, which is every 500 messages.

mod decrypt;
mod encrypt;

use crate::aead::{Aead, BadTag, TAG_LEN};
use crate::noise::{Secret, hkdf};

pub use decrypt::Decryptor;
pub use encrypt::Encryptor;

/// The longest Lightning message (BOLT 8).
pub const MAX_MESSAGE: usize = 65_535;
/// Bytes of the encrypted length and its tag.
pub const HEADER_LEN: usize = 2 + TAG_LEN;
/// What a frame adds to its message.
pub const FRAME_OVERHEAD: usize = HEADER_LEN + TAG_LEN;
/// The longest frame (BOLT 8: 65569).
pub const MAX_FRAME: usize = MAX_MESSAGE + FRAME_OVERHEAD;
/// How much a driver reads from its socket at once: several payments' worth of messages, and what an idle peer costs.
pub const READ_CHUNK: usize = 8 * 1024;
/// All that one peer can make its [`Decryptor`] hold: a frame and what was read behind it.
pub const MAX_BUFFERED: usize = MAX_FRAME + READ_CHUNK;

/// A key is replaced after this many uses (BOLT 8, "Lightning Message Key Rotation").
const USES_PER_KEY: u64 = 1000;

/// Why no more messages can be sent or received. All but [`TransportError::MessageTooLong`] end the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// We wanted to send more than BOLT 8 allows. Nothing was sent; the connection is unharmed.
    #[error("a message of {length} bytes is longer than the 65535 that fit a frame")]
    MessageTooLong {
        /// Bytes of the message.
        length: usize,
    },
    /// The tag of an encrypted length does not match.
    #[error("the length of a frame does not authenticate; close the connection")]
    LengthTag,
    /// The tag of an encrypted message does not match.
    #[error("a message does not authenticate; close the connection")]
    MessageTag,
    /// A frame failed before; nothing after it can be read.
    #[error("the stream is broken since an earlier frame; close the connection")]
    Broken,
}

/// The key of one direction, with its nonce and what its successor is made of.
struct RotatingKey {
    aead: Aead,
    key: Secret,
    chaining: Secret,
    uses: u64,
}

impl RotatingKey {
    fn new(key: Secret, chaining: Secret) -> Self {
        Self { aead: Aead::new(&key), key, chaining, uses: 0 }
    }

    fn seal(&mut self, text: &mut [u8]) -> [u8; TAG_LEN] {
        let tag = self.aead.seal(self.uses, &[], text);
        self.used();
        tag
    }

    fn open(&mut self, text: &mut [u8], tag: &[u8; TAG_LEN]) -> Result<(), BadTag> {
        self.aead.open(self.uses, &[], text, tag)?;
        self.used();
        Ok(())
    }

    fn used(&mut self) {
        self.uses += 1;
        if self.uses == USES_PER_KEY {
            (self.chaining, self.key) = hkdf(&self.chaining, self.key.as_slice());
            self.aead = Aead::new(&self.key);
            self.uses = 0;
        }
    }
}
