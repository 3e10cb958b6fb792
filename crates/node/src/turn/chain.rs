//! The chain moves: fundings confirm, are spent, are reorganised away.

mod late;

use super::Turn;
use crate::effect::Effect;
use crate::input::{ChainInput, Freshness};
use crate::state::{ChainState, Prices};
use astrape_channel::Event;
use astrape_primitives::{
    BlockId, ChainEvent, ChannelKeysId, ConfirmedTx, FeeratePerKw, Feerates, Height, Side,
};
use std::sync::Arc;

/// A feerate changes by this share, in percent, before the commitments follow: each change costs signatures on all HTLCs.
const FEERATE_CHANGE_PERCENT: u32 = 20;

/// Most blocks that are read while the view of the chain is not fresh, and are not missed all the same: a source that fails to
/// answer for a moment delays the one that comes then. Peers need no time to catch up with us, as they do when we have slept.
const MAX_DELAYED_BLOCKS: u32 = 1;

impl Turn<'_> {
    pub(super) fn chain(&mut self, input: ChainInput) {
        match input {
            ChainInput::Event(ChainEvent::Connected { block, previous, time, matched }) => {
                self.connected(block, previous, time, &matched);
            }
            ChainInput::Event(ChainEvent::Disconnected { block }) => self.disconnected(block),
            ChainInput::Late { block, matched } => self.late(block, &matched),
            ChainInput::LookedBack { outputs } => self.looked_back(&outputs),
            ChainInput::Feerate(feerate) => self.feerate(feerate),
            ChainInput::Mempool { txs } => self.seen_in_mempool(&txs),
            ChainInput::Estimates(feerates) => self.estimates(feerates),
            ChainInput::BroadcastResult { txid, refused } => self.was_offered(txid, refused),
            ChainInput::Freshness(freshness) => self.freshness(freshness),
        }
    }

    /// A block on top of the tip. One that does not fit is not taken: the source begins again from our recent blocks.
    fn connected(
        &mut self,
        block: BlockId,
        previous: bitcoin::BlockHash,
        time: u32,
        matched: &[ConfirmedTx],
    ) {
        let mut chain = self.node.chain.get(&()).cloned().unwrap_or_default();
        if chain.tip().is_some_and(|tip| tip.hash != previous) {
            return;
        }
        chain.recent.push(block);
        let excess = chain.recent.len().saturating_sub(ChainState::MAX_RECENT);
        chain.recent.drain(..excess);
        chain.tip_time = time;
        if self.node.world.unseen.is_empty() {
            // Of this block too all was told that is watched by now only once the next one is, or once it is said.
            let below = Height(block.height.0.saturating_sub(1));
            chain.looked_to = Some(chain.looked_to.map_or(below, |seen| seen.max(below)));
        }
        self.sleep_or_wake(&mut chain, block.height);
        if let Some(estimate) = self.estimate() {
            chain.prices.note(block.height, estimate);
        }
        self.node.chain.set((), chain);
        for confirmed in matched {
            self.confirmed(block.height, confirmed);
        }
        for channel in self.node.index.wants_tip() {
            self.drive(channel, Event::Tip(block.height));
        }
        self.block_for_courts();
        self.give_up_what_is_lost();
        self.owe_again();
        self.deadlines();
        self.give_back_what_is_late();
        self.look_at_held();
        self.writes.forget_onions_before = Some(astrape_primitives::CltvExpiry(block.height.0));
    }

    /// Notes a block that came while we slept. The first after waking is none: before it we were there, and asked for a place
    /// in it.
    fn sleep_or_wake(&mut self, chain: &mut ChainState, height: Height) {
        let world = &mut self.node.world;
        if world.is_behind {
            if world.is_catching_up {
                chain.nights.sleep_through(height);
            }
            world.is_catching_up = true;
        }
    }

    fn confirmed(&mut self, height: Height, confirmed: &ConfirmedTx) {
        let txid = confirmed.tx.compute_txid();
        if let Some(owed) = self.node.owed.get(&txid).cloned() {
            self.node.refused.remove(&txid);
            self.node.owed.set(txid, crate::state::OwedTransaction { confirmed: Some(height), ..owed });
        }
        for channel in self.node.index.by_funding_txid(txid) {
            let tx = Arc::clone(&confirmed.tx);
            self.drive(channel, Event::FundingConfirmed { tx, height, index: confirmed.index });
        }
        self.spends(height, &confirmed.tx);
    }

    fn disconnected(&mut self, block: BlockId) {
        let mut chain = self.node.chain.get(&()).cloned().unwrap_or_default();
        if chain.tip() != Some(block) {
            return;
        }
        chain.recent.pop();
        chain.nights.reorganised(block.height);
        chain.looked_to = chain.looked_to.map(|seen| seen.min(Height(block.height.0.saturating_sub(1))));
        assert!(!chain.recent.is_empty(), "a reorganisation deeper than {} blocks", ChainState::MAX_RECENT);
        self.node.chain.set((), chain);
        for channel in self.node.channels.keys() {
            let Some(open) = self.node.channels.get(&channel).and_then(|c| c.open()) else {
                continue;
            };
            let funding_gone = open.funding.confirmed.is_some_and(|c| c.height >= block.height);
            let spend_gone = open.funding.spent.as_ref().is_some_and(|s| s.height >= block.height);
            if spend_gone {
                self.drive(channel, Event::SpendReorged);
            }
            if funding_gone {
                self.drive(channel, Event::FundingReorged);
            }
        }
        self.reorg_for_courts(block.height);
        self.node.spenders.retain(|_, spender| spender.height < block.height);
        for txid in self.node.owed.keys() {
            if let Some(owed) =
                self.node.owed.get(&txid).filter(|o| o.confirmed >= Some(block.height)).cloned()
            {
                let since = Some(Height(block.height.0.saturating_sub(1)));
                self.node.owed.set(txid, crate::state::OwedTransaction { confirmed: None, since, ..owed });
            }
        }
    }

    /// A transaction was offered to the network. What is owed to it is offered again with every block; that it is not taken is for
    /// people to know.
    fn was_offered(&mut self, txid: bitcoin::Txid, refused: Option<String>) {
        let is_awaited = self.node.owed.get(&txid).is_some_and(|owed| owed.confirmed.is_none());
        match refused.filter(|_| is_awaited) {
            Some(reason) => {
                self.node.refused.insert(txid, reason);
            }
            None => {
                self.node.refused.remove(&txid);
                // Those that it pays for went in with it.
                let owed = self.node.owed.get(&txid).cloned();
                for input in owed.iter().flat_map(|owed| &owed.tx.input) {
                    self.node.refused.remove(&input.previous_output.txid);
                }
            }
        }
    }

    /// Transactions of ours that are not confirmed go out again with every block; those that are deep are owed no more.
    fn owe_again(&mut self) {
        let tip = self.height();
        for txid in self.node.owed.keys() {
            let Some(owed) = self.node.owed.get(&txid).cloned() else {
                continue;
            };
            match owed.confirmed {
                Some(height) if height.confirmations_at(tip) >= crate::state::OwedTransaction::DEEP => {
                    self.node.owed.remove(&txid);
                }
                Some(_) => {}
                None => {
                    if owed.since.is_none() {
                        let since = Some(tip);
                        self.node.owed.set(txid, crate::state::OwedTransaction { since, ..owed.clone() });
                    }
                    self.effects.push(Effect::Broadcast(self.node.offer(&owed)));
                }
            }
        }
        for channel in self.by_urgency(self.node.index.wants_tip()) {
            if self.node.suspect.contains(&channel) {
                continue;
            }
            let owed = self.node.channels.get(&channel).map(|c| c.owed_to_chain()).unwrap_or_default();
            for output in owed {
                if !matches!(output, astrape_channel::Output::BroadcastFunding(_)) {
                    self.queue.push_back((channel, output));
                }
            }
        }
    }

    /// What claims are reckoned with.
    fn estimates(&mut self, feerates: Feerates) {
        if self.node.config.fixed_feerate.is_none() {
            self.node.world.estimates = Some(feerates);
        }
    }

    /// Whether what we see of the chain can be relied on. When we are at its tip again, what is due by then is looked at.
    fn freshness(&mut self, freshness: Freshness) {
        let tip = self.height();
        let world = &mut self.node.world;
        let was_behind = world.is_behind;
        world.is_behind = matches!(freshness, Freshness::Behind(_));
        world.is_catching_up &= world.is_behind;
        world.stale = match freshness {
            Freshness::Fresh => None,
            Freshness::Behind(reason) | Freshness::Doubtful(reason) => Some(reason),
        };
        match (was_behind, world.is_behind) {
            (false, true) => world.behind_since = tip,
            (true, false) => {
                // At a start nobody knows for how long we were away.
                if world.fresh_since.is_none() || tip > world.behind_since.plus(MAX_DELAYED_BLOCKS) {
                    world.fresh_since = Some(tip);
                }
                self.node.world.first_fresh.get_or_insert(tip);
                self.deadlines();
            }
            _ => {}
        }
    }

    /// A new estimate: the commitments that we pay for follow when it is far enough from theirs.
    fn feerate(&mut self, feerate: FeeratePerKw) {
        if self.node.config.fixed_feerate.is_some() {
            return;
        }
        self.node.world.feerate = feerate.max(FeeratePerKw::FLOOR);
        self.node.world.is_feerate_told = true;
        self.note_price();
        for channel in self.node.channels.keys() {
            self.follow_feerate(channel);
        }
    }

    /// The estimate of this hour, once one was told; never a feerate that is fixed.
    fn estimate(&self) -> Option<FeeratePerKw> {
        let world = &self.node.world;
        (world.is_feerate_told && self.node.config.fixed_feerate.is_none()).then_some(world.feerate)
    }

    /// Remembers the estimate of this hour. What lies between others of these blocks changes nothing, and is not written.
    fn note_price(&mut self) {
        let Some(estimate) = self.estimate() else { return };
        let old = self.node.chain.get(&()).cloned().unwrap_or_default();
        let mut chain = old.clone();
        chain.prices.note(chain.height(), estimate);
        if chain != old {
            self.node.chain.set((), chain);
        }
    }

    /// The lowest and the highest feerate that we held for right within about a day, or hold now.
    pub(crate) fn feerates_of_the_day(&self) -> [FeeratePerKw; 2] {
        let now = self.node.world.feerate;
        let is_fixed = self.node.config.fixed_feerate.is_some();
        let prices = self.node.chain.get(&()).map(|chain| &chain.prices).filter(|_| !is_fixed);
        let (lowest, highest) = (prices.and_then(Prices::lowest), prices.and_then(Prices::highest));
        [lowest.map_or(now, |lowest| lowest.min(now)), highest.map_or(now, |highest| highest.max(now))]
    }

    /// Brings the commitments of a channel to the feerate of today: when that changes, and when the peer comes back, since it
    /// may have changed while the peer was away.
    pub(super) fn follow_feerate(&mut self, channel: ChannelKeysId) {
        if let Some(wanted) = self.wanted_feerate(channel) {
            self.drive(channel, Event::Command(astrape_channel::Command::UpdateFee(wanted)));
        }
    }

    fn wanted_feerate(&self, channel: ChannelKeysId) -> Option<FeeratePerKw> {
        let channel = self.node.channels.get(&channel).filter(|c| c.is_usable())?;
        let open = channel.open()?;
        let is_fixed = self.node.config.fixed_feerate.is_some();
        if open.params.opener != Side::Local || !self.node.world.is_feerate_told || is_fixed {
            return None;
        }
        let wanted = self.node.config.channel.commitment_feerate(open.params.format, self.node.world.feerate);
        let now = open.fees.newest();
        let change = u64::from(wanted.0.abs_diff(now.0)) * 100;
        (change >= u64::from(now.0) * u64::from(FEERATE_CHANGE_PERCENT)).then_some(wanted)
    }
}
