//! A transaction of ours that waits for a block gets there sooner, by a child that spends its change and pays for both. It is never
//! replaced: what was told of it, to a peer that waits for its funding before all, stays true.

use super::Turn;
use super::coins::beside_reserve;
use crate::command::{BumpFeeCommand, Bumped, Refusal};
use crate::ledger::Fact;
use crate::state::OwedTransaction;
use astrape_primitives::Sat;
use astrape_wallet::Reservation;
use std::sync::Arc;

impl Turn<'_> {
    pub(super) fn bump_fee(&mut self, command: &BumpFeeCommand) -> Result<Bumped, Refusal> {
        let parent = self.node.last_built_on(command.txid).ok_or(Refusal::NotWaiting(command.txid))?;
        if let Some(rival) = self.node.beaten().get(&parent) {
            return Err(Refusal::Beaten { txid: command.txid, by: rival.by });
        }
        let package = self.node.package_of(parent);
        let terms = self.terms(self.feerate_or_estimate(command.feerate)?, &command.change_script);
        let reserve = if command.spend_reserve { Sat::ZERO } else { self.node.anchor_reserve() };
        let left = self.node.coins_left();
        let selection = beside_reserve(reserve, &terms, |terms| left.select_child(&parent, &package, terms))?;
        let request = selection.to_request(Vec::new(), &command.change_script, self.height())?;
        self.expect_change(&request.tx, &command.change_script);
        let id = self.entropy.draw("bump");
        let mut coins = self.coins_value();
        coins.reserve(&selection.outpoints(), Reservation::Withdrawal(id))?;
        self.set_coins(coins);
        let child = request.tx.compute_txid();
        let (tx, inputs, since) = (Arc::new(request.tx), request.inputs, Some(self.height()));
        self.owe(OwedTransaction { tx, inputs, confirmed: None, since });
        let fee = selection.fee;
        self.record(Fact::FeeBumped { txid: command.txid, child, fee });
        Ok(Bumped { child, fee, feerate: package.with(selection.weight, fee).feerate() })
    }
}
