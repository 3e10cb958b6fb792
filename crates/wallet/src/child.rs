//! A child that pays for its parents: transactions that wait for a block get there for the sake of one that spends their change.

use crate::build::{fee, weight};
use crate::coin::Coin;
use crate::coins::Coins;
use crate::select::{Refusal, Selection, Terms, dust, total};
use astrape_primitives::{FeeratePerKw, Sat};
use bitcoin::Txid;

/// Transactions that wait together: none is mined without those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Package {
    /// What they weigh with their signatures, in weight units.
    pub weight: u64,
    /// What they pay.
    pub fee: Sat,
}

impl Package {
    /// What it pays by its weight, rounded down.
    #[must_use]
    pub fn feerate(&self) -> FeeratePerKw {
        let per_kw = self.fee.0.saturating_mul(1000).checked_div(self.weight).unwrap_or(0);
        FeeratePerKw(u32::try_from(per_kw).unwrap_or(u32::MAX))
    }

    /// With one more transaction.
    #[must_use]
    pub fn with(self, weight: u64, fee: Sat) -> Self {
        Self { weight: self.weight.saturating_add(weight), fee: self.fee.saturating_add(fee) }
    }
}

impl Coins {
    /// A transaction that spends the change of `parent`, the last of a `package`, back to the wallet, and pays so much that all of
    /// them together pay the feerate of `terms`. Where the change is too small for that, confirmed coins help.
    ///
    /// # Errors
    /// When the package pays as much already, the parent has left the wallet no coin that is free, or there are too few coins.
    pub fn select_child(
        &self,
        parent: &Txid,
        package: &Package,
        terms: &Terms,
    ) -> Result<Selection, Refusal> {
        let has = package.feerate();
        if has >= terms.feerate {
            return Err(Refusal::PaysEnough(has));
        }
        let is_change = |coin: &&Coin| {
            coin.outpoint().txid == *parent
                && coin.found.ours_change
                && coin.spent.is_none()
                && coin.reserved.is_none()
        };
        let mut inputs: Vec<&Coin> = self.iter().filter(is_change).collect();
        if inputs.is_empty() {
            return Err(Refusal::NoChange(*parent));
        }
        let confirmed = Terms { min_confirmations: terms.min_confirmations.max(1), ..terms.clone() };
        let mut helpers = self.pool(&confirmed).into_iter();
        loop {
            let weight = weight(inputs.len(), &[], Some(&terms.change_script));
            let missing =
                fee(terms.feerate, package.weight.saturating_add(weight)).saturating_sub(package.fee);
            let fee = missing.max(fee(terms.feerate, weight));
            let least = dust(&terms.change_script).saturating_add(fee);
            match total(&inputs).checked_sub(least) {
                Some(_) => return self.keeps_reserve(inputs, fee, weight, terms),
                None => match helpers.next() {
                    Some(helper) => inputs.push(helper),
                    None => {
                        return Err(self.not_enough(least.saturating_sub(total(&inputs)), &inputs, terms));
                    }
                },
            }
        }
    }

    fn keeps_reserve(
        &self,
        inputs: Vec<&Coin>,
        fee: Sat,
        weight: u64,
        terms: &Terms,
    ) -> Result<Selection, Refusal> {
        let left = self.spendable(terms).saturating_sub(fee);
        if left < terms.reserve {
            return Err(self.not_enough(terms.reserve.saturating_sub(left), &inputs, terms));
        }
        let change = total(&inputs).saturating_sub(fee);
        Ok(Selection { inputs: inputs.into_iter().cloned().collect(), change: Some(change), fee, weight })
    }

    fn not_enough(&self, missing: Sat, inputs: &[&Coin], terms: &Terms) -> Refusal {
        let waiting = self.balance(terms.tip).total().saturating_sub(self.spendable(terms));
        Refusal::NotEnough { missing, available: total(inputs).saturating_sub(terms.reserve), waiting }
    }
}
