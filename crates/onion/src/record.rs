//! The bytes of what records keep: of a payment that was sent, the recipe of its onion; of an HTLC that was received, what
//! was peeled. They never change.

use crate::construct::{MAX_HOPS, OnionHop, OnionRecipe};
use crate::failure::Failure;
use crate::keys::SharedSecret;
use crate::payload::{decode_final, decode_forward, encode_final, encode_forward};
use crate::peel::{Hop, PeelFailure, Peeled};
use astrape_wire::ValueError;
use astrape_wire::codec::{Field as _, Reader};

/// Why bytes are no record. They come from our own records, so this means damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// A field is cut short, or a key is no point.
    #[error("the record of an onion is damaged: {0}")]
    Value(#[from] ValueError),
    /// More than [`MAX_HOPS`].
    #[error("the record of an onion is damaged: more than {MAX_HOPS} hops")]
    TooManyHops,
    /// No kind that is written, or a payload that would have been refused.
    #[error("the record of a peeled onion is damaged")]
    Peeled,
}

impl OnionRecipe {
    /// Session key, associated data, and for each hop its key, the length of its payload (two bytes) and the payload.
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
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut reader = Reader::new(bytes);
        let session_key = reader.read()?;
        let associated_data = reader.read()?;
        let mut hops = Vec::new();
        while !reader.is_empty() {
            if hops.len() == MAX_HOPS {
                return Err(RecordError::TooManyHops);
            }
            let node = reader.read()?;
            let payload = reader.read()?;
            hops.push(OnionHop { node, payload });
        }
        Ok(Self { session_key, hops, associated_data })
    }
}

const FORWARD: u8 = 0;
const FINAL: u8 = 1;
const MALFORMED: u8 = 2;
const PAYLOAD: u8 = 3;

/// What came of [`peel`](crate::peel()), for the record of the HTLC: a byte for the kind, then its parts.
#[must_use]
pub fn encode_peeled(peeled: &Result<Peeled, PeelFailure>) -> Vec<u8> {
    let mut out = Vec::new();
    match peeled {
        Ok(Peeled { shared_secret, hop: Hop::Forward { payload, next } }) => {
            FORWARD.write(&mut out);
            shared_secret.as_bytes().write(&mut out);
            next.write(&mut out);
            out.extend(encode_forward(payload));
        }
        Ok(Peeled { shared_secret, hop: Hop::Final { payload } }) => {
            FINAL.write(&mut out);
            shared_secret.as_bytes().write(&mut out);
            out.extend(encode_final(payload));
        }
        Err(PeelFailure::Malformed { failure_code, sha256_of_onion }) => {
            MALFORMED.write(&mut out);
            failure_code.write(&mut out);
            sha256_of_onion.write(&mut out);
        }
        Err(PeelFailure::Payload { shared_secret, failure }) => {
            PAYLOAD.write(&mut out);
            shared_secret.as_bytes().write(&mut out);
            out.extend(failure.encode());
        }
    }
    out
}

/// Reads [`encode_peeled`].
///
/// # Errors
/// When the bytes are not what it wrote.
pub fn decode_peeled(bytes: &[u8]) -> Result<Result<Peeled, PeelFailure>, RecordError> {
    let mut reader = Reader::new(bytes);
    let kind: u8 = reader.read()?;
    if kind == MALFORMED {
        let (failure_code, sha256_of_onion) = (reader.read()?, reader.read()?);
        return Ok(Err(PeelFailure::Malformed { failure_code, sha256_of_onion }));
    }
    let shared_secret = SharedSecret::from_bytes(reader.read()?);
    let hop = match kind {
        FORWARD => {
            let next = reader.read()?;
            let payload = decode_forward(reader.take_rest(), 0).map_err(|_| RecordError::Peeled)?;
            Hop::Forward { payload, next }
        }
        FINAL => {
            Hop::Final { payload: decode_final(reader.take_rest(), 0).map_err(|_| RecordError::Peeled)? }
        }
        PAYLOAD => {
            let failure = Failure::decode(reader.take_rest());
            return Ok(Err(PeelFailure::Payload { shared_secret, failure }));
        }
        _ => return Err(RecordError::Peeled),
    };
    Ok(Ok(Peeled { shared_secret, hop }))
}
