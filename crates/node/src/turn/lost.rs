//! Transactions of our coins that can never confirm: something else has spent what they spend, since another program has used the
//! words of this wallet, or a reorganisation has changed which of ours was first. Until that is buried they are owed all the same, only what
//! they would make is not counted or spent; then they are given up, with all that builds on them.
//!
//! Only what the wallet has seen in a block counts, never what merely waits or is missing: a funding that may still confirm is not given
//! up. So one that spends a deposit which a reorganisation took back waits for ever where who paid it spends the money elsewhere: what
//! spends coins of others is not looked at.

use super::{Turn, is_opening};
use crate::ledger::Fact;
use crate::owed::SpentBy;
use crate::state::OwedTransaction;
use astrape_primitives::ChannelKeysId;
use astrape_wallet::{Coins, Reservation, WalletFinding};
use bitcoin::{OutPoint, Txid};
use std::collections::BTreeMap;

impl Turn<'_> {
    /// Remembers what has spent a coin that we have set aside, or owe the spend of.
    pub(super) fn note_spender(&mut self, coins: &Coins, finding: &WalletFinding) {
        match finding {
            WalletFinding::Spent { outpoint, height, by } if self.is_wanted(coins, outpoint) => {
                self.node.spenders.insert(*outpoint, SpentBy { by: *by, height: *height });
            }
            WalletFinding::Reorged { from } => {
                self.node.spenders.retain(|_, spender| spender.height < *from);
            }
            _ => {}
        }
    }

    fn is_wanted(&self, coins: &Coins, outpoint: &OutPoint) -> bool {
        let is_spent_by =
            |owed: &OwedTransaction| owed.inputs.iter().any(|input| input.outpoint == *outpoint);
        coins.get(outpoint).is_some_and(|coin| coin.reserved.is_some())
            || self.node.owed.iter().any(|(_, owed)| is_spent_by(owed))
    }

    /// Forgets the spenders of coins that nobody wants any more: there are never more than coins set aside and spends owed.
    pub(super) fn forget_spenders(&mut self, coins: &Coins) {
        let mut spenders = std::mem::take(&mut self.node.spenders);
        spenders.retain(|outpoint, _| self.is_wanted(coins, outpoint));
        self.node.spenders = spenders;
    }

    /// Gives up what has lost its coins to something that no reorganisation which we bear takes away.
    pub(super) fn give_up_what_is_lost(&mut self) {
        if self.node.spenders.is_empty() {
            return;
        }
        let tip = self.height();
        let rivals = self.node.owed.iter().filter_map(|(txid, _)| Some((*txid, self.node.rival_of(txid)?)));
        let is_buried = |rival: &SpentBy| rival.height.confirmations_at(tip) >= OwedTransaction::DEEP;
        let beaten = rivals.filter(|(_, rival)| is_buried(rival)).collect::<BTreeMap<_, _>>();
        let lost = self.node.with_those_that_build_on(beaten);
        if lost.is_empty() {
            return;
        }
        let mut fundings = Vec::new();
        for (txid, rival) in &lost {
            fundings.extend(self.node.index.by_funding_txid(*txid).into_iter().map(|keys| (keys, rival.by)));
            fundings.extend(self.give_up(*txid).into_iter().map(|keys| (keys, rival.by)));
            self.record(Fact::NeverConfirmed { txid: *txid, by: rival.by });
        }
        for (keys, by) in fundings {
            self.end_for_want_of_funding(keys, by);
        }
        self.serve_who_waits_for_coins();
    }

    /// One of them is owed no more, the coins that it was to spend are free, and those that it was to make are gone. Tells the openings
    /// that have set those aside.
    fn give_up(&mut self, txid: Txid) -> Vec<ChannelKeysId> {
        let Some(owed) = self.node.owed.get(&txid).cloned() else { return Vec::new() };
        self.node.owed.remove(&txid);
        self.node.refused.remove(&txid);
        self.node.change.retain(|outpoint, _| outpoint.txid != txid);
        let mut coins = self.coins_value();
        for input in &owed.tx.input {
            let outpoint = input.previous_output;
            self.node.spenders.remove(&outpoint);
            if let Some(reservation) = coins.get(&outpoint).and_then(|coin| coin.reserved) {
                coins.release_one(&outpoint, reservation);
            }
        }
        let mut openings = Vec::new();
        for (vout, _) in (0..).zip(&owed.tx.output) {
            let outpoint = OutPoint { txid, vout };
            if let Some(Reservation::Opening(keys)) = coins.get(&outpoint).and_then(|coin| coin.reserved) {
                openings.push(keys);
            }
            coins.apply(WalletFinding::Dropped { outpoint });
        }
        self.set_coins(coins);
        openings
    }

    /// The channel that a transaction was to fund will not be. One that had its funding in a block, and lost it by a reorganisation,
    /// stays for people to look at: payments may have gone over it.
    fn end_for_want_of_funding(&mut self, keys: ChannelKeysId, by: Txid) {
        let Some(channel) = self.node.channels.get(&keys).cloned() else { return };
        let was_used = channel.open().is_some_and(|open| open.readiness.sent);
        if was_used && !is_opening(&channel) {
            return;
        }
        let reason = format!(
            "its funding can never confirm: transaction {by} has spent what that spends or builds on"
        );
        let speech =
            self.failure(channel.peer(), Some(keys), channel.channel_id(), reason.clone().into_bytes());
        self.say(channel.peer(), speech);
        self.forget_opening(keys, reason);
    }
}
