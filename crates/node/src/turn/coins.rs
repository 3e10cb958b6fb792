//! Our coins on chain: what the wallet's scanner found, what is set aside, what is spent by the user's wish.

use super::Turn;
use crate::command::{Refusal, WithdrawCommand};
use crate::ledger::Fact;
use crate::node::PendingOpening;
use crate::state::OwedTransaction;
use astrape_primitives::{ChannelKeysId, FeeratePerKw, Sat};
use astrape_transactions::signing::WalletInput;
use astrape_wallet::{Coins, Reservation, Terms, WalletFinding};
use bitcoin::{OutPoint, ScriptBuf, Transaction, TxOut, Txid};
use std::sync::Arc;

/// Coins are spent from the first confirmation on; our own change before.
const MIN_CONFIRMATIONS: u32 = 0;

/// Bytes of a P2WSH script: a funding output before its keys are known.
const P2WSH_LEN: usize = 34;

impl Turn<'_> {
    pub(super) fn coins(&mut self, findings: Vec<WalletFinding>) {
        let mut coins = self.coins_value();
        for finding in findings {
            self.note_spender(&coins, &finding);
            coins.apply(finding);
        }
        coins.forget_buried(self.height());
        self.forget_spenders(&coins);
        self.node.change.retain(|outpoint, _| coins.get(outpoint).is_none());
        self.set_coins(coins);
        self.serve_who_waits_for_coins();
    }

    pub(super) fn coins_value(&self) -> Coins {
        self.node.coins.get(&()).map(|c| (**c).clone()).unwrap_or_default()
    }

    pub(super) fn set_coins(&mut self, coins: Coins) {
        self.node.coins.set((), Arc::new(coins));
    }

    pub(super) fn terms(&self, feerate: FeeratePerKw, change_script: &ScriptBuf) -> Terms {
        Terms {
            feerate,
            tip: self.height(),
            min_confirmations: MIN_CONFIRMATIONS,
            reserve: Sat::ZERO,
            change_script: change_script.clone(),
        }
    }

    /// What a transaction shall pay: what is asked for, or the estimate. The least that is relayed is no estimate: it may be in no block
    /// for weeks.
    pub(super) fn feerate_or_estimate(&self, asked: Option<FeeratePerKw>) -> Result<FeeratePerKw, Refusal> {
        let world = &self.node.world;
        asked.or_else(|| world.is_feerate_told.then_some(world.feerate)).ok_or(Refusal::NoFeerate)
    }

    /// Whether there are coins for a funding, before the peer is asked: those that closes need are not taken, the close of this
    /// channel among them, unless it is asked for.
    pub(super) fn check_coins(
        &self,
        amount: Sat,
        feerate: FeeratePerKw,
        opening: &PendingOpening,
        accept_high_fee: bool,
    ) -> Result<(), Refusal> {
        let output = TxOut { value: amount.into(), script_pubkey: ScriptBuf::from(vec![0; P2WSH_LEN]) };
        let own = opening.reserve.map(|own| self.node.reserve_with_openings().saturating_add(own));
        let (coins, terms) = (self.node.coins_left(), self.terms(feerate, &opening.change_script));
        let selection = beside_reserve(own.unwrap_or_default(), &terms, |terms| {
            coins.select(std::slice::from_ref(&output), terms)
        })?;
        check_fee(selection.fee, amount, feerate, accept_high_fee)
    }

    /// The funding transaction, unsigned, with its coins reserved for the channel.
    pub(super) fn build_funding(
        &mut self,
        keys: ChannelKeysId,
        script: &ScriptBuf,
        amount: Sat,
        feerate: FeeratePerKw,
        opening: &PendingOpening,
    ) -> Result<Transaction, Refusal> {
        let mut coins = self.coins_value();
        let outputs = vec![TxOut { value: amount.into(), script_pubkey: script.clone() }];
        // Others may have been opened since the coins were looked at.
        let reserve = opening.reserve.map_or(Sat::ZERO, |_| self.node.reserve_with_openings());
        let terms = self.terms(feerate, &opening.change_script);
        let left = self.node.coins_left();
        let selection = beside_reserve(reserve, &terms, |terms| left.select(&outputs, terms))?;
        let request = selection.to_request(outputs, &opening.change_script, self.height())?;
        coins.reserve(&selection.outpoints(), Reservation::Opening(keys))?;
        self.set_coins(coins);
        Ok(request.tx)
    }

    /// What a signer must know of the inputs of a transaction of our coins.
    pub(super) fn wallet_inputs(&self, tx: &Transaction) -> Vec<WalletInput> {
        let coins = self.coins_value();
        let coin =
            |input: &bitcoin::TxIn| coins.get(&input.previous_output).map(astrape_wallet::Coin::to_input);
        tx.input.iter().filter_map(coin).collect()
    }

    /// An opening ended: its coins are free again.
    pub(super) fn release_coins_of(&mut self, keys: ChannelKeysId) {
        let mut coins = self.coins_value();
        if !coins.release(Reservation::Opening(keys)).is_empty() {
            self.set_coins(coins);
        }
    }

    /// The coins of a withdrawal. What closes need stays, unless it is asked for.
    fn select_withdrawal(
        &self,
        coins: &Coins,
        command: &WithdrawCommand,
    ) -> Result<(astrape_wallet::Selection, TxOut), Refusal> {
        let feerate = self.feerate_or_estimate(command.feerate)?;
        let terms = self.terms(feerate, &command.change_script);
        let select = |terms: &Terms| match command.amount {
            Some(amount) => {
                let output = TxOut { value: amount.into(), script_pubkey: command.script.clone() };
                Ok((coins.select(std::slice::from_ref(&output), terms)?, output))
            }
            None => coins.select_all(&command.script, terms),
        };
        let reserve = if command.spend_reserve { Sat::ZERO } else { self.node.anchor_reserve() };
        let (selection, output) = beside_reserve(reserve, &terms, select)?;
        check_fee(selection.fee, output.value.into(), feerate, command.accept_high_fee)?;
        Ok((selection, output))
    }

    /// Change counts from now on, and not only once the wallet has seen it.
    pub(super) fn expect_change(&mut self, tx: &Transaction, script: &ScriptBuf) {
        let txid = tx.compute_txid();
        let outputs = (0..).zip(&tx.output).filter(|(_, output)| output.script_pubkey == *script);
        self.node.change.extend(outputs.map(|(vout, output)| (OutPoint { txid, vout }, output.value.into())));
    }

    /// Sends coins on chain: by which transaction, what it pays out and what it costs.
    pub(super) fn withdraw(&mut self, command: &WithdrawCommand) -> Result<(Txid, Sat, Sat), Refusal> {
        let mut coins = self.coins_value();
        let (selection, output) = self.select_withdrawal(&self.node.coins_left(), command)?;
        let amount = Sat::from(output.value);
        let request = selection.to_request(vec![output], &command.change_script, self.height())?;
        self.expect_change(&request.tx, &command.change_script);
        let id = self.entropy.draw("withdrawal");
        coins.reserve(&selection.outpoints(), Reservation::Withdrawal(id))?;
        self.set_coins(coins);
        let txid = request.tx.compute_txid();
        let (tx, inputs, since) = (Arc::new(request.tx), request.inputs, Some(self.height()));
        self.owe(OwedTransaction { tx, inputs, confirmed: None, since });
        self.record(Fact::Withdrawn { txid, amount, fee: selection.fee });
        Ok((txid, amount, selection.fee))
    }
}

/// Nobody pays more for moving coins than they are worth without having said so.
fn check_fee(fee: Sat, amount: Sat, feerate: FeeratePerKw, is_accepted: bool) -> Result<(), Refusal> {
    if fee > amount && !is_accepted {
        return Err(Refusal::HighFee { fee, amount, feerate });
    }
    Ok(())
}

/// Selects coins that leave a reserve in the wallet. What would not be possible without a reserve either is refused in the
/// wallet's own words.
pub(super) fn beside_reserve<T>(
    reserve: Sat,
    terms: &Terms,
    select: impl Fn(&Terms) -> Result<T, astrape_wallet::Refusal>,
) -> Result<T, Refusal> {
    if reserve == Sat::ZERO {
        return Ok(select(terms)?);
    }
    select(&Terms { reserve, ..terms.clone() }).or_else(|wallet| {
        select(terms)?;
        Err(Refusal::Reserve { reserve, wallet })
    })
}
