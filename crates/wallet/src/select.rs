//! Which coins pay for some outputs, what comes back, and what it costs.
//!
//! The fewest coins that suffice are taken, the largest first, the last as small as it may be. A coin that costs more
//! than it brings at the asked feerate is left alone.

use crate::build::{fee, weight};
use crate::coin::Coin;
use crate::coins::Coins;
use astrape_primitives::{FeeratePerKw, Height, Sat};
use bitcoin::{OutPoint, Script, ScriptBuf, TxOut, Txid};

/// Most coins that one transaction spends. They weigh 345,000 of the 400,000 weight units that nodes relay; what is left
/// is for the outputs.
pub const MAX_INPUTS: usize = 1_500;

/// The terms on which coins are spent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// What the transaction pays.
    pub feerate: FeeratePerKw,
    /// The best block.
    pub tip: Height,
    /// Confirmations that a coin must have. With 0, unconfirmed coins are taken that only we could take back.
    pub min_confirmations: u32,
    /// What must be left in the wallet, for the fees of commitments with anchors. It counts without the fees that
    /// spending it would cost now.
    pub reserve: Sat,
    /// Where what is left of the coins goes.
    pub change_script: ScriptBuf,
}

impl Terms {
    /// The reserve as an amount that can stand alone in an output.
    fn reserve(&self) -> Sat {
        if self.reserve == Sat::ZERO { Sat::ZERO } else { self.reserve.max(dust(&self.change_script)) }
    }

    /// The change output for the check of what is affordable: a reserve needs one.
    fn change_if_reserve(&self) -> Option<&Script> {
        (self.reserve != Sat::ZERO).then_some(&self.change_script)
    }
}

/// Coins that pay for some outputs: `inputs` = outputs + `change` + `fee`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// What is spent.
    pub inputs: Vec<Coin>,
    /// What comes back to the change script. `None` when it would be dust; it is then part of the fee.
    pub change: Option<Sat>,
    /// What it costs.
    pub fee: Sat,
    /// Weight of the signed transaction, in weight units.
    pub weight: u64,
}

impl Selection {
    /// The coins to [reserve](Coins::reserve).
    #[must_use]
    pub fn outpoints(&self) -> Vec<OutPoint> {
        self.inputs.iter().map(Coin::outpoint).collect()
    }
}

/// What to do where coins are missing: those that wait may be enough.
fn remedy(missing: Sat, waiting: Sat) -> String {
    let send = format!("send at least {missing} to the wallet, or ask for less");
    if waiting < missing { send } else { format!("try again when those are free, or {send}") }
}

/// Why coins cannot be spent so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Too little can be spent.
    #[error(
        "{missing} are missing: {available} can be spent now with the fee deducted, {waiting} wait for confirmation \
         or are reserved; {remedy}", remedy = remedy(*missing, *waiting)
    )]
    NotEnough {
        /// What one further coin would have to be worth, its own fee included.
        missing: Sat,
        /// What all coins that may be spent come to, without the fee and without the reserve of the wallet.
        available: Sat,
        /// What other coins come to.
        waiting: Sat,
    },
    /// An output that nodes would not relay.
    #[error("{amount} is too little for an output: at least {minimum} are relayed")]
    Dust {
        /// What it is.
        amount: Sat,
        /// What it must be.
        minimum: Sat,
    },
    /// Nothing to pay for.
    #[error("there is no output to pay for")]
    NoOutput,
    /// A coin that is not there.
    #[error("there is no coin {0}")]
    NoSuchCoin(OutPoint),
    /// A coin that was spent.
    #[error("the coin {0} is spent")]
    Spent(OutPoint),
    /// A coin that is set aside.
    #[error("the coin {0} is reserved already")]
    Reserved(OutPoint),
    /// Nothing is left of it that could pay for it.
    #[error(
        "transaction {0} has left this wallet no change that could be spent to pay for it: it waits until fees fall, or until whoever \
         it pays spends what it brings for a higher fee"
    )]
    NoChange(Txid),
    /// More is not needed.
    #[error("it pays {} already, with all that it builds on: ask for more (--feerate)", .0.for_people())]
    PaysEnough(FeeratePerKw),
    /// A transaction is asked for with other outputs than its coins were selected for.
    #[error("the outputs are not those that the coins were selected for")]
    OtherOutputs,
}

impl Coins {
    /// The coins that pay for `outputs`. Only the amounts of the outputs and the lengths of their scripts matter: the
    /// script of a funding output may be filled in later.
    ///
    /// # Errors
    /// When there are too few coins (saying how much is missing), or an output is dust.
    pub fn select(&self, outputs: &[TxOut], terms: &Terms) -> Result<Selection, Refusal> {
        check_outputs(outputs)?;
        let pool = self.pool(terms);
        let total = total(&pool);
        self.check_enough(&pool, outputs, terms)?;

        let without_change = |inputs| fee(terms.feerate, weight(inputs, outputs, None));
        let amount = amount(outputs);
        let picked = pick(&pool, |inputs| amount.saturating_add(without_change(inputs)));
        let selection = finish(&picked, outputs, terms);
        let spent = selection.inputs.iter().map(Coin::amount).sum();
        let kept = total.saturating_sub(spent).saturating_add(selection.change.unwrap_or_default());
        if kept >= terms.reserve() {
            return Ok(selection);
        }
        // Some of the reserve would go to the fee in place of a change too small to stand. All coins together have a
        // change that holds the reserve, or they would not have been enough.
        Ok(finish(&pool, outputs, terms))
    }

    /// All coins to one `script`, but for the reserve, which comes back as change. Returns the output too. At most
    /// [`MAX_INPUTS`] coins go at once, the largest.
    ///
    /// # Errors
    /// When the fee leaves nothing that could be sent.
    pub fn select_all(&self, script: &Script, terms: &Terms) -> Result<(Selection, TxOut), Refusal> {
        let least = TxOut { value: dust(script).into(), script_pubkey: script.to_owned() };
        let pool = self.pool(terms);
        self.check_enough(&pool, core::slice::from_ref(&least), terms)?;
        let weight = weight(pool.len(), core::slice::from_ref(&least), terms.change_if_reserve());
        let fee = fee(terms.feerate, weight);
        let change = Some(terms.reserve()).filter(|reserve| *reserve != Sat::ZERO);
        let amount = total(&pool).saturating_sub(fee).saturating_sub(terms.reserve());
        let inputs = pool.into_iter().cloned().collect();
        let output = TxOut { value: amount.into(), ..least };
        Ok((Selection { inputs, change, fee, weight }, output))
    }

    /// The coins that may be spent and bring more than they cost, the largest first.
    pub(crate) fn pool(&self, terms: &Terms) -> Vec<&Coin> {
        let cost = fee(terms.feerate, crate::build::INPUT_WEIGHT);
        let mut pool: Vec<&Coin> = self
            .iter()
            .filter(|coin| coin.is_spendable(terms.tip, terms.min_confirmations) && coin.amount() >= cost)
            .collect();
        // The order among equals is that of the outpoints, so that the same wallet always selects the same.
        pool.sort_by_key(|coin| (core::cmp::Reverse(coin.amount()), coin.outpoint()));
        pool.truncate(MAX_INPUTS);
        pool
    }

    /// Whether all of `pool` together pays for `outputs` and the reserve.
    fn check_enough(&self, pool: &[&Coin], outputs: &[TxOut], terms: &Terms) -> Result<(), Refusal> {
        let fee = |inputs| fee(terms.feerate, weight(inputs, outputs, terms.change_if_reserve()));
        let needed = amount(outputs).saturating_add(terms.reserve());
        if !pool.is_empty() && total(pool) >= needed.saturating_add(fee(pool.len())) {
            return Ok(());
        }
        // A further coin needs its own fee. Where there is no room for it, it takes the place of the smallest.
        let others = &pool[..pool.len().min(MAX_INPUTS - 1)];
        let needed = needed.saturating_add(fee(others.len() + 1));
        let missing = needed.saturating_sub(total(others)).max(Sat(1));
        let available = total(pool).saturating_sub(fee(pool.len())).saturating_sub(terms.reserve());
        let waiting = self.balance(terms.tip).total().saturating_sub(self.spendable(terms));
        Err(Refusal::NotEnough { missing, available, waiting })
    }

    pub(crate) fn spendable(&self, terms: &Terms) -> Sat {
        let spendable = self.iter().filter(|coin| coin.is_spendable(terms.tip, terms.min_confirmations));
        spendable.map(Coin::amount).sum()
    }
}

/// Least amount that nodes relay in an output with `script`.
pub(crate) fn dust(script: &Script) -> Sat {
    script.minimal_non_dust().into()
}

fn check_outputs(outputs: &[TxOut]) -> Result<(), Refusal> {
    if outputs.is_empty() {
        return Err(Refusal::NoOutput);
    }
    let dusty = outputs.iter().find(|output| Sat::from(output.value) < dust(&output.script_pubkey));
    match dusty {
        Some(TxOut { value, script_pubkey }) => {
            Err(Refusal::Dust { amount: (*value).into(), minimum: dust(script_pubkey) })
        }
        None => Ok(()),
    }
}

fn amount(outputs: &[TxOut]) -> Sat {
    outputs.iter().map(|output| Sat::from(output.value)).sum()
}

pub(crate) fn total(coins: &[&Coin]) -> Sat {
    coins.iter().map(|coin| coin.amount()).sum()
}

/// The fewest coins that reach what that many coins `need`; all of `pool` does. The last is the smallest that will do.
fn pick<'a>(pool: &[&'a Coin], need: impl Fn(usize) -> Sat) -> Vec<&'a Coin> {
    let enough = (1..pool.len()).find(|count| total(&pool[..*count]) >= need(*count)).unwrap_or(pool.len());
    let (first, rest) = pool.split_at(enough.saturating_sub(1));
    let before = total(first);
    let last = rest.iter().rev().find(|coin| before.saturating_add(coin.amount()) >= need(enough));
    first.iter().chain(last).copied().collect()
}

/// What is left of `inputs` after the outputs and the fee is change, if it can stand, or else a part of the fee.
fn finish(inputs: &[&Coin], outputs: &[TxOut], terms: &Terms) -> Selection {
    let left = total(inputs).saturating_sub(amount(outputs));
    let with_change = weight(inputs.len(), outputs, Some(&terms.change_script));
    let change = left
        .checked_sub(fee(terms.feerate, with_change))
        .filter(|change| *change >= dust(&terms.change_script));
    Selection {
        inputs: inputs.iter().copied().cloned().collect(),
        change,
        fee: left.saturating_sub(change.unwrap_or_default()),
        weight: if change.is_some() { with_change } else { weight(inputs.len(), outputs, None) },
    }
}
