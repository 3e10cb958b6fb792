//! The threads that check signatures: on all cores but one, which is the payments'.

use super::{GossipEngine, State, seconds};
use crate::engine::Shared;
use astrape_primitives::{NodeId, ShortChannelId};
use astrape_routing::gossip::{Heard, Job, MAX_UNSAVED, Offered, Output, Points};
use bitcoin::secp256k1::{Secp256k1, VerifyOnly};
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::Duration;

/// Messages that are taken at once: a thread comes back for more within some milliseconds.
const BATCH: usize = 32;

/// Jobs that were freed by the chain and wait: beyond it the chain is not asked.
pub(super) const MAX_FREED: usize = 20_000;

/// How long a thread sleeps before it looks whether the engine ends.
const LOOK: Duration = Duration::from_millis(200);

/// Starts the threads.
pub(super) fn start(shared: &Arc<Shared>) -> std::io::Result<Vec<thread::JoinHandle<()>>> {
    let count = thread::available_parallelism().map_or(1, usize::from).saturating_sub(1).max(1);
    let spawn = |n: usize| {
        let shared = Arc::clone(shared);
        thread::Builder::new().name(format!("gossip {n}")).spawn(move || {
            let secp = Secp256k1::verification_only();
            let mut points = Points::default();
            while !shared.shutdown.has_begun() {
                shared.gossip.work(&secp, &mut points);
            }
        })
    };
    (0..count).map(spawn).collect()
}

impl GossipEngine {
    /// Checks one batch, if there is one soon.
    fn work(&self, secp: &Secp256k1<VerifyOnly>, points: &mut Points) {
        let mut state = self.lock();
        if state.queue.is_empty() && state.freed.is_empty() {
            state = self.work.wait_timeout(state, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        }
        let jobs = state.next_jobs();
        drop(state);
        if jobs.is_empty() {
            return;
        }
        let checked: Vec<(Option<NodeId>, Job, bool)> = jobs
            .into_iter()
            .map(|(from, job)| {
                let holds = job.holds(secp, points);
                (from, job, holds)
            })
            .collect();
        let mut state = self.lock();
        for (from, job, holds) in checked {
            state.take_checked(from, job, holds);
        }
        let asks = !state.to_ask.is_empty();
        drop(state);
        if asks {
            self.asks.notify_one();
        }
    }
}

impl State {
    /// What is to be checked next: what was freed, then what the next peer says.
    fn next_jobs(&mut self) -> Vec<(Option<NodeId>, Job)> {
        if !self.freed.is_empty() {
            let count = self.freed.len().min(BATCH);
            return self.freed.drain(..count).map(|job| (None, job)).collect();
        }
        let Some((peer, heard)) = self.queue.take(BATCH) else {
            return Vec::new();
        };
        heard.into_iter().filter_map(|heard| self.offer(peer, heard)).map(|job| (Some(peer), job)).collect()
    }

    /// What cannot be written is not taken either, beyond what may wait for it: after the next start it is asked for.
    pub(super) fn offer(&mut self, peer: NodeId, heard: Heard) -> Option<Job> {
        if self.log_fails && self.gossip.unsaved_len() >= MAX_UNSAVED {
            return None;
        }
        match self.gossip.offer(seconds(), heard) {
            Offered::Verify(job) => Some(*job),
            Offered::Ignored(_) => None,
            Offered::Fault(fault) => {
                self.warn(&peer, &fault.to_string());
                None
            }
        }
    }

    fn take_checked(&mut self, from: Option<NodeId>, job: Job, holds: bool) {
        match self.gossip.checked(seconds(), from, job, holds) {
            Ok(Ok(outputs)) => self.follow(from, outputs),
            Ok(Err(_ignored)) => {}
            Err(fault) => {
                if let Some(peer) = from {
                    self.warn(&peer, &fault.to_string());
                }
            }
        }
    }

    /// Does what follows from what somebody said, or from what the chain said.
    pub(super) fn follow(&mut self, from: Option<NodeId>, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::AskChain(id) => self.ask_chain(from, id),
                Output::Verify(job) => self.freed.push_back(*job),
                Output::Blame(peer) => {
                    self.warn(&peer, "channel_announcement: the chain has no such funding output");
                }
                Output::Stale(peer) => self.told_stale(&peer),
            }
        }
    }

    fn ask_chain(&mut self, from: Option<NodeId>, id: ShortChannelId) {
        if let Some(of_peer) = from.and_then(|from| self.peers.get_mut(&from)) {
            of_peer.told.asked += 1;
        }
        self.to_ask.push(from, id);
    }

    /// A peer told of a channel that is over. One that tells of little else is not asked for more, nor is it listened to.
    fn told_stale(&mut self, peer: &NodeId) {
        let Some(of_peer) = self.peers.get_mut(peer) else {
            return;
        };
        of_peer.told.stale += 1;
        if of_peer.told.is_worthless() {
            tracing::debug!(%peer, "a peer tells of channels that are over: no more of its channels are looked at");
            self.sync.leave(peer);
        }
    }
}
