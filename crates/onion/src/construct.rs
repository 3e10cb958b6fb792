//! Sphinx construction (BOLT 4, "Packet Construction", "Filler Generation").

use crate::keys::{KeyKind, SECP, SharedSecret, derive, finish, stream};
use crate::layout::{HMAC_LEN, PAYLOADS_LEN, VERSION, assemble, frame_len};
use astrape_primitives::PaymentHash;
use astrape_wire::OnionPacket;
use astrape_wire::codec::Field as _;
use astrape_wire::tlv::BigSize;
use bitcoin::hashes::HashEngine as _;
use bitcoin::secp256k1::ecdh;
use bitcoin::secp256k1::{PublicKey, SecretKey};
use chacha20::cipher::{StreamCipher as _, StreamCipherSeek as _};
use core::fmt;

/// Most hops of a payment onion: so many of the smallest forwarding payloads fit, and so often the origin decrypts (BOLT 4,
/// "Origin node").
pub const MAX_HOPS: usize = 27;

/// One hop of an onion to be built.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OnionHop {
    /// The node's public key.
    pub node: PublicKey,
    /// Its encoded TLV stream without the length in front: see [`crate::encode_forward`] and [`crate::encode_final`].
    pub payload: Vec<u8>,
}

/// All that makes an onion. Records keep this and not the packet; the packet is built from it when it is sent, and the
/// shared secrets when a failure comes back.
#[derive(Clone, PartialEq, Eq)]
pub struct OnionRecipe {
    /// The ephemeral private key of the first hop: 32 fresh random bytes for each onion. Reusing it links payments.
    pub session_key: [u8; 32],
    /// The hops, first to last.
    pub hops: Vec<OnionHop>,
    /// What the packet commits to without containing it: for payments, the payment hash.
    pub associated_data: PaymentHash,
}

impl fmt::Debug for OnionRecipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnionRecipe")
            .field("hops", &self.hops)
            .field("associated_data", &self.associated_data)
            .finish_non_exhaustive()
    }
}

/// Why an onion cannot be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// There is nobody to send to.
    #[error("a route needs at least one hop")]
    NoHops,
    /// More than [`MAX_HOPS`].
    #[error("{hops} hops are too many: an onion holds at most {MAX_HOPS}; choose a shorter route")]
    TooManyHops {
        /// How many there are.
        hops: usize,
    },
    /// Lengths 0 and 1 are reserved (BOLT 4, "Packet Structure").
    #[error("the payload of hop {hop} is empty: encode at least one field")]
    EmptyPayload {
        /// Which hop, from 0.
        hop: usize,
    },
    /// The payloads do not fit the packet.
    #[error(
        "the payloads take {needed} bytes and the onion has {PAYLOADS_LEN}: choose a shorter route or less metadata"
    )]
    TooLarge {
        /// Bytes with lengths and HMACs.
        needed: usize,
    },
    /// Zero, or not below the order of the curve.
    #[error("the session key is no private key: draw another")]
    SessionKey,
}

impl OnionRecipe {
    /// Builds the packet for the first hop. The same recipe builds the same packet.
    ///
    /// # Errors
    /// When the route or the payloads do not fit an onion: see [`BuildError`].
    pub fn build(&self) -> Result<OnionPacket, BuildError> {
        self.check_size()?;
        let first = SecretKey::from_slice(&self.session_key).map_err(|_| BuildError::SessionKey)?;
        let (secrets, ephemeral) = self.key_exchange(first).ok_or(BuildError::SessionKey)?;
        let filler = self.filler(&secrets);

        let mut payloads = [0u8; PAYLOADS_LEN];
        stream(&derive(KeyKind::Pad, &self.session_key)).apply_keystream(&mut payloads);
        let mut hmac = [0u8; HMAC_LEN];
        let last = self.hops.len() - 1;
        for (index, (hop, secret)) in self.hops.iter().zip(&secrets).enumerate().rev() {
            prepend(&mut payloads, &hop.payload, &hmac);
            secret.obfuscate(KeyKind::Rho, &mut payloads);
            if index == last {
                payloads[PAYLOADS_LEN - filler.len()..].copy_from_slice(&filler);
            }
            let mut mac = secret.mac(KeyKind::Mu);
            mac.input(&payloads);
            mac.input(&self.associated_data.0);
            hmac = finish(mac);
        }
        Ok(assemble(VERSION, &ephemeral, &payloads, &hmac))
    }

    /// The secret shared with each hop, first to last: what decodes failures and hold times. Empty when the session key is
    /// no private key, in which case nothing was ever built from it.
    #[must_use]
    pub fn shared_secrets(&self) -> Vec<SharedSecret> {
        SecretKey::from_slice(&self.session_key)
            .ok()
            .and_then(|first| self.key_exchange(first))
            .map(|(secrets, _)| secrets)
            .unwrap_or_default()
    }

    /// Whether the route and its payloads fit an onion: what [`OnionRecipe::build`] checks, without its cost.
    ///
    /// # Errors
    /// See [`BuildError`]; never [`BuildError::SessionKey`].
    pub fn check_size(&self) -> Result<(), BuildError> {
        if self.hops.is_empty() {
            return Err(BuildError::NoHops);
        }
        if self.hops.len() > MAX_HOPS {
            return Err(BuildError::TooManyHops { hops: self.hops.len() });
        }
        if let Some(hop) = self.hops.iter().position(|hop| hop.payload.len() < 2) {
            return Err(BuildError::EmptyPayload { hop });
        }
        let needed = self.hops.iter().map(|hop| frame_len(hop.payload.len())).fold(0, usize::saturating_add);
        if needed > PAYLOADS_LEN {
            return Err(BuildError::TooLarge { needed });
        }
        Ok(())
    }

    /// The shared secrets and the first ephemeral public key. For each hop one ECDH and one multiplication of the base
    /// point; the keys after the last hop are nobody's.
    fn key_exchange(&self, first: SecretKey) -> Option<(Vec<SharedSecret>, PublicKey)> {
        let first_public = first.public_key(&SECP);
        let mut secrets = Vec::with_capacity(self.hops.len());
        let (mut private, mut public) = (first, first_public);
        for (index, hop) in self.hops.iter().enumerate() {
            let secret =
                SharedSecret::from_bytes(ecdh::SharedSecret::new(&hop.node, &private).secret_bytes());
            secrets.push(secret);
            if index + 1 < self.hops.len() {
                private = private.mul_tweak(&secret.blinding_factor(&public)?).ok()?;
                public = private.public_key(&SECP);
            }
        }
        Some((secrets, first_public))
    }

    /// The obfuscated zeros that all hops but the last will have appended when the packet reaches the last one.
    fn filler(&self, secrets: &[SharedSecret]) -> Vec<u8> {
        let mut filler = Vec::with_capacity(PAYLOADS_LEN);
        let before_last = self.hops.len().saturating_sub(1);
        for (hop, secret) in self.hops.iter().zip(secrets).take(before_last) {
            let start = PAYLOADS_LEN - filler.len();
            filler.resize(filler.len() + frame_len(hop.payload.len()), 0);
            let mut keystream = secret.stream(KeyKind::Rho);
            keystream.seek(start);
            keystream.apply_keystream(&mut filler);
        }
        filler
    }
}

/// Shifts the payloads to the right and writes length, payload and HMAC in front; what falls off the end is filler or
/// padding.
fn prepend(payloads: &mut [u8; PAYLOADS_LEN], payload: &[u8], hmac: &[u8; HMAC_LEN]) {
    let mut frame = Vec::with_capacity(frame_len(payload.len()));
    BigSize(payload.len() as u64).write(&mut frame);
    frame.extend_from_slice(payload);
    frame.extend_from_slice(hmac);
    payloads.copy_within(..PAYLOADS_LEN - frame.len(), frame.len());
    payloads[..frame.len()].copy_from_slice(&frame);
}
