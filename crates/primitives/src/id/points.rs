//! Points whose square root was taken lately, for each thread.
//!
//! A point has a compressed form of 33 bytes, and to make it whole costs a square root. The network is some ten thousand nodes
//! whose ids come again and again: in announcements, in what they sign, in routes. The answer is the same with or without this
//! memory, only the time is not.

use bitcoin::secp256k1::PublicKey;
use std::cell::RefCell;

/// Points that a thread remembers at most, each in the one place that its bytes name. Whoever makes ids for one place makes
/// them forgotten, and that is all.
const MAX_KNOWN: usize = 1 << 15;

/// A point with its compressed form.
type Known = Box<([u8; 33], PublicKey)>;

thread_local! {
    static KNOWN: RefCell<Vec<Option<Known>>> = const { RefCell::new(Vec::new()) };
}

/// The point of a compressed form, or `None` when there is none.
pub(super) fn point(bytes: &[u8; 33]) -> Option<PublicKey> {
    KNOWN.with_borrow_mut(|known| {
        if known.is_empty() {
            known.resize(MAX_KNOWN, None);
        }
        let place = known.get_mut(place(bytes))?;
        if let Some((_, point)) = place.as_deref().filter(|(form, _)| form == bytes) {
            return Some(*point);
        }
        let point = PublicKey::from_slice(bytes).ok()?;
        *place = Some(Box::new((*bytes, point)));
        Some(point)
    })
}

fn place(bytes: &[u8; 33]) -> usize {
    let [_, low, high, ..] = *bytes;
    usize::from(u16::from_le_bytes([low, high])) % MAX_KNOWN
}

#[cfg(test)]
mod tests {
    use super::*;
    use bitcoin::secp256k1::{Secp256k1, SecretKey};

    #[test]
    fn a_point_is_the_same_when_it_comes_again_and_when_others_have_its_place() {
        let secp = Secp256k1::new();
        let keys = (1..=40_u8).map(|n| SecretKey::from_slice(&[n; 32]).expect("a key").public_key(&secp));
        let keys: Vec<PublicKey> = keys.collect();
        for key in keys.iter().chain(&keys) {
            assert_eq!(point(&key.serialize()), Some(*key));
            // The point below has the same place.
            let below = key.negate(&secp);
            assert_eq!(place(&below.serialize()), place(&key.serialize()));
            assert_eq!(point(&below.serialize()), Some(below));
        }
    }

    #[test]
    fn what_is_no_point_is_none_before_and_after_one_that_has_its_place() {
        let key = Secp256k1::new();
        let key = SecretKey::from_slice(&[7; 32]).expect("a key").public_key(&key);
        let mut wrong = key.serialize();
        wrong[0] = 4;
        for _ in 0..2 {
            assert_eq!(point(&wrong), None);
            assert_eq!(point(&key.serialize()), Some(key));
        }
        assert_eq!(point(&[0; 33]), None);
    }
}
