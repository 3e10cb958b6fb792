//! The points of nodes whose signatures were checked lately.
//!
//! A node's id is its point in a compressed form: to make it whole costs a square root, a sixth of what a signature costs. The
//! network is some ten thousand nodes, whose ids come again with every channel and every update.

use astrape_primitives::ClaimedId;
use bitcoin::secp256k1::PublicKey;

/// Points that are remembered at most, each in the one place that its bytes name. Whoever makes ids for one place makes them
/// forgotten, and that is all.
const MAX_POINTS: usize = 1 << 16;

/// A memory of points: what is asked of it is the same with and without what it remembers, only the time is not.
#[derive(Clone, Debug, Default)]
pub struct Points {
    places: Vec<Option<Box<(ClaimedId, PublicKey)>>>,
}

impl Points {
    /// The point of a node; none when there can be no such node.
    pub fn of(&mut self, node: &ClaimedId) -> Option<PublicKey> {
        if self.places.is_empty() {
            self.places.resize(MAX_POINTS, None);
        }
        let point = |node: &ClaimedId| PublicKey::from_slice(node.as_bytes()).ok();
        let Some(place) = self.places.get_mut(place(node)) else { return point(node) };
        if let Some((_, point)) = place.as_deref().filter(|(known, _)| known == node) {
            return Some(*point);
        }
        let point = point(node)?;
        *place = Some(Box::new((*node, point)));
        Some(point)
    }
}

fn place(node: &ClaimedId) -> usize {
    let [_, low, high, ..] = *node.as_bytes();
    usize::from(u16::from_le_bytes([low, high])) % MAX_POINTS
}

#[cfg(test)]
mod tests {
    use super::*;
    use bitcoin::secp256k1::{Secp256k1, SecretKey};

    #[test]
    fn a_point_is_the_same_when_it_is_asked_for_again_and_when_another_had_its_place() {
        let secp = Secp256k1::new();
        let keys = (1..=40_u8).map(|n| SecretKey::from_slice(&[n; 32]).expect("a key").public_key(&secp));
        let keys: Vec<PublicKey> = keys.collect();
        let mut points = Points::default();
        for key in keys.iter().chain(&keys) {
            // The point on the other side differs in the first byte alone.
            for key in [*key, key.negate(&secp)] {
                let node = ClaimedId::from_bytes(key.serialize());
                assert_eq!([points.of(&node), points.of(&node)], [Some(key); 2]);
            }
        }
        assert_eq!(points.places.iter().flatten().count(), keys.len());
        let nobody = ClaimedId::from_bytes([5; 33]);
        assert_eq!([points.of(&nobody), points.of(&nobody)], [None; 2]);
    }
}
