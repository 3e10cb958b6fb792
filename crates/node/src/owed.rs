//! Transactions of our coins that wait for a block, and how they build on one another.

use crate::effect::Broadcast;
use crate::node::Node;
use crate::state::OwedTransaction;
use astrape_primitives::Sat;
use astrape_transactions::signing::WalletRequest;
use astrape_wallet::Package;
use bitcoin::Txid;
use std::collections::BTreeSet;

/// Most parents that go out with a child: with it they are the 25 transactions that a package may have (Bitcoin Core).
const MAX_PARENTS: usize = 24;

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
