//! Lots drawn among nodes, so that nobody can choose an id that comes first.

use astrape_primitives::NodeId;
use bitcoin::hashes::{Hash as _, HashEngine as _, sha256};

/// What a node draws: the lower comes first. Nobody foresees it who does not know the `seed`.
pub(crate) fn lot(seed: &[u8], node_id: &NodeId) -> sha256::Hash {
    let mut engine = sha256::Hash::engine();
    engine.input(seed);
    engine.input(node_id.as_bytes());
    sha256::Hash::from_engine(engine)
}
