//! Channels on chain: what the chain shows goes to their resolution, and what follows from it goes to the parts of the node.
//!
//! | room | what is in it |
//! |---|---|
//! | `deadlines` | what must be done before a block |
//! | `mempool` | what is not in a block yet |
//! | `purse` | which coins of the wallet the claims of a channel may use |
//! | `tell` | what people are told |

mod deadlines;
mod mempool;
mod purse;
mod tell;

use super::{Turn, origin_of};
use crate::effect::{Broadcast, Effect, Find, Parent, Watch};
use crate::journal::RetiredHtlc;
use astrape_channel::{Channel, Event as ChannelEvent, Htlc, Origin, Refusal};
use astrape_onchain::{ClaimParent, Event, Evidence, LiveHtlc, Output, Resolution, View};
use astrape_onion::Failure;
use astrape_primitives::{ChannelKeysId, Feerates, Height, HtlcId, PaymentPreimage, Side};
use astrape_transactions::CommittedHtlc;
use astrape_wallet::{Coins, Reservation};
use bitcoin::Transaction;
use std::collections::BTreeSet;
use std::sync::Arc;

impl Turn<'_> {
    /// Gives an event to the resolution of a channel; its first event makes it. What the mempool was told to have before then is
    /// not told again: a commitment of the peer may be in the way of ours.
    pub(super) fn court(&mut self, keys: ChannelKeysId, event: Event) {
        if matches!(event, Event::GoOnChain) && !self.node.resolutions.contains(&keys) {
            let waits = self.unconfirmed_spend(keys);
            waits.into_iter().for_each(|tx| self.hear(keys, Event::Seen(vec![tx])));
        }
        self.hear(keys, event);
    }

    fn hear(&mut self, keys: ChannelKeysId, event: Event) {
        let Some(evidence) = self.evidence(keys) else { return };
        let resolution = match self.node.resolutions.get(&keys) {
            Some(resolution) => Arc::clone(resolution),
            None => Arc::new(Resolution::new(&evidence)),
        };
        let (next, outputs) = self.handle(keys, &resolution, event, &evidence);
        self.set_aside_coins_of(keys, &next);
        self.node.resolutions.set(keys, Arc::new(next));
        for output in outputs {
            self.ruled(keys, output);
        }
    }

    fn handle(
        &self,
        keys: ChannelKeysId,
        resolution: &Resolution,
        event: Event,
        evidence: &Evidence,
    ) -> (Resolution, Vec<Output>) {
        let secp = Arc::clone(&self.node.secp);
        let coins = self.coins_for_claims(keys);
        let nights = self.node.chain.get(&()).map(|chain| chain.nights.clone()).unwrap_or_default();
        let view = View {
            secp: &secp,
            tip: self.height(),
            feerates: self.feerates(),
            closing_depth: self.node.config.channel.closing_depth,
            coins: &coins,
            evidence,
            nights: &nights,
            waiting: self.waiting_for_coins(keys),
        };
        resolution.handle(event, &view)
    }

    /// What it costs to be in a block soon; until that was told, the one estimate that is there.
    pub(super) fn feerates(&self) -> Feerates {
        let world = &self.node.world;
        world.estimates.unwrap_or_else(|| Feerates::flat(world.feerate))
    }

    /// What a channel brings before the court.
    fn evidence(&self, keys: ChannelKeysId) -> Option<Evidence> {
        let channel = Arc::clone(self.node.channels.get(&keys)?);
        let open = channel.open()?;
        let live = |htlc: &Arc<Htlc>| LiveHtlc {
            htlc: htlc.committed(),
            preimage: htlc.preimage(),
            upstream_expiry: self.upstream_of(htlc).map(|up| Height(up.cltv_expiry.0)),
            first_remote: htlc.added.remote,
            end_remote: htlc.removal.as_ref().and_then(|r| r.from.remote),
        };
        Some(Evidence {
            keys,
            terms: Arc::clone(&open.funding.terms),
            local: open.local_content(),
            htlc_signatures: open.local.signatures.htlcs.clone(),
            remote: open.remote_contents(),
            secrets: open.remote.secrets.clone(),
            shutdown: open.shutdown.local.clone().zip(open.shutdown.remote.clone()),
            htlcs: open.htlcs.values().map(live).collect(),
        })
    }

    /// The HTLC that pays for one of ours, while it is there to be settled.
    fn upstream_of(&self, htlc: &Htlc) -> Option<Arc<Htlc>> {
        match origin_of(htlc)? {
            Origin::Relay { channel, id } => self.upstream(channel, id),
            Origin::Payment { .. } => None,
        }
    }

    fn ruled(&mut self, keys: ChannelKeysId, output: Output) {
        match output {
            Output::Watch { outpoint, script, from } => {
                self.tracked.insert(outpoint, keys);
                self.look_back_for(outpoint, from);
                self.effects.push(Effect::Watch(Watch::Output { outpoint, script, from }));
            }
            Output::Forget(outpoint) => {
                self.tracked.remove(&outpoint);
                self.node.world.unseen.remove(&outpoint);
                self.effects.push(Effect::Watch(Watch::Forget(outpoint)));
            }
            Output::Preimage { htlc, preimage } => self.preimage_on_chain(keys, htlc, preimage),
            Output::Failed(id) => self.ended_on_chain(keys, id),
            Output::Story(story) => self.tell_of_the_chain(keys, story),
            Output::OursNeeded => self.go_in_place_of_what_left(keys),
            Output::Resolved => {
                let open = self.node.channels.get(&keys).and_then(|c| c.open());
                let funding = open.map(|open| open.funding.terms.outpoint);
                self.effects.extend(funding.map(|outpoint| Effect::Watch(Watch::Forget(outpoint))));
                self.drive(keys, ChannelEvent::Resolved);
            }
            other => {
                let effect = self.node.channels.get(&keys).and_then(|c| effect_of(keys, c, other));
                self.effects.extend(effect);
            }
        }
    }

    /// What had spent the funding does not come back: ours goes out, unless it may be old. It is asked for with each block.
    pub(crate) fn go_in_place_of_what_left(&mut self, keys: ChannelKeysId) {
        let channel = self.node.channels.get(&keys).filter(|_| !self.node.suspect.contains(&keys));
        let may_go = |channel: &Channel| !is_on_its_way(channel) && !self.waits_for_its_peer(&keys, channel);
        if channel.is_some_and(|channel| may_go(channel)) {
            let reason = "what had spent the funding left the chain and has not come back".to_owned();
            self.drive(keys, ChannelEvent::Command(astrape_channel::Command::ForceClose { reason }));
        }
    }

    /// A preimage that the chain shows is claimed upstream in this step. Where it came with no output that we know, it
    /// counts for all HTLCs of its hash.
    fn preimage_on_chain(&mut self, keys: ChannelKeysId, htlc: Option<HtlcId>, preimage: PaymentPreimage) {
        let hash = preimage.payment_hash();
        let fits = |h: &&Arc<Htlc>| {
            h.offered_by == Side::Local && h.payment_hash == hash && htlc.is_none_or(|id| h.id == id)
        };
        let open = self.node.channels.get(&keys).and_then(|c| c.open());
        let ids: Vec<HtlcId> =
            open.into_iter().flat_map(|o| o.htlcs.values()).filter(fits).map(|h| h.id).collect();
        for id in ids {
            self.drive(keys, ChannelEvent::PreimageSeen { id, preimage });
        }
    }

    /// An HTLC of ours has ended on chain without a preimage, irrevocably.
    fn ended_on_chain(&mut self, keys: ChannelKeysId, id: HtlcId) {
        let htlc =
            self.node.channels.get(&keys).and_then(|c| c.open()?.htlcs.get(&(Side::Local, id)).cloned());
        let Some(htlc) = htlc.filter(|h| h.preimage().is_none()) else {
            return;
        };
        match origin_of(&htlc) {
            Some(Origin::Payment { payment_hash, part }) => {
                self.part_not_offered(payment_hash, part, &Refusal::NotUsable("closed on chain"));
            }
            Some(Origin::Relay { channel, id }) => {
                self.fail_back(
                    keys,
                    channel,
                    id,
                    "the next channel closed, and it ended on chain without a preimage",
                );
            }
            None => {}
        }
    }

    /// Fails an HTLC that pays for one of ours.
    fn fail_back(&mut self, outgoing: ChannelKeysId, channel: ChannelKeysId, id: HtlcId, reason: &str) {
        if let Some(upstream) = self.upstream(channel, id) {
            self.forward_failed(channel, &upstream, Some(outgoing), Some(reason.to_owned()));
            self.fail_incoming(channel, &upstream, &Failure::PermanentChannelFailure);
        }
    }

    /// A confirmed transaction: what it spends of fundings, and of what is followed.
    pub(super) fn spends(&mut self, height: Height, tx: &Arc<Transaction>) {
        let mut concerned: BTreeSet<ChannelKeysId> = BTreeSet::new();
        for input in &tx.input {
            let outpoint = &input.previous_output;
            for channel in self.node.index.by_outpoint(outpoint) {
                self.drive(channel, ChannelEvent::FundingSpent { tx: Arc::clone(tx), height });
                self.court(channel, Event::FundingSpent { tx: Arc::clone(tx), height });
            }
            concerned
                .extend(self.tracked.get(outpoint).copied().or_else(|| self.node.index.by_tracked(outpoint)));
        }
        for channel in concerned {
            self.court(channel, Event::Spent { tx: Arc::clone(tx), height });
            self.to_plan.insert(channel);
        }
    }

    /// A block was read: every resolution looks at its claims again, those with the least time first. Those whose commitment is
    /// owed do so with it.
    pub(super) fn block_for_courts(&mut self) {
        for keys in self.by_urgency(self.node.resolutions.keys()) {
            self.to_plan.remove(&keys);
            if !self.owes_commitment(keys) {
                self.court(keys, Event::Block);
            }
        }
    }

    /// Whether our commitment goes out with every block.
    fn owes_commitment(&self, keys: ChannelKeysId) -> bool {
        let channel = self.node.channels.get(&keys).filter(|_| !self.node.suspect.contains(&keys));
        channel.is_some_and(|c| {
            c.owed_to_chain().iter().any(|o| matches!(o, astrape_channel::Output::BroadcastCommitment(_)))
        })
    }

    /// The best block went.
    pub(super) fn reorg_for_courts(&mut self, height: Height) {
        for keys in self.node.resolutions.keys() {
            self.court(keys, Event::Reorged { from: height });
        }
    }

    /// Resolutions whose channel knows more than before, or that were told of a late spend, plan again.
    pub(super) fn plan_again(&mut self) {
        while let Some(keys) = self.to_plan.pop_first() {
            if self.node.resolutions.contains(&keys) {
                self.court(keys, Event::Learnt);
                self.run_to_quiet();
            }
        }
    }

    /// The archive's answer.
    pub(super) fn rows_found(&mut self, keys: ChannelKeysId, rows: &[RetiredHtlc]) {
        let committed = |row: &RetiredHtlc| CommittedHtlc {
            offered_by: row.offered_by,
            id: row.id,
            amount: row.amount,
            payment_hash: row.payment_hash,
            cltv_expiry: row.cltv_expiry,
        };
        if self.node.resolutions.contains(&keys) {
            self.court(keys, Event::Rows(rows.iter().map(committed).collect()));
        }
    }

    /// A channel is over: nothing of it is followed any more.
    pub(super) fn forget_resolution(&mut self, keys: ChannelKeysId) {
        if let Some(resolution) = self.node.resolutions.remove(&keys) {
            for outpoint in resolution.outputs.keys() {
                self.node.world.unseen.remove(outpoint);
                self.effects.push(Effect::Watch(Watch::Forget(*outpoint)));
            }
        }
        let reservation = Reservation::Claim(keys);
        let is_held = |coins: &Arc<Coins>| coins.iter().any(|c| c.reserved == Some(reservation));
        if let Some(coins) = self.node.coins.get(&()).filter(|coins| is_held(coins)) {
            let mut coins = (**coins).clone();
            coins.release(reservation);
            self.node.coins.set((), Arc::new(coins));
        }
        self.to_plan.remove(&keys);
    }
}

/// What a resolution asks of the world outside, if it is that.
pub(crate) fn effect_of(keys: ChannelKeysId, channel: &Channel, output: Output) -> Option<Effect> {
    Some(match output {
        Output::Watch { outpoint, script, from } => Effect::Watch(Watch::Output { outpoint, script, from }),
        Output::ScriptNeeded => Effect::Find(Find::ShutdownScript { channel: keys }),
        Output::RowsNeeded(number) => Effect::Find(Find::RetiredHtlcs { channel: keys, number }),
        Output::Broadcast { request, parent, deadline } => {
            let parent = match parent {
                Some(ClaimParent::Ours) => {
                    Some(Parent::Commitment(Box::new(channel.open()?.local_request())))
                }
                Some(ClaimParent::Signed(tx)) => Some(Parent::Signed(tx)),
                None => None,
            };
            Effect::Broadcast(Broadcast::Claim { request, parent, deadline })
        }
        Output::Forget(outpoint) => Effect::Watch(Watch::Forget(outpoint)),
        // A closing transaction that we hold ourselves is owed by the channel already.
        Output::Again(tx) => (!owes_a_spend(channel)).then_some(Effect::Broadcast(Broadcast::Again(tx)))?,
        Output::Preimage { .. }
        | Output::Failed(_)
        | Output::OursNeeded
        | Output::Story(_)
        | Output::Resolved => return None,
    })
}

/// Whether a channel owes the network a transaction of its own that spends the funding.
fn owes_a_spend(channel: &Channel) -> bool {
    use astrape_channel::Output as Owed;
    let is_spend = |o: &Owed| matches!(o, Owed::BroadcastCommitment(_) | Owed::BroadcastClosing { .. });
    channel.owed_to_chain().iter().any(is_spend)
}

/// Whether a channel goes on chain already, or must not.
fn is_on_its_way(channel: &Channel) -> bool {
    use astrape_channel::{How, Phase};
    match &channel.phase {
        Phase::Closing(closing) => closing.how != How::Spent,
        Phase::Open(_) => false,
        Phase::Opening(_) | Phase::Closed(_) => true,
    }
}
