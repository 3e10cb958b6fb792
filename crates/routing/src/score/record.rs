//! What is known of liquidity as bytes, to survive a restart.

use super::{Bounds, MAX_DELAY_MILLIS, MAX_KNOWN, Scores};
use crate::checksum::crc32c;
use astrape_primitives::ShortChannelId;

const MAGIC: &[u8; 8] = b"astscor2";
const ENTRY: usize = 8 + 8 + 8 + 4 + 4;

/// The version before knew no delays.
const MAGIC_WITHOUT_DELAYS: &[u8; 8] = b"astscor1";
const ENTRY_WITHOUT_DELAY: usize = ENTRY - 4;

/// Why bytes are no scores. They are only an experience: whoever meets this begins anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScoresError {
    /// Another kind or version.
    #[error("these are no scores that this version reads")]
    Format,
    /// The length does not fit, or the checksum.
    #[error("the scores are damaged")]
    Damaged,
    /// More than [`MAX_KNOWN`].
    #[error("the scores know of more than {MAX_KNOWN} channels")]
    TooMany,
}

impl Scores {
    /// As bytes, with a checksum.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(MAGIC.len() + self.len() * ENTRY + 4);
        out.extend_from_slice(MAGIC);
        for (id, bounds) in self.iter() {
            out.extend_from_slice(&id.0.to_be_bytes());
            out.extend_from_slice(&bounds.at_least.to_be_bytes());
            out.extend_from_slice(&bounds.at_most.to_be_bytes());
            out.extend_from_slice(&bounds.learnt.to_be_bytes());
            out.extend_from_slice(&bounds.delay.to_be_bytes());
        }
        let checksum = crc32c(&out);
        out.extend_from_slice(&checksum.to_be_bytes());
        out
    }

    /// Reads what [`Scores::to_bytes`] wrote, in this version or the one before.
    ///
    /// # Errors
    /// When it is something else, or damaged.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ScoresError> {
        let (body, len) = match (bytes.strip_prefix(MAGIC), bytes.strip_prefix(MAGIC_WITHOUT_DELAYS)) {
            (Some(body), _) => (body, ENTRY),
            (None, Some(body)) => (body, ENTRY_WITHOUT_DELAY),
            (None, None) => return Err(ScoresError::Format),
        };
        let (entries, checksum) = body.split_last_chunk::<4>().ok_or(ScoresError::Damaged)?;
        if entries.len() % len != 0 || crc32c(&bytes[..bytes.len() - 4]).to_be_bytes() != *checksum {
            return Err(ScoresError::Damaged);
        }
        if entries.len() / len > MAX_KNOWN {
            return Err(ScoresError::TooMany);
        }
        let entries = entries.chunks_exact(len).map(entry);
        let known = entries.collect::<Option<_>>().ok_or(ScoresError::Damaged)?;
        Ok(Self { known })
    }
}

fn entry(bytes: &[u8]) -> Option<(ShortChannelId, Bounds)> {
    let (id, bytes) = bytes.split_first_chunk()?;
    let (at_least, bytes) = bytes.split_first_chunk()?;
    let (at_most, bytes) = bytes.split_first_chunk()?;
    let (learnt, delay) = bytes.split_first_chunk()?;
    let bounds = Bounds {
        at_least: u64::from_be_bytes(*at_least),
        at_most: u64::from_be_bytes(*at_most),
        learnt: u32::from_be_bytes(*learnt),
        delay: delay.first_chunk().map_or(0, |delay| u32::from_be_bytes(*delay)).min(MAX_DELAY_MILLIS),
    };
    Some((ShortChannelId(u64::from_be_bytes(*id)), bounds))
}
