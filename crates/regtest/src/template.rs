//! Choosing what a miner takes: packages of a transaction with its unconfirmed ancestors, the best paying first.

use crate::mempool::{Entry, Mempool};
use crate::policy::fee_at;
use astrape_primitives::FeeratePerKw;
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
    vsize: u64,
}

impl Package {
    /// Better ones first; of equals, the older.
    fn key(&self) -> (Reverse<u128>, u64, Txid) {
        let score = (u128::from(self.fee) << 40) / u128::from(self.weight.max(1));
        (Reverse(score), self.entry.sequence, self.entry.txid)
    }
}

/// What a miner wants.
pub(crate) struct Wishes<'a> {
    /// Weight of all transactions together.
    pub(crate) max_weight: u64,
    /// The package that pays less, and all behind it, stay out (`blockMinFeeRate`).
    pub(crate) min_feerate: FeeratePerKw,
    /// Left out, with all that hangs on them. No rule of Bitcoin Core: a miner may do so.
    pub(crate) censored: &'a BTreeSet<Txid>,
}

/// The transactions of the next block in an order that puts parents first (`BlockAssembler::addPackageTxs`).
pub(crate) fn choose(mempool: &Mempool, wishes: &Wishes<'_>) -> Vec<Arc<Entry>> {
    let mut packages: BTreeMap<Txid, Package> =
        mempool.in_order().into_iter().map(|entry| (entry.txid, package(mempool, entry))).collect();
    for txid in mempool.with_descendants(wishes.censored) {
        packages.remove(&txid);
    }
    let mut queue: BTreeSet<_> = packages.values().map(Package::key).collect();
    let mut chosen = Vec::new();
    let mut left = wishes.max_weight;
    // A package fits by four times its virtual size, and takes its weight (`TestPackage`).
    while let Some((_, _, txid)) = queue.pop_first() {
        let Some(best) = packages.get(&txid).filter(|best| 4 * best.vsize < left) else { continue };
        if best.fee < fee_at(wishes.min_feerate, best.vsize) {
            break;
        }
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
    let (mut fee, mut weight, mut vsize) = (entry.fee, entry.weight, entry.vsize);
    for ancestor in ancestors.iter().filter_map(|txid| mempool.get(txid)) {
        fee += ancestor.fee;
        weight += ancestor.weight;
        vsize += ancestor.vsize;
    }
    Package { entry, ancestors, fee, weight, vsize }
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
            package.vsize -= chosen.vsize;
        }
        if waits {
            queue.insert(package.key());
        }
    }
}
