//! What follows from what channels put out.

use super::{Turn, incoming_htlc};
use crate::effect::{Broadcast, Effect, Find, Speech, Watch};
use crate::ledger::ChannelFact;
use astrape_channel::output::Story;
use astrape_channel::{Command, Event, Htlc, Output, Resolution};
use astrape_primitives::{ChannelKeysId, HtlcId};
use std::sync::Arc;

impl Turn<'_> {
    pub(super) fn output(&mut self, keys: ChannelKeysId, output: Output) {
        match output {
            Output::Send(outgoing) => {
                if let Some(peer) = self.node.channels.get(&keys).map(|c| c.peer()) {
                    self.say(peer, Speech::Channel(outgoing));
                }
            }
            Output::FundingNeeded { script, amount, feerate } => self.fund(keys, script, amount, feerate),
            Output::BroadcastFunding(tx) => self.broadcast_funding(keys, &tx),
            Output::WatchFunding { outpoint, script } => {
                let from = self.height();
                self.effects.push(Effect::Watch(Watch::Funding { outpoint, script, from }));
            }
            Output::Ready => {
                self.tell(keys, ChannelFact::Ready);
                self.refresh_update(keys);
            }
            Output::Announced => self.announced(keys),
            Output::Incoming(htlc) => self.incoming(keys, &htlc),
            Output::Fulfilled { origin, id, amount, payment_hash, preimage, attribution_data } => {
                self.fulfilled((keys, id), origin, amount, payment_hash, preimage, attribution_data);
            }
            Output::Failed { origin, resolution, .. } => self.failed(keys, origin, &resolution),
            Output::NotOffered { origin, refusal, .. } => self.not_offered(keys, origin, &refusal),
            Output::Retired(htlc) => self.retire(keys, &htlc),
            Output::PointNeeded(number) => {
                self.effects.push(Effect::Find(Find::Point { channel: keys, number }))
            }
            Output::CheckSecret(check) => self.effects.push(Effect::Find(Find::CheckSecret(check))),
            // What leads to it was not let through: this is the last door.
            Output::BroadcastCommitment(_) if self.node.suspect.contains(&keys) => {
                debug_assert!(false, "a commitment that may be old was to be broadcast");
            }
            Output::BroadcastCommitment(request) => {
                self.effects.push(Effect::Broadcast(Broadcast::Commitment(Box::new(request))));
                self.court(keys, astrape_onchain::Event::GoOnChain);
            }
            Output::BroadcastClosing { request, remote_signature, .. } => {
                let request = Box::new(request);
                self.effects.push(Effect::Broadcast(Broadcast::Closing { request, remote_signature }));
            }
            Output::Story(story) => self.story(keys, story),
            Output::ShutdownScriptNeeded => {
                self.effects.push(Effect::Find(Find::ShutdownScript { channel: keys }));
            }
            // Told to the user by the command that led to it; otherwise there is nobody to tell.
            Output::Refused(_) => {}
            Output::Forgotten { reason } => self.forget_opening(keys, reason),
            Output::Over => self.over(keys),
        }
    }

    fn story(&mut self, keys: ChannelKeysId, story: Story) {
        let fact = match story {
            Story::Opened { outpoint, capacity } => {
                let by_us = self.node.channels.get(&keys).and_then(|c| c.open().map(|o| o.params.opener))
                    == Some(astrape_primitives::Side::Local);
                ChannelFact::Opened { outpoint, capacity, by_us }
            }
            Story::FundingConfirmed => ChannelFact::FundingConfirmed,
            Story::FundingReorged => ChannelFact::FundingReorged,
            Story::ShuttingDown { by_us } => ChannelFact::ShuttingDown { by_us },
            Story::ClosingAgreed { txid, fee } => ChannelFact::ClosingAgreed { txid, fee },
            Story::ForceClosing { reason } => ChannelFact::ForceClosing { reason },
            Story::WaitingForPeersCommitment { reason } => ChannelFact::WaitingForPeersCommitment { reason },
            Story::Spent { txid, how } => ChannelFact::Spent { txid, how: how.to_owned() },
        };
        self.tell(keys, fact);
    }

    /// Decides the end of an HTLC that came in on a channel.
    pub(super) fn resolve(&mut self, keys: ChannelKeysId, id: HtlcId, resolution: Resolution) {
        self.drive(keys, Event::Command(Command::Resolve { id, resolution }));
        if self.node.resolutions.contains(&keys) {
            self.to_plan.insert(keys);
        }
    }

    /// An incoming HTLC that is still there.
    pub(super) fn incoming_htlc(&self, keys: ChannelKeysId, id: HtlcId) -> Option<Arc<Htlc>> {
        self.node.channels.get(&keys).and_then(|c| incoming_htlc(c, id))
    }

    /// A channel is over: it leaves the working memory; the ledger keeps its story.
    fn over(&mut self, keys: ChannelKeysId) {
        // By now the channel has let go of what it was.
        let before = self.node.channels.before(&keys).cloned();
        let open = before.as_ref().and_then(|channel| channel.open());
        let sums = open.and_then(|open| {
            let resolution = self.node.resolutions.get(&keys)?;
            let (sums, cost) =
                (crate::view::sums(resolution, open), crate::view::closing_cost(resolution, open));
            Some((sums.returned.saturating_add(cost), sums.fees.saturating_add(cost)))
        });
        let (returned, fees) = sums.unzip();
        self.tell(keys, ChannelFact::Over { returned, fees });
        self.node.channels.remove(&keys);
        self.node.quarantined.remove(&keys);
        self.forget_resolution(keys);
        self.node.peer_updates.remove(&keys);
        self.node.own_updates.remove(&keys);
        self.forget_names(keys);
        self.node.policies.remove(&keys);
        self.node.away.remove(&keys);
        self.node.reputations.remove(&keys);
        self.node.failures.remove(&keys);
        self.writes.forget_retired.insert(keys);
    }
}
