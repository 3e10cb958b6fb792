//! The bytes of a recipe in a record.

use crate::construct::{MAX_HOPS, OnionHop, OnionRecipe};
use astrape_wire::ValueError;
use astrape_wire::codec::{Field as _, Reader};

/// Why bytes are no recipe. They come from our own records, so this means damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecipeError {
    /// A field is cut short, or a key is no point.
    #[error("the record of an onion is damaged: {0}")]
    Value(ValueError),
    /// More than [`MAX_HOPS`].
    #[error("the record of an onion is damaged: more than {MAX_HOPS} hops")]
    TooManyHops,
}

impl OnionRecipe {
    /// Session key, associated data, and for each hop its key, the length of its payload (two bytes) and the payload. This
    /// never changes: records hold it.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = [self.session_key, self.associated_data.0].concat();
        for hop in &self.hops {
            hop.node.write(&mut out);
            // What is too long for two bytes is far too long for an onion: such a recipe was never built.
            hop.payload.write(&mut out);
        }
        out
    }

    /// Reads [`OnionRecipe::to_bytes`].
    ///
    /// # Errors
    /// When the bytes are cut short, a key is no point, or there are too many hops.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RecipeError> {
        let mut reader = Reader::new(bytes);
        let session_key = reader.read().map_err(RecipeError::Value)?;
        let associated_data = reader.read().map_err(RecipeError::Value)?;
        let mut hops = Vec::new();
        while !reader.is_empty() {
            if hops.len() == MAX_HOPS {
                return Err(RecipeError::TooManyHops);
            }
            let node = reader.read().map_err(RecipeError::Value)?;
            let payload = reader.read().map_err(RecipeError::Value)?;
            hops.push(OnionHop { node, payload });
        }
        Ok(Self { session_key, hops, associated_data })
    }
}
