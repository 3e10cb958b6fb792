//! When what waits in channels is signed.
//!
//! Each commitment signs all its HTLCs anew. Two things spare signatures: what comes together is signed together; and HTLCs that
//! were signed a moment ago are likely to be over a moment later, so that new ones may wait for that, but no longer than
//! [`Proposals::WhenDue`] says.

use super::Turn;
use crate::index::could_sign;
use astrape_channel::{Channel, Event, Htlc, Open, Phase};
use astrape_primitives::{ChannelKeysId, Timestamp};
use std::sync::Arc;

/// What is done after an input with what waits to be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proposals {
    /// All of it is signed.
    Now,
    /// What has waited long enough is signed: 0.3 milliseconds for each young HTLC that would be signed once more, and no longer than 40
    /// milliseconds.
    WhenDue,
    /// Nothing is signed: more inputs follow, which came together with this one.
    Later,
}

/// An HTLC is young for so long: payments that are not held are over by then. For older ones nothing is waited.
const YOUNG_MILLIS: u64 = 1_000;

/// How long a commitment waits for each young HTLC that it would sign once more: some times what a signature takes to make and to
/// verify. Measured with 64 and 200 payments under way (ADR 23): a third of it saves a quarter of the signatures in place of half of
/// them, more saves hardly more and takes longer.
const PATIENCE_MICROS: u64 = 300;

/// How long a commitment waits at most.
const MAX_PATIENCE_MILLIS: u64 = 40;

impl Turn<'_> {
    /// Signs what waits in the channels that were touched, where the peer was heard from a moment ago.
    pub(super) fn propose(&mut self, proposals: Proposals) {
        if proposals == Proposals::Later {
            self.node.unproposed = std::mem::take(&mut self.to_propose);
            return;
        }
        while let Some((channel, since)) = self.to_propose.pop_first() {
            let Some(value) = self.node.channels.get(&channel).filter(|c| could_sign(c)) else {
                continue;
            };
            let peer = value.peer();
            // A clock that was set back makes nothing wait for the time that it has lost.
            let since = since.min(self.now);
            if proposals == Proposals::WhenDue {
                let due = due(value, since, self.now);
                if due > self.now {
                    let held = self.node.unproposed.entry(channel).or_insert(since);
                    *held = since.min(*held);
                    let earlier = self.node.proposals_due.unwrap_or(due);
                    self.node.proposals_due = Some(earlier.min(due));
                    continue;
                }
            }
            if self.is_heard(peer) {
                self.node.proposing = Some(channel);
                self.drive(channel, Event::Propose);
                self.to_propose.remove(&channel);
                self.run_to_quiet();
                self.node.proposing = None;
            }
        }
    }

    /// Something may wait to be signed.
    pub(super) fn may_propose(&mut self, channel: ChannelKeysId) {
        self.to_propose.entry(channel).or_insert(self.now);
    }
}

/// When what waits in a channel since then shall be signed.
fn due(channel: &Channel, since: Timestamp, now: Timestamp) -> Timestamp {
    let Phase::Open(open) = &channel.phase else { return since };
    let patience = signed_again(open, now) * PATIENCE_MICROS / 1_000;
    since.plus(patience.min(MAX_PATIENCE_MILLIS))
}

/// Young HTLCs that the peer's newest commitment has and the next would have too.
fn signed_again(open: &Open, now: Timestamp) -> u64 {
    let dust = open.params.remote.dust_limit;
    let is_young = |htlc: &&Arc<Htlc>| {
        htlc.removal.is_none()
            && htlc.added.remote.is_some()
            && now.since(htlc.at) < YOUNG_MILLIS
            && htlc.amount.to_sat_floor() >= dust
    };
    open.htlcs.values().filter(is_young).count() as u64
}
