//! Peers: who is connected, and by which of several connections. One connection a peer.
//!
//! | room | what is in it |
//! |---|---|
//! | `handshakes` | those of others that are under way, and which give way |
//! | `shake` | the handshake on a socket, within its deadline |
//! | `connection` | one connection from its handshake to its end |
//! | `reader` | decrypts, decodes, asks the session, prepares, hands to the core |
//! | `prepare` | messages as the core takes them: peeled, with fresh keys, with what lookups found |
//! | `writer` | signs, encodes, encrypts, sends |
//! | `link`, `room` | what the rest of the engine holds of a connection, and how much may wait to be said |
//! | `listen`, `dial`, `reconnect` | where connections come from |
//! | `places` | where a peer may be reached |
//!
//! A connection that replaces another one of the same peer waits until the core has taken the end of the older one and
//! all that it led to is out: so nothing that was meant for the older one is ever said on the newer.

pub(crate) mod connection;
pub(crate) mod dial;
pub(crate) mod handshakes;
pub(crate) mod link;
pub(crate) mod listen;
pub(crate) mod places;
pub(crate) mod prepare;
pub(crate) mod reader;
pub(crate) mod reconnect;
mod room;
pub(crate) mod shake;
pub(crate) mod writer;

use astrape_primitives::NodeId;
use link::Link;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, OwnedMutexGuard};

/// Connections that others opened, those of our channels' peers not counted: each costs some hundred kilobytes at worst.
pub(crate) const MAX_INBOUND: usize = 500;

/// Two connections that are opened so close to each other, one from each side, are taken for simultaneous: both sides
/// keep the one that the smaller node id opened, so that they do not close one each.
const SIMULTANEOUS: Duration = Duration::from_secs(5);

/// Why a connection is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotTaken {
    #[error("another connection with this peer was opened at the same time")]
    Simultaneous,
    #[error("{MAX_INBOUND} peers without a channel are connected already")]
    Full,
}

/// Who is connected.
pub(crate) struct Peers {
    us: NodeId,
    state: Mutex<State>,
    /// Something changed that `reconnect` may want to know.
    pub(crate) changed: Notify,
    /// Whom our own tasks dial now: one at a time a peer. Of two, each side could end another one.
    dialling: Mutex<BTreeMap<NodeId, Arc<tokio::sync::Mutex<()>>>>,
}

#[derive(Default)]
struct State {
    links: BTreeMap<NodeId, (Arc<Link>, Instant)>,
    /// Peers with which we have channels, and how many: always let in.
    of_channels: BTreeMap<NodeId, usize>,
    /// The engine stops: nobody comes in any more.
    closed: bool,
}

impl Peers {
    pub(crate) fn new(us: NodeId) -> Self {
        Self { us, state: Mutex::default(), changed: Notify::new(), dialling: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until no other task of ours dials this peer. Nobody does while what is returned lives.
    pub(crate) async fn turn_to_dial(&self, peer: NodeId) -> OwnedMutexGuard<()> {
        let turn = {
            let mut dialling = self.dialling.lock().unwrap_or_else(PoisonError::into_inner);
            // What nobody but the map holds is over.
            dialling.retain(|_, turn| Arc::strong_count(turn) > 1);
            Arc::clone(dialling.entry(peer).or_default())
        };
        turn.lock_owned().await
    }

    /// Makes a connection the peer's only one. One that was there before is ended, and its end waited for.
    pub(crate) async fn claim(&self, link: &Arc<Link>) -> Result<(), NotTaken> {
        while let Some(older) = self.claim_or_older(link)? {
            tracing::debug!(peer = %link.peer, "a new connection takes the place of the old one");
            older.gone.raise();
            older.over.raised().await;
        }
        Ok(())
    }

    fn claim_or_older(&self, link: &Arc<Link>) -> Result<Option<Arc<Link>>, NotTaken> {
        let mut state = self.lock();
        if state.closed {
            return Err(NotTaken::Full);
        }
        if let Some((older, since)) = state.links.get(&link.peer) {
            let ours_wins = self.us < link.peer;
            let older_wins = match (older.inbound, link.inbound) {
                // Nobody dials a peer that is connected, unless two of our own tasks do.
                (false, false) => true,
                // The peer knows best why it comes again.
                (true, true) => false,
                (older_is_theirs, _) => older_is_theirs != ours_wins,
            };
            if older_wins && since.elapsed() < SIMULTANEOUS && !older.gone.is_raised() {
                return Err(NotTaken::Simultaneous);
            }
            return Ok(Some(Arc::clone(older)));
        }
        state.make_room(link)?;
        link.make_room(state.of_channels.get(&link.peer).copied().unwrap_or_default());
        state.links.insert(link.peer, (Arc::clone(link), Instant::now()));
        Ok(None)
    }

    /// The end of a connection: its place is free.
    pub(crate) fn release(&self, link: &Link) {
        let mut state = self.lock();
        if state.links.get(&link.peer).is_some_and(|(present, _)| present.id == link.id) {
            state.links.remove(&link.peer);
        }
        drop(state);
        link.over.raise();
        self.changed.notify_one();
    }

    /// The connection with a peer.
    pub(crate) fn get(&self, peer: &NodeId) -> Option<Arc<Link>> {
        self.lock().links.get(peer).map(|(link, _)| Arc::clone(link))
    }

    /// All connections.
    pub(crate) fn all(&self) -> Vec<Arc<Link>> {
        self.lock().links.values().map(|(link, _)| Arc::clone(link)).collect()
    }

    /// With how many peers we are connected that are ours by choice: who only came to us may be there to keep others away.
    pub(crate) fn chosen(&self) -> usize {
        let state = self.lock();
        let is_chosen = |link: &Link| !link.inbound || state.of_channels.contains_key(&link.peer);
        state.links.values().filter(|(link, _)| link.is_up() && is_chosen(link)).count()
    }

    /// Nobody comes in any more.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
    }

    /// Says with whom we have channels, and how many.
    pub(crate) fn set_of_channels(&self, peers: BTreeMap<NodeId, usize>) {
        let mut state = self.lock();
        state.of_channels = peers;
        for (peer, (link, _)) in &state.links {
            link.make_room(state.of_channels.get(peer).copied().unwrap_or_default());
        }
    }

    /// Whether we have a channel with a peer.
    pub(crate) fn has_channels(&self, peer: &NodeId) -> bool {
        self.lock().of_channels.contains_key(peer)
    }

    /// There is one channel more with a peer.
    pub(crate) fn add_of_channels(&self, peer: NodeId) {
        let mut state = self.lock();
        let channels = state.of_channels.entry(peer).or_default();
        *channels += 1;
        let channels = *channels;
        if let Some((link, _)) = state.links.get(&peer) {
            link.make_room(channels);
        }
    }
}

impl State {
    /// Whether there is room for a connection. Peers of our channels are always let in.
    fn make_room(&self, link: &Link) -> Result<(), NotTaken> {
        if !link.inbound || self.of_channels.contains_key(&link.peer) {
            return Ok(());
        }
        let is_stranger = |(peer, (link, _)): &(&NodeId, &(Arc<Link>, Instant))| {
            link.inbound && !self.of_channels.contains_key(peer)
        };
        let strangers = self.links.iter().filter(is_stranger).count();
        if strangers >= MAX_INBOUND { Err(NotTaken::Full) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use astrape_primitives::NodeId;
    use bitcoin::secp256k1::{PublicKey, Secp256k1, SecretKey};

    fn node(n: u16) -> NodeId {
        let mut key = [1; 32];
        key[..2].copy_from_slice(&n.to_be_bytes());
        let key = SecretKey::from_slice(&key).expect("a private key");
        NodeId::from_key(&PublicKey::from_secret_key(&Secp256k1::new(), &key))
    }

    fn link(peer: NodeId, inbound: bool) -> Arc<Link> {
        Link::new(peer, inbound, "somewhere".into()).0
    }

    fn sorted() -> (NodeId, NodeId) {
        let (a, b) = (node(1), node(2));
        (a.min(b), a.max(b))
    }

    #[tokio::test]
    async fn of_two_simultaneous_connections_both_sides_keep_the_same() {
        let (small, large) = sorted();
        for (us, peer) in [(small, large), (large, small)] {
            for first_is_inbound in [true, false] {
                let peers = Peers::new(us);
                let (first, second) = (link(peer, first_is_inbound), link(peer, !first_is_inbound));
                peers.claim(&first).await.expect("nobody else is there");
                first.over.raise();
                let claimed = peers.claim_or_older(&second).map(|older| older.is_some());
                let opened_by_small = |inbound: bool| inbound != (us == small);
                let expected =
                    if opened_by_small(first_is_inbound) { Err(NotTaken::Simultaneous) } else { Ok(true) };
                assert_eq!(claimed, expected);
            }
        }
    }

    #[tokio::test]
    async fn a_new_connection_waits_for_the_end_of_the_old_one() {
        let (us, peer) = sorted();
        let peers = Arc::new(Peers::new(us));
        let (old, new) = (link(peer, true), link(peer, true));
        peers.claim(&old).await.expect("nobody else is there");
        let claiming = tokio::spawn({
            let (peers, new) = (Arc::clone(&peers), Arc::clone(&new));
            async move { peers.claim(&new).await }
        });
        old.gone.raised().await;
        assert_eq!(peers.get(&peer).map(|l| l.id), Some(old.id));
        peers.release(&old);
        claiming.await.expect("no panic").expect("the place is free");
        assert_eq!(peers.get(&peer).map(|l| l.id), Some(new.id));
    }

    #[tokio::test]
    async fn one_task_at_a_time_dials_a_peer() {
        let peers = Peers::new(node(0));
        let first = peers.turn_to_dial(node(1)).await;
        let soon = Duration::from_millis(20);
        assert!(
            tokio::time::timeout(soon, peers.turn_to_dial(node(1))).await.is_err(),
            "it is being dialled"
        );
        drop(peers.turn_to_dial(node(2)).await);
        drop(first);
        drop(peers.turn_to_dial(node(1)).await);
        assert_eq!(peers.dialling.lock().expect("no panic").len(), 1, "what is over is forgotten");
    }

    #[tokio::test]
    async fn strangers_are_bounded_and_peers_of_channels_always_come_in() {
        let peers = Peers::new(node(0));
        for n in 1..=u16::try_from(MAX_INBOUND).expect("few") {
            peers.claim(&link(node(n), true)).await.expect("there is room");
        }
        let friend = node(9_999);
        assert_eq!(peers.claim(&link(friend, true)).await, Err(NotTaken::Full));
        assert_eq!(peers.claim(&link(node(9_998), false)).await, Ok(()), "whom we dial is let in");
        peers.add_of_channels(friend);
        assert_eq!(peers.claim(&link(friend, true)).await, Ok(()));
    }
}
