//! Transactions of our coins that can never be in a block, since another one spends what they spend: a deposit was taken back by its
//! sender, or the words of the seed are used elsewhere too. What builds on one goes with it.
//!
//! From the first block of the other one on nothing is built on what they bring. They are given up when that block is as deep as no
//! reorganisation reaches: their coins are free then, and a channel that waits for one as its funding is none.

use super::{Turn, is_opening};
use crate::effect::Speech;
use astrape_primitives::{ChannelKeysId, Height};
use astrape_wallet::{Coins, Reservation, WalletFinding};
use astrape_wire::{Error, Message};
use bitcoin::{OutPoint, Txid};
use std::collections::BTreeSet;

/// Why a transaction of ours can be in no block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rival {
    /// What spends one of its coins.
    pub(crate) txid: Txid,
    /// In which block.
    pub(crate) height: Height,
}

impl Turn<'_> {
    /// Takes note of what the wallet found about the coins of transactions that wait.
    pub(super) fn note_rivals(&mut self, finding: &WalletFinding) {
        match finding {
            WalletFinding::Spent { outpoint, height, by } => {
                let spends =
                    |tx: &bitcoin::Transaction| tx.input.iter().any(|i| i.previous_output == *outpoint);
                let waiting = self.node.owed.iter().filter(|(_, owed)| owed.confirmed.is_none());
                let doomed = waiting.filter(|(txid, owed)| *txid != by && spends(&owed.tx));
                let doomed: Vec<Txid> = doomed.map(|(txid, _)| *txid).collect();
                let rival = Rival { txid: *by, height: *height };
                self.node.rivals.extend(doomed.into_iter().map(|txid| (txid, rival)));
            }
            WalletFinding::Reorged { from } => self.node.rivals.retain(|_, rival| rival.height < *from),
            _ => {}
        }
    }

    /// What doomed transactions were to bring is nothing.
    pub(super) fn drop_what_is_doomed(&mut self, coins: &mut Coins) {
        if self.node.rivals.is_empty() {
            return;
        }
        for txid in self.node.doomed() {
            let Some(owed) = self.node.owed.get(&txid) else { continue };
            for vout in (0_u32..).take(owed.tx.output.len()) {
                let outpoint = OutPoint { txid, vout };
                self.node.change.remove(&outpoint);
                coins.apply(WalletFinding::Dropped { outpoint });
            }
        }
    }

    /// Gives up those whose rivals no reorganisation reaches any more, and all that builds on them.
    pub(super) fn give_up_what_is_doomed(&mut self) {
        let tip = self.height();
        let is_deep =
            |rival: &Rival| rival.height.confirmations_at(tip) >= crate::state::OwedTransaction::DEEP;
        let lost: BTreeSet<Txid> =
            self.node.rivals.iter().filter(|(_, rival)| is_deep(rival)).map(|(txid, _)| *txid).collect();
        if lost.is_empty() {
            return;
        }
        let lost = self.node.with_what_builds_on(lost);
        let mut coins = self.coins_value();
        self.drop_what_is_doomed(&mut coins);
        for txid in &lost {
            let Some(owed) = self.node.owed.get(txid).cloned() else { continue };
            for input in &owed.inputs {
                free(&mut coins, &input.outpoint);
            }
            self.node.owed.remove(txid);
            self.node.refused.remove(txid);
            self.node.rivals.remove(txid);
        }
        self.set_coins(coins);
        for keys in lost.iter().flat_map(|txid| self.node.index.by_funding_txid(*txid)).collect::<Vec<_>>() {
            self.end_without_funding(keys);
        }
        self.serve_who_waits_for_coins();
    }

    /// A channel of which the funding will never be. One that was used before its funding was in a block stays: there is something to
    /// be looked at.
    fn end_without_funding(&mut self, keys: ChannelKeysId) {
        let Some(channel) = self.node.channels.get(&keys).cloned() else { return };
        if !is_opening(&channel) && channel.open().is_none_or(|open| open.readiness.sent) {
            return;
        }
        let reason = "another transaction has spent a coin of its funding".to_owned();
        let (channel_id, data) = (channel.channel_id(), reason.clone().into_bytes());
        self.say(channel.peer(), Speech::Plain(Message::Error(Error { channel_id, data })));
        self.forget_opening(keys, reason);
    }
}

impl crate::Node {
    /// The transactions that wait for a block and can be in none.
    pub(crate) fn doomed(&self) -> BTreeSet<Txid> {
        if self.rivals.is_empty() {
            return BTreeSet::new();
        }
        self.with_what_builds_on(self.rivals.keys().copied().collect())
    }

    /// Transactions that wait, with all that wait and build on them.
    fn with_what_builds_on(&self, mut txids: BTreeSet<Txid>) -> BTreeSet<Txid> {
        txids.retain(|txid| self.owed.get(txid).is_some_and(|owed| owed.confirmed.is_none()));
        loop {
            let builds = |txid: &Txid| {
                let owed = self.owed.get(txid).filter(|owed| owed.confirmed.is_none());
                owed.is_some_and(|owed| owed.tx.input.iter().any(|i| txids.contains(&i.previous_output.txid)))
            };
            let more: Vec<Txid> =
                self.owed.keys().into_iter().filter(|txid| !txids.contains(txid) && builds(txid)).collect();
            if more.is_empty() {
                return txids;
            }
            txids.extend(more);
        }
    }
}

/// Frees a coin that was set aside for a transaction.
fn free(coins: &mut Coins, outpoint: &OutPoint) {
    let reserved = coins.get(outpoint).and_then(|coin| coin.reserved);
    if let Some(reservation @ (Reservation::Opening(_) | Reservation::Withdrawal(_))) = reserved {
        coins.release_one(outpoint, reservation);
    }
}
