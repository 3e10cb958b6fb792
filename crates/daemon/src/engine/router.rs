//! Ways for payments: searches on the newest snapshot of the network, and what payments have taught of its liquidity.
//!
//! The core asks, after the commit of the step that asks; a search runs on a thread that may block, and its answer is an input.
//! What was learnt is written now and then to a file of its own: lost, it is learnt again.

use super::gossip::GossipEngine;
use super::{Shared, clock};
use astrape_node::{Found, Input};
use astrape_payment::{RouteQuery, Taught};
use astrape_primitives::{ShortChannelId, Timestamp};
use astrape_routing::{Crossing, Finder, NoRoute, Request, Route, Scores};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle as Runtime;
use tokio::sync::Semaphore;

/// Searches at a time; the others wait. Each keeps some megabytes of working memory on a large network.
const MAX_SEARCHES: usize = 4;

/// How often what was learnt is written.
const SAVE_EVERY: Duration = Duration::from_secs(60);

/// The file's name in the node's directory.
const NAME: &str = "scores";

/// The largest file that is read: what the most channels that are kept take, and some.
const MAX_FILE: u64 = 16 << 20;

/// Searches, and what they know.
pub(crate) struct Router {
    known: Mutex<Known>,
    /// Finders that nobody uses at the moment.
    idle: Mutex<Vec<Finder>>,
    permits: Arc<Semaphore>,
    path: PathBuf,
}

struct Known {
    scores: Scores,
    is_saved: bool,
}

impl Router {
    /// With what a directory has of earlier times.
    pub(crate) fn open(directory: &Path) -> Self {
        let path = directory.join(NAME);
        let scores = read(&path);
        Self {
            known: Mutex::new(Known { scores, is_saved: true }),
            idle: Mutex::default(),
            permits: Arc::new(Semaphore::new(MAX_SEARCHES)),
            path,
        }
    }

    /// Keeps what a payment has taught.
    pub(crate) fn learn(&self, gossip: &GossipEngine, taught: &[Taught]) {
        let now = clock::now();
        let crossings: Vec<_> =
            taught.iter().filter_map(|taught| Some((crossing(gossip, taught)?, taught.outcome))).collect();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for (crossing, outcome) in crossings {
            known.scores.learn(&crossing, outcome, now);
            known.is_saved = false;
        }
    }

    /// Keeps how long channels took to cross, in milliseconds.
    pub(crate) fn learn_delays(&self, delays: &[(ShortChannelId, u64)]) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for (channel, delay_ms) in delays {
            known.scores.learn_delay(*channel, *delay_ms);
            known.is_saved = false;
        }
    }

    /// Finds ways; takes milliseconds, and may wait for nobody.
    pub(crate) fn find(&self, gossip: &GossipEngine, request: &Request<'_>) -> Result<Route, NoRoute> {
        let snapshot = gossip.snapshot();
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut finder = {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            match idle {
                Some(mut finder) => {
                    finder.look_at(&snapshot, &known.scores);
                    finder
                }
                None => Finder::new(snapshot, &known.scores),
            }
        };
        let found = finder.find(request);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_SEARCHES {
            idle.push(finder);
        }
        found
    }

    /// Writes what was learnt since the last time.
    fn save(&self, now: Timestamp) -> std::io::Result<()> {
        let bytes = {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if known.is_saved {
                return Ok(());
            }
            known.scores.prune(now);
            known.is_saved = true;
            known.scores.to_bytes()
        };
        let new = self.path.with_extension("new");
        std::fs::write(&new, bytes)?;
        std::fs::rename(&new, &self.path)
    }
}

/// A channel that was crossed, with what it holds; `None` when the network does not know it (any more).
fn crossing(gossip: &GossipEngine, taught: &Taught) -> Option<Crossing> {
    let (channel, _) = gossip.channel(taught.short_channel_id)?;
    let maximum = || channel.policies.iter().flatten().map(|policy| policy.htlc_maximum).max();
    Some(Crossing {
        short_channel_id: taught.short_channel_id,
        direction: taught.direction,
        capacity: channel.capacity.map(|capacity| capacity.to_msat()).or_else(maximum)?,
        amount: taught.amount,
    })
}

fn read(path: &Path) -> Scores {
    let Ok(metadata) = std::fs::metadata(path) else {
        return Scores::new();
    };
    if metadata.len() > MAX_FILE {
        tracing::warn!("what payments have taught is too long to be true: it is learnt anew");
        return Scores::new();
    }
    let read = std::fs::read(path).map_err(|error| error.to_string());
    match read.and_then(|bytes| Scores::from_bytes(&bytes).map_err(|error| error.to_string())) {
        Ok(scores) => scores,
        Err(error) => {
            tracing::warn!(%error, "what payments have taught cannot be read: it is learnt anew");
            Scores::new()
        }
    }
}

/// Answers a question of the core. There are no more at a time than payments under way.
pub(crate) fn search(shared: &Arc<Shared>, runtime: &Runtime, query: Box<RouteQuery>) {
    let shared = Arc::clone(shared);
    runtime.spawn(async move {
        let (payment_hash, number) = (query.payment_hash, query.number);
        let route = Box::new(find(&shared, *query).await);
        // When the core has stopped, the same is asked again after the next start.
        let _ = shared.core.input(Input::Found(Found::Route { payment_hash, number, route })).await;
    });
}

/// Finds ways, when there is a place for one more search.
pub(crate) async fn find(shared: &Arc<Shared>, query: RouteQuery) -> Result<Route, NoRoute> {
    let permit = Arc::clone(&shared.router.permits).acquire_owned().await;
    let searching = Arc::clone(shared);
    let found = tokio::task::spawn_blocking(move || {
        let route = searching.router.find(&searching.gossip, &query.request(clock::now()));
        drop(permit);
        route
    });
    match found.await {
        Ok(route) => route,
        Err(error) => {
            shared.shutdown.fail(format_args!("a search panicked: {error}"));
            Err(NoRoute::NoChannel)
        }
    }
}

/// Saves now and then, and at the end.
pub(crate) async fn run(shared: Arc<Shared>) {
    let stop = shared.shutdown.clone();
    loop {
        let stopping = tokio::select! {
            () = stop.begun() => true,
            () = tokio::time::sleep(SAVE_EVERY) => false,
        };
        let saving = Arc::clone(&shared);
        let saved = tokio::task::spawn_blocking(move || saving.router.save(clock::now())).await;
        if let Ok(Err(error)) = saved {
            tracing::warn!(%error, "what payments have taught cannot be written");
        }
        if stopping {
            return;
        }
    }
}
