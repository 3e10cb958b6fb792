//! Unconfirmed transactions and how they hang together. Rules of admission live in `policy`.

use bitcoin::{OutPoint, Transaction, Txid};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// An unconfirmed transaction.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) tx: Arc<Transaction>,
    pub(crate) txid: Txid,
    /// In satoshi.
    pub(crate) fee: u64,
    pub(crate) weight: u64,
    /// In virtual bytes, signature operations counted (`GetVirtualTransactionSize`).
    pub(crate) vsize: u64,
    /// Place in the order of arrival; parents come before their children.
    pub(crate) sequence: u64,
}

impl Entry {
    /// Whether this feerate is above another one.
    pub(crate) fn pays_better_than(&self, other: &Entry) -> bool {
        u128::from(self.fee) * u128::from(other.vsize) > u128::from(other.fee) * u128::from(self.vsize)
    }
}

/// All unconfirmed transactions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mempool {
    entries: BTreeMap<Txid, Arc<Entry>>,
    spends: BTreeMap<OutPoint, Txid>,
    next_sequence: u64,
}

impl Mempool {
    pub(crate) fn get(&self, txid: &Txid) -> Option<&Arc<Entry>> {
        self.entries.get(txid)
    }

    /// The transaction that spends an output.
    pub(crate) fn spender(&self, outpoint: &OutPoint) -> Option<Txid> {
        self.spends.get(outpoint).copied()
    }

    /// Whether the very same transaction, witness and all, is here.
    pub(crate) fn has_same(&self, tx: &Transaction) -> bool {
        self.entries.get(&tx.compute_txid()).is_some_and(|entry| *entry.tx == *tx)
    }

    /// All in order of arrival: parents before children.
    pub(crate) fn in_order(&self) -> Vec<Arc<Entry>> {
        let mut all: Vec<_> = self.entries.values().cloned().collect();
        all.sort_by_key(|entry| entry.sequence);
        all
    }

    pub(crate) fn insert(&mut self, mut entry: Entry) {
        entry.sequence = self.next_sequence;
        self.next_sequence += 1;
        self.spends.extend(entry.tx.input.iter().map(|input| (input.previous_output, entry.txid)));
        self.entries.insert(entry.txid, Arc::new(entry));
    }

    /// Takes one out and leaves its children.
    pub(crate) fn remove(&mut self, txid: &Txid) {
        if let Some(entry) = self.entries.remove(txid) {
            for input in &entry.tx.input {
                self.spends.remove(&input.previous_output);
            }
        }
    }

    /// Takes some out with all that hangs on them. Gives what went.
    pub(crate) fn remove_with_descendants(&mut self, txids: &BTreeSet<Txid>) -> BTreeSet<Txid> {
        let gone = self.with_descendants(txids);
        for txid in &gone {
            self.remove(txid);
        }
        gone
    }

    /// Unconfirmed parents of a transaction that need not be here itself.
    pub(crate) fn parents(&self, tx: &Transaction) -> BTreeSet<Txid> {
        let txids = tx.input.iter().map(|input| input.previous_output.txid);
        txids.filter(|txid| self.entries.contains_key(txid)).collect()
    }

    /// Unconfirmed ancestors of a transaction that need not be here itself; it is not among them.
    pub(crate) fn ancestors(&self, tx: &Transaction) -> BTreeSet<Txid> {
        let mut found = BTreeSet::new();
        let mut queue: Vec<Txid> = self.parents(tx).into_iter().collect();
        while let Some(txid) = queue.pop() {
            if let Some(entry) = self.entries.get(&txid).filter(|_| found.insert(txid)) {
                queue.extend(self.parents(&entry.tx));
            }
        }
        found
    }

    /// Children of a transaction that is here.
    pub(crate) fn children(&self, txid: Txid) -> BTreeSet<Txid> {
        let all = OutPoint { txid, vout: 0 }..=OutPoint { txid, vout: u32::MAX };
        self.spends.range(all).map(|(_, child)| *child).collect()
    }

    /// These and all that hangs on them.
    pub(crate) fn with_descendants(&self, txids: &BTreeSet<Txid>) -> BTreeSet<Txid> {
        let mut found = BTreeSet::new();
        let mut queue: Vec<Txid> =
            txids.iter().filter(|txid| self.entries.contains_key(*txid)).copied().collect();
        while let Some(txid) = queue.pop() {
            if found.insert(txid) {
                queue.extend(self.children(txid));
            }
        }
        found
    }

    /// What a transaction would double-spend (`CTxMemPool::GetConflictTx`).
    pub(crate) fn conflicts(&self, tx: &Transaction) -> BTreeSet<Txid> {
        let txid = tx.compute_txid();
        tx.input
            .iter()
            .filter_map(|input| self.spender(&input.previous_output))
            .filter(|t| *t != txid)
            .collect()
    }

    /// Fees and virtual bytes of some of its transactions.
    pub(crate) fn totals<'a>(&self, txids: impl IntoIterator<Item = &'a Txid>) -> (u64, u64) {
        let entries = txids.into_iter().filter_map(|txid| self.entries.get(txid));
        entries.fold((0, 0), |(fee, size), entry| (fee + entry.fee, size + entry.vsize))
    }
}
