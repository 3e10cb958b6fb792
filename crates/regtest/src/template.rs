//! Choosing what a miner takes: packages of a transaction with its unconfirmed ancestors, the best paying first.

use crate::mempool::{Entry, Mempool};
use bitcoin::Txid;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A transaction with what must be mined before it.
struct Package {
    entry: Arc<Entry>,
    /// Ancestors not chosen yet.
    ancestors: BTreeSet<Txid>,
    fee: u64,
    weight: u64,
}

impl Package {
    /// Better ones first; of equals, the older.
    fn key(&self) -> (Reverse<u128>, u64, Txid) {
        let score = (u128::from(self.fee) << 40) / u128::from(self.weight.max(1));
        (Reverse(score), self.entry.sequence, self.entry.txid)
    }
}

/// The transactions of the next block in an order that puts parents first (`BlockAssembler::addPackageTxs`).
pub(crate) fn choose(mempool: &Mempool, max_weight: u64) -> Vec<Arc<Entry>> {
    let mut packages: BTreeMap<Txid, Package> =
        mempool.in_order().into_iter().map(|entry| (entry.txid, package(mempool, entry))).collect();
    let mut queue: BTreeSet<_> = packages.values().map(Package::key).collect();
    let mut chosen = Vec::new();
    let mut left = max_weight;
    while let Some((_, _, txid)) = queue.pop_first() {
        let Some(best) = packages.get(&txid).filter(|best| best.weight <= left) else { continue };
        left -= best.weight;
        let mut members = best.ancestors.clone();
        members.insert(txid);
        let mut entries: Vec<_> = members.iter().filter_map(|member| mempool.get(member)).cloned().collect();
        entries.sort_by_key(|entry| entry.sequence);
        for entry in &entries {
            if let Some(gone) = packages.remove(&entry.txid) {
                queue.remove(&gone.key());
            }
        }
        for entry in &entries {
            discount(mempool, entry, &mut packages, &mut queue);
        }
        chosen.extend(entries);
    }
    chosen
}

fn package(mempool: &Mempool, entry: Arc<Entry>) -> Package {
    let ancestors = mempool.ancestors(&entry.tx);
    let (mut fee, mut weight) = (entry.fee, entry.weight);
    for ancestor in ancestors.iter().filter_map(|txid| mempool.get(txid)) {
        fee += ancestor.fee;
        weight += ancestor.weight;
    }
    Package { entry, ancestors, fee, weight }
}

/// What was chosen no longer counts for those that hang on it.
fn discount(
    mempool: &Mempool,
    chosen: &Entry,
    packages: &mut BTreeMap<Txid, Package>,
    queue: &mut BTreeSet<(Reverse<u128>, u64, Txid)>,
) {
    for txid in mempool.with_descendants(&BTreeSet::from([chosen.txid])) {
        let Some(package) = packages.get_mut(&txid) else { continue };
        let waits = queue.remove(&package.key());
        if package.ancestors.remove(&chosen.txid) {
            package.fee -= chosen.fee;
            package.weight -= chosen.weight;
        }
        if waits {
            queue.insert(package.key());
        }
    }
}
