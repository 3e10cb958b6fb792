//! The node as it was after the newest commit: what every read uses. Nothing in it can be lost any more.

use astrape_node::Node;
use std::sync::{Arc, PoisonError, RwLock};

/// Where the newest snapshot lies. Clones are the same place.
#[derive(Clone)]
pub(crate) struct Published(Arc<RwLock<Arc<Node>>>);

impl Published {
    /// With the node as it was restored.
    pub(crate) fn new(node: &Node) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(node.clone()))))
    }

    /// The newest snapshot.
    pub(crate) fn get(&self) -> Arc<Node> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts a newer one in its place.
    pub(crate) fn set(&self, node: Arc<Node>) {
        let older = {
            let mut place = self.0.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *place, node)
        };
        // Not under the lock: what only the older one had is freed here.
        drop(older);
    }
}
