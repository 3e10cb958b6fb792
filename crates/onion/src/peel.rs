//! Peeling one layer of a payment's onion (BOLT 4, "Onion Decryption").

use crate::failure::{Failure, code};
use crate::keys::{KeyKind, SECP, SharedSecret, finish};
use crate::layout::{HMAC_LEN, PAYLOADS_LEN, VERSION, assemble, fields, sha256_of_onion};
use crate::payload::{BadPayload, FinalPayload, ForwardPayload, decode_final, decode_forward};
use astrape_primitives::PaymentHash;
use astrape_wire::OnionPacket;
use bitcoin::hashes::{HashEngine as _, cmp::fixed_time_eq};
use bitcoin::secp256k1::PublicKey;
use chacha20::cipher::StreamCipher as _;

/// A layer taken off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peeled {
    /// What the origin shares with this node. Answers to the HTLC are made with it, and its
    /// [`replay_id`](SharedSecret::replay_id) tells replays.
    pub shared_secret: SharedSecret,
    /// What this node is asked to do.
    pub hop: Hop,
}

/// What an onion asks of the node that peels it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hop {
    /// Forward the HTLC.
    Forward {
        /// To whom and how much.
        payload: ForwardPayload,
        /// The onion for the next node.
        next: OnionPacket,
    },
    /// This node is the recipient.
    Final {
        /// What is paid.
        payload: FinalPayload,
    },
}

/// Why a layer does not come off. Neither is a fault of the channel: the HTLC is failed once irrevocably committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeelFailure {
    /// The packet gives no trustworthy shared secret, so the previous node answers the origin: sent as
    /// `update_fail_malformed_htlc`.
    Malformed {
        /// One of the codes with the BADONION bit.
        failure_code: u16,
        /// The hash of the packet.
        sha256_of_onion: [u8; 32],
    },
    /// The origin wrote something that cannot be followed: sent as `update_fail_htlc`, see [`crate::create_failure`].
    Payload {
        /// Encrypts the failure.
        shared_secret: SharedSecret,
        /// What the origin is told.
        failure: Failure,
    },
}

impl PeelFailure {
    /// The only answer to an HTLC whose `update_add_htlc` carries a `path_key` while this node does not take part in
    /// blinded paths: nothing more may be told from inside one (BOLT 4, "Failure Messages").
    #[must_use]
    pub fn blinded(packet: &OnionPacket) -> Self {
        malformed(packet, code::INVALID_ONION_BLINDING)
    }
}

/// Takes this node's layer off a packet.
///
/// `ecdh` is the Diffie-Hellman of the packet's key and the node's private key, as `libsecp256k1` defines it (SHA-256 of
/// the compressed point). It is called at most once, and only with a packet of a known version and a valid key. Costs, apart
/// from it, one multiplication of a point when there is a next hop.
///
/// Replays are for the caller to detect.
///
/// # Errors
/// See [`PeelFailure`]; both kinds say how the HTLC is to be failed.
pub fn peel(
    packet: &OnionPacket,
    payment_hash: &PaymentHash,
    ecdh: impl FnOnce(&PublicKey) -> [u8; 32],
) -> Result<Peeled, PeelFailure> {
    let onion = fields(packet);
    if onion.version != VERSION {
        return Err(malformed(packet, code::INVALID_ONION_VERSION));
    }
    let ephemeral =
        PublicKey::from_slice(onion.public_key).map_err(|_| malformed(packet, code::INVALID_ONION_KEY))?;
    let secret = SharedSecret::from_bytes(ecdh(&ephemeral));

    let mut mac = secret.mac(KeyKind::Mu);
    mac.input(onion.payloads);
    mac.input(&payment_hash.0);
    if !fixed_time_eq(&finish(mac), onion.hmac) {
        return Err(malformed(packet, code::INVALID_ONION_HMAC));
    }

    let refuse = |bad: BadPayload| PeelFailure::Payload {
        shared_secret: secret,
        failure: bad.into_failure(|| sha256_of_onion(packet)),
    };
    // The second half holds zeros: their stream is the filler that the next hop receives.
    let mut unwrapped = [0u8; 2 * PAYLOADS_LEN];
    unwrapped[..PAYLOADS_LEN].copy_from_slice(onion.payloads);
    let mut keystream = secret.stream(KeyKind::Rho);
    keystream.apply_keystream(&mut unwrapped[..PAYLOADS_LEN]);
    let frame = Frame::read(&unwrapped[..PAYLOADS_LEN]).ok_or(BadPayload::FRAME).map_err(refuse)?;
    let hop = if frame.next_hmac == [0; HMAC_LEN] {
        Hop::Final { payload: decode_final(frame.payload, frame.payload_at).map_err(refuse)? }
    } else {
        let payload = decode_forward(frame.payload, frame.payload_at).map_err(refuse)?;
        let next_key = secret
            .blinding_factor(&ephemeral)
            .and_then(|factor| ephemeral.mul_tweak(&SECP, &factor).ok())
            .ok_or(BadPayload::FRAME)
            .map_err(refuse)?;
        let (end, next_hmac) = (frame.end, frame.next_hmac);
        keystream.apply_keystream(&mut unwrapped[PAYLOADS_LEN..PAYLOADS_LEN + end]);
        let next = assemble(VERSION, &next_key, &unwrapped[end..end + PAYLOADS_LEN], &next_hmac);
        Hop::Forward { payload, next }
    };
    Ok(Peeled { shared_secret: secret, hop })
}

fn malformed(packet: &OnionPacket, failure_code: u16) -> PeelFailure {
    PeelFailure::Malformed { failure_code, sha256_of_onion: sha256_of_onion(packet) }
}

/// The front of the decrypted payloads: what belongs to this node.
struct Frame<'a> {
    payload: &'a [u8],
    /// Where the payload begins: after its length.
    payload_at: usize,
    next_hmac: [u8; HMAC_LEN],
    /// Where the next node's part begins.
    end: usize,
}

impl<'a> Frame<'a> {
    /// `None` when the length is malformed or reserved, or when it reaches out of the packet. Only slices what is
    /// there, so that the length that the origin claims costs nothing.
    fn read(unwrapped: &'a [u8]) -> Option<Self> {
        let (length, payload_at) = match *unwrapped.first()? {
            short @ 2..0xfd => (usize::from(short), 1),
            0xfd => {
                let long = u16::from_be_bytes(*unwrapped.get(1..)?.first_chunk()?);
                if long < 0xfd {
                    return None;
                }
                (usize::from(long), 3)
            }
            // 0 and 1 are reserved; 4 and 8 byte lengths cannot fit.
            _ => return None,
        };
        let (payload, rest) = unwrapped.get(payload_at..)?.split_at_checked(length)?;
        let next_hmac = *rest.first_chunk()?;
        Some(Self { payload, payload_at, next_hmac, end: payload_at + length + HMAC_LEN })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn length_prefix(prefix: &[u8]) -> Option<usize> {
        let mut unwrapped = [7u8; PAYLOADS_LEN];
        unwrapped[..prefix.len()].copy_from_slice(prefix);
        Frame::read(&unwrapped).map(|frame| frame.payload.len())
    }

    // BOLT 4.onion-decryption.7
    // BOLT 4.onion-decryption.8
    #[test]
    fn a_malformed_or_reserved_length_is_refused() {
        assert_eq!(length_prefix(&[2]), Some(2));
        assert_eq!(length_prefix(&[0xfc]), Some(0xfc));
        assert_eq!(length_prefix(&[0xfd, 0, 0xfd]), Some(0xfd));
        for bad in [&[0][..], &[1], &[0xfd, 0, 0xfc], &[0xfd, 0, 0]] {
            assert_eq!(length_prefix(bad), None, "{bad:?}");
        }
        assert!(Frame::read(&[]).is_none());
        assert!(Frame::read(&[0xfd, 1]).is_none());
    }

    // BOLT 4.onion-decryption.9
    // BOLT 4.onion-decryption.10
    // BOLT 4.onion-decryption.11
    // attack 61
    #[test]
    fn a_length_that_leaves_no_room_for_the_hmac_is_refused_whatever_it_claims() {
        let most = u16::try_from(PAYLOADS_LEN - 3 - HMAC_LEN).expect("small");
        let [high, low] = most.to_be_bytes();
        assert_eq!(length_prefix(&[0xfd, high, low]), Some(usize::from(most)));
        assert_eq!(length_prefix(&[0xfd, high, low + 1]), None);
        assert_eq!(length_prefix(&[0xfd, 0xff, 0xff]), None);
        assert_eq!(length_prefix(&[0xfe, 0xff, 0xff, 0xff, 0xff]), None);
        assert_eq!(length_prefix(&[0xff; 9]), None);
    }
}
