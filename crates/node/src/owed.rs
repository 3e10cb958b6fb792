//! Transactions of our coins that wait for a block, and how they build on one another.

use crate::effect::Broadcast;
use crate::node::Node;
use crate::state::OwedTransaction;
use astrape_primitives::{Height, Sat};
use astrape_transactions::signing::WalletRequest;
use astrape_wallet::Package;
use bitcoin::{OutPoint, Txid};
use std::collections::{BTreeMap, BTreeSet};

/// Most parents that go out with a child: with it they are the 25 transactions that a package may have (Bitcoin Core).
const MAX_PARENTS: usize = 24;

/// A transaction in a block of the best chain that has spent a coin of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpentBy {
    /// Which.
    pub by: Txid,
    /// Height of its block.
    pub height: Height,
}

impl OwedTransaction {
    fn to_request(&self) -> WalletRequest {
        WalletRequest { tx: (*self.tx).clone(), inputs: self.inputs.clone() }
    }

    /// What it pays: its inputs are all ours, and known.
    fn fee(&self) -> Sat {
        let spent: Sat = self.inputs.iter().map(|input| Sat::from(input.prevout.value)).sum();
        let paid: Sat = self.tx.output.iter().map(|output| Sat::from(output.value)).sum();
        spent.saturating_sub(paid)
    }

    /// What it weighs with its signatures.
    fn weight(&self) -> u64 {
        astrape_wallet::build::weight(self.tx.input.len(), &self.tx.output, None)
    }
}

impl Node {
    /// One that is in no block.
    fn waiting(&self, txid: &Txid) -> Option<&OwedTransaction> {
        self.owed.get(txid).filter(|owed| owed.confirmed.is_none())
    }

    /// What has spent a coin that a transaction spends which waits, if something else has. Of several, the deepest.
    pub(crate) fn rival_of(&self, txid: &Txid) -> Option<SpentBy> {
        let owed = self.waiting(txid).filter(|_| !self.spenders.is_empty())?;
        let spenders = owed.tx.input.iter().filter_map(|input| self.spenders.get(&input.previous_output));
        spenders.filter(|spender| spender.by != *txid).min_by_key(|spender| spender.height).copied()
    }

    /// Those that wait and cannot confirm while something else has spent a coin of theirs, or of what they build on: each with what
    /// has. What they make is not there.
    pub(crate) fn beaten(&self) -> BTreeMap<Txid, SpentBy> {
        let rivals = self.owed.iter().filter_map(|(txid, _)| Some((*txid, self.rival_of(txid)?)));
        self.with_those_that_build_on(rivals.collect())
    }

    /// These, and all that wait and build on them, with what hinders those.
    pub(crate) fn with_those_that_build_on(
        &self,
        mut beaten: BTreeMap<Txid, SpentBy>,
    ) -> BTreeMap<Txid, SpentBy> {
        let mut open: Vec<Txid> = beaten.keys().copied().collect();
        // Each is looked at once.
        while let Some(parent) = open.pop() {
            let spender = beaten[&parent];
            for (txid, owed) in self.owed.iter().filter(|(_, owed)| owed.confirmed.is_none()) {
                let builds = owed.tx.input.iter().any(|input| input.previous_output.txid == parent);
                if builds && !beaten.contains_key(txid) {
                    beaten.insert(*txid, spender);
                    open.push(*txid);
                }
            }
        }
        beaten
    }

    /// A coin that a transaction spends which waits, and that a reorganisation has taken out of the chain: who has paid it to us may
    /// have spent the money elsewhere.
    pub(crate) fn lost_deposit_of(&self, txid: &Txid) -> Option<OutPoint> {
        let (owed, coins) = (self.waiting(txid)?, self.coins.get(&())?);
        let is_lost = |outpoint: &OutPoint| {
            coins.get(outpoint).is_some_and(|coin| coin.confirmed.is_none() && !coin.found.ours_change)
        };
        owed.tx.input.iter().map(|input| input.previous_output).find(is_lost)
    }

    /// A transaction as the network is to have it: with those that it builds on and that wait too.
    pub(crate) fn offer(&self, owed: &OwedTransaction) -> Broadcast {
        let parents: BTreeSet<Txid> = owed.tx.input.iter().map(|input| input.previous_output.txid).collect();
        let parents = parents.iter().filter_map(|txid| self.waiting(txid)).take(MAX_PARENTS);
        Broadcast::Wallet {
            request: Box::new(owed.to_request()),
            parents: parents.map(OwedTransaction::to_request).collect(),
        }
    }

    /// The last of those that build on a transaction that waits, each on the change of the one before: what pays for it now.
    pub(crate) fn last_built_on(&self, txid: Txid) -> Option<Txid> {
        self.waiting(&txid)?;
        let spends =
            |tx: &OwedTransaction, txid: &Txid| tx.tx.input.iter().any(|i| i.previous_output.txid == *txid);
        let child =
            |txid: &Txid| self.owed.iter().find(|(_, owed)| owed.confirmed.is_none() && spends(owed, txid));
        let mut last = txid;
        // Each spends the one before: there is no circle.
        while let Some((next, _)) = child(&last) {
            last = *next;
        }
        Some(last)
    }

    /// A transaction that waits, with all of those that it builds on and that wait too.
    pub(crate) fn package_of(&self, txid: Txid) -> Package {
        let mut members = BTreeSet::new();
        let mut open = vec![txid];
        let mut package = Package::default();
        while let Some(txid) = open.pop() {
            let Some(owed) = self.waiting(&txid).filter(|_| members.insert(txid)) else { continue };
            package = package.with(owed.weight(), owed.fee());
            open.extend(owed.tx.input.iter().map(|input| input.previous_output.txid));
        }
        package
    }
}
