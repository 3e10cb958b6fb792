//! What the core wants the network told is signed and taken here, in its order: a node is known by its channels, and a
//! channel by its announcement.

use super::GossipEngine;
use crate::engine::Shared;
use astrape_node::Announcement;
use std::sync::Arc;

/// Signs and takes until the engine stops.
pub(super) async fn run(shared: Arc<Shared>) {
    let stop = shared.shutdown.clone();
    tokio::select! {
        () = stop.begun() => {}
        () = announce(&shared) => {}
    }
}

async fn announce(shared: &Arc<Shared>) {
    loop {
        let Some(announcement) = shared.gossip.next_announcement() else {
            shared.gossip.announces.notified().await;
            continue;
        };
        let signing = Arc::clone(shared);
        let signed = tokio::task::spawn_blocking(move || signing.gossip.sign(&signing, announcement)).await;
        if let Err(error) = signed {
            shared.shutdown.fail(format_args!("signing an announcement panicked: {error}"));
            return;
        }
    }
}

impl GossipEngine {
    fn next_announcement(&self) -> Option<Announcement> {
        self.lock().to_announce.pop_front()
    }

    fn sign(&self, shared: &Shared, announcement: Announcement) {
        let (is_ours, funding) = match &announcement {
            Announcement::Channel { funding, .. } => (true, Some(*funding)),
            Announcement::Update(_) | Announcement::Node(_) => (true, None),
            Announcement::PeerUpdate(_) => (false, None),
        };
        match astrape_node::release::announce(announcement, &*shared.signer) {
            Ok(message) if is_ours => self.own(message, funding),
            Ok(message) => self.of_peer(message),
            Err(error) => shared.shutdown.fail(error),
        }
    }

    /// Has something of ours told to the network. Never waits.
    pub(crate) fn announce(&self, announcement: Announcement) {
        self.lock().to_announce.push_back(announcement);
        self.announces.notify_one();
    }
}
