//! The transaction of a claim: its outputs, its weight before it is signed, and the coins that pay for it.

use super::fee::{fee, per_kw};
use crate::tracked::{Parent, Role, Tracked};
use astrape_primitives::{ChannelKeysId, FeeratePerKw, Sat};
use astrape_transactions::weights::{INPUT_WEIGHT, TRANSACTION_FIELDS_WEIGHT, dust_threshold, output_weight};
use astrape_transactions::{CommitmentFormat, WalletInput};
use bitcoin::absolute::LockTime;
use bitcoin::transaction::Version;
use bitcoin::{OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness};

/// Witness of a coin of the wallet: one signature of 64 bytes, and its counts.
const COIN_WITNESS_WEIGHT: u64 = 66;

/// What an HTLC transaction with anchors weighs beyond a claim that pays for itself: a coin, and the change beside its output.
pub(crate) const PAID_BY_COIN_WEIGHT: u64 = INPUT_WEIGHT + COIN_WITNESS_WEIGHT + P2WSH_OUTPUT;

/// Counts of more than 252 inputs or outputs take two bytes more each.
const LONG_COUNTS_WEIGHT: u64 = 4 * 2 * 2 + 8;

/// Most coins that pay for one claim: it is replaced often, and each coin weighs.
pub(crate) const MAX_COINS: usize = 20;

/// What each piece of a change that is split must be worth: less pays for no claim on a busy day.
const MIN_PIECE: Sat = Sat(20_000);

/// And so many times what this claim takes from its coins: the next will take as much, and its fee may have to rise.
const PIECE_FACTOR: u64 = 4;

/// What claims of one commitment share.
pub(crate) struct Shared<'a> {
    pub(crate) keys: ChannelKeysId,
    pub(crate) format: CommitmentFormat,
    /// Where the money goes.
    pub(crate) script: &'a ScriptBuf,
    /// Witness script of the outputs of HTLC transactions.
    pub(crate) delayed: Option<&'a ScriptBuf>,
}

/// Coins that may pay for a claim.
#[derive(Clone, Copy)]
pub(crate) struct Purse<'a> {
    /// Those that it has already.
    pub(crate) kept: &'a [WalletInput],
    /// Those that it may take besides, the largest first.
    pub(crate) pool: &'a [WalletInput],
    /// Most pieces that the change is split into, for others that wait for a coin.
    pub(crate) pieces: u64,
}

/// A transaction that was built, unsigned.
#[derive(Clone, Debug)]
pub(crate) struct Built {
    pub(crate) tx: Transaction,
    pub(crate) coins: Vec<WalletInput>,
    pub(crate) fee: Sat,
    pub(crate) weight: u64,
}

/// Why there is no transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotBuilt {
    /// What is left after the fee is dust, or there is nothing to do.
    NotWorth,
    /// Coins of the wallet worth so much are missing for its fee.
    NoCoins(Sat),
    /// The coins are for others, who have less time.
    AfterOthers,
}

type Item<'a> = (OutPoint, &'a Tracked);

impl Shared<'_> {
    fn input_weight(&self, tracked: &Tracked) -> u64 {
        let witness = tracked.spend(self.keys, self.format).map_or(0, |spend| spend.max_witness_weight());
        INPUT_WEIGHT + witness
    }

    fn inputs_weight(&self, items: &[Item<'_>]) -> u64 {
        let long = if items.len() > 252 { LONG_COUNTS_WEIGHT } else { 0 };
        let inputs = items.iter().map(|(_, tracked)| self.input_weight(tracked)).sum::<u64>();
        TRANSACTION_FIELDS_WEIGHT + long + inputs
    }

    /// Those outputs that bring more than their inputs cost at this feerate, where they pay for their claim themselves. An
    /// anchor is one on quiet days only.
    pub(crate) fn worth<'a>(&self, items: &[Item<'a>], feerate: FeeratePerKw) -> Vec<Item<'a>> {
        let is_worth = |(_, tracked): &&Item<'a>| {
            matches!(tracked.role, Role::OurHtlc { .. } | Role::Anchor { parent: Some(_) })
                || tracked.value() > fee(feerate, self.input_weight(tracked))
        };
        items.iter().filter(is_worth).copied().collect()
    }

    /// The most that a claim of so much may pay of it: what is left must be no dust.
    pub(crate) fn most_fee(&self, value: Sat) -> Sat {
        value.saturating_sub(dust_threshold(self.script))
    }

    pub(crate) fn change_weight(&self) -> u64 {
        output_weight(self.script.len() as u64)
    }

    /// The weight of the whole, as far as it is known before coins are chosen: with one coin where some are needed.
    pub(crate) fn expected_weight(&self, items: &[Item<'_>]) -> u64 {
        let one_coin = INPUT_WEIGHT + COIN_WITNESS_WEIGHT;
        let first = items.first().map(|(_, tracked)| &tracked.role);
        self.inputs_weight(items)
            + match first {
                Some(Role::OurHtlc { .. }) => {
                    items.len() as u64 * P2WSH_OUTPUT + self.change_weight() + one_coin
                }
                Some(Role::Anchor { parent: Some(parent) }) => {
                    self.change_weight() + one_coin + parent.weight
                }
                _ => self.change_weight(),
            }
    }

    /// Builds the claim of these outputs, which are of one kind, at this feerate.
    pub(crate) fn build(
        &self,
        items: &[Item<'_>],
        feerate: FeeratePerKw,
        purse: Purse<'_>,
    ) -> Result<Built, NotBuilt> {
        match items.first().map(|(_, tracked)| &tracked.role) {
            Some(Role::OurHtlc { .. }) if self.format == CommitmentFormat::StaticRemotekey => {
                self.presigned(items)
            }
            Some(Role::OurHtlc { .. }) => self.second_stage(items, feerate, purse),
            Some(Role::Anchor { parent: Some(parent) }) => self.child(items, *parent, feerate, purse),
            Some(_) => self.plain(items, feerate),
            None => Err(NotBuilt::NotWorth),
        }
    }

    /// All to our script.
    fn plain(&self, items: &[Item<'_>], feerate: FeeratePerKw) -> Result<Built, NotBuilt> {
        let weight = self.inputs_weight(items) + self.change_weight();
        let fee = fee(feerate, weight);
        let left = value_of(items).saturating_sub(fee);
        if left < dust_threshold(self.script) {
            return Err(NotBuilt::NotWorth);
        }
        let outputs = vec![TxOut { value: left.into(), script_pubkey: self.script.clone() }];
        Ok(Built { tx: self.transaction(items, &[], outputs), coins: Vec::new(), fee, weight })
    }

    /// The transaction that both have signed, and that nothing can be added to.
    fn presigned(&self, items: &[Item<'_>]) -> Result<Built, NotBuilt> {
        let outputs = self.second_stage_outputs(items)?;
        let weight = self.inputs_weight(items) + P2WSH_OUTPUT * outputs.len() as u64;
        let paid: Sat = outputs.iter().map(|output| Sat::from(output.value)).sum();
        let fee = value_of(items).saturating_sub(paid);
        Ok(Built { tx: self.transaction(items, &[], outputs), coins: Vec::new(), fee, weight })
    }

    /// HTLC transactions in one: the peer's signatures bind each input to the output of the same index and to nothing else
    /// (`SINGLE|ANYONECANPAY`), so that coins and change come after them.
    fn second_stage(
        &self,
        items: &[Item<'_>],
        feerate: FeeratePerKw,
        purse: Purse<'_>,
    ) -> Result<Built, NotBuilt> {
        let outputs = self.second_stage_outputs(items)?;
        let weight = self.inputs_weight(items) + P2WSH_OUTPUT * outputs.len() as u64;
        let paid: Sat = outputs.iter().map(|output| Sat::from(output.value)).sum();
        let brought = value_of(items).saturating_sub(paid);
        let need = |coins_weight: u64| fee(feerate, weight + coins_weight).saturating_sub(brought);
        self.with_coins(items, outputs, weight, brought, need, purse)
    }

    fn second_stage_outputs(&self, items: &[Item<'_>]) -> Result<Vec<TxOut>, NotBuilt> {
        let script_pubkey = self.delayed.ok_or(NotBuilt::NotWorth)?.to_p2wsh();
        let output = |(_, tracked): &Item<'_>| match &tracked.role {
            Role::OurHtlc { second_stage, .. } => {
                Ok(TxOut { value: (*second_stage).into(), script_pubkey: script_pubkey.clone() })
            }
            _ => Err(NotBuilt::NotWorth),
        };
        items.iter().map(output).collect()
    }

    /// The child that brings the fee of its parent, so that both together pay the feerate.
    fn child(
        &self,
        items: &[Item<'_>],
        parent: Parent,
        feerate: FeeratePerKw,
        purse: Purse<'_>,
    ) -> Result<Built, NotBuilt> {
        let weight = self.inputs_weight(items);
        if per_kw(parent.fee, parent.weight) >= feerate && purse.kept.is_empty() {
            return Err(NotBuilt::NotWorth);
        }
        let anchor = value_of(items);
        let need = |coins_weight: u64| {
            let own = weight + coins_weight;
            let all = fee(feerate, own + parent.weight).saturating_sub(parent.fee);
            // The child alone is relayed too.
            all.max(fee(FeeratePerKw::FLOOR, own)).saturating_sub(anchor)
        };
        self.with_coins(items, Vec::new(), weight, anchor, need, purse)
    }

    /// Adds the coins that a fee needs, and the change. `brought` is what the inputs bring beyond the outputs, `need` what
    /// coins must bring when they and the change weigh so much.
    fn with_coins(
        &self,
        items: &[Item<'_>],
        mut outputs: Vec<TxOut>,
        weight: u64,
        brought: Sat,
        need: impl Fn(u64) -> Sat,
        purse: Purse<'_>,
    ) -> Result<Built, NotBuilt> {
        let coin_weight = INPUT_WEIGHT + COIN_WITNESS_WEIGHT;
        // A transaction without outputs is none: a child always has change.
        let least = if outputs.is_empty() { dust_threshold(self.script) } else { Sat::ZERO };
        let with_change = |coins: usize| coins as u64 * coin_weight + self.change_weight();
        let coins = pick(purse, |count| need(with_change(count)).saturating_add(least))?;
        let total = worth(&coins);
        let extra = |pieces: u64| with_change(coins.len()) + pieces.saturating_sub(1) * self.change_weight();
        let change = |pieces: u64| total.saturating_sub(need(extra(pieces)));
        let piece = MIN_PIECE.max(Sat(need(extra(1)).0.saturating_mul(PIECE_FACTOR)));
        let is_worth = |pieces: &u64| change(*pieces).0 / *pieces >= piece.0;
        let pieces = (2..=purse.pieces).rev().find(is_worth).unwrap_or(1);
        let (mut left, mut whole) = (change(pieces), weight + extra(pieces));
        if left < dust_threshold(self.script) {
            (left, whole) = (Sat::ZERO, whole - self.change_weight());
        }
        let fee = brought.saturating_add(total).saturating_sub(left);
        for others in (0..if left > Sat::ZERO { pieces } else { 0 }).rev() {
            let value = Sat(left.0 / (others + 1));
            left = left.saturating_sub(value);
            outputs.push(TxOut { value: value.into(), script_pubkey: self.script.clone() });
        }
        Ok(Built { tx: self.transaction(items, &coins, outputs), coins, fee, weight: whole })
    }

    fn transaction(&self, items: &[Item<'_>], coins: &[WalletInput], output: Vec<TxOut>) -> Transaction {
        let input = |previous_output, sequence| TxIn {
            previous_output,
            script_sig: ScriptBuf::new(),
            sequence,
            witness: Witness::new(),
        };
        let of_channel = items.iter().map(|(outpoint, t)| input(*outpoint, t.sequence(self.format)));
        let of_wallet = coins.iter().map(|coin| input(coin.outpoint, Sequence::ENABLE_RBF_NO_LOCKTIME));
        let lock_time = items.iter().map(|(_, tracked)| tracked.lock_time()).max().unwrap_or(0);
        Transaction {
            version: Version::TWO,
            lock_time: LockTime::from_consensus(lock_time),
            input: of_channel.chain(of_wallet).collect(),
            output,
        }
    }
}

/// A P2WSH output.
const P2WSH_OUTPUT: u64 = astrape_transactions::weights::P2WSH_OUTPUT_WEIGHT;

fn value_of(items: &[Item<'_>]) -> Sat {
    items.iter().map(|(_, tracked)| tracked.value()).sum()
}

fn worth(coins: &[WalletInput]) -> Sat {
    coins.iter().map(|coin| Sat::from(coin.prevout.value)).sum()
}

/// Coins that reach what that many coins `need`: those that are kept, and of the pool the smallest that suffices or, while
/// none does, the largest.
fn pick(purse: Purse<'_>, need: impl Fn(usize) -> Sat) -> Result<Vec<WalletInput>, NotBuilt> {
    let mut coins = purse.kept.to_vec();
    let mut pool: Vec<&WalletInput> = purse.pool.iter().collect();
    while worth(&coins) < need(coins.len()) {
        let missing = need(coins.len() + 1).saturating_sub(worth(&coins));
        if coins.len() >= MAX_COINS || pool.is_empty() {
            return Err(NotBuilt::NoCoins(missing));
        }
        let enough = pool.iter().rposition(|coin| Sat::from(coin.prevout.value) >= missing);
        coins.push(pool.remove(enough.unwrap_or(0)).clone());
    }
    Ok(coins)
}
