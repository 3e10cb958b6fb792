//! Stays connected with the peers that the node remembers and those of its channels, and tries again ever more rarely where
//! that fails.

use super::dial::dial;
use super::places;
use crate::engine::{Shared, clock};
use astrape_node::Node;
use astrape_primitives::NodeId;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Attempts at a time: after a restart of a large node the others wait.
const MAX_DIALS: usize = 16;

/// How often the node is asked whom it remembers.
const LOOK: Duration = Duration::from_secs(5);

/// When peers are tried again.
pub(crate) struct Backoffs {
    first: Duration,
    most: Duration,
    /// How much longer than the pause a connection must last to end the pauses: a peer that lets us in only to be hung up on again
    /// is as far from well as one that is not there.
    lasting: Duration,
    state: Mutex<BTreeMap<NodeId, Backoff>>,
}

#[derive(Clone, Copy)]
struct Backoff {
    /// Not before.
    next: Instant,
    /// How long the pause before it was.
    pause: Duration,
    is_dialling: bool,
    was_connected: bool,
}

/// A peer to stay connected with.
#[derive(Default)]
struct Wanted {
    /// Where it was reached before, as `host:port`.
    remembered: Vec<String>,
    /// Whether it has channels with us: then it is looked for in the network too, should it have moved.
    has_channel: bool,
}

impl Backoffs {
    pub(crate) fn new(fast: bool) -> Self {
        let (first, most) = if fast { (100, 1_000) } else { (1_000, 60_000) };
        let (first, most) = (Duration::from_millis(first), Duration::from_millis(most));
        Self { first, most, lasting: most / 5, state: Mutex::default() }
    }

    /// Whether a peer may be tried now; if so, nobody else does until its [`Attempt`] is over.
    fn begin(&self, peer: NodeId) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let backoff = state.entry(peer).or_insert(Backoff {
            next: now,
            pause: Duration::ZERO,
            is_dialling: false,
            was_connected: false,
        });
        let may = !backoff.is_dialling && backoff.next <= now;
        backoff.is_dialling |= may;
        may
    }

    fn ended(&self, peer: NodeId, connected: bool) {
        let now = Instant::now();
        let pause = |before: Option<&Backoff>| {
            let longer = before.map_or(Duration::ZERO, |b| b.pause * 2).clamp(self.first, self.most);
            let was_short = before.is_some_and(|b| b.was_connected && now < b.next + self.lasting);
            if connected && !was_short { self.first } else { longer }
        };
        self.set(peer, connected, pause);
    }

    /// A peer is tried again, but not soon.
    pub(crate) fn put_off(&self, peer: NodeId) {
        self.set(peer, false, |_| self.most * 5);
    }

    fn set(&self, peer: NodeId, was_connected: bool, pause: impl FnOnce(Option<&Backoff>) -> Duration) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let pause = pause(state.get(&peer));
        let next = Instant::now() + pause + jitter(pause);
        state.insert(peer, Backoff { next, pause, is_dialling: false, was_connected });
    }

    /// Forgets peers that are not looked for any more.
    fn retain(&self, wanted: &BTreeMap<NodeId, Wanted>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.retain(|peer, backoff| backoff.is_dialling || wanted.contains_key(peer));
    }
}

/// How long one attempt may take, at all places of a peer together: others wait for its turn.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(120);

/// Up to a half more, so that nodes which lost each other do not try in step.
fn jitter(pause: Duration) -> Duration {
    let [byte, ..] = clock::fresh32();
    pause / 512 * u32::from(byte)
}

/// Looks after the connections until the engine stops.
pub(crate) async fn run(shared: Arc<Shared>) {
    let look = if shared.dev_fast { Duration::from_millis(300) } else { LOOK };
    let dials = Arc::new(Semaphore::new(MAX_DIALS));
    loop {
        let node = shared.published.get();
        let of_channels = of_channels(&node);
        let wanted = wanted(&node, &of_channels);
        drop(node);
        shared.peers.set_of_channels(of_channels);
        shared.backoffs.retain(&wanted);
        for (peer, wanted) in wanted {
            if shared.peers.get(&peer).is_none() && shared.backoffs.begin(peer) {
                tokio::spawn(attempt(Arc::clone(&shared), Arc::clone(&dials), peer, wanted));
            }
        }
        tokio::select! {
            () = shared.shutdown.begun() => return,
            () = shared.peers.changed.notified() => {
                // Not more often than this, however fast connections come and go.
                tokio::time::sleep(look / 10).await;
            }
            () = tokio::time::sleep(look) => {}
        }
    }
}

/// An attempt to reach a peer. It ends when this goes, in a panic too: a peer that is being tried for ever is never tried again.
struct Attempt<'a> {
    backoffs: &'a Backoffs,
    peer: NodeId,
    connected: bool,
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        self.backoffs.ended(self.peer, self.connected);
    }
}

async fn attempt(shared: Arc<Shared>, dials: Arc<Semaphore>, peer: NodeId, wanted: Wanted) {
    let mut attempt = Attempt { backoffs: &shared.backoffs, peer, connected: false };
    let Ok(_permit) = dials.acquire().await else { return };
    let trying = tokio::time::timeout(ATTEMPT_TIMEOUT, is_reached(&shared, peer, &wanted));
    attempt.connected = trying.await.unwrap_or(false);
}

/// Tries the places where a peer may be, one after the other.
async fn is_reached(shared: &Arc<Shared>, peer: NodeId, wanted: &Wanted) -> bool {
    for address in &wanted.remembered {
        if is_reached_at(shared, peer, address).await {
            return true;
        }
    }
    if !wanted.has_channel {
        return false;
    }
    for address in places::announced(shared, &peer, &wanted.remembered).await {
        if is_reached_at(shared, peer, &address).await {
            return true;
        }
    }
    false
}

async fn is_reached_at(shared: &Arc<Shared>, peer: NodeId, address: &str) -> bool {
    match dial(shared, peer, address).await {
        Ok(_) => true,
        Err(error) => {
            tracing::debug!(%peer, %error, "cannot reconnect");
            false
        }
    }
}

/// Whom to stay connected with, by what is remembered of it.
fn wanted(node: &Node, of_channels: &BTreeMap<NodeId, usize>) -> BTreeMap<NodeId, Wanted> {
    let mut wanted: BTreeMap<NodeId, Wanted> = BTreeMap::new();
    for (peer, known) in node.known_peers() {
        wanted.entry(peer).or_default().remembered.clone_from(&known.addresses);
    }
    for peer in of_channels.keys() {
        wanted.entry(*peer).or_default().has_channel = true;
    }
    wanted
}

/// With whom we have channels, and how many.
fn of_channels(node: &Node) -> BTreeMap<NodeId, usize> {
    let mut of_channels = BTreeMap::new();
    for (_, channel) in node.channels() {
        *of_channels.entry(channel.peer()).or_default() += 1;
    }
    of_channels
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pause(backoffs: &Backoffs, peer: NodeId) -> Duration {
        backoffs.state.lock().expect("no panic")[&peer].pause
    }

    fn peer() -> NodeId {
        "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798".parse().expect("a point")
    }

    #[test]
    fn pauses_grow_to_a_bound_and_begin_anew_after_a_success() {
        let backoffs = Backoffs::new(false);
        let peer = peer();
        assert!(backoffs.begin(peer));
        assert!(!backoffs.begin(peer), "it is being tried");
        let mut before = Duration::ZERO;
        for _ in 0..20 {
            backoffs.ended(peer, false);
            assert!(pause(&backoffs, peer) >= before);
            before = pause(&backoffs, peer);
        }
        assert_eq!(before, backoffs.most);
        assert!(!backoffs.begin(peer), "it is too early");
        backoffs.ended(peer, true);
        assert_eq!(pause(&backoffs, peer), backoffs.first);
    }

    #[test]
    fn a_peer_whose_connections_do_not_last_is_tried_ever_more_rarely() {
        let (backoffs, peer) = (Backoffs::new(false), peer());
        let mut expected = backoffs.first;
        for _ in 0..20 {
            backoffs.ended(peer, true);
            assert_eq!(pause(&backoffs, peer), expected);
            expected = (expected * 2).min(backoffs.most);
        }
        // The last one did.
        let before = Instant::now().checked_sub(backoffs.lasting).expect("the machine is up for longer");
        backoffs.state.lock().expect("no panic").get_mut(&peer).expect("known").next = before;
        backoffs.ended(peer, true);
        assert_eq!(pause(&backoffs, peer), backoffs.first);
    }

    #[test]
    fn an_attempt_that_panics_is_over() {
        let (backoffs, peer) = (Arc::new(Backoffs::new(true)), peer());
        assert!(backoffs.begin(peer));
        let shared = Arc::clone(&backoffs);
        let attempt = std::thread::spawn(move || {
            let _attempt = Attempt { backoffs: &shared, peer, connected: false };
            panic!("it was told to");
        });
        assert!(attempt.join().is_err());
        std::thread::sleep(2 * backoffs.first);
        assert!(backoffs.begin(peer), "it is tried again");
    }

    #[test]
    fn jitter_adds_at_most_a_half() {
        for _ in 0..100 {
            assert!(jitter(Duration::from_secs(10)) <= Duration::from_secs(5));
        }
    }
}
