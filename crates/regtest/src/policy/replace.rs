//! Replacement by fee: full RBF (no signalling asked) with the fee rules of BIP 125.

use crate::mempool::{Entry, Mempool};
use crate::policy::{Policy, fee_at};
use crate::reject::{MempoolReject, PackageFault};
use bitcoin::{Transaction, Txid};
use std::collections::BTreeSet;

/// Most transactions that one replacement may evict: BIP 125 rule 5 (`MAX_REPLACEMENT_CANDIDATES`).
const MAX_REPLACED: usize = 100;

/// Checks the rules for a single replacement. Gives all that it evicts: `conflicts` with their descendants.
pub(crate) fn check(
    mempool: &Mempool,
    policy: &Policy,
    entry: &Entry,
    conflicts: &BTreeSet<Txid>,
) -> Result<BTreeSet<Txid>, MempoolReject> {
    let direct = || conflicts.iter().filter_map(|txid| mempool.get(txid));
    if !direct().all(|conflict| entry.pays_better_than(conflict)) {
        return Err(MempoolReject::InsufficientFee);
    }
    let evicted = mempool.with_descendants(conflicts);
    if evicted.len() > MAX_REPLACED {
        return Err(MempoolReject::TooManyReplacements);
    }
    if adds_unconfirmed(mempool, &entry.tx, conflicts) {
        return Err(MempoolReject::ReplacementAddsUnconfirmed);
    }
    let (evicted_fee, _) = mempool.totals(&evicted);
    if entry.fee < evicted_fee + fee_at(policy.incremental, entry.vsize) {
        return Err(MempoolReject::InsufficientFee);
    }
    Ok(evicted)
}

/// BIP 125 rule 2: an unconfirmed parent that none of the replaced had (`HasNoNewUnconfirmed`).
fn adds_unconfirmed(mempool: &Mempool, tx: &Transaction, conflicts: &BTreeSet<Txid>) -> bool {
    let before: BTreeSet<Txid> = conflicts
        .iter()
        .filter_map(|txid| mempool.get(txid))
        .flat_map(|conflict| conflict.tx.input.iter().map(|input| input.previous_output.txid))
        .collect();
    mempool.parents(tx).difference(&before).next().is_some()
}

/// Package RBF (`PackageRBFChecks`): one parent with one child, that have no other unconfirmed ancestors, may together
/// replace what either conflicts with. Gives all that is evicted.
pub(crate) fn check_package(
    mempool: &Mempool,
    policy: &Policy,
    members: &[&Entry],
    conflicts: &BTreeSet<Txid>,
) -> Result<BTreeSet<Txid>, PackageFault> {
    let [parent, child] = members else { return Err(PackageFault::Replacement) };
    let has_ancestors = members.iter().any(|member| !mempool.parents(&member.tx).is_empty());
    let evicted = mempool.with_descendants(conflicts);
    if has_ancestors || evicted.len() > MAX_REPLACED {
        return Err(PackageFault::Replacement);
    }
    let together = join(parent, child);
    let (evicted_fee, _) = mempool.totals(&evicted);
    let pays_for_itself = together.fee >= evicted_fee + fee_at(policy.incremental, together.vsize);
    let mut entries = evicted.iter().filter_map(|txid| mempool.get(txid));
    let improves = entries.all(|entry| match chunk(mempool, entry) {
        Some(chunk) => !chunk.pays_better_than(&together),
        None => false,
    });
    if pays_for_itself && together.pays_better_than(parent) && improves {
        Ok(evicted)
    } else {
        Err(PackageFault::Replacement)
    }
}

/// Two as if they were one.
fn join(one: &Entry, other: &Entry) -> Entry {
    Entry {
        fee: one.fee + other.fee,
        vsize: one.vsize + other.vsize,
        weight: one.weight + other.weight,
        ..Entry::clone(one)
    }
}

/// What a miner would take together with a transaction, which stands alone or has one parent or one child and no other
/// relatives; `None` when it has more (`CheckConflictTopology`). A package that pays at least as well as each of these
/// chunks improves the feerate diagram (`ImprovesFeerateDiagram`), given that it pays more in all.
fn chunk(mempool: &Mempool, entry: &Entry) -> Option<Entry> {
    let ancestors = mempool.ancestors(&entry.tx);
    let mut descendants = mempool.with_descendants(&BTreeSet::from([entry.txid]));
    descendants.remove(&entry.txid);
    if ancestors.len() + descendants.len() > 1 {
        return None;
    }
    if let Some(parent) = ancestors.first().and_then(|txid| mempool.get(txid)) {
        let is_only_child = mempool.with_descendants(&ancestors).len() == 2;
        let helps = entry.pays_better_than(parent);
        return is_only_child.then(|| if helps { join(parent, entry) } else { entry.clone() });
    }
    if let Some(child) = descendants.first().and_then(|txid| mempool.get(txid)) {
        let is_only_parent = mempool.ancestors(&child.tx).len() == 1;
        let is_helped = child.pays_better_than(entry);
        return is_only_parent.then(|| if is_helped { join(entry, child) } else { entry.clone() });
    }
    Some(entry.clone())
}
